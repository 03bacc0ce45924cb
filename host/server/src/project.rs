//! A `wharf.toml` as what it wants of a host that runs: read with all that it names, and looked at, but not compiled.
//!
//! Invariant: what has a mistake is told in full and wanted by nobody. A component is named by its digest here and is read again when
//! it is sent, so that no more than one is in memory; of one in a registry only the manifest is read. What is the host's own (`host`,
//! `default_tenant`) is left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use wharf_delivery::{
    QueueDocument, RetentionDocument, RouteDocument, RuleDocument, ScheduleDocument, SchemaDocument, TenantSettings,
    WebhookDocument,
};
use wharf_event::{
    BusName, Code, Digest, Grants, PluginName, QueueName, RoutePath, RuleName, ScheduleName, SchemaName, TenantName,
    WebhookName,
};
use wharf_inspect::{Kind, limits::COMPONENT_BYTES_MAX};
use wharf_oci::{Found, OciError, Reference, Registry};

use crate::{
    compile::{Unfit, read_bounded},
    config::{self, PluginConfig, PluginSettings, Problem, Problems, TenantConfig},
    load::{self, LoadError},
    tenant_tables,
};

/// What is wanted.
#[derive(Debug, Default)]
pub struct Project {
    /// Of each tenant.
    pub tenants: BTreeMap<TenantName, Wanted>,
}

/// What is wanted of one tenant.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Nothing else is wanted of it.
    pub whole: bool,
    /// What holds for it as a whole, of which only [`settings_said`](Self::settings_said) is wanted.
    pub settings: TenantSettings,
    /// The keys of that which are said; the others are wanted as they are.
    pub settings_said: Vec<&'static str>,
    /// Its buses.
    pub buses: BTreeSet<BusName>,
    /// How long they keep their events, where it is said; elsewhere as long as they do.
    pub retention: BTreeMap<BusName, RetentionDocument>,
    /// Deliveries of their events that may wait, where it is said; elsewhere as many as may.
    pub bus_backlogs: BTreeMap<BusName, u32>,
    /// Its plugins.
    pub plugins: BTreeMap<PluginName, WantedPlugin>,
    /// Its webhooks.
    pub webhooks: BTreeMap<WebhookName, WebhookDocument>,
    /// Its queues.
    pub queues: BTreeMap<QueueName, QueueDocument>,
    /// Its rules.
    pub rules: BTreeMap<RuleName, RuleDocument>,
    /// Its schedules.
    pub schedules: BTreeMap<ScheduleName, ScheduleDocument>,
    /// Its schemas.
    pub schemas: BTreeMap<SchemaName, SchemaDocument>,
    /// Its routes.
    pub routes: BTreeMap<RoutePath, RouteDocument>,
}

/// A plugin that is wanted.
#[derive(Clone, Debug)]
pub struct WantedPlugin {
    /// The release of all its traffic.
    pub component: Component,
    /// Its settings; none = whatever they are.
    pub settings: Option<PluginSettings>,
    /// What it is granted beside what it has, where its settings are not wanted.
    pub grants: Grants,
}

/// A component, not read yet.
#[derive(Clone, Debug)]
pub struct Component {
    /// Where it is.
    pub source: Source,
    /// Its digest.
    pub release: Digest,
    /// Its bytes.
    pub bytes: u64,
}

/// Where a component is.
#[derive(Clone, Debug)]
pub enum Source {
    /// In a file.
    File(PathBuf),
    /// In a registry.
    Registry(Reference, Box<Found>),
}

/// Reads the project at `path`.
///
/// # Errors
/// All mistakes of the file and of what it names, in one pass.
pub async fn read(path: &Path) -> Result<Project, LoadError> {
    let text = load::read(path)?;
    let (config, problems) = config::read(&text);
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut reading = Reading { folder, seen: BTreeMap::new(), problems };
    let mut project = Project::default();
    for (name, tenant) in &config.tenants {
        project.tenants.insert(name.clone(), reading.tenant(tenant).await);
    }
    let mut list = reading.problems;
    if !list.is_empty() {
        list.sort_by_key(|problem| problem.span.start);
        return Err(Problems { path: path.to_owned(), text, list }.into());
    }
    Ok(project)
}

/// Looks at one component: at a file in full, at what is in a registry by its manifest. So of the latter the kind is not known.
///
/// # Errors
/// When it is not there or not fit to run.
pub async fn component(folder: &Path, named: &str) -> Result<(Component, Option<Kind>), Unfit> {
    if Reference::is_meant(named) {
        let found = in_registry(named).await;
        return found.map(|component| (component, None)).map_err(|error| unfit(error.code(), error.to_string()));
    }
    let file = folder.join(named);
    let wasm = read_bounded(&file, COMPONENT_BYTES_MAX as u64 + 1).map_err(|error| {
        let help = "build it, or correct the path; in a configuration it is relative to the file's folder";
        (Code::ComponentMissing, error.to_string(), help.to_owned())
    })?;
    let kind = wharf_inspect::check(&wasm).and_then(|kind| wharf_inspect::needs(&wasm).map(|_| kind));
    let kind = kind.map_err(|error| unfit(error.code(), error.to_string()))?;
    let (release, bytes) = (Digest::of(&wasm), wasm.len() as u64);
    Ok((Component { source: Source::File(file), release, bytes }, Some(kind)))
}

fn unfit(code: Code, message: String) -> Unfit {
    (code, message, format!("`wharf explain {code}` says what to do"))
}

async fn in_registry(named: &str) -> Result<Component, OciError> {
    let reference: Reference = named.parse()?;
    let found = Registry::of(&reference)?.find().await?;
    let (release, bytes) = (found.component, found.bytes);
    Ok(Component { source: Source::Registry(reference, Box::new(found)), release, bytes })
}

/// Every component once, whoever names it.
struct Reading {
    folder: PathBuf,
    seen: BTreeMap<String, Option<(Component, Option<Kind>)>>,
    problems: Vec<Problem>,
}

impl Reading {
    async fn tenant(&mut self, tenant: &TenantConfig) -> Wanted {
        let (mut plugins, mut kinds) = (BTreeMap::new(), BTreeMap::new());
        for (name, plugin) in &tenant.plugins {
            let Some((component, kind)) = self.component(plugin).await else { continue };
            let PluginConfig { config, grants, limits, breaker, .. } = plugin.clone();
            kinds.extend(kind.map(|kind| (name.clone(), kind)));
            let settings = Some(PluginSettings { config, grants, limits, breaker });
            plugins.insert(name.clone(), WantedPlugin { component, settings, grants: Grants::default() });
        }
        let is_transform = |plugin: &PluginName| kinds.get(plugin).map(|kind| *kind == Kind::Transform);
        tenant_tables::check_uses(tenant, is_transform, &mut self.problems);
        let (schemas, _) = tenant_tables::schemas(&self.folder, &tenant.schemas, &mut self.problems);
        let TenantConfig {
            settings,
            settings_said,
            buses,
            retention,
            bus_backlogs,
            rules,
            webhooks,
            queues,
            schedules,
            routes,
            ..
        } = tenant.clone();
        Wanted {
            whole: true,
            settings,
            settings_said,
            buses,
            retention,
            bus_backlogs,
            plugins,
            webhooks,
            queues,
            rules,
            schedules,
            schemas,
            routes,
        }
    }

    async fn component(&mut self, plugin: &PluginConfig) -> Option<(Component, Option<Kind>)> {
        let named = &plugin.component;
        if let Some(seen) = self.seen.get(named) {
            return seen.clone();
        }
        let read = component(&self.folder, named).await.map_err(|(code, message, help)| {
            let message = format!("component {named}: {message}");
            self.problems.push(Problem { span: plugin.component_span.clone(), code, message, help });
        });
        self.seen.insert(named.clone(), read.clone().ok());
        read.ok()
    }
}
