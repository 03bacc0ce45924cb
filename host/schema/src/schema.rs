//! A schema ready to be used: parsed, bounded, compiled. Invariant: validating an event with it costs at most what
//! `limits.rs` says, whatever the two are; an event that could cost more is a violation.

use std::fmt;

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

use crate::{
    cost::{self, Cost},
    document::{Document, Draft},
    error::{SchemaError, SchemaErrors, SchemaReason, cut},
    graph,
    limits::{EVENT_WORK_MAX, MISTAKES_MAX, PATTERN_COMPILED_BYTES_MAX, SCHEMA_BYTES_MAX, TELLING_WORK_MAX},
    pattern,
    unique::Unique,
    violation::{Violation, Violations},
};

/// A JSON Schema, ready to validate.
pub struct Schema {
    pub(crate) document: Document,
    validator: Validator,
    cost: Cost,
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// When it is no JSON Schema of a known draft, refers to anything outside of itself, or could make an event too dear.
    pub fn parse(text: &str) -> Result<Self, SchemaErrors> {
        if text.len() > SCHEMA_BYTES_MAX {
            return Err(SchemaErrors::of("", SchemaReason::TooLarge { bytes: text.len() }));
        }
        let root = serde_json::from_str(text)
            .map_err(|error| SchemaErrors::of("", SchemaReason::Json { message: error.to_string() }))?;
        Self::from_json(root)
    }

    fn from_json(root: Value) -> Result<Self, SchemaErrors> {
        let draft = Draft::of(&root).map_err(|reason| SchemaErrors::of("/$schema", reason))?;
        let mut document = Document { root, draft, anchors: Default::default() };
        // The graph first: it bounds what the checks after it are given.
        let graph = graph::read(&mut document)?;
        check_draft(&document)?;
        let cost = cost::count(&graph)?;
        let validator = compile(&document.root, draft)?;
        Ok(Self { document, validator, cost })
    }

    /// The schema as JSON.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.document.root
    }

    /// Its draft.
    #[must_use]
    pub fn draft(&self) -> Draft {
        self.document.draft
    }

    /// The work for a payload of so many bytes, at most: a value or a name has two of them at least, with what is between.
    #[must_use]
    pub fn work_at_most(&self, bytes: u64) -> u64 {
        self.cost.of_event(bytes / 2 + 1, bytes)
    }

    /// Holds a payload against the schema; the payload is JSON text.
    ///
    /// # Errors
    /// Everything that breaks the schema, up to a limit.
    pub fn validate(&self, text: &[u8]) -> Result<(), Violations> {
        let value = serde_json::from_slice(text)
            .map_err(|error| Violations::one(cut(format!("the payload is no JSON that can be validated: {error}"))))?;
        self.validate_json(&value)
    }

    /// Holds a JSON value against the schema.
    ///
    /// # Errors
    /// Everything that breaks the schema, up to a limit.
    pub fn validate_json(&self, value: &Value) -> Result<(), Violations> {
        let (values, text_bytes) = size(value);
        let work = self.cost.of_event(values, text_bytes);
        if work > EVENT_WORK_MAX {
            let message = "the payload is too large to be validated by this schema: send less at once, or simplify the schema (`wharf explain schema-violation`)";
            return Err(Violations::one(message));
        }
        if self.validator.is_valid(value) {
            return Ok(());
        }
        if work > TELLING_WORK_MAX {
            return Err(Violations::one("the payload breaks the schema, and is too large to say where"));
        }
        Err(Violations::of(self.validator.iter_errors(value).map(|error| violation(&error))))
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").field("json", self.json()).field("cost", &self.cost).finish_non_exhaustive()
    }
}

/// The values of a JSON value, names included, and the bytes of its texts.
fn size(value: &Value) -> (u64, u64) {
    let (mut values, mut text_bytes, mut open) = (0, 0, vec![value]);
    while let Some(value) = open.pop() {
        values += 1;
        match value {
            Value::String(text) => text_bytes += text.len() as u64,
            Value::Array(items) => open.extend(items),
            Value::Object(members) => {
                values += members.len() as u64;
                text_bytes += members.keys().map(String::len).sum::<usize>() as u64;
                open.extend(members.values());
            }
            _ => {}
        }
    }
    (values, text_bytes)
}

fn violation(error: &ValidationError<'_>) -> Violation {
    let message = match error.kind() {
        ValidationErrorKind::Custom { message, .. } => message.clone(),
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let named = unexpected.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            format!("the schema has no {named}")
        }
        _ => error.masked_with("the value").to_string(),
    };
    let (pointer, schema) = (error.instance_path().to_string(), error.schema_path().to_string());
    Violation { pointer, schema, message: cut(message) }
}

/// Holds the schema against the schema of its draft.
fn check_draft(document: &Document) -> Result<(), SchemaErrors> {
    let of_draft = match document.draft {
        Draft::Seven => jsonschema::draft7::meta::validator(),
        Draft::TwentyTwenty => jsonschema::draft202012::meta::validator(),
    };
    let told = of_draft.iter_errors(&document.root).take(MISTAKES_MAX).map(|error| SchemaError {
        pointer: error.instance_path().to_string(),
        reason: SchemaReason::Invalid { message: of_draft_told(&error) },
    });
    let mut told: Vec<_> = told.collect();
    // Its parts say the same of what is no schema at all.
    told.dedup();
    SchemaErrors::check(told)
}

/// What the schema of a draft says to a part of a schema. Of a `type` it says which there are.
fn of_draft_told(error: &ValidationError<'_>) -> String {
    let is_type = error.instance_path().to_string().ends_with("/type");
    match error.kind() {
        ValidationErrorKind::AnyOf { .. } if is_type => {
            "a type is \"array\", \"boolean\", \"integer\", \"null\", \"number\", \"object\" or \"string\", or a list of them, each once"
                .to_owned()
        }
        _ => cut(error.masked_with("the value").to_string()),
    }
}

pub(crate) fn compile(root: &Value, draft: Draft) -> Result<Validator, SchemaErrors> {
    let options = jsonschema::options()
        .with_draft(match draft {
            Draft::Seven => jsonschema::Draft::Draft7,
            Draft::TwentyTwenty => jsonschema::Draft::Draft202012,
        })
        .offline()
        .with_pattern_options(pattern::options(PATTERN_COMPILED_BYTES_MAX))
        // To know whether a text of an event is an expression it would have to be compiled, at the sender's will.
        .with_format("regex", |_: &str| true)
        .with_keyword("uniqueItems", |_, value, _| -> Result<Box<dyn for<'i> jsonschema::Keyword<'i>>, _> {
            Ok(if value == &Value::Bool(true) { Box::new(Unique) } else { Box::new(Anything) })
        });
    // An `$id` could give the document the name of another that the validator brings along.
    let mut anonymous = root.clone();
    anonymous.as_object_mut().into_iter().for_each(|root| drop(root.remove("$id")));
    options.build(&anonymous).map_err(|error| {
        let message = cut(error.masked_with("the value").to_string());
        SchemaErrors::of(error.instance_path().to_string(), SchemaReason::Invalid { message })
    })
}

/// `uniqueItems: false`.
struct Anything;

impl<'i> jsonschema::Keyword<'i> for Anything {
    fn validate(&self, _: &'i Value) -> Result<(), ValidationError<'i>> {
        Ok(())
    }

    fn is_valid(&self, _: &'i Value) -> bool {
        true
    }
}
