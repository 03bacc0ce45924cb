//! Where a condition stands in the index of its field. Invariant: every value that the condition holds for leads there; where
//! that is all that leads there, the door is sure.

use crate::{
    address::{Address, Block},
    condition::Condition,
    number::Key,
    pattern::Leaf,
};

/// A place in an index.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Door {
    /// Strings that are this (`whole`), or that begin with it.
    Head {
        text: Vec<u8>,
        whole: bool,
    },
    /// The same without regard to the case of ASCII.
    HeadFolded {
        text: Vec<u8>,
        whole: bool,
    },
    /// Strings that end with this, which is written backwards.
    Tail(Vec<u8>),
    TailFolded(Vec<u8>),
    /// Strings that have this anywhere.
    Within(Vec<u8>),
    /// Any string.
    Strings,
    /// Any value.
    Present,
    Null,
    Boolean(bool),
    Number(Key),
    /// A number by its spelling.
    Spelling(Vec<u8>),
    Numbers(Key, Key),
    Addresses(Block),
}

/// How many bytes of a text are looked for: what is longer is asked for the rest of it afterwards.
const TEXT_BYTES_MAX: usize = 64;

impl Door {
    /// The door of a condition and whether it is sure; `None` for what holds where no value is.
    pub(crate) fn of(condition: &Condition) -> Option<(Self, bool)> {
        let (mut door, sure) = Self::whole(condition)?;
        let text = match &mut door {
            Self::Head { text, whole: false }
            | Self::HeadFolded { text, .. }
            | Self::Tail(text)
            | Self::TailFolded(text) => text,
            Self::Within(text) => text,
            _ => return Some((door, sure)),
        };
        let cut = text.len() > TEXT_BYTES_MAX;
        text.truncate(TEXT_BYTES_MAX);
        if let Self::HeadFolded { whole, .. } = &mut door {
            *whole &= !cut;
        }
        Some((door, sure && !cut))
    }

    /// The same, with all of its text.
    fn whole(condition: &Condition) -> Option<(Self, bool)> {
        let reversed = |text: &[u8]| text.iter().rev().copied().collect::<Vec<u8>>();
        let head = |text: &str, whole| Self::Head { text: text.as_bytes().to_vec(), whole };
        Some(match condition {
            Condition::Null => (Self::Null, true),
            Condition::Boolean(value) => (Self::Boolean(*value), true),
            Condition::Number(number) => match number.key {
                Some(key) => (Self::Number(key), true),
                None => (Self::Spelling(number.text().as_bytes().to_vec()), true),
            },
            Condition::Address(wanted) => (Self::Addresses(Block::one(wanted.1)), true),
            Condition::Text(text) | Condition::Exactly(text) => (head(text, true), true),
            Condition::Prefix(text) => (head(text, false), true),
            Condition::Suffix(text) => (Self::Tail(reversed(text.as_bytes())), true),
            Condition::Folded(folded) => match folded.head() {
                (text, true) => (Self::HeadFolded { text, whole: true }, true),
                (text, false) => (Self::HeadFolded { text, whole: false }, false),
            },
            Condition::PrefixFolded(folded) => {
                let (text, all) = folded.head();
                (Self::HeadFolded { text, whole: false }, all)
            }
            Condition::SuffixFolded(folded) => {
                let (text, all) = folded.tail();
                (Self::TailFolded(reversed(&text)), all)
            }
            Condition::Wildcard(wildcard) => {
                let anchors = wildcard.anchors();
                let (head, tail, inner) = (anchors.head, anchors.tail, anchors.inner);
                // The longest of the texts that must be there keeps most strings out.
                if anchors.stars == 0 {
                    (Self::Head { text: head.to_vec(), whole: true }, true)
                } else if head.len() >= tail.len().max(1) && head.len() + 2 >= inner.len() {
                    (Self::Head { text: head.to_vec(), whole: false }, anchors.stars == 1 && tail.is_empty())
                } else if !tail.is_empty() && tail.len() + 2 >= inner.len() {
                    (Self::Tail(reversed(tail)), anchors.stars == 1 && head.is_empty())
                } else if !inner.is_empty() {
                    (Self::Within(inner.to_vec()), anchors.stars == 2 && head.is_empty() && tail.is_empty())
                } else {
                    (Self::Strings, true)
                }
            }
            Condition::AnythingBut(_) => (Self::Present, false),
            Condition::Numeric(range) => {
                let (first, last) = range.keys;
                (Self::Numbers(first, last), true)
            }
            Condition::Cidr(wanted) => (Self::Addresses(wanted.1), true),
            Condition::Exists(true) => (Self::Present, true),
            Condition::Exists(false) => return None,
        })
    }

    /// How many values are expected to lead there; less is better.
    fn width(&self) -> u32 {
        match self {
            Self::Head { whole: true, .. } | Self::Number(_) | Self::Spelling(_) => 0,
            Self::HeadFolded { whole: true, .. } => 1,
            Self::Addresses(block) if block.first == block.last => 1,
            Self::Head { text, .. } | Self::HeadFolded { text, .. } | Self::Tail(text) | Self::TailFolded(text)
                if !text.is_empty() =>
            {
                12 - text.len().min(8) as u32
            }
            Self::Within(text) => 16 - text.len().min(8) as u32,
            Self::Boolean(_) | Self::Null => 20,
            Self::Addresses(Block { first: Address::V4(_), .. }) => 21,
            Self::Addresses(_) => 22,
            Self::Numbers(first, last) if *first != Key::LOWEST && *last != Key::HIGHEST => 23,
            Self::Numbers(..) => 24,
            Self::Head { .. } | Self::HeadFolded { .. } | Self::Tail(_) | Self::TailFolded(_) | Self::Strings => 30,
            Self::Present => 31,
        }
    }
}

impl Leaf {
    /// The doors of all conditions of a field; `None` where absence is a way in too.
    pub(crate) fn doors(&self) -> Option<Vec<(Door, bool)>> {
        self.conditions.iter().map(Door::of).collect()
    }
}

/// The width of several doors together.
pub(crate) fn width(doors: &[(Door, bool)]) -> u32 {
    doors.iter().map(|(door, _)| door.width()).max().unwrap_or(u32::MAX)
}
