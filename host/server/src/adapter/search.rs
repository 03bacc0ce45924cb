//! Searches through the archive: questions whose answer may lie anywhere in the log.
//!
//! Invariant: a search has no bound of its own, so that it never reports an end that is none; instead at most
//! [`SEARCHES_MAX`] run at a time, and one stops at the next frame when whoever asked is gone or the host stops.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::Semaphore;
use wharf_event::Code;
use wharf_gateway::Refusal;

use super::blocking;

/// Searches that run at a time, each on a thread of its own.
const SEARCHES_MAX: usize = 4;

/// How long one waits for another to end.
const SEARCH_WAIT: Duration = Duration::from_secs(10);

/// Where searches run.
#[derive(Clone)]
pub(super) struct Searches {
    room: Arc<Semaphore>,
    stopping: Arc<AtomicBool>,
}

/// What a search asks before each frame.
pub(super) struct Asked {
    gone: Arc<AtomicBool>,
    stopping: Arc<AtomicBool>,
}

/// Says that whoever asked is gone, once it is dropped.
struct Asking(Arc<AtomicBool>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Asked {
    /// # Errors
    /// When nobody waits for the answer any more, or the host stops.
    pub(super) fn still(&self) -> Result<(), Refusal> {
        if self.gone.load(Ordering::Relaxed) || self.stopping.load(Ordering::Relaxed) {
            return Err(stopping());
        }
        Ok(())
    }
}

fn stopping() -> Refusal {
    Refusal::new(Code::ShuttingDown, "the host stops, and its searches with it").retry_after_s(5)
}

impl Searches {
    pub(super) fn new() -> Self {
        Self { room: Arc::new(Semaphore::new(SEARCHES_MAX)), stopping: Arc::default() }
    }

    /// Ends all searches, and those to come.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Runs a search once there is room for it.
    ///
    /// # Errors
    /// What the search says; `overloaded` when there was no room for long.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        search: impl FnOnce(&Asked) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let room = tokio::time::timeout(SEARCH_WAIT, Arc::clone(&self.room).acquire_owned()).await;
        let room = room.map_err(|_| {
            let detail = format!("{SEARCHES_MAX} searches of the archive run, as many as may at a time");
            Refusal::new(Code::Overloaded, detail).retry_after_s(1)
        })?;
        let room = room.map_err(|_| stopping())?;
        let asking = Asking(Arc::default());
        let asked = Asked { gone: Arc::clone(&asking.0), stopping: Arc::clone(&self.stopping) };
        blocking(move || {
            // The search keeps its place until it has really ended, also when nobody waits for it.
            let _room = room;
            search(&asked)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_search_stops_when_whoever_asked_is_gone_or_the_host_stops() {
        let searches = Searches::new();
        let (told, mut ended) = tokio::sync::mpsc::unbounded_channel();
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        let ask = || {
            let (searches, told, begun) = (searches.clone(), told.clone(), begun.clone());
            tokio::spawn(async move {
                searches
                    .run(move |asked| {
                        let _ = begun.send(());
                        while asked.still().is_ok() {
                            std::thread::yield_now();
                        }
                        let _ = told.send(());
                        asked.still()
                    })
                    .await
            })
        };
        let gone = ask();
        assert_eq!(begins.recv().await, Some(()));
        gone.abort();
        assert_eq!(ended.recv().await, Some(()));
        let all = u32::try_from(SEARCHES_MAX).unwrap();
        drop(searches.room.acquire_many(all).await.expect("its place is free again"));
        let stopped = ask();
        assert_eq!(begins.recv().await, Some(()));
        searches.stop();
        assert_eq!(stopped.await.unwrap().map_err(|refusal| refusal.code), Err(Code::ShuttingDown));
    }
}
