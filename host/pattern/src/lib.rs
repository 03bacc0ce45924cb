//! Event patterns, spelled as EventBridge spells them: which events a rule is about. Invariant: matching is pure and total,
//! and all ways to ask ([`Pattern::matches`], [`Pattern::explain`], [`RuleMatcher`]) agree; what they say is what AWS's
//! event-ruler says. It does no I/O, and knows no rules but by numbers.

#![forbid(unsafe_code)]

mod address;
mod block;
mod condition;
mod consistency;
mod document;
mod error;
mod explain;
mod fold;
pub mod limits;
pub mod line;
mod matcher;
mod matching;
mod number;
mod numeral;
mod operators;
mod parse;
mod pattern;
mod scan;
mod subject;
mod text;
mod tree;
mod ways;
mod wildcard;

pub use error::{PatternError, PatternErrors, PatternReason};
pub use explain::{Evidence, Mismatch, Verdict};
pub use matcher::{RuleMatcher, RulesError, Scratch};
pub use pattern::Pattern;
pub use scan::{JsonError, JsonFault};
pub use subject::Subject;
