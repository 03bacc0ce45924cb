//! Opening a data folder: the last checkpoint, then the log from there on.
//!
//! Records of the deduplication window are read even if the checkpoint has them: the index lives in memory only.

use std::io;

use wharf_delivery::{DecodeError, Sequencer, TableError, apply};
use wharf_event::Position;
use wharf_log::{AnyDisk, Log, LogError, LogOptions};
use wharf_state::{State, StateError};

use crate::{
    archive::decode,
    partition::chain,
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
}

pub(crate) fn open(home: &dyn Home, dedup_window_ms: u64, from: &Surroundings) -> Result<Opened, OpenError> {
    let disk = home.log()?;
    let (mut state, checkpoint_k) = open_state(home)?;
    let options = LogOptions {
        partition: 0,
        nonce: nonce(from.random.as_ref()),
        time_ms: from.clock.wall_ms(),
        checkpoint_k,
        sizes: home.segment_sizes(),
    };
    let (log, found) = Log::open(disk, options)?;
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
    let recovered = Recovered {
        checkpoint_k,
        last_k: found.last_k,
        frames_replayed,
        torn_bytes_cut: found.torn_bytes_cut,
        pending: sequencer.pending(),
    };
    Ok(Opened { log, state, sequencer, last_time_ms: found.last_time_ms, recovered })
}

fn nonce(random: &dyn Random) -> [u8; 16] {
    let mut nonce = [0; 16];
    let (low, high) = nonce.split_at_mut(8);
    low.copy_from_slice(&random.bits().to_le_bytes());
    high.copy_from_slice(&random.bits().to_le_bytes());
    nonce
}

/// Opens the state, or sets it aside and begins an empty one: the log has everything.
fn open_state(home: &dyn Home) -> Result<(State, u64), OpenError> {
    let open = || -> Result<_, OpenError> { Ok(State::open(home.state()?)?) };
    match open() {
        Ok((state, checkpointed)) => Ok((state, checkpointed.k)),
        Err(OpenError::State(error)) if error.is_to_be_rebuilt() => {
            let aside = home.set_state_aside()?;
            tracing::warn!(aside, "the state file is set aside and rebuilt from the log: {}", chain(&error));
            let (state, checkpointed) = open()?;
            Ok((state, checkpointed.k))
        }
        Err(error) => Err(error),
    }
}
