//! Goal: the pattern language does what its users know from EventBridge, refuses what it cannot do at the right place, and
//! explains every miss. Method: tables of cases that go through one `check` each, and properties over small alphabets in
//! which hits are common.

#![cfg(test)]

mod agreement;
mod aws;
mod generate;
mod language;
mod lines;
mod matcher;
mod oracle;
mod properties;
mod refusals;

use serde_json::{Value, json};
use wharf_event::EventBuilder;
use wharf_pattern::{Pattern, Subject};

/// An event with this payload.
fn subject(data: &Value) -> Subject {
    let event = EventBuilder::new("1", "shop/eu", "order.created")
        .subject("order/1")
        .extension("priority", 3)
        .extension("urgent", true)
        .data(data.to_string());
    Subject::of(&event.build().unwrap())
}

fn pattern(json: &Value) -> Pattern {
    Pattern::parse(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// A pattern of one field of the payload.
fn field(condition: &Value) -> Pattern {
    pattern(&json!({"data": {"x": condition}}))
}
