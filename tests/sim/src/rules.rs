//! The rule sets that a history goes through: two tenants, a handful of plugins, and variants in which rules and plugins come
//! and go.
//!
//! Invariant: a plugin's policy, concurrency and dead-letter queue are the same in every variant of a history, so that what
//! must follow from an attempt does not depend on when exactly the rules changed.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};
use wharf_delivery::{
    Document, ObjectKind, ObjectName, QueueDocument, RetentionDocument, RuleDocument, ScheduleDocument, WebhookObject,
    WebhookSecret, limits::TARGETS_AT_ONCE,
};
use wharf_event::{BusName, CatchUp, Digest, PluginName, QueueName, RuleName, ScheduleName, WebhookName};

use crate::{
    oracle,
    plan::Plan,
    rng::{Rng, of_text},
};

/// The tenants.
pub const TENANTS: [&str; 2] = ["acme", "zeta"];

/// The buses of each.
pub const BUSES: [&str; 2] = ["default", "side"];

/// The plugins of each.
pub const PLUGINS: [&str; 6] = ["count", "keep", "swap", "chain", "serial", "loop"];

/// The plugin of each that is a transform.
pub const SIEVE: &str = "sieve";

/// The rules whose events it transforms, where it is there.
const SIEVED: [&str; 2] = ["b-pings", "h-side"];

/// Types that clients send.
pub const SENT: [&str; 5] = ["order.new", "order.paid", "ping", "swap", "chain"];

/// The type that `loop` handles and publishes.
pub const LOOP: &str = "loop";

/// Types that handlers publish.
pub const PUBLISHED: [&str; 3] = ["pub.a", "pub.b", "pub.unheard"];

/// What each rule listens for, and whom it calls.
const RULES: [(&str, &str, &[&str], &[&str]); 11] = [
    ("a-orders", "default", &["order.new", "order.paid", "pub.a"], &["count", "keep"]),
    ("b-pings", "default", &["ping"], &["serial"]),
    ("c-swaps", "default", &["swap", "order.paid"], &["swap"]),
    ("d-chains", "default", &["chain"], &["chain"]),
    ("e-published", "default", &["pub.b"], &["keep", "swap"]),
    ("f-loops", "default", &["loop"], &["loop"]),
    ("g-side", "side", &["order.new", "ping", "chain", "pub.a"], &["serial", "count"]),
    ("h-side", "side", &["swap", "chain"], &["swap", "chain"]),
    ("i-jobs", "default", &["ping", "pub.b"], &[QUEUE]),
    ("j-aside", "default", &["order.new", "swap", "loop"], &[ASIDE]),
    ("k-hooks", "default", &["order.paid", "ping", "pub.a"], &[HOOK]),
];

/// The webhook of each tenant.
pub const HOOK: &str = "hook";

/// A secret of a webhook; nobody opens it here.
#[must_use]
pub fn secret() -> WebhookSecret {
    let secret = "v1.0000000000000000.c2VhbGVk".to_owned();
    WebhookSecret { secret, scheme: Some("v1".to_owned()), public: None, since_ms: 1, until_ms: None }
}

/// The webhook as a document has it: no receiver fails for so long that it is disabled, and no breaker stands between, of which the model knows
/// nothing.
fn webhook(seed: u64) -> Value {
    json!({
        "url": "https://receiver.example/hook", "mode": "structured", "timeout_ms": 10_000,
        "concurrency": policy(seed, HOOK).concurrency, "disable_after_ms": 90 * 86_400_000_u64,
        "breaker": {"enabled": false},
    })
}

/// The bus of each that is a target too.
pub const ASIDE: &str = "side";

/// The queue of each tenant.
pub const QUEUE: &str = "jobs";

/// What stands in the place of a bus for what is sent straight to it.
pub const QUEUE_BUS: &str = "queue/jobs";

/// The type of events that very many rules bring to the queue, in some histories.
pub const WIDE: &str = "wide";

/// So many rules: more than two records let deliveries arise.
const WIDE_RULES: usize = 2 * TARGETS_AT_ONCE + 2;

/// Whether a history has such events.
#[must_use]
pub fn is_wide(seed: u64) -> bool {
    Rng::of(&[seed, of_text(WIDE)]).chance(15)
}

/// What holds for the queues of a history.
#[derive(Clone, Copy, Debug)]
pub struct Queueing {
    /// For how long who received a message has it, where nothing else is said, in milliseconds.
    pub visibility_ms: u64,
    /// How old a message may become, in milliseconds.
    pub retention_ms: u64,
    /// How often a message may be received.
    pub max_receives: u32,
    /// Whether messages of one group come one after the other.
    pub ordered: bool,
}

/// What holds for the queues in the history of a seed.
#[must_use]
pub fn queueing(seed: u64) -> Queueing {
    let mut rng = Rng::of(&[seed, 0x0E0E]);
    Queueing {
        visibility_ms: rng.between(50, 4_000),
        retention_ms: if rng.chance(20) { rng.between(2_000, 20_000) } else { 14 * 86_400_000 },
        max_receives: rng.between(1, 4) as u32,
        ordered: rng.chance(40),
    }
}

/// The plugin of each tenant that answers requests, and where.
pub const WEB: &str = "web";
pub const PATH: &str = "/do";

/// The plugin that consumes the queue, in some histories.
pub const GATHER: &str = "gather";

/// How it does.
#[derive(Clone, Copy, Debug)]
pub struct Gathering {
    /// Messages of one call at most.
    pub batch: u32,
    /// How long a call waits for more messages, in milliseconds.
    pub window_ms: u64,
}

/// How a plugin consumes the queues in the history of a seed, if one does.
#[must_use]
pub fn gathering(seed: u64) -> Option<Gathering> {
    let mut rng = Rng::of(&[seed, of_text(GATHER)]);
    rng.chance(50).then(|| Gathering {
        batch: rng.between(1, 12) as u32,
        window_ms: if rng.chance(50) { 0 } else { rng.below(2_000) },
    })
}

/// How long a call may take, in milliseconds.
const WALL_MS: u64 = 10_000;

/// For how long the plugin that consumes a queue has what it receives, in milliseconds: longer than a call takes, with what is beside it.
#[must_use]
pub fn gathered_for_ms(seed: u64) -> u64 {
    queueing(seed).visibility_ms.max(WALL_MS + 30_000)
}

/// The queue as a document has it.
fn of_queue(seed: u64) -> Value {
    let Queueing { visibility_ms, retention_ms, max_receives, ordered } = queueing(seed);
    let mut document = json!({
        "visibility_ms": visibility_ms, "retention_ms": retention_ms, "max_receives": max_receives,
        "dead_letter": queue(QUEUE), "ordered": ordered,
    });
    if let (Some(Gathering { batch, window_ms }), Some(document)) = (gathering(seed), document.as_object_mut()) {
        // One call at a time: the model says which message is charged with what, and of several at a time nobody can.
        let consumer = json!({"plugin": GATHER, "batch": batch, "window_ms": window_ms});
        document.insert("consumer".to_owned(), consumer);
    }
    document
}

/// How a target is tried, fixed for a history.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Upper bound of the first pause, in milliseconds.
    pub first_ms: u64,
    /// Upper bound of every pause, in milliseconds.
    pub max_ms: u64,
    /// Attempts in all.
    pub attempts: u32,
    /// Age after which nothing is tried again, in milliseconds.
    pub age_ms: u64,
    /// Attempts at a time.
    pub concurrency: u32,
    /// Whether pauses double.
    pub doubles: bool,
    /// Pauses are at least so many halves of what they are at most.
    pub halves: u64,
    /// What is said of outcomes.
    pub said: Said,
}

/// What a policy says of outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing.
    Nothing,
    /// A trap is not tried again.
    NoTraps,
    /// What the handler wishes for is tried three times, after the same pause each time, and nothing is said of the rest.
    Thrice(u64),
    /// Everything is tried without pauses, but traps as ever.
    AtOnce,
}

impl Said {
    /// As a rule's document has it.
    fn document(self) -> Value {
        match self {
            Self::Nothing => json!([]),
            Self::NoTraps => json!([{"code": "*-trap", "then": "dead-letter"}]),
            Self::Thrice(ms) => json!([
                {"code": "handler-retry", "reason": "*script*", "backoff": "fixed", "jitter": "none",
                    "first_ms": ms, "max_ms": ms, "attempts": 3},
                {"code": "handler-retry", "then": "dead-letter"},
                {"status": "5xx", "then": "dead-letter"},
            ]),
            Self::AtOnce => json!([{"code": "handler-trap"}, {"code": "*", "jitter": "none", "first_ms": 0}]),
        }
    }
}

/// The policy of a plugin in the history of a seed.
#[must_use]
pub fn policy(seed: u64, plugin: &str) -> Policy {
    let mut rng = Rng::of(&[seed, of_text(plugin), 0x70]);
    let first_ms = rng.between(1, 2_000);
    let mut also = Rng::of(&[seed, of_text(plugin), 0x71]);
    let said = match also.below(8) {
        0 => Said::NoTraps,
        1 => Said::Thrice(also.between(1, 3_000)),
        2 => Said::AtOnce,
        _ => Said::Nothing,
    };
    Policy {
        doubles: also.chance(75),
        halves: [0, 0, 0, 1, 2].get(also.below(5) as usize).copied().unwrap_or(0),
        said,
        first_ms,
        max_ms: first_ms * rng.between(1, 8),
        attempts: rng.between(1, 5) as u32,
        age_ms: if rng.chance(10) { 3_000 } else { 3_600_000 },
        concurrency: if plugin == "serial" { 1 } else { rng.between(1, 6) as u32 },
    }
}

/// Whether deliveries to a plugin wait while it is quarantined, in the history of a seed; otherwise they are given up.
#[must_use]
pub fn waits(seed: u64, plugin: &str) -> bool {
    Rng::of(&[seed, of_text(plugin), 0x51]).chance(50)
}

/// What targets order events by: an attribute, and a part of the payload.
pub const BY_PARTITION: &str = "$.partitionkey";
pub const BY_DATA: &str = "$.data.k";

/// What a target orders its events by in the history of a seed, if it does. (A queue has groups of its own.)
fn order_by(seed: u64, to: &str) -> Option<&'static str> {
    let mut rng = Rng::of(&[seed, of_text(to), 0x0B]);
    let by = rng.pick(&[BY_PARTITION, BY_DATA]).copied();
    by.filter(|_| to != QUEUE && rng.chance(50))
}

/// The dead-letter queue of a plugin.
#[must_use]
pub fn queue(plugin: &str) -> String {
    format!("{plugin}-dead")
}

/// The schedule of each tenant, and the type of its events, which nobody listens for.
pub const TICK: &str = "tick";

/// What a schedule does in the history of a seed.
#[derive(Clone, Copy, Debug)]
pub struct Ticking {
    /// Its period, in milliseconds.
    pub period_ms: u64,
    /// How long after its time it may fire, in milliseconds.
    pub window_ms: u64,
    /// What becomes of due times that were missed.
    pub catch_up: CatchUp,
}

/// What schedules do in the history of a seed.
#[must_use]
pub fn ticking(seed: u64) -> Ticking {
    let mut rng = Rng::of(&[seed, 0x71C]);
    Ticking {
        period_ms: rng.between(1, 20) * 1_000,
        window_ms: if rng.chance(30) { rng.between(1, 5_000) } else { 0 },
        catch_up: rng.pick(&CatchUp::ALL).copied().unwrap_or_default(),
    }
}

/// What stands in the place of a bus, and of a rule, for what a schedule sends straight to its targets.
pub const TICK_BUS: &str = "schedule/tick";
pub const TICK_RULE: &str = "@tick";

/// Whom a schedule sends to, in some histories.
#[must_use]
pub fn aimed(seed: u64) -> Vec<&'static str> {
    let mut rng = Rng::of(&[seed, of_text(TICK_RULE)]);
    let all: [&[&str]; 4] = [&[], &["count"], &["keep", QUEUE], &[QUEUE, ASIDE]];
    all.get(rng.below(6) as usize).map(|targets| targets.to_vec()).unwrap_or_default()
}

/// The schedule as a document has it, where those targets are there; without any it is for the rules of a bus.
fn schedule(seed: u64, has: impl Fn(&str) -> bool) -> Value {
    let Ticking { period_ms, window_ms, catch_up } = ticking(seed);
    let targets: Vec<_> = aimed(seed).into_iter().filter(|of| has(of)).map(|of| target(seed, of)).collect();
    let bus = if targets.is_empty() { "side" } else { TICK_BUS };
    json!({
        "expression": format!("rate({} seconds)", period_ms / 1_000), "timezone": "UTC", "flexible_window_ms": window_ms,
        "catch_up": catch_up, "enabled": true, "bus": bus, "type": TICK, "targets": targets,
    })
}

/// The digest that names a plugin's release.
#[must_use]
pub fn release(plugin: &str) -> Digest {
    Digest::of(plugin.as_bytes())
}

/// How many variants there are.
pub const VARIANTS: u64 = 5;

/// One of the rule sets of a history. The first one has everything.
#[must_use]
pub fn variant(seed: u64, plan: &Plan, number: u64) -> Option<Document> {
    let mut tenants = serde_json::Map::new();
    for tenant in TENANTS {
        let mut rng = Rng::of(&[seed, of_text(tenant), number, 0x52]);
        let mut has = || number == 0 || !rng.chance(15);
        let plugins: BTreeMap<&str, Value> = PLUGINS
            .into_iter()
            .chain([SIEVE])
            .filter(|_| has())
            .chain(gathering(seed).map(|_| GATHER))
            .chain([WEB])
            .map(|plugin| (plugin, of_plugin(seed, plugin)))
            .collect();
        let queues = has().then(|| json!({QUEUE: of_queue(seed)}));
        let webhooks = if has() { json!({HOOK: webhook(seed)}) } else { json!({}) };
        let mut rules = serde_json::Map::new();
        for (rule, bus, types, targets) in RULES {
            let targets: Vec<Value> = targets
                .iter()
                .filter(|of| {
                    plugins.contains_key(**of)
                        || **of == ASIDE
                        || (**of == QUEUE && queues.is_some())
                        || (**of == HOOK && webhooks.get(HOOK).is_some())
                })
                .map(|plugin| target(seed, plugin))
                .map(|target| if has() { target } else { unordered(target) })
                .collect();
            if has() && !targets.is_empty() {
                let mut of_rule = json!({"bus": bus, "pattern": {"type": types}, "targets": targets});
                if SIEVED.contains(&rule) && plugins.contains_key(SIEVE) {
                    let object = of_rule.as_object_mut();
                    object.into_iter().for_each(|rule| _ = rule.insert("transforms".to_owned(), json!([SIEVE])));
                }
                rules.insert(rule.to_owned(), of_rule);
            }
        }
        if is_wide(seed) && queues.is_some() {
            let of_rule = || json!({"bus": "side", "pattern": {"type": [WIDE]}, "targets": [target(seed, QUEUE)]});
            rules.extend((0..WIDE_RULES).map(|n| (format!("w-{n:03}"), of_rule())));
        }
        let there = |of: &str| plugins.contains_key(of) || of == ASIDE || (of == QUEUE && queues.is_some());
        let schedules = if has() { json!({TICK: schedule(seed, there)}) } else { json!({}) };
        let mut of_tenant = json!({"buses": BUSES, "plugins": plugins, "rules": rules, "schedules": schedules, "webhooks": webhooks,
                "routes": {PATH: {"plugin": WEB, "request_bytes": 1024, "answer_bytes": 1024}}});
        if let (Some(queues), Some(of_tenant)) = (queues, of_tenant.as_object_mut()) {
            of_tenant.insert("queues".to_owned(), queues);
        }
        if let (Some((age_ms, size_bytes)), Some(of_tenant)) = (plan.retention, of_tenant.as_object_mut()) {
            let kept = json!({"age_ms": age_ms, "size_bytes": size_bytes});
            of_tenant.insert("retention".to_owned(), json!({"default": kept, "side": kept}));
        }
        tenants.insert(tenant.to_owned(), of_tenant);
    }
    serde_json::from_value(json!({"default_tenant": null, "tenants": tenants})).ok()
}

/// What a tenant has that is made while a history runs: buses, plugins and rules, each with its document. All but the transforms.
#[must_use]
pub fn furniture(seed: u64, plan: &Plan) -> Vec<(ObjectKind, ObjectName, Bytes)> {
    let retention = plan.retention.map(|(age_ms, size_bytes)| RetentionDocument { age_ms, size_bytes });
    let retention = serde_json::to_vec(&retention.unwrap_or_default()).unwrap_or_default();
    let bus = |bus: &&str| Some((ObjectKind::Bus, ObjectName::from(&bus.parse::<BusName>().ok()?), retention.clone()));
    let plugin = |plugin: &&str| {
        let mut document = of_plugin(seed, plugin);
        let object = document.as_object_mut()?;
        let stable = object.remove("release")?;
        object.insert("channels".to_owned(), json!({"stable": stable, "history": []}));
        let name = ObjectName::from(&plugin.parse::<PluginName>().ok()?);
        Some((ObjectKind::Plugin, name, serde_json::to_vec(&document).ok()?))
    };
    let gather = gathering(seed).map(|_| GATHER);
    let rule = |(rule, bus, types, targets): &(&str, &str, &[&str], &[&str])| {
        let targets: Vec<Value> = targets.iter().map(|plugin| target(seed, plugin)).collect();
        let document = json!({"bus": bus, "pattern": {"type": types}, "targets": targets});
        let document: RuleDocument = serde_json::from_value(document).ok()?;
        let name = ObjectName::from(&rule.parse::<RuleName>().ok()?);
        Some((ObjectKind::Rule, name, serde_json::to_vec(&document).ok()?))
    };
    let tick = || -> Option<_> {
        let document: ScheduleDocument = serde_json::from_value(schedule(seed, |_| true)).ok()?;
        let name = ObjectName::from(&TICK.parse::<ScheduleName>().ok()?);
        Some((ObjectKind::Schedule, name, serde_json::to_vec(&document).ok()?))
    };
    let jobs = || -> Option<_> {
        let document: QueueDocument = serde_json::from_value(of_queue(seed)).ok()?;
        let name = ObjectName::from(&QUEUE.parse::<QueueName>().ok()?);
        Some((ObjectKind::Queue, name, serde_json::to_vec(&document).ok()?))
    };
    let hook = || -> Option<_> {
        let settings = Some(serde_json::from_value(webhook(seed)).ok()?);
        let mut object = WebhookObject { settings, ..WebhookObject::default() };
        object.rotate(secret(), 0);
        let name = ObjectName::from(&HOOK.parse::<WebhookName>().ok()?);
        Some((ObjectKind::Webhook, name, serde_json::to_vec(&object).ok()?))
    };
    let all = jobs().into_iter().chain(hook()).chain(
        BUSES
            .iter()
            .filter_map(bus)
            .chain(PLUGINS.iter().chain(gather.iter()).filter_map(plugin))
            .chain(RULES.iter().filter_map(rule)),
    );
    all.chain(tick()).map(|(kind, name, document)| (kind, name, Bytes::from(document))).collect()
}

/// Rules that clients make while a history runs, for each tenant.
pub const MADE: u64 = 3;

/// The name of one of them: behind all others, so that it comes last.
#[must_use]
pub fn made(number: u64) -> String {
    format!("x-made-{number}")
}

/// A rule as a client makes it.
#[must_use]
pub fn made_rule(seed: u64, bus: &str, rng: &mut Rng) -> Option<Bytes> {
    let plugin = rng.pick(&["count", "keep"]).copied()?;
    let types = [rng.pick(&SENT).copied()?, rng.pick(&PUBLISHED).copied()?];
    let target = target(seed, plugin);
    let target = if rng.chance(30) { unordered(target) } else { target };
    let rule = json!({"bus": bus, "pattern": {"type": types}, "targets": [target], "enabled": !rng.chance(15)});
    // By the product's type, as whoever makes rules by the API has it.
    let rule: RuleDocument = serde_json::from_value(rule).ok()?;
    serde_json::to_vec(&rule).ok().map(Bytes::from)
}

/// A plugin as a target, tried as it is everywhere.
fn target(seed: u64, plugin: &str) -> Value {
    let policy = policy(seed, plugin);
    let jitter = ["full", "equal", "none"].get(policy.halves as usize).copied().unwrap_or("full");
    let kind = match plugin {
        QUEUE => "queue",
        ASIDE => "bus",
        HOOK => "webhook",
        _ => "plugin",
    };
    let mut target = json!({kind: plugin, "dead_letter": queue(plugin), "retry": {
        "first_ms": policy.first_ms, "max_ms": policy.max_ms, "attempts": policy.attempts, "age_ms": policy.age_ms,
        "backoff": if policy.doubles { "exponential" } else { "fixed" }, "jitter": jitter, "on": policy.said.document(),
    }});
    if let (Some(by), Some(target)) = (order_by(seed, plugin), target.as_object_mut()) {
        target.insert("order_by".to_owned(), json!(by));
    }
    target
}

/// A target, whose events are ordered by nothing.
fn unordered(mut target: Value) -> Value {
    target.as_object_mut().into_iter().for_each(|target| _ = target.remove("order_by"));
    target
}

fn of_plugin(seed: u64, plugin: &str) -> Value {
    json!({
        "release": release(plugin), "config": {}, "grants": {"publish": ["*"], "kv": ["n", "s", "r"], "llm": [oracle::ROUTE]},
        "limits": {
            "wall_ms": WALL_MS, "cpu_ms": 1_000, "memory_mib": 64, "concurrency": policy(seed, plugin).concurrency,
            "quarantine": if waits(seed, plugin) { "wait" } else { "dead-letter" },
        },
    })
}
