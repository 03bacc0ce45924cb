//! Every key of `wharf.toml`: its name, what it may hold, what holds without it, and what it is for.
//!
//! Invariant: there is no other list. The reader takes bounds and nested keys from here and calls everything else a mistake; the
//! JSON Schema and `wharf config show` are made of it. Nothing is read here.

use serde_json::json;
use wharf_delivery::{AfterLast, RetentionDocument, SchemaMode, TenantSettings, limits::WEIGHT_MAX};
use wharf_dispatch::limits::HOST_FAULTS_MAX;
use wharf_event::{CatchUp, SignaturePolicy};
use wharf_gateway::limits::BODIES_BYTES_MAX;
use wharf_runtime::limits::{ATTEMPTS_AT_A_TIME, LOADED_BYTES};

use super::{
    breaker::BREAKER,
    duration::duration_text,
    grant_keys::{CEILING, GRANTS},
    limit_keys::{LIMITS, MEMORY_MIB_MAX},
    llm::{LLM, ROUTES},
    own_models::MODEL,
    queues::QUEUE,
    quotas::{
        BACKLOG, BACKLOG_MAX, BYTES_PER_HOUR, CPU_PER_HOUR, HOST_CALLS_PER_HOUR, KV_SIZE, PER_S_MAX, PUBLISH_PER_S,
        RECEIVE_PER_S, UPLOAD_SIZE,
    },
    recordings::RECORDINGS,
    retry::RETRY,
    routes::ROUTE,
    size::size_text,
    topics::TOPIC,
    webhooks::WEBHOOK,
};

pub(super) use super::shape::key;
pub use super::shape::{Key, Named, Otherwise, Shape};

const fn named(one: &'static str, always: Option<&'static str>, keys: &'static [Key]) -> Shape {
    Shape::Named(Named { one, always, names: None, keys })
}

/// What a path of a route looks like.
const PATHS: &str = r"^/[A-Za-z0-9._~!$&'()+,;=:@/%-]*\*?$";

/// The bus that every tenant has.
pub const DEFAULT_BUS: &str = "default";

/// Transforms of a rule.
pub const TRANSFORMS_MAX: usize = 16;

/// The most memory that the attempts of a tenant may be given: all that there are, each with the most that there is.
const TENANT_MEMORY_MIB_MAX: u32 = ATTEMPTS_AT_A_TIME * MEMORY_MIB_MAX;

/// The whole file.
pub static ROOT: &[Key] = &[
    key("default_tenant", "The tenant that `POST /events` is for.", Shape::Name, Otherwise::Nothing),
    key("host", "What holds for the whole host.", Shape::Table(HOST), Otherwise::Nothing),
    key("egress", "What leaves the host by the wish of tenants.", Shape::Table(EGRESS), Otherwise::Nothing),
    key("llm", "Models that plugins may ask.", Shape::Table(LLM), Otherwise::Nothing),
    key("tenants", "Who owns plugins, rules and data.", named("tenant", None, TENANT), Otherwise::Nothing),
];

static HOST: &[Key] = &[
    key(
        "quarantine_after",
        "Attempts in which the host itself fails, within an hour, after which a release is not run any more.",
        Shape::Integer(1..=1_000),
        Otherwise::Default(|| json!(HOST_FAULTS_MAX)),
    ),
    key(
        "loaded_code",
        "Compiled code of plugins that may be in memory. Beyond it that of idle ones leaves, and is loaded again when an event comes.",
        Shape::Size,
        Otherwise::Default(|| json!(size_text(LOADED_BYTES))),
    ),
    key(
        "body_memory",
        "What bodies of requests may hold in memory at once, the first 64 KiB of each and uploads aside.",
        Shape::Size,
        Otherwise::Default(|| json!(size_text(BODIES_BYTES_MAX))),
    ),
    key(
        "prices",
        "What plugins' use of the host costs, as `wharf usage` shows it. What has no price costs nothing.",
        Shape::Table(PRICES),
        Otherwise::Nothing,
    ),
    key("recordings", "Which attempts are recorded.", Shape::Table(RECORDINGS), Otherwise::Nothing),
];

static EGRESS: &[Key] = &[
    key(
        "networks",
        "Networks that tenants may have reached though they are not public. A service of cloud metadata is granted by its address only.",
        Shape::Networks,
        Otherwise::Default(|| json!([])),
    ),
    key(
        "dns",
        "DNS servers that are asked for addresses, in place of the system's way to find them: 10.0.0.2:53.",
        Shape::Sockets,
        Otherwise::Default(|| json!([])),
    ),
];

static PRICES: &[Key] = &[
    key("currency", "What prices are in: three letters, as in EUR.", Shape::Text, Otherwise::Nothing),
    key(
        "attempts_million",
        "A million attempts: a decimal number in a string, as in \"0.20\".",
        Shape::Text,
        Otherwise::Nothing,
    ),
    key("cpu_hour", "An hour of CPU time.", Shape::Text, Otherwise::Nothing),
    key("memory_gib_hour", "A GiB of memory for an hour.", Shape::Text, Otherwise::Nothing),
    key("gb_in", "A GB (10^9 bytes) that plugins are given.", Shape::Text, Otherwise::Nothing),
    key("gb_out", "A GB that they give.", Shape::Text, Otherwise::Nothing),
    key(
        "host_calls_million",
        "A million calls of the host: events published, keys read or changed, lines logged.",
        Shape::Text,
        Otherwise::Nothing,
    ),
];

static TENANT: &[Key] = &[
    WEIGHT,
    CONCURRENCY,
    MEMORY_MIB,
    key(
        "buses",
        "Event buses; the bus `default` is always there.",
        named("bus", Some(DEFAULT_BUS), BUS),
        Otherwise::Nothing,
    ),
    key("plugins", "Components that handle or transform events.", named("plugin", None, PLUGIN), Otherwise::Nothing),
    key("rules", "Which events go to which plugins.", named("rule", None, RULE), Otherwise::Nothing),
    key("webhooks", "Addresses outside that events are sent to.", named("webhook", None, WEBHOOK), Otherwise::Nothing),
    key("queues", "Queues that clients receive messages of.", named("queue", None, QUEUE), Otherwise::Nothing),
    key("topics", "What is published to many who subscribe.", named("topic", None, TOPIC), Otherwise::Nothing),
    key("schemas", "What payloads of which events look like.", named("schema", None, SCHEMA), Otherwise::Nothing),
    key("schedules", "What is published at which times.", named("schedule", None, SCHEDULE), Otherwise::Nothing),
    key(
        "routes",
        "Which plugins answer the requests of which paths: `/a` is for itself, `/a/*` for all below it too.",
        Shape::Named(Named { one: "route", always: None, names: Some(PATHS), keys: ROUTE }),
        Otherwise::Nothing,
    ),
    key(
        "models",
        "Models of its own, which its plugins ask with tensors.",
        named("model", None, MODEL),
        Otherwise::Nothing,
    ),
    key("llm", "How its plugins reach models.", Shape::Table(ROUTES), Otherwise::Nothing),
    SUSPENDED,
    BOUNDED,
    SIGNED,
    KV_SIZE,
    UPLOAD_SIZE,
    BACKLOG,
    RECEIVE_PER_S,
    PUBLISH_PER_S,
    CPU_PER_HOUR,
    BYTES_PER_HOUR,
    HOST_CALLS_PER_HOUR,
];

/// The keys of a tenant that is made by the API.
pub(super) static WHOLE: &[Key] = &[
    SUSPENDED,
    BOUNDED,
    SIGNED,
    WEIGHT,
    CONCURRENCY,
    MEMORY_MIB,
    KV_SIZE,
    UPLOAD_SIZE,
    BACKLOG,
    RECEIVE_PER_S,
    PUBLISH_PER_S,
    CPU_PER_HOUR,
    BYTES_PER_HOUR,
    HOST_CALLS_PER_HOUR,
];

const WEIGHT: Key = key(
    "weight",
    "The tenant's share of processors and of attempts at a time beside other tenants, in proportion to theirs.",
    Shape::Integer(1..=WEIGHT_MAX),
    Otherwise::Default(|| json!(TenantSettings::default().weight())),
);

const CONCURRENCY: Key = key(
    "concurrency",
    "Attempts of all its plugins at a time.",
    Shape::Integer(1..=ATTEMPTS_AT_A_TIME),
    Otherwise::Default(|| json!(TenantSettings::default().concurrency())),
);

const MEMORY_MIB: Key = key(
    "memory_mib",
    "MiB that all its attempts at a time may use together, each by its plugin's limit.",
    Shape::Integer(1..=TENANT_MEMORY_MIB_MAX),
    Otherwise::Default(|| json!(TenantSettings::default().memory_mib())),
);

const SUSPENDED: Key = key(
    "suspended",
    "Whether its events are refused, and its deliveries wait.",
    Shape::Boolean,
    Otherwise::Default(|| json!(false)),
);
const BOUNDED: Key = key(
    "ceiling",
    "The most that the tenant's plugins may be granted; a kind that is not said has no bound.",
    Shape::Table(CEILING),
    Otherwise::Nothing,
);
const SIGNED: Key = key(
    "signatures",
    "Whether a release has to be signed by one of the tenant's keys (`wharf key add`).",
    Shape::Choice(&["none", "require"]),
    Otherwise::Default(|| json!(SignaturePolicy::default())),
);

/// The keys of a bus, be it in the file or by the API.
pub(super) static BUS: &[Key] = &[
    key(
        "retention",
        "How long the bus keeps its events. The log lets go of whole segments, so they may stay longer.",
        Shape::Table(RETENTION),
        Otherwise::Nothing,
    ),
    key(
        "backlog",
        "Deliveries of its events that may wait; as many as the tenant's `backlog` lets if it is not said.",
        Shape::Integer(1..=BACKLOG_MAX),
        Otherwise::Nothing,
    ),
];

pub(super) static RETENTION: &[Key] = &[
    key(
        "age",
        "Events older than this may go.",
        Shape::Duration,
        Otherwise::Default(|| json!(duration_text(RetentionDocument::default().age_ms))),
    ),
    key(
        "size",
        "Events with more bytes than this after them may go.",
        Shape::Size,
        Otherwise::Default(|| json!(size_text(RetentionDocument::default().size_bytes))),
    ),
];

static PLUGIN: &[Key] = &[
    key(
        "component",
        "The component's file, relative to the folder of this file; for `wharf deploy` also `oci://registry/name:tag`.",
        Shape::Text,
        Otherwise::Required,
    ),
    key(
        "build",
        "How it is built: a command for `sh -c`, in the folder of this file, that writes the component. `wharf build` runs it; a host does not.",
        Shape::Text,
        Otherwise::Nothing,
    ),
    CONFIG,
    GRANTED,
    LIMITED,
    GUARDED,
];

/// The keys of a plugin whose component is uploaded.
pub(super) static SETTINGS: &[Key] = &[CONFIG, GRANTED, LIMITED, GUARDED];

const CONFIG: Key =
    key("config", "What the plugin reads as its configuration (wasi:config).", Shape::Settings, Otherwise::Nothing);
const GRANTED: Key =
    key("grants", "What the plugin may use. All else is denied.", Shape::Table(GRANTS), Otherwise::Nothing);
const LIMITED: Key = key("limits", "What the plugin may consume.", Shape::Table(LIMITS), Otherwise::Nothing);
const GUARDED: Key = key(
    "breaker",
    "When the plugin is given a rest: its deliveries wait while its attempts fail. Without this table never.",
    Shape::Given(BREAKER),
    Otherwise::Nothing,
);

pub(super) static RULE: &[Key] = &[
    key("bus", "The bus that the rule listens on.", Shape::Name, Otherwise::Default(|| json!(DEFAULT_BUS))),
    key("pattern", "Which events it is for (`wharf explain pattern-invalid`).", Shape::Pattern, Otherwise::Required),
    key(
        "transforms",
        "Plugins that change or drop an event on its way to the targets, in this order.",
        Shape::Names(TRANSFORMS_MAX),
        Otherwise::Default(|| json!([])),
    ),
    key("enabled", "Whether the rule matches anything.", Shape::Boolean, Otherwise::Default(|| json!(true))),
    key("targets", "Who gets the events.", Shape::Tables("target", TARGET), Otherwise::Required),
];

pub(super) static TARGET: &[Key] = &[
    key("plugin", "The plugin that handles the events.", Shape::Name, Otherwise::Nothing),
    key("webhook", "The webhook that sends the events, in place of a plugin.", Shape::Name, Otherwise::Nothing),
    key(
        "queue",
        "The queue that keeps the events for clients, in place of a plugin; it says itself how (`queues`).",
        Shape::Name,
        Otherwise::Nothing,
    ),
    key("bus", "Another bus that the events are published to, in place of a plugin.", Shape::Name, Otherwise::Nothing),
    key("topic", "The topic that the events are published to, in place of a plugin.", Shape::Name, Otherwise::Nothing),
    key("retry", "How often a delivery is tried.", Shape::Table(RETRY), Otherwise::Unless(&["queue"])),
    key(
        "dead_letter",
        "The queue of deliveries that are given up; it has the target's name if none is given.",
        Shape::Name,
        Otherwise::Beside("plugin"),
    ),
    key(
        "order_by",
        "Events with one value at this path, such as `$.subject` or `$.data.customer`, come to it one after the other.",
        Shape::Text,
        Otherwise::Nothing,
    ),
    key(
        "key_per_s",
        "Attempts of events with one value at `order_by` that may begin in a second; as many as there are if it is not said.",
        Shape::Integer(1..=PER_S_MAX),
        Otherwise::Nothing,
    ),
    key(
        "input_path",
        "It gets what this path leads to in the event, such as `$.data.issue`, in place of the payload.",
        Shape::Text,
        Otherwise::Nothing,
    ),
    key("input", "It gets this JSON text in place of the payload.", Shape::Text, Otherwise::Nothing),
    key(
        "input_transformer",
        "It gets a template, filled with parts of the event, in place of the payload (`wharf explain input-invalid`).",
        Shape::Table(INPUT_TRANSFORMER),
        Otherwise::Nothing,
    ),
];

static INPUT_TRANSFORMER: &[Key] = &[
    key(
        "paths",
        "Paths into the event, by the names that the template has for them.",
        Shape::Texts,
        Otherwise::Nothing,
    ),
    key("template", "JSON with `<name>` in it, for a path or what is always there.", Shape::Text, Otherwise::Required),
];

static SCHEDULE: &[Key] = &[
    EXPRESSION,
    TIMEZONE,
    START,
    END,
    FLEXIBLE_WINDOW,
    CATCH_UP,
    FIRES,
    PUBLISHED_TO,
    SENT_TO,
    TYPE,
    SOURCE,
    SUBJECT,
    DATA,
];

/// The keys of a schedule that is made by the API.
pub(super) static MADE_SCHEDULE: &[Key] = &[
    EXPRESSION,
    TIMEZONE,
    START,
    END,
    FLEXIBLE_WINDOW,
    CATCH_UP,
    key(
        "after",
        "What becomes of it when nothing is due any more.",
        Shape::Choice(&["keep", "delete"]),
        Otherwise::Default(|| json!(AfterLast::default())),
    ),
    FIRES,
    PUBLISHED_TO,
    SENT_TO,
    TYPE,
    SOURCE,
    SUBJECT,
    DATA,
];

const EXPRESSION: Key = key(
    "expression",
    "When it is due: `at(2026-12-01T09:00:00)`, `rate(5 minutes)`, or `cron(0 9 ? * MON-FRI *)` (`wharf schedule next`).",
    Shape::Text,
    Otherwise::Required,
);
const TIMEZONE: Key = key(
    "timezone",
    "The time zone whose local times the expression names, as IANA spells it: `Europe/Berlin`.",
    Shape::Text,
    Otherwise::Default(|| json!(UTC)),
);
const START: Key = key(
    "start",
    "Nothing is due before then, as in `2026-12-01T00:00:00Z`; a rate counts from there.",
    Shape::Text,
    Otherwise::Nothing,
);
const END: Key = key("end", "Nothing is due after then.", Shape::Text, Otherwise::Nothing);
const FLEXIBLE_WINDOW: Key = key(
    "flexible_window",
    "How long after its time it may fire, a day at most: so schedules of one time are spread.",
    Shape::Duration,
    Otherwise::Default(|| json!(duration_text(0))),
);
const CATCH_UP: Key = key(
    "catch_up",
    "What becomes of due times that are a minute late or more, since no host was there: none fires, the `last` one, or `all` of a day.",
    Shape::Choice(&["none", "last", "all"]),
    Otherwise::Default(|| json!(CatchUp::default())),
);
const FIRES: Key = key("enabled", "Whether it fires.", Shape::Boolean, Otherwise::Default(|| json!(true)));
const PUBLISHED_TO: Key = key(
    "bus",
    "The bus that its events are published to.",
    Shape::Name,
    Otherwise::Instead("targets", || json!(DEFAULT_BUS)),
);
const SENT_TO: Key = key(
    "targets",
    "Who gets its events straight away, in place of a `bus`: no rule sees them.",
    Shape::Tables("target", TARGET),
    Otherwise::Nothing,
);
const TYPE: Key = key("type", "The `type` of its events.", Shape::Text, Otherwise::Required);
const SOURCE: Key =
    key("source", "Their `source`; `/wharf/schedules/NAME` if none is given.", Shape::Text, Otherwise::Nothing);
const SUBJECT: Key = key("subject", "Their `subject`.", Shape::Text, Otherwise::Nothing);
const DATA: Key = key("data", "Their payload: a table, or JSON in a string.", Shape::Payload, Otherwise::Nothing);

/// The zone of schedules for which none is given.
pub(super) const UTC: &str = "UTC";

static SCHEMA: &[Key] = &[
    key(
        "file",
        "The JSON Schema's file, relative to the folder of this file: 2020-12, or draft 7 if its `$schema` says so.",
        Shape::Text,
        Otherwise::Required,
    ),
    key("bus", "The bus whose events it is for.", Shape::Name, Otherwise::Default(|| json!(DEFAULT_BUS))),
    key(
        "type",
        "The `type` of the events that it is for; the schema's name if none is given.",
        Shape::Text,
        Otherwise::Nothing,
    ),
    key(
        "mode",
        "What becomes of a received event that breaks it: `enforce` refuses it, `warn` accepts, marks and counts it, `off` does not look.",
        Shape::Choice(&["off", "warn", "enforce"]),
        Otherwise::Default(|| json!(SchemaMode::default())),
    ),
];

/// The keys of a table that a shape stands for; none where it is no table.
pub fn nested(shape: &Shape) -> &'static [Key] {
    match shape {
        Shape::Table(keys)
        | Shape::Given(keys)
        | Shape::Tables(_, keys)
        | Shape::List(_, _, keys)
        | Shape::Named(Named { keys, .. }) => keys,
        _ => &[],
    }
}

/// Every key by its path, such as `tenants.*.rules.*.targets[].plugin`. A table that has keys of its own is none.
#[cfg(test)]
pub fn paths() -> Vec<String> {
    fn below(keys: &[Key], path: &str, into: &mut Vec<String>) {
        for key in keys {
            let path = format!("{path}{}", key.name);
            match &key.shape {
                Shape::Table(keys) | Shape::Given(keys) => below(keys, &format!("{path}."), into),
                Shape::Tables(_, keys) | Shape::List(_, _, keys) => below(keys, &format!("{path}[]."), into),
                Shape::Named(Named { keys, .. }) => below(keys, &format!("{path}.*."), into),
                _ => into.push(path),
            }
        }
    }
    let mut paths = Vec::new();
    below(ROOT, "", &mut paths);
    paths
}
