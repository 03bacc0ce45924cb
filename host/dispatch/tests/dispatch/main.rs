//! The tasks with handlers that are closures, in a folder of the real disk.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod answering;
mod asking;
mod contended;
mod failing_disk;
mod full_disk;
mod host;
mod host_faults;
mod objects;
mod paging;
mod registry;
mod requests;
mod web;
