//! What one value of an event can cost under a schema, at worst. Invariant: the bound holds for every event; it is found
//! without one, by going through the places that a schema tells apart (`items` of `orders`, say) with all the schemas that
//! can apply there, each as often as it can. It does not measure time.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    error::{SchemaErrors, SchemaReason},
    graph::{Graph, Node},
    limits::{COUNTING_STEPS_MAX, VALUE_WORK_MAX},
};

/// The bounds of one schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Work for one value.
    pub(crate) value: u64,
    /// Work for each byte of text: regular expressions, formats, and what is said of its content.
    pub(crate) text: u64,
}

impl Cost {
    /// The work for an event with so many values and so many bytes of text.
    pub(crate) fn of_event(&self, values: u64, text_bytes: u64) -> u64 {
        values.saturating_mul(self.value).saturating_add(text_bytes.saturating_mul(self.text))
    }
}

/// Schemas that meet at one place, each with how often.
type Place = BTreeMap<usize, u64>;

/// Counts the work of a schema.
pub(crate) fn count(graph: &Graph) -> Result<Cost, SchemaErrors> {
    let too_dear = || SchemaErrors::of("", SchemaReason::Work);
    let mut cost = Cost::default();
    let mut open = vec![Place::from([(0, 1)])];
    let mut seen = BTreeSet::from_iter(open.clone());
    let mut steps = 0;
    while let Some(place) = open.pop() {
        let start: Vec<_> = place.into_iter().collect();
        let met = graph.closure(&start, VALUE_WORK_MAX).ok_or_else(too_dear)?;
        let nodes = || met.iter().filter_map(|(&number, &times)| Some((graph.nodes.get(number)?, times)));
        cost.value = cost.value.max(nodes().map(|(node, times)| node.weight.saturating_mul(times)).sum());
        cost.text = cost.text.max(nodes().map(|(node, times)| node.text.saturating_mul(times)).sum());
        for next in below(&nodes().collect::<Vec<_>>()) {
            steps += 1 + next.len();
            if !next.is_empty() && !seen.contains(&next) {
                seen.insert(next.clone());
                open.push(next);
            }
        }
        steps += met.len();
        if cost.value > VALUE_WORK_MAX || steps > COUNTING_STEPS_MAX {
            return Err(too_dear());
        }
    }
    Ok(cost)
}

/// The places below one: each member that is named, any other member, and the elements.
fn below(nodes: &[(&Node, u64)]) -> Vec<Place> {
    let add = |place: &mut Place, number: usize, times: u64| *place.entry(number).or_insert(0) += times;
    let (mut any, mut rest, mut elements) = (Place::new(), Place::new(), Place::new());
    let mut names: BTreeMap<&str, Place> = BTreeMap::new();
    for (node, times) in nodes {
        node.any_member.iter().for_each(|&number| add(&mut any, number, *times));
        node.rest.into_iter().for_each(|number| add(&mut rest, number, *times));
        node.elements.iter().for_each(|&number| add(&mut elements, number, *times));
        for (name, &number) in &node.members {
            add(names.entry(name.as_str()).or_default(), number, *times);
        }
    }
    // A member that one schema names is free in another.
    let mut places: Vec<Place> = Vec::with_capacity(names.len() + 2);
    for (name, mut place) in names {
        any.iter().for_each(|(&number, &times)| add(&mut place, number, times));
        for (node, times) in nodes.iter().filter(|(node, _)| !node.members.contains_key(name)) {
            node.rest.into_iter().for_each(|number| add(&mut place, number, *times));
        }
        places.push(place);
    }
    any.iter().for_each(|(&number, &times)| add(&mut rest, number, times));
    places.extend([rest, elements]);
    places
}
