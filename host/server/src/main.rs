//! The `wharf` binary: a host, and the command line that talks to one.
//!
//! Invariant: this file is a table of contents. What can be said on the command line is in `cli`; what a host is built of is
//! in `wire`.

mod adapter;
mod cli;
mod client;
mod compile;
mod config;
mod dev;
mod failure;
mod folder;
mod load;
mod logging;
mod serve;
mod wire;

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// What one thread allocates another frees, all day: requests, records, answers. The system's allocator pays for that with locks.
#[global_allocator]
static HEAP: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
