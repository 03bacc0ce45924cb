//! A server with all that it started: what it used of processors, and what it has of memory.
//!
//! Invariant: of processes that ended, what their parents were told of them is counted; of those that come and go between two looks nothing
//! else is known.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// A process: who started it, and what it and its ended children have used, in ticks of the kernel's clock.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    pid: u32,
    parent: u32,
    ticks: u64,
}

/// User and system time of the process `pid` and of all that it started.
pub fn cpu(pid: u32) -> Result<Duration> {
    let ticks: u64 = tree(&processes()?, pid).map(|of| of.ticks).sum();
    #[allow(clippy::cast_precision_loss, reason = "ticks of one benchmark are exact in a double")]
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// Bytes of memory that the process `pid` and those that it started have; what several of them share counts once.
pub fn memory(pid: u32) -> Result<u64> {
    sum(pid, "smaps_rollup", "Pss:").map(|kib| kib * 1024)
}

/// The sum of a number over all of them. Who ended meanwhile has none.
fn sum(pid: u32, file: &str, field: &str) -> Result<u64> {
    let all = processes()?;
    let read = |of: &Process| fs::read_to_string(format!("/proc/{}/{file}", of.pid)).ok();
    let numbers = tree(&all, pid).filter_map(read).filter_map(|text| number(&text, field));
    Ok(numbers.sum())
}

fn number(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

fn processes() -> Result<Vec<Process>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").context("reading /proc")? {
        let entry = entry?;
        // Others come and go meanwhile.
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        all.extend(fs::read_to_string(entry.path().join("stat")).ok().and_then(|stat| process(pid, &stat)));
    }
    Ok(all)
}

/// Fields 4 and 14 to 17 of a line of `stat`, behind the name, which may hold anything.
fn process(pid: u32, stat: &str) -> Option<Process> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = behind_name.split_whitespace().collect();
    let number = |field: usize| fields.get(field).and_then(|text| text.parse::<u64>().ok());
    let parent = u32::try_from(number(1)?).ok()?;
    Some(Process { pid, parent, ticks: number(11)? + number(12)? + number(13)? + number(14)? })
}

/// The process `pid` and those below it.
fn tree(all: &[Process], pid: u32) -> impl Iterator<Item = &Process> {
    let is_below = move |of: &&Process| {
        let mut at = of.pid;
        // No deeper than there are processes, however they changed while they were read.
        for _ in 0..all.len() {
            if at == pid {
                return true;
            }
            match all.iter().find(|of| of.pid == at) {
                Some(of) => at = of.parent,
                None => return false,
            }
        }
        false
    };
    all.iter().filter(is_below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_and_their_children_count() {
        let of = |pid, parent| Process { pid, parent, ticks: 1 };
        let all = [of(1, 0), of(7, 1), of(8, 7), of(9, 8), of(10, 1)];
        let below: Vec<_> = tree(&all, 7).map(|of| of.pid).collect();
        assert_eq!(below, [7, 8, 9]);
        let stat = "7 (a b) c) S 3 7 7 0 -1 4194560 1 0 0 0 250 31 9 9 20 0 1 0 100 0 0";
        assert_eq!(process(7, stat), Some(Process { pid: 7, parent: 3, ticks: 299 }));
    }

    #[test]
    fn numbers_are_found_by_their_field() {
        assert_eq!(number("rchar: 1\nwrite_bytes: 4096\n", "write_bytes:"), Some(4096));
        assert_eq!(number("Rss:  7 kB\nPss:                5 kB\n", "Pss:"), Some(5));
        assert_eq!(number("", "Pss:"), None);
    }

    #[test]
    fn this_process_has_some_of_each() {
        let own = std::process::id();
        assert!(memory(own).unwrap() > 0 && cpu(own).is_ok());
    }
}
