//! Searches through the archive: questions whose answer may lie anywhere in the log.
//!
//! Invariant: a search has no bound of its own, so that it never reports an end that is none; instead at most
//! [`SEARCHES_MAX`] run at a time, and one stops at the next frame when whoever asked is gone or the host stops. What is found at once
//! has places of its own, so that a page of the newest events does not wait behind searches: what is not found within [`LOOK_MAX`] there
//! gives its place up and begins again among the searches. Of either one tenant has, or waits for, half at a time: others come before what is
//! beyond that.

use std::{
    cell::Cell,
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use wharf_event::{Code, TenantName};
use wharf_gateway::Refusal;

use super::blocking;

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
    room: Arc<Places>,
    looks: Arc<Places>,
    stopping: Arc<AtomicBool>,
}

/// The places of all, and those of each tenant that has any or waits for one.
struct Places {
    all: Arc<Semaphore>,
    own: Mutex<HashMap<TenantName, Weak<Semaphore>>>,
}

/// A place, for as long as this is kept: that of all is free before the tenant's own.
struct Place {
    _of_all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl Places {
    fn new() -> Arc<Self> {
        Arc::new(Self { all: Arc::new(Semaphore::new(SEARCHES_MAX)), own: Mutex::default() })
    }

    /// A place, once there is one.
    async fn place(&self, tenant: &TenantName) -> Result<Place, AcquireError> {
        // Who waits for one of all has one of their own, so there are never more than those of one tenant before others.
        let own = self.own(tenant).acquire_owned().await?;
        Ok(Place { _of_all: Arc::clone(&self.all).acquire_owned().await?, _own: own })
    }

    fn own(&self, tenant: &TenantName) -> Arc<Semaphore> {
        let mut all = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = all.get(tenant).and_then(Weak::upgrade) {
            return own;
        }
        all.retain(|_, own| own.strong_count() > 0);
        let own = Arc::new(Semaphore::new(OF_TENANT_MAX));
        all.insert(tenant.clone(), Arc::downgrade(&own));
        own
    }
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

fn overloaded(detail: &str) -> Refusal {
    Refusal::new(Code::Overloaded, detail).retry_after_s(1)
}

fn stopping() -> Refusal {
    Refusal::new(Code::ShuttingDown, "the host stops, and its searches with it").retry_after_s(5)
}

impl Searches {
    pub(super) fn new() -> Self {
        Self { room: Places::new(), looks: Places::new(), stopping: Arc::default() }
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

    /// Nothing where it took longer than it may.
    async fn run_in<T: Send + 'static>(
        &self,
        (room, tenant): (&Places, &TenantName),
        time_max: Option<Duration>,
        search: impl FnOnce(&Asked) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<Option<T>, Refusal> {
        let place = tokio::time::timeout(SEARCH_WAIT, room.place(tenant)).await;
        let place = place.map_err(|_| {
            overloaded(&format!(
                "{SEARCHES_MAX} searches of the archive run, as many as may at a time, or {OF_TENANT_MAX} of this tenant"
            ))
        })?;
        let place = place.map_err(|_| stopping())?;
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
        let all = u32::try_from(SEARCHES_MAX).unwrap();
        drop(searches.room.all.acquire_many(all).await.expect("its place is free again"));
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
        assert_eq!(searches.room.all.available_permits(), 0);
        assert_eq!(searches.look(&tenant("c"), |_| Ok(7)).await.ok(), Some(7));
        searches.stop();
        for long in long {
            assert_eq!(long.await.unwrap().map_err(|refusal| refusal.code), Err(Code::ShuttingDown));
        }
    }

    #[tokio::test]
    async fn one_tenant_leaves_places_to_others() {
        let room = Places::new();
        let [a, b] = ["a", "b"].map(tenant);
        let had = [room.place(&a).await.unwrap(), room.place(&a).await.unwrap()];
        let third = room.place(&a);
        tokio::pin!(third);
        assert!(futures_util::poll!(&mut third).is_pending());
        drop([room.place(&b).await.unwrap(), room.place(&b).await.unwrap()]);
        drop(had);
        drop(third.await.unwrap());
        assert!(room.own.lock().unwrap().values().all(|own| own.strong_count() == 0), "nobody's are kept");
    }
}
