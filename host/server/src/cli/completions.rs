//! `wharf completions` and `wharf man`: what a shell and a reader of manuals are told of the command line. No host is asked.
//!
//! Invariant: both are made of the command line itself, so they know every command and flag.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use clap_complete::Shell;

use super::{
    error::{Exit, talk},
    groups,
    output::Output,
    words::counted,
};

/// Prints a shell's completions.
///
/// # Errors
/// When stdout is gone.
pub fn completions(shell: Shell, out: &mut Output) -> Result<Exit> {
    let (mut command, mut script) = (groups::command(), Vec::new());
    clap_complete::generate(shell, &mut command, "wharf", &mut script);
    out.bytes(&script)?;
    Ok(Exit::Success)
}

/// Writes a page of the manual for every command.
///
/// # Errors
/// When the folder cannot be written.
pub fn man(folder: &Path) -> Result<Exit> {
    let unwritable = || format!("{} cannot be written", folder.display());
    fs::create_dir_all(folder).with_context(unwritable)?;
    clap_mangen::generate_to(groups::command(), folder).with_context(unwritable)?;
    let pages = fs::read_dir(folder).with_context(unwritable)?.count();
    talk(&format!("{} in {}; `man -l` shows one", counted(pages, "page", "pages"), folder.display()));
    Ok(Exit::Success)
}
