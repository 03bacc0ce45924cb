//! Handlers that follow a script: what one does is a pure function of the history's seed, the plugin, the event and the attempt.
//!
//! It keeps the rules that the capabilities of real guests keep: effects are buffered, what was read is remembered with its
//! version, and whoever meets a key that another attempt has for itself ends there.

use std::{panic::resume_unwind, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use wharf_capability::{AttemptContext, Effects};
use wharf_delivery::{Details, Failure, HOPS_ATTRIBUTE, ReadKey, Used, Verdict, WriteOp};
use wharf_dispatch::Handler;
use wharf_event::{AttributeValue, BucketName, Code, Digest, Event, EventBuilder, Position};
use wharf_runtime::{Ending, Invocation, Report};

use crate::{
    observed::{Observed, Ran, Run},
    oracle,
    rng::{Rng, of_text},
    rules,
};

/// The bucket of counters.
pub const COUNTERS: &str = "n";

/// The bucket of values that are only set and deleted.
pub const VALUES: &str = "s";

/// The bucket of numbers that are read, raised and written.
pub const RAISED: &str = "r";

/// The attribute by which some targets order events.
const PARTITION_KEY: &str = "partitionkey";

/// One step of a script.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Add(u64, i64),
    Set(u64),
    Delete(u64),
    Raise(u64),
    List,
    Publish(&'static str),
    Pause(u64),
}

/// How a script ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Ok,
    Retry(Option<u64>),
    Trap,
    Reject,
    Panic,
}

/// The script of one attempt.
struct Script {
    steps: Vec<Step>,
    end: End,
}

impl Script {
    fn of(seed: u64, plugin: &str, event: &Event, attempt: u32) -> Self {
        let parts = [seed, of_text(plugin), of_text(event.source()), of_text(event.id()), u64::from(attempt)];
        let mut rng = Rng::of(&parts);
        let mut steps = Vec::new();
        for _ in 0..rng.below(4) {
            steps.push(match plugin {
                "count" => Step::Add(rng.below(3), rng.between(1, 9) as i64 - 3),
                "keep" if rng.chance(25) => Step::Delete(rng.below(5)),
                "keep" if rng.chance(15) => Step::List,
                "keep" => Step::Set(rng.below(5)),
                "swap" => Step::Raise(steps.len() as u64 % 2),
                "chain" => Step::Publish(rng.pick(&rules::PUBLISHED).copied().unwrap_or("pub.a")),
                _ if rng.chance(50) => Step::Add(rng.below(3), 1),
                _ => Step::Set(rng.below(5)),
            });
            if rng.chance(30) {
                steps.push(Step::Pause(rng.between(1, 40)));
            }
        }
        if plugin == "loop" {
            steps.push(Step::Publish(rules::LOOP));
        }
        if rng.chance(6) {
            steps.push(Step::Pause(rng.between(500, 4_000)));
        }
        let end = match rng.below(100) {
            0..=64 => End::Ok,
            65..=75 => End::Retry(None),
            76..=84 => End::Retry(Some(rng.below(5_000))),
            85..=91 => End::Trap,
            92..=96 => End::Reject,
            _ => End::Panic,
        };
        // A chain that breaks off shows little.
        let end = if plugin == "loop" && rng.chance(80) { End::Ok } else { end };
        Self { steps, end }
    }
}

/// A handler that follows scripts.
pub struct Scripted {
    seed: u64,
    plugin: &'static str,
    observed: Observed,
}

impl Scripted {
    /// The handler of a plugin, which tells `observed` what it does.
    #[must_use]
    pub fn new(seed: u64, plugin: &'static str, observed: Observed) -> Self {
        Self { seed, plugin, observed }
    }

    /// Notes that a run began, and gives its number.
    fn began(&self, invocation: &Invocation) -> usize {
        let context = &invocation.context;
        let (mut number, frame_ms) = (usize::MAX, frame_ms(&context.time));
        let Some(delivery) = context.occasion.delivery() else { return number };
        let attempt = invocation.attempt;
        let line = || format!("run {} {} {delivery} attempt {attempt} at {frame_ms}", context.tenant, context.plugin);
        self.observed.note(line, |seen| {
            let began = seen.step();
            number = seen.runs.len();
            seen.runs.push(Run {
                life: seen.lives.len(),
                tenant: context.tenant.to_string(),
                plugin: context.plugin.to_string(),
                delivery,
                attempt,
                event: context.event.clone(),
                received: context.received.clone(),
                frame_ms,
                began,
                ended: None,
                ran: Ran::Cut,
                used: used(self.seed, number as u64),
            });
        });
        number
    }

    fn ended(&self, number: usize, ran: Ran) {
        self.observed.note(
            || format!("end of run {number}: {ran:?}"),
            |seen| {
                let step = seen.step();
                if let Some(run) = seen.runs.get_mut(number) {
                    (run.ended, run.ran) = (Some(step), ran.clone());
                }
            },
        );
    }

    async fn run(&self, invocation: Invocation) -> Report {
        let number = self.began(&invocation);
        let context = &invocation.context;
        let script = Script::of(self.seed, self.plugin, &context.event, invocation.attempt);
        let mut effects = Effects::default();
        let mut published = 0;
        if oracle::is_asked(self.seed, self.plugin, &context.event) {
            oracle::ask(&self.observed, context).await;
        }
        for step in script.steps {
            if let Err(key) = act(step, context, &mut published, &mut effects).await {
                self.ended(number, Ran::Contended);
                return self.report(number, Ending::Contended(key), effects);
            }
        }
        let failed =
            |code, retry_after_ms| Verdict::Failed(Failure { retry_after_ms, ..Failure::new(code, "as scripted") });
        let verdict = match script.end {
            End::Ok => Verdict::Ok,
            End::Retry(after_ms) => failed(Code::HandlerRetry, after_ms),
            End::Trap => failed(Code::HandlerTrap, None),
            End::Reject => failed(Code::HandlerReject, None),
            End::Panic => {
                self.ended(number, Ran::Panicked);
                // Without the hook, which would print it.
                resume_unwind(Box::new("as scripted"));
            }
        };
        let (events, writes, reads) = effects.clone().into_parts();
        self.ended(number, Ran::Ended { verdict: verdict.clone(), published: events, writes, reads });
        self.report(number, Ending::Verdict(verdict), effects)
    }

    fn report(&self, number: usize, ending: Ending, effects: Effects) -> Report {
        let details = Details { used: Some(used(self.seed, number as u64)), ..Details::default() };
        Report { ending, effects, duration: Duration::ZERO, details }
    }
}

impl Handler for Scripted {
    fn digest(&self) -> Digest {
        rules::release(self.plugin)
    }

    fn handle(&self, invocation: Invocation) -> BoxFuture<'_, Report> {
        self.run(invocation).boxed()
    }
}

/// What a run uses, or a transform of an event.
pub fn used(seed: u64, of: u64) -> Used {
    let mut rng = Rng::of(&[seed, of, 0x05ED]);
    let mut next = || rng.below(1_000_000);
    Used { cpu_ns: next(), memory_kib_us: next(), bytes_in: next(), bytes_out: next(), host_calls: next() }
}

/// Frame time as a handler is told it.
pub(crate) fn frame_ms(time: &str) -> u64 {
    time.parse::<jiff::Timestamp>().ok().and_then(|time| u64::try_from(time.as_millisecond()).ok()).unwrap_or(0)
}

/// Does one step. The error is a key that another attempt has for itself.
pub(crate) async fn act(
    step: Step,
    context: &AttemptContext,
    published: &mut usize,
    effects: &mut Effects,
) -> Result<(), ReadKey> {
    let name = |bucket: &str| bucket.parse::<BucketName>().ok();
    let own = |bucket: &BucketName, key: &str| {
        let key = ReadKey::Value(bucket.clone(), key.to_owned());
        if context.values.is_taken(&context.tenant, &key) { Err(key) } else { Ok(key) }
    };
    let (bucket, key, op) = match step {
        Step::Pause(ms) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            return Ok(());
        }
        Step::Publish(kind) => {
            *published += 1;
            if let Some(event) = draft(context, *published, kind) {
                // The bounds are far away.
                let _ = effects.publish(event);
            }
            return Ok(());
        }
        Step::List => {
            let Some(bucket) = name(VALUES) else { return Ok(()) };
            let listing = ReadKey::Listing(bucket.clone());
            if context.values.is_taken(&context.tenant, &listing) {
                return Err(listing);
            }
            if let Ok(page) = context.values.keys(&context.tenant, &bucket, None, 10) {
                let _ = effects.saw(listing, page.membership);
            }
            return Ok(());
        }
        Step::Add(key, delta) => (name(COUNTERS), format!("c{key}"), WriteOp::Add(delta)),
        Step::Set(key) => (name(VALUES), format!("k{key}"), WriteOp::Set(context.event.id().to_owned().into())),
        Step::Delete(key) => (name(VALUES), format!("k{key}"), WriteOp::Delete),
        Step::Raise(key) => {
            let (Some(bucket), key) = (name(RAISED), format!("r{key}")) else { return Ok(()) };
            let read = own(&bucket, &key)?;
            let found = context.values.value(&context.tenant, &bucket, &key).ok().flatten();
            let (version, value) = found.unwrap_or((Position::ZERO, Bytes::from_static(b"0")));
            let _ = effects.saw(read, version);
            let raised = std::str::from_utf8(&value).ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) + 1;
            (Some(bucket), key, WriteOp::Set(raised.to_string().into()))
        }
    };
    let Some(bucket) = bucket else { return Ok(()) };
    own(&bucket, &key)?;
    let _ = effects.write(&bucket, &key, op);
    Ok(())
}

/// An event to publish, with an id that follows from the delivery.
fn draft(context: &AttemptContext, number: usize, kind: &str) -> Option<Event> {
    let hops = match context.event.extension(HOPS_ATTRIBUTE) {
        Some(AttributeValue::Integer(hops)) => *hops,
        _ => 0,
    };
    let id = format!("{}.{number}", context.occasion);
    let draft = EventBuilder::new(id, format!("plugin/{}", context.plugin), kind)
        .time(context.time.clone())
        .extension(HOPS_ATTRIBUTE, AttributeValue::Integer(hops + 1))
        .data(format!("{{\"of\":\"{}\",\"k\":{}}}", context.occasion, number % 2));
    // What it was caused by may be of the same key, to the same target.
    match context.event.extension(PARTITION_KEY) {
        Some(key) => draft.extension(PARTITION_KEY, key.clone()).build().ok(),
        None => draft.build().ok(),
    }
}
