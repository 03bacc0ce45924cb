//! Goal: a worker is asked for as long as somebody waits and no longer, and no tenant takes them all.
//! Method: workers that are threads behind pipes, some of which say nothing, or what is not so.

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
    /// Questions that one heard which was ready, and says nothing.
    heard: Arc<AtomicUsize>,
    does: Does,
}

#[derive(Clone, Copy, Default)]
enum Does {
    #[default]
    Its,
    /// It hears, and says nothing.
    Nothing,
    /// It is ready, and then says nothing.
    Ready,
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
        let (does, questions) = (self.does, Arc::clone(&self.heard));
        thread::spawn(move || match does {
            Does::Its => {
                let served = serve(&mut heard, &mut said, Sum::load);
                said.flush().and(served)
            }
            Does::Nothing => io::copy(&mut heard, &mut io::sink()).map(drop),
            Does::Ready | Does::Lies => {
                let description = serde_json::to_vec(Sum::load(b"sum").unwrap().description())?;
                frame::read(&mut heard)?;
                frame::write(&mut said, frame::DESCRIBED, &[&description])?;
                frame::read(&mut heard)?;
                if matches!(does, Does::Ready) {
                    questions.fetch_add(1, Ordering::SeqCst);
                    return io::copy(&mut heard, &mut io::sink()).map(drop);
                }
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
async fn a_model_is_asked_that_is_ready_where_the_question_is_within_bounds() {
    let of = |shape: [u32; 2], values: usize| {
        vec![Tensor { name: String::new(), shape: shape.to_vec(), values: Values::F32(vec![1.0; values]) }]
    };
    let batch = Some(Batch { rows: 4, wait: Duration::ZERO });
    for (does, ms, tensors, failed, asked) in [
        (Does::Its, 60_000, of([1, 2], 2), None, true),
        (Does::Its, 60_000, of([1, 3], 3), Some("invalid"), true),
        (Does::Its, 60_000, of([1, 3], 2), Some("invalid"), false),
        (Does::Nothing, 50, of([1, 2], 2), Some("timeout"), false),
    ] {
        for batch in [None, batch] {
            let pool = Pool::of(Threads::that(does), 1, IDLE);
            let wanted = Wanted { batch, ..wanted("a", "x", ms) };
            let ran = pool.run(wanted, || Ok(sum()), tensors.clone()).await;
            assert_eq!((ran.outputs.err().map(|failed| failed.name()), ran.asked), (failed, asked), "{batch:?}");
        }
    }
    let one = Pool::of(Threads::that(Does::Nothing), 1, IDLE);
    let place = one.place("a").await.unwrap();
    let busy = one.run(wanted("a", "x", 20), || Ok(sum()), ones()).await;
    assert_eq!((busy.outputs, busy.asked), (Err(Failed::Busy), false));
    drop(place);
}

#[tokio::test(start_paused = true)]
async fn a_model_was_asked_that_was_ready_though_it_says_nothing() {
    for batch in [None, Some(Batch { rows: 4, wait: Duration::ZERO })] {
        let threads = Threads::that(Does::Ready);
        let pool = Arc::new(Pool::of(threads.clone(), 1, IDLE));
        let wanted = Wanted { batch, ..wanted("a", "x", 60_000) };
        let asks = tokio::spawn(async move { pool.run(wanted, || Ok(sum()), ones()).await });
        while threads.heard.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        tokio::time::advance(Duration::from_millis(60_001)).await;
        let ran = asks.await.unwrap();
        assert_eq!((ran.outputs, ran.asked), (Err(Failed::Timeout), true), "{batch:?}");
    }
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
