//! Goal: a panic of the host in an attempt ends that attempt only, and a release in which it happens again and again is not run
//! any more, while its deliveries are kept. Method: a handler that panics for some events, a redrive after a restart.

use std::{
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::FutureExt as _;
use wharf_delivery::{DeadLetterRow, RedriveRequest, RedriveWhich, Table, Tables as _, Verdict, keys};
use wharf_dispatch::{Dispatcher, limits::HOST_FAULTS_MAX};
use wharf_event::Code;

use crate::host::{Scripted, open, send, settled, tenant};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_release_in_which_the_host_fails_again_and_again_is_quarantined_and_its_deliveries_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let calls = Arc::new(AtomicU64::default());
    let host = open(&folder, panicking(&calls, 1), 1).await;
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
        assert_eq!(letter.code, Code::RetriesSpent);
        assert!(letter.reason.contains("release-quarantined: the release "), "{}", letter.reason);
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
    host.quarantine_after(1);
    host.begin();
    send(&host, 0..1).await;
    settled(&host).await;
    assert_eq!(calls.load(Ordering::Relaxed), 1, "of five attempts");
    assert!(host.stop(std::time::Duration::from_secs(10)).await);
}
