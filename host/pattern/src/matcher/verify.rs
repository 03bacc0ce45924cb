//! What is left after the pass: the ways that were found by their doors are asked for their other fields. Invariant: a way is
//! asked once, and a rule is found once, along whichever of its ways.

use super::{
    rules::{RuleMatcher, Waiting},
    scratch::Scratch,
};
use crate::consistency::{self, Candidate, NO_ELEMENT, Place};

impl RuleMatcher {
    /// Turns candidates into rules.
    pub(crate) fn verify(&self, json: &[u8], scratch: &mut Scratch) {
        if scratch.candidates.is_empty() && scratch.matched.is_empty() && self.always.is_empty() {
            return;
        }
        let mut candidates = std::mem::take(&mut scratch.candidates);
        candidates.extend_from_slice(&self.always);
        let mut matched = std::mem::take(&mut scratch.matched);
        for id in &candidates {
            if self.ways.get(*id).is_some_and(|slot| slot.way.matches(json, scratch)) {
                matched.push(*id);
            }
        }
        for id in &matched {
            if let Some(slot) = self.ways.get(*id)
                && scratch.is_new(slot.first)
            {
                scratch.rules.push(slot.rule);
            }
        }
        // The room is kept for the next event.
        scratch.candidates = candidates;
        scratch.matched = matched;
    }
}

impl Waiting {
    fn matches(&self, json: &[u8], scratch: &Scratch) -> bool {
        let mut listed = false;
        for (field, leaf) in &self.leaves {
            let (mut any, mut fits) = (false, false);
            for value in scratch.values(*field) {
                any = true;
                listed |= value.place.element != NO_ELEMENT;
                fits = fits || leaf.held_by(value.scalar(json, &scratch.texts)).is_some();
                if fits && listed {
                    break;
                }
            }
            // Where something must be absent and is there, it may still be absent where it counts.
            if !fits && !(leaf.absent && (!any || listed)) {
                return false;
            }
        }
        !listed
            || self.leaves.len() == 1 && !self.leaves.iter().any(|(_, leaf)| leaf.absent)
            || self.is_consistent(json, scratch)
    }

    /// Values of lists are among those that fit: they must fit together.
    #[cold]
    fn is_consistent(&self, json: &[u8], scratch: &Scratch) -> bool {
        let places: Vec<Vec<Place>> =
            self.leaves.iter().map(|(field, _)| scratch.values(*field).map(|value| value.place).collect()).collect();
        let fields: Vec<Candidate<'_>> = self
            .leaves
            .iter()
            .zip(&places)
            .map(|((field, leaf), all)| {
                let fit = scratch.values(*field).enumerate();
                let fit = fit.filter(|(_, value)| leaf.held_by(value.scalar(json, &scratch.texts)).is_some());
                let fit = fit.map(|(n, value)| (n, value.place)).collect();
                Candidate { all, fit, absent: leaf.absent }
            })
            .collect();
        consistency::choose(&fields, &scratch.elements).is_some()
    }
}
