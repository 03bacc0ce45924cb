//! `wharf componentize`: a component of the module that a compiler of C or Go made. The builds of those languages call it; whoever builds by
//! `cargo`, componentize-py or componentize-qjs has a component already.
//!
//! Invariant: the component appears whole or not at all, and replaces the one before it in one step. No host is asked, nothing is compiled.

use std::{fs, path::PathBuf};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use wharf_encode::{Request, component};
use wharf_event::{Code, Digest};
use wharf_inspect::limits::COMPONENT_BYTES_MAX;

use super::{error::Exit, output::Output, words::good};
use crate::{compile::read_bounded, failure::Failure};

/// `wharf componentize`.
#[derive(Debug, Args)]
pub struct ComponentizeArgs {
    /// The module
    module: PathBuf,
    /// Where the component goes
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// The world, where the module does not say it: event-handler, event-batch-handler or event-transform; `proxy` of what
    /// answers requests, `command` of a program
    #[arg(long)]
    world: Option<String>,
    /// Answer within the component what the module asks of WASI, so that nothing of it is imported: a transform has to
    #[arg(long)]
    pure: bool,
    /// What the component says of itself: a custom section
    #[arg(long = "section", value_name = "NAME=TEXT", value_parser = section)]
    sections: Vec<(String, String)>,
}

#[derive(Serialize)]
struct Componentized {
    component: String,
    bytes: usize,
    digest: Digest,
}

fn section(said: &str) -> Result<(String, String), String> {
    let (name, text) = said.split_once('=').ok_or("a section is NAME=TEXT")?;
    Ok((name.to_owned(), text.to_owned()))
}

/// Makes a component of a module.
///
/// # Errors
/// When the module cannot be read or is none of its world, or the component cannot be written.
pub fn run(args: &ComponentizeArgs, out: &mut Output) -> Result<Exit> {
    let (from, to) = (args.module.display(), args.to.display());
    let module = read_bounded(&args.module, COMPONENT_BYTES_MAX as u64 + 1).map_err(|error| {
        let help = "does the compiler write it there?";
        Failure::new(Code::ComponentMissing, format!("{from} cannot be read: {error}"), help)
    })?;
    let sections = args.sections.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let request = Request { world: args.world.as_deref(), is_pure: args.pure, sections };
    let made = component(&module, &request).map_err(|error| {
        let help = "is it compiled as a reactor, with the SDK's sources of that kind, or said to be a program by --world command?";
        Failure::new(Code::BuildFailed, format!("{from}: {error}"), help)
    })?;
    let half = args.to.with_extension("half");
    fs::write(&half, &made).and_then(|()| fs::rename(&half, &args.to)).map_err(|error| {
        Failure::new(Code::BuildFailed, format!("{to} cannot be written: {error}"), "is its folder there?")
    })?;
    if out.is_json() {
        out.document(&Componentized { component: to.to_string(), bytes: made.len(), digest: Digest::of(&made) })?;
    } else {
        out.line(&format!("{}  {to}  {} KiB", good("made"), made.len().div_ceil(1 << 10)))?;
    }
    Ok(Exit::Success)
}
