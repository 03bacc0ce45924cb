//! A component made ready to be compiled: taken apart into large core modules that are the same in many components and the rest, which imports them; and
//! with room in a memory that grows (`room.rs`).
//!
//! A plugin in Python or JavaScript is a small module with memory and data, another one in every build, beside an interpreter that is
//! byte for byte the same in every build of the same SDK. Taken out, the interpreter can be compiled, kept and loaded once.
//!
//! Invariants: the rest with its parts in place of its imports means what the component meant: every index is what it was, and each import has exactly
//! the type of the module that it stands for. A part is a section's bytes as they are in the component, named by their SHA-256.
//! Nothing is compiled or validated here: of bytes that are no component, or that cannot be told apart so, the rest is the whole.

pub mod limits;
mod name;
mod room;
mod section;
mod shape;
mod split;
#[cfg(test)]
mod whole;

pub use name::wanted;
pub use room::with_room;
pub use split::{Part, Parts, parts};
