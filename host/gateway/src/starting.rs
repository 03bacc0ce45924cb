//! What is answered while the host starts: that it lives, and what it waits for.
//!
//! Invariant: it asks nothing of a host, for there is none yet.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use wharf_event::Code;

use crate::probes;
use crate::problem::Problem;

/// What a host that starts waits for, in words that whoever asks is told.
#[derive(Clone, Debug, Default)]
pub struct Starting(Arc<Mutex<&'static str>>);

impl Starting {
    /// From now on it waits for this.
    pub fn waits_for(&self, what: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    fn problem(&self) -> Problem {
        let what = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let detail =
            if what.is_empty() { "the host is starting".to_owned() } else { format!("the host is starting: {what}") };
        Problem::new(Code::NotReady, detail)
    }
}

async fn not_ready(State(starting): State<Starting>) -> Problem {
    starting.problem()
}

/// The router of before there is a host.
pub(crate) fn router(starting: Starting) -> Router {
    Router::new()
        .route("/livez", get(probes::live))
        .fallback(not_ready)
        .method_not_allowed_fallback(not_ready)
        .with_state(starting)
}
