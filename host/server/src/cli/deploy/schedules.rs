//! Schedules of a file beside those of a host. Invariant: what is put is what the API shows of it, so one that was deployed is no difference the
//! next time; when it fired last is in no file, and a schedule whose timing stays fires on as it did. One that would begin when nothing of it is due
//! any more is left out and told: a file keeps what is over, and that is no failure.

use serde::Serialize;
use serde_json::{Value, value::RawValue};
use wharf_delivery::ScheduleDocument;
use wharf_dispatch::{Clock as _, SystemClock, rfc3339};
use wharf_event::{BusName, CatchUp, Code, ScheduleName};
use wharf_gateway::view::{RuleOrigin, ScheduleView, TargetView};
use wharf_schedule::{Timing, TimingText};

use super::{
    super::error::CommandError,
    compare::{Comparison, json},
    plan::{Action, Kind, Work},
};
use crate::{adapter::shown, client::ClientError, config::duration_text};

/// A schedule as it is put.
#[derive(Serialize)]
struct Body<'a> {
    expression: &'a str,
    timezone: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<String>,
    flexible_window: String,
    catch_up: CatchUp,
    after: &'static str,
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    bus: Option<&'a BusName>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    targets: Vec<TargetView>,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

impl<'a> Body<'a> {
    fn of(from: &'a ScheduleDocument) -> Result<Self, CommandError> {
        let data = from.data.as_deref().map(serde_json::from_str::<&RawValue>).transpose();
        Ok(Self {
            expression: &from.expression,
            timezone: &from.timezone,
            start: from.start_ms.map(rfc3339),
            end: from.end_ms.map(rfc3339),
            flexible_window: duration_text(from.flexible_window_ms),
            catch_up: from.catch_up,
            after: from.after.as_str(),
            enabled: from.enabled,
            bus: from.targets.is_empty().then_some(&from.bus),
            targets: from.targets.iter().map(shown::target).collect(),
            kind: &from.kind,
            source: from.source.as_deref(),
            subject: from.subject.as_deref(),
            data: data.map_err(ClientError::NotUnderstood)?,
        })
    }

    /// When, and to whom.
    fn words(&self) -> String {
        let bus = self.bus.map(|bus| format!("bus/{bus}"));
        let targets = self.targets.iter().map(ToString::to_string);
        let to: Vec<_> = bus.into_iter().chain(targets).collect();
        let disabled = if self.enabled { "" } else { ", disabled" };
        format!("{} to {}{disabled}", self.expression, to.join(", "))
    }
}

impl Comparison<'_> {
    /// Compares one schedule.
    pub(super) fn schedule(&mut self, name: &ScheduleName, wanted: &ScheduleDocument) -> Result<(), CommandError> {
        let body = Body::of(wanted)?;
        let put = |seen| Ok::<_, CommandError>(Work::Schedule { schedule: name.clone(), body: json(&body)?, seen });
        let Some(there) = self.there.schedules.get(name) else {
            if is_past(wanted)? {
                self.past(name, "not made");
                return Ok(());
            }
            let work = put(None)?;
            self.step(Kind::Schedule, name, Action::Add, body.words(), work);
            return Ok(());
        };
        let parts = between(there, &body);
        if parts.is_empty() {
            self.plan.unchanged += 1;
        } else if there.origin == RuleOrigin::File {
            self.of_file(Kind::Schedule, name, Code::ScheduleOfFile, &parts.join(", "));
        } else if parts.iter().any(|part| BEGINS.contains(part)) && is_past(wanted)? {
            self.past(name, "left as it is there");
        } else {
            let work = put(there.version)?;
            self.step(Kind::Schedule, name, Action::Change, parts.join(", "), work);
        }
        Ok(())
    }

    fn past(&mut self, name: &ScheduleName, becomes: &str) {
        let tenant = self.tenant;
        self.plan.notes.push(format!("schedule {tenant}/{name} is {becomes}: nothing of it is due any more"));
    }
}

/// With these parts another a schedule begins anew.
const BEGINS: [&str; 5] = ["expression", "timezone", "start", "end", "enabled"];

/// Whether a schedule that begins now would never fire, by the clock of this machine. A host whose clock is another refuses it.
fn is_past(wanted: &ScheduleDocument) -> Result<bool, CommandError> {
    let ScheduleDocument { expression, timezone, start_ms, end_ms, enabled, .. } = wanted;
    let text = TimingText { expression, timezone, start_ms: *start_ms, end_ms: *end_ms };
    let timing = Timing::parse(&text)?;
    Ok(*enabled && timing.next_after(SystemClock::default().wall_ms()).is_none())
}

/// What becomes different.
fn between(there: &ScheduleView, wanted: &Body<'_>) -> Vec<&'static str> {
    // What becomes of a schedule of the host's file after its last time is not told: it stays.
    let after = there.after.as_deref().is_none_or(|after| after == wanted.after);
    let parts = [
        ("expression", there.expression == wanted.expression),
        ("timezone", there.timezone == wanted.timezone),
        ("start", there.start == wanted.start),
        ("end", there.end == wanted.end),
        ("flexible_window", there.flexible_window == wanted.flexible_window),
        ("catch_up", there.catch_up == wanted.catch_up),
        ("after", after),
        ("bus", there.bus.as_ref() == wanted.bus),
        ("targets", there.targets == wanted.targets),
        ("type", there.kind == wanted.kind),
        ("source", there.source.as_deref() == wanted.source),
        ("subject", there.subject.as_deref() == wanted.subject),
        ("data", value(there.data.as_deref()) == value(wanted.data)),
        (if wanted.enabled { "enabled" } else { "disabled" }, there.enabled == wanted.enabled),
    ];
    parts.into_iter().filter(|(_, same)| !same).map(|(part, _)| part).collect()
}

/// A payload as what it says, however it is written.
fn value(data: Option<&RawValue>) -> Option<Value> {
    data.and_then(|data| serde_json::from_str(data.get()).ok())
}
