//! `cargo xtask oci`: components go to a real OCI registry and come back, between `wharf` and `wkg`.
//!
//! Invariant: the registry is Debian's and `wkg` is the Bytecode Alliance's; nothing of either is ours. Both are fetched to the build folder and
//! nothing is installed. Every check ends in digests that are compared here.
//!
//! It is no part of `cargo xtask test`, which has to be had without these programs: its tests have a small registry in their own process.

mod command;
mod registry;

pub use command::{Args, run};
