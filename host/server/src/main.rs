//! The `wharf` binary: a host, and the command line that talks to one.
//!
//! Invariant: this file is a table of contents. What can be said on the command line is in `cli`; what a host is built of is
//! in `wire`.

mod adapter;
mod author;
mod behind;
mod beside;
mod building;
mod cli;
mod client;
mod compile;
mod compiler;
mod config;
mod dev;
mod entrance;
mod failure;
mod files;
mod filling;
mod folder;
mod heap;
mod image;
mod infer;
mod load;
mod logging;
mod lookout;
mod models;
mod nearest;
mod outside;
mod pace;
mod prices;
mod progress;
mod project;
mod registry;
mod schema_file;
mod secret_key;
mod sent;
mod serve;
mod shares;
mod signing;
mod sources;
mod tenant_tables;
mod threads;
mod unmatched;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    heap::keep_pages_small();
    cli::run()
}
