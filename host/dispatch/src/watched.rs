//! A value that others watch: the newest one counts, and nobody sees all of them.
//!
//! Invariant: waiters wake in the order in which they came, so that the core does the same again under the same seed. tokio's
//! own `watch` spreads them by chance, which is what this is here instead of; its names and ways are kept.

use std::{
    ops::Deref,
    pin::pin,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;

struct Watched<T> {
    value: RwLock<Versioned<T>>,
    changed: Notify,
    senders: AtomicUsize,
}

struct Versioned<T> {
    version: u64,
    value: T,
}

/// Whoever changes the value.
pub(crate) struct Sender<T>(Arc<Watched<T>>);

/// Whoever waits for it to change.
pub(crate) struct Receiver<T> {
    watched: Arc<Watched<T>>,
    seen: u64,
}

/// The value, as long as this is held. It is not to be held for long.
pub(crate) struct Ref<'a, T>(RwLockReadGuard<'a, Versioned<T>>);

/// Nobody is left who could change the value.
#[derive(Debug)]
pub(crate) struct Closed;

pub(crate) fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let watched = Arc::new(Watched {
        value: RwLock::new(Versioned { version: 0, value }),
        changed: Notify::new(),
        senders: AtomicUsize::new(1),
    });
    (Sender(Arc::clone(&watched)), Receiver { watched, seen: 0 })
}

impl<T> Watched<T> {
    fn read(&self) -> Ref<'_, T> {
        Ref(self.value.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> Sender<T> {
    pub(crate) fn borrow(&self) -> Ref<'_, T> {
        self.0.read()
    }

    pub(crate) fn send_modify(&self, change: impl FnOnce(&mut T)) {
        {
            let mut now = self.0.value.write().unwrap_or_else(PoisonError::into_inner);
            change(&mut now.value);
            now.version += 1;
        }
        self.0.changed.notify_waiters();
    }

    pub(crate) fn send_replace(&self, value: T) {
        self.send_modify(|now| *now = value);
    }

    pub(crate) fn subscribe(&self) -> Receiver<T> {
        Receiver { watched: Arc::clone(&self.0), seen: self.0.read().0.version }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.senders.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.0.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.changed.notify_waiters();
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self { watched: Arc::clone(&self.watched), seen: self.seen }
    }
}

impl<T> Receiver<T> {
    pub(crate) fn borrow(&self) -> Ref<'_, T> {
        self.watched.read()
    }

    /// Waits until the value is another than the one that was waited for last.
    pub(crate) async fn changed(&mut self) -> Result<(), Closed> {
        let seen = self.seen;
        self.until(|now| now.version != seen).await.map(drop)
    }

    /// Waits until `holds` does of the value.
    pub(crate) async fn wait_for(&mut self, mut holds: impl FnMut(&T) -> bool) -> Result<Ref<'_, T>, Closed> {
        self.until(|now| holds(&now.value)).await
    }

    async fn until(&mut self, mut holds: impl FnMut(&Versioned<T>) -> bool) -> Result<Ref<'_, T>, Closed> {
        loop {
            let mut changed = pin!(self.watched.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            {
                let now = self.watched.read();
                self.seen = now.0.version;
                if holds(&now.0) {
                    break;
                }
            }
            if self.watched.senders.load(Ordering::Acquire) == 0 {
                return Err(Closed);
            }
            changed.await;
        }
        Ok(self.watched.read())
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn waiters_wake_in_the_order_in_which_they_came() {
        let (sender, _) = channel(0);
        let woken = Arc::new(Mutex::new(Vec::new()));
        let waiters: Vec<_> = (0..100)
            .map(|n| {
                let (mut receiver, woken) = (sender.subscribe(), Arc::clone(&woken));
                tokio::spawn(async move {
                    receiver.wait_for(|value| *value > 1).await.unwrap();
                    woken.lock().unwrap().push(n);
                })
            })
            .collect();
        // tokio polls some sixty tasks a turn.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        sender.send_replace(1);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(woken.lock().unwrap().is_empty());
        sender.send_modify(|value| *value += 1);
        for waiter in waiters {
            waiter.await.unwrap();
        }
        assert!(woken.lock().unwrap().iter().copied().eq(0..100));
    }

    #[tokio::test]
    async fn a_change_is_seen_once_and_the_last_sender_closes() {
        let (sender, mut receiver) = channel('a');
        let other = sender.clone();
        drop(sender);
        other.send_replace('b');
        receiver.changed().await.unwrap();
        assert_eq!(*receiver.borrow(), 'b');
        let waiting = tokio::spawn(async move { receiver.changed().await.is_err() });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(other);
        assert!(waiting.await.unwrap());
    }
}
