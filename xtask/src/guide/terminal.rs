//! What goes on in a terminal of its own while a page goes on: `wharf dev`.
//!
//! Invariant: it does not outlive the page, nor does what it started.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use super::page::unseen;
use crate::interrupt::Interrupt;
use crate::poll;

/// How long a terminal may take to say what the page says: a compiler may be at work.
const SAID_S_MAX: Duration = Duration::from_secs(300);

/// How long it may take to end when it is told to.
const END_S_MAX: Duration = Duration::from_secs(10);

/// An open terminal.
pub struct Terminal {
    child: Child,
    output: PathBuf,
    /// Bytes of the output that were there when it last mattered.
    read: usize,
}

impl Terminal {
    /// Starts a command as a group of its own, with all that it says in a file.
    pub fn open(command: &mut Command, output: &Path) -> Result<Self> {
        let file = File::create(output).with_context(|| format!("making {}", output.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        let child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        Ok(Self { child, output: output.to_owned(), read: 0 })
    }

    /// What it says from now on is what counts.
    pub fn look_away(&mut self) -> Result<()> {
        self.read = self.text()?.len();
        Ok(())
    }

    /// Waits until it has said these lines since it last mattered.
    pub fn says(&mut self, lines: &[String], interrupt: &Interrupt) -> Result<()> {
        let said = poll::until("a terminal", SAID_S_MAX, interrupt, || {
            // In this order whatever it said before it ended is read.
            let ended = self.child.try_wait()?;
            let text = self.text()?;
            match (unseen(lines, text.get(self.read..).unwrap_or_default()), ended) {
                (None, _) => Ok(Some(())),
                (Some(line), Some(status)) => bail!("it ended with {status} and did not say `{line}`"),
                (Some(_), None) => Ok(None),
            }
        });
        said.with_context(|| format!("what stands there is\n{}", self.text().unwrap_or_default()))
    }

    /// All that it said, line by line.
    pub fn text(&self) -> Result<String> {
        let bytes = fs::read(&self.output).with_context(|| format!("reading {}", self.output.display()))?;
        // A line of which the end is not written yet is not read.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        Ok(String::from_utf8_lossy(bytes.get(..whole).unwrap_or_default()).into_owned())
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // What has ended already is all that is wanted.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        let _ = poll::until("a terminal to end", END_S_MAX, &Interrupt::never(), || Ok(self.child.try_wait()?));
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(script: &str, folder: &Path) -> Terminal {
        Terminal::open(Command::new("sh").args(["-c", script]), &folder.join("said")).unwrap()
    }

    #[test]
    fn what_it_says_is_waited_for_and_what_it_said_before_does_not_count() {
        let (folder, interrupt) = (tempfile::tempdir().unwrap(), Interrupt::never());
        let mut terminal = open("echo ready; sleep 60", folder.path());
        let lines = |line: &str| [line.to_owned()];
        terminal.says(&lines("ready"), &interrupt).unwrap();
        terminal.look_away().unwrap();
        assert_eq!(unseen(&lines("ready"), terminal.text().unwrap().get(terminal.read..).unwrap()), Some("ready"));
    }

    #[test]
    fn one_that_ends_without_a_word_is_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let mut terminal = open("echo no; exit 3", folder.path());
        let error = terminal.says(&["yes".to_owned()], &Interrupt::never()).unwrap_err();
        let told = format!("{error:#}");
        assert!(told.contains("no\n") && told.contains("exit status: 3 and did not say `yes`"), "{told}");
    }
}
