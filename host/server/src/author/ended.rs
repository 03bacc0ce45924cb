//! What came of a call, as values and as what programs read of it.
//!
//! Invariant: of a call that did not end well no effect is told but how many there were: a host keeps none of them.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::value::RawValue;
use wharf_delivery::{Details, Failure, LogLevel, Verdict, WriteOp, WriteRequest};
use wharf_event::{BucketName, Code, Event};
use wharf_gateway::view::{LogLineView, ValueView, event_json};
use wharf_runtime::{BatchEnding, BatchReport, Effects, Ending, Report, TransformReport, Transformed};

use super::seed::{Seed, Seen};

/// How an event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// It was handled.
    Ok,
    /// A transform left it out.
    Filtered,
    /// The handler wants to try it again.
    Retry,
    /// The handler wants it no more.
    Reject,
    /// The handler trapped.
    Trap,
    /// It met a limit.
    Limit,
    /// What it gave is not as it should be.
    Failed,
}

impl Word {
    /// Of a failure.
    fn of(code: Code) -> Self {
        match code {
            Code::HandlerRetry => Self::Retry,
            Code::HandlerReject => Self::Reject,
            Code::HandlerTrap => Self::Trap,
            code if code.is_limit() => Self::Limit,
            _ => Self::Failed,
        }
    }

    /// Whether the handler said it itself.
    pub const fn is_said(self) -> bool {
        matches!(self, Self::Retry | Self::Reject)
    }

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Filtered => "filtered",
            Self::Retry => "retry",
            Self::Reject => "reject",
            Self::Trap => "trap",
            Self::Limit => "limit",
            Self::Failed => "failed",
        }
    }
}

/// How one event ended, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// In a word.
    pub outcome: Word,
    /// Why it failed, as a stable code.
    pub code: Option<Code>,
    /// The same in words.
    pub reason: Option<String>,
    /// When the handler wants to try again.
    pub retry_after_ms: Option<u64>,
}

impl Outcome {
    const fn plain(outcome: Word) -> Self {
        Self { outcome, code: None, reason: None, retry_after_ms: None }
    }

    fn failed(failure: Failure) -> Self {
        let Failure { code, reason, retry_after_ms, .. } = failure;
        Self { outcome: Word::of(code), code: Some(code), reason: Some(reason), retry_after_ms }
    }

    fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Ok => Self::plain(Word::Ok),
            Verdict::Filtered(_) => Self::plain(Word::Filtered),
            Verdict::Failed(failure) => Self::failed(failure),
        }
    }
}

/// What came of a call.
pub struct Ended {
    /// One for each event, in order.
    pub outcomes: Vec<Outcome>,
    /// What a transform gave.
    pub event: Option<Event>,
    /// What it published, if it ended well.
    pub published: Vec<Event>,
    /// What it wrote, if it ended well.
    pub writes: Vec<WriteRequest>,
    /// What it published and wrote otherwise, which comes to nothing.
    pub dropped: usize,
    /// What it read, in order.
    pub seen: Vec<Seen>,
    /// Wall time.
    pub duration: Duration,
    /// What it used and said.
    pub details: Details,
}

impl Ended {
    /// Of a handler.
    pub fn handled(report: Report, seed: &Arc<Seed>) -> Self {
        let Report { ending, effects, duration, details } = report;
        let outcome = match ending {
            Ending::Verdict(verdict) => Outcome::of(verdict),
            Ending::Contended(_) => Outcome::failed(contended()),
        };
        Self::with(vec![outcome], effects, seed, (duration, details))
    }

    /// Of a batch handler that got so many events.
    pub fn handled_batch(report: BatchReport, count: usize, seed: &Arc<Seed>) -> Self {
        let BatchReport { ending, effects, duration, details } = report;
        let outcomes = match ending {
            BatchEnding::Verdicts(verdicts) => verdicts.into_iter().map(Outcome::of).collect(),
            BatchEnding::Failed(failure) => vec![Outcome::failed(failure); count],
            BatchEnding::Contended(_) => vec![Outcome::failed(contended()); count],
        };
        Self::with(outcomes, effects, seed, (duration, details))
    }

    /// Of a transform.
    pub fn transformed(report: TransformReport) -> Self {
        let TransformReport { made, duration, details } = report;
        let (outcome, event) = match made {
            Transformed::Event(event) => (Outcome::plain(Word::Ok), Some(event)),
            Transformed::Filtered => (Outcome::plain(Word::Filtered), None),
            Transformed::Failed(failure) => (Outcome::failed(failure), None),
        };
        Self { event, ..Self::with(vec![outcome], Effects::default(), &Arc::default(), (duration, details)) }
    }

    fn with(
        outcomes: Vec<Outcome>,
        effects: Effects,
        seed: &Arc<Seed>,
        (duration, details): (Duration, Details),
    ) -> Self {
        let (mut published, mut writes, _) = effects.into_parts();
        let mut dropped = 0;
        if !outcomes.iter().all(|it| it.outcome == Word::Ok) {
            dropped = published.len() + writes.len();
            (published, writes) = (Vec::new(), Vec::new());
        }
        Self { outcomes, event: None, published, writes, dropped, seen: seed.seen(), duration, details }
    }

    /// The worst of the outcomes: what failed by itself before what the handler said.
    pub fn worst(&self) -> Word {
        let rank = |word: Word| match word {
            Word::Ok | Word::Filtered => 0,
            Word::Reject => 1,
            Word::Retry => 2,
            Word::Failed | Word::Limit | Word::Trap => 3,
        };
        self.outcomes.iter().map(|it| it.outcome).max_by_key(|word| rank(*word)).unwrap_or(Word::Failed)
    }
}

/// There is nobody else whose keys these could be.
fn contended() -> Failure {
    Failure::new(Code::Internal, "a key was another attempt's, where there is none")
}

/// What a change of a key is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// The value from now on.
    Set(ValueView),
    /// Added to the number that is there.
    Add(i64),
    /// There is none any more.
    Delete,
}

/// A change of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Write {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: String,
    /// What it is.
    pub change: Change,
}

impl Write {
    /// Of what a plugin wrote.
    pub fn of(request: &WriteRequest) -> Self {
        let change = match &request.op {
            WriteOp::Set(value) => Change::Set(ValueView::of(value)),
            WriteOp::Add(delta) => Change::Add(*delta),
            WriteOp::Delete => Change::Delete,
        };
        Self { bucket: request.bucket.clone(), key: request.key.clone(), change }
    }
}

/// What programs read of a call.
#[derive(Serialize)]
pub struct View {
    /// The worst of the outcomes.
    outcome: Word,
    /// One for each event.
    outcomes: Vec<Outcome>,
    /// What a transform gave.
    event: Option<Box<RawValue>>,
    published: Vec<Box<RawValue>>,
    writes: Vec<Write>,
    dropped: usize,
    reads: Vec<Seen>,
    log: Vec<LogLineView>,
    wall_us: u64,
    cpu_us: u64,
    memory_bytes: u64,
    limits: Vec<Code>,
}

impl View {
    /// Of a call.
    ///
    /// # Errors
    /// When an event has no JSON form, which none that was built has.
    pub fn of(ended: &Ended) -> Result<Self, serde_json::Error> {
        let Details { cpu_us, memory_bytes, limits, .. } = &ended.details;
        Ok(Self {
            outcome: ended.worst(),
            outcomes: ended.outcomes.clone(),
            event: ended.event.as_ref().map(event_json).transpose()?,
            published: ended.published.iter().map(event_json).collect::<Result<_, _>>()?,
            writes: ended.writes.iter().map(Write::of).collect(),
            dropped: ended.dropped,
            reads: ended.seen.clone(),
            log: log(&ended.details),
            wall_us: u64::try_from(ended.duration.as_micros()).unwrap_or(u64::MAX),
            cpu_us: *cpu_us,
            memory_bytes: *memory_bytes,
            limits: limits.clone(),
        })
    }
}

/// What it said.
pub fn log(details: &Details) -> Vec<LogLineView> {
    let level = |level| match level {
        LogLevel::Trace => "trace",
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    };
    let line = |line: &wharf_delivery::LogLine| LogLineView {
        level: level(line.level).to_owned(),
        context: line.context.clone(),
        message: line.message.clone(),
    };
    details.log.lines().map(line).collect()
}
