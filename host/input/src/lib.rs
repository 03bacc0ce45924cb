//! What a target gets of an event: a part of it, a constant, or a template filled with parts of it, spelled as EventBridge
//! spells them (docs/design/input.md). Invariant: applying one is pure and total, what is JSON stays JSON whatever the event
//! holds, and numbers stay as they were written. It does no I/O, and knows no rules but by name.

#![forbid(unsafe_code)]

mod error;
mod fill;
mod find;
mod input;
pub mod limits;
mod path;
mod reserved;
mod skip;
mod template;

pub use error::{InputError, InputErrors, InputPlace, InputReason, Unmade};
pub use input::{Input, Occasion};
