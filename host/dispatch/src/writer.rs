//! The partition's task: takes what waits, commits it as one frame, and only then answers.
//!
//! While a frame is being synced the next requests gather in the channel: that is the group commit. When the log or the state
//! has failed, requests are told why until the host stops.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt as _;
use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender},
        oneshot,
    },
    time::timeout,
};
use wharf_state::{Checkpoint, State};

use crate::{
    committer::{Answered, CommitFailed, Committed, Committer},
    limits::{LAST_CHECKPOINT_WAIT, MARK_AFTER},
    partition::{Arisen, AskError, Job, Message, chain},
};

/// The task's own.
pub(crate) struct Writer {
    pub(crate) committer: Committer,
    pub(crate) messages: UnboundedReceiver<Message>,
    /// For the checkpoints to report to.
    pub(crate) reports: UnboundedSender<Message>,
    pub(crate) arisen: UnboundedSender<Arisen>,
    /// A message that came behind the last frame's requests.
    pub(crate) held: Option<Message>,
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
                Some(Some(Message::Ask(job))) => self.commit(*job)?,
                Some(Some(Message::Checkpointed(written))) => self.committer.thaw(written)?,
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
        if let Some(held) = self.held.take() {
            return Some(Some(held));
        }
        match timeout(MARK_AFTER, self.messages.recv()).await {
            Ok(message) => message.map(Some),
            Err(_) => Some(None),
        }
    }

    /// Commits `first` and the requests behind it, until the frame is full or something else comes, and answers.
    fn commit(&mut self, first: Job) -> Result<(), CommitFailed> {
        let Job { request, asked, answer, _room } = first;
        let (mut askers, mut rooms) = (vec![(asked, answer)], vec![_room]);
        let more = || match self.messages.try_recv() {
            Ok(Message::Ask(job)) => {
                let Job { request, asked, answer, _room } = *job;
                askers.push((asked, answer));
                rooms.push(_room);
                Some(request)
            }
            // The requests at hand are answered first.
            Ok(other) => {
                self.held = Some(other);
                None
            }
            Err(_) => None,
        };
        let Committed { answers, arisen } = match self.committer.commit(request, more) {
            Ok(committed) => committed,
            Err(failed) => {
                for (_, to) in askers {
                    let _ = to.send(Err(AskError::Failed(failed.to_string())));
                }
                return Err(failed);
            }
        };
        for (number, due) in arisen {
            if let Some((asked, _)) = askers.get(number) {
                // Without a scheduler nobody needs to know.
                let _ = self.arisen.send(Arisen { due, asked: *asked });
            }
        }
        for ((_, to), answer) in askers.into_iter().zip(answers) {
            answered(to, answer);
        }
        Ok(())
    }

    /// Writes a checkpoint on a thread of its own, which reports when it is durable.
    fn write_aside(&self, checkpoint: Checkpoint) {
        let reports = self.reports.clone();
        self.committer.surroundings().threads.blocking(Box::new(move || {
            let written = catch_unwind(AssertUnwindSafe(|| checkpoint.write()));
            let written = match written {
                Ok(written) => written.map_err(|error| chain(&error)),
                Err(_) => Err("writing a checkpoint panicked; that is a defect of the host".to_owned()),
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
                    Some(Message::Stop) => {}
                    None => return Ok(()),
                }
            }
            Ok(())
        });
        match waited.await {
            Ok(ended) => ended?,
            Err(_) => return Ok(false),
        }
        let Some(checkpoint) = self.committer.checkpoint() else { return Ok(false) };
        self.committer.thaw(checkpoint.write_at_once().map_err(|error| chain(&error)))?;
        Ok(true)
    }

    /// Requests that wait, and those still to come, are told why until the host stops.
    async fn fail(&mut self, error: &str) {
        tracing::error!("the log failed, nothing is acknowledged any more: {error}");
        self.committer.shared().fail(error.to_owned());
        let mut held = self.held.take();
        loop {
            let message = if held.is_some() { held.take() } else { self.messages.recv().await };
            match message {
                Some(Message::Ask(job)) => answered(job.answer, Err(AskError::Failed(error.to_owned()))),
                Some(Message::Checkpointed(_)) => {}
                Some(Message::Stop) | None => return,
            }
        }
    }
}

fn answered(to: oneshot::Sender<Answered>, answer: Answered) {
    // Whoever asked may have gone away; what was decided stands.
    let _ = to.send(answer);
}
