//! Goal: an attempt that others are always faster than comes to an end too. Method: a handler that meets a changed key in every run.

use std::{
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::FutureExt as _;
use wharf_delivery::{DeadLetterRow, ReadKey, Table, Tables as _, keys};
use wharf_dispatch::limits::CONFLICT_RUNS_MAX;
use wharf_runtime::Ending;

use crate::host::{Scripted, open, send, settled, tenant};

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_whose_keys_change_under_every_run_counts_as_failed_and_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let runs = Arc::new(AtomicU64::default());
    let counted = Arc::clone(&runs);
    let handler = Scripted::ending(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ending::Contended(ReadKey::Value("b".parse().unwrap(), "k".to_owned())) }.boxed()
    });
    let host = open(&folder, handler, 1).await;
    host.begin();
    send(&host, 0..1).await;
    let stats = settled(&host).await;
    // Such an attempt names no release, so it is none of those that the figures count.
    assert_eq!((stats.attempts, stats.retries, stats.dead_letters), (0, 4, 1), "by its policy");
    assert_eq!(runs.load(Ordering::Relaxed), 5 * (u64::from(CONFLICT_RUNS_MAX) + 1));
    let prefix = keys::queue(&tenant(), &"dead".parse().unwrap());
    let rows = host.read(|state| state.scan(Table::DeadLetters, &prefix, Bound::Unbounded, 2).unwrap()).await.unwrap();
    let letter = DeadLetterRow::from_bytes(&rows[0].1).unwrap();
    assert!(letter.reason.contains("conflict: what it read changed under each of"), "{}", letter.reason);
    assert!(host.stop(std::time::Duration::from_secs(10)).await);
}
