//! `cargo xtask test`: everything that must hold before a change is in: format, lints, tidy, and all tests.
//!
//! Invariant: it stops at the first step that fails and names the command that runs only that step again. Stdout has one line a
//! step and the test runner's own closing lines; what cargo says while it works is on stderr. What a step leaves out stands in its line, and
//! what tests leave out behind it.
//!
//! It does not fix anything.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::crash;
use crate::faketime;
use crate::guests::{self, cargo};
use crate::guide;
use crate::host::binary::{self, Profile};
use crate::sdks;
use crate::sim;
use crate::templates;

/// Rounds of the crash test.
const CRASH_ROUNDS: u32 = 10;

/// Histories of the simulation.
const HISTORIES: u64 = 200;

/// How the closing lines of a test binary begin.
const CLOSING: &str = "test result:";

/// The workspaces beside the root, each with the folder that it is built in.
const OTHERS: [(&str, &str); 3] =
    [("sdk/rust", "sdk-native"), ("sdk/componentize", "componentize"), ("plugins", "plugins-native")];

/// Options of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Args {
    /// Leave out what takes long: lints, the SDK's and the plugins' own tests, the crash test, and the simulation.
    #[arg(long)]
    fast: bool,
}

/// Runs everything.
pub fn run(args: &Args) -> Result<()> {
    let start = Instant::now();
    let suite = Suite { repository: cargo::repository(), target: cargo::workspace(&cargo::repository())?.target };
    suite.formats()?;
    if !args.fast {
        suite.lints()?;
    }
    suite.cargo("tidy", ".", &["test", "--package", "wharf-tidy"])?;
    if !args.fast {
        suite.tests_of_others()?;
        step_in_parts("tests sdk/python", "cargo xtask sdks", sdks::test_python)?;
        step_in_parts("tests sdk/js", "cargo xtask sdks", sdks::test_js)?;
    }
    let guests = step("guests", "cargo xtask guests", guests::build)?;
    let guests = guests.first().and_then(|guest| guest.path.parent()).context("there are no guests")?.to_owned();
    let binary = step("host", "cargo build --workspace --bin wharf", || binary::build(Profile::Dev))?;
    let faketime = step("faketime", "cargo xtask test", || faketime::library(&suite.target))?;
    if !args.fast {
        // Those of the other languages take long.
        for lang in [guests::Lang::C, guests::Lang::Go] {
            let (name, again) = (lang.name(), format!("cargo xtask guests --lang {}", lang.name()));
            step_in_parts(&format!("guests that answer, {name}"), &again, || guests::languages::build_web(lang))?;
        }
    }
    suite.tests(&guests, &binary, &faketime)?;
    if !args.fast {
        step_in_parts("templates", "cargo xtask templates, which tries all of them", || {
            templates::tried(&binary, &suite.target)
        })?;
        step_in_parts("guide", "cargo xtask guide", || guide::quick(&binary))?;
        let crash = format!("cargo xtask crash --rounds {CRASH_ROUNDS}");
        step("crash", &crash, || crash::run(&crash::Args::rounds(CRASH_ROUNDS)))?;
        let histories = format!("cargo xtask sim --histories {HISTORIES}, and --mutate with each known bug");
        step("sim", &histories, || sim::short(HISTORIES))?;
    }
    println!("all of it: {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Does one step, and says how long it took, or how to do it again.
fn step<T>(name: &str, again: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let done = work().with_context(|| format!("{name} failed; to run it again: {again}"))?;
    println!("{name:24} ok {:>7.1} s", start.elapsed().as_secs_f64());
    Ok(done)
}

/// The same with one that gives what it left out, which stands in place of `ok`.
fn step_in_parts(name: &str, again: &str, work: impl FnOnce() -> Result<Vec<String>>) -> Result<()> {
    let start = Instant::now();
    let left_out = work().with_context(|| format!("{name} failed; to run it again: {again}"))?;
    println!("{name:24} {} {:>7.1} s", ended(&left_out), start.elapsed().as_secs_f64());
    Ok(())
}

fn ended(left_out: &[String]) -> String {
    if left_out.is_empty() { "ok".to_owned() } else { format!("left out: {}", left_out.join("; ")) }
}

struct Suite {
    repository: PathBuf,
    target: PathBuf,
}

impl Suite {
    fn formats(&self) -> Result<()> {
        for folder in [".", "sdk/rust", "sdk/componentize", "plugins"] {
            self.cargo(&format!("format {folder}"), folder, &["fmt", "--all", "--check", "--", "--color", "never"])?;
        }
        Ok(())
    }

    fn lints(&self) -> Result<()> {
        let clippy = ["clippy", "--workspace", "--all-targets"];
        self.cargo("clippy .", ".", &[&clippy[..], &["--", "-D", "warnings"]].concat())?;
        for (folder, built) in OTHERS {
            let built = self.target.join(built).display().to_string();
            let clippy = [&clippy[..], &["--target-dir", &built, "--", "-D", "warnings"]].concat();
            self.cargo(&format!("clippy {folder}"), folder, &clippy)?;
        }
        Ok(())
    }

    fn tests_of_others(&self) -> Result<()> {
        for (folder, built) in OTHERS {
            let built = self.target.join(built).display().to_string();
            self.cargo(&format!("tests {folder}"), folder, &["test", "--workspace", "--target-dir", &built])?;
        }
        for lang in [guests::Lang::C, guests::Lang::Go] {
            let name = format!("tests sdk/{}", lang.name());
            step_in_parts(&name, "cargo xtask test", || guests::languages::test_sdk(lang))?;
        }
        Ok(())
    }

    /// All tests of the root workspace; those that run a host or a guest find them by these variables.
    fn tests(&self, guests: &Path, binary: &Path, faketime: &Path) -> Result<()> {
        let mut command = cargo::cargo();
        command.args(["test", "--workspace", "--exclude", "wharf-tidy"]).current_dir(&self.repository);
        command.env("WHARF_GUESTS", guests).env("WHARF_BIN", binary).env("WHARF_FAKETIME", faketime);
        let again = format!(
            "WHARF_GUESTS={} WHARF_BIN={} WHARF_FAKETIME={} cargo test --workspace --exclude wharf-tidy",
            guests.display(),
            binary.display(),
            faketime.display()
        );
        let left_out = self.target.join("left-out");
        std::fs::write(&left_out, "").with_context(|| format!("writing {}", left_out.display()))?;
        command.env("WHARF_LEFT_OUT_TO", &left_out);
        step("tests .", &again, || quietly(&mut command))?;
        // What tests that pass print is kept from everybody.
        let left_out = std::fs::read_to_string(&left_out).context("reading what tests left out")?;
        left_out.lines().for_each(|line| println!("{:24} left out: {line}", "tests ."));
        Ok(())
    }

    fn cargo(&self, name: &str, folder: &str, arguments: &[&str]) -> Result<()> {
        let mut command = cargo::cargo();
        command.args(arguments).current_dir(self.repository.join(folder));
        let again = format!("cargo {}", arguments.join(" "));
        let again = if folder == "." { again } else { format!("cd {folder} && {again}") };
        step(name, &again, || quietly(&mut command))
    }
}

/// Runs a command; of what it prints to stdout only the closing lines of tests are passed on, unless it fails.
fn quietly(command: &mut Command) -> Result<()> {
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.with_context(|| format!("starting {command:?}"))?;
    let mut said = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            if line.starts_with(CLOSING) {
                println!("{line}");
            }
            said.push(line);
        }
    }
    let status = child.wait()?;
    if !status.success() {
        said.iter().filter(|line| !line.starts_with(CLOSING)).for_each(|line| println!("{line}"));
        bail!("{status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_fails_says_how_to_run_it_again() {
        let error = step::<()>("tidy", "cargo test -p wharf-tidy", || bail!("exit status: 101")).unwrap_err();
        assert_eq!(format!("{error:#}"), "tidy failed; to run it again: cargo test -p wharf-tidy: exit status: 101");
    }

    #[test]
    fn what_is_left_out_stands_in_place_of_ok() {
        assert_eq!(ended(&[]), "ok");
        assert_eq!(ended(&["python (no pip)".into(), "js (no npm)".into()]), "left out: python (no pip); js (no npm)");
    }

    #[test]
    fn a_command_that_fails_is_a_failure() {
        quietly(&mut Command::new("true")).unwrap();
        assert!(quietly(&mut Command::new("false")).is_err());
    }
}
