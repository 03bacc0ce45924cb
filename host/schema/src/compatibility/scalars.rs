//! Keywords that hold no schemas: bounds, lists of values, expressions. Invariant: where the narrow side lists its values, each
//! is asked of the keyword itself; else a keyword follows from one of the same name that is at least as strict.

use std::cmp::Ordering;

use serde_json::{Number, Value, json};

use super::{side::Side, within::Search};
use crate::{
    error::shown,
    schema::compile,
    unique::{numbers, whole},
};

/// The types that a keyword speaks of; all where it speaks of any.
fn speaks_of(name: &str) -> &'static [&'static str] {
    match name {
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => &["integer", "number"],
        "minLength" | "maxLength" | "pattern" | "contentEncoding" | "contentMediaType" => &["string"],
        "minItems" | "maxItems" | "uniqueItems" => &["array"],
        "minProperties" | "maxProperties" | "required" | "dependentRequired" => &["object"],
        _ => &super::side::TYPES,
    }
}

impl<'a> Search<'a> {
    pub(super) fn scalar(&mut self, narrow: &Side<'a>, (name, value): (&str, &Value), at: &str) {
        let types = narrow.types();
        if !speaks_of(name).iter().any(|name| types.contains(name)) || !self.refuses(name) {
            return;
        }
        let known: Vec<&Value> = narrow.every(name).collect();
        if narrow.document.draft == self.wide.draft && known.contains(&value) {
            return;
        }
        if let Some(values) = narrow.listed() {
            if !self.may(values.len() * value.as_array().map_or(1, Vec::len)) {
                return self.gap(at, "the lists of values are too long to be compared to the end", false);
            }
            let asked = compile(&json!({ name: value }), self.wide.draft);
            return match asked.ok().map(|asked| values.into_iter().find(|listed| !asked.is_valid(listed)).cloned()) {
                Some(None) => {}
                Some(Some(lost)) => self.gap(at, format!("{} is no longer allowed", shown(&lost)), true),
                None => self.gap(at, format!("what `{name}` allows is not known"), false),
            };
        }
        let follows = match name {
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => bounded(narrow, name, value),
            "minLength" | "minItems" | "minProperties" => known.iter().any(|it| at_least(it, value)) || is_zero(value),
            "maxLength" | "maxItems" | "maxProperties" => known.iter().any(|it| at_least(value, it)),
            "multipleOf" => {
                known.iter().any(|it| multiple(it, value)) || (whole_one(value) && !types.contains("number"))
            }
            "uniqueItems" => value != &Value::Bool(true),
            "required" => return self.required(narrow, value, at),
            "dependentRequired" => {
                let needs = |(_, needed): (&String, &Value)| names(needed).all(|name| has_required(narrow, name));
                value.as_object().is_none_or(|table| table.iter().all(needs))
            }
            "enum" | "const" | "pattern" | "format" | "contentEncoding" | "contentMediaType" => false,
            // What no draft knows refuses nothing.
            _ => true,
        };
        if !follows {
            let (why, certain) = lost(name, value, known.is_empty());
            self.gap(at, why, certain);
        }
    }

    /// Whether the wide side refuses anything by this keyword.
    fn refuses(&self, name: &str) -> bool {
        match name {
            "format" | "contentEncoding" | "contentMediaType" => self.wide.checks_formats(),
            _ => true,
        }
    }

    fn required(&mut self, narrow: &Side<'a>, value: &Value, at: &str) {
        let new: Vec<_> =
            names(value).filter(|name| !has_required(narrow, name)).map(|name| format!("`{name}`")).collect();
        if !new.is_empty() {
            self.gap(at, format!("{} must be there now", new.join(", ")), true);
        }
    }
}

fn names(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn has_required(narrow: &Side<'_>, name: &str) -> bool {
    narrow.every("required").flat_map(names).any(|known| known == name)
}

fn lost(name: &str, value: &Value, new: bool) -> (String, bool) {
    let value = shown(value);
    match name {
        "enum" | "const" => (format!("only {value} is allowed now"), true),
        "pattern" | "format" | "contentEncoding" | "contentMediaType" if new => {
            (format!("`{name}` is new, and may refuse what was allowed"), false)
        }
        "pattern" | "format" | "contentEncoding" | "contentMediaType" => {
            (format!("`{name}` is another; whether it allows all that the one before did cannot be told"), false)
        }
        "uniqueItems" => ("elements may not be equal any more".to_owned(), true),
        "dependentRequired" => ("names are needed beside others that were not".to_owned(), false),
        "multipleOf" => (format!("only multiples of {value} are allowed now"), true),
        _ => (format!("`{name}` is {value} now, which allows less"), true),
    }
}

/// Whether the narrow side stays within a bound of numbers.
fn bounded(narrow: &Side<'_>, name: &str, value: &Value) -> bool {
    let Value::Number(limit) = value else { return false };
    let (open, closed, beyond) = match name {
        "minimum" | "exclusiveMinimum" => ("exclusiveMinimum", "minimum", Ordering::Greater),
        _ => ("exclusiveMaximum", "maximum", Ordering::Less),
    };
    let exclusive = name == open;
    let stays = |keyword: &str, touches: bool| {
        let mut known = narrow.every(keyword).filter_map(Value::as_number);
        known.any(|number| {
            let order = exactly(number, limit);
            order == Some(beyond) || (order == Some(Ordering::Equal) && touches)
        })
    };
    // An open bound at the limit keeps within both; a closed one touches the limit.
    stays(open, true) || stays(closed, !exclusive)
}

/// Their order, where it can be told for certain.
fn exactly(a: &Number, b: &Number) -> Option<Ordering> {
    let plain = |number: &Number| whole(number).is_none_or(|whole| whole.unsigned_abs() < 1 << 53);
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ if plain(a) && plain(b) => Some(numbers(a, b)),
        _ => None,
    }
}

fn at_least(value: &Value, least: &Value) -> bool {
    let order = value.as_number().zip(least.as_number()).and_then(|(value, least)| exactly(value, least));
    order.is_some_and(Ordering::is_ge)
}

fn is_zero(value: &Value) -> bool {
    value.as_number().and_then(whole) == Some(0)
}

fn whole_one(value: &Value) -> bool {
    value.as_number().and_then(whole) == Some(1)
}

/// Whether a number is a whole multiple of another, both whole.
fn multiple(value: &Value, of: &Value) -> bool {
    let of = of.as_number().and_then(whole).filter(|of| *of != 0);
    let value = value.as_number().and_then(whole);
    value.zip(of).is_some_and(|(value, of)| value % of == 0)
}
