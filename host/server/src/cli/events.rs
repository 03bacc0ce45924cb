//! `wharf events`: the archive, listed and read.
//!
//! Invariant: events are listed newest first. What is shown of one is what the archive has now, which may be less than what
//! is still to come.

use serde_json::{Value, value::RawValue};
use wharf_event::is_mark;
use wharf_gateway::view::{EventDetail, EventView};

use super::{
    args::{EventsCommand, Global},
    attributes::Attributes,
    calls,
    error::{CommandError, Exit, talk},
    json_text,
    output::Output,
    pages, send,
    session::Session,
    tree::Tree,
    tree_lines,
    words::{clipped, faint, printable},
};
use crate::{author::Form, client::ClientError};

/// Lists or shows.
pub async fn run(command: EventsCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let session = Session::open(global).await?;
    match command {
        EventsCommand::Ls { limit, kind, before } => {
            let of = session.own().at("events").ask_some("type_prefix", kind);
            let page = |rows, before| of.clone().ask("limit", rows).ask_some("before", before);
            let before = before.map(|before| before.to_string());
            let position = |event: &EventView| event.position.to_string();
            let events = pages::gather(&session.client, limit, before, page, position).await?;
            if out.is_json() {
                out.document(&events)?;
            } else {
                list(&events, limit, out)?;
            }
        }
        EventsCommand::Show { event, calls: true, attempt, delivery, .. } => {
            calls::show(&session, &event, (delivery, attempt), out).await?;
        }
        EventsCommand::Show { event, fixture, .. } => {
            let detail = session.event(event).await?;
            if fixture {
                let text = fixture_of(&detail.event.event, out.is_json()).map_err(ClientError::NotUnderstood)?;
                out.bytes(text.as_bytes())?;
            } else if out.is_json() {
                out.document(&detail)?;
            } else {
                show(&session, &detail, out).await?;
            }
        }
    }
    Ok(Exit::Success)
}

fn list(events: &[EventView], limit: u32, out: &mut Output) -> Result<(), CommandError> {
    let row = |event: &EventView| {
        let Attributes { kind, source, id, .. } = Attributes::of(&event.event);
        let by = event.parent.map_or_else(
            || event.deliveries.len().to_string(),
            |parent| format!("{} (by {parent})", event.deliveries.len()),
        );
        let time = printable(&event.time).into_owned();
        [event.position.to_string(), time, event.bus.to_string(), clipped(&kind), clipped(&source), clipped(&id), by]
    };
    let rows = events.iter().map(row).collect();
    out.table(["POSITION", "TIME", "BUS", "TYPE", "SOURCE", "ID", "DELIVERIES"], rows)?;
    if let Some(last) = events.last().filter(|_| u32::try_from(events.len()).is_ok_and(|rows| rows == limit)) {
        talk(&format!("older ones: --before {}", last.position));
    }
    Ok(())
}

async fn show(session: &Session, detail: &EventDetail, out: &mut Output) -> Result<(), CommandError> {
    for line in about(&detail.event) {
        out.line(&line)?;
    }
    let mut tree = Tree::new(detail.event.position);
    send::read(session, &mut tree).await?;
    out.line("")?;
    for line in tree_lines::all(&tree) {
        out.line(&line)?;
    }
    Ok(())
}

/// An event, attribute by attribute, then its payload.
pub fn about(event: &EventView) -> Vec<String> {
    let attributes = Attributes::of(&event.event);
    let mut facts = vec![
        ("position".to_owned(), event.position.to_string()),
        ("received".to_owned(), event.time.clone()),
        ("bus".to_owned(), event.bus.to_string()),
    ];
    facts.extend(event.parent.map(|parent| ("published by".to_owned(), format!("a handler of {parent}"))));
    let own = [("type", attributes.kind), ("source", attributes.source), ("id", attributes.id)];
    facts.extend(own.map(|(name, value)| (name.to_owned(), value)));
    facts.extend(attributes.others);
    let mut lines: Vec<_> = facts.iter().map(|(name, value)| fact(name, value)).collect();
    if let Some((name, json)) = attributes.data {
        lines.push(faint(&printable(&name)));
        lines.extend(json_text::lines(&json));
    }
    lines
}

/// An event as a fixture: what a host adds to each is left out.
fn fixture_of(event: &RawValue, json: bool) -> Result<String, serde_json::Error> {
    let mut members: serde_json::Map<String, Value> = serde_json::from_str(event.get())?;
    members.retain(|name, _| name != "specversion" && !is_mark(name));
    let form = if json { Form::Json } else { Form::Toml };
    form.write(&serde_json::json!({ "event": members })).map_err(serde::ser::Error::custom)
}

/// A name and a value.
pub fn fact(name: &str, value: &str) -> String {
    format!("{}{}", faint(&format!("{:<20}", printable(name))), printable(value))
}
