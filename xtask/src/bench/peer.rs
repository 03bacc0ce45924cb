//! The peer: a Redis server of its own for each run, syncing its log before every answer.
//!
//! Invariant: it does not outlive its owner, listens on loopback only, and keeps its files in the folder that it is given.
//!
//! It does not talk to it: [`super::streams`] does.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::say;
use crate::guests::{apt, process};
use crate::host::child::last_words;
use crate::interrupt::Interrupt;
use crate::poll;

/// The program, and Debian's package that has it.
const PROGRAM: &str = "redis-server";

/// How long a server may take until it answers.
const READY_S_MAX: Duration = Duration::from_secs(20);

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
    child: Child,
    port: u16,
}

impl Server {
    /// Starts `program` with its files in `folder`, and waits until it answers.
    pub fn start(program: &Path, folder: &Path, interrupt: &Interrupt) -> Result<Self> {
        // It cannot be asked to choose a port, so one that was free a moment ago is taken.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let log = folder.join("redis.log");
        let mut command = Command::new(program);
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--daemonize", "no"]);
        command.args(SETTINGS.iter().flatten());
        command.arg("--dir").arg(folder).current_dir(folder).stdin(Stdio::null());
        command.stdout(File::create(&log)?).stderr(Stdio::null());
        let child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        let mut server = Self { child, port };
        poll::until("Redis to answer", READY_S_MAX, interrupt, || {
            if let Some(status) = server.child.try_wait()? {
                anyhow::bail!("Redis ended with {status}: {}", last_words(&log));
            }
            Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok().then_some(()))
        })?;
        Ok(server)
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which is all that is wanted; its files are thrown away.
        let _ = self.child.kill();
        let _ = self.child.wait();
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
