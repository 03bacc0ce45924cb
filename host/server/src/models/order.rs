//! The order in which the models of a route are asked: by their weights the first, and behind it the others as they are listed.
//!
//! Invariant: it follows from the delivery, its tenant and the route alone. So all attempts of a delivery begin with the same model, and so do all calls
//! of an attempt: a conversation of several turns stays with one that understands its own thoughts.

use std::collections::BTreeMap;

use wharf_dispatch::LlmCall;
use wharf_event::{Digest, ModelName};
use wharf_llm::Ask;

use crate::config::RouteConfig;

/// The models of the route, the first that is asked first.
pub(super) fn order<'a>(call: &LlmCall, route: &'a RouteConfig) -> Vec<&'a ModelName> {
    // Vectors of different models cannot be compared, so who makes them is not drawn.
    let first = if matches!(call.ask, Ask::Embed(_)) { None } else { drawn(call, route) };
    first.into_iter().chain(route.models.iter().filter(|model| Some(*model) != first)).collect()
}

/// The model that a delivery falls to; none where nothing is weighed.
fn drawn<'a>(call: &LlmCall, route: &'a RouteConfig) -> Option<&'a ModelName> {
    let text = format!("{}\n{}\n{}", call.tenant, call.route, call.delivery);
    let place = Digest::of(text.as_bytes()).0.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    within(&route.weights, place)
}

/// The model that has a place: each has as many, one after the other, as it weighs.
fn within(weights: &BTreeMap<ModelName, u32>, place: u64) -> Option<&ModelName> {
    let sum: u64 = weights.values().map(|weight| u64::from(*weight)).sum();
    // The remainder is even to one part in 10^15.
    let mut left = place.checked_rem(sum)?;
    let drawn = weights.iter().find(|(_, weight)| {
        let weight = u64::from(**weight);
        let is_here = left < weight;
        left = left.saturating_sub(weight);
        is_here
    });
    drawn.map(|(model, _)| model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_model_has_as_many_places_as_it_weighs() {
        let weights = [("small", 3), ("large", 2)].map(|(name, weight)| (name.parse().unwrap(), weight)).into();
        let at = |place| within(&weights, place).unwrap().as_str();
        assert_eq!((0..7).map(at).collect::<Vec<_>>(), ["large", "large", "small", "small", "small", "large", "large"]);
        assert_eq!(within(&BTreeMap::new(), 7), None);
    }
}
