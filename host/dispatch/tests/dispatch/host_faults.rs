//! Goal: a panic of the host in an attempt ends that attempt only, and a release in which it happens again and again is not run
//! any more, while its deliveries wait or are given up as the plugin's limits say, and the tenant is told. Method: a handler that
//! panics for some events, a redrive after a restart, and a quarantine that is lifted.

use std::{
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use wharf_delivery::{DeadLetterRow, Record, RedriveRequest, RedriveWhich, Table, Tables as _, Verdict, keys};
use wharf_dispatch::{Dispatcher, limits::HOST_FAULTS_MAX};
use wharf_event::{Code, Digest};

use crate::host::{Scripted, configure, configure_with, open, send, settled, tenant};

/// A handler that counts its calls and panics for events below this number.
fn panicking(calls: &Arc<AtomicU64>, below: usize) -> Arc<Scripted> {
    let calls = Arc::clone(calls);
    Scripted::new(move |invocation| {
        let id: usize = invocation.context.event.id().parse().unwrap();
        calls.fetch_add(1, Ordering::Relaxed);
        async move {
            assert!(id >= below, "as asked");
            Verdict::Ok
        }
        .boxed()
    })
}

async fn letters(host: &Dispatcher) -> Vec<DeadLetterRow> {
    let prefix = keys::queue(&tenant(), &"dead".parse().unwrap());
    let rows =
        host.read(|state| state.scan(Table::DeadLetters, &prefix, Bound::Unbounded, 100).unwrap()).await.unwrap();
    rows.iter().map(|(_, row)| DeadLetterRow::from_bytes(row).unwrap()).collect()
}

/// What becomes of deliveries while the release is quarantined.
async fn on_quarantine(host: &Dispatcher, handler: Arc<Scripted>, how: &str) {
    let limits = json!({"wall_ms": 10_000, "cpu_ms": 1_000, "memory_mib": 64, "concurrency": 1, "quarantine": how});
    configure_with(host, handler, limits).await;
}

/// The events of a type that the host itself made, as JSON.
fn told(host: &Dispatcher, kind: &str) -> Vec<Value> {
    let archive = host.archive();
    let items = (1..=archive.last_k()).flat_map(|k| archive.frame(k).unwrap());
    let data = items.filter_map(|item| match &item.record {
        Record::Accept { event, .. } if event.kind() == kind => Some(event.data()?.bytes().clone()),
        _ => None,
    });
    data.map(|data| serde_json::from_slice(&data).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_of_a_quarantined_release_wait_untried_and_go_on_when_that_is_lifted() {
    let folder = tempfile::tempdir().unwrap();
    let calls = Arc::new(AtomicU64::default());
    let host = open(&folder, panicking(&calls, 1), 4).await;
    host.begin();
    send(&host, 0..1).await;
    while !host.faults().iter().any(|of| of.quarantined) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    send(&host, 1..300).await;
    // Each event that comes asks for a place anew, so it may be held by nothing for a moment.
    let held_by = loop {
        if let Some(code) = host.load(&tenant()).targets.iter().find_map(|of| of.held_by) {
            break code;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(held_by, Code::ReleaseQuarantined);
    assert_eq!(calls.load(Ordering::Relaxed), u64::from(HOST_FAULTS_MAX), "it runs no more");
    // It goes in behind the attempt that it tells of.
    while told(&host, "dev.wharf.plugin.quarantined").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let [event] = &*told(&host, "dev.wharf.plugin.quarantined") else { panic!("it is told once") };
    assert_eq!((&event["plugin"], &event["faults"], &event["deliveries"]), (&json!("p"), &json!(3), &json!("wait")));

    assert_eq!(host.lift_quarantine(&tenant(), &"p".parse().unwrap()), [Digest::of(b"scripted")]);
    // The first event panics on: its policy has two attempts left.
    let stats = settled(&host).await;
    assert_eq!((stats.dead_letters, stats.attempts), (1, 299));
    assert_eq!(calls.load(Ordering::Relaxed), 299 + 5, "nothing was counted while they waited");
    assert!(host.stop(Duration::from_secs(10)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_release_takes_what_waits_for_a_quarantined_one() {
    let folder = tempfile::tempdir().unwrap();
    let calls = Arc::new(AtomicU64::default());
    let host = open(&folder, panicking(&calls, usize::MAX), 1).await;
    host.begin();
    send(&host, 0..50).await;
    while !host.faults().iter().any(|of| of.quarantined) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let fixed = Scripted::named(b"fixed", |_| async { Verdict::Ok }.boxed());
    configure(&host, fixed, 1).await;
    assert_eq!(settled(&host).await.dead_letters, 0);
    assert!(host.stop(Duration::from_secs(10)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_in_which_the_host_fails_again_and_again_is_quarantined_and_its_deliveries_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let calls = Arc::new(AtomicU64::default());
    let host = open(&folder, panicking(&calls, 1), 1).await;
    on_quarantine(&host, panicking(&calls, 1), "dead-letter").await;
    host.begin();
    send(&host, 0..1).await;
    settled(&host).await;
    assert_eq!(calls.load(Ordering::Relaxed), u64::from(HOST_FAULTS_MAX), "of five attempts");
    send(&host, 1..4).await;
    assert_eq!(settled(&host).await.dead_letters, 4);
    assert_eq!(calls.load(Ordering::Relaxed), u64::from(HOST_FAULTS_MAX), "it runs no more");
    let [told] = &*host.faults() else { panic!("{:?}", host.faults()) };
    assert_eq!((told.tenant.clone(), told.faults, told.quarantined), (tenant(), u64::from(HOST_FAULTS_MAX), true));
    for letter in letters(&host).await {
        assert_eq!(letter.code, Code::ReleaseQuarantined);
        assert!(letter.reason.contains("is quarantined: the host failed"), "{}", letter.reason);
    }
    assert!(host.stop(std::time::Duration::from_secs(10)).await);

    let host = open(&folder, panicking(&calls, 0), 1).await;
    host.begin();
    let queue = "dead".parse().unwrap();
    host.redrive(RedriveRequest { tenant: tenant(), queue, which: RedriveWhich::After(None) }).await.unwrap();
    settled(&host).await;
    assert_eq!(letters(&host).await.len(), 0, "a host that starts again runs it again");
    assert_eq!(calls.load(Ordering::Relaxed), u64::from(HOST_FAULTS_MAX) + 4);
    assert!(host.stop(std::time::Duration::from_secs(10)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_or_two_end_their_attempts_only() {
    let folder = tempfile::tempdir().unwrap();
    let calls = Arc::new(AtomicU64::default());
    let counted = Arc::clone(&calls);
    let host = open(
        &folder,
        Scripted::new(move |_| {
            let call = counted.fetch_add(1, Ordering::Relaxed);
            async move {
                assert!(call >= u64::from(HOST_FAULTS_MAX) - 1, "as asked");
                Verdict::Ok
            }
            .boxed()
        }),
        1,
    )
    .await;
    host.begin();
    send(&host, 0..10).await;
    let stats = settled(&host).await;
    assert_eq!((stats.dead_letters, stats.retries), (0, u64::from(HOST_FAULTS_MAX) - 1));
    assert!(host.stop(std::time::Duration::from_secs(10)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn how_many_faults_quarantine_a_release_can_be_changed_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let calls = Arc::new(AtomicU64::default());
    let host = open(&folder, panicking(&calls, 1), 1).await;
    on_quarantine(&host, panicking(&calls, 1), "dead-letter").await;
    host.quarantine_after(1);
    host.begin();
    send(&host, 0..1).await;
    settled(&host).await;
    assert_eq!(calls.load(Ordering::Relaxed), 1, "of five attempts");
    assert!(host.stop(std::time::Duration::from_secs(10)).await);
}
