//! `cargo xtask fuzz`: every fuzz target of the repository for some time, on the stable toolchain.
//!
//! Method: the targets are built as cargo-fuzz builds them (libFuzzer, the address sanitizer, coverage), with the switch that lets the
//! stable compiler do so, and run one after the other. What they found before is kept below `target/fuzz` and goes on from there.
//!
//! It is no test: how long is long enough is up to whoever runs it. Exit status 1 when a target fails; its input is named.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::guests::cargo;

/// Folders with fuzz targets, each a workspace of its own.
const FOLDERS: [&str; 3] = ["host/input/fuzz", "host/pattern/fuzz", "registry/inspect/fuzz"];

/// As cargo-fuzz has them.
const RUSTFLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Clink-dead-code -Zsanitizer=address \
     -Cdebug-assertions -Ccodegen-units=1";

/// Said aloud, so that build scripts are not sanitized.
const TRIPLE: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };

/// Options of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub struct Args {
    /// How long each target runs, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Only the target of this name.
    #[arg(long, value_name = "TARGET")]
    only: Option<String>,
}

/// Builds and runs them.
pub fn run(args: &Args) -> Result<()> {
    let (root, home) = (cargo::repository(), cargo::repository().join("target/fuzz"));
    let mut targets = Vec::new();
    for folder in FOLDERS {
        for entry in
            fs::read_dir(root.join(folder).join("fuzz_targets")).with_context(|| format!("reading {folder}"))?
        {
            let file = entry?.path();
            let name = file.file_stem().context("a target without a name")?.to_string_lossy().into_owned();
            targets.push((root.join(folder), name));
        }
    }
    targets.sort();
    targets.retain(|(_, name)| args.only.as_ref().is_none_or(|only| only == name));
    ensure!(!targets.is_empty(), "there is no such target");
    for (folder, name) in &targets {
        let program = build(folder, name, &home)?;
        fuzz(&program, name, &home, args.seconds)?;
    }
    Ok(())
}

fn build(folder: &Path, name: &str, home: &Path) -> Result<PathBuf> {
    eprintln!("fuzz: building {name}");
    let mut command = Command::new("cargo");
    command.current_dir(folder).args(["build", "--release", "--target", TRIPLE, "--bin", name]);
    command.env("CARGO_TARGET_DIR", home.join("build")).env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", RUSTFLAGS);
    ensure!(command.status().with_context(|| format!("starting {command:?}"))?.success(), "{name} cannot be built");
    Ok(home.join("build").join(TRIPLE).join("release").join(name))
}

fn fuzz(program: &Path, name: &str, home: &Path, seconds: u32) -> Result<()> {
    eprintln!("fuzz: running {name} for {seconds} s");
    let (corpus, found) = (home.join("corpus").join(name), home.join("found"));
    for folder in [&corpus, &found] {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let prefix = found.join(format!("{name}-"));
    let mut command = Command::new(program);
    command.arg(format!("-max_total_time={seconds}")).args([
        "-rss_limit_mb=4096",
        "-print_final_stats=1",
        "-verbosity=0",
    ]);
    command.arg(format!("-artifact_prefix={}", prefix.display())).arg(&corpus);
    let status = command.status().with_context(|| format!("starting {command:?}"))?;
    if !status.success() {
        bail!("{name} failed ({status}); its input is {}…", prefix.display());
    }
    println!("{name}: nothing found in {seconds} s");
    Ok(())
}
