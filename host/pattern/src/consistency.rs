//! Array consistency: the fields of a pattern must hold in the same element of every list of objects that they pass. Values
//! that stand in a list themselves are not bound by it; and `exists: false` asks for no value in the elements that the fields
//! before it (by their paths) were found in. Invariant: the answer is that of trying every choice of values; the cost is
//! about the number of values times the number of fields, since a choice that failed is not tried again, and a list's other
//! elements are jumped over.

use std::collections::HashSet;

/// Stands for "in no list".
pub(crate) const NO_ELEMENT: u32 = u32::MAX;

/// An object or list that is an element of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element {
    pub(crate) array: u32,
    /// The element that the list is in.
    pub(crate) parent: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// All elements of an event, and where its lists begin and end, in bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Elements {
    all: Vec<Element>,
    arrays: Vec<(u32, u32)>,
    /// How many of each are of an earlier pass over the same text, in the order of the text.
    settled: (usize, usize),
}

/// Where a value is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) offset: u32,
    pub(crate) element: u32,
}

impl Elements {
    pub(crate) fn clear(&mut self) {
        self.all.clear();
        self.arrays.clear();
        self.settled = (0, 0);
    }

    /// Ends a pass: another one over the same text will find its lists and elements again.
    pub(crate) fn settle(&mut self) {
        self.settled = (self.all.len(), self.arrays.len());
    }

    pub(crate) fn open(&mut self, start: usize) -> u32 {
        let earlier = self.arrays.get(..self.settled.1).unwrap_or_default();
        if let Ok(at) = earlier.binary_search_by_key(&(start as u32), |span| span.0) {
            return at as u32;
        }
        self.arrays.push((start as u32, u32::MAX));
        self.arrays.len() as u32 - 1
    }

    pub(crate) fn close_array(&mut self, array: u32, end: usize) {
        if let Some(span) = self.arrays.get_mut(array as usize) {
            span.1 = end as u32;
        }
    }

    pub(crate) fn add(&mut self, element: Element) -> u32 {
        let earlier = self.all.get(..self.settled.0).unwrap_or_default();
        if let Ok(at) = earlier.binary_search_by_key(&element.start, |other| other.start) {
            return at as u32;
        }
        self.all.push(element);
        self.all.len() as u32 - 1
    }

    pub(crate) fn close(&mut self, element: u32, end: usize) {
        if let Some(element) = self.all.get_mut(element as usize) {
            element.end = end as u32;
        }
    }

    fn get(&self, element: u32) -> Option<&Element> {
        self.all.get(element as usize)
    }

    fn span(&self, array: u32) -> (u32, u32) {
        self.arrays.get(array as usize).copied().unwrap_or_default()
    }

    /// An element and those around it, from the inside.
    fn chain(&self, innermost: u32) -> impl Iterator<Item = (u32, Element)> {
        let mut next = innermost;
        std::iter::from_fn(move || {
            let (own, element) = (next, *self.get(next)?);
            next = element.parent;
            Some((own, element))
        })
    }
}

/// One field of a pattern, as an event has it.
pub(crate) struct Candidate<'a> {
    /// All its values, in the order of the text.
    pub(crate) all: &'a [Place],
    /// Those that are as wanted, with their numbers among all.
    pub(crate) fit: Vec<(usize, Place)>,
    /// Whether no value is as wanted too.
    pub(crate) absent: bool,
}

/// A choice of one value for each field, or of none where it must be absent; none if there is no consistent choice.
pub(crate) fn choose(fields: &[Candidate<'_>], elements: &Elements) -> Option<Vec<Option<usize>>> {
    // A field that fails alone fails in company.
    if fields.iter().any(|field| field.fit.is_empty() && !field.absent) {
        return None;
    }
    let mut search = Search { fields, elements, chosen: Vec::new(), failed: HashSet::new() };
    let mut picks = vec![None; fields.len()];
    search.from(0, &mut picks).then_some(picks)
}

struct Search<'a> {
    fields: &'a [Candidate<'a>],
    elements: &'a Elements,
    /// One element of each list that the choice so far has passed.
    chosen: Vec<u32>,
    failed: HashSet<(usize, Vec<u32>)>,
}

impl Search<'_> {
    fn from(&mut self, n: usize, picks: &mut [Option<usize>]) -> bool {
        let fields = self.fields;
        let Some(field) = fields.get(n) else { return true };
        let state = (n, self.relevant(n));
        if self.failed.contains(&state) {
            return false;
        }
        if field.absent
            && self.next(field.all.len(), |at| field.all.get(at).copied(), 0).is_none()
            && self.from(n + 1, picks)
        {
            return true;
        }
        let mut from = 0;
        while let Some(at) = self.next(field.fit.len(), |at| field.fit.get(at).map(|(_, place)| *place), from) {
            from = at + 1;
            let Some((number, place)) = field.fit.get(at) else { break };
            let length = self.chosen.len();
            let elements = self.elements;
            for (own, _) in elements.chain(place.element) {
                if !self.chosen.contains(&own) {
                    self.chosen.push(own);
                }
            }
            if let Some(pick) = picks.get_mut(n) {
                *pick = Some(*number);
            }
            if self.from(n + 1, picks) {
                return true;
            }
            self.chosen.truncate(length);
        }
        if let Some(pick) = picks.get_mut(n) {
            *pick = None;
        }
        self.failed.insert(state);
        false
    }

    /// The first place from a number on that agrees with what is chosen.
    fn next(&self, length: usize, place: impl Fn(usize) -> Option<Place>, from: usize) -> Option<usize> {
        let mut at = from;
        while let Some(found) = place(at) {
            // The outermost list that it disagrees about leads furthest.
            let disagreed =
                self.elements.chain(found.element).filter_map(|(own, element)| self.against(own, element)).last();
            let Some((start, end)) = disagreed else { return Some(at) };
            let target = if found.offset < start { start } else { end };
            let (mut low, mut high) = (at + 1, length);
            while low < high {
                let middle = low.midpoint(high);
                if place(middle).is_some_and(|place| place.offset < target) { low = middle + 1 } else { high = middle }
            }
            at = low;
        }
        None
    }

    /// Where the chosen element of the same list begins, and where the list ends, if that is another element.
    fn against(&self, own: u32, element: Element) -> Option<(u32, u32)> {
        let chosen = self.chosen.iter().filter(|chosen| **chosen != own);
        let other =
            chosen.filter_map(|chosen| self.elements.get(*chosen)).find(|other| other.array == element.array)?;
        Some((other.start, self.elements.span(element.array).1))
    }

    /// What of the choice so far the fields from a number on can disagree with.
    fn relevant(&self, n: usize) -> Vec<u32> {
        let later = self.fields.get(n..).unwrap_or_default();
        let touches = |chosen: &&u32| {
            let Some(element) = self.elements.get(**chosen) else { return false };
            let (start, end) = self.elements.span(element.array);
            later.iter().any(|field| {
                let at = field.all.partition_point(|place| place.offset < start);
                field.all.get(at).is_some_and(|place| place.offset < end)
            })
        };
        let mut relevant: Vec<u32> = self.chosen.iter().filter(touches).copied().collect();
        relevant.sort_unstable();
        relevant
    }
}
