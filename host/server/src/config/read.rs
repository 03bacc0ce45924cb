//! From text to [`Config`]. Files that it names are not opened here.

use std::{collections::BTreeMap, path::Path};

use toml::de::DeTable;
use wharf_delivery::{GrantsDocument, LimitsDocument, RetentionDocument, RuleDocument};
use wharf_event::{BusName, PluginName, RuleName, TenantName};

use super::{
    problem::{Problem, Problems},
    table::{Sink, Table},
    tenant,
};

/// The configuration of a host.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The tenant that `POST /events` is for.
    pub default_tenant: Option<TenantName>,
    /// The tenants.
    pub tenants: BTreeMap<TenantName, TenantConfig>,
}

/// One tenant.
#[derive(Clone, Debug, Default)]
pub struct TenantConfig {
    /// Its event buses; `default` is always there.
    pub buses: std::collections::BTreeSet<BusName>,
    /// How long they keep their events, where it is said.
    pub retention: BTreeMap<BusName, RetentionDocument>,
    /// Its plugins.
    pub plugins: BTreeMap<PluginName, PluginConfig>,
    /// Its rules.
    pub rules: BTreeMap<RuleName, RuleDocument>,
}

/// One plugin.
#[derive(Clone, Debug)]
pub struct PluginConfig {
    /// The component's file, relative to the configuration's folder.
    pub component: String,
    /// Where the file is named, for mistakes found in it.
    pub component_span: std::ops::Range<usize>,
    /// Its config table.
    pub config: BTreeMap<String, String>,
    /// What it may use.
    pub grants: GrantsDocument,
    /// What it may consume.
    pub limits: LimitsDocument,
}

/// Reads a configuration.
///
/// # Errors
/// All its mistakes.
pub fn load(path: &Path, text: &str) -> Result<Config, Problems> {
    let failed = |list| Problems { path: path.to_owned(), text: text.to_owned(), list };
    let (document, errors) = DeTable::parse_recoverable(text);
    let sink = Sink::default();
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        sink.report(span, error.message(), "correct the TOML; https://toml.io describes it");
    }
    if !errors.is_empty() {
        // What follows broken TOML would only be guessed at.
        return Err(failed(sink.into_list()));
    }
    let root = Table::new(document.get_ref(), "the configuration".into(), 0..0, &sink);
    let config = read(root, &sink);
    let list: Vec<Problem> = sink.into_list();
    if list.is_empty() { Ok(config) } else { Err(failed(list)) }
}

fn read(root: Table<'_>, sink: &Sink) -> Config {
    let mut config = Config::default();
    let default_tenant = root.parsed::<TenantName>("default_tenant");
    for (name, table) in root.named::<TenantName>("tenants", "tenant") {
        config.tenants.insert(name, tenant::read(table, sink));
    }
    if let Some(default) = default_tenant {
        if !config.tenants.contains_key(&default.value) {
            let message = format!("`default_tenant` names `{}`, which is not a tenant", default.value);
            sink.report(default.span, message, "name one of the tables below `tenants`");
        }
        config.default_tenant = Some(default.value);
    }
    root.finish();
    config
}
