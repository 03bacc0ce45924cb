//! A schedule as JSON, which the API takes: the twin of a schedule's table in `wharf.toml`, and what becomes of it in the end.
//!
//! Invariant: the reader is the file's own, so that keys, bounds and defaults are the same in both; only a place is a JSON pointer here. The
//! payload is kept as it is spelled.

use std::borrow::Cow;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use wharf_delivery::ScheduleDocument;
use wharf_event::{Code, ScheduleName};

use super::{
    json_table::{ROOT, Reading, Wrong, below},
    keys::MADE_SCHEDULE,
    rule_json::Beside,
    schedules,
    table::{Sink, Table},
    tenant::Known,
};

/// Reads a schedule. What it is read beside names the rule and the bus that its targets would be.
///
/// # Errors
/// Every mistake.
pub fn read_schedule(
    json: &[u8],
    schedule: &ScheduleName,
    Beside { buses, plugins, webhooks, queues, .. }: Beside<'_>,
) -> Result<ScheduleDocument, Wrong> {
    let members = Reading::members(json, "a schedule", Code::ScheduleInvalid)?;
    let (mut reading, mut table) = (Reading::new(Code::ScheduleInvalid), DeTable::new());
    for (name, raw) in members {
        let pointer = below("", &name);
        let value = match name.as_str() {
            "data" => {
                let place = reading.place(pointer.clone());
                Some(Spanned::new(place, DeValue::String(Cow::Borrowed(raw.get()))))
            }
            _ => reading.value(raw, &pointer, 1),
        };
        table.extend(value.map(|value| (Spanned::new(reading.place(pointer), name.into()), value)));
    }
    let (sink, mut uses) = (Sink::default(), Vec::new());
    let read = {
        let table = Table::new(&table, MADE_SCHEDULE, format!("schedule `{schedule}`"), ROOT, &sink);
        let known = Known { buses, plugins, webhooks, queues, of_file: false };
        schedules::read(schedule, &table, known, &mut uses, &sink)
    };
    reading.take(sink.into_list(), None);
    match (read, reading.end()) {
        (Some(document), None) => Ok(document),
        (_, Some(wrong)) => Err(wrong),
        // The reader gives nothing only after a mistake.
        (None, None) => Err(Wrong { code: Code::ScheduleInvalid, mistakes: Vec::new() }),
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use expect_test::expect;
    use wharf_delivery::AfterLast;
    use wharf_event::{BusName, PluginName, QueueName, RuleName, WebhookName};
    use wharf_gateway::Mistake;

    use super::*;

    fn read(json: &str) -> Result<ScheduleDocument, Wrong> {
        let schedule = "nightly".parse().unwrap();
        let (rule, bus) = (RuleName::of_schedule(&schedule), BusName::of_schedule(&schedule));
        let buses = ["audit", "default", "topic/orders"].iter().map(|name| name.parse().unwrap()).collect();
        let plugins = [PluginName::from_str("report").unwrap()].into();
        let webhooks = [WebhookName::from_str("crm").unwrap()].into();
        let queues = [QueueName::from_str("jobs").unwrap()].into();
        let (rule, bus, buses) = (&rule, &bus, &buses);
        let beside = Beside { rule, bus, buses, plugins: &plugins, webhooks: &webhooks, queues: &queues };
        read_schedule(json.as_bytes(), &schedule, beside)
    }

    #[test]
    fn a_schedule_is_read_as_its_table_would_be() {
        let json = r#"{"expression": "cron(0 3 * * ? *)", "timezone": "europe/berlin", "start": "2026-01-01T00:00:00Z",
            "flexible_window": "15m", "catch_up": "all", "enabled": false, "bus": "audit", "type": "t", "subject": "s",
            "data": {"n": 1.50, "n": null}}"#;
        let toml = r#"
            [tenants.a.buses.audit]
            [tenants.a.schedules.nightly]
            expression = "cron(0 3 * * ? *)"
            timezone = "Europe/Berlin"
            start = "2026-01-01T00:00:00Z"
            flexible_window = "15m"
            catch_up = "all"
            enabled = false
            bus = "audit"
            type = "t"
            subject = "s"
            data = '{"n": 1.50, "n": null}'
        "#;
        let (config, problems) = super::super::read(toml);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(read(json).unwrap(), config.tenants["a"].schedules["nightly"]);
        let aimed = read(
            r#"{"expression": "rate(1 hour)", "type": "t", "targets": [{"plugin": "report@next"}, {"topic": "orders"}]}"#,
        );
        let aimed = aimed.unwrap();
        let targets: Vec<_> = aimed.targets.iter().map(|target| target.to.to_string()).collect();
        assert_eq!((aimed.bus.as_str(), targets), ("schedule/nightly", vec!["report".into(), "topic/orders".into()]));
        let short = read(r#"{"expression": "rate(1 hour)", "type": "t", "after": "delete", "data": null}"#).unwrap();
        assert_eq!(
            (short.after, short.bus.as_str(), short.data.as_deref()),
            (AfterLast::Delete, "default", Some("null"))
        );
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let told = |json: &str| {
            let Wrong { code, mistakes } = read(json).unwrap_err();
            assert_eq!(code, Code::ScheduleInvalid);
            let lines = mistakes.iter().map(|Mistake { pointer, detail }| format!("{pointer} | {detail}\n"));
            lines.collect::<String>()
        };
        let said = [
            told("{}"),
            told(
                r#"{"expression": "cron(0 9 * * MON)", "type": "t", "bus": "audi", "catch_up": "most", "flexible_window": "2d"}"#,
            ),
            told(r#"{"expression": "rate(1 hour)", "type": "", "timezone": "Europe/Berlin"}"#),
            told(r#"{"expression": "rate(1 hour)", "type": "t", "timezone": "Berlin"}"#),
            told(r#"{"expression": "rate(1 hour)", "type": "t", "start": "tomorrow", "targets": []}"#),
            told(
                r#"{"expression": "rate(1 hour)", "type": "t", "bus": "audit", "transforms": [], "targets": [{"plugin": "reprt"}, {"queue": "jobs", "retry": {}}, {"bus": "no", "webhook": "crm"}, {"topic": "order"}, {}]}"#,
            ),
        ];
        expect![[r#"
             | schedule `nightly` has no `expression`: say when it is due: expression = "rate(5 minutes)"
             | schedule `nightly` has no `type`: name the `type` of its events: type = "com.example.nightly"

            /bus | there is no event bus `audi`: did you mean `audit`? or make it first: wharf bus add audi
            /catch_up | of the times that were missed fire `none`, the `last` one, or `all`: correct `catch_up` of schedule `nightly`
            /expression | cron(...) has six fields, minutes, hours, day of month, month, day of week and year, and 5 are given: cron(0 9 ? * MON-FRI *) is nine o'clock from Monday to Friday: `wharf schedule next` says when an expression is due
            /flexible_window | a flexible window has a day at most: correct `flexible_window` of schedule `nightly`

             | its event breaks the rules: the attribute `type` must not be empty: correct `type`, `source` or `subject`

            /timezone | there is no time zone `Berlin`: they are those of IANA, as Europe/Berlin or UTC: name one such as `Europe/Berlin`

            /start | `tomorrow` is no time: write it as 2026-12-01T09:00:00Z: correct `start` of schedule `nightly`
            /targets | schedule `nightly` has no target: say who gets the events: targets = [{ plugin = "…" }]

            /bus | schedule `nightly` has a `bus` and `targets`: leave one of the two out: its targets get the events, and no rule of a bus sees them
            /targets/0/plugin | there is no plugin `reprt`: did you mean `report`? or make it first: wharf deploy FILE.wasm --plugin reprt
            /targets/1/retry | `retry` of a target of schedule `nightly` holds nothing for a queue: leave it out: what holds for messages is said of the queue, which keeps events as they came
            /targets/2/bus | a target of schedule `nightly` has a `webhook` and a `bus`: make two targets of it
            /targets/2/bus | there is no event bus `no`: make it first: wharf bus add no
            /targets/3/topic | there is no topic `order`: did you mean `orders`? or make it first: wharf topic create order
            /targets/4 | a target of schedule `nightly` has no `plugin`: name one of the tenant's plugins, or a `webhook`, a `queue`, a `bus`, a `topic`
            /transforms | schedule `nightly` has no key `transforms`: its keys are `expression`, `timezone`, `start`, `end`, `flexible_window`, `catch_up`, `after`, `enabled`, `bus`, `targets`, `type`, `source`, `subject`, `data`
        "#]].assert_eq(&said.join("\n"));
    }
}
