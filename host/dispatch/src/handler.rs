//! The port to what runs when a delivery is attempted.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use wharf_capability::Effects;
use wharf_delivery::{Details, Failure, Verdict};
use wharf_event::{Code, Digest, GrantBounds};
use wharf_runtime::{
    BatchInvocation, BatchRelease, BatchReport, Ending, HttpRelease, Invocation, Release, Report, RequestInvocation,
    RequestReport, Runtime,
};

/// What a plugin is called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// One event at a time: it is a target of rules.
    Events,
    /// Many events of a queue, which it consumes.
    Batches,
    /// Requests of routes.
    Requests,
}

/// Something that handles events, or answers requests.
pub trait Handler: Send + Sync + 'static {
    /// What names it: the same digest is the same behaviour.
    fn digest(&self) -> Digest;

    /// What it says that it needs: it gets no more of that. A kind that it does not say it gets as it is granted.
    fn needs(&self) -> GrantBounds {
        GrantBounds::default()
    }

    /// What it is called with.
    fn takes(&self) -> Takes {
        Takes::Events
    }

    /// Answers a request. Whoever waits for the answer is told in any case.
    fn answer(&self, invocation: RequestInvocation) -> BoxFuture<'_, RequestReport> {
        async move {
            let failure = unfit("it handles events, and answers no requests");
            // Whoever waited may have gone.
            let _ = invocation.answer.send(Err(failure.clone()));
            RequestReport::unstarted(failure)
        }
        .boxed()
    }

    /// Handles events of a queue.
    fn handle_batch(&self, _: BatchInvocation) -> BoxFuture<'_, BatchReport> {
        async { BatchReport::unstarted(unfit("it handles one event at a time, and no batches")) }.boxed()
    }

    /// Handles one event. It returns when the handler does, or when a limit ends it.
    fn handle(&self, invocation: Invocation) -> BoxFuture<'_, Report>;
}

/// A release in the runtime that prepared it.
pub struct Sandboxed {
    runtime: Arc<Runtime>,
    release: Release,
    needs: GrantBounds,
}

impl Sandboxed {
    /// Calls `release` in fresh instances of `runtime`.
    #[must_use]
    pub fn new(runtime: Arc<Runtime>, release: Release) -> Self {
        Self { runtime, release, needs: GrantBounds::default() }
    }

    /// The same, which says that it needs this.
    #[must_use]
    pub fn needing(self, needs: GrantBounds) -> Self {
        Self { needs, ..self }
    }
}

impl Handler for Sandboxed {
    fn digest(&self) -> Digest {
        *self.release.digest()
    }

    fn needs(&self) -> GrantBounds {
        self.needs.clone()
    }

    fn handle(&self, invocation: Invocation) -> BoxFuture<'_, Report> {
        self.runtime.invoke(&self.release, invocation).boxed()
    }
}

/// A release that handles batches, in the runtime that prepared it.
pub struct SandboxedBatch {
    runtime: Arc<Runtime>,
    release: BatchRelease,
    needs: GrantBounds,
}

impl SandboxedBatch {
    /// Calls `release` in fresh instances of `runtime`.
    #[must_use]
    pub fn new(runtime: Arc<Runtime>, release: BatchRelease) -> Self {
        Self { runtime, release, needs: GrantBounds::default() }
    }

    /// The same, which says that it needs this.
    #[must_use]
    pub fn needing(self, needs: GrantBounds) -> Self {
        Self { needs, ..self }
    }
}

impl Handler for SandboxedBatch {
    fn digest(&self) -> Digest {
        *self.release.digest()
    }

    fn needs(&self) -> GrantBounds {
        self.needs.clone()
    }

    fn takes(&self) -> Takes {
        Takes::Batches
    }

    fn handle_batch(&self, invocation: BatchInvocation) -> BoxFuture<'_, BatchReport> {
        self.runtime.invoke_batch(&self.release, invocation).boxed()
    }

    /// No rule has it for a target; a delivery of before it was one of these fails.
    fn handle(&self, _: Invocation) -> BoxFuture<'_, Report> {
        async { unhandled(unfit("it handles batches of a queue, and no event of a rule")) }.boxed()
    }
}

/// A release that answers requests, in the runtime that prepared it.
pub struct SandboxedHttp {
    runtime: Arc<Runtime>,
    release: HttpRelease,
    needs: GrantBounds,
}

impl SandboxedHttp {
    /// Calls `release` in fresh instances of `runtime`.
    #[must_use]
    pub fn new(runtime: Arc<Runtime>, release: HttpRelease) -> Self {
        Self { runtime, release, needs: GrantBounds::default() }
    }

    /// The same, which says that it needs this.
    #[must_use]
    pub fn needing(self, needs: GrantBounds) -> Self {
        Self { needs, ..self }
    }
}

impl Handler for SandboxedHttp {
    fn digest(&self) -> Digest {
        *self.release.digest()
    }

    fn needs(&self) -> GrantBounds {
        self.needs.clone()
    }

    fn takes(&self) -> Takes {
        Takes::Requests
    }

    fn answer(&self, invocation: RequestInvocation) -> BoxFuture<'_, RequestReport> {
        self.runtime.serve(&self.release, invocation).boxed()
    }

    /// No rule has it for a target; a delivery of before it was one of these fails.
    fn handle(&self, _: Invocation) -> BoxFuture<'_, Report> {
        async { unhandled(unfit("it answers requests of routes, and handles no events")) }.boxed()
    }
}

/// The report of a call that was not made.
fn unhandled(failure: Failure) -> Report {
    let (duration, details) = (Duration::ZERO, Details::default());
    Report { ending: Ending::Verdict(Verdict::Failed(failure)), effects: Effects::default(), duration, details }
}

fn unfit(reason: &str) -> Failure {
    Failure::new(Code::HandlerKind, reason)
}
