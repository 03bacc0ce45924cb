//! From the payload's bytes to the handler's own type.
//!
//! Invariant: `Vec<u8>` is the bytes themselves; every other type is read as JSON, and a payload that does not fit is refused
//! with the place where it does not.
//!
//! It does not look at `datacontenttype`: what a handler asks for is what it gets, or an error.

use std::any::Any;

use serde::de::DeserializeOwned;
use serde_json::error::Category;

/// The path of the payload itself.
const WHOLE: &str = ".";

/// What the payload of an [`Event`](crate::Event) can be: every type that owns its data and implements `Deserialize`.
///
/// `Vec<u8>` is special: it is the payload's bytes as they were received, not a JSON list of numbers. A missing payload reads as
/// JSON `null`, so it fits `()`, `Option<T>` and [`serde_json::Value`]; as `Vec<u8>` it is empty.
pub trait Payload: Sized {
    /// Reads a payload.
    #[doc(hidden)]
    fn decode(data: Option<Vec<u8>>) -> Result<Self, PayloadError>;
}

/// A payload that is not what the handler takes.
#[doc(hidden)]
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// The bytes are no JSON, or JSON of another shape.
    #[error("the payload is not what this plugin takes: at `{path}`: {reason}")]
    Unfit {
        /// Where in the payload, such as `issue.labels[0].name`; `.` is the payload itself.
        path: String,
        /// What is wrong there, in serde's words.
        reason: serde_json::Error,
    },
}

impl<T: DeserializeOwned + 'static> Payload for T {
    fn decode(data: Option<Vec<u8>>) -> Result<Self, PayloadError> {
        // `Vec<u8>` has a `Deserialize` of its own, so a second implementation for it is impossible: ask for the type instead.
        // For each `T` the compiler keeps one of the two branches.
        let mut bytes = data;
        if let Some(whole) = (&mut bytes as &mut dyn Any).downcast_mut::<Option<T>>() {
            return Ok(match whole.take() {
                Some(raw) => raw,
                None => from_json(b"[]")?,
            });
        }
        from_json(bytes.as_deref().unwrap_or(b"null"))
    }
}

/// Reads JSON. Tracking the path costs time, so it is done in a second pass over what the first one refused.
fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, PayloadError> {
    serde_json::from_slice(bytes).map_err(|reason| match reason.classify() {
        Category::Data => PayloadError::Unfit { path: path_of_misfit::<T>(bytes), reason },
        // Text that is no JSON has a line and a column, which are in the reason.
        Category::Io | Category::Syntax | Category::Eof => PayloadError::Unfit { path: WHOLE.to_owned(), reason },
    })
}

/// Where in the payload `T` does not fit.
fn path_of_misfit<T: DeserializeOwned>(bytes: &[u8]) -> String {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Ok(_) => WHOLE.to_owned(),
        Err(misfit) => misfit.path().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Issue {
        number: u64,
        #[serde(default)]
        labels: Vec<Label>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Label {
        name: String,
    }

    #[test]
    fn json_becomes_the_handlers_own_type() {
        let issue =
            Issue::decode(Some(br#"{"number": 3, "labels": [{"name": "bug"}], "more": true}"#.to_vec())).unwrap();
        assert_eq!(issue, Issue { number: 3, labels: vec![Label { name: "bug".to_owned() }] });
        assert_eq!(serde_json::Value::decode(Some(b"[1]".to_vec())).unwrap(), serde_json::json!([1]));
    }

    #[test]
    fn bytes_are_the_payload_as_it_came() {
        assert_eq!(Vec::<u8>::decode(Some(b"[1, 2] or no JSON".to_vec())).unwrap(), b"[1, 2] or no JSON");
    }

    #[test]
    fn a_missing_payload_is_null_or_no_bytes() {
        assert_eq!(Option::<Issue>::decode(None).unwrap(), None);
        assert_eq!(serde_json::Value::decode(None).unwrap(), serde_json::Value::Null);
        assert_eq!(Vec::<u8>::decode(None).unwrap(), b"");
        <() as Payload>::decode(None).unwrap();
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_place() {
        for (payload, said) in [
            ("{}", "at `.`: missing field `number` at line 1 column 2"),
            (r#"{"number": "3"}"#, "at `number`: invalid type: string \"3\", expected u64 at line 1 column 14"),
            (r#"{"number": 3, "labels": [{}]}"#, "at `labels[0]`: missing field `name` at line 1 column 27"),
            (r#"{"number": 3"#, "at `.`: EOF while parsing an object at line 1 column 12"),
            (r#"{"number": 3} {}"#, "at `.`: trailing characters at line 1 column 15"),
        ] {
            let error = Issue::decode(Some(payload.as_bytes().to_vec())).unwrap_err().to_string();
            assert_eq!(error, format!("the payload is not what this plugin takes: {said}"), "{payload}");
        }
        assert!(Issue::decode(None).unwrap_err().to_string().contains("invalid type: null"));
    }
}
