//! The partition's task: takes what waits, commits it as one frame, and only then answers.
//!
//! While a frame is being synced the next requests gather in the channel: that is the group commit. When the log or the state
//! has failed, requests are told why until the host stops.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{
    sync::{
        OwnedSemaphorePermit,
        mpsc::{UnboundedReceiver, UnboundedSender},
        oneshot,
    },
    time::timeout,
};
use wharf_delivery::{Answer, Refused, Request};
use wharf_state::{Checkpoint, State};

use crate::{
    committer::{Answered, CommitFailed, Committed, Committer, Unwritten},
    limits::{FAST_REQUESTS_PER_MS, GATHER_PAUSE, LAST_CHECKPOINT_WAIT, MARK_AFTER, PACE_OVER},
    partition::{Arisen, AskError, Job, Message, size},
    schedule::Slot,
};

/// What to do about a log that failed.
const LOG_FAILED_HELP: &str = "Look at the disk and what the system says of it (`dmesg`), mend or replace it, and start the host again: it recovers what was acknowledged";

/// The task's own.
pub(crate) struct Writer {
    pub(crate) committer: Committer,
    pub(crate) messages: UnboundedReceiver<Message>,
    /// For the checkpoints to report to.
    pub(crate) reports: UnboundedSender<Message>,
    pub(crate) arisen: UnboundedSender<Arisen>,
    /// Messages that have to wait for their turn.
    pub(crate) held: VecDeque<Message>,
    pub(crate) pace: Pace,
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
        loop {
            match self.next().await {
                Some(Some(Message::Ask(job))) => match self.room_for(&job).await? {
                    Some(bytes) => self.commit(*job, bytes)?,
                    None => {
                        answered(job.answer, Err(AskError::Stopping));
                        return Ok(false);
                    }
                },
                Some(Some(Message::Checkpointed(written))) => self.committer.thaw(written)?,
                Some(Some(Message::FollowClock)) => drop(self.committer.follow_clock(true)?),
                Some(Some(Message::Stop)) => return self.last_checkpoint().await,
                Some(None) => self.committer.idle()?,
                None => return Ok(false),
            }
            self.committer.follow_clock(false)?;
            if let Some(checkpoint) = self.committer.checkpoint_if_due() {
                self.write_aside(checkpoint);
            }
        }
    }

    /// The next message; the inner one is absent when none came for a while, the outer one when none will.
    async fn next(&mut self) -> Option<Option<Message>> {
        if let Some(held) = self.held.pop_front() {
            return Some(Some(held));
        }
        match timeout(MARK_AFTER, self.messages.recv()).await {
            Ok(message) => message.map(Some),
            Err(_) => Some(None),
        }
    }

    /// The bytes of requests that a frame with this one may hold, once there is room for it in the log: on a full disk that takes
    /// until somebody makes some. Absent when the host stops meanwhile.
    async fn room_for(&mut self, job: &Job) -> Result<Option<usize>, CommitFailed> {
        let mut told = false;
        loop {
            if self.committer.refuses(&job.request) {
                return Ok(Some(usize::MAX));
            }
            if let Some(bytes) = self.committer.make_room(&job.request)? {
                return Ok(Some(bytes));
            }
            if !std::mem::replace(&mut told, true) {
                tracing::error!("the disk is full and the reserve is used up: settlements wait until there is room");
            }
            match timeout(MARK_AFTER, self.messages.recv()).await {
                Ok(Some(Message::Checkpointed(written))) => self.committer.thaw(written)?,
                Ok(Some(Message::Ask(job))) if self.committer.refuses(&job.request) => {
                    answered(job.answer, Err(Refused::DiskFull.into()));
                }
                Ok(Some(later @ (Message::Ask(_) | Message::FollowClock))) => self.held.push_back(later),
                Ok(Some(Message::Stop) | None) => return Ok(None),
                Err(_) => self.committer.idle()?,
            }
        }
    }

    /// Commits `first` and the requests behind it, until the frame is full or something else comes, and answers. The frame may
    /// hold `bytes` of requests.
    fn commit(&mut self, first: Job, bytes: usize) -> Result<(), CommitFailed> {
        let mut askers = Vec::new();
        let committed = self.gather(first, bytes, &mut askers).and_then(|()| self.committer.append());
        let Committed { answers, arisen } = match committed {
            Ok(committed) => committed,
            Err(failed) => {
                for asker in askers {
                    answered(asker.answer, Err(AskError::Failed(failed.to_string())));
                }
                return Err(failed);
            }
        };
        self.pace.took(askers.len(), self.committer.surroundings().clock.monotonic());
        for (number, due) in arisen {
            if let Some(Asker { asked, .. }) = askers.get(number) {
                // Without a scheduler nobody needs to know.
                let _ = self.arisen.send(Arisen { due, asked: *asked });
            }
        }
        for (asker, answer) in askers.into_iter().zip(answers) {
            answered(asker.answer, answer);
        }
        Ok(())
    }

    /// Sequences `first` and what waits behind it. Where requests come fast it waits a little for more: a sync costs as much
    /// for one as for a hundred, and the attempts whose settlements are sequenced make room for others meanwhile.
    fn gather(&mut self, first: Job, bytes: usize, askers: &mut Vec<Asker>) -> Result<(), CommitFailed> {
        let mut left = bytes.saturating_sub(size(&first.request));
        self.sequence(first, &mut left, askers)?;
        if self.pace.is_fast() && self.held.is_empty() && !self.committer.is_full() {
            self.committer.surroundings().threads.pause(GATHER_PAUSE);
            if let Some(job) = waiting(&mut self.messages, &mut self.held, &mut left) {
                self.sequence(job, &mut left, askers)?;
            }
        }
        Ok(())
    }

    fn sequence(&mut self, first: Job, left: &mut usize, askers: &mut Vec<Asker>) -> Result<(), CommitFailed> {
        let before = askers.len();
        let (first, asker) = Asker::of(first);
        askers.push(asker);
        // Borrowed apart: the committer asks for more while it has the state.
        let Self { committer, messages, held, .. } = self;
        let more = || {
            let (request, asker) = Asker::of(waiting(messages, held, left)?);
            askers.push(asker);
            Some(request)
        };
        committer.sequence(first, more)?;
        for (asker, answer) in askers.iter().zip(self.committer.sequenced()).skip(before) {
            if let (Some(slot), Ok(Answer::Settled(_))) = (&asker.slot, answer) {
                slot.free();
            }
        }
        Ok(())
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
        let waited = timeout(LAST_CHECKPOINT_WAIT, async {
            while self.committer.is_checkpointing() {
                match self.messages.recv().await {
                    Some(Message::Checkpointed(written)) => self.committer.thaw(written)?,
                    Some(Message::Ask(job)) => answered(job.answer, Err(AskError::Stopping)),
                    Some(Message::Stop | Message::FollowClock) => {}
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
        loop {
            let message = match self.held.pop_front() {
                Some(held) => Some(held),
                None => self.messages.recv().await,
            };
            match message {
                Some(Message::Ask(job)) => answered(job.answer, Err(AskError::Failed(error.to_owned()))),
                Some(Message::Checkpointed(_) | Message::FollowClock) => {}
                Some(Message::Stop) | None => return,
            }
        }
    }
}

/// The next request, if one waits, nothing else comes before it, and the frame has room `left` for it.
fn waiting(messages: &mut UnboundedReceiver<Message>, held: &mut VecDeque<Message>, left: &mut usize) -> Option<Job> {
    let next = held.pop_front().or_else(|| messages.try_recv().ok())?;
    match next {
        Message::Ask(job) if size(&job.request) <= *left => {
            *left -= size(&job.request);
            Some(*job)
        }
        // The requests at hand are answered first.
        other => {
            held.push_front(other);
            None
        }
    }
}

/// Who waits for the answer to a request.
struct Asker {
    asked: Duration,
    answer: oneshot::Sender<Answered>,
    slot: Option<Arc<Slot>>,
    _room: Option<OwnedSemaphorePermit>,
}

impl Asker {
    fn of(job: Job) -> (Request, Self) {
        let Job { request, asked, answer, slot, _room } = job;
        (request, Self { asked, answer, slot, _room })
    }
}

/// How fast requests come, to tell a busy partition from a client that waits for each answer.
#[derive(Default)]
pub(crate) struct Pace {
    since: Duration,
    requests: usize,
    fast: bool,
}

impl Pace {
    fn took(&mut self, requests: usize, now: Duration) {
        self.requests += requests;
        let elapsed = now.saturating_sub(self.since);
        if elapsed >= PACE_OVER {
            self.fast = self.requests as u128 >= FAST_REQUESTS_PER_MS * elapsed.as_millis();
            (self.since, self.requests) = (now, 0);
        }
    }

    fn is_fast(&self) -> bool {
        self.fast
    }
}

fn answered(to: oneshot::Sender<Answered>, answer: Answered) {
    // Whoever asked may have gone away; what was decided stands.
    let _ = to.send(answer);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_waits_for_each_answer_is_not_fast_and_a_crowd_is() {
        let mut pace = Pace::default();
        let mut run = |from_ms: u64, requests_per_ms: usize| {
            for ms in from_ms..from_ms + 20 {
                pace.took(requests_per_ms, Duration::from_millis(ms));
            }
            pace.is_fast()
        };
        assert!(!run(0, 4));
        assert!(run(20, 40));
        assert!(!run(40, 4));
        assert!(!run(10_000, 8), "a long pause is no crowd");
    }
}
