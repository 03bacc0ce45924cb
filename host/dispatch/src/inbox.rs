//! What comes to the partition's thread, in the order in which it is to be looked at.
//!
//! Invariant: what waits for company (patience.rs) is put before each message that comes, since that may follow from it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{sleep, timeout},
};

use crate::{
    clock::Clock,
    partition::{Job, Message, size},
    patience::Patience,
};

/// The thread's own end of the way to it. With it ends the patience of all.
pub(crate) struct Inbox {
    messages: UnboundedReceiver<Message>,
    /// Messages that have to wait for their turn.
    held: VecDeque<Message>,
    patience: Arc<Patience>,
    clock: Arc<dyn Clock>,
}

impl Inbox {
    pub(crate) fn new(messages: UnboundedReceiver<Message>, patience: Arc<Patience>, clock: Arc<dyn Clock>) -> Self {
        Self { messages, held: VecDeque::new(), patience, clock }
    }

    /// The next message; the inner one is absent when none came for a while, the outer one when none will.
    pub(crate) async fn next(&mut self) -> Option<Option<Message>> {
        loop {
            if let Some(held) = self.held.pop_front() {
                return Some(Some(held));
            }
            let pause = self.patience.pause(self.clock.monotonic());
            tokio::select! {
                biased;
                message = self.messages.recv() => self.hold(message?),
                () = self.patience.shrinks() => {}
                () = sleep(pause) => {
                    if self.patience.is_empty() {
                        return Some(None);
                    }
                    self.patience.release(&mut self.held, None);
                }
            }
        }
    }

    /// Waits for a message behind those that are held, and holds it: whether one came in `time`. Absent when none will.
    pub(crate) async fn fills_in(&mut self, time: Duration) -> Option<bool> {
        match timeout(time, self.messages.recv()).await {
            Ok(message) => message.map(|message| self.hold(message)).map(|()| true),
            Err(_) => Some(false),
        }
    }

    /// Waits for a message and holds it; for ever where some are held.
    pub(crate) async fn fills(&mut self) {
        if self.held.is_empty()
            && let Some(message) = self.messages.recv().await
        {
            return self.hold(message);
        }
        std::future::pending().await
    }

    /// Puts a message before all others.
    pub(crate) fn put_back(&mut self, message: Message) {
        self.held.push_front(message);
    }

    /// Whether nothing came that somebody waits for.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.messages.is_empty()
    }

    /// The next request, if one is there, nothing else comes before it, and the frame has room `left` for it.
    pub(crate) fn request(&mut self, left: &mut usize) -> Option<Job> {
        loop {
            match self.held.pop_front() {
                Some(Message::Ask(job)) if size(&job.request) <= *left => {
                    *left -= size(&job.request);
                    return Some(*job);
                }
                // The requests at hand are answered first.
                Some(other) => {
                    self.held.push_front(other);
                    return None;
                }
                None => match self.messages.try_recv() {
                    Ok(message) => self.hold(message),
                    Err(_) if self.patience.is_empty() => return None,
                    Err(_) => self.patience.release(&mut self.held, None),
                },
            }
        }
    }

    /// Takes out those at hand for which `which` holds, what waits for company among them.
    pub(crate) fn take(&mut self, which: impl Fn(&Message) -> bool) -> VecDeque<Message> {
        self.patience.release(&mut self.held, None);
        let (taken, held) = std::mem::take(&mut self.held).into_iter().partition(which);
        self.held = held;
        taken
    }

    /// Lets nothing wait for company any more, and what does so go.
    pub(crate) fn end_patience(&mut self) {
        self.patience.end(&mut self.held);
    }

    fn hold(&mut self, message: Message) {
        self.patience.release(&mut self.held, Some(message));
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.end_patience();
    }
}

#[cfg(test)]
mod tests;
