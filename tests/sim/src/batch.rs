//! The plugin that consumes the queue in some histories: what it does with a batch follows from the seed and the batch, and how each event ends
//! from the event and the attempt alone.
//!
//! It does its work before it says which events failed, as a real one may: the host has to let go of it then.

use std::time::Duration;

use futures_util::{FutureExt as _, future::BoxFuture};
use wharf_capability::Effects;
use wharf_delivery::{DeliveryId, Details, Failure, Read, Used, Verdict, WriteRequest};
use wharf_dispatch::{Handler, Takes};
use wharf_event::{Code, Digest, Event};
use wharf_runtime::{BatchEnding, BatchInvocation, BatchItem, BatchReport, Ending, Invocation, Report};

use crate::{
    observed::Observed,
    oracle,
    rng::{Rng, of_text},
    rules::{self, GATHER},
    script::{Step, act, frame_ms, used},
};

/// How a call ended.
#[derive(Clone, Debug)]
pub enum Called {
    /// It had not ended when the process did.
    Cut,
    /// It met a key that another one had for itself.
    Contended,
    /// As a whole.
    Failed(Failure),
    /// With a verdict for each event, its effects, and what it read.
    Ended {
        /// The verdicts.
        verdicts: Vec<Verdict>,
        /// Events that it published.
        published: Vec<Event>,
        /// Changes that it made.
        writes: Vec<WriteRequest>,
        /// What it read.
        reads: Vec<Read>,
    },
}

/// One call with messages of a queue.
#[derive(Clone, Debug)]
pub struct Call {
    /// In which life of the process.
    pub life: usize,
    /// Whose queue.
    pub tenant: String,
    /// Which messages, as which attempt, with which event.
    pub items: Vec<(DeliveryId, u32, Event)>,
    /// Frame time when it began, in milliseconds since 1970.
    pub frame_ms: u64,
    /// Its place in the order of all beginnings and ends.
    pub began: u64,
    /// That of its end.
    pub ended: Option<u64>,
    /// How it ended.
    pub called: Called,
    /// What it said that it used, if it came to its end.
    pub used: Used,
}

/// The handler.
pub struct Gather {
    seed: u64,
    observed: Observed,
}

impl Gather {
    /// That of a history, which tells `observed` what it does.
    #[must_use]
    pub fn new(seed: u64, observed: Observed) -> Self {
        Self { seed, observed }
    }

    /// What it uses, by the number of the call: another one than any of a run.
    fn used(&self, number: usize) -> Used {
        used(self.seed, number as u64 | 1 << 40)
    }

    fn began(&self, BatchInvocation { context, items, .. }: &BatchInvocation) -> usize {
        let (mut number, frame_ms) = (usize::MAX, frame_ms(&context.time));
        let items: Vec<_> = items.iter().map(|item| (item.delivery, item.attempt, item.event.clone())).collect();
        let told: Vec<_> = items.iter().map(|(id, attempt, _)| format!("{id} attempt {attempt}")).collect();
        self.observed.note(
            || format!("call of {} with {told:?} at {frame_ms}", context.tenant),
            |seen| {
                let (life, tenant, began) = (seen.lives.len(), context.tenant.to_string(), seen.step());
                number = seen.calls.len();
                let used = self.used(number);
                seen.calls.push(Call { life, tenant, items, frame_ms, began, ended: None, called: Called::Cut, used });
            },
        );
        number
    }

    fn ended(&self, number: usize, ending: BatchEnding, effects: Effects) -> BatchReport {
        let called = match &ending {
            BatchEnding::Contended(_) => Called::Contended,
            BatchEnding::Failed(failure) => Called::Failed(failure.clone()),
            BatchEnding::Verdicts(verdicts) => {
                let (published, writes, reads) = effects.clone().into_parts();
                Called::Ended { verdicts: verdicts.clone(), published, writes, reads }
            }
        };
        self.observed.note(
            || format!("end of call {number}: {called:?}"),
            |seen| {
                let step = seen.step();
                if let Some(call) = seen.calls.get_mut(number) {
                    (call.ended, call.called) = (Some(step), called.clone());
                }
            },
        );
        let details = Details { used: Some(self.used(number)), ..Details::default() };
        BatchReport { ending, effects, duration: Duration::ZERO, details }
    }

    async fn call(&self, invocation: BatchInvocation) -> BatchReport {
        let number = self.began(&invocation);
        let (context, mut effects, mut published) = (&invocation.context, Effects::default(), 0);
        let parts = [self.seed, of_text(GATHER), of_text(&context.occasion.to_string()), invocation.items.len() as u64];
        let mut rng = Rng::of(&parts);
        let asked = invocation.items.iter().filter(|item| oracle::is_asked(self.seed, GATHER, &item.event));
        oracle::ask_about(&self.observed, context, asked).await;
        for step in steps(&mut rng) {
            if let Err(key) = act(step, context, &mut published, &mut effects).await {
                return self.ended(number, BatchEnding::Contended(key), effects);
            }
        }
        let ending = match rng.below(100) {
            0..=4 => BatchEnding::Failed(Failure::new(Code::HandlerTrap, "as scripted")),
            5..=7 => BatchEnding::Failed(Failure::new(Code::HandlerRetry, "as scripted")),
            _ => BatchEnding::Verdicts(invocation.items.iter().map(|item| verdict(self.seed, item)).collect()),
        };
        self.ended(number, ending, effects)
    }
}

fn steps(rng: &mut Rng) -> Vec<Step> {
    let mut steps = Vec::new();
    for _ in 0..rng.below(5) {
        steps.push(match rng.below(10) {
            0..=3 => Step::Raise(rng.below(2)),
            4..=5 => Step::Add(rng.below(3), rng.between(1, 9) as i64 - 3),
            6 => Step::Set(rng.below(5)),
            7 => Step::Publish(rng.pick(&rules::PUBLISHED).copied().unwrap_or("pub.a")),
            _ => Step::Pause(rng.between(1, 40)),
        });
    }
    if rng.chance(6) {
        steps.push(Step::Pause(rng.between(500, 4_000)));
    }
    steps
}

fn verdict(seed: u64, item: &BatchItem) -> Verdict {
    let parts = [seed, of_text(GATHER), of_text(item.event.source()), of_text(item.event.id()), item.attempt.into()];
    let mut rng = Rng::of(&parts);
    let failed =
        |code, retry_after_ms| Verdict::Failed(Failure { retry_after_ms, ..Failure::new(code, "as scripted") });
    match rng.below(100) {
        0..=84 => Verdict::Ok,
        85..=90 => failed(Code::HandlerRetry, None),
        91..=95 => failed(Code::HandlerRetry, Some(rng.below(5_000))),
        _ => failed(Code::HandlerReject, None),
    }
}

impl Handler for Gather {
    fn digest(&self) -> Digest {
        rules::release(GATHER)
    }

    fn takes(&self) -> Takes {
        Takes::Batches
    }

    fn handle_batch(&self, invocation: BatchInvocation) -> BoxFuture<'_, BatchReport> {
        self.call(invocation).boxed()
    }

    fn handle(&self, _: Invocation) -> BoxFuture<'_, Report> {
        let failure = Failure::new(Code::HandlerKind, "it handles batches");
        let ending = Ending::Verdict(Verdict::Failed(failure));
        let (effects, details) = (Effects::default(), Details::default());
        async move { Report { ending, effects, duration: Duration::ZERO, details } }.boxed()
    }
}
