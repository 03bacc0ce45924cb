//! A data folder with a log that is written here, and a backup of it.

use std::{fs, path::PathBuf};

use cap_std::{ambient_authority, fs::Dir};
use tempfile::TempDir;
use wharf_backup::{BackupError, Source, Taken, Target, When, back_up, restore};
use wharf_event::Digest;
use wharf_log::{FolderDisk, Log, LogOptions, RecordIn, SegmentSizes};

/// k, time and the bodies of a frame.
pub type Frame = (u64, u64, Vec<Vec<u8>>);

/// A log, and the folders around it.
pub struct Site {
    data: TempDir,
    backup: TempDir,
    log: Log<FolderDisk>,
    now_ms: u64,
}

fn open(data: &TempDir, nonce: u8, checkpoint_k: u64) -> Log<FolderDisk> {
    let folder = Dir::open_ambient_dir(data.path().join("log"), ambient_authority()).unwrap();
    let sizes = SegmentSizes { first_bytes: 16 << 10, max_bytes: 32 << 10 };
    let options = LogOptions { partition: 0, nonce: [nonce; 16], time_ms: 1_000, checkpoint_k, sizes };
    Log::open(FolderDisk::new(folder), options).unwrap().0
}

impl Site {
    pub fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        for folder in ["log", "components"] {
            fs::create_dir(data.path().join(folder)).unwrap();
        }
        Self::of(data)
    }

    /// Of a folder that is there.
    pub fn of(data: TempDir) -> Self {
        let nonce = data
            .path()
            .file_name()
            .unwrap()
            .as_encoded_bytes()
            .iter()
            .fold(7, |sum: u8, byte| sum.wrapping_mul(31) ^ byte);
        let log = open(&data, nonce, 0);
        Self { data, backup: tempfile::tempdir().unwrap(), log, now_ms: 1_000 }
    }

    /// Appends so many frames, each a millisecond later or two.
    pub fn log(&mut self, frames: u64) {
        for n in 0..frames {
            self.now_ms += n % 3;
            let body = vec![n as u8; 300 + (n as usize * 37) % 900];
            let record = RecordIn { tenant: 1, kind: 1, key_id: 0, body: &body };
            self.log.append(self.now_ms, &[record, record]).unwrap();
            self.log.prepare_step().unwrap();
        }
    }

    pub fn last_k(&self) -> u64 {
        self.log.last_k()
    }

    pub fn trim_to(&mut self, below_k: u64) {
        self.log.trim(below_k).unwrap();
    }

    pub fn later(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    pub fn frames(&self) -> Vec<Frame> {
        frames(&self.log)
    }

    pub fn component(&self, bytes: &[u8]) {
        self.file(bytes, "wasm");
    }

    pub fn model(&self, bytes: &[u8]) {
        self.file(bytes, "onnx");
    }

    fn file(&self, bytes: &[u8], ending: &str) {
        let name = format!("{}.{ending}", Digest::of(bytes).hex());
        fs::write(self.data.path().join("components").join(name), bytes).unwrap();
    }

    pub fn forget_components(&self) {
        for entry in fs::read_dir(self.data.path().join("components")).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }

    pub fn segment(&self, first_k: u64) -> PathBuf {
        self.data.path().join(format!("log/{first_k:020}.seg"))
    }

    pub fn backup(&self) -> PathBuf {
        self.backup.path().to_owned()
    }

    /// The files of the backup that hold something of the folder.
    pub fn copies(&self) -> Vec<PathBuf> {
        let of = |folder: &str| fs::read_dir(self.backup.path().join(folder)).unwrap();
        let mut all: Vec<_> = of("log").chain(of("components")).map(|entry| entry.unwrap().path()).collect();
        all.sort();
        all
    }

    fn source(&self) -> Source {
        let open = |name: &str| Dir::open_ambient_dir(self.data.path().join(name), ambient_authority()).unwrap();
        Source { log: open("log"), components: open("components") }
    }

    fn kept_in(&self) -> Dir {
        Dir::open_ambient_dir(self.backup.path(), ambient_authority()).unwrap()
    }

    pub fn back_up(&mut self, keep_ms: Option<u64>) -> Result<Taken, BackupError> {
        let when = When { now_ms: self.now_ms, keep_ms };
        back_up(&self.source(), &self.kept_in(), when, &mut |_| {})
    }

    /// Another one's log, into this one's backup.
    pub fn back_up_of(&self, other: &Self) -> Result<Taken, BackupError> {
        let when = When { now_ms: other.now_ms, keep_ms: None };
        back_up(&other.source(), &self.kept_in(), when, &mut |_| {})
    }

    /// Does something whenever a piece was read.
    pub fn back_up_while(&mut self, mut during: impl FnMut(&mut Self, u32)) -> Result<Taken, BackupError> {
        let (source, into, when) = (self.source(), self.kept_in(), When { now_ms: self.now_ms, keep_ms: None });
        let mut n = 0;
        back_up(&source, &into, when, &mut |_| {
            during(self, n);
            n += 1;
        })
    }

    /// A folder with what the backup gives.
    pub fn restore(&self, until_ms: Option<u64>) -> Result<TempDir, BackupError> {
        let folder = tempfile::tempdir().unwrap();
        let made = |name: &str| {
            fs::create_dir(folder.path().join(name)).unwrap();
            Dir::open_ambient_dir(folder.path().join(name), ambient_authority()).unwrap()
        };
        let target = Target { log: made("log"), components: made("components") };
        restore(&self.kept_in(), &target, until_ms, &mut |_| {})?;
        Ok(folder)
    }
}

fn frames(log: &Log<FolderDisk>) -> Vec<Frame> {
    let all = log.reader().frames(1).map(|frame| frame.unwrap());
    all.map(|frame| (frame.k, frame.time_ms, frame.records.iter().map(|record| record.body.to_vec()).collect()))
        .collect()
}

/// The frames of a restored log, but for the one that opening it adds.
pub fn restored(folder: &TempDir) -> Vec<Frame> {
    let mut frames = frames(&open(folder, 99, 0));
    frames.pop();
    frames
}
