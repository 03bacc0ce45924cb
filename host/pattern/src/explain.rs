//! Why an event does not match, and why it does. Invariant: there is a mismatch exactly when `matches` says no, and all texts
//! are bounded however large the event is. It explains one pattern; which rules are worth explaining is not its business.

use std::fmt::{self, Write as _};

use crate::{
    condition::Condition,
    limits::SHOWN_CHARS_MAX,
    pattern::{Leaf, Pattern},
    subject::{Lead, Subject},
    text::escaped,
    tree::Spot,
    ways::Way,
};

/// What `saw` says of a field that is not there. No JSON value prints like this.
const ABSENT: &str = "absent";

/// The first field of a pattern that an event does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// A JSON pointer (RFC 6901) of field names: lists on the way have no token of their own.
    pub pointer: String,
    /// What the pattern wants: its list for this field, or a phrase such as `an object`.
    pub wanted: String,
    /// What the event has, as its text has it, cut to 200 characters: the value, a list of all values if there are several,
    /// or `absent`.
    pub saw: String,
}

/// One field of a pattern that an event fits, and by which value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// A JSON pointer (RFC 6901) to the value in the event; where none is and none must be, to the field.
    pub pointer: String,
    /// The entry of the pattern's list that holds.
    pub wanted: String,
    /// The value, as its text has it, cut to 200 characters, or `absent`.
    pub saw: String,
}

/// What a pattern says to an event: why it matches, or why not.
pub type Verdict = Result<Vec<Evidence>, Mismatch>;

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pointer, wanted, saw } = self;
        let tokens: Vec<String> =
            pointer.split('/').skip(1).map(|it| it.replace("~1", "/").replace("~0", "~")).collect();
        let field = if tokens.is_empty() { "the event".to_owned() } else { tokens.join(".") };
        if saw == ABSENT {
            write!(f, "{field} is absent, not one of {wanted}")
        } else if wanted.starts_with('[') {
            write!(f, "{field} = {saw} is not in {wanted}")
        } else {
            write!(f, "{field} = {saw} is not {wanted}")
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pointer, wanted, saw } = self;
        match saw.as_str() {
            ABSENT => write!(f, "{pointer} is absent"),
            saw if saw == wanted => write!(f, "{pointer} = {saw}"),
            saw => write!(f, "{pointer} = {saw} is {wanted}"),
        }
    }
}

impl Pattern {
    /// Why the event matches, or why it does not.
    ///
    /// # Errors
    /// When it does not.
    pub fn judge(&self, subject: &Subject) -> Verdict {
        self.evidence(subject).ok_or_else(|| self.furthest(subject))
    }

    /// Why the event does not match: the first field that fails, along the way through `$or` that gets furthest. `None` means
    /// that it matches.
    #[must_use]
    pub fn explain(&self, subject: &Subject) -> Option<Mismatch> {
        (!self.matches(subject)).then(|| self.furthest(subject))
    }

    fn furthest(&self, subject: &Subject) -> Mismatch {
        let failures = self.ways.iter().map(|way| way.failure(subject));
        // Of ways that get equally far, the first.
        let furthest = failures.reduce(|best, next| if next.0 > best.0 { next } else { best });
        let nothing = || Mismatch { pointer: String::new(), wanted: shown(self), saw: ABSENT.to_owned() };
        furthest.map_or_else(nothing, |(_, mismatch)| mismatch)
    }

    /// Why the event matches: which value of which field, along the first way through `$or` that leads there. `None` means
    /// that it does not.
    #[must_use]
    pub fn evidence(&self, subject: &Subject) -> Option<Vec<Evidence>> {
        self.ways.iter().find_map(|way| way.evidence(subject))
    }
}

impl Way {
    /// The fields in the pattern's order, attributes first: what an event is says more than what is in it.
    fn ordered(&self) -> Vec<&Leaf> {
        let mut ordered: Vec<&Leaf> = self.leaves.iter().map(AsRef::as_ref).collect();
        ordered.sort_by_key(|leaf| leaf.order);
        ordered
    }

    /// How many fields hold before the first that does not, and what is wrong with that one.
    fn failure(&self, subject: &Subject) -> (usize, Mismatch) {
        let ordered = self.ordered();
        for (passed, leaf) in ordered.iter().enumerate() {
            let candidate = leaf.candidate(subject.spot(&leaf.path));
            if candidate.fit.is_empty() && !(leaf.absent && candidate.all.is_empty()) {
                return (passed, leaf.mismatch(subject));
            }
        }
        (ordered.len(), self.inconsistency(subject))
    }

    /// Every field holds, but not all in one element.
    fn inconsistency(&self, subject: &Subject) -> Mismatch {
        let listed = |leaf: &&Leaf| {
            subject.spot(&leaf.path).is_some_and(|(_, spot)| spot.places.iter().any(|place| place.element != u32::MAX))
        };
        let leaves: Vec<&Leaf> = self.ordered().into_iter().filter(listed).collect();
        let mut common: Vec<&str> = leaves.first().map(|leaf| leaf.path.split('.').collect()).unwrap_or_default();
        for leaf in &leaves {
            let same = common.iter().zip(leaf.path.split('.')).take_while(|(a, b)| **a == *b).count();
            common.truncate(same);
        }
        let path = common.join(".");
        let fields: Vec<String> = leaves.iter().map(|leaf| format!("{}: {leaf}", leaf.path)).collect();
        let wanted = shown(format_args!("a list with one element that has all of {{{}}}", fields.join(", ")));
        let lead = if common.is_empty() { subject.whole() } else { subject.lead(&path) };
        let spot = lead.tree.spot(lead.path);
        let saw = spot.and_then(|spot| lead.tree.structure(spot)).map_or_else(|| ABSENT.to_owned(), text);
        Mismatch { pointer: lead.pointer(), wanted, saw }
    }

    fn evidence(&self, subject: &Subject) -> Option<Vec<Evidence>> {
        let picks = self.choice(subject)?;
        let mut all: Vec<(u32, Evidence)> =
            self.leaves.iter().zip(picks).map(|(leaf, pick)| (leaf.order, leaf.evidence(subject, pick))).collect();
        all.sort_by_key(|(order, _)| *order);
        Some(all.into_iter().map(|(_, evidence)| evidence).collect())
    }
}

impl Leaf {
    fn mismatch(&self, subject: &Subject) -> Mismatch {
        let lead = subject.lead(&self.path);
        let Lead { tree, above, path, .. } = lead;
        if let Some(spot) = tree.spot(path) {
            let values: Vec<&[u8]> =
                (0..spot.places.len()).map_while(|n| tree.shown(spot, n)).map(|(_, text)| text).collect();
            let saw = match values.as_slice() {
                [] => tree.structure(spot).map_or_else(|| ABSENT.to_owned(), text),
                [value] => text(value),
                values => text(&[b"[", values.join(&b","[..]).as_slice(), b"]"].concat()),
            };
            return Mismatch { pointer: lead.pointer(), wanted: shown(self), saw };
        }
        match path.and_then(|path| lead.scalar_on_the_way(path)) {
            Some(spot) => {
                let saw = tree.shown(spot, 0).map_or_else(String::new, |(_, value)| text(value));
                let pointer = format!("{above}{}", tree.named(spot).unwrap_or_default());
                Mismatch { pointer, wanted: "an object".to_owned(), saw }
            }
            None => Mismatch { pointer: lead.pointer(), wanted: shown(self), saw: ABSENT.to_owned() },
        }
    }

    fn evidence(&self, subject: &Subject, pick: Option<usize>) -> Evidence {
        let lead = subject.lead(&self.path);
        let Lead { tree, above, path, .. } = lead;
        let found = tree.spot(path).zip(pick).and_then(|(spot, n)| {
            let wanted = tree.scalars(spot).nth(n).and_then(|scalar| self.held_by(scalar))?;
            tree.shown(spot, n).map(|(below, value)| (below, value, wanted))
        });
        match found {
            Some((below, value, wanted)) => {
                Evidence { pointer: format!("{above}{below}"), wanted: shown(wanted), saw: text(value) }
            }
            None => {
                let wanted = Condition::Exists(false).to_string();
                Evidence { pointer: lead.pointer(), wanted, saw: ABSENT.to_owned() }
            }
        }
    }
}

impl Lead<'_> {
    /// The pointer to what is there, without the lists on the way: the event's own names; where nothing is, those that it would
    /// have.
    fn pointer(&self) -> String {
        let found = self.tree.spot(self.path).and_then(|spot| self.tree.named(spot));
        let below = found.unwrap_or_else(|| {
            let names = self.path.iter().flat_map(|path| path.split('.')).enumerate();
            let here = |n, name| self.renamed.filter(|_| n == 0 && self.above.is_empty()).unwrap_or(name);
            names.map(|(n, name)| format!("/{}", escaped(here(n, name)))).collect()
        });
        format!("{}{below}", self.above)
    }

    /// A value that stands where the path goes on.
    fn scalar_on_the_way(&self, path: &str) -> Option<&Spot> {
        let mut dots = path.bytes().enumerate().filter(|(_, byte)| *byte == b'.').map(|(at, _)| at);
        let scalar = |spot: &&Spot| !spot.places.is_empty();
        let found = dots.find_map(|at| self.tree.spot(path.get(..at)).filter(scalar));
        // The first name may be EventBridge's, or that of the payload as a whole.
        let first = self.renamed.filter(|_| self.above.is_empty());
        found.or_else(|| self.tree.spot(first).filter(scalar))
    }
}

/// A piece of the event's text, up to the limit.
fn text(bytes: &[u8]) -> String {
    // Four bytes are the longest character.
    let kept = bytes.get(..bytes.len().min(4 * SHOWN_CHARS_MAX + 4)).unwrap_or_default();
    shown(String::from_utf8_lossy(kept))
}

/// Prints a value up to the limit, without printing the rest of it anywhere.
fn shown(value: impl fmt::Display) -> String {
    let mut cut = Cut { text: String::new(), left: SHOWN_CHARS_MAX };
    // The error says that it was cut.
    if write!(cut, "{value}").is_err() {
        cut.text.push('…');
    }
    cut.text
}

struct Cut {
    text: String,
    left: usize,
}

impl fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(c);
        }
        Ok(())
    }
}
