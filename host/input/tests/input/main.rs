//! Goal: inputs make of an event what EventBridge's documentation and its recorded answers say, whatever the event holds, and
//! mistakes are told where they are. Method: tables of cases, and properties held against an evaluator that builds values where
//! the crate splices texts.

#![cfg(test)]

mod eventbridge;
mod inputs;
mod oracle;
mod properties;
mod refusals;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;
use wharf_event::{Event, EventBuilder};
use wharf_input::{Input, Occasion, Unmade};

const OCCASION: Occasion<'_> =
    Occasion { tenant: "acme", bus: "default", rule: "example", accepted: "2026-11-27T01:02:03.004Z" };

fn paths(paths: &[(&str, &str)]) -> BTreeMap<String, String> {
    paths.iter().map(|(name, path)| ((*name).to_owned(), (*path).to_owned())).collect()
}

fn event(data: impl Into<Bytes>) -> Event {
    EventBuilder::new("1", "shop/eu", "order.created").data(data).build().unwrap()
}

/// The payload that comes out, with its media type.
fn payload(input: &Input, event: &Event) -> Result<(Option<String>, String), Unmade> {
    let out = input.apply(event, &OCCASION)?;
    let text = out.data().map(|data| String::from_utf8(data.bytes().to_vec()).unwrap());
    Ok((out.datacontenttype().map(str::to_owned), text.unwrap_or_default()))
}

/// What a template makes of an event.
fn made(of: &[(&str, &str)], template: &str, event: &Event) -> String {
    let input = Input::template(&paths(of), template).unwrap_or_else(|errors| panic!("{template}: {errors}"));
    payload(&input, event).unwrap_or_else(|error| panic!("{template}: {error}")).1
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}
