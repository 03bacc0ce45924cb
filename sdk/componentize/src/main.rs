//! `wharf-componentize`: the contract as C and Go. It writes the bindings that `sdk/c` has committed, and those of one world as the generator
//! gives them. Components are made by `wharf componentize`.
//!
//! Invariant: what it writes is a function of `wit/`, of its arguments, and of the versions in `Cargo.lock`.
//!
//! It is a workspace of its own, since its crates are of other versions than the host's. It compiles nothing.

mod bindings;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
wharf-componentize bindings [--check]                   write sdk/c's and sdk/go's bindings, or compare them
wharf-componentize bare c|go WORLD FOLDER               write the bindings of one world as the generator gives them";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["bindings"] => bindings::write_all(),
        ["bindings", "--check"] => bindings::check_all(),
        ["bare", language, world, folder] => bindings::write(&bindings::bare(language, world)?, Path::new(folder)),
        _ => bail!("usage:\n{USAGE}"),
    }
}
