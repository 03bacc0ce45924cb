//! A rule as JSON, which the API takes: the twin of a rule's table in `wharf.toml`.
//!
//! Invariant: the reader is the file's own, so that keys, bounds and defaults are the same in both; only a place is a JSON pointer
//! here. The pattern is read as it is spelled, and all that is wrong with it is told.

use std::{borrow::Cow, collections::BTreeSet};

use serde_json::value::RawValue;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use wharf_delivery::RuleDocument;
use wharf_event::{BusName, Code, PluginName, QueueName, RuleName, WebhookName};
use wharf_gateway::Mistake;
use wharf_pattern::{Pattern, PatternError};

use super::{
    json_table::{Members, ROOT, Reading, Wrong, below},
    keys::{Key, RULE},
    table::{Sink, Table},
    tenant::{self, Known},
    topics::{self, SUBSCRIPTION},
};

/// What a rule is read beside.
#[derive(Clone, Copy)]
pub struct Beside<'a> {
    /// The name that it is to have.
    pub rule: &'a RuleName,
    /// The bus that it is to listen on.
    pub bus: &'a BusName,
    /// The tenant's buses.
    pub buses: &'a BTreeSet<BusName>,
    /// The tenant's plugins.
    pub plugins: &'a BTreeSet<PluginName>,
    /// The tenant's webhooks.
    pub webhooks: &'a BTreeSet<WebhookName>,
    /// The tenant's queues.
    pub queues: &'a BTreeSet<QueueName>,
}

/// Reads a rule, or where the bus is a topic a subscription.
///
/// # Errors
/// Every mistake.
pub fn read_rule(json: &[u8], beside: Beside<'_>) -> Result<RuleDocument, Wrong> {
    let subscription = beside.rule.subscription();
    let what = if subscription.is_some() { "a subscription" } else { "a rule" };
    let members = Reading::members(json, what, Code::RuleInvalid)?;
    let mut reading = Reading::new(Code::RuleInvalid);
    let table = root(&mut reading, members, beside.bus);
    let (sink, mut uses) = (Sink::default(), Vec::new());
    let read = {
        let (keys, what): (&[Key], _) = match &subscription {
            Some((_, name)) => (SUBSCRIPTION, format!("subscription `{name}`")),
            None => (RULE, format!("rule `{}`", beside.rule)),
        };
        let table = Table::new(&table, keys, what, ROOT, &sink);
        let Beside { buses, plugins, webhooks, queues, .. } = beside;
        let known = Known { buses, plugins, webhooks, queues, of_file: false };
        match &subscription {
            Some((topic, _)) => topics::read_one(&table, topic, known, &mut uses, &sink),
            None => tenant::read_rule(table, known, &mut uses, &sink),
        }
    };
    // What the reader says of the pattern is known in full.
    reading.take(sink.into_list(), Some(Code::PatternInvalid));
    if let Some(document) = read.as_ref().filter(|document| document.bus != *beside.bus) {
        reading.refuse("/bus", format!("it says `{}`, and is put on `{}`: leave it out", document.bus, beside.bus));
    }
    match (read, reading.end()) {
        (Some(document), None) => Ok(document),
        (_, Some(wrong)) => Err(wrong),
        // The reader gives nothing only after a mistake.
        (None, None) => Err(Wrong { code: Code::RuleInvalid, mistakes: Vec::new() }),
    }
}

fn root<'a>(reading: &mut Reading, members: Members<'a>, bus: &'a BusName) -> DeTable<'a> {
    let mut table = DeTable::new();
    // A subscription has no such member.
    if bus.is_plain() && !members.contains_key("bus") {
        table.insert(Spanned::new(ROOT, "bus".into()), Spanned::new(ROOT, DeValue::String(bus.as_str().into())));
    }
    for (name, raw) in members {
        let pointer = below("", &name);
        let value = match name.as_str() {
            "pattern" => Some(pattern(reading, raw, &pointer)),
            _ => reading.value(raw, &pointer, 1),
        };
        table.extend(value.map(|value| (Spanned::new(reading.place(pointer), name.into()), value)));
    }
    table
}

/// The pattern in a string: so the reader takes it as it is spelled.
fn pattern<'a>(reading: &mut Reading, raw: &'a RawValue, pointer: &str) -> Spanned<DeValue<'a>> {
    let quoted: Option<String> = serde_json::from_str(raw.get()).ok();
    let text = quoted.as_deref().unwrap_or(raw.get());
    if let Err(errors) = Pattern::from_json(text.as_bytes()) {
        let mistake = |error: &PatternError| match &quoted {
            // A pointer cannot lead into a string.
            Some(_) => Mistake { pointer: pointer.to_owned(), detail: error.to_string() },
            None => Mistake { pointer: format!("{pointer}{}", error.pointer), detail: error.reason.to_string() },
        };
        errors.iter().for_each(|error| reading.mistake(Code::PatternInvalid, mistake(error)));
    }
    let text = quoted.map_or(Cow::Borrowed(raw.get()), Cow::Owned);
    Spanned::new(reading.place(pointer.to_owned()), DeValue::String(text))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn read(json: &str) -> Result<RuleDocument, Wrong> {
        let names = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        let plugins = ["triage", "enrich"].iter().map(|name| name.parse().unwrap()).collect();
        let (rule, bus) = ("orders".parse().unwrap(), "audit".parse().unwrap());
        read_rule(
            json.as_bytes(),
            Beside {
                rule: &rule,
                bus: &bus,
                buses: &names(&["audit", "default"]),
                plugins: &plugins,
                webhooks: &BTreeSet::from(["crm".parse().unwrap()]),
                queues: &BTreeSet::from(["jobs".parse().unwrap()]),
            },
        )
    }

    fn wrong(json: &str, wanted: Expect) {
        let Wrong { code, mistakes } = read(json).unwrap_err();
        let lines = mistakes.iter().map(|Mistake { pointer, detail }| format!("{pointer} | {detail}"));
        wanted.assert_eq(&std::iter::once(code.to_string()).chain(lines).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn a_rule_is_read_as_its_table_would_be() {
        let json = r#"{"pattern": {"n": [3.0e2, null]}, "transforms": ["enrich"], "targets": [{"plugin": "triage",
            "retry": {"first": "2s", "max": "1m", "attempts": 7, "age": "2h"}, "dead_letter": "lost"}]}"#;
        let toml = r#"
            [tenants.a.buses.audit]
            [tenants.a.plugins.triage]
            component = "t.wasm"
            [tenants.a.plugins.enrich]
            component = "e.wasm"
            [tenants.a.rules.orders]
            bus = "audit"
            pattern = '{"n": [3.0e2, null]}'
            transforms = ["enrich"]
            targets = [{ plugin = "triage", retry = { first = "2s", max = "1m", attempts = 7, age = "2h" }, dead_letter = "lost" }]
        "#;
        let (config, problems) = super::super::read(toml);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(read(json).unwrap(), config.tenants["a"].rules["orders"]);
        let short = r#"{"pattern": "{\"n\": [1]}", "bus": "audit", "targets": [{"plugin": "triage"}]}"#;
        assert_eq!(read(short).unwrap().targets[0].dead_letter.as_str(), "triage");
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        wrong(
            r#"{"patern": {}, "bus": "default", "transforms": "x", "targets": [{"plugin": "triag", "retry": {"first": 5, "attempts": 0}}, {"plugin": "enrich", "x/y": null, "retry": null}]}"#,
            expect![[r#"
                rule-invalid
                /targets/1/retry | `null` says nothing here: leave the member out
                /targets/1/x~1y | `null` says nothing here: leave the member out
                 | rule `orders` has no `pattern`: add one, such as pattern = { type = ["order.created"] }
                /patern | rule `orders` has no key `patern`: did you mean `pattern`? its keys are `bus`, `pattern`, `transforms`, `enabled`, `targets`
                /targets/0/plugin | there is no plugin `triag`: did you mean `triage`? or make it first: wharf deploy FILE.wasm --plugin triag
                /targets/0/retry/attempts | `attempts` of `retry` of a target of rule `orders` is out of range: give 1 to 1000
                /targets/0/retry/first | `first` of `retry` of a target of rule `orders` is of type integer: give a string
                /transforms | `transforms` of rule `orders` is of type string: give a list of strings"#]],
        );
        wrong(
            "[]",
            expect![[r#"
            rule-invalid
             | a rule is a JSON object: invalid type: sequence, expected a map at line 1 column 0"#]],
        );
        wrong(
            "{}",
            expect![[r#"
                rule-invalid
                 | rule `orders` has no `pattern`: add one, such as pattern = { type = ["order.created"] }
                 | rule `orders` has no `targets`: say who gets the events: targets = [{ plugin = "…" }]"#]],
        );
        wrong(
            r#"{"pattern": {"a": 1, "b": [], "c": [1]}, "targets": [{"plugin": "triage"}]}"#,
            expect![[r#"
            pattern-invalid
            /pattern/a | a field takes a list of values or an object of fields, not a number; write [1]
            /pattern/b | a list of values must not be empty: it could never match"#]],
        );
        wrong(
            r#"{"pattern": "{\"a\": 1, \"b\": []}", "targets": [{"plugin": "triage"}]}"#,
            expect![[r#"
            pattern-invalid
            /pattern | /a: a field takes a list of values or an object of fields, not a number; write [1]
            /pattern | /b: a list of values must not be empty: it could never match"#]],
        );
        wrong(
            r#"{"pattern": {"a": 1}, "targets": []}"#,
            expect![[r#"
                rule-invalid
                /pattern/a | a field takes a list of values or an object of fields, not a number; write [1]
                /targets | rule `orders` has no target: say who gets the events: targets = [{ plugin = "…" }]"#]],
        );
        wrong(
            r#"{"pattern": {"a": [1]}, "bus": "default", "targets": [{"plugin": "triage"}]}"#,
            expect![[r#"
            rule-invalid
            /bus | it says `default`, and is put on `audit`: leave it out"#]],
        );
    }

    #[test]
    fn a_target_that_is_a_queue_says_nothing_else() {
        let rule = |more: &str, target: &str| {
            format!(r#"{{"pattern": {{"a": [1]}}, {more} "targets": [{{"queue": {target}}}]}}"#)
        };
        assert_eq!(read(&rule("", r#""jobs""#)).unwrap().targets[0].to, "queue/jobs".parse().unwrap());
        wrong(
            &rule(
                r#""transforms": ["enrich"],"#,
                r#""job", "retry": {"attempts": 3}, "dead_letter": "lost", "input": "1""#,
            ),
            expect![[r#"
                rule-invalid
                /targets/0/dead_letter | `dead_letter` of a target of rule `orders` holds nothing for a queue: leave it out: what holds for messages is said of the queue, which keeps events as they came
                /targets/0/input | `input` of a target of rule `orders` holds nothing for a queue: leave it out: what holds for messages is said of the queue, which keeps events as they came
                /targets/0/queue | there is no queue `job`: did you mean `jobs`? or make it first: wharf queue create job
                /targets/0/retry | `retry` of a target of rule `orders` holds nothing for a queue: leave it out: what holds for messages is said of the queue, which keeps events as they came
                /transforms | rule `orders` has a queue for a target, which keeps events as they came: leave `transforms` out, or make a rule of its own for the queue"#]],
        );
        wrong(
            &rule("", r#""jobs", "plugin": "triage", "webhook": "crm""#),
            expect![[r#"
            rule-invalid
            /targets/0/webhook | a target of rule `orders` has a `plugin` and a `webhook`: make two targets of it"#]],
        );
    }

    #[test]
    fn every_mistake_of_a_retry_policy_is_told_with_its_place() {
        let policy = |retry: &str| {
            format!(r#"{{"pattern": {{"a": [1]}}, "targets": [{{"plugin": "triage", "retry": {retry}}}]}}"#)
        };
        wrong(
            &policy(
                r#"{"backoff": "linear", "jitter": 1, "on": [
                {"then": "retry"}, {"code": "limit-memry"}, {"code": "handler-reject", "then": "dead-letter"},
                {"status": "600", "reason": ""}, {"code": "*", "then": "dead-letter", "first": "1s", "attempts": 2},
                {"code": "*", "first": "6m"}, {"code": "*", "max": "5x"}, {"code": "*", "age": "1h"}, 7, {"code": "*", "then": "drop"}
            ]}"#,
            ),
            expect![[r#"
                rule-invalid
                /targets/0/retry/backoff | it is one of `exponential` and `fixed`: correct `backoff` of `retry` of a target of rule `orders`
                /targets/0/retry/jitter | `jitter` of `retry` of a target of rule `orders` is of type integer: give a string
                /targets/0/retry/on/0 | an outcome of `retry` of a target of rule `orders` has none of `code`, `status` and `reason`: say which outcomes it is for; the policy itself is for all others
                /targets/0/retry/on/1/code | no code is `limit-memry`: did you mean `limit-memory`? or `wharf explain` lists the codes
                /targets/0/retry/on/2/code | after `handler-reject` a delivery goes to its dead-letter queue whatever is said here: remove it
                /targets/0/retry/on/3/reason | it has 1 to 256 bytes: correct `reason` of an outcome of `retry` of a target of rule `orders`
                /targets/0/retry/on/3/status | it is an HTTP status such as `429`, or a class such as `5xx`: correct `status` of an outcome of `retry` of a target of rule `orders`
                /targets/0/retry/on/4/attempts | `attempts` says how it is tried again, and a dead letter is not: remove `attempts`, or say `then = "retry"`
                /targets/0/retry/on/4/first | `first` says how it is tried again, and a dead letter is not: remove `first`, or say `then = "retry"`
                /targets/0/retry/on/5 | `first` is longer than `max`, which may be the policy's own: give a `max` that is at least `first`
                /targets/0/retry/on/6/max | `5x` is no length of time: write a number and ms, s, m, h or d, as in 50ms or 24h: correct `max` of an outcome of `retry` of a target of rule `orders`
                /targets/0/retry/on/7/age | an outcome of `retry` of a target of rule `orders` has no key `age`: its keys are `code`, `status`, `reason`, `then`, `backoff`, `jitter`, `first`, `max`, `attempts`
                /targets/0/retry/on/8 | `on` of `retry` of a target of rule `orders` is of type integer: give a list of tables
                /targets/0/retry/on/9/then | it is one of `retry` and `dead-letter`: correct `then` of an outcome of `retry` of a target of rule `orders`"#]],
        );
        let many = vec![r#"{"code": "limit-*"}"#; 34].join(", ");
        wrong(
            &policy(&format!(r#"{{"on": [{many}]}}"#)),
            expect![[r#"
            rule-invalid
            /targets/0/retry/on/32 | `retry` of a target of rule `orders` has more than 32 outcomes: make one of several with a `*` in their `code` or `reason`"#]],
        );
        assert_eq!(read(&policy(r#"{"on": []}"#)).unwrap(), read(&policy("{}")).unwrap());
    }
}
