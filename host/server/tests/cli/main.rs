//! The command line as a program: what it prints where, and its exit status.
//!
//! Goal: stdout is data and stderr is talk, every refusal has its exit status and its help, and a feed survives its
//! connection. Method: the binary runs against a host that answers from a script, on a port of the system's choice. What a
//! real host does is tested elsewhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect, helpers included"
)]

mod commands;
mod failures;
mod scripted;
mod sending;
mod signing;
