//! What one source gave, kept until it ends and renewed before.
//!
//! Invariant: a source is looked at once at a time, whoever asks; credentials that last are given at once, also while they are renewed and when that
//! fails; and a source that gave nothing is left alone for a while, longer each time. Why is in the host's log. Times are those of a clock that nobody
//! sets.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::{runtime::Handle, task::AbortHandle, time::timeout};
use wharf_llm::Credentials;

use crate::{
    asking::Found,
    error::NotFound,
    limits::{ENDLESS_KEPT, LASTS_MAX, LEFT_MIN, LOOK_WAIT, RENEWED_BEFORE, REST, REST_MAX},
    source::Source,
};

/// A look at a source.
pub(crate) type Look = BoxFuture<'static, Result<Found, NotFound>>;

/// What comes of it, for all who wait.
type Came = Shared<BoxFuture<'static, Result<Credentials, NotFound>>>;

/// Tells the time.
pub(crate) type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// What one source gave.
#[derive(Clone)]
pub(crate) struct Kept {
    of: Source,
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    found: Option<Lasting>,
    /// What came of the last look if it was nothing.
    failed: Option<Nothing>,
    /// The look that was begun last.
    looking: Option<Looking>,
}

/// A look, with the task that takes note of what comes of it, and the thread that it runs on.
struct Looking {
    came: Came,
    task: AbortHandle,
    thread: AbortHandle,
}

impl Looking {
    /// Whether it is, also where it is waited for no more, since it hangs.
    fn is_under_way(&self) -> bool {
        !self.task.is_finished() || !self.thread.is_finished()
    }
}

/// Credentials, and how long.
struct Lasting {
    credentials: Credentials,
    found: Instant,
    renewed: Instant,
    end: Instant,
}

impl Lasting {
    fn new(Found { credentials, lasts }: &Found, now: Instant) -> Self {
        let lasts = lasts.unwrap_or(ENDLESS_KEPT).min(LASTS_MAX);
        let (before, left) = (RENEWED_BEFORE.min(lasts / 2), LEFT_MIN.min(lasts / 4));
        Self {
            credentials: credentials.clone(),
            found: now,
            renewed: now + (lasts - before),
            end: now + (lasts - left),
        }
    }
}

/// A look of which nothing came.
struct Nothing {
    why: NotFound,
    /// Until when that is all that is told.
    until: Instant,
    rest: Duration,
}

impl Kept {
    pub(crate) fn new(of: Source, clock: Clock) -> Self {
        Self { of, clock, state: Arc::default() }
    }

    /// The credentials, which are looked for where there are none that last.
    pub(crate) async fn get(&self, look: impl FnOnce() -> Look) -> Result<Credentials, NotFound> {
        let came = {
            let (now, mut state) = ((self.clock)(), locked(&self.state));
            let lasts = state.found.as_ref().filter(|found| now < found.end);
            let (lasts, is_fresh) =
                (lasts.map(|found| found.credentials.clone()), lasts.is_some_and(|found| now < found.renewed));
            let failed = state.failed.as_ref().filter(|failed| now < failed.until).map(|failed| failed.why.clone());
            match (lasts, failed) {
                (Some(credentials), _) if is_fresh => return Ok(credentials),
                (Some(credentials), Some(_)) => return Ok(credentials),
                (None, Some(failed)) => return Err(failed),
                (Some(credentials), None) => {
                    // It goes on by itself.
                    drop(self.looking(&mut state, look));
                    return Ok(credentials);
                }
                (None, None) => self.looking(&mut state, look),
            }
        };
        came.await
    }

    /// Forgets credentials that were refused, unless they came a moment ago: then another look would find the same.
    pub(crate) fn forget(&self, refused: &Credentials) {
        let (now, mut state) = ((self.clock)(), locked(&self.state));
        state.found.take_if(|found| found.credentials == *refused && now >= found.found + REST);
    }

    /// The look that is under way; a new one where there is none. It goes on when nobody waits for it any more.
    fn looking(&self, state: &mut State, look: impl FnOnce() -> Look) -> Came {
        if let Some(looking) = state.looking.as_ref().filter(|looking| looking.is_under_way()) {
            return looking.came.clone();
        }
        let (of, look, kept) = (self.of, look(), self.clone());
        let here = Handle::current();
        // It reads files, and whoever holds up a thread by that holds up none that others wait for.
        let look = tokio::task::spawn_blocking(move || here.block_on(timeout(LOOK_WAIT, look)));
        let thread = look.abort_handle();
        let failed = move || NotFound::Failed { of, why: "the host failed while it looked".to_owned() };
        let task = tokio::spawn(async move {
            // What blocks is not ended by its own time.
            let looked = match timeout(LOOK_WAIT, look).await {
                Ok(looked) => looked.map_err(|_| failed())?,
                Err(late) => Err(late),
            };
            let late = |_| Err(NotFound::Late { of, ms: LOOK_WAIT.as_millis() });
            kept.ended(looked.unwrap_or_else(late))
        });
        let aborts = task.abort_handle();
        let came = async move { task.await.unwrap_or_else(|_| Err(failed())) }.boxed().shared();
        state.looking = Some(Looking { came: came.clone(), task: aborts, thread });
        came
    }

    fn ended(&self, came: Result<Found, NotFound>) -> Result<Credentials, NotFound> {
        let (now, mut state) = ((self.clock)(), locked(&self.state));
        // One that hangs is the last until it ends.
        state.looking.take_if(|looking| looking.thread.is_finished());
        match came {
            Ok(found) => {
                (state.found, state.failed) = (Some(Lasting::new(&found, now)), None);
                Ok(found.credentials)
            }
            Err(why) => {
                tracing::warn!(source = %self.of, why = why.why(), "{why}");
                let rest = state.failed.as_ref().map_or(REST, |before| (before.rest * 2).min(REST_MAX));
                state.failed = Some(Nothing { why: why.clone(), until: now + rest, rest });
                Err(why)
            }
        }
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
