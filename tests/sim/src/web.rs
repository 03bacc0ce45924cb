//! Requests that a plugin answers, and what it publishes and stores for them.
//!
//! Invariant: what one does is a function of the history's seed and the request's id; what it read, published and stored is noted before it is to be
//! kept, and what became of that behind it. Some of the events have ids that others have too, as those of a sender who sends again.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use tokio::time::timeout;
use wharf_capability::Effects;
use wharf_delivery::{Details, Failure, Read, WriteRequest};
use wharf_dispatch::{Dispatcher, Handler, HttpBody, Takes};
use wharf_event::{Code, Digest, Event, EventBuilder};
use wharf_runtime::{Ending, Invocation, Report, RequestInvocation, RequestReport};

use crate::{
    client::World,
    observed::Observed,
    rng::{Rng, of_text},
    rules,
    script::{Step, act as step, used},
};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a plugin did for a request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Whose.
    pub tenant: String,
    /// The request's id.
    pub request: String,
    /// Events that it brought.
    pub events: Vec<Event>,
    /// Changes that it made.
    pub writes: Vec<WriteRequest>,
    /// What it read.
    pub reads: Vec<Read>,
    /// Whether it is kept; absent where nobody was told.
    pub kept: Option<bool>,
    /// Whether an answer left that may follow from what it read.
    pub left: bool,
}

/// The plugin that answers requests.
pub struct Web {
    seed: u64,
    observed: Observed,
}

impl Web {
    /// The plugin of a history.
    #[must_use]
    pub fn new(seed: u64, observed: Observed) -> Self {
        Self { seed, observed }
    }

    async fn run(&self, invocation: RequestInvocation) -> RequestReport {
        let RequestInvocation { context, answer, keep, .. } = invocation;
        let request = context.occasion.to_string();
        let mut rng = Rng::of(&[self.seed, of_text(&request), 0x3EB]);
        let (mut effects, mut published) = (Effects::default(), 0);
        let mut failure = None;
        for _ in 0..rng.below(4) {
            if rng.chance(25) {
                // The bounds are far away.
                known(&mut rng).into_iter().for_each(|event| _ = effects.publish(event));
                continue;
            }
            let next = match rng.below(7) {
                0 => Step::Add(rng.below(3), rng.between(1, 9) as i64 - 3),
                1 => Step::Set(rng.below(5)),
                2 => Step::Delete(rng.below(5)),
                3 => Step::Raise(rng.below(2)),
                4 => Step::List,
                5 => Step::Pause(rng.between(1, 40)),
                _ => Step::Publish(rng.pick(&rules::PUBLISHED).copied().unwrap_or("pub.a")),
            };
            if step(next, &context, &mut published, &mut effects).await.is_err() {
                failure = Some(Failure::new(Code::RouteConflict, "another one has the key"));
                break;
            }
        }
        let fails = rng.chance(15);
        let (events, writes, reads) = effects.clone().into_parts();
        let (tenant, kept, left) = (context.tenant.to_string(), None, false);
        let asked = Asked { tenant, request: request.clone(), events, writes, reads, kept, left };
        self.observed.note(|| format!("request {request}: {asked:?}"), |seen| seen.asked.push(asked.clone()));
        let scripted = || Failure::new(Code::RouteFailed, "as scripted");
        let (kept, left) = match (failure, keep) {
            (Some(failure), _) => (Err(failure), false),
            (None, None) => (Err(scripted()), false),
            (None, Some(keep)) => {
                // What says that it failed has done nothing.
                let told = keep(Some(effects).filter(|_| !fails)).await;
                let left = told.is_ok();
                (if fails { told.and_then(|()| Err(scripted())) } else { told }, left)
            }
        };
        let told = match &kept {
            Ok(()) => Some(true),
            Err(Failure { code: Code::RouteUnkept, reason, .. }) if !reason.starts_with("nothing") => None,
            Err(_) => Some(false),
        };
        self.observed.note(
            || format!("request {request} is kept: {kept:?}"),
            |seen| {
                let of = seen.asked.iter_mut().filter(|one| one.request == request);
                of.for_each(|one| (one.kept, one.left) = (told, left));
            },
        );
        let failure = kept.as_ref().err().cloned();
        // Whoever waited may have gone.
        let _ = answer.send(kept.map(|()| Response::new(nothing())));
        let (status, used) = (failure.is_none().then_some(StatusCode::OK.as_u16()), used(self.seed, of_text(&request)));
        let tenant = asked.tenant;
        self.observed.note(
            || format!("request {request} used {used:?}"),
            |seen| seen.served.push((seen.lives.len(), tenant, used)),
        );
        let details = Details { used: Some(used), ..Details::default() };
        RequestReport { status, failure, duration: Duration::ZERO, details }
    }
}

impl Handler for Web {
    fn digest(&self) -> Digest {
        rules::release(rules::WEB)
    }

    fn takes(&self) -> Takes {
        Takes::Requests
    }

    fn answer(&self, invocation: RequestInvocation) -> BoxFuture<'_, RequestReport> {
        self.run(invocation).boxed()
    }

    /// No rule has it for a target.
    fn handle(&self, _: Invocation) -> BoxFuture<'_, Report> {
        let failure = Failure::new(Code::HandlerKind, "it answers requests");
        let ending = Ending::Verdict(wharf_delivery::Verdict::Failed(failure));
        let (effects, details) = (Effects::default(), Details::default());
        async { Report { ending, effects, duration: Duration::ZERO, details } }.boxed()
    }
}

/// An event of a sender who gives few ids.
fn known(rng: &mut Rng) -> Option<Event> {
    let id = format!("known-{}", rng.below(3));
    let kind = rng.pick(&rules::SENT).copied()?;
    EventBuilder::new(id, "outside", kind).data(Bytes::from(format!("{{\"n\":{}}}", rng.bits()))).build().ok()
}

fn nothing() -> HttpBody {
    Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// A client asks the plugin of a tenant.
pub async fn act(world: &World, dispatcher: &Dispatcher, rng: &mut Rng) {
    let tenant = rng.pick(&rules::TENANTS).copied().unwrap_or("acme");
    let (Ok(of), Ok(request)) = (tenant.parse(), Request::post(rules::PATH).body(nothing())) else { return };
    let told = timeout(PATIENCE, dispatcher.serve(&of, request)).await;
    let told = told.map(|told| told.map(|served| served.response.status()));
    world.observed.note(|| format!("asked {tenant}: {told:?}"), |_| {});
}
