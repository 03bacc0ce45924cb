//! A peer's server: a child of this program with a free port of loopback, and all that it starts.
//!
//! Invariant: it does not outlive its owner, and neither does what it started: dropping it ends its whole group of processes.
//!
//! It does not know whose server it is.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::host::child::last_words;
use crate::interrupt::Interrupt;
use crate::poll;

/// How long a server may take until it answers.
const READY_S_MAX: Duration = Duration::from_secs(60);

/// How long one that is asked to end may take.
const END_S_MAX: Duration = Duration::from_secs(5);

/// A server that runs.
pub struct Served {
    child: Child,
    /// How it is asked to end before it is killed, where it has children that are in no group of its own.
    asked_by: Option<Signal>,
    /// From its start until it answered.
    pub ready_after: Duration,
}

impl Served {
    /// Starts `command`, which writes what it says to `log`, and waits until it `answers`.
    pub fn start(
        mut command: Command,
        log: &Path,
        asked_by: Option<Signal>,
        interrupt: &Interrupt,
        mut answers: impl FnMut() -> bool,
    ) -> Result<Self> {
        let said = File::create(log).with_context(|| format!("making {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said).process_group(0);
        let start = Instant::now();
        let child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        let mut server = Self { child, asked_by, ready_after: Duration::ZERO };
        poll::until("a server to answer", READY_S_MAX, interrupt, || {
            if let Some(status) = server.child.try_wait()? {
                bail!("{command:?} ended with {status}: {}", last_words(log));
            }
            Ok(answers().then_some(()))
        })
        .with_context(|| last_words(log))?;
        server.ready_after = start.elapsed();
        Ok(server)
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn asked(&mut self, pid: Pid) {
        let Some(signal) = self.asked_by else { return };
        // That it has ended already is all that is wanted.
        let _ = kill_process(pid, signal);
        let _ = poll::until("a server to end", END_S_MAX, &Interrupt::never(), || Ok(self.child.try_wait()?));
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            self.asked(pid);
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago: what for servers that cannot be asked to choose one.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Whether something listens on a port of loopback.
pub fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let (log, pid) = (folder.path().join("log"), folder.path().join("pid"));
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo $! > pid; wait"]).current_dir(folder.path());
        let there = || std::fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n'));
        let server = Served::start(command, &log, None, &Interrupt::never(), there).unwrap();
        let child = std::fs::read_to_string(&pid).unwrap();
        let stat = format!("/proc/{}/stat", child.trim());
        assert!(Path::new(&stat).exists());
        drop(server);
        let gone = || Ok(std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z ")).then_some(()));
        poll::until("its child to end", END_S_MAX, &Interrupt::never(), gone).unwrap();
    }

    #[test]
    fn one_that_ends_by_itself_is_told_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no port >&2; exit 3"]);
        let started = Served::start(command, &folder.path().join("log"), None, &Interrupt::never(), || false);
        let error = format!("{:#}", started.err().unwrap());
        assert!(error.contains("exit status: 3") && error.contains("no port"), "{error}");
    }
}
