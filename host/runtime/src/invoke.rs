//! One attempt: a fresh instance, a call, and what came of it. Every limit is on.

use std::time::{Duration, Instant};

use wasmtime::{Store, UpdateDeadline};
use wharf_capability::{Attempt, AttemptContext, Contended, Effects, wharf::plugin::types};
use wharf_delivery::{Details, Failure, LimitsDocument, ReadKey, Verdict, clipped};
use wharf_event::{Code, Event};

use crate::{
    Release, Runtime,
    broken::{CpuSpent, broken, too_long},
    cpu::{CpuMeter, Metered},
};

/// An attempt to be made.
pub struct Invocation {
    /// Who runs, with what.
    pub context: AttemptContext,
    /// The rule that matched.
    pub rule: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// How many the retry policy allows.
    pub max_attempts: u32,
    /// What it may consume.
    pub limits: LimitsDocument,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a verdict, to be settled.
    Verdict(Verdict),
    /// It met a key that another attempt has for itself: it runs again when it is its turn.
    Contended(ReadKey),
}

/// What came of an attempt.
pub struct Report {
    /// How it ended.
    pub ending: Ending,
    /// What it did; to be dropped unless the verdict is `Ok`. Its reads count in any case.
    pub effects: Effects,
    /// Wall time.
    pub duration: Duration,
    /// What it used and said.
    pub details: Details,
}

impl Report {
    /// Of an attempt for which nothing was called.
    fn unstarted(failure: Failure) -> Self {
        let ending = Ending::Verdict(Verdict::Failed(failure));
        Self { ending, effects: Effects::default(), duration: Duration::ZERO, details: Details::default() }
    }
}

impl Runtime {
    /// Calls the handler of `release` in a fresh instance. It returns when the handler does, or when a limit ends it. Waiting until its
    /// code is in memory is none of the attempt's time.
    pub async fn invoke(&self, release: &Release, invocation: Invocation) -> Report {
        let handler = match self.code(&release.slot).await {
            Ok(handler) => handler,
            Err(failure) => return Report::unstarted(failure),
        };
        let Invocation { context, rule, attempt, max_attempts, limits } = invocation;
        let (event, event_bytes) = (to_guest(&context.event), context.event.size());
        let delivery = types::Delivery {
            id: context.occasion.to_string(),
            rule,
            attempt,
            max_attempts,
            deadline_ms: limits.wall_ms,
        };
        let (began, meter) = (Instant::now(), CpuMeter::default());
        let mut store = self.store(context, limits, meter.clone());
        let call = handler.call(&mut store, &event, &delivery);
        let wall = Duration::from_millis(u64::from(limits.wall_ms));
        let ending = match tokio::time::timeout(wall, Metered::new(call, meter.clone())).await {
            Ok(Ok(Ok(()))) => Ending::Verdict(Verdict::Ok),
            Ok(Ok(Err(failure))) => Ending::Verdict(Verdict::Failed(wished(failure))),
            Ok(Err(error)) => match error.downcast_ref::<Contended>() {
                Some(Contended(key)) => Ending::Contended(key.clone()),
                None => Ending::Verdict(Verdict::Failed(broken(&error, store.data_mut(), limits))),
            },
            Err(_) => Ending::Verdict(Verdict::Failed(too_long(limits))),
        };
        let failure = if let Ending::Verdict(Verdict::Failed(failure)) = &ending { Some(failure) } else { None };
        let duration = began.elapsed();
        let (effects, details) = finish(store, &meter, failure, (duration, event_bytes));
        Report { ending, effects, duration, details }
    }

    /// A store for one call, with every limit but the wall time on.
    pub(crate) fn store(&self, context: AttemptContext, limits: LimitsDocument, meter: CpuMeter) -> Store<Attempt> {
        let count = |limit| usize::try_from(limit).unwrap_or(usize::MAX);
        let mut store = Store::new(self.engine(), Attempt::new(context, limits));
        store.limiter(|attempt| attempt.budget());
        store.set_max_component_handles(count(limits.host.handles));
        begin_anew(&mut store, limits, meter);
        store
    }
}

/// Lets the bounds of one call begin in a store.
pub(crate) fn begin_anew(store: &mut Store<Attempt>, limits: LimitsDocument, meter: CpuMeter) {
    let call_kib = usize::try_from(limits.host.call_kib).unwrap_or(usize::MAX);
    store.set_hostcall_fuel(call_kib.saturating_mul(1 << 10));
    store.set_epoch_deadline(1);
    let budget = Duration::from_millis(u64::from(limits.cpu_ms));
    store.epoch_deadline_callback(move |_| {
        if meter.used_in_poll() > budget {
            return Err(CpuSpent(limits.cpu_ms).into());
        }
        Ok(UpdateDeadline::Yield(1))
    });
}

/// What a call did, and what it used and said. A limit that ended it is among those that it met.
pub(crate) fn finish(
    store: Store<Attempt>,
    meter: &CpuMeter,
    failure: Option<&Failure>,
    (duration, event_bytes): (Duration, usize),
) -> (Effects, Details) {
    let (effects, mut details) = store.into_data().finish();
    add_up(&mut details, meter, failure, (duration, event_bytes));
    (effects, details)
}

/// Adds what is not known inside of the call.
pub(crate) fn add_up(
    details: &mut Details,
    meter: &CpuMeter,
    failure: Option<&Failure>,
    (duration, event_bytes): (Duration, usize),
) {
    let whole = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
    let cpu = meter.used();
    details.cpu_us = whole(cpu.as_micros());
    let memory_kib = details.memory_bytes >> 10;
    let used = details.used.get_or_insert_default();
    used.cpu_ns = whole(cpu.as_nanos());
    used.memory_kib_us = memory_kib.saturating_mul(whole(duration.as_micros()));
    used.bytes_in += event_bytes as u64;
    if let Some(Failure { code, .. }) = failure
        && code.is_limit()
    {
        details.met(*code);
    }
}

/// What the plugin itself said, as long as it is kept: it may be megabytes.
pub(crate) fn wished(failure: types::Failure) -> Failure {
    match failure {
        types::Failure::Retry(wish) => {
            Failure { retry_after_ms: wish.after_ms, ..Failure::new(Code::HandlerRetry, clipped(wish.reason)) }
        }
        types::Failure::Reject(reason) => Failure::new(Code::HandlerReject, clipped(reason)),
    }
}

/// An event as guests get it.
pub(crate) fn to_guest(event: &Event) -> types::Event {
    let text = |value: Option<&str>| value.map(str::to_owned);
    types::Event {
        id: event.id().to_owned(),
        source: event.source().to_owned(),
        type_: event.kind().to_owned(),
        subject: text(event.subject()),
        time: text(event.time()),
        datacontenttype: text(event.datacontenttype()),
        dataschema: text(event.dataschema()),
        extensions: event
            .extensions()
            .iter()
            .map(|(name, value)| types::Attribute { name: name.to_string(), value: value.to_string() })
            .collect(),
        data: event.data().map(|data| data.bytes().to_vec()),
    }
}
