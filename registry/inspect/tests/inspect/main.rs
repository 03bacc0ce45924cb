//! The inspector on whole components: real ones, real ones that were damaged, and ones that have just too much of something.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect, helpers included"
)]

mod binary;
mod bounds;
mod guests;
mod mutants;
mod sound;
