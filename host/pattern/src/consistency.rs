//! Array consistency: the fields of a pattern must hold in the same element of every list of objects that they pass. Values
//! that stand in a list themselves are not bound by it; and `exists: false` asks for no value in the elements that the fields
//! before it (by their paths) were found in. Invariant: the answer is that of trying every choice of values; the cost is about
//! that of looking at each value once, since a choice that failed is not tried again, and a list's other elements are jumped
//! over.

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
    let mut search = Search::new(fields, elements);
    let mut picks = vec![None; fields.len()];
    search.from(0, Vec::new(), &mut picks).then_some(picks)
}

struct Search<'a> {
    fields: &'a [Candidate<'a>],
    elements: &'a Elements,
    /// The lowest number of a list that a field has values in: the two below are by the numbers from there on.
    base: u32,
    /// The last field that has values in a list.
    last_use: Vec<usize>,
    /// The element of a list that the choice so far has passed. With it, all elements around it are chosen.
    chosen: Vec<u32>,
    failed: HashSet<(usize, Vec<u32>)>,
}

impl<'a> Search<'a> {
    fn new(fields: &'a [Candidate<'a>], elements: &'a Elements) -> Self {
        let mut search =
            Self { fields, elements, base: 0, last_use: Vec::new(), chosen: Vec::new(), failed: HashSet::new() };
        let innermost = || fields.iter().flat_map(|field| field.all).filter_map(|place| elements.get(place.element));
        let outermost = |element: &Element| {
            let mut array = element.array;
            let mut at = *element;
            while let Some(parent) = elements.get(at.parent) {
                array = array.min(parent.array);
                at = *parent;
            }
            array
        };
        // A list has a higher number than those around it.
        let Some(base) = innermost().map(outermost).min() else { return search };
        let lists = innermost().map(|element| element.array - base).max().map_or(0, |last| last as usize + 1);
        search.base = base;
        search.last_use = vec![0; lists];
        search.chosen = vec![NO_ELEMENT; lists];
        for (n, field) in fields.iter().enumerate() {
            for place in field.all {
                search.mark(place.element, n);
            }
        }
        search
    }

    /// Notes that a field has a value in an element, and so in all around it.
    fn mark(&mut self, innermost: u32, field: usize) {
        let mut at = innermost;
        while let Some(element) = self.elements.get(at) {
            let Some(last) = self.last_use.get_mut((element.array - self.base) as usize) else { return };
            // The fields come in order: where this one is noted, it is noted all around.
            if *last == field && field > 0 {
                return;
            }
            *last = field;
            at = element.parent;
        }
    }

    fn chosen_of(&self, element: &Element) -> u32 {
        self.chosen.get((element.array - self.base) as usize).copied().unwrap_or(NO_ELEMENT)
    }

    /// Whether the fields from a number on can be chosen too. The tips are what they could disagree with: the innermost chosen
    /// elements of lists that they have values in.
    fn from(&mut self, n: usize, tips: Vec<u32>, picks: &mut [Option<usize>]) -> bool {
        let fields = self.fields;
        let Some(field) = fields.get(n) else { return true };
        let state = (n, tips);
        if self.failed.contains(&state) {
            return false;
        }
        let all = |at: usize| field.all.get(at).copied();
        if field.absent && self.next(field.all.len(), all, 0).is_none() {
            let tips = self.tips(&state.1, NO_ELEMENT, n + 1);
            if self.from(n + 1, tips, picks) {
                return true;
            }
        }
        let mut from = 0;
        let fit = |at: usize| field.fit.get(at).map(|(_, place)| *place);
        while let Some(at) = self.next(field.fit.len(), fit, from) {
            from = at + 1;
            let Some((number, place)) = field.fit.get(at) else { break };
            if let Some(pick) = picks.get_mut(n) {
                *pick = Some(*number);
            }
            let set = self.choose(place.element);
            let tips = self.tips(&state.1, place.element, n + 1);
            if self.from(n + 1, tips, picks) {
                return true;
            }
            self.leave(place.element, set);
        }
        if let Some(pick) = picks.get_mut(n) {
            *pick = None;
        }
        self.failed.insert(state);
        false
    }

    /// Chooses an element and those around it, up to one that is chosen, and says how many that were.
    fn choose(&mut self, innermost: u32) -> usize {
        let (mut at, mut set) = (innermost, 0);
        while let Some(element) = self.elements.get(at).filter(|element| self.chosen_of(element) != at) {
            if let Some(chosen) = self.chosen.get_mut((element.array - self.base) as usize) {
                *chosen = at;
            }
            set += 1;
            at = element.parent;
        }
        set
    }

    fn leave(&mut self, innermost: u32, set: usize) {
        let mut at = innermost;
        for _ in 0..set {
            let Some(element) = self.elements.get(at) else { return };
            if let Some(chosen) = self.chosen.get_mut((element.array - self.base) as usize) {
                *chosen = NO_ELEMENT;
            }
            at = element.parent;
        }
    }

    /// What of some elements the fields from a number on can disagree with.
    fn tips(&self, before: &[u32], new: u32, n: usize) -> Vec<u32> {
        let used = |tip: u32| {
            let mut at = tip;
            while let Some(element) = self.elements.get(at) {
                if self.last_use.get((element.array - self.base) as usize).is_some_and(|last| *last >= n) {
                    return Some(at);
                }
                at = element.parent;
            }
            None
        };
        let mut tips: Vec<u32> = before.iter().copied().chain([new]).filter_map(used).collect();
        tips.sort_unstable();
        tips.dedup();
        tips
    }

    /// The first place from a number on that agrees with what is chosen.
    fn next(&self, length: usize, place: impl Fn(usize) -> Option<Place>, from: usize) -> Option<usize> {
        let mut at = from;
        while let Some(found) = place(at) {
            let Some((start, end)) = self.disagreement(found.element) else { return Some(at) };
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

    /// Where the chosen element of a list begins, and where the list ends, if an element disagrees with it: of the outermost
    /// such list, which leads furthest.
    fn disagreement(&self, innermost: u32) -> Option<(u32, u32)> {
        let (mut at, mut found) = (innermost, None);
        while let Some(element) = self.elements.get(at) {
            let chosen = self.chosen_of(element);
            if chosen == at {
                break;
            }
            if let Some(chosen) = self.elements.get(chosen) {
                found = Some((chosen.start, self.elements.span(element.array).1));
            }
            at = element.parent;
        }
        found
    }
}
