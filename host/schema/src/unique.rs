//! `uniqueItems` by sorting. The validator's own way is a hash that all lists of empty lists share, so that an event could be made
//! of which each is compared with each. Invariant: two values are the same here exactly if JSON Schema says that they are equal
//! (1 and 1.0 are); the order of others means nothing.

use std::cmp::Ordering;

use jsonschema::{Keyword, ValidationError};
use serde_json::{Number, Value};

/// Whether no two of them are equal.
pub(crate) fn are_unique(items: &[Value]) -> bool {
    let mut sorted: Vec<&Value> = items.iter().collect();
    sorted.sort_unstable_by(|a, b| order(a, b));
    sorted.windows(2).all(|pair| !matches!(pair, [a, b] if order(a, b) == Ordering::Equal))
}

fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => numbers(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let pairs = a.iter().zip(b).map(|(a, b)| order(a, b));
            a.len().cmp(&b.len()).then_with(|| pairs.into_iter().find(|found| found.is_ne()).unwrap_or(Ordering::Equal))
        }
        (Value::Object(a), Value::Object(b)) => {
            let pairs = a.iter().zip(b).map(|((name, a), (other, b))| name.cmp(other).then_with(|| order(a, b)));
            a.len().cmp(&b.len()).then_with(|| pairs.into_iter().find(|found| found.is_ne()).unwrap_or(Ordering::Equal))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

/// Numbers by what they are worth, whole ones exactly.
pub(crate) fn numbers(a: &Number, b: &Number) -> Ordering {
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => a.as_f64().unwrap_or_default().total_cmp(&b.as_f64().unwrap_or_default()),
    }
}

/// The number as a whole one, if it is one.
pub(crate) fn whole(number: &Number) -> Option<i128> {
    if let Some(small) = number.as_i64() {
        return Some(i128::from(small));
    }
    if let Some(large) = number.as_u64() {
        return Some(i128::from(large));
    }
    let float = number.as_f64()?;
    // Beyond 2^100 two doubles are as far apart as they are written; both are compared as doubles then.
    #[allow(clippy::cast_possible_truncation, reason = "whole, and within what an i128 holds")]
    (float.fract() == 0.0 && float.abs() < 1e30).then_some(float as i128)
}

/// The keyword, as the validator asks it.
pub(crate) struct Unique;

impl<'i> Keyword<'i> for Unique {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        let unique = self.is_valid(instance);
        if unique { Ok(()) } else { Err(ValidationError::custom("two elements of the list are equal")) }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        instance.as_array().is_none_or(|items| are_unique(items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_is_what_json_schema_calls_equal() {
        let unique = |text: &str| are_unique(serde_json::from_str::<Value>(text).unwrap().as_array().unwrap());
        for text in ["[]", "[1]", "[1,2]", "[1,true]", "[0,false,null]", r#"["1",1]"#, "[[1],[2]]", "[[[]],[[],[]]]"] {
            assert!(unique(text), "{text}");
        }
        assert!(unique("[9007199254740993,9007199254740992,9007199254740992.5e3]"));
        for text in ["[1,1.0]", "[1,2,1e0]", "[0,-0.0]", r#"[{"a":1,"b":2},{"b":2.0,"a":1}]"#, "[[1,[2]],[1.0,[2]]]"] {
            assert!(!unique(text), "{text}");
        }
    }
}
