//! What a host has of a tenant, as far as a plan needs it.
//!
//! Invariant: lists are read to their end. Nothing is changed.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use wharf_event::{BusName, Code, PluginName, RuleName, SchemaName, TenantName};
use wharf_gateway::view::{PluginDetail, PluginView, ReleaseView, RuleView, SchemaView};

use super::super::{error::CommandError, pages};
use crate::{
    client::{Client, ClientError, Resource},
    project::Wanted,
};

/// Rows that one request asks for.
const PAGE: u32 = 1_000;

/// What there is.
#[derive(Debug, Default)]
pub struct There {
    /// Buses that are wanted and not there.
    pub no_buses: BTreeSet<BusName>,
    /// All plugins.
    pub plugins: BTreeMap<PluginName, PluginView>,
    /// Those that are wanted, in full.
    pub details: BTreeMap<PluginName, PluginDetail>,
    /// The releases that are wanted, if the host knows them.
    pub releases: BTreeMap<PluginName, ReleaseView>,
    /// All schemas; those that are wanted with what they say.
    pub schemas: BTreeMap<SchemaName, SchemaView>,
    /// All rules of the wanted buses.
    pub rules: BTreeMap<RuleName, RuleView>,
}

/// Reads it; none if there is no such tenant.
pub async fn read(client: &Client, tenant: &TenantName, wanted: &Wanted) -> Result<Option<There>, CommandError> {
    let of = Resource::of(tenant);
    let plugins = of.clone().at("plugins");
    let page = |rows, after: Option<String>| plugins.clone().ask("limit", rows).ask_some("after", after);
    let plugins: Vec<PluginView> = match all(client, page, |view: &PluginView| view.plugin.to_string()).await {
        Err(CommandError::Client(ClientError::Refused(reply))) if reply.code == Code::TenantUnknown.as_str() => {
            return Ok(None);
        }
        plugins => plugins?,
    };
    let mut there = There::default();
    there.plugins.extend(plugins.into_iter().map(|view| (view.plugin.clone(), view)));
    for (name, plugin) in &wanted.plugins {
        let at = of.clone().at("plugins").at(name);
        if there.plugins.contains_key(name) {
            there.details.extend(found(client, &at).await?.map(|detail| (name.clone(), detail)));
            let release = at.at("releases").at(plugin.component.release.hex());
            there.releases.extend(found(client, &release).await?.map(|release| (name.clone(), release)));
        }
    }
    let schemas: Vec<SchemaView> = client.get(&of.clone().at("schemas")).await?;
    for schema in schemas {
        let whole = match wanted.schemas.contains_key(&schema.schema) {
            true => found(client, &of.clone().at("schemas").at(&schema.schema)).await?,
            false => Some(schema),
        };
        there.schemas.extend(whole.map(|schema| (schema.schema.clone(), schema)));
    }
    for bus in &wanted.buses {
        let rules = of.clone().at("buses").at(bus).at("rules");
        let page = |rows, after: Option<String>| rules.clone().ask("limit", rows).ask_some("after", after);
        match all(client, page, |rule: &RuleView| rule.rule.to_string()).await {
            Err(CommandError::Client(ClientError::Refused(reply))) if reply.code == Code::BusUnknown.as_str() => {
                there.no_buses.insert(bus.clone());
            }
            rules => there.rules.extend(rules?.into_iter().map(|rule| (rule.rule.clone(), rule))),
        }
    }
    Ok(Some(there))
}

/// A list to its end.
async fn all<T: DeserializeOwned>(
    client: &Client,
    page: impl Fn(u32, Option<String>) -> Resource,
    name_of: impl Fn(&T) -> String,
) -> Result<Vec<T>, CommandError> {
    let page = |rows: u32, after| page(rows.min(PAGE), after);
    pages::gather(client, u32::MAX, None, page, name_of).await
}

/// An object, if there is one.
async fn found<T: DeserializeOwned>(client: &Client, at: &Resource) -> Result<Option<T>, CommandError> {
    match client.get(at).await {
        Ok(found) => Ok(Some(found)),
        Err(ClientError::Refused(reply)) if reply.status == 404 => Ok(None),
        Err(error) => Err(error.into()),
    }
}
