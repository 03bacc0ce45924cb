//! Which deliveries of a target come one after the other: read once for each rule, and asked of each event. Invariant: an event that does not
//! have what a rule orders by waits for nobody.

use serde_json::Value;
use wharf_delivery::TargetDocument;
use wharf_event::{AttributeValue, Data, Event, OrderingKey, Target};
use wharf_input::{Input, Occasion};

use crate::mistakes::RuleError;

/// The attribute by which messages of an ordered queue are told apart: the partitioning extension of CloudEvents.
const PARTITION_KEY: &str = "partitionkey";

/// What a rule's targets order by: few of them, and mostly none.
#[derive(Default)]
pub(crate) struct Orders(Vec<(Target, Input)>);

impl Orders {
    pub(crate) fn new(targets: &[TargetDocument]) -> Result<Self, RuleError> {
        let mut orders = Vec::new();
        for target in targets {
            let Some(path) = &target.order_by else { continue };
            let wrong = |errors| RuleError::Order(target.to.clone(), Box::new(errors));
            orders.push((target.to.clone(), Input::path(path).map_err(wrong)?));
        }
        Ok(Self(orders))
    }

    /// The key of an event for a target that is ordered by something.
    pub(crate) fn key(&self, target: &Target, event: &Event) -> Option<OrderingKey> {
        let (_, input) = self.0.iter().find(|(of, _)| of == target)?;
        let nothing = Occasion { tenant: "", bus: "", rule: "", accepted: "" };
        match input.apply(event, &nothing).ok()?.data()? {
            Data::Json(value) => match serde_json::from_slice(value).ok()? {
                Value::Null => None,
                Value::String(text) => Some(OrderingKey::of(&text)),
                // As it is written: a number may have more digits than any type.
                _ => Some(OrderingKey::of(&String::from_utf8_lossy(value))),
            },
            Data::Text(_) | Data::Binary(_) => None,
        }
    }
}

/// The key of a message of an ordered queue.
pub(crate) fn of_message(event: &Event) -> OrderingKey {
    match event.extension(PARTITION_KEY) {
        Some(AttributeValue::String(key)) => OrderingKey::of(key),
        Some(other) => OrderingKey::of(&other.to_string()),
        None => OrderingKey::of(""),
    }
}
