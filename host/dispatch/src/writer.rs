//! The partition's thread: takes what waits, decides it, appends one frame, and only then answers.
//!
//! While a frame is being synced the next requests gather in the channel: that is the group commit. A failed write or sync
//! ends it: nothing is acknowledged any more, and nothing is tried again.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use tokio::sync::{mpsc::UnboundedSender, oneshot};
use wharf_delivery::{Answer, Decision, Refused, Request, Sequencer, TableError, apply};
use wharf_event::{Digest, Position, TenantName};
use wharf_log::{FolderDisk, Log, LogError, RecordIn};
use wharf_state::Snapshot;

use crate::{
    clock::FrameClock,
    limits::{CHECKPOINT_EVERY, FRAME_GATHER_BYTES, FRAME_GATHER_REQUESTS, MARK_AFTER},
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
}

/// What a frame is made of.
struct FrameDraft {
    k: u64,
    now_ms: u64,
    records: Vec<(u64, u16, Vec<u8>)>,
    answers: Vec<(oneshot::Sender<Result<Answer, AskError>>, Result<Answer, AskError>)>,
    arisen: Vec<Arisen>,
}

impl Writer {
    /// Runs until it is stopped or the log fails.
    pub(crate) fn run(mut self) {
        loop {
            match self.messages.recv_timeout(MARK_AFTER) {
                Ok(Message::Ask(job)) => {
                    if let Err(error) = self.commit(*job) {
                        self.fail(&error);
                        return;
                    }
                }
                Ok(Message::Checkpointed(result)) => self.thaw(result),
                Ok(Message::Stop) => {
                    self.last_checkpoint();
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Err(error) = self.idle() {
                        self.fail(&error);
                        return;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.checkpoint_if_due();
        }
    }

    /// Decides `first` and everything that waits behind it, appends the frame, answers.
    fn commit(&mut self, first: Job) -> Result<(), String> {
        let mut draft = FrameDraft {
            k: self.log.last_k() + 1,
            now_ms: self.clock.now_ms(),
            records: Vec::new(),
            answers: Vec::new(),
            arisen: Vec::new(),
        };
        let mut snapshot = None;
        {
            let shared = Arc::clone(&self.shared);
            let mut sequenced = shared.write();
            let (mut bytes, mut requests) = (first.bytes, 1);
            self.decide(first, &mut draft, &mut sequenced.state).map_err(|error| error.to_string())?;
            while bytes < FRAME_GATHER_BYTES && requests < FRAME_GATHER_REQUESTS && snapshot.is_none() {
                match self.messages.try_recv() {
                    Ok(Message::Ask(job)) => {
                        (bytes, requests) = (bytes + job.bytes, requests + 1);
                        self.decide(*job, &mut draft, &mut sequenced.state).map_err(|error| error.to_string())?;
                    }
                    Ok(Message::Checkpointed(result)) => snapshot = Some(result),
                    // Asked to stop with requests at hand: they are answered first, then it is asked again.
                    Ok(Message::Stop) => {
                        let _ = self.reports.send(Message::Stop);
                        break;
                    }
                    Err(_) => break,
                }
            }
            if !draft.records.is_empty() {
                sequenced.k = draft.k;
            }
        }
        self.append(&draft).map_err(|error| chain(&error))?;
        for (to, answer) in draft.answers {
            // Whoever asked may have gone away; what was decided stands.
            let _ = to.send(answer);
        }
        for arisen in draft.arisen {
            let _ = self.arisen.send(arisen);
        }
        if let Some(result) = snapshot {
            self.thaw(result);
        }
        self.log.prepare_step().map_err(|error| chain(&error))?;
        Ok(())
    }

    fn decide(&mut self, job: Job, draft: &mut FrameDraft, state: &mut wharf_state::State) -> Result<(), TableError> {
        let Job { request, asked, answer: to, .. } = job;
        if state.is_full() && matches!(request, Request::Accept(_)) {
            draft.answers.push((to, Err(Refused::Overloaded.into())));
            return Ok(());
        }
        let base = Position { k: draft.k, i: record_index(draft.records.len()) };
        let Decision { records, answer } = match self.sequencer.decide(request, draft.now_ms, base, state)? {
            Ok(decision) => decision,
            Err(refused) => {
                draft.answers.push((to, Err(refused.into())));
                return Ok(());
            }
        };
        let mut due = Vec::new();
        for record in records {
            let position = Position { k: draft.k, i: record_index(draft.records.len()) };
            due.extend(apply(&record, position, draft.now_ms, state)?);
            draft.records.push((tenant_number(record.tenant()), record.kind() as u16, record.encode()));
        }
        draft.arisen.extend((!due.is_empty()).then_some(Arisen { due, asked }));
        draft.answers.push((to, Ok(answer)));
        Ok(())
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

    fn checkpoint_if_due(&mut self) {
        let mut sequenced = self.shared.write();
        let state = &mut sequenced.state;
        let aged = state.is_dirty() && self.checkpointed.elapsed() >= CHECKPOINT_EVERY;
        if !aged && !state.is_checkpoint_due() {
            return;
        }
        let Some(checkpoint) = state.freeze(self.log.last_k()) else { return };
        self.checkpointed = Instant::now();
        let reports = self.reports.clone();
        let spawned = std::thread::Builder::new().name("wharf-checkpoint".into()).spawn(move || {
            // The partition may have stopped meanwhile; then nobody needs the view.
            let _ = reports.send(Message::Checkpointed(checkpoint.write()));
        });
        if let Err(error) = spawned {
            tracing::error!("no thread for a checkpoint: {error}; the log keeps everything");
        }
    }

    fn thaw(&mut self, result: Result<Snapshot, wharf_state::StateError>) {
        match result {
            Ok(snapshot) => self.shared.write().state.thaw(snapshot),
            Err(error) => tracing::error!("a checkpoint failed: {}; the log keeps everything", chain(&error)),
        }
    }

    /// Leaves nothing to replay.
    fn last_checkpoint(&mut self) {
        if self.shared.read().state.is_frozen() {
            match self.messages.recv_timeout(Duration::from_secs(30)) {
                Ok(Message::Checkpointed(result)) => self.thaw(result),
                _ => return,
            }
        }
        let checkpoint = {
            let mut sequenced = self.shared.write();
            if !sequenced.state.is_dirty() {
                return;
            }
            sequenced.state.freeze(self.log.last_k())
        };
        if let Some(checkpoint) = checkpoint {
            self.thaw(checkpoint.write());
        }
    }

    fn fail(&self, error: &str) {
        tracing::error!("the log failed, nothing is acknowledged any more: {error}");
        self.shared.progress.send_modify(|progress| progress.failed = Some(error.to_owned()));
        // Requests that wait, and those still to come, are answered until the last one who can ask is gone.
        while let Ok(message) = self.messages.recv() {
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
