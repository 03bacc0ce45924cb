//! `wharf schema ls|show|infer|asyncapi`: schemas and events of a host.
//!
//! Invariant: what is printed to stdout is one document. An event that cannot be an example (its payload is no JSON) is told on
//! stderr, never left out silently.

use serde_json::Value;
use wharf_event::{Data, Event, SchemaName};
use wharf_gateway::view::{EventView, SchemaView};
use wharf_schema::Inference;

use super::{
    super::{
        error::{CommandError, Exit, talk},
        object,
        output::Output,
        pages,
        session::Session,
        words::{clipped, counted},
    },
    InferArgs,
};
use crate::client::ClientError;

/// Events that one request asks for.
const PAGE: u32 = 200;

/// Lists schemas.
pub async fn list(session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let all = session.own().at("schemas");
    let schemas = pages::whole(&session.client, all, |it: &SchemaView| it.schema.to_string()).await?;
    if out.is_json() {
        out.document(&schemas)?;
        return Ok(Exit::Success);
    }
    let row = |schema: &SchemaView| {
        let origin = object::origin(schema.origin);
        let (name, bus, draft) = (schema.schema.to_string(), schema.bus.to_string(), clipped(&schema.draft));
        [name, bus, clipped(&schema.kind), clipped(&schema.mode), draft, origin.to_owned()]
    };
    out.table(["SCHEMA", "BUS", "TYPE", "MODE", "DRAFT", "FROM"], schemas.iter().map(row).collect())?;
    Ok(Exit::Success)
}

/// Prints the document of a schema, or with `-o json` all that is known of it.
pub async fn show(schema: &SchemaName, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let schema: SchemaView = session.client.get(&session.own().at("schemas").at(schema)).await?;
    if out.is_json() {
        out.document(&schema)?;
    } else {
        print(&schema.document.unwrap_or_default(), out)?;
    }
    Ok(Exit::Success)
}

/// Prints the AsyncAPI document.
pub async fn asyncapi(session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let document: Value = session.client.get(&session.own().at("asyncapi.json")).await?;
    print(&document, out)?;
    Ok(Exit::Success)
}

/// Makes a schema of the newest events of a type.
pub async fn infer(args: &InferArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let InferArgs { kind, last, bus } = args;
    let (mut inference, mut taken, mut without) = (Inference::default(), 0, 0_usize);
    let mut before = None;
    while taken < *last {
        let of = session.own().at("events").ask("limit", PAGE).ask("type_prefix", kind).ask_some("before", before);
        let page: Vec<EventView> = session.client.get(&of).await?;
        let Some(oldest) = page.last() else { break };
        before = Some(oldest.position);
        for event in page.iter().filter(|event| bus.as_ref().is_none_or(|bus| event.bus == *bus)) {
            if taken == *last {
                break;
            }
            match example(event, kind)? {
                Some(Example::Json(example)) => {
                    inference.add(&example);
                    taken += 1;
                }
                Some(Example::Other) => without += 1,
                None => {}
            }
        }
    }
    if without > 0 {
        talk(&format!("{} left out: the payload is no JSON", counted(without, "event is", "events are")));
    }
    if taken == 0 {
        return Err(CommandError::NoExample(kind.clone()));
    }
    talk(&format!("made of {}", counted(usize::try_from(taken).unwrap_or(usize::MAX), "event", "events")));
    print(&inference.schema(), out)?;
    Ok(Exit::Success)
}

enum Example {
    Json(Value),
    Other,
}

/// The payload of an event, if that is of the type.
fn example(event: &EventView, kind: &str) -> Result<Option<Example>, CommandError> {
    // The archive gives what begins so.
    let parsed = Event::from_json(&event.event.get().as_bytes().to_vec().into()).map_err(CommandError::Event)?;
    if parsed.kind() != kind {
        return Ok(None);
    }
    Ok(Some(match parsed.data() {
        Some(Data::Json(bytes)) => Example::Json(serde_json::from_slice(bytes).map_err(ClientError::NotUnderstood)?),
        _ => Example::Other,
    }))
}

/// A JSON document, for people or for programs.
pub(super) fn print(document: &Value, out: &mut Output) -> Result<(), CommandError> {
    if out.is_json() { out.document(document) } else { out.line(&format!("{document:#}")) }
}
