//! Goal: after a sync that failed nothing is acknowledged, nothing is tried again, and a restart finds all that was acknowledged.
//! Method: the log's syncs, or those of the state, fail from some moment on, on a disk in memory.

use std::time::Duration;

use wharf_delivery::Verdict;
use wharf_dispatch::{AcceptError, AskError, Dispatcher};
use wharf_faults::Fault;

use crate::host::{Scripted, event, open_home, send, settled, small_home, tenant};

async fn one(dispatcher: &Dispatcher, id: usize) -> Result<(), AcceptError> {
    dispatcher.accept(&tenant(), &"default".parse().unwrap(), vec![event(id)]).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_failed_ends_the_acknowledgements_until_a_restart_finds_what_is_there() {
    let home = small_home(64 << 20);
    let ok = || Scripted::new(|_| Box::pin(async { Verdict::Ok }));
    let dispatcher = open_home(&home, ok(), 4).await;
    dispatcher.begin();
    send(&dispatcher, 0..100).await;
    settled(&dispatcher).await;
    home.disk().watch(|operation| (operation.is_sync() && operation.name.starts_with("log/")).then_some(Fault::Error));
    let error = one(&dispatcher, 100).await.unwrap_err();
    assert!(matches!(error, AcceptError::Ask(AskError::Failed(_))), "{error:?}");
    // The disk is well again, as such disks say of themselves, and nobody believes it.
    home.disk().watch(|_| None);
    let error = one(&dispatcher, 101).await.unwrap_err();
    assert!(matches!(error, AcceptError::Ask(AskError::Failed(_))), "{error:?}");
    let failure = dispatcher.failure().unwrap();
    assert!(failure.contains("cannot sync"), "{failure}");
    assert!(!dispatcher.stop(Duration::from_secs(5)).await, "there is something left to replay");
    let dispatcher = open_home(&home.after_kill(), ok(), 4).await;
    dispatcher.begin();
    assert!(dispatcher.failure().is_none());
    let events = settled(&dispatcher).await.events;
    assert!(events == 100 || events == 101, "{events}: what was not acknowledged may be there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_though_its_checkpoint_cannot_be_written() {
    let home = small_home(64 << 20);
    let ok = || Scripted::new(|_| Box::pin(async { Verdict::Ok }));
    let dispatcher = open_home(&home, ok(), 4).await;
    dispatcher.begin();
    send(&dispatcher, 0..10).await;
    settled(&dispatcher).await;
    home.disk().watch(|operation| (operation.is_sync() && !operation.name.starts_with("log/")).then_some(Fault::Error));
    let stopped = tokio::time::timeout(Duration::from_secs(60), dispatcher.stop(Duration::from_secs(5))).await;
    assert_eq!(stopped, Ok(false), "there is something left to replay");
    home.disk().watch(|_| None);
    let dispatcher = open_home(&home.after_kill(), ok(), 4).await;
    assert_eq!(settled(&dispatcher).await.events, 10);
}
