//! Searches through the archive: questions whose answer may lie anywhere in the log.
//!
//! Invariant: a search has no bound of its own, so that it never reports an end that is none; instead at most
//! [`SEARCHES_MAX`] run at a time, and one stops at the next frame when whoever asked is gone or the host stops. What is found at once
//! has places of its own, so that a page of the newest events does not wait behind searches: what is not found within [`LOOK_MAX`] there
//! gives its place up and begins again among the searches, where walks through dead letters go on behind their first page. Of either one tenant has, or waits for, half at a time: others come before what is
//! beyond that.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use wharf_event::{Code, TenantName};
use wharf_gateway::Refusal;

use super::blocking;
use crate::shares::{Share, Shares};

/// Searches that run at a time, each on a thread of its own, and as many looks.
const SEARCHES_MAX: usize = 4;

/// Those of one tenant.
const OF_TENANT_MAX: usize = 2;

/// How long a look may take.
const LOOK_MAX: Duration = Duration::from_millis(200);

/// How long one waits for another to end.
const SEARCH_WAIT: Duration = Duration::from_secs(10);

/// Where searches run.
#[derive(Clone)]
pub(super) struct Searches {
    room: Arc<Shares>,
    looks: Arc<Shares>,
    stopping: Arc<AtomicBool>,
}

/// What a search asks before each frame.
pub(super) struct Asked {
    gone: Arc<AtomicBool>,
    stopping: Arc<AtomicBool>,
    /// When a look has to end.
    until: Option<Instant>,
    is_late: Cell<bool>,
    /// How often it was asked.
    #[cfg(test)]
    pub(super) frames: Cell<u64>,
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
    /// When nobody waits for the answer any more, the host stops, or it takes longer than a look may.
    pub(super) fn still(&self) -> Result<(), Refusal> {
        #[cfg(test)]
        self.frames.update(|frames| frames + 1);
        if self.gone.load(Ordering::Relaxed) || self.stopping.load(Ordering::Relaxed) {
            return Err(stopping());
        }
        if self.until.is_some_and(|until| Instant::now() > until) {
            self.is_late.set(true);
            return Err(overloaded("a look at the archive took too long"));
        }
        Ok(())
    }
}

async fn taken(room: &Shares, tenant: &TenantName) -> Result<Share, Refusal> {
    let place = tokio::time::timeout(SEARCH_WAIT, room.take(tenant)).await;
    place.map_err(|_| {
        overloaded(&format!(
            "{SEARCHES_MAX} searches of the archive run, as many as may at a time, or {OF_TENANT_MAX} of this tenant"
        ))
    })
}

fn overloaded(detail: &str) -> Refusal {
    Refusal::new(Code::Overloaded, detail).retry_after_s(1)
}

pub(super) fn stopping() -> Refusal {
    Refusal::new(Code::ShuttingDown, "the host stops, and its searches with it").retry_after_s(5)
}

impl Searches {
    pub(super) fn new() -> Self {
        let [room, looks] = [(); 2].map(|()| Arc::new(Shares::new(SEARCHES_MAX, OF_TENANT_MAX)));
        Self { room, looks, stopping: Arc::default() }
    }

    /// Ends all searches, and those to come.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the host stops.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Runs what finds its answer at once as a rule: as a look, and again as a search where that takes too long.
    ///
    /// # Errors
    /// Like [`Self::run`].
    pub(super) async fn look<T: Send + 'static>(
        &self,
        tenant: &TenantName,
        search: impl Fn(&Asked) -> Result<T, Refusal> + Clone + Send + 'static,
    ) -> Result<T, Refusal> {
        let look = search.clone();
        match self.run_in((&self.looks, tenant), Some(LOOK_MAX), look).await? {
            Some(found) => Ok(found),
            None => self.run(tenant, search).await,
        }
    }

    /// Runs a search once there is room for it.
    ///
    /// # Errors
    /// What the search says; `overloaded` when there was no room for long.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        tenant: &TenantName,
        search: impl FnOnce(&Asked) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let found = self.run_in((&self.room, tenant), None, search).await?;
        found.ok_or_else(|| Refusal::new(Code::Internal, "a search that may take its time took too much of it"))
    }

    /// A place among the searches, for who comes to know that it takes its time.
    ///
    /// # Errors
    /// `overloaded` when there was no room for long, and when the host stops.
    pub(super) async fn place(&self, tenant: &TenantName) -> Result<Share, Refusal> {
        let place = taken(&self.room, tenant).await?;
        if self.is_stopping() { Err(stopping()) } else { Ok(place) }
    }

    /// Nothing where it took longer than it may.
    async fn run_in<T: Send + 'static>(
        &self,
        (room, tenant): (&Shares, &TenantName),
        time_max: Option<Duration>,
        search: impl FnOnce(&Asked) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<Option<T>, Refusal> {
        let place = taken(room, tenant).await?;
        let asking = Asking(Arc::default());
        let (gone, stopping) = (Arc::clone(&asking.0), Arc::clone(&self.stopping));
        blocking(move || {
            // The search keeps its place until it has really ended, also when nobody waits for it.
            let _place = place;
            let until = time_max.map(|time| Instant::now() + time);
            let asked = Asked {
                gone,
                stopping,
                until,
                is_late: Cell::new(false),
                #[cfg(test)]
                frames: Cell::default(),
            };
            match search(&asked) {
                Err(_) if asked.is_late.get() => Ok(None),
                found => found.map(Some),
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantName {
        name.parse().unwrap()
    }

    #[tokio::test]
    async fn a_search_stops_when_whoever_asked_is_gone_or_the_host_stops() {
        let searches = Searches::new();
        let (told, mut ended) = tokio::sync::mpsc::unbounded_channel();
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        let ask = || {
            let (searches, told, begun) = (searches.clone(), told.clone(), begun.clone());
            tokio::spawn(async move {
                searches
                    .run(&tenant("a"), move |asked| {
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
        assert_eq!(searches.room.free(), SEARCHES_MAX, "its place is free again");
        let stopped = ask();
        assert_eq!(begins.recv().await, Some(()));
        searches.stop();
        assert_eq!(stopped.await.unwrap().map_err(|refusal| refusal.code), Err(Code::ShuttingDown));
    }

    #[tokio::test]
    async fn what_is_found_at_once_does_not_wait_behind_searches_and_what_is_not_becomes_one() {
        let searches = Searches::new();
        let (told, mut begins) = tokio::sync::mpsc::unbounded_channel();
        let endless = move |asked: &Asked| {
            let _ = told.send(asked.until.is_some());
            while asked.still().is_ok() {
                std::thread::yield_now();
            }
            asked.still()
        };
        let long: Vec<_> = ["a", "a", "b", "b"]
            .into_iter()
            .map(|name| {
                let (searches, endless) = (searches.clone(), endless.clone());
                tokio::spawn(async move { searches.look(&tenant(name), endless).await })
            })
            .collect();
        // Each begins as a look, gives that up, and goes on as a search.
        let mut begun = [0; 2];
        while begun != [SEARCHES_MAX; 2] {
            begun[usize::from(begins.recv().await.unwrap())] += 1;
        }
        assert_eq!(searches.room.free(), 0);
        assert_eq!(searches.look(&tenant("c"), |_| Ok(7)).await.ok(), Some(7));
        searches.stop();
        for long in long {
            assert_eq!(long.await.unwrap().map_err(|refusal| refusal.code), Err(Code::ShuttingDown));
        }
    }
}
