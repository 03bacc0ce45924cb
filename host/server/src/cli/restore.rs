//! `wharf restore`: a data folder made of a backup, as it was at any moment that the backup covers.
//!
//! Invariant: the folder gets its name only when all of it is durable and was opened as a host opens it, its state made of the log. Until then it is called
//! `….restoring` beside that, and one that is left over is somebody's to remove.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use cap_std::{ambient_authority, fs::Dir};
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use tokio::runtime;
use wharf_backup::{BackupError, Restored, restore};
use wharf_dispatch::{Committer, FolderHome, OpenError, Recovered, Surroundings, rfc3339};
use wharf_event::Code;

use super::{
    args::DataArgs,
    backup::{Read, refused},
    error::Exit,
    events::fact,
    output::Output,
    words::{counted, sized},
};
use crate::{
    failure::Failure,
    folder::{DataFolder, keep_to_owner},
    progress::Progress,
};

/// `wharf restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The folder of the backup
    #[arg(value_name = "BACKUP")]
    from: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    /// Only what had happened by this time
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
}

/// What is printed.
#[derive(Serialize)]
struct Report {
    first_k: u64,
    last_k: u64,
    last_time: String,
    segments: usize,
    bytes: u64,
    components: usize,
    /// Deliveries that wait.
    pending: u64,
}

/// Restores a folder.
pub fn run(args: &RestoreArgs, out: &mut Output) -> anyhow::Result<Exit> {
    keep_to_owner();
    let target = &args.data.data;
    let beside = beside(target)?;
    let from = Dir::open_ambient_dir(&args.from, ambient_authority());
    let from = from.map_err(|_| refused(BackupError::Unknown("there is no such folder")))?;
    let until_ms = args.until.map(|until| u64::try_from(until.as_millisecond()).unwrap_or(0));
    let folder = DataFolder::open(&beside).map_err(|error| Failure::of(error.code(), &error))?;
    let made = filled(&from, &folder, until_ms).and_then(|restored| Ok((restored, opened(&folder)?)));
    let (restored, recovered) = match made {
        Ok(made) => made,
        Err(error) => {
            // It is of no use, and would be in the way of the next try.
            let _ = fs::remove_dir_all(&beside);
            return Err(error);
        }
    };
    named(&beside, target).map_err(|error| Failure::of(Code::FolderDamaged, &error))?;
    tell(&restored, recovered, out)?;
    Ok(Exit::Success)
}

/// Where a folder is made that will be called `target`, which has to be empty or not there.
fn beside(target: &Path) -> anyhow::Result<PathBuf> {
    let occupied = |path: &Path, help: &str| {
        Failure::new(Code::FolderOccupied, format!("{} is there and not empty", path.display()), help)
    };
    if fs::read_dir(target).map_or_else(|error| error.kind() != io::ErrorKind::NotFound, |mut all| all.next().is_some())
    {
        return Err(occupied(target, "name another folder, or move this one away").into());
    }
    let mut name = target.file_name().map_or_else(|| OsString::from("wharf-data"), OsString::from);
    name.push(".restoring");
    let beside = target.with_file_name(name);
    match beside.exists() {
        true => Err(occupied(&beside, "it is left of a restore that was ended: remove it").into()),
        false => Ok(beside),
    }
}

fn filled(from: &Dir, folder: &DataFolder, until_ms: Option<u64>) -> anyhow::Result<Restored> {
    let target = folder.restored().map_err(|error| Failure::of(Code::FolderDamaged, &error))?;
    let mut read = Read::default();
    restore(from, &target, until_ms, &mut |bytes| read.more(bytes)).map_err(refused)
}

/// Opens what was restored as a host would, and makes its state.
fn opened(folder: &DataFolder) -> anyhow::Result<Recovered> {
    let shown = Progress::on_terminal();
    shown.show("making the state of the log");
    let io = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let home = FolderHome::new(folder.dir.try_clone()?);
    let opened = Committer::open(&home, 0, Surroundings::of_this_machine(io.handle().clone()));
    let (mut committer, recovered) = opened.map_err(|error| match &error {
        OpenError::Incomplete { first_k } => Failure::new(
            Code::BackupRange,
            format!("at that time the host still needed what lay before frame {first_k}, where the backup begins"),
            "name a later time",
        ),
        _ => Failure::of(error.code(), &error),
    })?;
    if let Some(checkpoint) = committer.checkpoint() {
        let written = checkpoint.write_at_once().map_err(|error| Failure::of(Code::FolderDamaged, &error))?;
        committer.thaw(Ok::<_, String>(written))?;
    }
    shown.clear();
    Ok(recovered)
}

/// Gives the folder its name, durably.
fn named(beside: &Path, target: &Path) -> io::Result<()> {
    fs::rename(beside, target)?;
    let holder = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(holder)?.sync_all()
}

fn tell(restored: &Restored, recovered: Recovered, out: &mut Output) -> anyhow::Result<()> {
    let Restored { first_k, last_k, last_time_ms, segments, bytes, components } = *restored;
    let last_time = rfc3339(last_time_ms);
    let report = Report { first_k, last_k, last_time, segments, bytes, components, pending: recovered.pending };
    if out.is_json() {
        return Ok(out.document(&report)?);
    }
    for (name, value) in [
        ("frames", format!("{first_k} to {last_k}, up to {}", report.last_time)),
        ("log", format!("{}, {}", counted(segments, "segment", "segments"), sized(bytes))),
        ("components", components.to_string()),
        ("waiting", counted(usize::try_from(report.pending).unwrap_or(usize::MAX), "delivery", "deliveries")),
    ] {
        out.line(&fact(name, &value))?;
    }
    Ok(())
}
