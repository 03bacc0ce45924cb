//! A call that is polled when it is its turn: where it began, and from when its tenant has used more than its share on, behind.
//!
//! Invariant: it goes behind once, and before a poll, never amid one; what it was woken for it meets there. Dropped, it ends there too.

use std::{
    panic::resume_unwind,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{runtime::Handle, task::JoinHandle};

use super::{Begins, Call};

/// A call on one side.
pub(super) struct Turn<T> {
    /// Absent when it went to the other side.
    future: Option<BoxFuture<'static, T>>,
    waker: Waker,
    call: Arc<Call>,
}

/// What a poll came to.
enum Polled<T> {
    Ready(T),
    Pending,
    /// Another side is to go on with it.
    Moves(BoxFuture<'static, T>),
}

impl<T> Turn<T> {
    pub(super) fn new(call: Arc<Call>, future: BoxFuture<'static, T>) -> Self {
        Self { future: Some(future), waker: Waker::from(Arc::clone(&call)), call }
    }

    fn go_on(&mut self, cx: &Context<'_>) -> Polled<T> {
        let Self { future, waker, call } = self;
        match call.begins(cx.waker()) {
            Begins::Now => {}
            Begins::Later => return Polled::Pending,
            Begins::Behind => return future.take().map_or(Polled::Pending, Polled::Moves),
        }
        let mut polling = Polling { call, began: call.turns.clock.monotonic(), over: true };
        let polled = future.as_mut().map_or(Poll::Pending, |it| it.as_mut().poll(&mut Context::from_waker(waker)));
        polling.over = polled.is_ready();
        match polled {
            Poll::Ready(ended) => Polled::Ready(ended),
            Poll::Pending => Polled::Pending,
        }
    }
}

impl<T> Drop for Turn<T> {
    fn drop(&mut self) {
        self.call.ends();
    }
}

/// A poll: it is over when this is dropped, also by a panic.
struct Polling<'a> {
    call: &'a Arc<Call>,
    began: Duration,
    over: bool,
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        let used = self.call.turns.clock.monotonic().saturating_sub(self.began);
        self.call.pauses(used, self.over);
    }
}

/// Behind there is no other side.
struct Behind<T>(Turn<T>);

impl<T> Future for Behind<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.0.go_on(cx) {
            Polled::Ready(ended) => Poll::Ready(ended),
            Polled::Pending | Polled::Moves(_) => Poll::Pending,
        }
    }
}

enum At<T> {
    Front(Turn<T>),
    Behind(JoinHandle<T>),
}

/// A call that is polled when it is its turn.
pub(crate) struct InTurn<T> {
    at: At<T>,
    behind: Handle,
}

impl<T> InTurn<T> {
    pub(super) fn new(turn: Turn<T>, behind: Handle) -> Self {
        Self { at: At::Front(turn), behind }
    }
}

impl<T: Send + 'static> Future for InTurn<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if let At::Front(turn) = &mut self.at {
            match turn.go_on(cx) {
                Polled::Ready(ended) => return Poll::Ready(ended),
                Polled::Pending => return Poll::Pending,
                Polled::Moves(future) => {
                    let there = Behind(Turn::new(turn.call.behind(), future));
                    self.at = At::Behind(self.behind.spawn(there));
                }
            }
        }
        let At::Behind(task) = &mut self.at else { return Poll::Pending };
        match Pin::new(task).poll(cx) {
            Poll::Ready(Ok(ended)) => Poll::Ready(ended),
            Poll::Ready(Err(error)) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The threads behind have ended, so those of this call are about to.
                Err(_) => Poll::Pending,
            },
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T> Drop for InTurn<T> {
    fn drop(&mut self) {
        if let At::Behind(task) = &self.at {
            task.abort();
        }
    }
}
