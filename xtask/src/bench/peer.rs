//! The peer: a Redis server of its own for each run, syncing its log before every answer.
//!
//! Invariant: it listens on loopback only, and keeps its files in the folder that it is given.
//!
//! It does not talk to it: [`super::streams`] does.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::say;
use super::served::{Served, free_port, listens};
use crate::guests::{apt, process};
use crate::interrupt::Interrupt;

/// The program, and Debian's package that has it.
const PROGRAM: &str = "redis-server";

/// What decides the numbers: every write is in the log and synced before it is answered. No other snapshots are written, and
/// the log is not rewritten meanwhile: both would only cost the peer time.
const SETTINGS: [[&str; 2]; 4] =
    [["--appendonly", "yes"], ["--appendfsync", "always"], ["--save", ""], ["--auto-aof-rewrite-percentage", "0"]];

/// Where the server's program is; it is installed where that may be done.
pub fn program() -> Result<PathBuf> {
    if let Some(program) = process::find(PROGRAM) {
        return Ok(program);
    }
    say(&format!("installing Debian's {PROGRAM}"));
    apt::install(PROGRAM)?;
    process::find(PROGRAM).with_context(|| format!("the package {PROGRAM} brought no program of that name"))
}

/// The settings as they are printed.
pub fn settings() -> String {
    let shown = |[name, value]: &[&str; 2]| {
        format!("{} {}", name.trim_start_matches("--"), if value.is_empty() { "\"\"" } else { value })
    };
    SETTINGS.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// What `redis-server --version` says its version is.
pub fn version(program: &Path) -> Result<String> {
    let text = process::output(Command::new(program).arg("--version"))?;
    Ok(version_in(&text).unwrap_or("of unknown version").to_owned())
}

fn version_in(text: &str) -> Option<&str> {
    text.split_whitespace().find_map(|word| word.strip_prefix("v="))
}

/// A running server.
pub struct Server {
    served: Served,
    port: u16,
}

impl Server {
    /// Starts `program` with its files in `folder`, and waits until it answers.
    pub fn start(program: &Path, folder: &Path, interrupt: &Interrupt) -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(program);
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--daemonize", "no"]);
        command.args(SETTINGS.iter().flatten());
        command.arg("--dir").arg(folder).current_dir(folder);
        let served = Served::start(command, &folder.join("redis.log"), None, interrupt, || listens(port))?;
        Ok(Self { served, port })
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Its process.
    pub fn served(&self) -> &Served {
        &self.served
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_and_the_settings_are_shown() {
        let text = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=8d2f";
        assert_eq!(version_in(text), Some("7.0.15"));
        assert_eq!(version_in(""), None);
        assert!(settings().starts_with("appendonly yes, appendfsync always, save \"\", "), "{}", settings());
    }
}
