//! `wharf schedule ls|show|put|rm|pause|resume`: the schedules of a tenant, read and changed.

use serde::Serialize;
use serde_json::value::RawValue;
use wharf_event::{BusName, CatchUp};
use wharf_gateway::view::ScheduleView;

use super::{
    super::{
        error::{CommandError, Exit},
        input, object,
        output::Output,
        pages,
        rules::Target,
        session::Session,
        words::good,
    },
    ListArgs, Named, PutArgs,
};
use crate::client::{ClientError, Resource};

/// What a schedule is shown with beyond what it is put as.
const SHOWN: [&str; 4] = ["schedule", "origin", "next", "last"];

/// What replacing a schedule does.
const THERE: &str = "--replace puts this schedule in the place of the one that is there";

/// A schedule made of a command line.
#[derive(Serialize)]
struct Draft<'a> {
    expression: Option<&'a str>,
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bus: Option<&'a BusName>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    targets: Vec<Target<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timezone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flexible_window: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    catch_up: Option<CatchUp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<&'a str>,
    enabled: bool,
}

fn schedules(session: &Session) -> Resource {
    session.own().at("schedules")
}

/// Lists the schedules of a tenant.
pub async fn list(args: ListArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let ListArgs { after, limit } = args;
    let of = schedules(session);
    let page = |rows, after: Option<String>| of.clone().ask("limit", rows).ask_some("after", after);
    let after = after.map(|after| after.to_string());
    let name = |view: &ScheduleView| view.schedule.to_string();
    let schedules: Vec<ScheduleView> = pages::gather(&session.client, limit, after, page, name).await?;
    if out.is_json() {
        out.document(&schedules)?;
        return Ok(Exit::Success);
    }
    let row = |view: &ScheduleView| {
        let origin = object::origin(view.origin).to_owned();
        [view.schedule.to_string(), next_of(view), origin, view.expression.clone(), view.timezone.clone()]
    };
    out.table(["SCHEDULE", "NEXT", "FROM", "EXPRESSION", "TIME ZONE"], schedules.iter().map(row).collect())?;
    object::more(schedules.len(), limit, schedules.last().map(|last| &last.schedule));
    Ok(Exit::Success)
}

fn next_of(view: &ScheduleView) -> String {
    match (&view.next, view.enabled) {
        (Some(next), true) => next.clone(),
        (None, true) => "over".to_owned(),
        (_, false) => "paused".to_owned(),
    }
}

/// Shows a schedule.
pub async fn show(named: &Named, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let view: ScheduleView = session.client.get(&schedules(session).at(&named.schedule)).await?;
    if out.is_json() {
        out.document(&view)?;
        return Ok(Exit::Success);
    }
    let some = |name: &str, value: Option<&str>| value.map(|value| [name.to_owned(), value.to_owned()]);
    let version = view.version.map(|version| version.to_string());
    let window = Some(view.flexible_window.as_str()).filter(|window| *window != "0ms");
    let next = next_of(&view);
    let targets: Vec<_> = view.targets.iter().map(ToString::to_string).collect();
    let targets = Some(targets.join(", ")).filter(|targets| !targets.is_empty());
    let rows = [
        some("next", Some(&next)),
        some("last", view.last.as_deref()),
        some("expression", Some(&view.expression)),
        some("time zone", Some(&view.timezone)),
        some("start", view.start.as_deref()),
        some("end", view.end.as_deref()),
        some("flexible window", window),
        some("catch up", Some(view.catch_up.as_str())),
        some("after", view.after.as_deref()),
        some("bus", view.bus.as_ref().map(BusName::as_str)),
        some("targets", targets.as_deref()),
        some("type", Some(&view.kind)),
        some("source", view.source.as_deref()),
        some("subject", view.subject.as_deref()),
        some("data", view.data.as_ref().map(|data| data.get())),
        some("version", version.as_deref()),
    ];
    out.table(["SCHEDULE", view.schedule.as_str()], rows.into_iter().flatten().collect())?;
    Ok(Exit::Success)
}

/// Makes a schedule.
pub async fn put(args: &PutArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let at = schedules(session).at(&args.named.schedule);
    let view = object::put(session, &at, document(args)?, args.replace, THERE).await?;
    tell("in force", &view, out)
}

/// What is put: a file as it is, or a document made of the command line.
fn document(args: &PutArgs) -> Result<Vec<u8>, CommandError> {
    if let Some(file) = &args.file {
        return input::whole(file);
    }
    let data = args.data.as_deref().map(input::said).transpose()?;
    let data = data.map(|data| serde_json::from_slice(&data)).transpose().map_err(CommandError::PayloadNotJson)?;
    let plugins = args.targets.iter().map(Target::Plugin);
    let others = args.webhooks.iter().map(Target::Webhook).chain(args.queues.iter().map(Target::Queue));
    let buses = args.buses.iter().map(Target::Bus).chain(args.topics.iter().map(Target::Topic));
    let draft = Draft {
        expression: args.expression.as_deref(),
        kind: args.kind.as_deref(),
        data,
        source: args.source.as_deref(),
        subject: args.subject.as_deref(),
        bus: args.bus.as_ref(),
        targets: plugins.chain(others).chain(buses).collect(),
        timezone: args.timezone.as_deref(),
        start: args.start.map(|time| time.to_string()),
        end: args.end.map(|time| time.to_string()),
        flexible_window: args.flexible_window.as_deref(),
        catch_up: args.catch_up,
        after: args.after.as_deref(),
        enabled: !args.paused,
    };
    serde_json::to_vec(&draft).map_err(|error| ClientError::NotUnderstood(error).into())
}

/// Removes a schedule.
pub async fn remove(named: &Named, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    object::remove(session, &schedules(session).at(&named.schedule), &named.schedule, out).await
}

/// Lets a schedule fire, or rest. All else of it stays, also what this program does not know.
pub async fn switch(named: &Named, enabled: bool, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let at = schedules(session).at(&named.schedule);
    let view = object::turn(session, &at, ("enabled", enabled), &SHOWN).await?;
    tell(if enabled { "resumed" } else { "paused" }, &view, out)
}

fn tell(word: &str, view: &ScheduleView, out: &mut Output) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(view)?;
    } else {
        out.line(&format!("{}  {}, next: {}", good(word), view.schedule, next_of(view)))?;
    }
    Ok(Exit::Success)
}
