//! The attributes of an event in its JSON form, as people are shown them.
//!
//! Invariant: what is missing or odd is shown as it is and stops nothing: an event in an answer was accepted once. The
//! payload is kept as text.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// An event of an answer.
#[derive(Debug, Default)]
pub struct Attributes {
    /// The `type`.
    pub kind: String,
    /// The `source`.
    pub source: String,
    /// The `id`.
    pub id: String,
    /// All other members but the payload, by name, as JSON text.
    pub others: Vec<(String, String)>,
    /// The payload's member and its JSON text.
    pub data: Option<(String, String)>,
}

impl Attributes {
    /// Reads an event; what is no event is one without attributes.
    pub fn of(event: &RawValue) -> Self {
        let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(event.get()).unwrap_or_default();
        let mut text = |name: &str| members.remove(name).map(|value| unquoted(&value)).unwrap_or_default();
        let (kind, source, id) = (text("type"), text("source"), text("id"));
        let data = ["data", "data_base64"]
            .into_iter()
            .find_map(|name| members.remove(name).map(|value| (name.to_owned(), value.get().to_owned())));
        members.remove("specversion");
        let others = members.into_iter().map(|(name, value)| (name, unquoted(&value))).collect();
        Self { kind, source, id, others, data }
    }
}

/// A string's content, or any other value as it is written.
fn unquoted(value: &RawValue) -> String {
    serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_taken_apart_and_its_payload_kept() {
        let json = r#"{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"x","n":5,"data":{"a": 1e400}}"#;
        let event = Attributes::of(&RawValue::from_string(json.to_owned()).unwrap());
        assert_eq!((event.kind.as_str(), event.source.as_str(), event.id.as_str()), ("t", "s", "1"));
        assert_eq!(event.others, [("n".to_owned(), "5".to_owned()), ("subject".to_owned(), "x".to_owned())]);
        assert_eq!(event.data, Some(("data".to_owned(), r#"{"a": 1e400}"#.to_owned())));
        assert_eq!(Attributes::of(&RawValue::from_string("[]".to_owned()).unwrap()).kind, "");
    }
}
