//! Opening a data folder: the last checkpoint, then the log from there on.
//!
//! Records of the deduplication window are read even if the checkpoint has them: the index lives in memory only.

use std::io;

use cap_std::fs::{Dir, OpenOptions};
use wharf_delivery::{DecodeError, DeliveryId, DeliveryRow, Due, Sequencer, Table, TableError, Tables, apply};
use wharf_event::Position;
use wharf_log::{FolderDisk, Log, LogError, LogOptions, SegmentSizes};
use wharf_state::{State, StateError};

use crate::{archive::decode, clock::Clock, partition::chain};

const STATE_FILE: &str = "state.redb";
const LOG_FOLDER: &str = "log";

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
    /// A thread could not be started.
    #[error("a thread cannot be started")]
    Thread(#[source] io::Error),
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
    pub pending: usize,
}

/// An open data folder.
pub(crate) struct Opened {
    pub(crate) log: Log<FolderDisk>,
    pub(crate) state: State,
    pub(crate) sequencer: Sequencer,
    /// Time of the log's last frame, the epoch's own.
    pub(crate) last_time_ms: u64,
    pub(crate) due: Vec<Due>,
    pub(crate) recovered: Recovered,
}

pub(crate) fn open(folder: &Dir, dedup_window_ms: u64, clock: &impl Clock) -> Result<Opened, OpenError> {
    if !folder.exists(LOG_FOLDER) {
        folder.create_dir(LOG_FOLDER)?;
        folder.open(".")?.sync_all()?;
    }
    let (mut state, checkpoint_k) = open_state(folder)?;
    let options = LogOptions {
        partition: 0,
        nonce: rand::random(),
        time_ms: clock.wall_ms(),
        checkpoint_k,
        sizes: SegmentSizes::default(),
    };
    let (log, found) = Log::open(FolderDisk::new(folder.open_dir(LOG_FOLDER)?), options)?;
    let mut sequencer = Sequencer::new(dedup_window_ms);
    let reader = log.reader();
    let window_k = reader.first_k_at_or_after(found.last_time_ms.saturating_sub(dedup_window_ms))?;
    let mut frames_replayed = 0;
    for frame in reader.frames(window_k.min(checkpoint_k + 1)).records_only() {
        let frame = frame?;
        let replayed = frame.k > checkpoint_k;
        frames_replayed += u64::from(replayed);
        for (index, record) in (0..).zip(&frame.records) {
            let position = Position { k: frame.k, i: index << 8 };
            let record = decode(record).map_err(|source| OpenError::Record { position, source })?;
            sequencer.remember(&record, position, frame.time_ms);
            if replayed {
                apply(&record, position, frame.time_ms, &mut state)?;
            }
        }
        if state.is_checkpoint_due()
            && let Some(checkpoint) = state.freeze(frame.k)
        {
            state.thaw(checkpoint.write()?);
        }
    }
    sequencer.resume(&state)?;
    let due = unsettled(&state)?;
    let recovered = Recovered {
        checkpoint_k,
        last_k: found.last_k,
        frames_replayed,
        torn_bytes_cut: found.torn_bytes_cut,
        pending: due.len(),
    };
    Ok(Opened { log, state, sequencer, last_time_ms: found.last_time_ms.max(options.time_ms), due, recovered })
}

/// Opens the state, or sets it aside and begins an empty one: the log has everything.
fn open_state(folder: &Dir) -> Result<(State, u64), OpenError> {
    let options = || OpenOptions::new().read(true).write(true).create(true).to_owned();
    let open = || -> Result<_, OpenError> { Ok(State::open(folder.open_with(STATE_FILE, &options())?.into_std())?) };
    match open() {
        Ok((state, checkpointed)) => Ok((state, checkpointed.k)),
        Err(OpenError::State(error)) if error.is_damage() => {
            let aside = format!("{STATE_FILE}.damaged-{:08x}", rand::random::<u32>());
            tracing::warn!(
                aside,
                "the state file does not open ({}); it is set aside and rebuilt from the log",
                chain(&error)
            );
            folder.rename(STATE_FILE, folder, &aside)?;
            let (state, checkpointed) = open()?;
            Ok((state, checkpointed.k))
        }
        Err(error) => Err(error),
    }
}

/// All unsettled deliveries, in log order.
fn unsettled(state: &State) -> Result<Vec<Due>, OpenError> {
    let rows = state.scan(Table::Deliveries, &[], std::ops::Bound::Unbounded, usize::MAX)?;
    let mut due = Vec::with_capacity(rows.len());
    for (key, row) in rows {
        let id = DeliveryId::from_key(&key)
            .ok_or(TableError::Row { table: Table::Deliveries.name(), source: DecodeError::Invalid("key") })?;
        due.push(Due { id, row: DeliveryRow::from_bytes(&row)?, event: None });
    }
    Ok(due)
}
