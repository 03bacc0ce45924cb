//! Goal: what does not fit into memory is paged from the state, in the order in which it is to be taken, and each once.
//! Method: more deliveries of one plugin than a lane holds, more timers than memory holds, with restarts between.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use futures_util::FutureExt as _;
use wharf_delivery::Verdict;
use wharf_dispatch::limits::{LANE_READY_MAX, TIMERS_MAX};

use crate::host::{Scripted, open, retry, send, settled};

type Seen = Arc<Mutex<Vec<usize>>>;

/// A handler that notes what it gets.
fn noting(seen: &Seen) -> Arc<Scripted> {
    let seen = Arc::clone(seen);
    Scripted::new(move |invocation| {
        seen.lock().unwrap().push(invocation.context.event.id().parse().unwrap());
        async { Verdict::Ok }.boxed()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_beyond_a_lanes_memory_is_taken_in_log_order() {
    let folder = tempfile::tempdir().unwrap();
    let (seen, events) = (Seen::default(), 3 * LANE_READY_MAX);
    let host = open(&folder, noting(&seen), 1).await;
    // Half of it waits in the state when the scheduler begins, half arises while it works.
    send(&host, 0..events / 2).await;
    host.begin();
    send(&host, events / 2..events).await;
    let stats = settled(&host).await;
    assert_eq!((stats.attempts, stats.deliveries), (events as u64, events as u64));
    assert_eq!(*seen.lock().unwrap(), (0..events).collect::<Vec<_>>());
    assert!(host.stop(std::time::Duration::from_secs(10)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_waits_over_a_restart_and_is_taken_in_log_order() {
    let folder = tempfile::tempdir().unwrap();
    let (seen, events) = (Seen::default(), 2 * LANE_READY_MAX + 7);
    let host = open(&folder, noting(&seen), 1).await;
    send(&host, 0..events).await;
    assert!(host.stop(std::time::Duration::from_secs(10)).await);
    assert!(seen.lock().unwrap().is_empty(), "nothing was begun");
    let host = open(&folder, noting(&seen), 1).await;
    assert_eq!((host.recovered().pending, host.recovered().frames_replayed), (events as u64, 0));
    host.begin();
    settled(&host).await;
    assert_eq!(*seen.lock().unwrap(), (0..events).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_beyond_memory_are_each_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let events = TIMERS_MAX + 1_500;
    let tries: Arc<Mutex<HashMap<usize, u32>>> = Arc::default();
    let handler = {
        let tries = Arc::clone(&tries);
        Scripted::new(move |invocation| {
            let id: usize = invocation.context.event.id().parse().unwrap();
            let tried = {
                let mut tries = tries.lock().unwrap();
                let tried = tries.entry(id).or_default();
                *tried += 1;
                *tried
            };
            assert_eq!(tried, invocation.attempt, "event {id}");
            // Not in log order, so that timers come and go before and behind those that memory holds.
            let after_ms = 200 + (id as u64 * 7_919) % 2_000;
            async move { if tried == 1 { retry(after_ms) } else { Verdict::Ok } }.boxed()
        })
    };
    let host = open(&folder, handler, 64).await;
    host.begin();
    send(&host, 0..events).await;
    let stats = settled(&host).await;
    assert_eq!((stats.attempts, stats.retries, stats.dead_letters), (2 * events as u64, events as u64, 0));
    assert!(tries.lock().unwrap().values().all(|tries| *tries == 2));
}
