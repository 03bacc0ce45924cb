//! One tenant's tables: buses, plugins, rules and their targets.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use toml::de::DeValue;
use wharf_delivery::{
    HostLimits, LimitsDocument, PatternText, RetentionDocument, RuleDocument, TargetDocument, TenantSettings,
};
use wharf_egress::Granted;
use wharf_event::{
    BusName, Code, GrantBounds, Grants, PluginAt, PluginName, QueueName, RuleName, ScheduleName, SignaturePolicy,
    Target, TopicName, WebhookName,
};
use wharf_pattern::Pattern;

use super::{
    breaker, budgets, caches, input,
    keys::{DEFAULT_BUS, TRANSFORMS_MAX, WHOLE},
    llm::{self, LlmConfig},
    own_models, pattern_json,
    plugin_json::PluginSettings,
    prompts, queues, quotas,
    read::{PluginConfig, TenantConfig, Use},
    retry, routes, schedules, schemas,
    table::{Found, Sink, Table},
    topics, webhooks,
};

pub(super) fn read(table: Table<'_>, operator: &Granted, models: &LlmConfig, sink: &Sink) -> TenantConfig {
    let mut tenant = TenantConfig::default();
    tenant.buses.extend(DEFAULT_BUS.parse::<BusName>().ok());
    for (name, bus) in table.named::<BusName>("buses") {
        let retention = bus.table("retention").map(read_retention);
        let backlog = bus.integer("backlog");
        if !name.is_plain() {
            let message = format!("`{name}` is no event bus by itself: a name has no `/`");
            sink.report(bus.span.clone(), message, "choose another name");
            continue;
        }
        tenant.retention.extend(retention.map(|retention| (name.clone(), retention)));
        tenant.bus_backlogs.extend(backlog.map(|backlog| (name.clone(), backlog)));
        tenant.buses.insert(name);
    }
    let mut plugins = BTreeSet::new();
    for (name, plugin) in table.named::<PluginName>("plugins") {
        plugins.insert(name.clone());
        tenant.plugins.extend(read_plugin(plugin, sink).map(|plugin| (name, plugin)));
    }
    tenant.webhooks = webhooks::read(&table, operator, sink);
    let webhooks = table.named::<WebhookName>("webhooks").into_iter().map(|(name, _)| name).collect();
    tenant.queues = queues::read(&table);
    let queues = table.named::<QueueName>("queues").into_iter().map(|(name, _)| name).collect();
    let buses = tenant.buses.clone();
    let topics = topics::read(&table, &mut tenant);
    for (name, rule) in table.named::<RuleName>("rules") {
        if !name.is_plain() {
            let message = format!("`{name}` is no rule of a bus: a name has no `/`");
            sink.report(rule.span.clone(), message, "choose another name, or make a subscription of a topic of it");
            continue;
        }
        let mut uses = Vec::new();
        let known =
            Known { buses: &tenant.buses, plugins: &plugins, webhooks: &webhooks, queues: &queues, of_file: true };
        tenant.rules.extend(read_rule(rule, known, &mut uses, sink).map(|rule| (name, rule)));
        tenant.uses.extend(uses);
    }
    let known = Known { buses: &tenant.buses, plugins: &plugins, webhooks: &webhooks, queues: &queues, of_file: true };
    let mut uses = Vec::new();
    let subscriptions = topics::read_subscriptions(topics, known, &mut uses, sink);
    tenant.schemas = schemas::read(&table, &buses, sink);
    for (name, schedule) in table.named::<ScheduleName>("schedules") {
        let read = schedules::read(&name, &schedule, known, &mut uses, sink);
        tenant.schedules.extend(read.map(|schedule| (name, schedule)));
    }
    tenant.routes = routes::read(&table, known, sink);
    tenant.rules.extend(subscriptions);
    tenant.uses.extend(uses);
    tenant.own_models = own_models::read(&table, models, sink);
    if let Some(table) = table.table("llm") {
        tenant.models = llm::read_routes(&table, models, sink);
        tenant.budgets = budgets::read_all(&table);
        tenant.cache = caches::read(&table);
        tenant.prompts = prompts::read(&table, &tenant.models, sink);
    }
    tenant.settings = read_whole(&table);
    let said = WHOLE.iter().map(|key| key.name).filter(|&name| table.value(name).is_some());
    tenant.settings_said.extend(said);
    check_ceiling(&tenant, sink);
    tenant
}

/// What rules and schedules may name, what has mistakes of its own included: those are told where they are.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) buses: &'a BTreeSet<BusName>,
    pub(super) plugins: &'a BTreeSet<PluginName>,
    pub(super) webhooks: &'a BTreeSet<WebhookName>,
    pub(super) queues: &'a BTreeSet<QueueName>,
    /// Whether they and the plugins stand in the configuration file.
    pub(super) of_file: bool,
}

impl Known<'_> {
    /// What to do about something that there is not.
    pub(super) fn make(self, plural: &str, name: &str) -> String {
        if self.of_file {
            return format!("add a table `{plural}.{name}`");
        }
        let command = match plural {
            "webhooks" => format!("wharf webhook put {name} URL"),
            "plugins" => format!("wharf deploy FILE.wasm --plugin {name}"),
            "buses" => format!("wharf bus add {name}"),
            "topics" => format!("wharf topic create {name}"),
            _ => format!("wharf queue create {name}"),
        };
        format!("make it first: {command}")
    }

    /// The event bus of a rule or a schedule, if there is that; what there is not is reported.
    pub(super) fn check_own_bus(self, Found { value, span }: &Found<BusName>, sink: &Sink) {
        if value.is_plain() && self.buses.contains(value) {
            return;
        }
        let message = format!("there is no event bus `{value}`");
        let help = match value.topic() {
            Some(topic) => format!(
                "a topic is a target, targets = [{{ topic = \"{topic}\" }}], and has subscriptions in place of rules"
            ),
            None => self.make("buses", value.as_str()),
        };
        let buses = self.buses.iter().filter(|bus| bus.is_plain()).map(BusName::as_str);
        sink.report_unknown(span.clone(), message, value.as_str(), buses, help);
    }

    /// Reports a webhook that there is not.
    fn check_webhook(self, Found { value, span }: &Found<WebhookName>, sink: &Sink) {
        if !self.webhooks.contains(value) {
            let (message, help) = (format!("there is no webhook `{value}`"), self.make("webhooks", value.as_str()));
            let names = self.webhooks.iter().map(WebhookName::as_str);
            sink.report_unknown(span.clone(), message, value.as_str(), names, help);
        }
    }

    /// Reports a queue that there is not.
    fn check_queue(self, Found { value, span }: &Found<QueueName>, sink: &Sink) {
        if !self.queues.contains(value) {
            let (message, help) = (format!("there is no queue `{value}`"), self.make("queues", value.as_str()));
            let names = self.queues.iter().map(QueueName::as_str);
            sink.report_unknown(span.clone(), message, value.as_str(), names, help);
        }
    }

    /// Reports a bus or a topic that there is not.
    fn check_bus(self, Found { value, span }: &Found<BusName>, sink: &Sink) {
        if self.buses.contains(value) {
            return;
        }
        let target = Target::Bus(value.clone());
        let (kind, plural) = if value.is_plain() { ("event bus", "buses") } else { ("topic", "topics") };
        let message = format!("there is no {kind} `{}`", target.name());
        let help = self.make(plural, target.name());
        let others = self.buses.iter().filter(|bus| bus.is_plain() == value.is_plain());
        let names: Vec<_> = others.map(|bus| bus.as_str().strip_prefix("topic/").unwrap_or(bus.as_str())).collect();
        sink.report_unknown(span.clone(), message, target.name(), names, help);
    }

    /// Reports a plugin that there is not.
    pub(super) fn check_plugin(self, plugin: &Found<PluginName>, sink: &Sink) {
        let Found { value, span } = plugin;
        if !self.plugins.contains(value) {
            let (message, help) = (format!("there is no plugin `{value}`"), self.make("plugins", value.as_str()));
            let names = self.plugins.iter().map(PluginName::as_str);
            sink.report_unknown(span.clone(), message, value.as_str(), names, help);
        }
    }
}

pub(super) fn read_retention(table: Table<'_>) -> RetentionDocument {
    let defaults = RetentionDocument::default();
    RetentionDocument {
        age_ms: table.duration_ms("age").unwrap_or(defaults.age_ms),
        size_bytes: table.size_bytes("size").unwrap_or(defaults.size_bytes),
    }
}

fn read_plugin(table: Table<'_>, sink: &Sink) -> Option<PluginConfig> {
    let component = table.parsed::<String>("component");
    if component.is_none() && table.value("component").is_none() {
        table.missing("component", "name the component's file: component = \"handler.wasm\"");
    }
    let build = table.parsed::<String>("build").map(|found| found.value);
    let PluginSettings { config, grants, limits, breaker } = read_plugin_settings(&table, sink);
    let handler_keys =
        ["config", "grants", "breaker"].into_iter().filter_map(|key| Some((key, table.value_span(key)?))).collect();
    let Found { value: component, span: component_span } = component?;
    Some(PluginConfig { component, component_span, build, handler_keys, config, grants, limits, breaker })
}

/// What a plugin is given, may use, and may consume.
pub(super) fn read_plugin_settings(table: &Table<'_>, sink: &Sink) -> PluginSettings {
    let grants = table.table("grants").map(read_grants).unwrap_or_default();
    let limits = table.table("limits").map(read_limits).unwrap_or_default();
    let breaker = table.table("breaker").map(|table| breaker::read(&table, sink));
    PluginSettings { config: read_settings(table, sink), grants, limits, breaker }
}

fn read_settings(table: &Table<'_>, sink: &Sink) -> BTreeMap<String, String> {
    let mut strings = BTreeMap::new();
    for (key, value) in table.settings("config") {
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(integer) => integer.to_string(),
            DeValue::Float(float) => float.to_string(),
            DeValue::Boolean(boolean) => boolean.to_string(),
            _ => {
                let message =
                    format!("`{key}` of `config` of {} is of type {}", table.what(), value.get_ref().type_str());
                sink.report(value.span(), message, "give a string, a number or a boolean");
                continue;
            }
        };
        strings.insert(key.to_owned(), text);
    }
    strings
}

fn read_grants(table: Table<'_>) -> Grants {
    Grants {
        publish: table.list("publish"),
        kv: table.list("kv"),
        http: table.list("http"),
        secrets: table.list("secrets"),
        llm: table.list("llm"),
        infer: table.list("infer"),
        hold: table.list("hold"),
    }
}

/// What holds for a tenant as a whole.
pub(super) fn read_whole(table: &Table<'_>) -> TenantSettings {
    let defaults = TenantSettings::default();
    // What is said is not kept where it is the default.
    let integer = |name: &'static str, default: u32| table.integer(name).filter(|value| *value != default);
    TenantSettings {
        suspended: table.boolean("suspended").unwrap_or(false),
        ceiling: table.table("ceiling").map(read_ceiling).unwrap_or_default(),
        signatures: table.parsed::<SignaturePolicy>("signatures").map(|found| found.value).unwrap_or_default(),
        weight: integer("weight", defaults.weight()),
        concurrency: integer("concurrency", defaults.concurrency()),
        memory_mib: integer("memory_mib", defaults.memory_mib()),
        quotas: quotas::read(table),
    }
}

fn read_ceiling(table: Table<'_>) -> GrantBounds {
    // A list that is there and empty lets nothing be granted.
    let publish = table.value("publish").map(|_| table.list("publish"));
    let http = table.value("http").map(|_| table.list("http"));
    let secrets = table.value("secrets").map(|_| table.list("secrets"));
    let llm = table.value("llm").map(|_| table.list("llm"));
    let infer = table.value("infer").map(|_| table.list("infer"));
    let hold = table.value("hold").map(|_| table.list("hold"));
    GrantBounds { publish, kv: table.value("kv").map(|_| table.list("kv")), http, secrets, llm, infer, hold }
}

/// Reports what a plugin of the file is granted beyond its tenant's ceiling.
fn check_ceiling(tenant: &TenantConfig, sink: &Sink) {
    for (name, plugin) in &tenant.plugins {
        let beyond = tenant.settings.ceiling.beyond(&plugin.grants).told();
        let place = plugin.handler_keys.iter().find(|(key, _)| *key == "grants");
        if let (false, Some((_, span))) = (beyond.is_empty(), place) {
            let message = format!("plugin `{name}` is granted more than its tenant's `ceiling`: {}", beyond.join(", "));
            sink.report_as(Code::GrantCeiling, span.clone(), message, "grant less, or raise the ceiling");
        }
    }
}

fn read_limits(table: Table<'_>) -> LimitsDocument {
    let defaults = LimitsDocument::default();
    LimitsDocument {
        wall_ms: table.integer("wall_ms").unwrap_or(defaults.wall_ms),
        cpu_ms: table.integer("cpu_ms").unwrap_or(defaults.cpu_ms),
        memory_mib: table.integer("memory_mib").unwrap_or(defaults.memory_mib),
        concurrency: table.integer("concurrency").unwrap_or(defaults.concurrency),
        weight: table.integer("weight").unwrap_or(defaults.weight),
        quarantine: table.parsed("quarantine").map_or(defaults.quarantine, |found| found.value),
        backlog: table.integer("backlog"),
        publish_per_s: table.integer("publish_per_s"),
        attempts_per_s: table.integer("attempts_per_s"),
        reuse: table.integer("reuse").unwrap_or(defaults.reuse),
        host: read_host_limits(&table),
    }
}

/// What an attempt may have the host do: keys of the same table.
fn read_host_limits(table: &Table<'_>) -> HostLimits {
    let defaults = HostLimits::default();
    let read = |key, default| table.integer(key).unwrap_or(default);
    HostLimits {
        table_elements: read("table_elements", defaults.table_elements),
        call_kib: read("call_kib", defaults.call_kib),
        handles: read("handles", defaults.handles),
        resources: read("resources", defaults.resources),
        random_kib: read("random_kib", defaults.random_kib),
        log_lines: read("log_lines", defaults.log_lines),
        log_kib: read("log_kib", defaults.log_kib),
        publishes: read("publishes", defaults.publishes),
        publish_kib: read("publish_kib", defaults.publish_kib),
        kv_reads: read("kv_reads", defaults.kv_reads),
        kv_writes: read("kv_writes", defaults.kv_writes),
        kv_write_kib: read("kv_write_kib", defaults.kv_write_kib),
        http_calls: read("http_calls", defaults.http_calls),
        http_kib: read("http_kib", defaults.http_kib),
        http_ms: read("http_ms", defaults.http_ms),
        llm_calls: read("llm_calls", defaults.llm_calls),
        llm_kib: read("llm_kib", defaults.llm_kib),
        llm_ms: read("llm_ms", defaults.llm_ms),
        infer_calls: read("infer_calls", defaults.infer_calls),
        infer_kib: read("infer_kib", defaults.infer_kib),
        infer_ms: read("infer_ms", defaults.infer_ms),
    }
}

/// Reads a rule; `uses` gets the plugins that it names.
pub(super) fn read_rule(table: Table<'_>, known: Known<'_>, uses: &mut Vec<Use>, sink: &Sink) -> Option<RuleDocument> {
    let bus = table.parsed::<BusName>("bus");
    if let Some(bus) = &bus {
        known.check_own_bus(bus, sink);
    }
    let pattern = read_pattern(&table, sink);
    let (transforms, targets) = read_sent(&table, known, uses, sink);
    let bus = bus.map(|bus| bus.value).or_else(|| DEFAULT_BUS.parse().ok())?;
    let enabled = table.boolean("enabled").unwrap_or(true);
    Some(RuleDocument { bus, pattern: pattern?, transforms, targets, enabled })
}

/// Reads what becomes of events that match, of a rule or a subscription: the transforms and the targets.
pub(super) fn read_sent(
    table: &Table<'_>,
    known: Known<'_>,
    uses: &mut Vec<Use>,
    sink: &Sink,
) -> (Vec<PluginName>, Vec<TargetDocument>) {
    let transforms = read_transforms(table, known, uses, sink);
    let targets = read_targets(table, known, uses, sink);
    let is_queue = |target: &TargetDocument| target.to.queue().is_some();
    if !transforms.is_empty() && targets.iter().any(is_queue) {
        let span = table.value_span("transforms").unwrap_or(table.span.clone());
        let message = format!("{} has a queue for a target, which keeps events as they came", table.what());
        sink.report(span, message, "leave `transforms` out, or make a rule of its own for the queue");
    }
    (transforms, targets)
}

/// Reads who gets events; `uses` gets the plugins among them.
pub(super) fn read_targets(
    table: &Table<'_>,
    known: Known<'_>,
    uses: &mut Vec<Use>,
    sink: &Sink,
) -> Vec<TargetDocument> {
    let mut named = BTreeMap::new();
    let tables = table.tables("targets").into_iter();
    let targets = tables.filter_map(|target| read_target(target, known, &mut named, sink)).collect();
    let help = "say who gets the events: targets = [{ plugin = \"…\" }]";
    uses.extend(named.into_iter().filter_map(|(target, span)| {
        let Target::Plugin(plugin) = target else { return None };
        Some(Use { plugin, span, transforms: false })
    }));
    match table.value("targets") {
        None => table.missing("targets", help),
        Some(value) if value.get_ref().as_array().is_some_and(|targets| targets.is_empty()) => {
            sink.report(value.span(), format!("{} has no target", table.what()), help);
        }
        Some(_) => {}
    }
    targets
}

/// Reads the pattern of a rule or a subscription.
pub(super) fn read_pattern(table: &Table<'_>, sink: &Sink) -> Option<PatternText> {
    let Some(value) = table.value("pattern") else {
        table.missing("pattern", "add one, such as pattern = { type = [\"order.created\"] }");
        return None;
    };
    let text = match value.get_ref() {
        // JSON in a string, as it stands there: the only way to write `null`, which TOML has not.
        DeValue::String(text) => match text.parse() {
            Ok(text) => Some(text),
            Err(error) => {
                let help = "give a table, or JSON in a string: pattern = '{\"data\": {\"x\": [null]}}'";
                sink.report_as(Code::PatternInvalid, value.span(), format!("the pattern is no JSON: {error}"), help);
                return None;
            }
        },
        other => pattern_json::to_json(other).and_then(|json| json.to_string().parse::<PatternText>().ok()),
    };
    let Some(text) = text else {
        sink.report(
            value.span(),
            "the pattern holds a date or a float that is no number",
            "write it as JSON would have it",
        );
        return None;
    };
    if let Err(errors) = Pattern::from_json(text.as_str().as_bytes()) {
        for error in errors.iter() {
            let span = pattern_json::place(value, &error.pointer);
            let message = format!("wrong event pattern at `{}`: {}", error.pointer, error.reason);
            let help = "`wharf explain pattern-invalid` describes the language";
            sink.report_as(Code::PatternInvalid, span, message, help);
        }
        return None;
    }
    Some(text)
}

fn read_transforms(table: &Table<'_>, known: Known<'_>, uses: &mut Vec<Use>, sink: &Sink) -> Vec<PluginName> {
    let found = table.placed_list::<PluginName>("transforms");
    if let Some(Found { span, .. }) = found.get(TRANSFORMS_MAX) {
        let message = format!("{} has more than {TRANSFORMS_MAX} transforms", table.what());
        sink.report(span.clone(), message, "make one transform of several");
    }
    for plugin in &found {
        known.check_plugin(plugin, sink);
    }
    uses.extend(found.iter().map(|Found { value, span }| Use {
        plugin: value.clone(),
        span: span.clone(),
        transforms: true,
    }));
    found.into_iter().map(|found| found.value).collect()
}

/// Reports what a target says though it is a queue.
fn check_plain(target: &Table<'_>, sink: &Sink) {
    for key in ["retry", "dead_letter", "order_by", "key_per_s", "input_path", "input", "input_transformer"] {
        let Some(span) = target.value_span(key) else { continue };
        let message = format!("`{key}` of {} holds nothing for a queue", target.what());
        sink.report(
            span,
            message,
            "leave it out: what holds for messages is said of the queue, which keeps events as they came",
        );
    }
}

/// How fast events of one key come to a target; a mistake where it has no keys.
fn read_key_rate(target: &Table<'_>, sink: &Sink) -> Option<u32> {
    let per_s = target.integer("key_per_s")?;
    if let (None, Some(span)) = (target.value_span("order_by"), target.value_span("key_per_s")) {
        let message = format!("{} has a `key_per_s` and no keys", target.what());
        sink.report(span, message, "say by `order_by` what its events have in common, such as '$.data.customer'");
        return None;
    }
    Some(per_s)
}

/// Reads a target. `named` has the rule's targets before it, each with its place.
fn read_target(
    table: Table<'_>,
    known: Known<'_>,
    named: &mut BTreeMap<Target, Range<usize>>,
    sink: &Sink,
) -> Option<TargetDocument> {
    let at = table.parsed::<PluginAt>("plugin");
    let webhook = table.parsed::<WebhookName>("webhook");
    let queue = table.parsed::<QueueName>("queue");
    let bus = table.parsed::<BusName>("bus");
    if let Some(Found { value, span }) = bus.as_ref().filter(|bus| !bus.value.is_plain()) {
        sink.report(span.clone(), format!("`{value}` is no event bus by itself"), "name a topic under `topic`");
    }
    let topic = table.parsed::<TopicName>("topic");
    let bus = topic.map(|Found { value, span }| Found { value: BusName::of_topic(&value), span }).or(bus);
    let plugin = at.as_ref().map(|at| Found { value: at.value.plugin.clone(), span: at.span.clone() });
    let kinds = ["plugin", "webhook", "queue", "bus", "topic"].into_iter();
    let kinds: Vec<_> = kinds.filter_map(|kind| Some((kind, table.value_span(kind)?))).collect();
    match kinds.as_slice() {
        [] => {
            table.missing("plugin", "name one of the tenant's plugins, or a `webhook`, a `queue`, a `bus`, a `topic`")
        }
        [(one, _), (other, span), ..] => {
            let message = format!("{} has a `{one}` and a `{other}`", table.what());
            sink.report(span.clone(), message, "make two targets of it");
        }
        [_] => {}
    }
    plugin.iter().for_each(|plugin| known.check_plugin(plugin, sink));
    webhook.iter().for_each(|webhook| known.check_webhook(webhook, sink));
    bus.iter().for_each(|bus| known.check_bus(bus, sink));
    if let Some(queue) = &queue {
        known.check_queue(queue, sink);
        check_plain(&table, sink);
    }
    let plugin = plugin.map(|Found { value, span }| Found { value: Target::Plugin(value), span });
    let webhook = webhook.map(|Found { value, span }| Found { value: Target::Webhook(value), span });
    let queue = queue.map(|Found { value, span }| Found { value: Target::Queue(value), span });
    let bus = bus.map(|Found { value, span }| Found { value: Target::Bus(value), span });
    let to = plugin.or(webhook).or(queue).or(bus);
    if let Some(Found { value, span }) = &to
        && named.insert(value.clone(), span.clone()).is_some()
    {
        let message = format!("{} `{}` is a target of this rule already", value.kind(), value.name());
        sink.report(span.clone(), message, "remove one of the two, or make a second rule of it");
    }
    let channel = at.and_then(|at| Some(Found { value: at.value.channel?, span: at.span }));
    if let Some(Found { value, span }) = channel.as_ref().filter(|it| known.of_file && it.value.as_str() != "stable") {
        let message = format!("a plugin of this file has one release and no channel `{value}`");
        sink.report(span.clone(), message, format!("leave `@{value}` out; channels are for plugins that are uploaded"));
    }
    let retry = table.table("retry").map(|retry| retry::read(retry, sink)).unwrap_or_default();
    let dead_letter = table.parsed::<QueueName>("dead_letter");
    let (input, order_by) = (input::read(&table, sink), input::read_order(&table, sink));
    let key_per_s = read_key_rate(&table, sink);
    let to = to?.value;
    let dead_letter = dead_letter.map_or_else(|| QueueName::from(&to), |queue| queue.value);
    Some(TargetDocument { to, channel: channel.map(|it| it.value), retry, dead_letter, input, order_by, key_per_s })
}
