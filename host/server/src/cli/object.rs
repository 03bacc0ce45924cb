//! What commands do with objects of any kind: make one, turn one on or off, remove one, say that a list goes on.
//!
//! Invariant: nothing is overwritten that was not seen: an object is made where there is none unless `--replace` says otherwise, and one that
//! is turned on or off is else put back as it was read, also what this program does not know of it.

use std::{collections::BTreeMap, fmt::Display};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use wharf_event::{Code, Position};
use wharf_gateway::view::RuleOrigin;

use super::{
    error::{CommandError, Exit, talk},
    output::Output,
    session::Session,
    words::good,
};
use crate::client::{ClientError, Condition, Resource};

/// What is told of an object that is gone.
#[derive(Serialize)]
pub struct Removed<'a, T> {
    removed: &'a T,
}

/// Puts an object; `help` says what replacing does, where there is one in its place.
pub async fn put<T: DeserializeOwned>(
    session: &Session,
    at: &Resource,
    document: Vec<u8>,
    replace: bool,
    help: &'static str,
) -> Result<T, CommandError> {
    let condition = if replace { Condition::None } else { Condition::Absent };
    session.client.put(at, document, condition).await.map_err(|error| match &error {
        ClientError::Refused(reply) if reply.code == Code::VersionConflict.as_str() => {
            CommandError::There { refusal: error, help }
        }
        _ => error.into(),
    })
}

/// Sets one member of an object, unless it is that already. `shown` are the members that it is shown with and not put with.
pub async fn turn<T: DeserializeOwned>(
    session: &Session,
    at: &Resource,
    (member, value): (&'static str, bool),
    shown: &[&str],
) -> Result<T, CommandError> {
    let text: Box<RawValue> = session.client.get(at).await?;
    let mut document: BTreeMap<&str, &RawValue> = read(&text)?;
    let is = document.get(member).map(|is| read::<bool>(is)).transpose()?;
    if is == Some(value) {
        return read(&text);
    }
    let version = document.get("version").map(|version| read::<Position>(version)).transpose()?;
    for name in shown.iter().chain(&["version"]) {
        document.remove(name);
    }
    let turned = serde_json::value::to_raw_value(&value).map_err(ClientError::NotUnderstood)?;
    document.insert(member, &turned);
    let document = serde_json::to_vec(&document).map_err(ClientError::NotUnderstood)?;
    let condition = version.map_or(Condition::None, Condition::Version);
    Ok(session.client.put(at, document, condition).await?)
}

fn read<'a, T: serde::Deserialize<'a>>(text: &'a RawValue) -> Result<T, CommandError> {
    serde_json::from_str(text.get()).map_err(|error| ClientError::NotUnderstood(error).into())
}

/// Removes an object and says so.
pub async fn remove<T: Serialize + Display>(
    session: &Session,
    at: &Resource,
    name: &T,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    session.client.delete(at).await?;
    if out.is_json() {
        out.document(&Removed { removed: name })?;
    } else {
        gone(name, out)?;
    }
    Ok(Exit::Success)
}

/// Says to people that an object is gone.
pub fn gone(name: &impl Display, out: &mut Output) -> Result<(), CommandError> {
    out.line(&format!("{}  {name}", good("removed")))
}

/// Says how a list goes on that is as long as it was to be at most.
pub fn more(rows: usize, limit: u32, last: Option<&impl Display>) {
    if let Some(last) = last.filter(|_| u32::try_from(rows).is_ok_and(|rows| rows == limit)) {
        talk(&format!("more: --after {last}"));
    }
}

/// Where an object was made, in a table.
pub fn origin(of: RuleOrigin) -> &'static str {
    match of {
        RuleOrigin::File => "file",
        RuleOrigin::Api => "api",
    }
}
