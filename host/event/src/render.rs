//! An event in the JSON event format: as text, with the payload spliced in as it was written, and as a value, which patterns
//! match. Invariant: `Event::from_json` reads back what `to_json` writes. It adds nothing of the host's own, such as the
//! position.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use crate::{
    attribute::AttributeValue,
    event::{Data, Event},
};

impl Event {
    /// The structured form. A JSON payload is spliced in as it is, line breaks included: for a form that is one line, print
    /// `to_value`.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size() + 128);
        out.push(b'{');
        for (name, value) in self.own_attributes() {
            member(&mut out, name);
            out.extend_from_slice(Value::from(value).to_string().as_bytes());
        }
        for (name, value) in self.extensions() {
            member(&mut out, name);
            out.extend_from_slice(json_value(value).to_string().as_bytes());
        }
        match self.data() {
            Some(Data::Json(bytes)) => {
                member(&mut out, "data");
                out.extend_from_slice(bytes);
            }
            Some(Data::Text(bytes)) => {
                member(&mut out, "data");
                out.extend_from_slice(text(bytes).to_string().as_bytes());
            }
            Some(Data::Binary(bytes)) => {
                member(&mut out, "data_base64");
                out.push(b'"');
                out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
                out.push(b'"');
            }
            None => {}
        }
        out.push(b'}');
        out
    }

    /// The event's JSON form as patterns see it: attributes at the top, the payload under `data`, or under `data_base64` if
    /// it is binary. A payload member that is there twice counts with its last value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut object = self.attributes_to_value();
        object.extend(self.data_to_value().map(|(name, value)| (name.to_owned(), value)));
        Value::Object(object)
    }

    /// The part of [`Event::to_value`] that costs little: everything but the payload.
    #[must_use]
    pub fn attributes_to_value(&self) -> Map<String, Value> {
        let own = self.own_attributes().map(|(name, value)| (name.to_owned(), Value::from(value)));
        own.chain(self.extensions().iter().map(|(name, value)| (name.clone(), json_value(value)))).collect()
    }

    /// The other part: the payload, with the name that it has there.
    #[must_use]
    pub fn data_to_value(&self) -> Option<(&'static str, Value)> {
        self.data().map(|data| match data {
            // It was checked to be JSON when the event was made.
            Data::Json(bytes) => ("data", serde_json::from_slice(bytes).unwrap_or(Value::Null)),
            Data::Text(bytes) => ("data", text(bytes)),
            Data::Binary(bytes) => ("data_base64", Value::from(STANDARD.encode(bytes))),
        })
    }
}

/// Writes `,"name":`, where names need no escapes.
fn member(out: &mut Vec<u8>, name: &str) {
    if out.len() > 1 {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn json_value(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::Boolean(value) => Value::from(*value),
        AttributeValue::Integer(value) => Value::from(*value),
        AttributeValue::String(value) => Value::from(value.as_str()),
    }
}

/// Text was a string when the event was made, so nothing is lost here.
fn text(bytes: &[u8]) -> Value {
    Value::from(String::from_utf8_lossy(bytes))
}
