//! What comes to the partition's thread, in the order in which it is to be looked at.
//!
//! Invariant: what waits for company (patience.rs) is put before each message that comes, since that may follow from it. A large request stands back once for
//! the small ones behind it, whoever they are of: they get a frame of their own, and have neither to wait for its events nor for their bytes. The next frame
//! begins with it, so it waits for one frame at most.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{sleep, timeout},
};
use wharf_delivery::Request;

use crate::{
    clock::Clock,
    limits::{LARGE_BYTES, LARGE_EVENTS, LARGE_PASSED_MAX},
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
    /// A large request stood back for the frame that was begun last: the next one is its own.
    stood_back: bool,
    /// The frame that was begun last takes no large request.
    is_small: bool,
}

impl Inbox {
    pub(crate) fn new(messages: UnboundedReceiver<Message>, patience: Arc<Patience>, clock: Arc<dyn Clock>) -> Self {
        Self { messages, held: VecDeque::new(), patience, clock, stood_back: false, is_small: false }
    }

    /// The next message; the inner one is absent when none came for a while, the outer one when none will.
    pub(crate) async fn next(&mut self) -> Option<Option<Message>> {
        loop {
            if let Some(held) = self.first() {
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

    /// Waits for a message and holds it; for ever where some are held that are not to stand back.
    pub(crate) async fn fills(&mut self) {
        if self.held.iter().all(is_large)
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

    /// The request that begins a frame, if one is there and nothing else comes before it.
    pub(crate) fn begins(&mut self) -> Option<Job> {
        match self.first() {
            Some(Message::Ask(job)) => Some(*job),
            other => {
                other.into_iter().for_each(|other| self.held.push_front(other));
                None
            }
        }
    }

    /// The next request for the frame that was begun, if one is there, nothing else comes before it, and the frame has room `left` for it.
    pub(crate) fn joins(&mut self, left: &mut usize) -> Option<Job> {
        self.comes();
        if self.held.is_empty() {
            self.patience.release(&mut self.held, None);
        }
        let at = if self.is_small { self.small()? } else { 0 };
        match self.held.remove(at)? {
            Message::Ask(job) if size(&job.request) <= *left => {
                *left -= size(&job.request);
                Some(*job)
            }
            other => {
                self.held.insert(at, other);
                None
            }
        }
    }

    /// What comes first of what is there: a large request stands back once where there are small ones.
    fn first(&mut self) -> Option<Message> {
        self.comes();
        let at = match self.held.front()? {
            large if is_large(large) && !self.stood_back => self.small(),
            _ => None,
        };
        self.stood_back = at.is_some();
        let first = self.held.remove(at.unwrap_or(0))?;
        self.is_small = !is_large(&first);
        Some(first)
    }

    /// Where the first request is that is not large, if nothing else comes before it and few large ones do.
    fn small(&self) -> Option<usize> {
        let at = self.held.iter().take(LARGE_PASSED_MAX + 1).position(|message| !is_large(message))?;
        matches!(self.held.get(at), Some(Message::Ask(_))).then_some(at)
    }

    /// Holds what is there.
    fn comes(&mut self) {
        while let Ok(message) = self.messages.try_recv() {
            self.hold(message);
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

/// Whether it brings so many events that others would notice the time that they take. Nobody knows of them yet, so nothing that comes behind it follows
/// from it.
fn is_large(message: &Message) -> bool {
    let Message::Ask(job) = message else { return false };
    let Request::Accept(accept) = &job.request else { return false };
    accept.events.len() >= LARGE_EVENTS || size(&job.request) >= LARGE_BYTES
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.end_patience();
    }
}

#[cfg(test)]
mod tests;
