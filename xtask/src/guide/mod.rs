//! `cargo xtask guide`: the pages of `docs/guide`, done as a newcomer does them who copies and pastes.
//!
//! Invariant: no block of a page is left out: one that could not be done is a mistake of the page.

mod command;
mod page;
mod reader;
mod terminal;

pub use command::{Args, at_hand, quick, run};
pub use reader::{Reader, Tools};
