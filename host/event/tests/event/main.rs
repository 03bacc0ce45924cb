//! Goal: every way into an event keeps what was sent and refuses what CloudEvents 1.0.2 does, with a stable code and a
//! message that helps. Method: tables of inputs through one `check` for each way in, and properties over generated events.

#![cfg(test)]

mod attributes;
mod batch;
mod binary;
mod codec;
mod generated;
mod structured;

use bytes::Bytes;
use serde_json::{Value, json};
use wharf_event::{Event, EventError};

/// The smallest event, with these members set; `null` takes one away.
fn with(members: &Value) -> Bytes {
    let mut event = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "t"});
    let (Some(event), Some(members)) = (event.as_object_mut(), members.as_object()) else { panic!("{members}") };
    event.extend(members.clone());
    event.retain(|_, value| !value.is_null());
    Bytes::from(serde_json::to_vec(event).unwrap())
}

fn read(json: impl Into<Bytes>) -> Result<Event, EventError> {
    Event::from_json(&json.into())
}

/// Code and message, as an answer shows them.
fn told(error: &EventError) -> String {
    format!("{}: {error}", error.code())
}
