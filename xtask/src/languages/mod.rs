//! `cargo xtask languages`: one behaviour suite over every language that a plugin can be written in.
//!
//! Goal: a component behaves the same whatever it was written in, with an SDK or without. Method: `tests/languages/README.md` says what a
//! small program, the probe, does; `tests/languages/scenarios.json` says what is sent to it and what must come of that; each language's
//! probe is run in a real host, which is asked by its API what happened.
//!
//! Invariant: what is expected stands in the table and nowhere else; a row differs from another by its components only.

mod answers;
mod check;
mod command;
mod compare;
mod row;
mod scenario;
mod site;

pub use command::{Args, run};
pub use scenario::ROWS;
