//! An event of which somebody changed what they may: its payload, its subject, what it says of its payload, and extensions.
//!
//! Invariant: whose event it is stays: `id`, `source`, `type`, `time`, and what the host itself wrote into it (`wharf…`). What an edit does not
//! name stays to the byte, and what comes out obeys every rule and limit that an event that comes in does.

use bytes::Bytes;
use serde_json::{Value, value::RawValue};

use crate::{
    attribute,
    error::{AttributeReason, EventError},
    event::Event,
    json,
};

/// What an edit leaves as it is.
const FIXED: [&str; 5] = ["specversion", "id", "source", "type", "time"];

/// Begins the extensions that the host writes.
const OF_HOST: &str = "wharf";

/// The two forms of a payload, of which an event has one.
const PAYLOAD: [&str; 2] = ["data", "data_base64"];

impl Event {
    /// The event with the members of a JSON object in place of its own: what the object names is replaced, `null` removes. It may name what
    /// cannot change, as long as it says the same.
    ///
    /// # Errors
    /// When it is no JSON object, names nothing, says otherwise what cannot change, or the outcome breaks a rule or limit.
    pub fn edited(&self, changes: &Bytes) -> Result<Self, EventError> {
        let (changes, own) = (json::members(changes)?, Bytes::from(self.to_json()));
        if changes.is_empty() {
            return Err(EventError::Json { message: "it names nothing that is to change".to_owned() });
        }
        let mut members = json::members(&own)?;
        for (name, raw) in &changes {
            let is_fixed = FIXED.contains(&name.as_str()) || name.starts_with(OF_HOST);
            let was = members.iter().find(|(own, _)| own == name).map_or(Value::Null, |(_, raw)| value(raw));
            if is_fixed && value(raw) != was {
                return Err(attribute::refused(name, AttributeReason::Fixed));
            }
        }
        let named = |name: &str| changes.iter().any(|(change, _)| change == name);
        let has_payload = PAYLOAD.into_iter().any(named);
        members.retain(|(name, _)| !(named(name) || has_payload && PAYLOAD.contains(&name.as_str())));
        members.extend(changes);
        Self::from_json(&object(&members))
    }
}

fn value(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

fn object(members: &[(String, &RawValue)]) -> Bytes {
    let mut out = String::from("{");
    for (name, raw) in members {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(&Value::from(name.as_str()).to_string());
        out.push(':');
        out.push_str(raw.get());
    }
    out.push('}');
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        let json = r#"{"specversion":"1.0","id":"1","source":"shop","type":"order","subject":"a","wharfhops":2,"color":"red","data":{"n":1.50}}"#;
        Event::from_json(&Bytes::from_static(json.as_bytes())).unwrap()
    }

    fn edited(changes: &'static str) -> Result<String, String> {
        let edited = event().edited(&Bytes::from_static(changes.as_bytes()));
        edited.map(|event| String::from_utf8(event.to_json()).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_named_changes_and_all_else_stays_to_the_byte() {
        let whole = |rest: &str| format!(r#"{{"specversion":"1.0","id":"1","source":"shop","type":"order"{rest}}}"#);
        let cases = [
            (r#"{"data":[1e2]}"#, r#","subject":"a","wharfhops":2,"color":"red","data":[1e2]"#),
            (r#"{"subject":null,"size":7}"#, r#","wharfhops":2,"color":"red","size":7,"data":{"n":1.50}"#),
            (
                r#"{"data_base64":"AQ==","datacontenttype":"x/y","color":null}"#,
                r#","subject":"a","datacontenttype":"x/y","wharfhops":2,"data_base64":"AQ==""#,
            ),
            (r#"{"id":"1","type":"order","wharfhops":2,"data":null}"#, r#","subject":"a","color":"red","wharfhops":2"#),
        ];
        for (changes, rest) in cases {
            let sorted = |json: &str| serde_json::from_str::<Value>(json).unwrap();
            let outcome = edited(changes).unwrap();
            assert_eq!(sorted(&outcome), sorted(&whole(rest)), "{changes}");
        }
        assert!(edited(r#"{"subject":"b"}"#).unwrap().contains(r#"{"n":1.50}"#));
    }

    #[test]
    fn whose_event_it_is_cannot_be_changed_and_the_outcome_is_an_event() {
        for (changes, why) in [
            (r#"{"id":"2"}"#, "`id` cannot be changed"),
            (r#"{"type":null,"data":1}"#, "`type` cannot be changed"),
            (r#"{"time":"2026-01-01T00:00:00Z"}"#, "`time` cannot be changed"),
            (r#"{"wharfhops":0}"#, "`wharfhops` cannot be changed"),
            (r#"{"wharfedited":"x"}"#, "`wharfedited` cannot be changed"),
            (r#"{"Color":"x"}"#, "lower-case"),
            (r#"{"data":1,"data":2}"#, "more than once"),
            (r#"{"data":1,"data_base64":"AQ=="}"#, "both"),
            (r#"{"datacontenttype":"text/plain"}"#, "must be a JSON string"),
            ("{}", "names nothing"),
            ("[]", "not a JSON object"),
        ] {
            let error = edited(changes).unwrap_err();
            assert!(error.contains(why), "{changes}: {error}");
        }
        let large = Bytes::from(format!(r#"{{"data":"{}"}}"#, "x".repeat(crate::limits::EVENT_BYTES_MAX)));
        assert!(matches!(event().edited(&large), Err(EventError::TooLarge { .. })));
    }
}
