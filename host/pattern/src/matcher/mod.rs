//! Many patterns at once: an event's bytes are read once, only fields that some rule names are looked at, and each field has
//! one index that all rules share. Invariants: what it finds is what [`crate::Pattern::matches`] finds, rule by rule; a clone
//! shares everything with what it was cloned from and costs nothing, so that readers keep a snapshot while a writer goes on
//! with its own.
//!
//! Of each way through a rule's pattern, one field is its door: the one that fewest events will open, such as a string that
//! must be equal. The index of that field leads from a value to the ways behind it, and only those are asked for their other
//! fields, with the values that the same pass has noted.

mod door;
mod fields;
mod index;
mod pass;
mod postings;
mod ranges;
mod rules;
mod scratch;
mod slab;
mod table;
mod trie;
mod verify;

pub use rules::{RuleMatcher, RulesError};
pub use scratch::Scratch;
