//! What comes to the partition's thread, in the order in which it is to be looked at.
//!
//! Invariant: what waits for company goes before the thread takes the next request that somebody waits for, or with it (patience.rs).

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{sync::mpsc::UnboundedReceiver, time::timeout};

use crate::{
    clock::Clock,
    partition::{Job, Message, size},
    patience::Patience,
};

/// The thread's own end of the way to it.
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
            match timeout(self.patience.pause(self.clock.monotonic()), self.messages.recv()).await {
                Ok(Some(message)) => self.hold(message),
                Ok(None) => return None,
                Err(_) if self.patience.is_empty() => return Some(None),
                Err(_) => self.patience.release(&mut self.held, None),
            }
        }
    }

    /// The next message behind those that are held, if one comes in `time`. The outer one is absent when none will.
    pub(crate) async fn behind(&mut self, time: Duration) -> Option<Option<Message>> {
        timeout(time, self.messages.recv()).await.map_or(Some(None), |came| came.map(Some))
    }

    /// Waits until a message comes, and holds it; for ever where some are held.
    pub(crate) async fn fills(&mut self) {
        if self.held.is_empty()
            && let Some(message) = self.messages.recv().await
        {
            return self.hold(message);
        }
        std::future::pending().await
    }

    /// Keeps a message for its turn, and with it what waited for company.
    pub(crate) fn hold(&mut self, message: Message) {
        match message {
            // It was sent so that the thread looks how long it may wait.
            Message::Waits => {}
            asked @ Message::Ask(_) => self.patience.release(&mut self.held, Some(asked)),
            other => {
                self.patience.release(&mut self.held, None);
                self.held.push_back(other);
            }
        }
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

    /// Lets nothing wait for company any more, and what does so go.
    pub(crate) fn end_patience(&mut self) {
        self.patience.end(&mut self.held);
    }
}
