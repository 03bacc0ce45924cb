//! From text to [`Config`]. Files that it names are not opened here.

use std::{collections::BTreeMap, net::SocketAddr, ops::Range};

use toml::de::DeTable;
use wharf_catalog::PromptDocument;
use wharf_delivery::{
    BreakerDocument, LimitsDocument, QueueDocument, RetentionDocument, RouteDocument, RuleDocument, ScheduleDocument,
    SchemaMode, TenantSettings, WebhookDocument,
};
use wharf_dispatch::limits::HOST_FAULTS_MAX;
use wharf_egress::{Granted, limits::DNS_SERVERS_MAX};
use wharf_event::{
    BusName, Grants, ModelName, PluginName, PromptName, QueueName, RouteName, RoutePath, RuleName, ScheduleName,
    SchemaName, TenantName, WebhookName,
};
use wharf_gateway::limits::BODIES_BYTES_MAX;
use wharf_recording::Policy;
use wharf_runtime::limits::LOADED_BYTES;

use super::{
    budgets::BudgetsConfig,
    caches::CacheConfig,
    keys::ROOT,
    llm::{self, LlmConfig, RouteConfig},
    own_models::OwnModelConfig,
    problem::Problem,
    recordings,
    table::{Sink, Table},
    tenant, webhooks,
};
use crate::prices::{Money, Prices};

/// The configuration of a host.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The tenant that `POST /events` is for.
    pub default_tenant: Option<TenantName>,
    /// What holds for all of them.
    pub host: HostConfig,
    /// What leaves the host.
    pub egress: EgressConfig,
    /// Models.
    pub llm: LlmConfig,
    /// The tenants.
    pub tenants: BTreeMap<TenantName, TenantConfig>,
}

/// What leaves the host by the wish of tenants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressConfig {
    /// Networks that tenants may have reached though they are not public.
    pub networks: Granted,
    /// DNS servers that are asked for addresses; none = the system's way.
    pub dns: Vec<SocketAddr>,
}

/// What holds for the whole host.
#[derive(Clone, Copy, Debug)]
pub struct HostConfig {
    /// Attempts in which the host fails until their release is not run any more.
    pub quarantine_after: u32,
    /// Bytes of compiled code that may be in memory.
    pub loaded_code_bytes: u64,
    /// What plugins' use of the host costs.
    pub prices: Prices,
    /// Bytes that bodies of requests may hold in memory at once.
    pub body_bytes: u64,
    /// Which attempts are recorded.
    pub recordings: Policy,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            quarantine_after: HOST_FAULTS_MAX,
            loaded_code_bytes: LOADED_BYTES,
            prices: Prices::default(),
            body_bytes: BODIES_BYTES_MAX,
            recordings: Policy::default(),
        }
    }
}

/// One tenant.
#[derive(Clone, Debug, Default)]
pub struct TenantConfig {
    /// Its event buses; `default` is always there.
    pub buses: std::collections::BTreeSet<BusName>,
    /// How long they keep their events, where it is said.
    pub retention: BTreeMap<BusName, RetentionDocument>,
    /// Deliveries of their events that may wait, where it is said.
    pub bus_backlogs: BTreeMap<BusName, u32>,
    /// Its plugins.
    pub plugins: BTreeMap<PluginName, PluginConfig>,
    /// Its rules.
    pub rules: BTreeMap<RuleName, RuleDocument>,
    /// Its schemas.
    pub schemas: BTreeMap<SchemaName, SchemaConfig>,
    /// Its webhooks.
    pub webhooks: BTreeMap<WebhookName, WebhookDocument>,
    /// Its queues.
    pub queues: BTreeMap<QueueName, QueueDocument>,
    /// Its schedules.
    pub schedules: BTreeMap<ScheduleName, ScheduleDocument>,
    /// Its routes.
    pub routes: BTreeMap<RoutePath, RouteDocument>,
    /// Models of its own.
    pub own_models: BTreeMap<ModelName, OwnModelConfig>,
    /// Its ways to models.
    pub models: BTreeMap<RouteName, RouteConfig>,
    /// What models may cost.
    pub budgets: BudgetsConfig,
    /// The room for answers of models that are given again.
    pub cache: CacheConfig,
    /// Its prompts.
    pub prompts: BTreeMap<PromptName, PromptDocument>,
    /// What holds for it as a whole.
    pub settings: TenantSettings,
    /// The keys of that which are said.
    pub settings_said: Vec<&'static str>,
    /// Where rules name plugins, those of rules with mistakes too.
    pub uses: Vec<Use>,
}

/// A place where a rule names a plugin. Whether it may stand there shows when its component is read.
#[derive(Clone, Debug)]
pub struct Use {
    /// The plugin.
    pub plugin: PluginName,
    /// The place.
    pub span: Range<usize>,
    /// It is to transform the rule's events; otherwise it is to handle them.
    pub transforms: bool,
}

/// One schema.
#[derive(Clone, Debug)]
pub struct SchemaConfig {
    /// The schema's file, relative to the configuration's folder.
    pub file: String,
    /// Where the file is named, for mistakes found in it.
    pub file_span: Range<usize>,
    /// The bus whose events it is for.
    pub bus: BusName,
    /// Their `type`.
    pub kind: String,
    /// What becomes of those that it does not allow.
    pub mode: SchemaMode,
}

/// One plugin.
#[derive(Clone, Debug)]
pub struct PluginConfig {
    /// The component's file, relative to the configuration's folder.
    pub component: String,
    /// Where the file is named, for mistakes found in it.
    pub component_span: Range<usize>,
    /// The command that builds it.
    pub build: Option<String>,
    /// Where `config`, `grants` and `breaker` are, if they are there: a transform takes none of them.
    pub handler_keys: Vec<(&'static str, Range<usize>)>,
    /// Its config table.
    pub config: BTreeMap<String, String>,
    /// What it may use.
    pub grants: Grants,
    /// What it may consume.
    pub limits: LimitsDocument,
    /// When it is given a rest.
    pub breaker: Option<BreakerDocument>,
}

/// Reads a configuration, and gives its mistakes beside what could be read: none, or it is not to be put into force.
pub fn read(text: &str) -> (Config, Vec<Problem>) {
    let (document, errors) = DeTable::parse_recoverable(text);
    let sink = Sink::default();
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        sink.report(span, error.message(), "correct the TOML; https://toml.io describes it");
    }
    if !errors.is_empty() {
        // What follows broken TOML would only be guessed at.
        return (Config::default(), sink.into_list());
    }
    let root = Table::new(document.get_ref(), ROOT, "the configuration".into(), 0..0, &sink);
    let config = read_root(root, &sink);
    (config, sink.into_list())
}

fn read_prices(table: Table<'_>) -> Prices {
    let price = |key| table.parsed::<Money>(key).map(|found| found.value).unwrap_or_default();
    Prices {
        currency: table.parsed("currency").map(|found| found.value),
        attempts_million: price("attempts_million"),
        cpu_hour: price("cpu_hour"),
        memory_gib_hour: price("memory_gib_hour"),
        gb_in: price("gb_in"),
        gb_out: price("gb_out"),
        host_calls_million: price("host_calls_million"),
    }
}

fn read_egress(table: &Table<'_>, sink: &Sink) -> EgressConfig {
    let (_, networks) = webhooks::granted(table, "networks", sink);
    let dns: Vec<SocketAddr> = table.list("dns");
    if dns.len() > DNS_SERVERS_MAX {
        let span = table.value_span("dns").unwrap_or(table.span.clone());
        sink.report(span, format!("more than {DNS_SERVERS_MAX} DNS servers are named"), "leave some out");
    }
    EgressConfig { networks, dns }
}

fn read_root(root: Table<'_>, sink: &Sink) -> Config {
    let mut config = Config::default();
    let default_tenant = root.parsed::<TenantName>("default_tenant");
    if let Some(host) = root.table("host") {
        config.host.quarantine_after = host.integer("quarantine_after").unwrap_or(HOST_FAULTS_MAX);
        config.host.loaded_code_bytes = host.size_bytes("loaded_code").unwrap_or(LOADED_BYTES);
        config.host.prices = host.table("prices").map(read_prices).unwrap_or_default();
        config.host.body_bytes = host.size_bytes("body_memory").unwrap_or(BODIES_BYTES_MAX);
        config.host.recordings = host.table("recordings").map(|table| recordings::read(&table)).unwrap_or_default();
    }
    if let Some(egress) = root.table("egress") {
        config.egress = read_egress(&egress, sink);
    }
    if let Some(models) = root.table("llm") {
        config.llm = llm::read(&models, sink);
    }
    for (name, table) in root.named::<TenantName>("tenants") {
        config.tenants.insert(name, tenant::read(table, &config.egress.networks, &config.llm, sink));
    }
    if let Some(default) = default_tenant {
        if !config.tenants.contains_key(&default.value) {
            let message = format!("`default_tenant` names `{}`, which is not a tenant", default.value);
            let tenants = config.tenants.keys().map(TenantName::as_str);
            sink.report_unknown(default.span, message, default.value.as_str(), tenants, "name a table below `tenants`");
        }
        config.default_tenant = Some(default.value);
    }
    config
}
