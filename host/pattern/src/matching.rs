//! Whether an event matches one pattern. Invariant: pure and total. This is the plain evaluator: it reads the whole event
//! into a tree first. Who has many rules uses a [`crate::RuleMatcher`], which finds the same.

use crate::{
    consistency::{self, Candidate},
    pattern::{Leaf, Pattern},
    subject::Subject,
    tree::{Spot, Tree},
    ways::Way,
};

impl Pattern {
    /// Whether the event matches.
    #[must_use]
    pub fn matches(&self, subject: &Subject) -> bool {
        self.ways.iter().any(|way| way.choice(subject).is_some())
    }
}

impl Way {
    /// A value for each field that makes the event match along this way.
    pub(crate) fn choice(&self, subject: &Subject) -> Option<Vec<Option<usize>>> {
        let spots: Vec<_> = self.leaves.iter().map(|leaf| subject.spot(&leaf.path)).collect();
        let fields: Vec<_> = self.leaves.iter().zip(&spots).map(|(leaf, spot)| leaf.candidate(*spot)).collect();
        // Only a payload has lists, and there is one.
        let tree = spots.iter().flatten().find(|(_, spot)| spot.places.iter().any(|place| place.element != u32::MAX));
        let none = consistency::Elements::default();
        consistency::choose(&fields, tree.map_or(&none, |(tree, _)| &tree.elements))
    }
}

impl Leaf {
    /// The values at its path, and those that are as wanted.
    pub(crate) fn candidate<'a>(&self, found: Option<(&'a Tree, &'a Spot)>) -> Candidate<'a> {
        let Some((tree, spot)) = found else { return Candidate { all: &[], fit: Vec::new(), absent: self.absent } };
        let fit = tree.scalars(spot).zip(&spot.places).enumerate();
        let fit = fit.filter(|(_, (scalar, _))| self.held_by(*scalar).is_some()).map(|(n, (_, place))| (n, *place));
        Candidate { all: &spot.places, fit: fit.collect(), absent: self.absent }
    }
}
