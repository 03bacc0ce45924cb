//! Goal: processors go by weight and nobody holds them up. Method: guests that burn a clock which is set, on one thread; and many on four.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    task::Poll,
};

use futures_util::FutureExt as _;

use super::*;

/// A clock that is set.
#[derive(Default)]
struct Set(AtomicU64);

impl Clock for Set {
    fn wall_ms(&self) -> u64 {
        0
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

fn caller(tenant: &str, plugin: &str, weights: (u32, u32)) -> Caller {
    Caller { tenant: tenant.parse().unwrap(), target: plugin.parse().unwrap(), weights, steps_back: false }
}

/// The processors that nobody uses, in front and behind.
fn free(turns: &Turns) -> (usize, usize) {
    let lines = locked(&turns.lines);
    (lines.front.free, lines.behind.free)
}

/// A guest that uses a millisecond at a time, so often.
async fn burn(clock: Arc<Set>, times: usize, told: impl Fn()) {
    for _ in 0..times {
        clock.0.fetch_add(1_000, Ordering::Relaxed);
        told();
        // As the runtime of guests does it; tokio's own would come back only when others had.
        let mut yielded = false;
        std::future::poll_fn(|cx| {
            let ready = std::mem::replace(&mut yielded, true);
            cx.waker().wake_by_ref();
            if ready { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// How often each of these was polled while they used so many milliseconds, on so many processors, on one thread: the tenant, the
/// plugin, the weights, and how many calls it makes at a time.
async fn polls(of: &[(&str, &str, (u32, u32), usize)], ms: u64) -> Vec<u64> {
    let clock = Arc::new(Set::default());
    let turns = Turns::new(1, Arc::<Set>::clone(&clock), Handle::current());
    let counts: Arc<Vec<AtomicU64>> = Arc::new(of.iter().map(|_| AtomicU64::new(0)).collect());
    let mut tasks = tokio::task::JoinSet::new();
    for (n, (tenant, plugin, weights, calls)) in of.iter().enumerate() {
        for _ in 0..*calls {
            let counts = Arc::clone(&counts);
            let told = move || _ = counts[n].fetch_add(1, Ordering::Relaxed);
            let call = burn(Arc::clone(&clock), usize::MAX, told).boxed();
            tasks.spawn(turns.take(caller(tenant, plugin, *weights), call));
        }
    }
    while clock.0.load(Ordering::Relaxed) < ms * 1_000 {
        tokio::task::yield_now().await;
    }
    counts.iter().map(|count| count.load(Ordering::Relaxed)).collect()
}

#[tokio::test]
async fn a_tenant_with_many_calls_has_no_more_of_the_processors_than_one_with_few() {
    let polls = polls(&[("a", "p", (100, 100), 50), ("b", "p", (100, 100), 1)], 1_000).await;
    assert!(polls[0].abs_diff(polls[1]) < 10, "{polls:?}");
}

#[test]
fn a_call_that_nobody_waits_for_has_its_turns_behind() {
    let runtime =
        |name| tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name(name).build().unwrap();
    let (front, behind) = (runtime("front"), runtime("behind"));
    let turns = Turns::new(1, Arc::new(Set::default()), behind.handle().clone());
    for steps_back in [false, true] {
        let caller = Caller { steps_back, ..caller("a", "p", (1, 1)) };
        let thread = async { std::thread::current().name().map(str::to_owned) };
        let thread = front.block_on(front.spawn(turns.take(caller, thread.boxed()))).unwrap();
        assert_eq!(thread.as_deref(), Some(if steps_back { "behind" } else { "front" }));
        let lines = locked(&turns.lines);
        assert_eq!((lines.front.free, lines.behind.free), (1, 1));
    }
}

#[tokio::test]
async fn weights_say_how_much_each_has_tenants_first_and_then_their_plugins() {
    let of = [("a", "p", (300, 100), 2), ("b", "p", (100, 100), 5), ("b", "q", (100, 400), 3)];
    let polls = polls(&of, 10_000).await;
    let thousandths: Vec<u64> = polls.iter().map(|count| count * 1_000 / polls.iter().sum::<u64>()).collect();
    let expected = [750, 50, 200];
    assert!(thousandths.iter().zip(expected).all(|(is, should)| is.abs_diff(should) < 20), "{thousandths:?}");
}

#[tokio::test]
async fn a_call_that_waits_holds_nobody_up_and_has_its_turn_when_it_can_go_on() {
    let turns = Turns::new(1, Arc::new(Set::default()), Handle::current());
    let (wake, woken) = tokio::sync::oneshot::channel::<()>();
    let waits = async move { woken.await.is_ok() };
    let waits = tokio::spawn(turns.take(caller("a", "p", (1, 1)), waits.boxed()));
    tokio::task::yield_now().await;
    turns.take(caller("b", "p", (1, 1)), async {}.boxed()).await;
    wake.send(()).unwrap();
    assert!(waits.await.unwrap());
    assert_eq!(locked(&turns.lines).front.free, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn as_many_run_at_a_time_on_either_side_as_there_are_processors_and_every_turn_comes_back() {
    let clock = Arc::new(Set::default());
    let turns = Turns::new(2, Arc::<Set>::clone(&clock), Handle::current());
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..200_usize {
        let (running, most, clock) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&clock));
        let call = async move {
            let told = || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
            };
            burn(clock, 20 + n % 7, told).await;
            assert_ne!(n % 5, 1, "as asked");
        };
        let call = turns.take(caller(&format!("t{}", n % 3), &format!("p{}", n % 2), (1, 1)), call.boxed());
        let task = tasks.spawn(call);
        if n % 5 == 2 {
            task.abort();
        }
    }
    let mut ended = 0;
    while let Some(task) = tasks.join_next().await {
        ended += usize::from(task.is_ok());
    }
    // Those that were to be dropped may have been faster.
    assert!((120..=160).contains(&ended), "{ended}");
    assert!(most.load(Ordering::SeqCst) <= 2 * 2);
    let lines = locked(&turns.lines);
    for line in [&lines.front, &lines.behind] {
        assert_eq!((line.free, line.of.values().map(|of| of.queued).sum::<usize>()), (2, 0));
        assert!(line.of.values().all(|of| of.turns == 0));
    }
}

#[test]
fn whoever_uses_little_waits_for_no_turn_of_those_that_use_more_than_their_share() {
    let behind = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let clock = Arc::new(Set::default());
    let turns = Turns::new(1, Arc::<Set>::clone(&clock), behind.handle().clone());
    let quiet = || turns.take(caller("quiet", "p", (100, 100)), async {}.boxed());
    assert_eq!(quiet().now_or_never(), Some(()));
    // The other one uses all that is left for longer than a burst, and then never yields again.
    let (held, holds) = std::sync::mpsc::channel::<()>();
    let (over, is_over) = std::sync::mpsc::channel();
    let burns = Arc::clone(&clock);
    let wild = async move {
        burn(burns, 500, || {}).await;
        over.send(()).unwrap();
        holds.recv().is_err()
    };
    let front = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let wild = front.spawn(turns.take(caller("wild", "p", (100, 100)), wild.boxed()));
    front.block_on(async {
        while is_over.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(free(&turns), (1, 0));
    assert_eq!(quiet().now_or_never(), Some(()));
    drop(held);
    assert!(front.block_on(wild).unwrap());
    assert_eq!(free(&turns), (1, 1));
}

#[test]
fn what_ends_in_a_panic_or_is_dropped_behind_leaves_its_turn() {
    let behind = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let clock = Arc::new(Set::default());
    let turns = Turns::new(1, Arc::<Set>::clone(&clock), behind.handle().clone());
    assert_eq!(turns.take(caller("quiet", "p", (100, 100)), async {}.boxed()).now_or_never(), Some(()));
    let front = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let wild = |end: fn()| {
        let burns = Arc::clone(&clock);
        let call = async move {
            burn(burns, 100, || {}).await;
            end();
            std::future::pending::<()>().await;
        };
        turns.take(caller("wild", "p", (100, 100)), call.boxed())
    };
    let failed = front.block_on(async { tokio::spawn(wild(|| panic!("as asked"))).await });
    assert!(failed.unwrap_err().is_panic());
    let mut dropped = wild(|| {});
    assert!((&mut dropped).now_or_never().is_none());
    drop(dropped);
    drop(behind);
    assert_eq!(free(&turns), (1, 1));
}
