//! Goal: questions that wait together are answered by one run, each as if it had been asked alone; and what one of them is, does or suffers is no
//! matter of the others.
//! Method: workers that are threads, with a model that tells how many rows it was asked about, runs only when a gate lets it, and fails on certain values.
//! The clock of the host stands still, and goes on where a test says so, or where everybody waits for it and no model runs.

use std::{
    io::{self, Write as _, pipe},
    panic::resume_unwind,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::{
    task::{JoinHandle, yield_now},
    time::advance,
};

use super::*;
use crate::{
    Asked, Description, Dim, Element, Port, Start, Started, Values, in_order,
    limits::{APART, IDLE, TOGETHER_FAILED_MAX},
    pool::tests::{Into, PATIENCE, Thread},
    serve,
};

/// A value that the model refuses.
const REFUSED: f32 = -1.0;

/// A value that ends its worker.
const DEADLY: f32 = -2.0;

/// The sum of each row of two.
#[derive(Clone, Default)]
struct Sums(Arc<Seen>);

struct Seen {
    /// The rows of each run.
    runs: Mutex<Vec<u32>>,
    /// How many runs may still go on.
    gate: Mutex<usize>,
    opens: Condvar,
    ended: Arc<AtomicUsize>,
    /// It gives one row, whatever it is asked about.
    one: bool,
    /// It refuses what has more than one row.
    narrow: bool,
}

impl Default for Seen {
    fn default() -> Self {
        let (runs, opens, ended) = Default::default();
        Self { runs, gate: Mutex::new(OPEN), opens, ended, one: false, narrow: false }
    }
}

/// As many runs go on as there are.
const OPEN: usize = usize::MAX;

impl Sums {
    fn runs(&self) -> Vec<u32> {
        self.0.runs.lock().unwrap().clone()
    }

    /// Lets so many runs go on from now on.
    fn gate(&self, runs: usize) {
        *self.0.gate.lock().unwrap() = runs;
        self.0.opens.notify_all();
    }

    fn ended(&self) -> usize {
        self.0.ended.load(Ordering::SeqCst)
    }
}

struct Model(Sums, Description);

impl Asked for Model {
    fn description(&self) -> &Description {
        &self.1
    }

    fn run(&mut self, tensors: Vec<Tensor>) -> Result<Vec<Tensor>, Failed> {
        let tensors = in_order(&self.1, tensors)?;
        let seen = &self.0.0;
        let rows = tensors[0].shape[0];
        seen.runs.lock().unwrap().push(rows);
        let mut gate = seen.opens.wait_while(seen.gate.lock().unwrap(), |runs| *runs == 0).unwrap();
        *gate -= usize::from(*gate != OPEN);
        drop(gate);
        if seen.narrow && rows > 1 {
            return Err(Failed::TooLarge("of several rows".to_owned()));
        }
        let Values::F32(values) = &tensors[0].values else { panic!("it fits") };
        if values.contains(&REFUSED) {
            return Err(Failed::Invalid("a value does not fit".to_owned()));
        }
        if values.contains(&DEADLY) {
            resume_unwind(Box::new(()));
        }
        let mut sums: Vec<f32> = values.chunks(2).map(|row| row.iter().sum()).collect();
        if seen.one {
            sums.truncate(1);
        }
        Ok(vec![Tensor { name: "y".to_owned(), shape: vec![sums.len() as u32, 1], values: Values::F32(sums) }])
    }
}

impl Start for Sums {
    fn start(&self) -> io::Result<Started> {
        let ((mut heard, input), (output, mut said)) = (pipe()?, pipe()?);
        let sums = self.clone();
        thread::spawn(move || {
            let shape = |length| Some(vec![Dim::Named("N".to_owned()), Dim::Fixed(length)]);
            let port = |name: &str, length| Port { name: name.to_owned(), element: Element::F32, shape: shape(length) };
            let (inputs, outputs) = (vec![port("x", 2)], vec![port("y", 1)]);
            let description = Description { inputs, outputs, nodes: 1, opset: 17, producer: String::new() };
            let served = serve(&mut heard, &mut said, |_| Ok(Model(sums, description)));
            said.flush().and(served)
        });
        let ends = Arc::new(Thread { input: Mutex::new(Some(input)), ended: Arc::clone(&self.0.ended) });
        Ok(Started { input: Box::new(Into(Arc::clone(&ends))), output: Box::new(output), ends })
    }
}

/// A host with one place for each tenant.
struct Host {
    sums: Sums,
    pool: Arc<Pool>,
    batch: Batch,
}

impl Drop for Host {
    /// A test that fails waits for no run.
    fn drop(&mut self) {
        self.sums.gate(OPEN);
    }
}

impl Host {
    fn new(sums: Sums, rows: u32, wait: Duration) -> Self {
        Self { pool: Arc::new(Pool::of(sums.clone(), 2, IDLE)), sums, batch: Batch { rows, wait } }
    }

    fn asks(&self, tenant: &str, values: &[f32]) -> JoinHandle<Ran> {
        self.asks_for(tenant, "m", PATIENCE, &[values.len() as u32 / 2, 2], values)
    }

    fn asks_for(&self, tenant: &str, model: &str, timeout: Duration, shape: &[u32], values: &[f32]) -> JoinHandle<Ran> {
        let (tenant, model, batch) = (tenant.to_owned(), model.to_owned(), Some(self.batch));
        let wanted = Wanted { tenant, model, timeout, batch };
        let (shape, values) = (shape.to_vec(), Values::F32(values.to_vec()));
        let tensors = vec![Tensor { name: String::new(), shape, values }];
        let pool = Arc::clone(&self.pool);
        tokio::spawn(async move { pool.run(wanted, || Ok(Vec::new()), tensors).await })
    }

    /// Questions that wait and can be joined, and in how many gatherings.
    fn waiting(&self) -> (usize, usize) {
        self.pool.0.gatherings.waiting()
    }

    /// Waits until runs of so many rows have begun.
    async fn until_runs(&self, runs: &[u32]) {
        until("that it runs", || self.sums.runs() == runs).await;
    }

    /// Has the only place of a tenant taken by a question, which is given; the gate is closed.
    async fn busy(&self, tenant: &str) -> JoinHandle<Ran> {
        self.sums.gate(0);
        let first = self.asks(tenant, &[1.0, 1.0]);
        self.until_runs(&[1]).await;
        first
    }

    /// Has two questions asked together, or one behind the other.
    async fn pair(&self) -> [Result<Vec<f32>, &'static str>; 2] {
        let [one, two] = [self.asks("a", &[1.0; 2]), self.asks("a", &[2.0; 2])];
        [sums(&one.await.unwrap()), sums(&two.await.unwrap())]
    }
}

/// Waits without the clock, which stands still.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        yield_now().await;
    }
}

fn sums(ran: &Ran) -> Result<Vec<f32>, &'static str> {
    match &ran.outputs {
        Ok(outputs) => match &outputs[0].values {
            Values::F32(values) => Ok(values.clone()),
            _ => Err("no floats"),
        },
        Err(failed) => Err(failed.name()),
    }
}

/// Longer than a test takes, and less than half of what a question may.
const LONG: Duration = Duration::from_secs(20);

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_place_is_asked_together_and_each_has_its_rows() {
    let host = Host::new(Sums::default(), 8, Duration::ZERO);
    let first = host.busy("a").await;
    let others = [host.asks("a", &[1.0, 2.0]), host.asks("a", &[3.0, 4.0, 5.0, 6.0]), host.asks("a", &[7.0; 4])];
    until("that all others wait", || host.waiting() == (3, 1)).await;
    host.sums.gate(OPEN);
    let first = first.await.unwrap();
    assert_eq!((sums(&first), first.shared), (Ok(vec![2.0]), Some(1)));
    let mut rans = Vec::new();
    for other in others {
        rans.push(other.await.unwrap());
    }
    assert_eq!(rans.iter().map(sums).collect::<Vec<_>>(), [Ok(vec![3.0]), Ok(vec![7.0, 11.0]), Ok(vec![14.0; 2])]);
    assert_eq!(host.sums.runs(), [1, 8], "of five rows as many as the next power of two");
    assert_eq!(rans.iter().filter_map(|ran| ran.shared).collect::<Vec<_>>(), [3], "told once");
    let off = rans[1].took.abs_diff(rans[0].took * 2);
    assert!(rans[1].took == rans[2].took && off < Duration::from_nanos(10), "each has the time of its rows: {rans:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_full_waits_for_nobody_and_the_next_question_for_another() {
    let host = Host::new(Sums::default(), 4, LONG);
    let first = host.asks("a", &[1.0; 6]);
    until("that it waits for others", || host.waiting() == (1, 1)).await;
    let too_much = host.asks("a", &[2.0; 4]);
    assert_eq!(sums(&first.await.unwrap()), Ok(vec![2.0; 3]), "it has no room for two more, and goes");
    assert_eq!(host.waiting(), (1, 1));
    let filling = host.asks("a", &[3.0; 4]);
    assert_eq!(sums(&too_much.await.unwrap()), Ok(vec![4.0; 2]));
    assert_eq!(sums(&filling.await.unwrap()), Ok(vec![6.0; 2]));
    assert_eq!(sums(&host.asks("a", &[1.0; 10]).await.unwrap()), Ok(vec![2.0; 5]), "more than a run may have");
    assert_eq!(host.sums.runs(), [3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_no_longer_than_it_may_is_asked_though_nobody_else_comes() {
    let host = Host::new(Sums::default(), 4, Duration::from_millis(5));
    assert_eq!(sums(&host.asks("a", &[1.0; 2]).await.unwrap()), Ok(vec![2.0]));
    // Who has no time to wait has others go with it.
    let host = Host::new(Sums::default(), 4, LONG);
    let patient = host.asks("a", &[1.0; 2]);
    until("that it waits for others", || host.waiting() == (1, 1)).await;
    let hasty = host.asks_for("a", "m", LONG, &[1, 2], &[2.0; 2]);
    assert_eq!((sums(&hasty.await.unwrap()), sums(&patient.await.unwrap())), (Ok(vec![4.0]), Ok(vec![2.0])));
    assert_eq!(host.sums.runs(), [2]);
}

#[tokio::test(start_paused = true)]
async fn tenants_versions_and_forms_are_not_mixed() {
    let host = Host::new(Sums::default(), 2, LONG);
    let ask = |shape: &'static [u32]| {
        let values = vec![1.0; shape.iter().product::<u32>() as usize];
        let of = |(tenant, model)| host.asks_for(tenant, model, PATIENCE, shape, &values);
        [("a", "m"), ("b", "m"), ("a", "n")].map(of)
    };
    let (first, wrong) = (ask(&[1, 2]), ask(&[1, 3]));
    until("that each waits for itself", || host.waiting() == (6, 6)).await;
    let second = ask(&[1, 2]);
    for good in first.into_iter().chain(second) {
        assert_eq!(sums(&good.await.unwrap()), Ok(vec![2.0]));
    }
    assert_eq!(host.sums.runs(), [2, 2, 2]);
    assert_eq!(host.waiting(), (3, 3));
    for wrong in wrong.into_iter().chain(ask(&[1, 3])) {
        assert_eq!(sums(&wrong.await.unwrap()), Err("invalid"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_fails_spoils_no_other() {
    for (value, name) in [(REFUSED, "invalid"), (DEADLY, "model")] {
        let host = Host::new(Sums::default(), 8, Duration::ZERO);
        let first = host.busy("a").await;
        let good = [host.asks("a", &[1.0; 2]), host.asks("a", &[2.0; 2])];
        let bad = host.asks("a", &[value, 1.0]);
        until("that all wait", || host.waiting() == (3, 1)).await;
        host.sums.gate(OPEN);
        let [one, two] = good;
        assert_eq!(sums(&one.await.unwrap()), Ok(vec![2.0]));
        assert_eq!(sums(&two.await.unwrap()), Ok(vec![4.0]));
        let bad = bad.await.unwrap();
        assert_eq!((sums(&bad), bad.shared), (Err(name), None));
        assert_eq!(host.sums.runs(), [1, 4, 1, 1, 1], "together, and then each alone");
        first.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_cut_is_asked_for_again_and_the_model_never_again_for_several() {
    let sums_of_one = Sums(Arc::new(Seen { one: true, ..Seen::default() }));
    let host = Host::new(sums_of_one, 2, LONG);
    for runs in [vec![2, 1, 1], vec![2, 1, 1, 1, 1]] {
        for ran in [host.asks("a", &[1.0; 2]), host.asks("a", &[1.0; 2])] {
            assert_eq!(sums(&ran.await.unwrap()), Ok(vec![2.0]));
        }
        assert_eq!(host.sums.runs(), runs);
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_question_is_its_own_and_who_goes_away_ends_no_run_of_others() {
    let host = Host::new(Sums::default(), 2, LONG);
    host.sums.gate(0);
    let patient = host.asks("a", &[1.0; 2]);
    until("that it waits for others", || host.waiting() == (1, 1)).await;
    let hasty = host.asks_for("a", "m", Duration::from_secs(1), &[1, 2], &[2.0; 2]);
    host.until_runs(&[2]).await;
    advance(Duration::from_secs(1)).await;
    let late = hasty.await.unwrap();
    assert_eq!((sums(&late), late.took), (Err("timeout"), Duration::from_millis(500)), "it kept half of a worker");
    assert_eq!((host.sums.runs(), host.sums.ended()), (vec![2], 0));
    host.sums.gate(OPEN);
    assert_eq!(sums(&patient.await.unwrap()), Ok(vec![2.0]));
    // Where all go away the run ends.
    host.sums.gate(0);
    let both = [host.asks("a", &[1.0; 2]), host.asks("a", &[1.0; 2])];
    host.until_runs(&[2, 2]).await;
    both.iter().for_each(JoinHandle::abort);
    until("that their worker ends", || host.sums.ended() == 1).await;
    host.sums.gate(OPEN);
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_while_it_waits_is_not_asked_for() {
    let host = Host::new(Sums::default(), 8, Duration::ZERO);
    let first = host.busy("a").await;
    let (gone, stays) = (host.asks("a", &[1.0; 2]), host.asks("a", &[2.0; 2]));
    until("that both wait", || host.waiting() == (2, 1)).await;
    gone.abort();
    until("that one is gone", || host.waiting() == (1, 1)).await;
    let hasty = host.asks_for("a", "m", Duration::from_secs(1), &[1, 2], &[3.0; 2]);
    until("that it waits, too", || host.waiting() == (2, 1)).await;
    advance(Duration::from_secs(1)).await;
    let hasty = hasty.await.unwrap();
    assert_eq!((sums(&hasty), hasty.took, hasty.waited), (Err("busy"), Duration::ZERO, Duration::from_secs(1)));
    assert_eq!(host.waiting(), (1, 1));
    host.sums.gate(OPEN);
    assert_eq!(sums(&stays.await.unwrap()), Ok(vec![4.0]));
    assert_eq!((host.sums.runs(), sums(&first.await.unwrap())), (vec![1, 1], Ok(vec![2.0])));
}

#[tokio::test(start_paused = true)]
async fn questions_whose_askers_have_gone_are_kept_by_nobody_though_no_place_is_free() {
    let host = Host::new(Sums::default(), 8, Duration::ZERO);
    let first = host.busy("a").await;
    let holders = Arc::strong_count(&host.pool.0);
    for goes in [|asked: &JoinHandle<Ran>| asked.abort(), |_: &JoinHandle<Ran>| {}] {
        let asked = [(); 2].map(|()| host.asks_for("a", "m", Duration::from_secs(1), &[1, 2], &[1.0; 2]));
        until("that both wait", || host.waiting() == (2, 1)).await;
        asked.iter().for_each(goes);
        // Who was not ended has no time any more.
        advance(Duration::from_secs(1)).await;
        until("that nobody sees to them", || host.waiting() == (0, 0) && Arc::strong_count(&host.pool.0) == holders)
            .await;
    }
    let later = host.asks("a", &[2.0; 2]);
    until("that it waits", || host.waiting() == (1, 1)).await;
    host.sums.gate(OPEN);
    assert_eq!((sums(&first.await.unwrap()), sums(&later.await.unwrap())), (Ok(vec![2.0]), Ok(vec![4.0])));
    assert_eq!(host.sums.runs(), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_host_that_takes_nothing_any_more_is_told_so() {
    let host = Host::new(Sums::default(), 8, Duration::ZERO);
    let first = host.busy("a").await;
    let others = [host.asks("a", &[1.0; 2]), host.asks("a", &[2.0; 2])];
    until("that both wait", || host.waiting() == (2, 1)).await;
    host.pool.places_of("a").close();
    for other in others {
        let told = Failed::Host("the host takes nothing any more".to_owned());
        assert_eq!(other.await.unwrap().outputs, Err(told));
    }
    assert_eq!(host.waiting(), (0, 0));
    host.sums.gate(OPEN);
    assert_eq!(sums(&first.await.unwrap()), Ok(vec![2.0]));
}

#[tokio::test(start_paused = true)]
async fn what_fails_together_and_then_runs_alone_has_spent_both_and_nothing_between() {
    let (host, seconds) = (Host::new(Sums::default(), 2, LONG), Duration::from_secs);
    host.sums.gate(0);
    let (good, bad) = (host.asks("a", &[1.0; 2]), host.asks("a", &[REFUSED, 1.0]));
    for (runs, takes) in [(&[2][..], 4), (&[2, 1], 3), (&[2, 1, 1], 5)] {
        host.until_runs(runs).await;
        advance(seconds(takes)).await;
        host.sums.gate(1);
    }
    let (good, bad) = (good.await.unwrap(), bad.await.unwrap());
    assert_eq!((sums(&bad), bad.took, bad.waited), (Err("invalid"), seconds(2 + 5), seconds(2 + 3)));
    // How long a run took that was answered its worker says.
    assert_eq!((sums(&good), good.took + good.waited), (Ok(vec![2.0]), seconds(4 + 3)));
    assert!(good.took >= seconds(2), "{good:?}");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_fails_with_several_each_time_is_asked_one_at_a_time_for_a_while() {
    let narrow = Sums(Arc::new(Seen { narrow: true, ..Seen::default() }));
    let host = Host::new(narrow, 2, LONG);
    let mut runs = Vec::new();
    let again = [&[2, 1, 1][..]; TOGETHER_FAILED_MAX as usize];
    for (waits, more) in again.iter().map(|more| (false, *more)).chain([(false, &[1, 1][..]), (true, &[2, 1, 1])]) {
        if waits {
            advance(APART).await;
        }
        assert_eq!(host.pair().await, [Ok(vec![2.0]), Ok(vec![4.0])]);
        runs.extend_from_slice(more);
        assert_eq!(host.sums.runs(), runs);
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_takes_too_long_for_several_is_asked_one_at_a_time_for_a_while() {
    let host = Host::new(Sums::default(), 2, LONG);
    let mut runs = Vec::new();
    for _ in 0..TOGETHER_FAILED_MAX {
        host.sums.gate(0);
        let both = [host.asks("a", &[1.0; 2]), host.asks("a", &[2.0; 2])];
        runs.push(2);
        host.until_runs(&runs).await;
        advance(PATIENCE).await;
        for late in both {
            let late = late.await.unwrap();
            assert_eq!((sums(&late), late.took), (Err("timeout"), PATIENCE / 2));
        }
        host.sums.gate(OPEN);
        until("that its worker is gone", || host.pool.0.places.available_permits() == 2).await;
    }
    runs.extend([1, 1]);
    assert_eq!((host.pair().await, host.sums.runs()), ([Ok(vec![2.0]), Ok(vec![4.0])], runs));
}

#[tokio::test(start_paused = true)]
async fn what_the_host_itself_suffers_is_told_and_not_asked_again() {
    let host = Host::new(Sums::default(), 2, LONG);
    let read = Arc::<AtomicUsize>::default();
    let asks = || {
        let (pool, read) = (Arc::clone(&host.pool), Arc::clone(&read));
        let (tenant, model, timeout, batch) = ("a".to_owned(), "m".to_owned(), PATIENCE, Some(host.batch));
        let reads = move || {
            read.fetch_add(1, Ordering::SeqCst);
            Err(io::ErrorKind::NotFound.into())
        };
        let tensors = vec![Tensor { name: String::new(), shape: vec![1, 2], values: Values::F32(vec![1.0; 2]) }];
        tokio::spawn(async move { pool.run(Wanted { tenant, model, timeout, batch }, reads, tensors).await })
    };
    for asked in [asks(), asks()] {
        assert_eq!(sums(&asked.await.unwrap()), Err("host"));
    }
    assert_eq!(read.load(Ordering::SeqCst), 1);
}
