//! The checkpoints of a partition: when one is due, and what follows when it was written.
//!
//! Invariant: a checkpoint holds durable frames only, and the log lets go of nothing that the state does not have durably. It is
//! written elsewhere, by whoever has a thread for it.

use wharf_state::{Checkpoint, Snapshot, StateError};

use super::{CommitFailed, Committer};
use crate::{limits::CHECKPOINT_EVERY, partition::chain};

/// Why a checkpoint was not written.
#[derive(Debug)]
pub enum Unwritten {
    /// There was no room on the disk. It is written when there is.
    NoRoom(String),
    /// The state file failed.
    Failed(String),
}

impl From<StateError> for Unwritten {
    fn from(error: StateError) -> Self {
        if error.is_full_disk() { Self::NoRoom(chain(&error)) } else { Self::Failed(chain(&error)) }
    }
}

impl From<String> for Unwritten {
    fn from(error: String) -> Self {
        Self::Failed(error)
    }
}

impl Committer {
    /// Whether a checkpoint is due. It is taken once nothing is sequenced that is not durable.
    #[must_use]
    pub fn is_checkpoint_due(&self) -> bool {
        let now = self.surroundings.clock.monotonic();
        let aged = self.checkpointed.is_none_or(|at| now.saturating_sub(at) >= CHECKPOINT_EVERY);
        let state = &self.shared.read().state;
        state.keep_pace();
        (aged && (state.is_dirty() || state.is_postponed())) || state.is_checkpoint_due()
    }

    /// The checkpoint that is due, to be written by whoever has a thread for it and then given to [`Committer::thaw`].
    #[must_use]
    pub fn checkpoint_if_due(&mut self) -> Option<Checkpoint> {
        if self.is_checkpoint_due() { self.checkpoint() } else { None }
    }

    /// The checkpoint that is due while a request waits for room, be it only since segments go with it.
    #[must_use]
    pub fn checkpoint_to_make_room(&mut self) -> Option<Checkpoint> {
        // One that found no room is tried again at its own pace.
        let is_due = self.is_checkpoint_due() || (!self.cleaned.is_empty() && !self.is_postponed());
        if is_due && self.is_at_rest() { self.checkpoint() } else { None }
    }

    /// A checkpoint of everything up to the last frame, or the one that was postponed; absent while another one is being written.
    #[must_use]
    pub fn checkpoint(&mut self) -> Option<Checkpoint> {
        assert!(self.is_at_rest(), "a checkpoint holds durable frames only");
        let checkpoint = {
            let state = &mut self.shared.write().state;
            state.again().or_else(|| state.freeze(self.log.last_k()))?
        };
        self.checkpointed = Some(self.surroundings.clock.monotonic());
        Some(checkpoint)
    }

    /// Puts a written checkpoint to use. One for which there was no room is written later; any other that failed ends the
    /// partition: without checkpoints memory would only grow.
    ///
    /// # Errors
    /// When the state file failed.
    pub fn thaw(&mut self, written: Result<Snapshot, impl Into<Unwritten>>) -> Result<(), CommitFailed> {
        match written.map_err(Into::into) {
            Ok(snapshot) => {
                let k = snapshot.k();
                let thawed = self.shared.write().state.thaw(snapshot);
                // Tens of megabytes of small things: readers need not wait while they are freed, nor does the next frame.
                self.surroundings.threads.blocking(Box::new(move || drop(thawed)));
                self.trim(k)
            }
            Err(Unwritten::NoRoom(error)) => {
                tracing::warn!("there is no room for a checkpoint, it is tried again: {error}");
                let postponed = self.shared.write().state.postpone();
                postponed.map_err(|error| self.failed(format!("the state file failed: {}", chain(&error))))
            }
            Err(Unwritten::Failed(error)) => Err(self.failed(format!("the state file failed: {error}"))),
        }
    }

    /// Lets go of the segments below which the log was cleaned, as far as the state has that durably, up to frame `k`.
    fn trim(&mut self, k: u64) -> Result<(), CommitFailed> {
        let mut trimmed = Ok(());
        while trimmed.is_ok()
            && let Some((_, below_k)) = self.cleaned.pop_front_if(|(cleaned_k, _)| *cleaned_k <= k)
        {
            trimmed = self.log.trim(below_k);
        }
        trimmed.map_err(|error| self.failed(chain(&error)))
    }

    /// Whether a checkpoint could not be written and waits for room.
    #[must_use]
    pub fn is_postponed(&self) -> bool {
        self.shared.read().state.is_postponed()
    }

    /// Whether a checkpoint is being written.
    #[must_use]
    pub fn is_checkpointing(&self) -> bool {
        let state = &self.shared.read().state;
        state.is_frozen() && !state.is_postponed()
    }
}
