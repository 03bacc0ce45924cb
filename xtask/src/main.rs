//! `cargo xtask`: what is done with this repository, one command each.
//!
//! Invariant: this file is a table of contents; a command is a file or a folder of its own.
//!
//! It is not part of the product: nothing depends on it.

mod bench;
mod crash;
mod demo;
mod faketime;
mod faults;
mod fuzz;
mod guests;
mod guide;
mod host;
mod hostile;
mod interrupt;
mod languages;
mod left_out;
mod newcomer;
mod oci;
mod payloads;
mod poll;
mod sdks;
mod sim;
mod strangers;
mod tally;
mod templates;
mod test;

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "What is done with this repository")]
enum Command {
    /// Build the plugins in plugins/ as components, and the toolchain for that where there is none.
    Guests(guests::Args),
    /// Build everything, start a host, send it real events, print what happened, and keep serving.
    Demo(demo::Args),
    /// Format, lints, tidy and all tests: what must hold before a change is in.
    Test(test::Args),
    /// Kill a host at random moments amid traffic, and check that nothing was lost or done twice.
    Crash(crash::Args),
    /// Run histories of the core under virtual time, with faults, and hold them against a model.
    Sim(sim::Args),
    /// End a partition at every operation of a script, in every way, and check what comes back.
    Faults(faults::Args),
    /// Let each hostile guest break its limit again and again, and look what stays in the host's memory.
    Hostile(hostile::Args),
    /// Run the fuzz targets, each for some time.
    Fuzz(fuzz::Args),
    /// Run one behaviour suite over plugins of every language, with an SDK and without.
    Languages(languages::Args),
    /// How long somebody who begins waits in each language: for a first event, and for a change to be live.
    Newcomer(newcomer::Args),
    /// Test the SDKs for Python and JavaScript and their templates, and make their packages. Nothing is published.
    Sdks(sdks::Args),
    /// Let programs that know nothing of this repository judge a real host: SDKs, fuzzers, attackers. Fetches them.
    Strangers(strangers::Args),
    /// Let components go around between wharf, wkg and a real OCI registry. Fetches the latter two; wkg is compiled once.
    Oci(oci::Args),
    /// Build and test what `wharf new` writes, as its author would do it first.
    Templates(templates::Args),
    /// Do what the pages of `docs/guide` say, block by block, and see what they say is seen.
    Guide(guide::Args),
    /// Measure; a benchmark is no test.
    #[command(subcommand)]
    Bench(bench::Bench),
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Guests(args) => guests::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Crash(args) => crash::run(&args),
        Command::Sim(args) => sim::run(&args),
        Command::Faults(args) => faults::run(&args),
        Command::Hostile(args) => hostile::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Languages(args) => languages::run(&args),
        Command::Newcomer(args) => newcomer::run(&args),
        Command::Sdks(args) => sdks::run(&args),
        Command::Strangers(args) => strangers::run(&args),
        Command::Oci(args) => oci::run(&args),
        Command::Templates(args) => templates::run(&args),
        Command::Guide(args) => guide::run(&args),
        Command::Bench(which) => bench::run(&which),
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
