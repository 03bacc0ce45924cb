//! One call of a guest to the outside: what it asked, what it was told, and how long that took.
//!
//! Invariant: what was said is kept field by field as its bytes, so that a secret is found in it whatever it stands beside, and a replay can give the very
//! same again. Where there is no room a field is a length and a digest, which tells whether another answer is the same.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use wharf_event::Digest;

use crate::limits::{CALL_BYTES, FIELD_BYTES, WHOLE_BYTES};

/// Fields of what was asked that a guest made itself and sent: what it held may be spelled in them in any way.
const SENT: [&str; 4] = ["fields", "body", "ask", "variables"];

/// What was said in one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole(Bytes),
    /// There was no room for it.
    Digest {
        /// How many bytes it has.
        bytes: u64,
        /// SHA-256 of them.
        digest: Digest,
    },
}

impl Part {
    /// What tells the bytes from others, without them.
    #[must_use]
    pub fn digest(of: &[u8]) -> Self {
        Self::Digest { bytes: of.len() as u64, digest: Digest::of(of) }
    }

    /// The same without its bytes, where that is shorter.
    #[must_use]
    pub fn shortened(self) -> Self {
        match self {
            Self::Whole(whole) if whole.len() > WHOLE_BYTES => Self::digest(&whole),
            short => short,
        }
    }

    /// Bytes that are kept of it.
    fn len(&self) -> usize {
        match self {
            Self::Whole(whole) => whole.len(),
            Self::Digest { .. } => 0,
        }
    }

    /// Bytes that it had.
    fn of(&self) -> u64 {
        match self {
            Self::Whole(whole) => whole.len() as u64,
            Self::Digest { bytes, .. } => *bytes,
        }
    }
}

impl From<Bytes> for Part {
    fn from(whole: Bytes) -> Self {
        Self::Whole(whole)
    }
}

impl From<Vec<u8>> for Part {
    fn from(whole: Vec<u8>) -> Self {
        Self::Whole(whole.into())
    }
}

impl From<String> for Part {
    fn from(whole: String) -> Self {
        Self::Whole(whole.into())
    }
}

impl From<&str> for Part {
    fn from(whole: &str) -> Self {
        Self::Whole(Bytes::copy_from_slice(whole.as_bytes()))
    }
}

impl From<&[u8]> for Part {
    fn from(whole: &[u8]) -> Self {
        Self::Whole(Bytes::copy_from_slice(whole))
    }
}

/// A field of what was asked or told. Several may have one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: Cow<'static, str>,
    /// What it says.
    pub part: Part,
}

impl Field {
    /// What it takes on a tape, in bytes.
    fn bytes(&self) -> usize {
        FIELD_BYTES + self.name.len() + self.part.len()
    }
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The function that was called, such as `wasi:keyvalue/store.get`.
    pub function: Cow<'static, str>,
    /// When it began, since the attempt did.
    pub began: Duration,
    /// How long its answer took.
    pub took: Duration,
    /// What was asked.
    pub asked: Vec<Field>,
    /// What was told. Where there was nothing to tell, it is empty; why there was no answer stands under `error`.
    pub told: Vec<Field>,
}

impl Call {
    /// A call of which nothing is known but its function.
    #[must_use]
    pub fn of(function: &'static str) -> Self {
        let (asked, told) = (Vec::new(), Vec::new());
        Self { function: function.into(), began: Duration::ZERO, took: Duration::ZERO, asked, told }
    }

    /// Adds to what was asked.
    #[must_use]
    pub fn asked(mut self, name: &'static str, part: impl Into<Part>) -> Self {
        self.asked.push(Field { name: name.into(), part: part.into() });
        self
    }

    /// Adds to what was told.
    #[must_use]
    pub fn told(mut self, name: &'static str, part: impl Into<Part>) -> Self {
        self.told.push(Field { name: name.into(), part: part.into() });
        self
    }

    /// The same with no more of its fields than short ones.
    pub(crate) fn shortened(mut self) -> Self {
        for field in self.fields_mut() {
            let part = std::mem::replace(&mut field.part, Part::Whole(Bytes::new()));
            field.part = part.shortened();
        }
        self
    }

    /// Leaves of what the guest made itself and sent nothing but its length.
    pub(crate) fn withhold(&mut self) {
        for Field { name, part } in &mut self.asked {
            if SENT.contains(&&**name) {
                *part = format!("[{} bytes; the plugin held a secret]", part.of()).into();
            }
        }
    }

    pub(crate) fn fields_mut(&mut self) -> impl Iterator<Item = &mut Field> {
        self.asked.iter_mut().chain(&mut self.told)
    }

    /// What it takes on a tape, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        CALL_BYTES + self.function.len() + self.asked.iter().chain(&self.told).map(Field::bytes).sum::<usize>()
    }
}
