//! Event patterns, spelled as EventBridge spells them: which events a rule is about. Invariant: matching is pure and total,
//! and `matches` and `explain` always agree. This is the plain evaluator behind a small face; the rest of the language and
//! a matcher for many patterns at once can come without a change to it.

mod condition;
mod error;
mod explain;
pub mod limits;
mod matching;
mod number;
mod parse;
mod pattern;

pub use error::{PatternError, PatternReason};
pub use explain::Mismatch;
pub use matching::Subject;
pub use pattern::Pattern;
