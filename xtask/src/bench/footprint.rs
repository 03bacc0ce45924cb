//! `cargo xtask bench footprint`: what a host takes of disk, memory and time, beside the peers of `cargo xtask bench peers`.
//!
//! Method: each system is started afresh and left alone for 3 s; then it relays 1 KiB messages in batches of 100, first as fast as it
//! goes, then at half of that rate, in whose middle its memory is looked at. Of a system that is several processes all are counted.
//!
//! Invariant: nothing is counted that another system is not asked for too. What a server wrote is what the disk was sent meanwhile, whatever for, so
//! nothing else may write to it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use super::device::Device;
use super::machine::Machine;
use super::peers::ours::{self, Ours};
use super::peers::rows::Scenario;
use super::peers::systems::{Payloads, System};
use super::{Output, family, folder, say};
use crate::host::binary::{self, Profile};
use crate::interrupt::Interrupt;
use crate::poll;

/// How long a server is left alone before it is looked at.
const IDLE: Duration = Duration::from_secs(3);

/// Options of `cargo xtask bench footprint`.
#[derive(clap::Args)]
pub struct Args {
    /// How long each relays messages, once as fast as it goes and once at half of that.
    #[arg(long, default_value_t = 4, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Run this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// How to print the numbers: a table, or a list of rows.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// What a system takes.
#[derive(Serialize)]
struct Row {
    system: &'static str,
    /// Its programs and libraries of its own, in bytes.
    program_bytes: u64,
    /// From its start until it answers, in milliseconds; peers are asked every 20 ms.
    ready_ms: f64,
    /// Memory, in bytes; what several processes share counts once.
    idle_bytes: u64,
    /// Half of the rate that it comes to, and its memory then.
    half_per_s: f64,
    half_bytes: u64,
    /// Bytes sent to the disk for each message of 1 KiB.
    written_bytes: f64,
}

/// Builds what is needed, measures, prints.
pub fn run(args: &Args) -> Result<()> {
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Release)?;
    let (folder, interrupt) = (folder()?, Interrupt::catch()?);
    let time = Duration::from_secs(u64::from(args.seconds));
    let mut rows = vec![of_ours(&binary, &folder, time)?];
    let payloads = Payloads::new();
    for system in System::installed() {
        interrupt.check()?;
        say(&format!("{} ...", system.name()));
        rows.push(of_peer(&system, &folder, &payloads, time, &interrupt)?);
    }
    let text = match args.output {
        Output::Text => text(&rows, &Machine::here(&folder)),
        Output::Json => serde_json::to_string_pretty(&rows)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn of_ours(binary: &Path, folder: &Path, time: Duration) -> Result<Row> {
    let start = Instant::now();
    let ours = Ours::start(binary, folder)?;
    let ready = start.elapsed();
    poll::pause(IDLE);
    let idle_bytes = family::memory(ours.pid())?;
    let half = ours.cell(Scenario::Pull, time)?.per_s / 2.0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is a few hundred thousand")]
    let at_half = || ours.at(Scenario::Pull, time, half as u64);
    let (half_bytes, written_bytes) = looked(ours.pid(), folder, time, at_half)?;
    Ok(Row {
        system: ours::NAME,
        program_bytes: size(binary)?,
        ready_ms: ms(ready),
        idle_bytes,
        half_per_s: half.round(),
        half_bytes,
        written_bytes,
    })
}

fn of_peer(system: &System, within: &Path, payloads: &Payloads, time: Duration, interrupt: &Interrupt) -> Result<Row> {
    let folder = tempfile::Builder::new().prefix("footprint-").tempdir_in(within)?;
    let running = system.start(folder.path(), interrupt)?;
    let pid = running.served().pid();
    poll::pause(IDLE);
    let idle_bytes = family::memory(pid)?;
    let done = running.relay(Scenario::Pull, payloads, time, None, interrupt)?;
    #[allow(clippy::cast_precision_loss, reason = "numbers of messages are exact in a double")]
    let half = done.events as f64 / done.time.as_secs_f64() / 2.0;
    let at_half = || {
        let done = running.relay(Scenario::Pull, payloads, time, Some(half), interrupt)?;
        Ok(done.events as u64)
    };
    let (half_bytes, written_bytes) = looked(pid, folder.path(), time, at_half)?;
    let mut program_bytes = 0;
    for part in system.parts() {
        // Debian's Redis is one program under several names.
        program_bytes += size(&fs::canonicalize(&part).with_context(|| format!("looking for {}", part.display()))?)?;
    }
    Ok(Row {
        system: system.name(),
        program_bytes,
        ready_ms: ms(running.served().ready_after),
        idle_bytes,
        half_per_s: half.round(),
        half_bytes,
        written_bytes,
    })
}

/// The memory in the middle of some work, and the bytes written for each message of it.
fn looked(pid: u32, folder: &Path, time: Duration, work: impl FnOnce() -> Result<u64> + Send) -> Result<(u64, f64)> {
    let device = Device::of(folder)?;
    let before = device.written()?;
    let (memory, events) = thread::scope(|scope| {
        let work = scope.spawn(work);
        poll::pause(time / 2);
        (family::memory(pid), work.join())
    });
    let events = events.ok().context("what was measured ended in a panic")??;
    let written = device.written()?.saturating_sub(before);
    #[allow(clippy::cast_precision_loss, reason = "bytes of one benchmark are exact in a double")]
    let each = written as f64 / events.max(1) as f64;
    Ok((memory?, each.round()))
}

/// Bytes of a file, or of all files below a folder.
pub fn size(path: &Path) -> Result<u64> {
    let found = fs::symlink_metadata(path).with_context(|| format!("looking at {}", path.display()))?;
    if !found.is_dir() {
        return Ok(found.len());
    }
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        bytes += size(&entry?.path())?;
    }
    Ok(bytes)
}

fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

fn text(rows: &[Row], machine: &Machine) -> String {
    #[allow(clippy::cast_precision_loss, reason = "what is shown has three digits")]
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let line = |row: &Row| {
        let Row { system, program_bytes, ready_ms, idle_bytes, half_per_s, half_bytes, written_bytes } = row;
        format!(
            "{system:21}{:>12.1}{ready_ms:>12.1}{:>12.1}{half_per_s:>14.0}{:>12.1}{written_bytes:>14.0}\n",
            mib(*program_bytes),
            mib(*idle_bytes),
            mib(*half_bytes)
        )
    };
    let head = format!(
        "machine   {}\n\n{:21}{:>12}{:>12}{:>12}{:>14}{:>12}{:>14}\n",
        machine.line(),
        "system",
        "program MiB",
        "ready ms",
        "idle MiB",
        "half, per s",
        "then MiB",
        "written bytes"
    );
    head + &rows.iter().map(line).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_as_large_as_its_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/b"), [0; 10]).unwrap();
        fs::write(folder.path().join("c"), [0; 5]).unwrap();
        assert_eq!(size(folder.path()).unwrap(), 15);
        assert!(size(&folder.path().join("none")).is_err());
    }
}
