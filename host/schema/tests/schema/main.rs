//! Goal: schemas do what JSON Schema says, cost what they may, and are compared, inferred and exported truthfully. Method:
//! tables of cases that go through one `check` each, properties over small alphabets in which hits are common, and the dearest
//! schemas and events that we can think of.

#![cfg(test)]

mod attacks;
mod changes;
mod compatible;
mod examples;
mod generate;
mod promises;
mod refusals;
mod validating;

use serde_json::Value;
use wharf_schema::Schema;

fn schema(json: &Value) -> Schema {
    Schema::parse(&json.to_string()).unwrap_or_else(|errors| panic!("{json}: {errors}"))
}
