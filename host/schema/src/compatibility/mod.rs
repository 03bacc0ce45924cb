//! Whether a new version of a schema may take the place of an old one. Invariant: what is called compatible is: every payload
//! that one side allows, the other allows too. The other way round it is careful: where structure alone does not tell (a changed
//! `pattern`, a new `if`), it says that it cannot, and calls them incompatible.

mod members;
mod scalars;
mod side;
mod within;

use serde::{Deserialize, Serialize};

use crate::{limits::INCOMPATIBILITIES_MAX, schema::Schema};

/// What has to hold between a version and the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// What was valid stays valid: whoever knows the new schema can read old events.
    #[default]
    Backward,
    /// What is valid now was valid before: whoever knows the old schema can read new events.
    Forward,
    /// Both.
    Full,
    /// Nothing.
    None,
}

/// Which promise is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Breaks {
    /// A payload may be valid by the old schema and not by the new one.
    Backward,
    /// A payload may be valid by the new schema and not by the old one.
    Forward,
}

/// One reason why two schemas are not compatible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incompatibility {
    /// Which promise it breaks.
    pub breaks: Breaks,
    /// A JSON pointer to the keyword that allows less: into the new schema if it breaks `backward`, else into the old one.
    pub pointer: String,
    /// What it allows less, or why that is not known.
    pub why: String,
    /// Whether it is certain. If not, the two may well be compatible.
    pub certain: bool,
}

/// Every reason why `new` cannot follow `old` in this mode, up to a limit; none if it can.
#[must_use]
pub fn compatibility(old: &Schema, new: &Schema, mode: Mode) -> Vec<Incompatibility> {
    let directions: &[Breaks] = match mode {
        Mode::Backward => &[Breaks::Backward],
        Mode::Forward => &[Breaks::Forward],
        Mode::Full => &[Breaks::Backward, Breaks::Forward],
        Mode::None => &[],
    };
    let mut found = Vec::new();
    for &breaks in directions {
        let (narrow, wide) = match breaks {
            Breaks::Backward => (old, new),
            Breaks::Forward => (new, old),
        };
        let gaps = within::gaps(&narrow.document, &wide.document).into_iter();
        found.extend(gaps.map(|gap| Incompatibility { breaks, pointer: gap.at, why: gap.why, certain: gap.certain }));
    }
    found.truncate(INCOMPATIBILITIES_MAX);
    found
}
