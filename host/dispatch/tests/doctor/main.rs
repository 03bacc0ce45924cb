//! Goal: the doctor finds what is wrong with a data folder, names it and what is lost, repairs projections, and says nothing of
//! a folder that is sound.
//! Method: a small real folder is made through the crates (tiny segments, a checkpoint with frames behind it, components); bits of
//! its files are flipped one at a time, and files are taken away.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod flips;
mod folder;
mod losses;
mod repairs;
