//! The cases of models: providers, models, routes, and what grants them.

use serde_json::{Map, Value, json};

use super::{Case, PLUGIN, SETTINGS, case};
use crate::config::{BudgetConfig, LlmConfig, OwnModelConfig, TenantConfig};

const PROVIDER: &str = "/llm/providers/cloud";

const AWS: &str = "/llm/providers/aws";
const UNASKED: &str = "/llm/providers/unasked";
const MODEL: &str = "/llm/models/small";
const OWN_MODEL: &str = "/tenants/acme/models/small";
const THEIRS: &str = "/tenants/acme/models/theirs";
const ROUTE: &str = "/tenants/acme/llm/triage";

/// Puts them where their keys are.
pub(super) fn add(cases: &mut Vec<Case>) {
    behind(cases, "egress.dns", models());
    behind(
        cases,
        "grants.secrets",
        vec![
            case("tenants.*.plugins.*.grants.llm", "['a']", (PLUGIN, "grants/llm/0"), json!("a"), "['No']"),
            case("tenants.*.plugins.*.grants.infer", "['a']", (PLUGIN, "grants/infer/0"), json!("a"), "['No']"),
            case("tenants.*.plugins.*.grants.hold", "['a']", (PLUGIN, "grants/hold/0"), json!("a"), "['No']"),
        ],
    );
    behind(
        cases,
        "ceiling.secrets",
        vec![
            case("tenants.*.ceiling.llm", "['a']", (SETTINGS, "ceiling/llm/0"), json!("a"), "['No']"),
            case("tenants.*.ceiling.infer", "['a']", (SETTINGS, "ceiling/infer/0"), json!("a"), "['No']"),
            case("tenants.*.ceiling.hold", "['a']", (SETTINGS, "ceiling/hold/0"), json!("a"), "['No']"),
        ],
    );
    let before = cases.iter().position(|case| case.0 == "tenants.*.suspended").unwrap_or(0);
    cases.splice(before..before, routes_cases());
}

fn behind(cases: &mut Vec<Case>, end: &str, more: Vec<Case>) {
    let at = cases.iter().rposition(|case| case.0.ends_with(end)).map_or(0, |at| at + 1);
    cases.splice(at..at, more);
}

fn models() -> Vec<Case> {
    vec![
        case("llm.providers.*.kind", "'sagemaker'", (UNASKED, "kind"), json!("SageMaker"), "'other'"),
        case("llm.providers.*.endpoint", "'http://b.test/'", (PROVIDER, "endpoint"), json!("http://b.test"), "7"),
        case("llm.providers.*.region", "'eu-west-1'", (UNASKED, "region"), json!("eu-west-1"), "'No'"),
        case("llm.providers.*.secret", "'s'", (PROVIDER, "secret"), json!("s"), "'No'"),
        case("llm.providers.*.key_env", "'KEY'", (PROVIDER, "key_env"), json!("KEY"), "7"),
        case("llm.providers.*.credentials", "'instance'", (AWS, "credentials"), json!("instance"), "'imds'"),
        case("llm.providers.*.tokens_field", "'max_tokens'", (PROVIDER, "tokens_field"), json!("max_tokens"), "'n'"),
        case("llm.providers.*.answers", "'b.jsonl'", ("/llm/providers/told", "answers"), json!("b.jsonl"), "7"),
        case("llm.models.*.provider", "'other'", (MODEL, "provider"), json!("other"), "'No'"),
        case("llm.models.*.model", "'x'", (MODEL, "model"), json!("x"), "7"),
        case("llm.models.*.input_price", "'0.15'", (MODEL, "input_price"), json!("0.150000"), "7"),
        case("llm.models.*.output_price", "'0.6'", (MODEL, "output_price"), json!("0.600000"), "7"),
    ]
}

fn routes_cases() -> Vec<Case> {
    let case =
        |name: &str, good, at, read, bad| case(&format!("tenants.*.llm.routes.*.{name}"), good, (ROUTE, at), read, bad);
    let own = super::case("tenants.*.models.*.file", "'x.onnx'", (OWN_MODEL, "file"), json!("x.onnx"), "7");
    let theirs =
        |name, good, read, bad| super::case(&format!("tenants.*.models.*.{name}"), good, (THEIRS, name), read, bad);
    let small = |name: &str, good, at, read, bad| {
        super::case(&format!("tenants.*.models.*.{name}"), good, (OWN_MODEL, at), read, bad)
    };
    vec![
        own,
        small("batch", "7", "batch/rows", json!(7), "1"),
        small("batch_wait", "'7ms'", "batch/wait_ms", json!(7), "'7 ms'"),
        theirs("provider", "'ours'", json!("ours"), "'No'"),
        theirs("endpoint", "'x'", json!("x"), "7"),
        theirs("payload", "'csv'", json!("csv"), "'n'"),
        case("models", "['small']", "models/0", json!("small"), "['No']"),
        case("weights", "{ small = 90, echo = 10 }", "weights/small", json!(90), "{ small = 0, echo = 10 }"),
        case("max_tokens", "7", "max_tokens", json!(7), "0"),
        case("tries", "3", "tries", json!(3), "6"),
        case("timeout", "'7s'", "timeout_ms", json!(7_000), "7"),
    ]
    .into_iter()
    .chain(budget_cases("routes.*.", &format!("{ROUTE}/budget")))
    .chain([
        case("cache", "'1h'", "cache_ms", json!(3_600_000), "7"),
        near("model", "'vectors'", json!("vectors"), "'No'"),
        near("at_least", "0.97", json!(9_700), "0.4"),
        near("shadow", "false", json!(false), "'no'"),
        case("repair", "false", "repair", json!(false), "'no'"),
        case("guardrails.deny", "['a b']", "guard/deny/0", json!("a b"), "[7]"),
        case("guardrails.mask", "['card']", "guard/mask/0", json!("card"), "['No']"),
        case(
            "guardrails.patterns",
            "{ staff = 'E-[0-9]+' }",
            "guard/patterns/staff",
            json!("E-[0-9]+"),
            "{ staff = 7 }",
        ),
    ])
    .chain(budget_cases("", "/tenants/acme/budgets/tenant"))
    .chain(budget_cases("plugins.*.", "/tenants/acme/budgets/plugins/p"))
    .chain([room("entries", "7", json!(7), "0"), room("size", "'1MiB'", json!(1 << 20), "7")])
    .chain([
        prompt("route", "'other'", json!("other"), "7"),
        prompt("system", "'Be {{ mood }}.'", json!("Be {{ mood }}."), "7"),
        prompt("user", "'x'", json!("x"), "7"),
    ])
    .collect()
}

/// What a prompt says.
fn prompt(name: &'static str, good: &'static str, read: Value, bad: &'static str) -> Case {
    super::case(&format!("tenants.*.llm.prompts.*.{name}"), good, ("/tenants/acme/prompts/classify", name), read, bad)
}

/// What questions mean the same.
fn near(name: &'static str, good: &'static str, read: Value, bad: &'static str) -> Case {
    let at = "/tenants/acme/llm/near/similar";
    super::case(&format!("tenants.*.llm.routes.*.similar.{name}"), good, (at, name), read, bad)
}

/// The room for answers.
fn room(name: &str, good: &'static str, read: Value, bad: &'static str) -> Case {
    let at = if name == "size" { "bytes" } else { "entries" };
    super::case(&format!("tenants.*.llm.cache.{name}"), good, ("/tenants/acme/llm_cache", at), read, bad)
}

/// The amounts of a budget.
fn budget_cases(of: &str, at: &str) -> Vec<Case> {
    let case =
        |name: &str, good, read, bad| case(&format!("tenants.*.llm.{of}budget.{name}"), good, (at, name), read, bad);
    vec![
        case("tokens_per_hour", "7", json!(7), "0"),
        case("tokens_per_day", "8", json!(8), "'x'"),
        case("money_per_hour", "'0.5'", json!("0.500000"), "1"),
        case("money_per_day", "'9'", json!("9.000000"), "7"),
    ]
}

fn budget(of: &BudgetConfig) -> Value {
    let money = |money: Option<crate::prices::Money>| money.map(|money| money.to_string());
    json!({"tokens_per_hour": of.tokens_per_hour, "tokens_per_day": of.tokens_per_day, "money_per_hour": money(of.money_per_hour), "money_per_day": money(of.money_per_day)})
}

/// What was read of a tenant's budgets.
pub(super) fn budgets(tenant: &TenantConfig) -> Value {
    let plugins: Map<_, _> = tenant.budgets.plugins.iter().map(|(name, it)| (name.to_string(), budget(it))).collect();
    json!({"tenant": budget(&tenant.budgets.tenant), "plugins": plugins})
}

/// What was read of models.
pub(super) fn dump(config: &LlmConfig) -> Value {
    let providers: Map<_, _> = config.providers.iter().map(|(name, it)| {
        (name.to_string(), json!({"kind": format!("{:?}", it.kind), "endpoint": it.endpoint, "secret": it.secret, "key_env": it.key_env, "credentials": it.credentials.name(), "tokens_field": it.tokens_field, "region": it.region, "answers": it.answers.as_ref().map(|answers| &answers.file)}))
    }).collect();
    let models: Map<_, _> = config.models.iter().map(|(name, it)| {
        let price = |price: Option<crate::prices::Money>| price.map(|price| price.to_string());
        (name.to_string(), json!({"provider": it.provider, "model": it.model, "input_price": price(it.input_price), "output_price": price(it.output_price)}))
    }).collect();
    json!({"providers": providers, "models": models})
}

/// What was read of a tenant's routes.
pub(super) fn routes(tenant: &TenantConfig) -> Value {
    let guard = |guard: &wharf_llm::Guard| {
        let wharf_llm::Rules { deny, mask, patterns } = guard.rules();
        json!({"deny": deny, "mask": mask.iter().map(ToString::to_string).collect::<Vec<_>>(), "patterns": patterns})
    };
    let similar = |it: &crate::config::similar::SimilarConfig| json!({"model": it.model, "at_least": it.at_least.ten_thousandths(), "shadow": it.shadow});
    let route = |it: &crate::config::RouteConfig| json!({"models": it.models, "weights": it.weights, "max_tokens": it.max_tokens, "tries": it.tries, "timeout_ms": it.timeout_ms, "budget": budget(&it.budget), "cache_ms": it.cache_ms, "similar": it.similar.as_ref().map(similar), "repair": it.repair, "guard": it.guard.as_deref().map(guard)});
    Value::Object(tenant.models.iter().map(|(name, it)| (name.to_string(), route(it))).collect())
}

pub(super) fn own_models(tenant: &TenantConfig) -> Value {
    tenant
        .own_models
        .iter()
        .map(|(name, model)| match model {
            OwnModelConfig::File { file, batch, .. } => {
                let batch =
                    batch.as_ref().map(|(it, _)| json!({"rows": it.rows, "wait_ms": it.wait.as_millis() as u64}));
                (name.to_string(), json!({"file": file, "batch": batch}))
            }
            OwnModelConfig::Endpoint(of) => {
                let payload = of.payload.to_string();
                (name.to_string(), json!({"provider": of.name, "endpoint": of.endpoint, "payload": payload}))
            }
        })
        .collect::<Map<_, _>>()
        .into()
}
