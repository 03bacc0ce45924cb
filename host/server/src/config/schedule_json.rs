//! A schedule as JSON, which the API takes: the twin of a schedule's table in `wharf.toml`, and what becomes of it in the end.
//!
//! Invariant: the reader is the file's own, so that keys, bounds and defaults are the same in both; only a place is a JSON pointer here. The
//! payload is kept as it is spelled.

use std::{borrow::Cow, collections::BTreeSet};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use wharf_delivery::ScheduleDocument;
use wharf_event::{BusName, Code, ScheduleName};

use super::{
    json_table::{ROOT, Reading, Wrong, below},
    keys::MADE_SCHEDULE,
    schedules,
    table::{Sink, Table},
};

/// Reads a schedule beside the tenant's buses.
///
/// # Errors
/// Every mistake.
pub fn read_schedule(
    json: &[u8],
    schedule: &ScheduleName,
    buses: &BTreeSet<BusName>,
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
    let sink = Sink::default();
    let read = {
        let table = Table::new(&table, MADE_SCHEDULE, format!("schedule `{schedule}`"), ROOT, &sink);
        schedules::read(schedule, &table, buses, &sink)
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
    use expect_test::expect;
    use wharf_delivery::AfterLast;
    use wharf_gateway::Mistake;

    use super::*;

    fn read(json: &str) -> Result<ScheduleDocument, Wrong> {
        let buses = ["audit", "default"].iter().map(|name| name.parse().unwrap()).collect();
        read_schedule(json.as_bytes(), &"nightly".parse().unwrap(), &buses)
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
        ];
        expect![[r#"
             | schedule `nightly` has no `expression`: say when it is due: expression = "rate(5 minutes)"
             | schedule `nightly` has no `type`: name the `type` of its events: type = "com.example.nightly"

            /bus | there is no event bus `audi`: did you mean `audit`? or add a table `buses.audi` to the tenant
            /catch_up | of the times that were missed fire `none`, the `last` one, or `all`: correct `catch_up` of schedule `nightly`
            /expression | cron(...) has six fields, minutes, hours, day of month, month, day of week and year, and 5 are given: cron(0 9 ? * MON-FRI *) is nine o'clock from Monday to Friday: `wharf schedule next` says when an expression is due
            /flexible_window | a flexible window has a day at most: correct `flexible_window` of schedule `nightly`

             | its event breaks the rules: the attribute `type` must not be empty: correct `type`, `source` or `subject`

            /timezone | there is no time zone `Berlin`: they are those of IANA, as Europe/Berlin or UTC: name one such as `Europe/Berlin`

            /start | `tomorrow` is no time: write it as 2026-12-01T09:00:00Z: correct `start` of schedule `nightly`
            /targets | schedule `nightly` has no key `targets`: its keys are `expression`, `timezone`, `start`, `end`, `flexible_window`, `catch_up`, `after`, `enabled`, `bus`, `type`, `source`, `subject`, `data`
        "#]].assert_eq(&said.join("\n"));
    }
}
