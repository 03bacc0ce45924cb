//! From requests to a durable frame: decide and apply ([`Committer::sequence`]), then write and sync ([`Committer::append`]).
//!
//! Invariant: the answers that [`Committer::append`] returns derive from frames that are durable. A failed write or sync ends
//! it: nothing is committed any more, and nothing is tried again. It has no thread and no channel; whoever calls it has them.

mod checkpoints;

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use wharf_delivery::{Decision, History, Record, Refused, Request, Sequencer, TableError, apply};
use wharf_event::Position;
use wharf_log::{AnyDisk, AnyFile, Log, LogError, RecordIn, Unsynced};
use wharf_state::State;

use crate::{
    archive::Archive,
    clock::{FrameClock, Step},
    draft::{Answered, Committed, FrameDraft, FrameSynced, TenantNumbers, ToSync, record_index},
    partition::{chain, size},
    recover::{OpenError, Opened, Recovered, open},
    room::RoomWatch,
    shared::Shared,
    surroundings::{Home, Surroundings},
};

pub use checkpoints::Unwritten;

/// Bytes of a frame beside the bytes of its requests, rounded up to a sector of the log.
const FRAME_HEAD_BYTES: usize = 1024;

/// Commits the requests of one partition.
pub struct Committer {
    log: Log<AnyDisk>,
    sequencer: Sequencer,
    shared: Arc<Shared>,
    clock: Arc<FrameClock>,
    surroundings: Surroundings,
    /// When the last checkpoint began, by the monotonic clock; absent where one is due whatever the time.
    checkpointed: Option<Duration>,
    /// Frames that said that the log was cleaned, and below which frame, the earliest first. They wait for a checkpoint.
    cleaned: VecDeque<(u64, u64)>,
    /// The last frame is a mark or an epoch: no other mark is needed.
    marked: bool,
    /// The frame that is written and being synced, and when its writing began, by the monotonic clock.
    written: Option<(FrameDraft, Duration)>,
    /// The frame that is being gathered.
    draft: Option<FrameDraft>,
    numbers: TenantNumbers,
    room: RoomWatch,
    /// A step of the wall clock that is not followed was told of.
    in_doubt: bool,
}

/// The log or the state failed: nothing is committed any more. What was asked last may or may not be durable.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct CommitFailed(pub(crate) String);

impl Committer {
    /// Opens the partition that lives in `home` and brings its state up to its log.
    ///
    /// # Errors
    /// When it is damaged or cannot be used.
    pub fn open(
        home: &dyn Home,
        dedup_window_ms: u64,
        surroundings: Surroundings,
    ) -> Result<(Self, Recovered), OpenError> {
        let Opened { log, state, sequencer, last_time_ms, recovered, room } =
            open(home, dedup_window_ms, &surroundings)?;
        let clock = Arc::new(FrameClock::new(Arc::clone(&surroundings.clock), last_time_ms));
        let shared = Arc::new(Shared::new(state, log.last_k()));
        // What was replayed is checkpointed soon, or a host that keeps being killed would replay more each time.
        let checkpointed = None;
        let mut committer = Self {
            log,
            sequencer,
            shared,
            clock,
            surroundings,
            checkpointed,
            cleaned: VecDeque::new(),
            marked: true,
            written: None,
            draft: None,
            numbers: TenantNumbers::default(),
            room,
            in_doubt: false,
        };
        committer.look();
        Ok((committer, recovered))
    }

    /// Whether `request` is refused before anything is decided, since there is room for what waits only.
    #[must_use]
    pub fn refuses(&self, request: &Request) -> bool {
        let brings = match request {
            Request::Redrive(_) | Request::Edit(_) => true,
            Request::Redriving(redriving) => !redriving.letters.is_empty(),
            _ => is_new(request),
        };
        brings && self.room.short_of().is_some()
    }

    /// Makes room in the log for a frame with `request`, and gives the bytes of requests that this frame may hold. Absent when
    /// the disk has none, the reserve's included: the request has to wait.
    ///
    /// # Errors
    /// When the log failed.
    pub fn make_room(&mut self, request: &Request) -> Result<Option<usize>, CommitFailed> {
        let bytes = size(request);
        let sure = self.log.make_room((bytes + FRAME_HEAD_BYTES) as u64).map_err(|error| self.failed(chain(&error)))?;
        let sure = usize::try_from(sure).unwrap_or(usize::MAX).saturating_sub(FRAME_HEAD_BYTES);
        Ok(Some(sure).filter(|sure| *sure >= bytes))
    }

    /// Decides `first` and what `more` has behind it, appends one frame, and gives the answers once it is durable.
    ///
    /// # Errors
    /// When the log or the state failed; every request that was taken from `more` is then without an answer.
    pub fn commit(&mut self, first: Request, more: impl FnMut() -> Option<Request>) -> Result<Committed, CommitFailed> {
        self.sequence(first, more)?;
        self.append()
    }

    /// Decides `first` and what `more` has behind it as part of the next frame. Attempts see what was decided at once; nobody
    /// else does before the frame is appended.
    ///
    /// # Errors
    /// When the state failed; then every request of the frame is without an answer.
    pub fn sequence(&mut self, first: Request, mut more: impl FnMut() -> Option<Request>) -> Result<(), CommitFailed> {
        let mut draft = match self.draft.take() {
            Some(draft) => draft,
            None => self.draft(),
        };
        // After an error or a panic the state may hold half of a request: nobody may take it for durable.
        let gathered = catch_unwind(AssertUnwindSafe(|| self.gather(first, &mut more, &mut draft)));
        let gathered = match gathered {
            Ok(gathered) => gathered.map_err(|error| chain(&error)),
            Err(_) => Err("deciding a request panicked; that is a defect of the host".to_owned()),
        };
        gathered.map_err(|error| self.failed(error))?;
        self.draft = Some(draft);
        Ok(())
    }

    /// The answers of the frame that is not appended yet, in order. They must not leave before it is.
    pub fn sequenced(&self) -> &[Answered] {
        self.draft.as_ref().map_or(&[], |draft| &draft.committed.answers)
    }

    /// Whether the next frame takes no more requests.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.draft.as_ref().is_some_and(FrameDraft::is_full)
    }

    /// Appends what was sequenced as one frame, and gives the answers once it is durable.
    ///
    /// # Errors
    /// When the log failed.
    pub fn append(&mut self) -> Result<Committed, CommitFailed> {
        let synced = self.write()?.sync();
        self.finish(synced)
    }

    /// Writes what was sequenced as one frame. It still has to be synced, on whatever thread, and [`Committer::finish`] to be
    /// told; meanwhile the next frame may be sequenced.
    ///
    /// # Errors
    /// When the log failed.
    pub fn write(&mut self) -> Result<ToSync, CommitFailed> {
        assert!(self.written.is_none(), "at most one frame is unsynced at any time");
        let draft = self.draft.take().unwrap_or_else(|| self.draft());
        let began = self.surroundings.clock.monotonic();
        let written = if draft.records.is_empty() { Ok(None) } else { self.write_frame(&draft).map(Some) };
        self.written = Some((draft, began));
        written.map(ToSync).map_err(|error| self.failed(chain(&error)))
    }

    /// Gives the answers of the frame whose sync ended so.
    ///
    /// # Errors
    /// When it failed.
    pub fn finish(&mut self, synced: FrameSynced) -> Result<Committed, CommitFailed> {
        let draft = self.written.take();
        let durable = match synced.0 {
            Some(synced) => self.log.finish(synced).map(Some).map_err(|error| chain(&error)),
            None => Ok(None),
        };
        if let (Ok(Some(k)), Some((draft, began))) = (&durable, &draft) {
            let took = self.surroundings.clock.monotonic().saturating_sub(*began);
            self.shared.frames.wrote(draft.committed.answers.len(), took);
            assert_eq!(*k, draft.k, "the log numbers frames as the sequencer foresaw");
            self.marked = false;
            self.room.wrote(draft.records.iter().map(|(_, _, body)| body.len()).sum());
            self.shared.progress.send_modify(|progress| progress.durable_k = *k);
        }
        self.prepared(durable.map(drop))?;
        Ok(draft.map(|(draft, _)| draft.committed).unwrap_or_default())
    }

    /// Whether nothing was sequenced that is not durable.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.written.is_none() && self.draft.is_none()
    }

    fn draft(&mut self) -> FrameDraft {
        let now_ms = self.clock.now_ms();
        self.sequencer.stepped(self.clock.take_stepped());
        // The one that is being synced has records, or there is nothing to sync.
        let last_k = self.written.as_ref().filter(|(it, _)| !it.records.is_empty()).map(|(written, _)| written.k);
        FrameDraft {
            k: last_k.unwrap_or(self.log.last_k()) + 1,
            now_ms,
            bytes: 0,
            records: Vec::new(),
            committed: Committed::default(),
        }
    }

    fn gather(
        &mut self,
        first: Request,
        more: &mut impl FnMut() -> Option<Request>,
        draft: &mut FrameDraft,
    ) -> Result<(), TableError> {
        let mut next = Some(first);
        while let Some(request) = next {
            draft.bytes += size(&request);
            let answer = self.decided(request, draft)?;
            draft.committed.answers.push(answer);
            next = if draft.is_full() { None } else { more() };
        }
        Ok(())
    }

    /// Decides and applies one request; the outer error is the state's. Others read the state while it is decided, since only this thread changes it, and
    /// while the records are encoded.
    fn decided(&mut self, request: Request, draft: &mut FrameDraft) -> Result<Answered, TableError> {
        if self.refuses(&request) {
            return Ok(Err(Refused::DiskFull.into()));
        }
        let at = |index: usize| Position { k: draft.k, i: record_index(draft.records.len() + index) };
        let decided = {
            let sequenced = self.shared.read();
            if sequenced.state.is_full() && is_new(&request) {
                return Ok(Err(Refused::Overloaded.into()));
            }
            self.sequencer.decide(request, draft.now_ms, at(0), &sequenced.state)?
        };
        let Decision { records, answer } = match decided {
            Ok(decision) => decision,
            Err(refused) => return Ok(Err(refused.into())),
        };
        if records.is_empty() {
            return Ok(Ok(answer));
        }
        let mut due = Vec::new();
        {
            let mut sequenced = self.shared.write();
            // Whoever reads it waits for the frame only where there is something of it: it is written then.
            sequenced.k = draft.k;
            for (index, record) in records.iter().enumerate() {
                due.extend(apply(record, at(index), draft.now_ms, History::Whole, &mut sequenced.state)?);
            }
        }
        for record in records {
            if let Record::Cleaned { below_k } = &record {
                self.cleaned.push_back((draft.k, *below_k));
            }
            draft.records.push((self.numbers.of(record.tenant()), record.kind() as u16, record.encode()));
        }
        if !due.is_empty() {
            let number = draft.committed.answers.len();
            draft.committed.arisen.push((number, due));
        }
        Ok(Ok(answer))
    }

    fn write_frame(&mut self, draft: &FrameDraft) -> Result<Unsynced<AnyFile>, LogError> {
        let records: Vec<RecordIn<'_>> = draft
            .records
            .iter()
            .map(|(tenant, kind, body)| RecordIn { tenant: *tenant, kind: *kind, key_id: 0, body })
            .collect();
        self.log.write(draft.now_ms, &records)
    }

    /// Follows the last frame with a mark, so that a fault in it is told from a torn tail.
    ///
    /// # Errors
    /// When the log failed.
    pub fn idle(&mut self) -> Result<(), CommitFailed> {
        let marked = if self.marked { Ok(()) } else { self.log.append_mark(self.clock.now_ms()).map(drop) };
        self.marked = marked.is_ok();
        // A mark for which there is no room is written when there is.
        let marked = if let Err(LogError::NoRoom { .. }) = marked { Ok(()) } else { marked };
        self.prepared(marked.map_err(|error| chain(&error)))
    }

    /// Goes on preparing the next segment if `so_far` all went well.
    fn prepared(&mut self, so_far: Result<(), String>) -> Result<(), CommitFailed> {
        let prepared = so_far.and_then(|()| self.log.prepare_step().map(drop).map_err(|error| chain(&error)));
        self.look();
        prepared.map_err(|error| self.failed(error))
    }

    /// Looks whether there is room for new work, now and then.
    fn look(&mut self) {
        if self.room.look(self.surroundings.clock.monotonic(), self.log.ahead_bytes()) {
            self.shared.progress.send_modify(|progress| progress.short_of = self.room.short_of());
        }
    }

    /// Lets frame time follow the wall clock where that is believed after a stop, was stable for long enough after a step, or `at_once`. True when
    /// frame time jumped.
    ///
    /// # Errors
    /// When the log or the state failed.
    pub fn follow_clock(&mut self, at_once: bool) -> Result<bool, CommitFailed> {
        let step = self.clock.step();
        self.tell_of(step.filter(|step| !step.believed));
        if step.is_none() || self.make_room(&Request::Follow { by_ms: 0 })?.is_none() {
            return Ok(false);
        }
        let Some(by_ms) = self.clock.follow(at_once) else { return Ok(false) };
        match step {
            Some(Step { believed: true, .. }) => {
                tracing::info!(by_ms, "the log's time goes on where the wall clock is")
            }
            _ => tracing::warn!(by_ms, "frame time follows the wall clock"),
        }
        self.commit(Request::Follow { by_ms }, || None).map(|_| true)
    }

    /// Says once that frame time does not follow a step of the wall clock, and once that they agree again.
    fn tell_of(&mut self, step: Option<Step>) {
        match (std::mem::replace(&mut self.in_doubt, step.is_some()), step) {
            (false, Some(Step { ahead_ms, .. })) => tracing::warn!(
                ahead_ms,
                "the wall clock is not where the log's time is, and is not believed yet: it is followed when it has kept its step for \
                 ten minutes, or at once by a start with --follow-clock; until then nothing is trimmed, expired or ended by age"
            ),
            (true, None) => match self.clock.ahead_ms() {
                0 => tracing::info!("the wall clock and the log's time agree again"),
                ahead_ms => tracing::warn!(
                    ahead_ms,
                    "the log's time is ahead of the wall clock, and comes back to it by a tenth of the time that passes: schedules fire early \
                     until then"
                ),
            },
            _ => {}
        }
    }

    fn failed(&self, error: String) -> CommitFailed {
        self.shared.fail(error.clone());
        CommitFailed(error)
    }

    /// The log, to be read.
    #[must_use]
    pub fn archive(&self) -> Archive {
        Archive::new(self.log.reader())
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    pub(crate) fn clock(&self) -> Arc<FrameClock> {
        Arc::clone(&self.clock)
    }

    pub(crate) fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// Reads the state as it is, durable or not.
    pub fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.shared.read().state)
    }
}

/// Whether a request brings an event that nobody is owed yet.
fn is_new(request: &Request) -> bool {
    match request {
        Request::Accept(_) => true,
        Request::Serve(serve) => serve.changes(),
        Request::Fire(fire) => fire.event.is_some(),
        Request::Replay(replay) => replay.events.is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cap_std::{ambient_authority, fs::Dir};
    use wharf_delivery::{AcceptRequest, ConfigureRequest, Quotas};

    use super::*;
    use crate::machine::FolderHome;

    #[tokio::test]
    async fn a_frame_that_holds_refusals_only_is_none_that_readers_wait_for() {
        let folder = tempfile::tempdir().unwrap();
        let home = FolderHome::new(Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap());
        let surroundings = Surroundings::of_this_machine(tokio::runtime::Handle::current());
        let (mut committer, _) = Committer::open(&home, 300_000, surroundings).unwrap();
        committer.commit(Request::Configure(ConfigureRequest { document: "{}".into() }), || None).unwrap();
        let (tenant, bus) = ("acme".parse().unwrap(), "default".parse().unwrap());
        let (quotas, backlogs) = (Quotas::default(), BTreeMap::new());
        let stale = AcceptRequest {
            tenant,
            bus,
            rules_version: 0,
            since_k: 0,
            quotas,
            backlogs,
            events: Vec::new(),
            delayed: None,
        };
        let durable_k = committer.archive().last_k();
        committer.sequence(Request::Accept(stale), || None).unwrap();
        assert!(matches!(committer.sequenced(), [Err(_)]), "{:?}", committer.sequenced());
        assert_eq!(committer.shared().read().k, durable_k);
    }
}
