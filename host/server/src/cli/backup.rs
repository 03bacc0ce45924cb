//! `wharf backup`: a data folder's log and components, copied while a host uses them.
//!
//! Invariant: the data folder is only read, and the command steps back behind the host that uses it. What a backup is, `wharf-backup` knows.

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use cap_std::{ambient_authority, fs::Dir};
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use wharf_backup::{BackupError, Taken, When, back_up};
use wharf_dispatch::rfc3339;

use super::{
    args::DataArgs,
    error::Exit,
    events::fact,
    output::Output,
    words::{counted, sized},
};
use crate::{
    config::parse_duration,
    failure::Failure,
    folder::{DataFolder, keep_to_owner},
    pace,
    progress::Progress,
};

/// `wharf backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The folder of the backup: a new one, or the one of last time, of which only what is new is copied
    #[arg(value_name = "BACKUP")]
    into: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    /// How long the backup keeps what the host itself does not keep any more; for ever if this is not said
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    keep: Option<Duration>,
    /// How much is read of the folder at most, in MiB a second: what a host that uses it is to feel little of
    #[arg(long, value_name = "MIB", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
}

/// What is printed.
#[derive(Serialize)]
struct Report {
    first_k: u64,
    last_k: u64,
    last_time: String,
    segments: usize,
    segments_copied: usize,
    bytes: u64,
    bytes_copied: u64,
    components: usize,
    components_copied: usize,
    models: usize,
    models_copied: usize,
}

/// Takes a backup, or brings one up to date.
pub fn run(args: &BackupArgs, out: &mut Output) -> anyhow::Result<Exit> {
    keep_to_owner();
    let from = DataFolder::backed_up(&args.data.data).map_err(|error| Failure::of(error.code(), &error))?;
    let into = made(&args.into)?;
    pace::step_back(pace::BEHIND);
    let now_ms = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
    let keep_ms = args.keep.map(|keep| u64::try_from(keep.as_millis()).unwrap_or(u64::MAX));
    let taken = {
        let (mut read, began) = (Read::default(), Instant::now());
        let mut paced = |bytes| {
            read.more(bytes);
            let due = Duration::from_secs_f64(read.bytes as f64 / (f64::from(args.rate) * f64::from(1 << 20)));
            rest(due.saturating_sub(began.elapsed()));
        };
        back_up(&from, &into, When { now_ms, keep_ms }, &mut paced).map_err(refused)?
    };
    tell(&taken, out)?;
    Ok(Exit::Success)
}

/// Lets time pass.
#[allow(clippy::disallowed_methods, reason = "this is a command and no host: nothing else has this thread")]
fn rest(time: Duration) {
    thread::sleep(time);
}

/// The folder of the backup, made if it is not there.
fn made(path: &Path) -> anyhow::Result<Dir> {
    let unusable = |source| refused(BackupError::Io { what: format!("the folder {}", path.display()), source });
    std::fs::create_dir_all(path).map_err(unusable)?;
    Dir::open_ambient_dir(path, ambient_authority()).map_err(unusable)
}

/// A backup that came to nothing, as people read it.
pub fn refused(error: BackupError) -> anyhow::Error {
    Failure::of(error.code(), &error).into()
}

/// How many bytes were read, on a terminal.
pub struct Read {
    bytes: u64,
    shown: Progress,
}

impl Default for Read {
    fn default() -> Self {
        Self { bytes: 0, shown: Progress::on_terminal() }
    }
}

impl Read {
    /// So many more were.
    pub fn more(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.shown.show(&format!("{} read", sized(self.bytes)));
    }
}

impl Drop for Read {
    fn drop(&mut self) {
        self.shown.clear();
    }
}

fn tell(taken: &Taken, out: &mut Output) -> anyhow::Result<()> {
    let Taken { first_k, last_k, last_time_ms, segments, segment_bytes, components, models } = *taken;
    let report = Report {
        first_k,
        last_k,
        last_time: rfc3339(last_time_ms),
        segments: segments.0,
        segments_copied: segments.1,
        bytes: segment_bytes.0,
        bytes_copied: segment_bytes.1,
        components: components.0,
        components_copied: components.1,
        models: models.0,
        models_copied: models.1,
    };
    if out.is_json() {
        return Ok(out.document(&report)?);
    }
    let of_files = |(all, copied): (usize, usize)| format!("{all}, {copied} of them new");
    let of_log = counted(report.segments, "segment", "segments");
    for (name, value) in [
        ("frames", format!("{first_k} to {last_k}, up to {}", report.last_time)),
        (
            "log",
            format!(
                "{of_log}, {}; {} copied now, {}",
                sized(report.bytes),
                report.segments_copied,
                sized(report.bytes_copied)
            ),
        ),
        ("components", of_files(components)),
        ("models", of_files(models)),
    ] {
        out.line(&fact(name, &value))?;
    }
    Ok(())
}
