//! The workers of a host: as many as it has processors, each with one model of one tenant.
//!
//! Invariant: there are never more of them than [`WORKERS_MAX`], and no tenant keeps all of them busy where there are several. Whoever waits does so for
//! as long as it said and no longer: then its worker is ended, since nothing else can stop a model that runs.

mod batching;

use std::{
    collections::HashMap,
    io, mem,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    Description, Failed, Start, Tensor,
    fitting::within_bounds,
    limits::{IDLE, WORKERS_MAX},
    worker::{Answered, Leash, Worker},
};

pub use batching::Batch;
use batching::{Gatherings, Learned};

/// What is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whose model it is.
    pub tenant: String,
    /// Which one: its digest.
    pub model: String,
    /// How long all of it may take, the wait for a worker included.
    pub timeout: Duration,
    /// How it is asked together with others, if it may be.
    pub batch: Option<Batch>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ran {
    /// What the model gave, if it gave anything.
    pub outputs: Result<Vec<Tensor>, Failed>,
    /// How long it ran; where it gave nothing, how long it kept a worker. Of a run that questions share its rows' part of that.
    pub took: Duration,
    /// How long that waited for a worker, and for the model to be ready.
    pub waited: Duration,
    /// Whether a model was asked that was ready: not where the question ended before that, whatever the reason.
    pub asked: bool,
    /// Of a run that was answered, and that questions might have shared, how many did; told to one of them.
    pub shared: Option<u32>,
}

/// A place among those of a tenant, and one among all.
type Place = [OwnedSemaphorePermit; 2];

/// What reads the file of a model.
pub trait Reads: Fn() -> io::Result<Vec<u8>> + Send + Sync + 'static {}

impl<F: Fn() -> io::Result<Vec<u8>> + Send + Sync + 'static> Reads for F {}

/// Which model of whom.
type Which = (String, String);

struct Idle {
    of: Which,
    since: Instant,
    worker: Worker,
}

/// The workers.
pub struct Pool(Arc<Inner>);

struct Inner {
    start: Box<dyn Start>,
    workers: usize,
    rest_max: Duration,
    places: Arc<Semaphore>,
    /// The places of each tenant that has somebody waiting or running.
    of_tenants: Mutex<HashMap<String, Arc<Semaphore>>>,
    resting: Mutex<Resting>,
    gatherings: Gatherings,
    learned: Learned,
}

/// The workers that have nothing to do.
#[derive(Default)]
struct Resting {
    /// The one that was used last stands at the end.
    all: Vec<Idle>,
    /// Somebody ends those that rest for too long.
    watched: bool,
}

/// Gives up a worker when nobody waits for it any more.
struct Waiting(Arc<Leash>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

impl Pool {
    /// As many workers as there are processors, started when somebody asks.
    #[must_use]
    pub fn new(start: impl Start) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self::of(start, processors.clamp(2, WORKERS_MAX), IDLE)
    }

    /// So many workers at most, each of which may rest so long.
    #[must_use]
    pub fn of(start: impl Start, workers: usize, rest_max: Duration) -> Self {
        let places = Arc::new(Semaphore::new(workers));
        let (of_tenants, resting, gatherings, learned) = Default::default();
        let start = Box::new(start);
        Self(Arc::new(Inner { start, workers, rest_max, places, of_tenants, resting, gatherings, learned }))
    }

    /// Asks a model, which is read where no worker has it. Given up where nobody waits any more.
    pub async fn run(&self, wanted: Wanted, read: impl Reads, tensors: Vec<Tensor>) -> Ran {
        if let Some(joined) = self.joins(&wanted, &tensors) {
            return self.together(wanted.timeout, joined, Arc::new(read), tensors).await;
        }
        let asked = Instant::now();
        let deadline = tokio::time::Instant::now() + wanted.timeout;
        let place = match within_bounds(&tensors) {
            Ok(()) => self.place_until(&wanted.tenant, deadline).await,
            Err(failed) => Err(failed),
        };
        self.ran(wanted, place, (read, tensors), (asked, deadline)).await
    }

    /// The same, where a worker is free at once: nothing otherwise.
    pub async fn run_at_once(&self, wanted: Wanted, read: impl Reads, tensors: Vec<Tensor>) -> Option<Ran> {
        let asked = Instant::now();
        let deadline = tokio::time::Instant::now() + wanted.timeout;
        let own = self.places_of(&wanted.tenant).try_acquire_owned().ok()?;
        let any = Arc::clone(&self.0.places).try_acquire_owned().ok()?;
        let place = within_bounds(&tensors).map(|()| [own, any]);
        Some(self.ran(wanted, place, (read, tensors), (asked, deadline)).await)
    }

    /// What came of a question that has a place.
    async fn ran(
        &self,
        Wanted { tenant, model, batch, .. }: Wanted,
        place: Result<Place, Failed>,
        (read, tensors): (impl Reads, Vec<Tensor>),
        (asked, deadline): (Instant, tokio::time::Instant),
    ) -> Ran {
        let (waited, leash) = (asked.elapsed(), Arc::<Leash>::default());
        let answered = match place {
            Ok(place) => {
                let ask = move |pool: &Arc<Inner>, leash: &Leash| pool.ask((tenant, model), &read, &tensors, leash);
                self.until(deadline, (place, &leash), ask).await
            }
            Err(failed) => Err(failed),
        };
        let (all, asked) = (asked.elapsed(), leash.has_asked());
        match answered {
            Ok((outputs, took)) => {
                let shared = batch.map(|_| 1);
                Ran { outputs: Ok(outputs), took, waited: all.saturating_sub(took), asked, shared }
            }
            Err(failed) => Ran { outputs: Err(failed), took: all.saturating_sub(waited), waited, asked, shared: None },
        }
    }

    /// Gives a model to a worker, and says what it is: whether it can be read, found out where it can hurt nobody.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn look(&self, tenant: &str, model: Vec<u8>, timeout: Duration) -> Result<Description, Failed> {
        let deadline = tokio::time::Instant::now() + timeout;
        let place = self.place_until(tenant, deadline).await?;
        let look = move |pool: &Arc<Inner>, leash: &Leash| {
            pool.make_room();
            Ok(Worker::load(&*pool.start, &model, leash)?.1)
        };
        self.until(deadline, (place, &Arc::default()), look).await
    }

    /// Does what waits for a worker, which is ended when nobody waits for that any more.
    async fn until<T: Send + 'static>(
        &self,
        deadline: tokio::time::Instant,
        (place, leash): (Place, &Arc<Leash>),
        act: impl FnOnce(&Arc<Inner>, &Leash) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, Failed> {
        let waiting = Waiting(Arc::clone(leash));
        let (inner, leash) = (Arc::clone(&self.0), Arc::clone(leash));
        let acting = tokio::task::spawn_blocking(move || {
            let done = act(&inner, &leash);
            drop((inner, place));
            done
        });
        let done = tokio::time::timeout_at(deadline, acting).await;
        drop(waiting);
        match done {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(Failed::Host("the host failed while it asked a model".to_owned())),
            Err(_) => Err(Failed::Timeout),
        }
    }

    async fn place_until(&self, tenant: &str, deadline: tokio::time::Instant) -> Result<Place, Failed> {
        tokio::time::timeout_at(deadline, self.place(tenant)).await.map_err(|_| Failed::Busy)?
    }

    /// A place for a tenant among its own, and then among all.
    async fn place(&self, tenant: &str) -> Result<Place, Failed> {
        let closed = |_| Failed::Host("the host takes nothing any more".to_owned());
        let own = self.places_of(tenant).acquire_owned().await.map_err(closed)?;
        let any = Arc::clone(&self.0.places).acquire_owned().await.map_err(closed)?;
        Ok([own, any])
    }

    /// The places of a tenant: half of all.
    fn places_of(&self, tenant: &str) -> Arc<Semaphore> {
        let mut of_tenants = self.0.of_tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let each = (self.0.workers / 2).max(1);
        of_tenants.retain(|_, places| Arc::strong_count(places) > 1 || places.available_permits() < each);
        Arc::clone(of_tenants.entry(tenant.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(each))))
    }
}

impl Inner {
    fn resting(&self) -> std::sync::MutexGuard<'_, Resting> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a worker with this model answer.
    fn ask(self: &Arc<Self>, of: Which, read: &dyn Reads, tensors: &[Tensor], leash: &Leash) -> Answered {
        let worker = match self.rested(&of) {
            Some(worker) => worker,
            None => {
                self.make_room();
                let model = read().map_err(|error| Failed::Host(format!("the model cannot be read: {error}")))?;
                Worker::load(&*self.start, &model, leash)?.0
            }
        };
        let (worker, answered) = worker.run(tensors, leash);
        if let (Some(worker), true) = (worker, leash.untie()) {
            self.rest(Idle { of, since: Instant::now(), worker });
        }
        answered
    }

    /// A worker that has this model and nothing to do. One that ended meanwhile is none: somebody else ended it, or the kernel did for want of memory.
    fn rested(&self, of: &Which) -> Option<Worker> {
        loop {
            let worker = {
                let mut resting = self.resting();
                let at = resting.all.iter().rposition(|idle| idle.of == *of)?;
                resting.all.remove(at).worker
            };
            if worker.lives() {
                return Some(worker);
            }
        }
    }

    /// Lets a worker rest, and sees to it that it does not do so for ever.
    fn rest(self: &Arc<Self>, idle: Idle) {
        let mut resting = self.resting();
        resting.all.push(idle);
        if !mem::replace(&mut resting.watched, true) {
            tokio::spawn(watch(Arc::downgrade(self)));
        }
    }

    /// Ends workers that nobody needed for long; whether some are left.
    fn end_rested(&self) -> bool {
        let mut resting = self.resting();
        let gone: Vec<_> = resting.all.extract_if(.., |idle| idle.since.elapsed() >= self.rest_max).collect();
        resting.watched = !resting.all.is_empty();
        let watched = resting.watched;
        drop(resting);
        // Each waits until its process is gone, which nobody else has to.
        drop(gone);
        watched
    }

    /// Ends the workers that were used longest ago where another is to be started.
    fn make_room(&self) {
        let mut gone = Vec::new();
        let mut resting = self.resting();
        let running = self.workers.saturating_sub(self.places.available_permits());
        while !resting.all.is_empty() && resting.all.len() + running > self.workers {
            gone.push(resting.all.remove(0));
        }
        drop(resting);
        drop(gone);
    }
}

/// Ends workers that rest for too long, as long as any do.
async fn watch(pool: Weak<Inner>) {
    loop {
        let Some(every) = pool.upgrade().map(|pool| pool.rest_max / 4) else { return };
        tokio::time::sleep(every).await;
        let Some(pool) = pool.upgrade() else { return };
        match tokio::task::spawn_blocking(move || pool.end_rested()).await {
            Ok(true) => {}
            Ok(false) | Err(_) => return,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
