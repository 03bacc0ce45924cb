//! Goal: on a full disk nothing new is taken, what waits comes to its end from the reserve, and nothing is lost, whoever takes
//! what is left and whenever. Method: the tasks as they ship, over a disk in memory with so much room and no more.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use wharf_delivery::{AcceptEvent, AcceptRequest, Answer, Quotas, Refused, Request, Verdict};
use wharf_dispatch::{AcceptError, AskError, Committer, Dispatcher, ReplayError, Surroundings};

use crate::host::{BALLAST_BYTES, Scripted, event_of, open_home, retry, settled, small_home, tenant};

const DISK_BYTES: u64 = 8 << 20;
const EVENT_BYTES: usize = 20_000;

/// Asks for another try once, so that every event settles twice.
fn twice() -> Arc<Scripted> {
    Scripted::new(|invocation| {
        let verdict = if invocation.attempt == 1 { retry(20) } else { Verdict::Ok };
        Box::pin(async { verdict })
    })
}

/// Sends events one by one until one is refused, and gives how many were taken, with the refusal.
async fn fill(dispatcher: &Dispatcher, from: usize) -> (usize, AcceptError) {
    for id in from.. {
        let events = vec![event_of(id, EVENT_BYTES)];
        match dispatcher.accept(&tenant(), &"default".parse().unwrap(), events).await {
            Ok(answers) => assert!(answers[0].is_ok(), "{answers:?}"),
            Err(error) => return (id - from, error),
        }
    }
    unreachable!("disks are finite")
}

pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let mut left = 6_000;
    while !holds() {
        left -= 1;
        assert!(left > 0, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn is_full(error: &AcceptError) -> bool {
    *error == AcceptError::Ask(AskError::Refused(Refused::DiskFull))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_on_a_full_disk_settles_from_the_reserve_and_service_resumes_with_room() {
    let home = small_home(DISK_BYTES);
    let dispatcher = open_home(&home, twice(), 4).await;
    until("the ballast is made", || home.ballast() == BALLAST_BYTES).await;
    let (taken, refused) = fill(&dispatcher, 0).await;
    assert!(is_full(&refused) && taken > 100, "{taken} {refused:?}");
    assert!(dispatcher.short_of().is_some() && dispatcher.failure().is_none());
    home.take_but(0);
    dispatcher.begin();
    assert_eq!(settled(&dispatcher).await.attempts, taken as u64 * 2);
    assert!(home.ballast() < BALLAST_BYTES, "it was needed");
    assert!(is_full(&fill(&dispatcher, taken).await.1));

    home.resize(DISK_BYTES * 2);
    until("events are taken again", || dispatcher.short_of().is_none()).await;
    let (more, refused) = fill(&dispatcher, taken).await;
    assert!(is_full(&refused) && more > 100, "{more} {refused:?}");
    assert_eq!(settled(&dispatcher).await.attempts, (taken + more) as u64 * 2);
    until("the ballast is made again", || home.ballast() == BALLAST_BYTES).await;
    assert!(dispatcher.stop(Duration::from_secs(10)).await);

    let dispatcher = open_home(&home.after_kill(), twice(), 4).await;
    assert_eq!(dispatcher.recovered().frames_replayed, 0);
    assert_eq!(settled(&dispatcher).await.attempts, (taken + more) as u64 * 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_reserve_used_up_settlements_wait_until_there_is_room_and_a_stop_does_not() {
    let home = small_home(DISK_BYTES);
    let dispatcher = open_home(&home, twice(), 4).await;
    let (taken, refused) = fill(&dispatcher, 0).await;
    assert!(is_full(&refused), "{refused:?}");
    // Another program takes the ballast too: there is no byte left but in what is allocated.
    home.disk().lose("ballast");
    home.take_but(0);
    dispatcher.begin();
    let mut before = u64::MAX;
    until("the settlements come to a halt", || {
        let (now, was) = (dispatcher.archive().last_k(), before);
        before = now;
        now == was
    })
    .await;
    assert!(dispatcher.failure().is_none());
    let wish = serde_json::from_str(r#"{"bus": "default", "per_s": 1}"#).unwrap();
    let (tenant_name, name) = (tenant(), "again".parse().unwrap());
    let begun = dispatcher.begin_replay(&tenant_name, &name, wish);
    let begun = tokio::time::timeout(Duration::from_secs(30), begun).await.expect("it waits for no room").unwrap_err();
    assert!(matches!(begun, ReplayError::Ask(AskError::Refused(Refused::DiskFull))), "{begun:?}");
    home.take_but(3 << 19);
    assert_eq!(settled(&dispatcher).await.attempts, taken as u64 * 2);
    assert!(is_full(&fill(&dispatcher, taken).await.1), "and nothing new");
    let stopped = dispatcher.stop(Duration::from_secs(10)).await;
    let dispatcher = open_home(&home.after_kill(), twice(), 4).await;
    assert!(stopped || dispatcher.recovered().frames_replayed > 0);
    assert_eq!(settled(&dispatcher).await.attempts, taken as u64 * 2);
}

fn accept(id: usize, bytes: usize) -> Request {
    let events = vec![AcceptEvent { event: event_of(id, bytes), targets: Vec::new() }];
    Request::Accept(AcceptRequest {
        tenant: tenant(),
        bus: "default".parse().unwrap(),
        rules_version: 0,
        since_k: 0,
        quotas: Quotas::default(),
        backlogs: BTreeMap::new(),
        events,
        delayed: None,
    })
}

fn is_taken(committer: &mut Committer, id: usize) -> bool {
    let answers = committer.commit(accept(id, EVENT_BYTES), || None).unwrap().answers;
    matches!(&answers[0], Ok(Answer::Accepted(taken)) if taken[0].is_ok())
}

#[tokio::test]
async fn a_checkpoint_without_room_is_no_failure_and_is_written_when_there_is_some() {
    let home = small_home(DISK_BYTES);
    let surroundings = || Surroundings::of_this_machine(tokio::runtime::Handle::current());
    let (mut committer, _) = Committer::open(&home, 300_000, surroundings()).unwrap();
    assert!((0..40).all(|id| is_taken(&mut committer, id)));
    let checkpoint = committer.checkpoint().unwrap();
    home.disk().lose("ballast");
    home.take_but(0);
    let written = checkpoint.write();
    assert!(written.is_err(), "there is no room");
    committer.thaw(written).unwrap();
    assert!(committer.is_postponed());
    home.resize(DISK_BYTES * 2);
    assert!((40..50).all(|id| is_taken(&mut committer, id)), "the log goes on, and the state is read");
    let checkpoint = committer.checkpoint().unwrap();
    committer.thaw(checkpoint.write()).unwrap();
    assert!(!committer.is_postponed());
    drop(committer);
    let (_, recovered) = Committer::open(&home.after_kill(), 300_000, surroundings()).unwrap();
    assert!(recovered.frames_replayed > 0 && recovered.checkpoint_k >= 40, "{recovered:?}");
}
