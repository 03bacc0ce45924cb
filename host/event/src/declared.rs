//! What a component says of its handler: which events it is for, and how their deliveries are made. Whoever deploys it alone makes its rule
//! of that.
//!
//! Invariant: saying it does nothing by itself: a rule is made when somebody deploys the component, and is theirs from then on.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    grants::EventTypes,
    limits::{DECLARED_BYTES_MAX, DECLARED_TEXT_BYTES_MAX, DECLARED_TYPES_MAX},
};

/// The custom section in which a component says it.
pub const HANDLER_SECTION: &str = "wharf:handler";

/// What a component says of its handler. The members are those of a target in `wharf.toml`, beside the event types.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// The event types that it handles; none = it leaves that to a rule.
    #[serde(default)]
    pub on: Vec<EventTypes>,
    /// What its events are ordered by: a path into the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_by: Option<String>,
    /// How often it is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<DeclaredRetry>,
}

/// How often a handler wants to be tried. Times are written as in `wharf.toml`: `1s`, `5m`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredRetry {
    /// How many attempts there are at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// The first pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// The longest pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// How long after its event an attempt may begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<String>,
}

/// A text that does not say what a handler is for.
#[derive(Debug, thiserror::Error)]
pub enum DeclaredError {
    /// It is too long.
    #[error("it has more than {DECLARED_BYTES_MAX} bytes")]
    TooLong,
    /// It names too much.
    #[error("it names more than {DECLARED_TYPES_MAX} event types")]
    TooMany,
    /// A member that may be said once.
    #[error("`{0}` is said twice, and not the same")]
    Twice(&'static str),
    /// A member that is too long.
    #[error("`{0}` has more than {DECLARED_TEXT_BYTES_MAX} bytes")]
    Text(&'static str),
    /// It is not the JSON that it should be.
    #[error("it is not `{{\"on\": [TYPES], \"order_by\": PATH, \"retry\": {{…}}}}`: {0}")]
    Json(#[from] serde_json::Error),
}

impl Declared {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    fn with(&mut self, said: Self) -> Result<(), DeclaredError> {
        let new: Vec<_> = said.on.into_iter().filter(|it| !self.on.contains(it)).collect();
        self.on.extend(new);
        once("order_by", &mut self.order_by, said.order_by)?;
        once("retry", &mut self.retry, said.retry)
    }

    fn checked(self) -> Result<Self, DeclaredError> {
        if self.on.len() > DECLARED_TYPES_MAX {
            return Err(DeclaredError::TooMany);
        }
        let DeclaredRetry { first, max, age, .. } = self.retry.clone().unwrap_or_default();
        let texts = [("order_by", &self.order_by), ("first", &first), ("max", &max), ("age", &age)];
        let long = texts.iter().find(|(_, text)| text.as_ref().is_some_and(|it| it.len() > DECLARED_TEXT_BYTES_MAX));
        long.map_or(Ok(()), |(name, _)| Err(DeclaredError::Text(name)))?;
        Ok(self)
    }
}

fn once<T: PartialEq>(name: &'static str, there: &mut Option<T>, said: Option<T>) -> Result<(), DeclaredError> {
    if said.is_some() {
        if there.is_some() && *there != said {
            return Err(DeclaredError::Twice(name));
        }
        *there = said;
    }
    Ok(())
}

/// What sections of a component say together: `text` has the content of one after that of the other, as linkers leave it.
///
/// # Errors
/// When it is not what it should be.
pub fn declared_from_json(text: &[u8]) -> Result<Declared, DeclaredError> {
    if text.len() > DECLARED_BYTES_MAX {
        return Err(DeclaredError::TooLong);
    }
    let mut declared = Declared::default();
    for said in serde_json::Deserializer::from_slice(text).into_iter::<Map<String, Value>>() {
        declared.with(serde_json::from_value(said?.into())?)?;
    }
    declared.checked()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Declared, DeclaredError> {
        declared_from_json(text.as_bytes())
    }

    #[test]
    fn sections_are_read_together() {
        let two = read(r#"{"on": ["a", "b.*"]} {"on": ["a", "c"], "order_by": "$.data.n", "retry": {"attempts": 3}}"#);
        let text = r#"{"on":["a","b.*","c"],"order_by":"$.data.n","retry":{"attempts":3}}"#;
        assert_eq!(serde_json::to_string(&two.unwrap()).unwrap(), text);
        assert!(read("").unwrap().is_nothing() && read("{}").unwrap().is_nothing());
        assert!(read(r#"{"order_by": "$.id"}{"order_by": "$.id"}"#).is_ok());
    }

    #[test]
    fn what_is_not_understood_is_a_mistake() {
        for wrong in [
            "[]",
            "{",
            r#"{"on": "a"}"#,
            r#"{"on": [""]}"#,
            r#"{"on": ["*a"]}"#,
            r#"{"when": []}"#,
            r#"{"retry": {"attempts": -1}}"#,
            r#"{"retry": {"forever": true}}"#,
            r#"{"order_by": 7}"#,
        ] {
            assert!(matches!(read(wrong), Err(DeclaredError::Json(_))), "{wrong}");
        }
        assert!(matches!(read(r#"{"order_by": "$.a"}{"order_by": "$.b"}"#), Err(DeclaredError::Twice("order_by"))));
    }

    #[test]
    fn it_has_bounds() {
        let types: Vec<String> = (0..=DECLARED_TYPES_MAX).map(|n| format!("t{n}")).collect();
        let many = serde_json::json!({ "on": types }).to_string();
        assert!(matches!(read(&many), Err(DeclaredError::TooMany)));
        assert!(matches!(read(&" ".repeat(DECLARED_BYTES_MAX + 1)), Err(DeclaredError::TooLong)));
        let long = "x".repeat(DECLARED_TEXT_BYTES_MAX + 1);
        for (text, name) in [
            (serde_json::json!({ "order_by": long }), "order_by"),
            (serde_json::json!({ "retry": { "max": long } }), "max"),
        ] {
            let error = read(&text.to_string()).unwrap_err();
            assert!(matches!(error, DeclaredError::Text(it) if it == name), "{error}");
        }
    }
}
