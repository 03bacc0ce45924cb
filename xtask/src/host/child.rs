//! A host that runs as a child of this program.
//!
//! Invariant: it does not outlive its owner: dropping it kills it.
//!
//! It does not restart by itself.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use super::Stage;
use crate::interrupt::Interrupt;
use crate::poll;

/// How long a host may take until it serves: it may have to compile all plugins, and to replay its log.
const READY_S_MAX: Duration = Duration::from_secs(120);

/// How long a host may take to drain and end.
const STOP_S_MAX: Duration = Duration::from_secs(40);

/// How much of a host's log an error repeats, in lines.
const LAST_WORDS_LINES_MAX: usize = 12;

/// The line that a host prints when it serves.
#[derive(Debug, Clone, Deserialize)]
pub struct Ready {
    /// Where it serves.
    pub url: String,
    /// Frames of the log that it read again.
    pub frames_replayed: u64,
    /// Deliveries that wait.
    pub pending: u64,
}

/// A running host.
pub struct Host {
    child: Child,
    ready: Ready,
}

impl Host {
    /// Starts `binary` on a stage's folder and waits until it serves.
    pub fn start(binary: &Path, stage: &Stage, listen: SocketAddr) -> Result<Self> {
        Self::start_as(binary, stage, listen, |_| {})
    }

    /// The same, with what `also` adds to the command.
    pub fn start_as(binary: &Path, stage: &Stage, listen: SocketAddr, also: impl FnOnce(&mut Command)) -> Result<Self> {
        let log = File::options().create(true).append(true).open(stage.log()).context("opening the host's log")?;
        let mut command = Command::new(binary);
        command.arg("serve").arg("--config").arg(stage.config()).arg("--data").arg(stage.data());
        command.args(["--listen", &listen.to_string(), "--output", "json"]);
        command.current_dir(stage.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        also(&mut command);
        let mut child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        let line = child.stdout.take().and_then(first_line);
        let ready = line.as_deref().and_then(|line| serde_json::from_str(line).ok());
        let Some(ready) = ready else {
            child.kill()?;
            let status = child.wait()?;
            bail!("the host did not come up ({status}): {}", last_words(&stage.log()));
        };
        Ok(Self { child, ready })
    }

    /// What it said when it was ready.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// KiB that it has resident.
    pub fn resident_kib(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).context("looking at the host")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the host has no memory")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Its status, if it has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Ends it as `kill -9` does.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill().context("killing the host")?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end, and waits until it has drained.
    pub fn stop(mut self) -> Result<()> {
        if self.ended()?.is_none() {
            let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("the host has no id")?;
            kill_process(pid, Signal::TERM).context("asking the host to stop")?;
        }
        let patient = Interrupt::never();
        let status = poll::until("the host to stop", STOP_S_MAX, &patient, || self.ended())?;
        if !status.success() {
            bail!("the host ended with {status}");
        }
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended already, which is all that is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first line that it prints; what follows is read and dropped, so that it never waits for a reader.
fn first_line(stdout: ChildStdout) -> Option<String> {
    let (found, wait) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // Only the first is waited for.
            let _ = found.send(line);
        }
    });
    wait.recv_timeout(READY_S_MAX).ok()
}

/// The end of a host's log.
pub fn last_words(log: &Path) -> String {
    let Ok(text) = fs::read_to_string(log) else { return format!("it left no log at {}", log.display()) };
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(LAST_WORDS_LINES_MAX)..).unwrap_or_default();
    format!("its last words are\n{}", last.join("\n"))
}
