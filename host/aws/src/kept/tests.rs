//! Goal: what lasts is given at once, what ends is renewed before, and a source that is silent or fails is not asked by everybody.
//! Method: a clock that the test turns, and looks that end when the test says so.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use tokio::sync::{Mutex as Turn, mpsc};

use super::*;

type Told = Result<Found, NotFound>;

/// A source whose answers the test gives.
struct Stage {
    kept: Kept,
    time: Arc<AtomicU64>,
    looks: Arc<AtomicUsize>,
    answers: Arc<Turn<mpsc::UnboundedReceiver<Told>>>,
    tell: mpsc::UnboundedSender<Told>,
}

fn credentials(name: &str) -> Credentials {
    Credentials::new(name.to_owned(), "secret".to_owned(), None)
}

fn failed() -> NotFound {
    NotFound::Failed { of: Source::Container, why: "no".to_owned() }
}

impl Stage {
    fn new() -> Self {
        let time = Arc::new(AtomicU64::new(0));
        let (start, clock) = (Instant::now(), Arc::clone(&time));
        let kept = Kept::new(Source::Container, Arc::new(move || start + Duration::from_secs(clock.load(SeqCst))));
        let (tell, answers) = mpsc::unbounded_channel();
        Self { kept, time, looks: Arc::default(), answers: Arc::new(Turn::new(answers)), tell }
    }

    fn gives(&self, name: &str, lasts_s: Option<u64>) {
        let found = Found { credentials: credentials(name), lasts: lasts_s.map(Duration::from_secs) };
        self.tell.send(Ok(found)).unwrap();
    }

    fn fails(&self) {
        self.tell.send(Err(failed())).unwrap();
    }

    fn after(&self, seconds: u64) {
        self.time.fetch_add(seconds, SeqCst);
    }

    async fn get(&self) -> Result<Credentials, NotFound> {
        let (looks, answers) = (Arc::clone(&self.looks), Arc::clone(&self.answers));
        let look = move || {
            looks.fetch_add(1, SeqCst);
            async move { answers.lock().await.recv().await.unwrap() }.boxed()
        };
        self.kept.get(look).await
    }

    /// Until the look that is under way has ended.
    async fn ended(&self) {
        while locked(&self.kept.state).looking.is_some() {
            tokio::task::yield_now().await;
        }
    }

    fn looks(&self) -> usize {
        self.looks.load(SeqCst)
    }
}

#[tokio::test]
async fn credentials_are_renewed_before_they_end_and_nobody_waits_for_that() {
    let stage = Stage::new();
    stage.gives("first", Some(3_600));
    assert_eq!(stage.get().await, Ok(credentials("first")));
    stage.after(3_299);
    assert_eq!((stage.get().await, stage.looks()), (Ok(credentials("first")), 1));
    stage.after(1);
    // The look has not ended, and is one only.
    assert_eq!((stage.get().await, stage.get().await), (Ok(credentials("first")), Ok(credentials("first"))));
    assert_eq!(stage.looks(), 2);
    stage.gives("second", Some(60));
    stage.ended().await;
    assert_eq!((stage.get().await, stage.looks()), (Ok(credentials("second")), 2));
    // What lasts less than the time before is renewed at its half.
    stage.after(29);
    assert_eq!((stage.get().await, stage.looks()), (Ok(credentials("second")), 2));
    stage.after(1);
    assert_eq!((stage.get().await, stage.looks()), (Ok(credentials("second")), 3));
}

#[tokio::test]
async fn a_renewal_that_fails_takes_nothing_away_and_is_tried_again() {
    let stage = Stage::new();
    stage.gives("first", Some(600));
    assert_eq!(stage.get().await, Ok(credentials("first")));
    stage.after(300);
    stage.fails();
    assert_eq!(stage.get().await, Ok(credentials("first")));
    stage.ended().await;
    assert_eq!((stage.get().await, stage.looks()), (Ok(credentials("first")), 2));
    stage.after(REST.as_secs());
    stage.gives("second", Some(3_600));
    assert_eq!((stage.get().await, stage.looks()), (Ok(credentials("first")), 3));
    stage.ended().await;
    assert_eq!(stage.get().await, Ok(credentials("second")));
    stage.after(3_600);
    stage.fails();
    assert_eq!(stage.get().await, Err(failed()), "what has ended is not given");
}

#[tokio::test]
async fn what_failed_is_told_to_all_and_the_source_is_left_alone_for_a_while() {
    let stage = Stage::new();
    stage.fails();
    let both = futures_util::future::join(stage.get(), stage.get()).await;
    assert_eq!((both, stage.looks()), ((Err(failed()), Err(failed())), 1));
    assert_eq!((stage.get().await, stage.looks()), (Err(failed()), 1));
    // Each time it is left alone for longer, up to an end.
    for (looks, rest) in [(2, 5), (3, 10), (4, 20), (5, 40), (6, 60), (7, 60)] {
        stage.after(rest - 1);
        assert_eq!((stage.get().await, stage.looks()), (Err(failed()), looks - 1));
        stage.after(1);
        stage.fails();
        assert_eq!((stage.get().await, stage.looks()), (Err(failed()), looks));
    }
    stage.after(REST_MAX.as_secs());
    stage.gives("first", Some(3_600));
    assert_eq!((stage.get().await, stage.looks()), (Ok(credentials("first")), 8));
}

#[tokio::test]
async fn what_was_refused_is_forgotten_but_not_what_came_a_moment_ago_and_not_what_came_since() {
    let stage = Stage::new();
    stage.gives("first", Some(3_600));
    assert_eq!(stage.get().await, Ok(credentials("first")));
    stage.kept.forget(&credentials("first"));
    assert_eq!((stage.get().await, stage.looks()), (Ok(credentials("first")), 1));
    stage.after(REST.as_secs());
    stage.kept.forget(&credentials("another"));
    assert_eq!((stage.get().await, stage.looks()), (Ok(credentials("first")), 1));
    stage.kept.forget(&credentials("first"));
    stage.gives("second", Some(3_600));
    assert_eq!((stage.get().await, stage.looks()), (Ok(credentials("second")), 2));
}

#[tokio::test]
async fn whoever_gives_up_ends_no_look_and_a_look_that_breaks_holds_up_nobody() {
    let stage = Stage::new();
    let waits = stage.get();
    assert_eq!(futures_util::poll!(std::pin::pin!(waits)), std::task::Poll::Pending);
    stage.gives("first", None);
    stage.ended().await;
    assert_eq!((stage.get().await, stage.looks()), (Ok(credentials("first")), 1));
    // Without an end they are kept for a while.
    stage.after(ENDLESS_KEPT.as_secs());
    let broken = stage.kept.get(|| async { panic!("a look that breaks") }.boxed()).await;
    assert!(matches!(&broken, Err(NotFound::Failed { why, .. }) if why.contains("the host failed")), "{broken:?}");
    stage.gives("second", None);
    assert_eq!(stage.get().await, Ok(credentials("second")));
}

#[tokio::test]
async fn what_has_ended_already_is_given_to_those_who_waited_only() {
    let stage = Stage::new();
    stage.gives("first", Some(0));
    assert_eq!(stage.get().await, Ok(credentials("first")));
    stage.gives("second", Some(3_600));
    assert_eq!((stage.get().await, stage.looks()), (Ok(credentials("second")), 2));
}
