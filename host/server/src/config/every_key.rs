//! Every key of the configuration changes what is read, is refused when it is wrong, and is shown as it holds.
//!
//! Goal: a key that the reader ignores, or that was added without a case here, fails. Method: each case sets one key in the smallest
//! configuration and looks for it in what was read; the list of cases is compared with the list of keys.

use serde_json::{Value, json};
use wharf_recording::Policy;

mod base;
mod llm;
mod places;

use base::BASE;
use places::{breaker_cases, queue_cases, route_cases, webhook_cases};

use super::{Config, effective, keys, read, schema::schema};

/// A key, a value in TOML, where what was read has it, as what, and a value that is refused.
type Case = (String, &'static str, String, Value, &'static str);

/// Where what was read has the plugin, the rule, and the retention of the bus.
const PLUGIN: &str = "/tenants/acme/plugins/p";
const RULE: &str = "/tenants/acme/rules/r";
const WEBHOOK: &str = "/tenants/acme/webhooks/w";
const QUEUE: &str = "/tenants/acme/queues/j";
const ROUTE: &str = "/tenants/acme/routes/~1r";
const SUBSCRIPTION: &str = "/tenants/acme/rules/n~1x";
const SCHEMA: &str = "/tenants/acme/schemas/s";
const SCHEDULE: &str = "/tenants/acme/schedules/c";
const AIMED: &str = "/tenants/acme/schedules/d";
const SETTINGS: &str = "/tenants/acme/settings";
const RETENTION: &str = "/tenants/acme/retention/audit";

/// The limits on what an attempt may have the host do: all are integers below a million.
const HOST_LIMITS: [&str; 21] = [
    "table_elements",
    "call_kib",
    "handles",
    "resources",
    "random_kib",
    "log_lines",
    "log_kib",
    "publishes",
    "publish_kib",
    "kv_reads",
    "kv_writes",
    "kv_write_kib",
    "http_calls",
    "http_kib",
    "http_ms",
    "llm_calls",
    "llm_kib",
    "llm_ms",
    "infer_calls",
    "infer_kib",
    "infer_ms",
];

fn cases() -> Vec<Case> {
    let mut cases = own_cases();
    cases.extend(rule_cases());
    cases.extend(schema_cases());
    for (behind, more) in [("plugins.*.config", grant_cases()), ("tenants.*.suspended", ceiling_cases())] {
        let at = cases.iter().position(|case| case.0.ends_with(behind)).map_or(0, |at| at + 1);
        cases.splice(at..at, more);
    }
    let limits = cases.iter().rposition(|case| case.0.contains("plugins.*.limits.")).map_or(0, |at| at + 1);
    cases.splice(limits..limits, breaker_cases("plugins", PLUGIN));
    let retries = cases.iter().position(|case| case.0.ends_with("retry.age")).map_or(0, |at| at + 1);
    cases.splice(retries..retries, outcome_cases());
    let subscriptions = topic_cases(&cases);
    let before = cases.iter().position(|case| case.0.starts_with("tenants.*.schemas")).unwrap_or(0);
    let webhooks = webhook_cases().into_iter().chain(breaker_cases("webhooks", WEBHOOK));
    cases.splice(before..before, webhooks.chain(queue_cases()).chain(subscriptions));
    let behind = cases.iter().position(|case| case.0.ends_with("schemas.*.mode")).map_or(0, |at| at + 1);
    let schedules = schedule_cases(&cases);
    cases.splice(behind..behind, schedules);
    let before = cases.iter().position(|case| case.0.ends_with("tenants.*.suspended")).unwrap_or(0);
    cases.splice(before..before, route_cases());
    let after = cases.iter().position(|case| case.0.ends_with("limits.quarantine")).map_or(0, |at| at + 1);
    let case = |name: &str| {
        let (path, pointer) = (format!("tenants.*.plugins.*.limits.{name}"), format!("{PLUGIN}/limits/host/{name}"));
        (path, "7", pointer, json!(7), "1000000")
    };
    cases.splice(after..after, HOST_LIMITS.map(case));
    cases.extend(quota_cases());
    llm::add(&mut cases);
    cases
}

/// What a plugin may be granted.
fn grant_cases() -> Vec<Case> {
    vec![
        case("tenants.*.plugins.*.grants.publish", "['a.*']", (PLUGIN, "grants/publish/0"), json!("a.*"), "['*.a']"),
        case("tenants.*.plugins.*.grants.kv", "['b']", (PLUGIN, "grants/kv/0"), json!("b"), "['No']"),
        case(
            "tenants.*.plugins.*.grants.http",
            "['GET https://a.test']",
            (PLUGIN, "grants/http/0"),
            json!("GET https://a.test"),
            "['a.test']",
        ),
    ]
}

/// The most that may be.
fn ceiling_cases() -> Vec<Case> {
    vec![
        case("tenants.*.ceiling.publish", "['a.*']", (SETTINGS, "ceiling/publish/0"), json!("a.*"), "['*.a']"),
        case("tenants.*.ceiling.kv", "['b:read']", (SETTINGS, "ceiling/kv/0"), json!("b:read"), "['b:write']"),
        case("tenants.*.ceiling.http", "['https://*']", (SETTINGS, "ceiling/http/0"), json!("https://*"), "['a.test']"),
    ]
}

fn case(path: &str, good: &'static str, (whose, at): (&str, &str), read: Value, bad: &'static str) -> Case {
    (path.to_owned(), good, format!("{whose}/{at}"), read, bad)
}

/// The quotas of a tenant.
fn quota_cases() -> [Case; 8] {
    let case = |name: &str, good, at: &str, read, bad| {
        (format!("tenants.*.{name}"), good, format!("/tenants/acme/settings/quotas/{at}"), read, bad)
    };
    [
        case("kv_size", "'7KiB'", "kv_bytes", json!(7_168), "'7KB'"),
        case("upload_size", "'7KiB'", "upload_bytes", json!(7_168), "'7KB'"),
        case("backlog", "7", "backlog", json!(7), "0"),
        case("receive_per_s", "7", "receive_per_s", json!(7), "0"),
        case("publish_per_s", "7", "publish_per_s", json!(7), "0"),
        case("cpu_per_hour", "'2h'", "cpu_ms_per_hour", json!(7_200_000), "'2 hours'"),
        case("bytes_per_hour", "'7KiB'", "bytes_per_hour", json!(7_168), "'7KB'"),
        case("host_calls_per_hour", "7", "host_calls_per_hour", json!(7), "0"),
    ]
}

fn own_cases() -> Vec<Case> {
    let two_days = json!(172_800_000);
    vec![
        case("default_tenant", "'acme'", ("", "default_tenant"), json!("acme"), "7"),
        case("host.quarantine_after", "7", ("/host", "quarantine_after"), json!(7), "0"),
        case("host.loaded_code", "'7MiB'", ("/host", "loaded_code"), json!(7 << 20), "'7MB'"),
        case("host.body_memory", "'7MiB'", ("/host", "body_bytes"), json!(7 << 20), "7"),
        case("host.prices.currency", "'EUR'", ("/host/prices", "currency"), json!("EUR"), "7"),
        case("host.prices.attempts_million", "'0.2'", ("/host/prices", "attempts_million"), json!("0.200000"), "0.2"),
        case("host.prices.cpu_hour", "'0.2'", ("/host/prices", "cpu_hour"), json!("0.200000"), "0.2"),
        case("host.prices.memory_gib_hour", "'0.2'", ("/host/prices", "memory_gib_hour"), json!("0.200000"), "0.2"),
        case("host.prices.gb_in", "'0.2'", ("/host/prices", "gb_in"), json!("0.200000"), "0.2"),
        case("host.prices.gb_out", "'0.2'", ("/host/prices", "gb_out"), json!("0.200000"), "0.2"),
        case("host.prices.host_calls_million", "'7'", ("/host/prices", "host_calls_million"), json!("7.000000"), "7"),
        case("host.recordings.failures", "false", ("/host/recordings", "failures"), json!(false), "'no'"),
        case("host.recordings.hourly", "7", ("/host/recordings", "hourly"), json!(7), "-1"),
        case("host.recordings.size", "'7MiB'", ("/host/recordings", "bytes"), json!(7 << 20), "7"),
        case("host.recordings.age", "'2h'", ("/host/recordings", "age_ms"), json!(7_200_000), "'2 hours'"),
        case("egress.networks", "['10.7.0.0/16']", ("/egress", "networks/0"), json!("10.7.0.0/16"), "['ten']"),
        case("egress.dns", "['10.7.0.1:53']", ("/egress", "dns/0"), json!("10.7.0.1:53"), "['dns.test:53']"),
        case("tenants.*.weight", "7", (SETTINGS, "weight"), json!(7), "0"),
        case("tenants.*.concurrency", "7", (SETTINGS, "concurrency"), json!(7), "257"),
        case("tenants.*.memory_mib", "7", (SETTINGS, "memory_mib"), json!(7), "65537"),
        case("tenants.*.buses.*.retention.age", "'2d'", (RETENTION, "age_ms"), two_days, "'2 days'"),
        case("tenants.*.buses.*.retention.size", "'1MiB'", (RETENTION, "size_bytes"), json!(1 << 20), "'1MB'"),
        case("tenants.*.buses.*.backlog", "7", ("/tenants/acme/bus_backlogs", "audit"), json!(7), "0"),
        case("tenants.*.plugins.*.component", "'x.wasm'", (PLUGIN, "component"), json!("x.wasm"), "5"),
        case("tenants.*.plugins.*.build", "'make'", (PLUGIN, "build"), json!("make"), "5"),
        case("tenants.*.plugins.*.config", "{ n = 3 }", (PLUGIN, "config"), json!({"n": "3"}), "{ n = [] }"),
        case(
            "tenants.*.plugins.*.grants.secrets",
            "['https://a.test x: {secret:s}']",
            (PLUGIN, "grants/secrets/0"),
            json!("https://a.test x: {secret:s}"),
            "['https://a.test x: y']",
        ),
        case("tenants.*.plugins.*.limits.wall_ms", "7", (PLUGIN, "limits/wall_ms"), json!(7), "0"),
        case("tenants.*.plugins.*.limits.cpu_ms", "7", (PLUGIN, "limits/cpu_ms"), json!(7), "900001"),
        case("tenants.*.plugins.*.limits.memory_mib", "7", (PLUGIN, "limits/memory_mib"), json!(7), "100000"),
        case("tenants.*.plugins.*.limits.concurrency", "7", (PLUGIN, "limits/concurrency"), json!(7), "257"),
        case("tenants.*.plugins.*.limits.backlog", "7", (PLUGIN, "limits/backlog"), json!(7), "0"),
        case("tenants.*.plugins.*.limits.publish_per_s", "7", (PLUGIN, "limits/publish_per_s"), json!(7), "0"),
        case("tenants.*.plugins.*.limits.attempts_per_s", "7", (PLUGIN, "limits/attempts_per_s"), json!(7), "0"),
        case("tenants.*.plugins.*.limits.reuse", "7", (PLUGIN, "limits/reuse"), json!(7), "10001"),
        case("tenants.*.plugins.*.limits.weight", "7", (PLUGIN, "limits/weight"), json!(7), "10001"),
        case(
            "tenants.*.plugins.*.limits.quarantine",
            "'dead-letter'",
            (PLUGIN, "limits/quarantine"),
            json!("dead-letter"),
            "'drop'",
        ),
    ]
}

/// Those of the outcomes of a retry policy. The base has one, since an outcome needs something that it matches.
fn outcome_cases() -> [Case; 9] {
    let case = |name: &str, good, at: &str, read, bad| {
        let (path, at) =
            (format!("tenants.*.rules.*.targets[].retry.on[].{name}"), format!("targets/2/retry/on/0/{at}"));
        case(&path, good, (RULE, &at), read, bad)
    };
    [
        case("code", "'limit-*'", "code", json!("limit-*"), "7"),
        case("status", "'5xx'", "status", json!("5xx"), "503"),
        case("reason", "'*busy*'", "reason", json!("*busy*"), "7"),
        case("then", "'dead-letter'", "then", json!("dead-letter"), "'drop'"),
        case("backoff", "'fixed'", "backoff", json!("fixed"), "'f'"),
        case("jitter", "'none'", "jitter", json!("none"), "'no'"),
        case("first", "'2s'", "first_ms", json!(2_000), "2"),
        case("max", "'9m'", "max_ms", json!(540_000), "'9'"),
        case("attempts", "7", "attempts", json!(7), "0"),
    ]
}

/// Those of topics: what is said of a subscription is said as of a rule.
fn topic_cases(cases: &[Case]) -> Vec<Case> {
    let retention = "/tenants/acme/retention/topic~1n";
    let of = |name: &str| format!("tenants.*.topics.*.{name}");
    let rule = |name: &str, good, bad: &'static str, at: &str, read| {
        (of(&format!("subscriptions.*.{name}")), good, format!("{SUBSCRIPTION}/{at}"), read, bad)
    };
    let envelope = (
        of("subscriptions.*.raw"),
        "false",
        "/tenants/acme/rules/m~1y/targets/0/input".to_owned(),
        json!("envelope"),
        "'no'",
    );
    let mut all = vec![
        (of("retention.age"), "'2d'", format!("{retention}/age_ms"), json!(172_800_000), "'2 days'"),
        (of("retention.size"), "'1MiB'", format!("{retention}/size_bytes"), json!(1 << 20), "'1MB'"),
        rule("pattern", "{ id = ['1'] }", "{ id = '1' }", "pattern/id/0", json!("1")),
        rule("transforms", "['q']", "[7]", "transforms/0", json!("q")),
        rule("enabled", "false", "'no'", "enabled", json!(false)),
        envelope,
    ];
    all.extend(targets_of(cases, ".topics.*.subscriptions.*.", SUBSCRIPTION));
    all
}

/// What is said of a target of a rule, said of one of something else.
fn targets_of(cases: &[Case], path: &str, whose: &str) -> Vec<Case> {
    let targets = cases.iter().filter(|case| case.0.starts_with("tenants.*.rules.*.targets[]"));
    let of = |(of_rule, good, pointer, read, bad): &Case| {
        (of_rule.replace(".rules.*.", path), *good, pointer.replace(RULE, whose), read.clone(), *bad)
    };
    targets.map(of).collect()
}

/// Those of rules, and what is behind them.
fn rule_cases() -> Vec<Case> {
    let seventeen = r#"["p","p","p","p","p","p","p","p","p","p","p","p","p","p","p","p","p"]"#;
    let two_hours = json!(7_200_000);
    vec![
        case("tenants.*.rules.*.bus", "'audit'", (RULE, "bus"), json!("audit"), "'NO'"),
        case("tenants.*.rules.*.pattern", "{ id = ['1'] }", (RULE, "pattern/id/0"), json!("1"), "{ id = '1' }"),
        case("tenants.*.rules.*.transforms", "['q']", (RULE, "transforms/0"), json!("q"), seventeen),
        case("tenants.*.rules.*.enabled", "false", (RULE, "enabled"), json!(false), "'no'"),
        case("tenants.*.rules.*.targets[].plugin", "'q'", (RULE, "targets/0/plugin"), json!("q"), "['q']"),
        // A target of its own: the first one is a plugin.
        case("tenants.*.rules.*.targets[].webhook", "'w'", (RULE, "targets/3/webhook"), json!("w"), "['w']"),
        case("tenants.*.rules.*.targets[].queue", "'j'", (RULE, "targets/3/queue"), json!("j"), "['j']"),
        case("tenants.*.rules.*.targets[].bus", "'audit'", (RULE, "targets/3/bus"), json!("audit"), "['audit']"),
        case("tenants.*.rules.*.targets[].topic", "'n'", (RULE, "targets/3/bus"), json!("topic/n"), "['n']"),
        case(
            "tenants.*.rules.*.targets[].retry.backoff",
            "'fixed'",
            (RULE, "targets/0/retry/backoff"),
            json!("fixed"),
            "'f'",
        ),
        case(
            "tenants.*.rules.*.targets[].retry.jitter",
            "'none'",
            (RULE, "targets/0/retry/jitter"),
            json!("none"),
            "'no'",
        ),
        case("tenants.*.rules.*.targets[].retry.first", "'2s'", (RULE, "targets/0/retry/first_ms"), json!(2_000), "2"),
        case("tenants.*.rules.*.targets[].retry.max", "'9m'", (RULE, "targets/0/retry/max_ms"), json!(540_000), "'9'"),
        case("tenants.*.rules.*.targets[].retry.attempts", "7", (RULE, "targets/0/retry/attempts"), json!(7), "0"),
        case("tenants.*.rules.*.targets[].retry.age", "'2h'", (RULE, "targets/0/retry/age_ms"), two_hours, "'-1h'"),
        case("tenants.*.rules.*.targets[].dead_letter", "'d'", (RULE, "targets/0/dead_letter"), json!("d"), "'D'"),
        case(
            "tenants.*.rules.*.targets[].order_by",
            "'$.data.a'",
            (RULE, "targets/0/order_by"),
            json!("$.data.a"),
            "7",
        ),
        case("tenants.*.rules.*.targets[].key_per_s", "7", (RULE, "targets/2/key_per_s"), json!(7), "0"),
        case(
            "tenants.*.rules.*.targets[].input_path",
            "'$.data'",
            (RULE, "targets/0/input/path"),
            json!("$.data"),
            "7",
        ),
        case("tenants.*.rules.*.targets[].input", "'1.50'", (RULE, "targets/0/input/constant"), json!("1.50"), "1.50"),
        case(
            "tenants.*.rules.*.targets[].input_transformer.paths",
            "{ n = '$.id' }",
            (RULE, "targets/1/input/transformer/paths"),
            json!({"n": "$.id"}),
            "{ n = 7 }",
        ),
        case(
            "tenants.*.rules.*.targets[].input_transformer.template",
            "'[<wharf.rule-name>]'",
            (RULE, "targets/1/input/transformer/template"),
            json!("[<wharf.rule-name>]"),
            "[]",
        ),
    ]
}

/// Those of schemas, and what else a tenant has.
fn schema_cases() -> Vec<Case> {
    vec![
        case("tenants.*.schemas.*.file", "'x.json'", (SCHEMA, "file"), json!("x.json"), "5"),
        case("tenants.*.schemas.*.bus", "'audit'", (SCHEMA, "bus"), json!("audit"), "'NO'"),
        case("tenants.*.schemas.*.type", "'t.x'", (SCHEMA, "type"), json!("t.x"), "7"),
        case("tenants.*.schemas.*.mode", "'warn'", (SCHEMA, "mode"), json!("warn"), "'on'"),
        case("tenants.*.suspended", "true", (SETTINGS, "suspended"), json!(true), "'yes'"),
        case(
            "tenants.*.ceiling.secrets",
            "['https://* x: {secret:s}']",
            (SETTINGS, "ceiling/secrets/0"),
            json!("https://* x: {secret:s}"),
            "['s']",
        ),
        case("tenants.*.signatures", "'require'", (SETTINGS, "signatures"), json!("require"), "'some'"),
    ]
}

/// Those of schedules.
fn schedule_cases(cases: &[Case]) -> Vec<Case> {
    let case = |name: &str, good, at: &str, read, bad| {
        (format!("tenants.*.schedules.*.{name}"), good, format!("{SCHEDULE}/{at}"), read, bad)
    };
    let (noon, noon_ms) = ("'2026-12-01T12:00:00Z'", json!(1_796_126_400_000_u64));
    let mut all = vec![
        case("expression", "'rate(2 days)'", "expression", json!("rate(2 days)"), "7"),
        case("timezone", "'Europe/Berlin'", "timezone", json!("Europe/Berlin"), "7"),
        case("start", noon, "start_ms", noon_ms.clone(), "7"),
        case("end", noon, "end_ms", noon_ms, "7"),
        case("flexible_window", "'2m'", "flexible_window_ms", json!(120_000), "'2 minutes'"),
        case("catch_up", "'all'", "catch_up", json!("all"), "'some'"),
        case("enabled", "false", "enabled", json!(false), "'no'"),
        case("bus", "'audit'", "bus", json!("audit"), "'NO'"),
        case("type", "'t.x'", "type", json!("t.x"), "7"),
        case("source", "'/x'", "source", json!("/x"), "7"),
        case("subject", "'x'", "subject", json!("x"), "7"),
        case("data", "{ n = 1 }", "data", json!("{\"n\":1}"), "7"),
    ];
    let behind = all.iter().position(|case| case.0.ends_with(".bus")).map_or(0, |at| at + 1);
    all.splice(behind..behind, targets_of(cases, ".schedules.*.", AIMED));
    all
}

/// What was read, as JSON.
fn dump(config: &Config) -> Value {
    let plugin = |plugin: &super::PluginConfig| json!({"component": plugin.component, "build": plugin.build, "config": plugin.config, "grants": plugin.grants, "limits": plugin.limits, "breaker": plugin.breaker});
    let tenant = |tenant: &super::TenantConfig| {
        let plugins: serde_json::Map<_, _> =
            tenant.plugins.iter().map(|(name, it)| (name.to_string(), plugin(it))).collect();
        let schema =
            |it: &super::SchemaConfig| json!({"file": it.file, "bus": it.bus, "type": it.kind, "mode": it.mode});
        let schemas: serde_json::Map<_, _> =
            tenant.schemas.iter().map(|(name, it)| (name.to_string(), schema(it))).collect();
        json!({"buses": tenant.buses, "retention": tenant.retention, "bus_backlogs": tenant.bus_backlogs, "plugins": plugins, "rules": tenant.rules, "webhooks": tenant.webhooks, "queues": tenant.queues, "schemas": schemas, "schedules": tenant.schedules, "routes": tenant.routes, "models": llm::own_models(tenant), "llm": llm::routes(tenant), "budgets": llm::budgets(tenant), "prompts": tenant.prompts, "llm_cache": {"entries": tenant.cache.entries, "bytes": tenant.cache.bytes}, "settings": tenant.settings})
    };
    let tenants: serde_json::Map<_, _> =
        config.tenants.iter().map(|(name, it)| (name.to_string(), tenant(it))).collect();
    let prices = config.host.prices;
    let prices = json!({
        "currency": prices.currency.map(|currency| currency.to_string()),
        "attempts_million": prices.attempts_million.to_string(),
        "cpu_hour": prices.cpu_hour.to_string(),
        "memory_gib_hour": prices.memory_gib_hour.to_string(),
        "gb_in": prices.gb_in.to_string(),
        "gb_out": prices.gb_out.to_string(),
        "host_calls_million": prices.host_calls_million.to_string(),
    });
    let Policy { failures, hourly, bytes, age_ms } = config.host.recordings;
    let recordings = json!({"failures": failures, "hourly": hourly, "bytes": bytes, "age_ms": age_ms});
    let host = json!({"recordings": recordings, "quarantine_after": config.host.quarantine_after, "prices": prices, "body_bytes": config.host.body_bytes, "loaded_code": config.host.loaded_code_bytes});
    let egress = json!({"networks": config.egress.networks.texts().collect::<Vec<_>>(), "dns": config.egress.dns});
    json!({"default_tenant": config.default_tenant, "host": host, "egress": egress, "llm": llm::dump(&config.llm), "tenants": tenants})
}

/// Puts a value at a path such as `a.b[0].c`.
fn set(document: &mut toml::Value, path: &str, value: toml::Value) {
    let mut at = document;
    for step in path.split('.') {
        let (name, index) = match step.strip_suffix(']').and_then(|step| step.split_once('[')) {
            Some((name, index)) => (name, Some(index.parse::<usize>().unwrap())),
            None => (step, None),
        };
        // A name with a `/` in it is shown between quotes.
        let name = name.trim_matches('"');
        let empty = || toml::Value::Table(toml::Table::new());
        at = at
            .as_table_mut()
            .unwrap()
            .entry(name)
            .or_insert_with(|| index.map_or_else(empty, |_| toml::Value::Array(vec![])));
        if let Some(index) = index {
            let items = at.as_array_mut().unwrap();
            items.resize_with(items.len().max(index + 1), empty);
            at = &mut items[index];
        }
    }
    *at = value;
}

fn with(path: &str, value: &str) -> String {
    let concrete = [
        ("tenants.*", "tenants.acme"),
        // What has an input has no envelope.
        ("topics.*.subscriptions.*.raw", "topics.m.subscriptions.y.raw"),
        ("topics.*.subscriptions.*", "topics.n.subscriptions.x"),
        ("topics.*", "topics.n"),
        ("buses.*", "buses.audit"),
        ("plugins.*", "plugins.p"),
        ("providers.*.answers", "providers.told.answers"),
        ("providers.*.credentials", "providers.aws.credentials"),
        // Each kind has its own keys.
        ("providers.*.kind", "providers.unasked.kind"),
        ("providers.*.region", "providers.unasked.region"),
        ("providers.*", "providers.cloud"),
        // A model has no file where somebody else runs it.
        ("acme.models.*.provider", "acme.models.theirs.provider"),
        ("acme.models.*.endpoint", "acme.models.theirs.endpoint"),
        ("acme.models.*.payload", "acme.models.theirs.payload"),
        ("models.*", "models.small"),
        ("llm.routes.*.similar", "llm.routes.near.similar"),
        ("llm.routes.*", "llm.routes.triage"),
        ("llm.prompts.*", "llm.prompts.classify"),
        ("rules.*", "rules.r"),
        // A template is needed where its paths are.
        // An outcome needs a code, a status or a reason.
        ("[].retry.on[]", "[2].retry.on[0]"),
        ("[].input_transformer", "[1].input_transformer"),
        // Keys are needed where they have a rate.
        ("[].key_per_s", "[2].key_per_s"),
        ("[].webhook", "[3].webhook"),
        ("[].queue", "[3].queue"),
        ("[].bus", "[3].bus"),
        ("[].topic", "[3].topic"),
        ("queues.*", "queues.j"),
        ("routes.*", "routes./r"),
        ("schemas.*", "schemas.s"),
        ("webhooks.*", "webhooks.w"),
        ("schedules.*.targets", "schedules.d.targets"),
        ("schedules.*", "schedules.c"),
        ("[]", "[0]"),
    ];
    let path = concrete.iter().fold(path.to_owned(), |path, (from, to)| path.replace(from, to));
    let mut document: toml::Value = toml::from_str(BASE).unwrap();
    let value: toml::Table = toml::from_str(&format!("value = {value}")).unwrap();
    set(&mut document, &path, value["value"].clone());
    toml::to_string(&document).unwrap()
}

fn is_valid(text: &str) -> bool {
    jsonschema::draft7::new(&schema()).unwrap().is_valid(&toml::from_str(text).unwrap())
}

#[test]
fn every_key_has_a_case() {
    assert_eq!(cases().into_iter().map(|case| case.0).collect::<Vec<_>>(), keys::paths());
}

#[test]
fn every_key_changes_what_is_read() {
    let before = dump(&read(BASE).0);
    for (path, good, pointer, expected, _) in cases() {
        let text = with(&path, good);
        let (config, problems) = read(&text);
        assert_eq!(problems, [], "{path}");
        let after = dump(&config);
        assert_eq!(after.pointer(&pointer), Some(&expected), "{path}: {after}");
        assert_ne!(after, before, "{path}");
    }
}

#[test]
fn what_the_schema_takes_and_refuses_the_host_does_too() {
    assert!(is_valid(BASE));
    for (path, good, _, _, bad) in cases() {
        assert!(is_valid(&with(&path, good)), "{path} = {good}");
        let text = with(&path, bad);
        assert!(!is_valid(&text) && !read(&text).1.is_empty(), "{path} = {bad}");
    }
    let unknown = format!("{BASE}\nretries = 3\n");
    assert!(!is_valid(&unknown) && !read(&unknown).1.is_empty());
}

#[test]
fn what_is_shown_reads_as_the_same_configuration_when_it_is_written_out() {
    let texts = cases().iter().map(|(path, good, ..)| with(path, good)).chain([BASE.to_owned()]).collect::<Vec<_>>();
    for text in texts {
        let mut document = toml::Value::Table(toml::Table::new());
        for setting in effective(&text) {
            set(&mut document, &setting.key, toml::Value::try_from(&setting.value).unwrap());
        }
        let (config, problems) = read(&toml::to_string(&document).unwrap());
        assert_eq!(problems, [], "{document}");
        let (mut explicit, mut original) = (dump(&config), dump(&read(&text).0));
        // A retention that nobody wrote is that of the default; written out it is said.
        for dumped in [&mut explicit, &mut original] {
            let retention = json!({"age_ms": 7 * 86_400_000_u64, "size_bytes": 10_u64 << 30});
            for bus in ["audit", "default", "topic/m", "topic/n"] {
                let said = &mut dumped["tenants"]["acme"]["retention"][bus];
                if said.is_null() {
                    *said = retention.clone();
                }
            }
        }
        assert_eq!(explicit, original, "{document}");
    }
}

#[test]
fn a_value_that_somebody_wrote_has_its_place_and_a_default_has_none() {
    let text = "default_tenant = 'a'\n[tenants.a.plugins.'x.y']\ncomponent = 'p.wasm'\nlimits = { cpu_ms = 5 }\n";
    let shown: Vec<_> = effective(text)
        .iter()
        .map(|it| format!("{} = {} {:?}", it.key, it.value, it.place.map(|place| (place.line, place.column))))
        .collect();
    for wanted in [
        "default_tenant = \"a\" Some((1, 18))",
        "tenants.a.plugins.\"x.y\".component = \"p.wasm\" Some((3, 13))",
        "tenants.a.plugins.\"x.y\".limits.cpu_ms = 5 Some((4, 21))",
        "tenants.a.plugins.\"x.y\".limits.wall_ms = 10000 None",
        "tenants.a.buses.default.retention.age = \"7d\" None",
    ] {
        assert!(shown.iter().any(|line| line == wanted), "{wanted} is not in {shown:#?}");
    }
}
