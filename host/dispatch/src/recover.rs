//! Opening a data folder: the last checkpoint, then the log from there on.
//!
//! Records of the deduplication window are read even if the checkpoint has them: the index lives in memory only.

use std::io;

use wharf_delivery::{DecodeError, History, Record, RecordKind, Sequencer, TableError, apply};
use wharf_event::{Code, Position};
use wharf_log::{AnyDisk, DiskOp, Log, LogError, LogOptions, LogReader, is_full_disk};
use wharf_state::{State, StateError};

use crate::{
    archive::decode,
    limits::CLOCK_STEP_MAX,
    partition::chain,
    room::RoomWatch,
    surroundings::{Home, Random, Surroundings},
};

/// The data folder could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder itself.
    #[error("the data folder cannot be used")]
    Folder(#[from] io::Error),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The state's tables.
    #[error(transparent)]
    Tables(#[from] TableError),
    /// A record that this program cannot read.
    #[error("record {position} of the log cannot be read")]
    Record {
        /// Where it stands.
        position: Position,
        /// What is wrong.
        source: DecodeError,
    },
    /// The log was trimmed, and nothing in it says that what was needed of the trimmed part was written again.
    #[error(
        "the log begins at frame {first_k} and cannot give the state of what came before: restore the folder from a backup"
    )]
    Incomplete {
        /// The oldest frame that is kept.
        first_k: u64,
    },
    /// A thread could not be started.
    #[error("a thread cannot be started")]
    Thread(#[source] io::Error),
}

impl OpenError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Log(LogError::Version { .. }) | Self::State(StateError::Format { .. }) => Code::FolderVersion,
            _ if self.is_full_disk() => Code::DiskFull,
            _ => Code::FolderDamaged,
        }
    }

    /// Whether there was no room on the disk: nothing is broken, and it opens when there is some.
    #[must_use]
    pub fn is_full_disk(&self) -> bool {
        match self {
            Self::Folder(error) => is_full_disk(error),
            Self::Log(LogError::NoRoom { .. }) => true,
            Self::Log(LogError::Io { op, source, .. }) => !matches!(op, DiskOp::Sync) && is_full_disk(source),
            Self::State(error) => error.is_full_disk(),
            _ => false,
        }
    }
}

/// What opening found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The last frame of the checkpoint.
    pub checkpoint_k: u64,
    /// The last frame of the log before this start.
    pub last_k: u64,
    /// Frames that were applied after the checkpoint.
    pub frames_replayed: u64,
    /// Bytes of a torn tail that were cut.
    pub torn_bytes_cut: u64,
    /// Unsettled deliveries.
    pub pending: u64,
}

/// An open partition.
pub(crate) struct Opened {
    pub(crate) log: Log<AnyDisk>,
    pub(crate) state: State,
    pub(crate) sequencer: Sequencer,
    /// Time of the last frame before this start; 0 in a new log.
    pub(crate) last_time_ms: u64,
    pub(crate) recovered: Recovered,
    pub(crate) room: RoomWatch,
}

pub(crate) fn open(home: &dyn Home, dedup_window_ms: u64, from: &Surroundings) -> Result<Opened, OpenError> {
    let room = RoomWatch::over(home)?;
    let disk = room.back_log(home.log()?);
    let (mut state, mut checkpoint_k) = open_state(home, &room)?;
    let options = LogOptions {
        partition: 0,
        nonce: nonce(from.random.as_ref()),
        time_ms: from.clock.wall_ms(),
        checkpoint_k,
        sizes: home.segment_sizes(),
    };
    let (log, found) = Log::open(disk, options)?;
    if checkpoint_k > 0 && checkpoint_k + 1 < found.first_k {
        let why = format!("it ends at frame {checkpoint_k}, and the log begins at frame {}", found.first_k);
        drop(state);
        (state, checkpoint_k) = (begin_anew(home, &room, &why)?, 0);
    }
    let reader = log.reader();
    let mut sequencer = Sequencer::new(dedup_window_ms);
    let window_k = window_start(&reader, found.last_time_ms, dedup_window_ms)?;
    let mut replay = Replay::new(checkpoint_k, found.first_k);
    for frame in reader.frames(window_k.min(checkpoint_k + 1)).records_only() {
        let frame = frame?;
        let replayed = replay.begin(frame.k);
        for (index, record) in (0..).zip(&frame.records) {
            let position = Position { k: frame.k, i: index << 8 };
            let record = decode(record).map_err(|source| OpenError::Record { position, source })?;
            sequencer.remember(&record, position, frame.time_ms);
            if replayed {
                apply(&record, position, frame.time_ms, replay.history, &mut state)?;
                replay.applied(&record);
            }
        }
        if state.is_checkpoint_due()
            && let Some(checkpoint) = state.freeze(replay.checkpoint_k(frame.k))
        {
            match checkpoint.write_at_once() {
                Ok(snapshot) => drop(state.thaw(snapshot)),
                // What was replayed stays in memory until there is room.
                Err(error) if error.is_full_disk() => state.postpone()?,
                Err(error) => return Err(error.into()),
            }
        }
    }
    if replay.history == History::Cut {
        return Err(OpenError::Incomplete { first_k: found.first_k });
    }
    sequencer.resume(&state)?;
    let recovered = Recovered {
        checkpoint_k,
        last_k: found.last_k,
        frames_replayed: replay.frames,
        torn_bytes_cut: found.torn_bytes_cut,
        pending: sequencer.pending(),
    };
    Ok(Opened { log, state, sequencer, last_time_ms: found.last_time_ms, recovered, room })
}

/// How far applying the log again has come.
pub(crate) struct Replay {
    checkpoint_k: u64,
    first_k: u64,
    /// What lies before the next record.
    pub(crate) history: History,
    frames: u64,
}

impl Replay {
    pub(crate) fn new(checkpoint_k: u64, first_k: u64) -> Self {
        let history = if checkpoint_k == 0 && first_k > 1 { History::Cut } else { History::Whole };
        Self { checkpoint_k, first_k, history, frames: 0 }
    }

    /// Whether the state does not have this frame yet.
    fn begin(&mut self, k: u64) -> bool {
        self.frames += u64::from(k > self.checkpoint_k);
        k > self.checkpoint_k
    }

    /// Behind the record that says so the state is whole, though the log was trimmed.
    pub(crate) fn applied(&mut self, record: &Record) {
        if matches!(record, Record::Cleaned { below_k } if *below_k >= self.first_k) {
            self.history = History::Whole;
        }
    }

    /// What a checkpoint at frame `k` says of itself: one that is not whole holds no frame, so that the next start begins anew.
    fn checkpoint_k(&self, k: u64) -> u64 {
        if self.history == History::Whole { k } else { 0 }
    }
}

/// The first frame of the deduplication window that ends at `until_ms`. A jump of frame time within it makes it no shorter.
fn window_start(reader: &LogReader<AnyDisk>, until_ms: u64, window_ms: u64) -> Result<u64, OpenError> {
    let (mut from_k, mut left_ms, mut until_ms) = (reader.last_k() + 1, window_ms, until_ms);
    loop {
        let end_k = from_k;
        from_k = reader.first_k_at_or_after(until_ms.saturating_sub(left_ms))?.min(end_k);
        // A jump is longer than a step that is followed at once: one within a window that short is where the window begins.
        let short = u128::from(left_ms) <= CLOCK_STEP_MAX.as_millis();
        let until_k = if short { end_k.min(from_k + 1) } else { end_k };
        let Some((jump_k, at_ms, by_ms)) = last_jump(reader, from_k, until_k)? else { return Ok(from_k) };
        left_ms = left_ms.saturating_sub(until_ms.saturating_sub(at_ms));
        (until_ms, from_k) = (at_ms.saturating_sub(by_ms), jump_k);
    }
}

/// The last jump of frame time among the frames from `from_k` up to `end_k`: its frame, its time, how far it went.
fn last_jump(reader: &LogReader<AnyDisk>, from_k: u64, end_k: u64) -> Result<Option<(u64, u64, u64)>, OpenError> {
    let mut last = None;
    for frame in reader.frames(from_k).records_only() {
        let frame = frame?;
        if frame.k >= end_k {
            break;
        }
        // It has a frame of its own.
        let Some(record) = frame.records.first().filter(|record| record.kind == RecordKind::Follow as u16) else {
            continue;
        };
        let position = Position { k: frame.k, i: 0 };
        if let Record::Follow { by_ms } = decode(record).map_err(|source| OpenError::Record { position, source })? {
            last = Some((frame.k, frame.time_ms, by_ms));
        }
    }
    Ok(last)
}

fn nonce(random: &dyn Random) -> [u8; 16] {
    let mut nonce = [0; 16];
    let (low, high) = nonce.split_at_mut(8);
    low.copy_from_slice(&random.bits().to_le_bytes());
    high.copy_from_slice(&random.bits().to_le_bytes());
    nonce
}

/// Opens the state, or sets it aside and begins an empty one: the log has everything.
fn open_state(home: &dyn Home, room: &RoomWatch) -> Result<(State, u64), OpenError> {
    match State::open(room.back_state(home.state()?)) {
        Ok((state, at)) if at.unfinished => {
            drop(state);
            tracing::warn!("the state file was being rebuilt from the log when the host ended; that begins anew");
            // Nothing in it is of use: kept aside, one for each start, such files would fill the disk.
            home.state()?.set_len(0)?;
            Ok((State::open(room.back_state(home.state()?))?.0, 0))
        }
        Ok((state, at)) => Ok((state, at.k)),
        Err(error) if error.is_to_be_rebuilt() => Ok((begin_anew(home, room, &chain(&error))?, 0)),
        Err(error) => Err(error.into()),
    }
}

fn begin_anew(home: &dyn Home, room: &RoomWatch, why: &str) -> Result<State, OpenError> {
    let aside = home.set_state_aside()?;
    tracing::warn!(aside, "the state file is set aside and rebuilt from the log: {why}");
    Ok(State::open(room.back_state(home.state()?))?.0)
}
