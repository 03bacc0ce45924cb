//! The partition's thread: takes what waits, decides it, appends one frame, and only then answers.
//!
//! While a frame is being synced the next requests gather in the channel: that is the group commit. A failed write or sync
//! ends it: nothing is acknowledged any more, and nothing is tried again.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    time::Instant,
};

use tokio::sync::{mpsc::UnboundedSender, oneshot};
use wharf_delivery::{Answer, Decision, Refused, Request, Sequencer, TableError, apply};
use wharf_event::{Digest, Position, TenantName};
use wharf_log::{FolderDisk, Log, LogError, RecordIn};
use wharf_state::{Snapshot, State};

use crate::{
    clock::FrameClock,
    limits::{CHECKPOINT_EVERY, FRAME_GATHER_BYTES, FRAME_GATHER_REQUESTS, LAST_CHECKPOINT_WAIT, MARK_AFTER},
    partition::{Arisen, AskError, Job, Message, chain},
    shared::Shared,
};

/// The thread's own.
pub(crate) struct Writer {
    pub(crate) log: Log<FolderDisk>,
    pub(crate) sequencer: Sequencer,
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Arc<FrameClock>,
    pub(crate) messages: Receiver<Message>,
    /// For the checkpoint threads to report to.
    pub(crate) reports: Sender<Message>,
    pub(crate) arisen: UnboundedSender<Arisen>,
    pub(crate) checkpointed: Instant,
    /// The last frame is a mark or an epoch: no other mark is needed.
    pub(crate) marked: bool,
    /// It was asked to stop.
    pub(crate) stopping: bool,
}

/// An answer to a request, or why there is none.
type Answered = Result<Answer, AskError>;

/// What a frame is made of.
struct FrameDraft {
    k: u64,
    now_ms: u64,
    records: Vec<(u64, u16, Vec<u8>)>,
    answers: Vec<(oneshot::Sender<Answered>, Answered)>,
    arisen: Vec<Arisen>,
}

impl Writer {
    /// Runs until it is stopped or the log fails. True when nothing is left to replay.
    pub(crate) fn run(mut self) -> bool {
        let failure = match catch_unwind(AssertUnwindSafe(|| self.work())) {
            Ok(Ok(clean)) => return clean,
            Ok(Err(error)) => error,
            Err(_) => "the log's thread panicked; that is a defect of the host".to_owned(),
        };
        self.fail(&failure);
        false
    }

    fn work(&mut self) -> Result<bool, String> {
        loop {
            match self.messages.recv_timeout(MARK_AFTER) {
                Ok(Message::Ask(job)) => self.commit(*job)?,
                Ok(Message::Checkpointed(result)) => self.thaw(result)?,
                Ok(Message::Stop) => self.stopping = true,
                Err(RecvTimeoutError::Timeout) => self.idle()?,
                Err(RecvTimeoutError::Disconnected) => return Ok(false),
            }
            if self.stopping {
                return self.last_checkpoint();
            }
            self.checkpoint_if_due()?;
        }
    }

    /// Decides `first` and what waits behind it, appends the frame, answers.
    fn commit(&mut self, first: Job) -> Result<(), String> {
        let mut draft = FrameDraft {
            k: self.log.last_k() + 1,
            now_ms: self.clock.now_ms(),
            records: Vec::new(),
            answers: Vec::new(),
            arisen: Vec::new(),
        };
        let mut checkpointed = None;
        let gathered = {
            let shared = Arc::clone(&self.shared);
            let mut sequenced = shared.write();
            // After an error or a panic the state may hold half of a request: nobody may take it for durable.
            let before = std::mem::replace(&mut sequenced.k, draft.k);
            let gathered = self.gather(first, &mut draft, &mut sequenced.state, &mut checkpointed);
            if gathered.is_ok() && draft.records.is_empty() {
                sequenced.k = before;
            }
            gathered
        };
        let appended = gathered.map_err(|error| chain(&error));
        if let Err(error) = appended.and_then(|()| self.append(&draft).map_err(|error| chain(&error))) {
            self.shared.progress.send_modify(|progress| progress.failed = Some(error.clone()));
            for (to, _) in draft.answers {
                let _ = to.send(Err(AskError::Failed(error.clone())));
            }
            return Err(error);
        }
        for (to, answer) in draft.answers {
            // Whoever asked may have gone away; what was decided stands.
            let _ = to.send(answer);
        }
        for arisen in draft.arisen {
            let _ = self.arisen.send(arisen);
        }
        if let Some(result) = checkpointed {
            self.thaw(result)?;
        }
        self.log.prepare_step().map_err(|error| chain(&error))?;
        Ok(())
    }

    /// Decides `first` and the requests behind it, until the frame is full or something else comes.
    fn gather(
        &mut self,
        first: Job,
        draft: &mut FrameDraft,
        state: &mut State,
        checkpointed: &mut Option<Result<Snapshot, String>>,
    ) -> Result<(), TableError> {
        let (mut bytes, mut requests) = (first.bytes, 1);
        self.decide(first, draft, state)?;
        while bytes < FRAME_GATHER_BYTES && requests < FRAME_GATHER_REQUESTS {
            match self.messages.try_recv() {
                Ok(Message::Ask(job)) => {
                    (bytes, requests) = (bytes + job.bytes, requests + 1);
                    self.decide(*job, draft, state)?;
                }
                Ok(Message::Checkpointed(result)) => {
                    *checkpointed = Some(result);
                    break;
                }
                // The requests at hand are answered first.
                Ok(Message::Stop) => {
                    self.stopping = true;
                    break;
                }
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn decide(&mut self, job: Job, draft: &mut FrameDraft, state: &mut State) -> Result<(), TableError> {
        let Job { request, asked, answer: to, .. } = job;
        match self.decided(request, asked, draft, state) {
            Ok(answer) => draft.answers.push((to, answer)),
            Err(error) => {
                draft.answers.push((to, Err(AskError::Failed(error.to_string()))));
                return Err(error);
            }
        }
        Ok(())
    }

    /// Decides and applies one request; the outer error is the state's.
    fn decided(
        &mut self,
        request: Request,
        asked: Instant,
        draft: &mut FrameDraft,
        state: &mut State,
    ) -> Result<Answered, TableError> {
        if state.is_full() && matches!(request, Request::Accept(_)) {
            return Ok(Err(Refused::Overloaded.into()));
        }
        let base = Position { k: draft.k, i: record_index(draft.records.len()) };
        let Decision { records, answer } = match self.sequencer.decide(request, draft.now_ms, base, state)? {
            Ok(decision) => decision,
            Err(refused) => return Ok(Err(refused.into())),
        };
        let mut due = Vec::new();
        for record in records {
            let position = Position { k: draft.k, i: record_index(draft.records.len()) };
            due.extend(apply(&record, position, draft.now_ms, state)?);
            draft.records.push((tenant_number(record.tenant()), record.kind() as u16, record.encode()));
        }
        draft.arisen.extend((!due.is_empty()).then_some(Arisen { due, asked }));
        Ok(Ok(answer))
    }

    fn append(&mut self, draft: &FrameDraft) -> Result<(), LogError> {
        if draft.records.is_empty() {
            return Ok(());
        }
        let records: Vec<RecordIn<'_>> = draft
            .records
            .iter()
            .map(|(tenant, kind, body)| RecordIn { tenant: *tenant, kind: *kind, key_id: 0, body })
            .collect();
        let k = self.log.append(draft.now_ms, &records)?;
        assert_eq!(k, draft.k, "the log numbers frames as the sequencer foresaw");
        self.marked = false;
        self.shared.progress.send_modify(|progress| progress.durable_k = k);
        Ok(())
    }

    /// Follows the last frame with a mark, so that a fault in it is told from a torn tail.
    fn idle(&mut self) -> Result<(), String> {
        if !self.marked {
            self.log.append_mark(self.clock.now_ms()).map_err(|error| chain(&error))?;
            self.marked = true;
        }
        self.log.prepare_step().map_err(|error| chain(&error))?;
        Ok(())
    }

    fn checkpoint_if_due(&mut self) -> Result<(), String> {
        let due = {
            let sequenced = self.shared.read();
            let aged = sequenced.state.is_dirty() && self.checkpointed.elapsed() >= CHECKPOINT_EVERY;
            aged || sequenced.state.is_checkpoint_due()
        };
        if !due {
            return Ok(());
        }
        let Some(checkpoint) = self.shared.write().state.freeze(self.log.last_k()) else { return Ok(()) };
        self.checkpointed = Instant::now();
        let reports = self.reports.clone();
        let write = move || {
            let written = catch_unwind(AssertUnwindSafe(|| checkpoint.write()));
            let result = match written {
                Ok(result) => result.map_err(|error| chain(&error)),
                Err(_) => Err("writing a checkpoint panicked; that is a defect of the host".to_owned()),
            };
            // The partition may have stopped meanwhile; then nobody needs the view.
            let _ = reports.send(Message::Checkpointed(result));
        };
        let spawned = std::thread::Builder::new().name("wharf-checkpoint".into()).spawn(write);
        spawned.map(drop).map_err(|error| format!("no thread for a checkpoint: {error}"))
    }

    /// Puts a written checkpoint to use. One that failed ends the host: without checkpoints memory would only grow.
    fn thaw(&mut self, result: Result<Snapshot, String>) -> Result<(), String> {
        let snapshot = result.map_err(|error| format!("the state file failed: {error}"))?;
        self.shared.write().state.thaw(snapshot);
        Ok(())
    }

    /// Leaves nothing to replay, if it can. Requests that still come are told that the host stops.
    fn last_checkpoint(&mut self) -> Result<bool, String> {
        let deadline = Instant::now() + LAST_CHECKPOINT_WAIT;
        while self.shared.read().state.is_frozen() {
            match self.messages.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Message::Checkpointed(result)) => self.thaw(result)?,
                Ok(Message::Ask(job)) => drop(job.answer.send(Err(AskError::Stopping))),
                Ok(Message::Stop) => {}
                Err(_) => return Ok(false),
            }
        }
        let checkpoint = self.shared.write().state.freeze(self.log.last_k());
        match checkpoint {
            Some(checkpoint) => self.thaw(checkpoint.write().map_err(|error| chain(&error)))?,
            None => return Ok(false),
        }
        Ok(true)
    }

    fn fail(&self, error: &str) {
        tracing::error!("the log failed, nothing is acknowledged any more: {error}");
        self.shared.progress.send_modify(|progress| progress.failed = Some(error.to_owned()));
        // Requests that wait, and those still to come, are told why until the host stops.
        loop {
            let message = if self.stopping { self.messages.try_recv().ok() } else { self.messages.recv().ok() };
            let Some(message) = message else { return };
            match message {
                Message::Ask(job) => {
                    let _ = job.answer.send(Err(AskError::Failed(error.to_owned())));
                }
                Message::Checkpointed(_) => {}
                Message::Stop => return,
            }
        }
    }
}

/// A record's index in its frame, as positions have it: the low byte numbers what the record published.
fn record_index(index: usize) -> u32 {
    u32::try_from(index << 8).unwrap_or(u32::MAX)
}

/// The number under which a frame's directory names a tenant: the head of its name's SHA-256. 0 is the host itself.
fn tenant_number(tenant: Option<&TenantName>) -> u64 {
    tenant.map_or(0, |tenant| {
        let digest = Digest::of(tenant.as_str().as_bytes());
        digest.as_bytes().first_chunk().map_or(0, |head| u64::from_le_bytes(*head))
    })
}
