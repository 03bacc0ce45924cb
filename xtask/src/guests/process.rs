//! Running other programs: quietly where their words are data, with their own words where a person waits for them.
//!
//! Invariant: a program that fails is an error that names the command line and, where it was quiet, the program's last words.
//!
//! It does not find programs: `PATH` does.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// How much of a failed program's words an error repeats, in lines.
const LAST_WORDS_LINES_MAX: usize = 5;

/// Runs a program and gives what it printed.
pub fn output(command: &mut Command) -> Result<String> {
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("starting {command:?}"))?;
    if !done.status.success() {
        bail!("{command:?}: {}: {}", done.status, last_words(&String::from_utf8_lossy(&done.stderr)));
    }
    String::from_utf8(done.stdout).with_context(|| format!("{command:?} did not print UTF-8"))
}

/// Runs a program whose progress is for the person who waits: all that it prints goes to stderr.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("starting {command:?}"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}

/// Runs a program for at most `time`, and says why not if it did not succeed by then.
pub fn run_within(command: &mut Command, time: Duration) -> Result<()> {
    let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = started.with_context(|| format!("starting {command:?}"))?;
    let words = words_until_end(&mut child, time);
    if words.is_none() {
        child.kill()?;
    }
    let status = child.wait()?;
    match words {
        None => bail!("{command:?} was not done within {} s", time.as_secs()),
        Some(words) if !status.success() => bail!("{command:?}: {status}: {}", last_words(&words)),
        Some(_) => Ok(()),
    }
}

/// What a program writes to stderr until it closes it, which is when it ends; `None` if that takes longer than `time`.
fn words_until_end(child: &mut Child, time: Duration) -> Option<String> {
    let mut stderr = child.stderr.take()?;
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || {
        let mut words = Vec::new();
        // Whatever was read until an error is all there is to say.
        let _ = stderr.read_to_end(&mut words);
        let _ = ended.send(String::from_utf8_lossy(&words).into_owned());
    });
    end.recv_timeout(time).ok()
}

fn last_words(words: &str) -> String {
    let lines: Vec<&str> = words.lines().filter(|line| !line.trim().is_empty()).collect();
    lines.get(lines.len().saturating_sub(LAST_WORDS_LINES_MAX)..).unwrap_or_default().join("; ")
}

/// Where the program `name` is, if it is on `PATH`.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_failed_program_is_named_with_its_last_words() {
        let error = output(&mut shell("echo one >&2; echo two >&2; exit 3")).unwrap_err().to_string();
        assert!(error.contains("exit status: 3: one; two"), "{error}");
        assert_eq!(output(&mut shell("echo fine")).unwrap(), "fine\n");
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended() {
        let error = run_within(&mut shell("exec sleep 60"), Duration::from_millis(20)).unwrap_err().to_string();
        assert!(error.contains("was not done within"), "{error}");
    }

    #[test]
    fn a_program_that_is_done_in_time_is_judged_by_its_status() {
        let time = Duration::from_secs(30);
        run_within(&mut shell("true"), time).unwrap();
        let error = run_within(&mut shell("echo no target >&2; exit 1"), time).unwrap_err().to_string();
        assert!(error.contains("no target"), "{error}");
    }

    #[test]
    fn only_programs_on_the_path_are_found() {
        assert!(find("sh").is_some());
        assert_eq!(find("no-such-program-here"), None);
    }
}
