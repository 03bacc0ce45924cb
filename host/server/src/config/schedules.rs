//! A tenant's schedules, be they in the file or by the API: when they are due, and what they publish, or send to targets of their own.

use std::str::FromStr as _;

use jiff::Timestamp;
use serde::de::IgnoredAny;
use toml::de::DeValue;
use wharf_delivery::{AfterLast, ScheduleDocument, TargetDocument};
use wharf_dispatch::{Origin, Schedule, ScheduleError};
use wharf_event::{BusName, CatchUp, Code, ScheduleName};
use wharf_schedule::{TimingError, limits::WINDOW_MS_MAX};

use super::{
    duration::parse_duration,
    keys::{DEFAULT_BUS, UTC},
    pattern_json,
    read::Use,
    table::{Sink, Table},
    tenant::{self, Known},
};

/// Reads a schedule, which runs since no time that is known.
pub(super) fn read(
    name: &ScheduleName,
    table: &Table<'_>,
    known: Known<'_>,
    uses: &mut Vec<Use>,
    sink: &Sink,
) -> Option<ScheduleDocument> {
    let expression = table.parsed::<String>("expression");
    if table.value("expression").is_none() {
        table.missing("expression", "say when it is due: expression = \"rate(5 minutes)\"");
    }
    let kind = table.parsed::<String>("type");
    if table.value("type").is_none() {
        table.missing("type", "name the `type` of its events: type = \"com.example.nightly\"");
    }
    let bus = table.parsed::<BusName>("bus");
    if let Some(bus) = &bus {
        known.check_own_bus(bus, sink);
    }
    let (targets, bus) = match table.value("targets") {
        Some(_) => (read_targets(table, known, uses, sink), BusName::of_schedule(name)),
        None => (Vec::new(), bus.map(|bus| bus.value).or_else(|| DEFAULT_BUS.parse().ok())?),
    };
    let text = |key| table.parsed::<String>(key).map(|found| found.value);
    let document = ScheduleDocument {
        timezone: text("timezone").unwrap_or_else(|| UTC.to_owned()),
        start_ms: table.parsed_by("start", time_ms).map(|found| found.value),
        end_ms: table.parsed_by("end", time_ms).map(|found| found.value),
        flexible_window_ms: table.parsed_by("flexible_window", window_ms).map_or(0, |found| found.value),
        catch_up: table.parsed::<CatchUp>("catch_up").map(|found| found.value).unwrap_or_default(),
        after: table.parsed::<AfterLast>("after").map(|found| found.value).unwrap_or_default(),
        enabled: table.boolean("enabled").unwrap_or(true),
        bus,
        targets,
        source: text("source"),
        subject: text("subject"),
        data: data(table, sink),
        since_ms: 0,
        expression: expression?.value,
        kind: kind?.value,
    };
    checked(name, table, document, sink)
}

/// Reads who the events are owed to, as of a rule. Then no bus has to do with them.
fn read_targets(table: &Table<'_>, known: Known<'_>, uses: &mut Vec<Use>, sink: &Sink) -> Vec<TargetDocument> {
    if let Some(span) = table.value_span("bus") {
        let message = format!("{} has a `bus` and `targets`", table.what());
        sink.report(
            span,
            message,
            "leave one of the two out: its targets get the events, and no rule of a bus sees them",
        );
    }
    tenant::read_targets(table, known, uses, sink)
}

/// The document if it can be put to use, with its zone as IANA spells it.
fn checked(
    name: &ScheduleName,
    table: &Table<'_>,
    document: ScheduleDocument,
    sink: &Sink,
) -> Option<ScheduleDocument> {
    let at = |key: &str| table.value_span(key).unwrap_or_else(|| table.span.clone());
    let help = "`wharf schedule next` says when an expression is due";
    let error = match Schedule::new(name, &document, Origin::File) {
        Ok(schedule) => return Some(ScheduleDocument { timezone: schedule.timezone().to_owned(), ..document }),
        Err(error) => error,
    };
    let (span, help) = match &error {
        ScheduleError::Timing(TimingError::Zone(_)) => (at("timezone"), "name one such as `Europe/Berlin`"),
        ScheduleError::Timing(TimingError::Span) => (at("end"), "give an `end` behind `start`"),
        ScheduleError::Timing(_) => (at("expression"), help),
        ScheduleError::TooLarge => (at("data"), "publish what it is about, and keep the rest elsewhere"),
        _ => (table.span.clone(), "correct `type`, `source` or `subject`"),
    };
    sink.report_as(Code::ScheduleInvalid, span, error, help);
    None
}

/// The payload: JSON in a string as it stands there, or a table.
fn data(table: &Table<'_>, sink: &Sink) -> Option<String> {
    let value = table.value("data")?;
    let help = "give a table, or JSON in a string: data = '[1, null]'";
    let json = match value.get_ref() {
        DeValue::String(text) => match serde_json::from_str::<IgnoredAny>(text) {
            Ok(IgnoredAny) => return Some(text.to_string()),
            Err(error) => {
                sink.report(value.span(), format!("the payload is no JSON: {error}"), help);
                return None;
            }
        },
        other @ DeValue::Table(_) => pattern_json::to_json(other),
        _ => None,
    };
    if json.is_none() {
        sink.report(value.span(), format!("`data` of {} is no payload", table.what()), help);
    }
    json.map(|json| json.to_string())
}

fn time_ms(text: &str) -> Result<u64, String> {
    let ms = Timestamp::from_str(text).ok().and_then(|time| u64::try_from(time.as_millisecond()).ok());
    ms.ok_or_else(|| format!("`{text}` is no time: write it as 2026-12-01T09:00:00Z"))
}

fn window_ms(text: &str) -> Result<u64, String> {
    let ms = u64::try_from(parse_duration(text)?.as_millis()).unwrap_or(u64::MAX);
    if ms <= WINDOW_MS_MAX { Ok(ms) } else { Err("a flexible window has a day at most".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_windows_are_bounded() {
        assert_eq!(time_ms("2026-12-01T01:00:00+01:00"), Ok(1_796_083_200_000));
        assert!(time_ms("2026-12-01").is_err() && time_ms("1969-12-31T00:00:00Z").is_err());
        assert_eq!((window_ms("24h"), window_ms("25h").is_err()), (Ok(WINDOW_MS_MAX), true));
        assert_eq!(CatchUp::ALL.map(|word| word.as_str().parse()), CatchUp::ALL.map(Ok));
    }
}
