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
        let waited = asked.elapsed();
        let answered = match place {
            Ok(place) => {
                let ask = move |pool: &Arc<Inner>, leash: &Leash| pool.ask((tenant, model), &read, &tensors, leash);
                self.until(deadline, place, ask).await
            }
            Err(failed) => Err(failed),
        };
        let all = asked.elapsed();
        match answered {
            Ok((outputs, took)) => {
                let shared = batch.map(|_| 1);
                Ran { outputs: Ok(outputs), took, waited: all.saturating_sub(took), shared }
            }
            Err(failed) => Ran { outputs: Err(failed), took: all.saturating_sub(waited), waited, shared: None },
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
        self.until(deadline, place, look).await
    }

    /// Does what waits for a worker, which is ended when nobody waits for that any more.
    async fn until<T: Send + 'static>(
        &self,
        deadline: tokio::time::Instant,
        place: Place,
        act: impl FnOnce(&Arc<Inner>, &Leash) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, Failed> {
        let leash = Arc::new(Leash::default());
        let waiting = Waiting(Arc::clone(&leash));
        let inner = Arc::clone(&self.0);
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
pub(crate) mod tests {
    use std::{
        io::{PipeReader, PipeWriter, Write as _, pipe},
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use super::*;
    use crate::{Asked, Description, Dim, Element, Port, Started, Unfit, Values, frame, in_order, serve, worker::Ends};

    /// A model that gives the sum of each row of two.
    struct Sum(Description);

    impl Sum {
        fn load(bytes: &[u8]) -> Result<Self, Unfit> {
            if bytes != b"sum" {
                return Err(Unfit::NotOnnx("it is another".to_owned()));
            }
            let port = |name: &str, length| Port {
                name: name.to_owned(),
                element: Element::F32,
                shape: Some(vec![Dim::Named("N".to_owned()), Dim::Fixed(length)]),
            };
            let (inputs, outputs) = (vec![port("x", 2)], vec![port("y", 1)]);
            Ok(Self(Description { inputs, outputs, nodes: 1, opset: 17, producer: String::new() }))
        }
    }

    impl Asked for Sum {
        fn description(&self) -> &Description {
            &self.0
        }

        fn run(&mut self, tensors: Vec<Tensor>) -> Result<Vec<Tensor>, Failed> {
            let tensors = in_order(&self.0, tensors)?;
            let Values::F32(values) = &tensors[0].values else { panic!("it fits") };
            let sums: Vec<f32> = values.chunks(2).map(|row| row.iter().sum()).collect();
            let shape = vec![sums.len() as u32, 1];
            Ok(vec![Tensor { name: "y".to_owned(), shape, values: Values::F32(sums) }])
        }
    }

    fn sum() -> Vec<u8> {
        b"sum".to_vec()
    }

    /// Workers that are threads, and end when their host's side of the pipe does.
    #[derive(Clone, Default)]
    struct Threads {
        all: Arc<Mutex<Vec<Arc<Thread>>>>,
        ended: Arc<AtomicUsize>,
        does: Does,
    }

    #[derive(Clone, Copy, Default)]
    enum Does {
        #[default]
        Its,
        /// It hears, and says nothing.
        Nothing,
        /// It says that a model ran for ever.
        Lies,
    }

    impl Threads {
        fn that(does: Does) -> Self {
            Self { does, ..Self::default() }
        }

        fn started(&self) -> usize {
            self.all.lock().unwrap().len()
        }

        fn ended(&self) -> usize {
            self.ended.load(Ordering::SeqCst)
        }

        /// Waits until so many have ended.
        async fn until_ended(&self, many: usize) {
            let ended = async {
                while self.ended() < many {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::time::timeout(PATIENCE, ended).await.expect("they end");
            assert_eq!(self.ended(), many);
        }
    }

    /// How long a test waits for what must come.
    pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

    /// A worker that is a thread.
    pub(crate) struct Thread {
        pub(crate) input: Mutex<Option<PipeWriter>>,
        pub(crate) ended: Arc<AtomicUsize>,
    }

    /// What it hears.
    pub(crate) struct Into(pub(crate) Arc<Thread>);

    impl io::Write for Into {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.input.lock().unwrap().as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Ends for Thread {
        fn end(&self) {
            if self.input.lock().unwrap().take().is_some() {
                self.ended.fetch_add(1, Ordering::SeqCst);
            }
        }

        fn lives(&self) -> bool {
            self.input.lock().unwrap().is_some()
        }

        fn how(&self) -> String {
            "it ended".to_owned()
        }
    }

    impl Start for Threads {
        fn start(&self) -> io::Result<Started> {
            let ((mut heard, input), (output, mut said)): ((PipeReader, _), (_, PipeWriter)) = (pipe()?, pipe()?);
            let does = self.does;
            thread::spawn(move || match does {
                Does::Its => {
                    let served = serve(&mut heard, &mut said, Sum::load);
                    said.flush().and(served)
                }
                Does::Nothing => io::copy(&mut heard, &mut io::sink()).map(drop),
                Does::Lies => {
                    let description = serde_json::to_vec(Sum::load(b"sum").unwrap().description())?;
                    frame::read(&mut heard)?;
                    frame::write(&mut said, frame::DESCRIBED, &[&description])?;
                    frame::read(&mut heard)?;
                    frame::write(&mut said, frame::TENSORS, &[&u64::MAX.to_le_bytes(), &frame::encode(&ones())?])
                }
            });
            let ends = Arc::new(Thread { input: Mutex::new(Some(input)), ended: Arc::clone(&self.ended) });
            self.all.lock().unwrap().push(Arc::clone(&ends));
            Ok(Started { input: Box::new(Into(Arc::clone(&ends))), output: Box::new(output), ends })
        }
    }

    fn wanted(tenant: &str, model: &str, ms: u64) -> Wanted {
        let timeout = Duration::from_millis(ms);
        Wanted { tenant: tenant.to_owned(), model: model.to_owned(), timeout, batch: None }
    }

    fn ones() -> Vec<Tensor> {
        vec![Tensor { name: String::new(), shape: vec![1, 2], values: Values::F32(vec![1.0, 1.0]) }]
    }

    async fn ask(pool: &Pool, tenant: &str, model: &str) -> Result<Vec<Tensor>, Failed> {
        pool.run(wanted(tenant, model, 60_000), || Ok(sum()), ones()).await.outputs
    }

    #[tokio::test]
    async fn a_worker_keeps_its_model_and_leaves_for_another() {
        let threads = Threads::default();
        let pool = Pool::of(threads.clone(), 2, IDLE);
        for (tenant, model, workers) in [("a", "x", 1), ("a", "x", 1), ("a", "y", 2), ("b", "x", 3), ("a", "y", 3)] {
            let outputs = ask(&pool, tenant, model).await.unwrap();
            assert_eq!(outputs[0].values, Values::F32(vec![2.0]));
            assert_eq!(threads.started(), workers, "{tenant} {model}");
        }
        assert_eq!(threads.ended(), 1, "two may be, so the oldest one went");
        drop(pool);
        assert_eq!(threads.ended(), 3);
    }

    #[tokio::test]
    async fn a_worker_that_nobody_needs_ends_and_so_does_who_watches_it() {
        let threads = Threads::default();
        let pool = Pool::of(threads.clone(), 2, Duration::from_millis(20));
        for round in 1..=2 {
            ask(&pool, "a", "x").await.unwrap();
            threads.until_ended(round).await;
            assert_eq!(threads.started(), round, "the one before was gone");
        }
    }

    #[tokio::test]
    async fn a_worker_that_ended_while_it_rested_is_not_asked() {
        let threads = Threads::default();
        let pool = Pool::of(threads.clone(), 2, IDLE);
        ask(&pool, "a", "x").await.unwrap();
        threads.all.lock().unwrap()[0].end();
        ask(&pool, "a", "x").await.unwrap();
        assert_eq!((threads.started(), threads.ended()), (2, 1));
    }

    #[tokio::test]
    async fn what_takes_too_long_ends_its_worker_and_nothing_else() {
        let threads = Threads::that(Does::Nothing);
        let pool = Pool::of(threads.clone(), 1, IDLE);
        let ran = pool.run(wanted("a", "x", 50), || Ok(sum()), ones()).await;
        assert_eq!(ran.outputs, Err(Failed::Timeout));
        threads.until_ended(1).await;
        let free = async {
            while pool.0.places.available_permits() == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, free).await.expect("its place is free again");
        let again = pool.run(wanted("b", "x", 50), || Ok(sum()), ones()).await;
        assert_eq!(again.outputs, Err(Failed::Timeout));
        threads.until_ended(2).await;
    }

    #[tokio::test]
    async fn whoever_finds_no_worker_in_time_is_told_so_and_no_tenant_takes_them_all() {
        let pool = Arc::new(Pool::of(Threads::that(Does::Nothing), 2, IDLE));
        let runs = |tenant: &'static str, ms| {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move { pool.run(wanted(tenant, "x", ms), || Ok(sum()), ones()).await.outputs })
        };
        let first = runs("a", 600_000);
        while pool.0.places.available_permits() == 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(runs("a", 20).await.unwrap(), Err(Failed::Busy), "one of the two is left to others");
        assert_eq!(pool.run_at_once(wanted("a", "x", 600_000), || Ok(sum()), ones()).await, None, "it does not wait");
        let at_once = pool.run_at_once(wanted("b", "x", 20), || Ok(sum()), ones()).await.unwrap();
        assert_eq!(at_once.outputs, Err(Failed::Timeout));
        assert_eq!(runs("b", 20).await.unwrap(), Err(Failed::Timeout));
        first.abort();
    }

    #[tokio::test]
    async fn what_was_asked_wrongly_costs_no_worker() {
        let threads = Threads::default();
        let pool = Pool::of(threads.clone(), 1, IDLE);
        let wrong = vec![Tensor { name: String::new(), shape: vec![1, 3], values: Values::F32(vec![1.0; 3]) }];
        let failed = pool.run(wanted("a", "x", 60_000), || Ok(sum()), wrong).await.outputs.unwrap_err();
        assert_eq!(failed, Failed::Invalid("the input x: f32[N, 2] was given the shape [1, 3]".to_owned()));
        ask(&pool, "a", "x").await.unwrap();
        assert_eq!((threads.started(), threads.ended()), (1, 0));
        let unfit = pool.run(wanted("a", "y", 60_000), || Ok(b"no model".to_vec()), ones()).await.outputs.unwrap_err();
        assert!(matches!(unfit, Failed::Unfit(_)), "{unfit}");
        let gone = pool.run(wanted("a", "z", 60_000), || Err(io::ErrorKind::NotFound.into()), ones()).await.outputs;
        assert!(matches!(gone, Err(Failed::Host(_))));
        assert_eq!(pool.look("a", sum(), PATIENCE).await.unwrap().inputs.len(), 1);
        assert!(matches!(pool.look("a", b"no model".to_vec(), PATIENCE).await, Err(Failed::Unfit(_))));
    }

    #[tokio::test]
    async fn a_worker_is_believed_that_its_model_ran_no_longer_than_somebody_waited() {
        let pool = Pool::of(Threads::that(Does::Lies), 1, IDLE);
        let began = Instant::now();
        let ran = pool.run(wanted("a", "x", 60_000), || Ok(sum()), ones()).await;
        assert_eq!(ran.outputs, Ok(ones()));
        assert!(ran.took + ran.waited <= began.elapsed(), "{ran:?}");
    }
}
