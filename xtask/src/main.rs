//! `cargo xtask`: what is done with this repository, one command each.
//!
//! Invariant: this file is a table of contents; a command is a file or a folder of its own.
//!
//! It is not part of the product: nothing depends on it.

mod guests;

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "What is done with this repository")]
enum Command {
    /// Build the plugins in plugins/ as components, and the toolchain for that where there is none.
    Guests(guests::Args),
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Guests(args) => guests::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line, whatever the depth: who runs this is to read what is wrong and not where in our code.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
