//! The cases of where events go and requests come: webhooks with their breakers, queues, routes.

use serde_json::json;

use super::{Case, QUEUE, ROUTE, WEBHOOK, case};

/// Those of the circuit breaker of a plugin or a webhook.
pub(super) fn breaker_cases(of: &str, base: &'static str) -> [Case; 7] {
    let case = |name: &str, good, at: &str, read, bad| {
        case(&format!("tenants.*.{of}.*.breaker.{name}"), good, (base, &format!("breaker/{at}")), read, bad)
    };
    [
        case("enabled", "false", "enabled", json!(false), "'no'"),
        case("failures", "7", "failures", json!(7), "0"),
        case("share", "7", "share", json!(7), "101"),
        case("calls", "7", "calls", json!(7), "0"),
        case("within", "'2m'", "within_ms", json!(120_000), "'2'"),
        case("open", "'2s'", "open_ms", json!(2_000), "2"),
        case("open_max", "'2h'", "open_max_ms", json!(7_200_000), "'2x'"),
    ]
}

pub(super) fn webhook_cases() -> [Case; 9] {
    let case = |name: &str, good, at: &str, read, bad| {
        (format!("tenants.*.webhooks.*.{name}"), good, format!("{WEBHOOK}/{at}"), read, bad)
    };
    [
        case("url", "'http://a.test/'", "url", json!("http://a.test/"), "7"),
        case("mode", "'binary'", "mode", json!("binary"), "'text'"),
        case("headers", "{ x = 'y' }", "headers", json!({"x": "y"}), "{ x = 7 }"),
        case("timeout", "'7s'", "timeout_ms", json!(7_000), "7"),
        case("concurrency", "7", "concurrency", json!(7), "0"),
        case("attempts_per_s", "7", "per_s", json!(7), "0"),
        case("backlog", "7", "backlog", json!(7), "0"),
        case("networks", "['10.7.0.0/16']", "networks/0", json!("10.7.0.0/16"), "['ten']"),
        case("disable_after", "'7d'", "disable_after_ms", json!(604_800_000), "'a week'"),
    ]
}

pub(super) fn route_cases() -> [Case; 5] {
    [
        case("tenants.*.routes.*.plugin", "'q'", (ROUTE, "plugin"), json!("q"), "7"),
        case("tenants.*.routes.*.methods", "['GET']", (ROUTE, "methods/0"), json!("GET"), "['get']"),
        case("tenants.*.routes.*.request_size", "'7KiB'", (ROUTE, "request_bytes"), json!(7_168), "'7KB'"),
        case("tenants.*.routes.*.answer_size", "'7KiB'", (ROUTE, "answer_bytes"), json!(7_168), "'7KB'"),
        case("tenants.*.routes.*.reuse", "7", (ROUTE, "reuse"), json!(7), "0"),
    ]
}

pub(super) fn queue_cases() -> [Case; 13] {
    let case = |name: &str, good, at: &str, read, bad| {
        (format!("tenants.*.queues.*.{name}"), good, format!("{QUEUE}/{at}"), read, bad)
    };
    [
        case("visibility", "'7s'", "visibility_ms", json!(7_000), "7"),
        case("delay", "'7s'", "delay_ms", json!(7_000), "7"),
        case("retention", "'7d'", "retention_ms", json!(604_800_000), "'a week'"),
        case("max_receives", "7", "max_receives", json!(7), "0"),
        case("dead_letter", "'d'", "dead_letter", json!("d"), "'D'"),
        case("content_deduplication", "true", "content_deduplication", json!(true), "'yes'"),
        case("ordered", "true", "ordered", json!(true), "'yes'"),
        case("backlog", "7", "backlog", json!(7), "0"),
        case("paused", "true", "paused", json!(true), "'yes'"),
        case("consumer.plugin", "'q'", "consumer/plugin", json!("q"), "7"),
        case("consumer.batch", "7", "consumer/batch", json!(7), "1001"),
        case("consumer.window", "'7s'", "consumer/window_ms", json!(7_000), "7"),
        case("consumer.concurrency", "7", "consumer/concurrency", json!(7), "257"),
    ]
}
