//! `wharf schema add|rm|versions`: schemas of a host, changed while events flow.
//!
//! Invariant: nothing is overwritten that was not seen: a version is put upon the one that was read, and what is not said of
//! bus, type and mode stays.

use serde::Serialize;
use serde_json::Value;
use wharf_event::{BusName, Code, SchemaName};
use wharf_gateway::view::{SchemaVersionView, SchemaView};

use super::{
    super::{
        error::{CommandError, Exit},
        object,
        output::Output,
        session::Session,
        words::{clipped, good},
    },
    AddArgs,
    asked::print,
    files,
};
use crate::client::{ClientError, Condition, Resource};

/// A schema as it is put.
#[derive(Serialize)]
struct Draft<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    bus: Option<&'a BusName>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'a str>,
    schema: &'a Value,
}

fn at(session: &Session, schema: &SchemaName) -> Resource {
    session.own().at("schemas").at(schema)
}

/// Puts a version into force.
pub async fn add(args: &AddArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let schema = files::schema(&args.file)?;
    let before = match session.client.get::<SchemaView>(&at(session, &args.schema)).await {
        Ok(before) => Some(before),
        Err(ClientError::Refused(reply)) if reply.code == Code::SchemaUnknown.as_str() => None,
        Err(error) => return Err(error.into()),
    };
    let draft = Draft {
        bus: args.bus.as_ref().or(before.as_ref().map(|before| &before.bus)),
        kind: args.kind.as_deref().or(before.as_ref().map(|before| before.kind.as_str())),
        mode: args.mode.map(|mode| mode.as_str()).or(before.as_ref().map(|before| before.mode.as_str())),
        schema: schema.json(),
    };
    let condition = match &before {
        None => Condition::Absent,
        Some(before) => before.version.map_or(Condition::None, Condition::Version),
    };
    let body = serde_json::to_vec(&draft).map_err(ClientError::NotUnderstood)?;
    let to = at(session, &args.schema).ask("compatibility", args.compatibility.as_str());
    let schema: SchemaView = session.client.put(&to, body, condition).await?;
    if out.is_json() {
        out.document(&schema)?;
        return Ok(Exit::Success);
    }
    let number = schema.number.unwrap_or_default();
    let of = format!("{} on {}", clipped(&schema.kind), schema.bus);
    out.line(&format!("{}  {} version {number} for {of}  {}", good("in force"), schema.schema, clipped(&schema.mode)))?;
    Ok(Exit::Success)
}

/// Removes a schema.
pub async fn remove(schema: &SchemaName, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    object::remove(session, &at(session, schema), schema, out).await
}

/// Lists the versions that are kept, or prints one.
pub async fn versions(
    schema: &SchemaName,
    number: Option<u64>,
    session: &Session,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let all = at(session, schema).at("versions");
    if let Some(number) = number {
        let version: SchemaVersionView = session.client.get(&all.at(number)).await?;
        match out.is_json() {
            true => out.document(&version)?,
            false => print(&version.document.unwrap_or_default(), out)?,
        }
        return Ok(Exit::Success);
    }
    let versions: Vec<SchemaVersionView> = session.client.get(&all).await?;
    if out.is_json() {
        out.document(&versions)?;
        return Ok(Exit::Success);
    }
    let row = |version: &SchemaVersionView| [version.number.to_string(), clipped(&version.at), clipped(&version.draft)];
    out.table(["VERSION", "MADE", "DRAFT"], versions.iter().map(row).collect())?;
    Ok(Exit::Success)
}
