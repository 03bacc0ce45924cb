//! `cargo xtask faults`: the crash suite in long form (`tests/crash`), built and run.
//!
//! It has no verdict of its own: the suite's exit status is this command's.

use std::process::Command;

use anyhow::{Result, bail};

use crate::host::binary::{self, Profile};

/// Options of `cargo xtask faults`.
#[derive(clap::Args)]
pub struct Args {
    /// Fates of what was not synced that are tried at each operation.
    #[arg(long, default_value_t = 12, value_name = "N")]
    fates: u64,
    /// Every which operation is cut once more while the partition is opened again.
    #[arg(long, default_value_t = 1, value_name = "N")]
    stride: u64,
    /// `json`: one object on stdout.
    #[arg(short, long, value_name = "FORMAT", value_parser = ["json"])]
    output: Option<String>,
}

/// Runs the suite.
pub fn run(args: &Args) -> Result<()> {
    let mut command = Command::new(binary::build_of("wharf-crash", Profile::Dev)?);
    command.args(["--fates", &args.fates.to_string(), "--stride", &args.stride.to_string()]);
    command.args(args.output.is_some().then_some("--json"));
    if !command.status()?.success() {
        bail!("something does not hold; what it is stands above");
    }
    Ok(())
}
