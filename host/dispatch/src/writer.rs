//! The partition's task: takes what waits, commits it as one frame, and only then answers.
//!
//! While a frame is being synced the next requests are sequenced: that is the group commit. Where several wait for an answer the
//! sync has a thread of its own, so that attempts whose settlements are sequenced make room for others meanwhile; a single
//! client is answered sooner without. When the log or the state has failed, requests are told why until the host stops.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc::UnboundedSender, oneshot},
    time::timeout,
};
use wharf_delivery::{Answer, Refused, Request};
use wharf_state::{Checkpoint, State};

use crate::{
    committer::{CommitFailed, Committer, Unwritten},
    draft::{Answered, Committed},
    inbox::Inbox,
    limits::{GATHER_PAUSE, LAST_CHECKPOINT_WAIT, MARK_AFTER, SYNC_ASIDE_FROM},
    partition::{Arisen, AskError, Job, Message, size},
    slot::Slot,
    surroundings::blocking,
};

/// What to do about a log that failed.
const LOG_FAILED_HELP: &str = "Look at the disk and what the system says of it (`dmesg`), mend or replace it, and start the host again: it recovers what was acknowledged";

/// The task's own.
pub(crate) struct Writer {
    pub(crate) committer: Committer,
    pub(crate) inbox: Inbox,
    /// For the checkpoints to report to.
    pub(crate) reports: UnboundedSender<Message>,
    pub(crate) arisen: UnboundedSender<Arisen>,
    /// Who waits for the frame that is being gathered.
    pub(crate) askers: Vec<Asker>,
    /// Bytes of requests that it still may hold.
    pub(crate) left: usize,
    /// Who waits for the frame that is being written and synced.
    pub(crate) committing: Vec<Asker>,
    /// The host stops: the last checkpoint is written.
    pub(crate) stopping: bool,
}

impl Writer {
    /// Runs until it is stopped or the log fails. True when nothing is left to replay.
    pub(crate) async fn run(mut self) -> bool {
        let failure = match AssertUnwindSafe(self.work()).catch_unwind().await {
            Ok(Ok(clean)) => return clean,
            Ok(Err(CommitFailed(error))) => error,
            Err(_) => "the log's thread panicked; that is a defect of the host".to_owned(),
        };
        self.fail(&failure).await;
        false
    }

    async fn work(&mut self) -> Result<bool, CommitFailed> {
        // What comes now is of now, and not of when the host was stopped.
        self.committer.follow_clock(false)?;
        loop {
            if self.askers.is_empty() {
                match self.inbox.next().await {
                    Some(Some(Message::Ask(job))) => {
                        if !self.begin(job).await? {
                            return Ok(false);
                        }
                    }
                    Some(Some(Message::Checkpointed(written))) => self.committer.thaw(written)?,
                    Some(Some(Message::FollowClock)) => drop(self.committer.follow_clock(true)?),
                    Some(Some(Message::Stop)) => {
                        self.stopping = true;
                        return self.last_checkpoint().await;
                    }
                    Some(None) => self.committer.idle()?,
                    None => return Ok(false),
                }
            }
            if !self.askers.is_empty() {
                self.sequence_waiting()?;
                self.commit().await?;
            }
            // The rest wants everything durable: what was sequenced meanwhile is committed first.
            if self.committer.is_at_rest() {
                self.committer.follow_clock(false)?;
                if let Some(checkpoint) = self.committer.checkpoint_if_due() {
                    self.write_aside(checkpoint);
                }
            }
        }
    }

    /// Begins a frame with a request, once there is room for it; false when the host stops meanwhile.
    async fn begin(&mut self, job: Box<Job>) -> Result<bool, CommitFailed> {
        let failed = self.committer.shared().progress.borrow().failed.clone();
        if let Some(failed) = failed {
            // Somebody else found that the host cannot go on.
            self.inbox.put_back(Message::Ask(job));
            return Err(CommitFailed(failed));
        }
        match self.room_for(&job).await {
            Ok(Some(bytes)) => self.sequence(*job, bytes).map(|()| true),
            Ok(None) => {
                answered(job.answer, Err(AskError::Stopping));
                Ok(false)
            }
            Err(failed) => {
                // It is told why with all others.
                self.inbox.put_back(Message::Ask(job));
                Err(failed)
            }
        }
    }

    /// The bytes of requests that a frame with this one may hold, once there is room for it in the log: on a full disk that takes
    /// until somebody makes some. Absent when the host stops meanwhile.
    async fn room_for(&mut self, job: &Job) -> Result<Option<usize>, CommitFailed> {
        let mut told = false;
        loop {
            if let Some(bytes) = self.room_now(job)? {
                return Ok(Some(bytes));
            }
            if !std::mem::replace(&mut told, true) {
                tracing::error!("the disk is full and the reserve is used up: settlements wait until there is room");
            }
            match self.without_room()? {
                Meanwhile::Stop => return Ok(None),
                Meanwhile::Thawed => continue,
                Meanwhile::Nothing => {
                    // One that is written may let segments go.
                    if let Some(checkpoint) = self.committer.checkpoint_to_make_room() {
                        self.write_aside(checkpoint);
                    }
                }
            }
            match self.inbox.fills_in(MARK_AFTER).await {
                Some(true) => {}
                Some(false) => self.committer.idle()?,
                None => return Ok(None),
            }
        }
    }

    /// Looks after those at hand that need no room in the log, or will find none.
    fn without_room(&mut self) -> Result<Meanwhile, CommitFailed> {
        let Self { committer, inbox, .. } = self;
        let at_once = inbox.take(|message| match message {
            Message::Ask(job) => committer.refuses(&job.request),
            Message::Checkpointed(_) | Message::Stop => true,
            Message::FollowClock => false,
        });
        let mut came = Meanwhile::Nothing;
        for message in at_once {
            match message {
                Message::Ask(job) => answered(job.answer, Err(Refused::DiskFull.into())),
                Message::Checkpointed(written) => {
                    committer.thaw(written)?;
                    came = Meanwhile::Thawed;
                }
                Message::Stop => {
                    self.stopping = true;
                    return Ok(Meanwhile::Stop);
                }
                Message::FollowClock => {}
            }
        }
        Ok(came)
    }

    /// The bytes of requests that a frame with this one may hold; absent when there is no room for it in the log.
    fn room_now(&mut self, job: &Job) -> Result<Option<usize>, CommitFailed> {
        if self.committer.refuses(&job.request) {
            // It takes no room. Those that join its frame may, as far as there is some.
            return Ok(Some(self.committer.make_room(&Request::Follow { by_ms: 0 })?.unwrap_or(0)));
        }
        self.committer.make_room(&job.request)
    }

    /// Commits the frame that was gathered, and answers.
    async fn commit(&mut self) -> Result<(), CommitFailed> {
        self.committing = std::mem::take(&mut self.askers);
        // A frame that leaves something sequenced behind would put a checkpoint off for ever.
        let hurried = self.committing.iter().filter(|asker| !asker.is_patient).count();
        let alone = hurried < SYNC_ASIDE_FROM || self.committer.is_checkpoint_due();
        let committed = if alone { self.committer.append() } else { self.append_aside().await };
        let committed = committed?;
        let askers = std::mem::take(&mut self.committing);
        self.answer(askers, committed);
        Ok(())
    }

    /// Appends the frame that was gathered while another thread syncs it, and sequences what comes meanwhile.
    async fn append_aside(&mut self) -> Result<Committed, CommitFailed> {
        let to_sync = self.committer.write()?;
        let threads = Arc::clone(&self.committer.surroundings().threads);
        let mut synced = pin!(blocking(threads.as_ref(), move || to_sync.sync()));
        loop {
            // Whoever asks now need not wake this thread up: it looks again in a moment.
            threads.pause(GATHER_PAUSE);
            self.sequence_waiting()?;
            tokio::select! {
                biased;
                synced = &mut synced => {
                    let ended = || CommitFailed("the thread that synced the log ended".to_owned());
                    return self.committer.finish(synced.ok_or_else(ended)?);
                }
                () = self.inbox.fills() => {}
            }
        }
    }

    /// Sequences the requests that wait, up to what has to wait for the frame that is being synced.
    fn sequence_waiting(&mut self) -> Result<(), CommitFailed> {
        if self.askers.is_empty() {
            // What waits for company begins no frame while one is synced.
            if self.inbox.is_empty() {
                return Ok(());
            }
            let Some(job) = self.inbox.begins() else { return Ok(()) };
            match self.room_now(&job) {
                Ok(Some(bytes)) => self.sequence(job, bytes),
                room => {
                    self.inbox.put_back(Message::Ask(Box::new(job)));
                    room.map(drop)
                }
            }
        } else if !self.committer.is_full()
            && let Some(job) = self.inbox.joins(&mut self.left)
        {
            self.gather(job)
        } else {
            Ok(())
        }
    }

    /// Sequences `first` and what waits behind it as the beginning of a frame that may hold `bytes` of requests.
    fn sequence(&mut self, first: Job, bytes: usize) -> Result<(), CommitFailed> {
        self.left = bytes.saturating_sub(size(&first.request));
        self.gather(first)
    }

    /// Sequences `first` and the requests behind it, until the frame is full or something else comes.
    fn gather(&mut self, first: Job) -> Result<(), CommitFailed> {
        let before = self.askers.len();
        let (first, asker) = Asker::of(first);
        self.askers.push(asker);
        // Borrowed apart: the committer asks for more while it has the state.
        let Self { committer, inbox, askers, left, .. } = self;
        let more = || {
            let (request, asker) = Asker::of(inbox.joins(left)?);
            askers.push(asker);
            Some(request)
        };
        committer.sequence(first, more)?;
        for (asker, answer) in self.askers.iter().zip(self.committer.sequenced()).skip(before) {
            if let (Some(slot), Ok(Answer::Settled(_))) = (&asker.slot, answer) {
                slot.free();
            }
        }
        Ok(())
    }

    /// Tells those who asked, and the scheduler what arose.
    fn answer(&mut self, askers: Vec<Asker>, Committed { answers, arisen }: Committed) {
        for (number, due) in arisen {
            if let Some(Asker { asked, .. }) = askers.get(number) {
                // Without a scheduler nobody needs to know.
                let _ = self.arisen.send(Arisen { due, asked: *asked });
            }
        }
        for (asker, answer) in askers.into_iter().zip(answers) {
            answered(asker.answer, answer);
        }
    }

    /// Writes a checkpoint on a thread of its own, which reports when it is durable.
    fn write_aside(&self, checkpoint: Checkpoint) {
        let reports = self.reports.clone();
        self.committer.surroundings().threads.blocking(Box::new(move || {
            let written = catch_unwind(AssertUnwindSafe(|| checkpoint.write()));
            let written = match written {
                Ok(written) => written.map_err(Unwritten::from),
                Err(_) => Err("writing a checkpoint panicked; that is a defect of the host".to_owned().into()),
            };
            // The partition may have stopped meanwhile; then nobody needs the view.
            let _ = reports.send(Message::Checkpointed(written));
        }));
    }

    /// Leaves nothing to replay, if it can. Requests that still come are told that the host stops.
    async fn last_checkpoint(&mut self) -> Result<bool, CommitFailed> {
        self.committer.read(State::hurry);
        self.inbox.end_patience();
        let waited = timeout(LAST_CHECKPOINT_WAIT, async {
            while self.committer.is_checkpointing() {
                match self.inbox.next().await {
                    Some(Some(Message::Checkpointed(written))) => self.committer.thaw(written)?,
                    Some(Some(Message::Ask(job))) => answered(job.answer, Err(AskError::Stopping)),
                    Some(Some(Message::Stop | Message::FollowClock) | None) => {}
                    None => return Ok(()),
                }
            }
            Ok(())
        });
        match waited.await {
            Ok(ended) => ended?,
            Err(_) => return Ok(false),
        }
        // One that was postponed comes first; what changed since is in another.
        loop {
            let again = self.committer.is_postponed();
            let Some(checkpoint) = self.committer.checkpoint() else { return Ok(false) };
            self.committer.thaw(checkpoint.write_at_once())?;
            if self.committer.is_postponed() {
                return Ok(false);
            }
            if !again {
                return Ok(true);
            }
        }
    }

    /// Requests that wait, and those still to come, are told why until the host stops.
    async fn fail(&mut self, error: &str) {
        tracing::error!(
            "the log failed, and nothing is acknowledged any more until a restart: {error}. {LOG_FAILED_HELP}"
        );
        self.committer.shared().fail(error.to_owned());
        self.inbox.end_patience();
        for asker in std::mem::take(&mut self.committing).into_iter().chain(std::mem::take(&mut self.askers)) {
            answered(asker.answer, Err(AskError::Failed(error.to_owned())));
        }
        loop {
            match self.inbox.next().await {
                Some(Some(Message::Ask(job))) => answered(job.answer, Err(AskError::Failed(error.to_owned()))),
                Some(Some(Message::Stop)) | None => return,
                Some(None) if self.stopping => return,
                Some(Some(Message::Checkpointed(_) | Message::FollowClock) | None) => {}
            }
        }
    }
}

/// What came while there was no room in the log.
enum Meanwhile {
    Nothing,
    /// A checkpoint, which may have made some.
    Thawed,
    Stop,
}

/// Who waits for the answer to a request.
pub(crate) struct Asker {
    asked: Duration,
    answer: oneshot::Sender<Answered>,
    slot: Option<Arc<Slot>>,
    /// Hardly anybody waits for it.
    is_patient: bool,
    _room: Option<OwnedSemaphorePermit>,
}

impl Asker {
    fn of(job: Job) -> (Request, Self) {
        let Job { request, asked, answer, slot, _room, patience } = job;
        (request, Self { asked, answer, slot, is_patient: !patience.is_zero(), _room })
    }
}

fn answered(to: oneshot::Sender<Answered>, answer: Answered) {
    // Whoever asked may have gone away; what was decided stands.
    let _ = to.send(answer);
}
