//! `cargo xtask strangers`: programs that know nothing of this repository, and what they say of a real host.
//!
//! Invariant: a stranger's verdict is its own; what is asked of the host beside it is only what any client could ask. Nothing is
//! installed: each brings its tools to the build folder.
//!
//! It is no part of `cargo xtask test`, which has to be had without these tools.

mod attack;
mod command;
mod seed;
pub mod tools;

pub use command::{Args, run};
pub use tools::Tools;
