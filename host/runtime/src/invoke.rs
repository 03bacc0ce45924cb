//! One attempt: an instance, fresh unless its plugin says otherwise, a call, and what came of it. Every limit is on.

use std::time::{Duration, Instant};

use wasmtime::{Store, UpdateDeadline};
use wharf_capability::{Attempt, AttemptContext, Contended, Effects, EventHandler, wharf::plugin::types};
use wharf_delivery::{Details, Failure, LimitsDocument, ReadKey, Verdict};
use wharf_event::{Code, Event};

use crate::{
    Release, Reuse, Runtime,
    broken::{CpuSpent, broken, too_long},
    cpu::{CpuMeter, Metered},
    idle::{Idle, Living},
    waiting::WaitingPlace,
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
    /// Whether its instance may make further attempts; a fresh one each where nothing is said.
    pub reuse: Option<Reuse>,
}

/// An instance that an attempt is made in.
struct Instance {
    store: Store<Attempt>,
    /// Made with the first call.
    handler: Option<EventHandler>,
    /// Calls that it had.
    calls: u32,
    /// Its place among those that wait for their next attempt, if it may have one.
    place: Option<WaitingPlace>,
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
    /// Calls the handler of `release`, in a fresh instance or in one that waits for it where that is wished. It returns when the handler does, or when a limit ends it. Waiting until its
    /// code is in memory is none of the attempt's time.
    pub async fn invoke(&self, release: &Release, invocation: Invocation) -> Report {
        let code = match self.code(&release.slot).await {
            Ok(code) => code,
            Err(failure) => return Report::unstarted(failure),
        };
        let Invocation { context, rule, attempt, max_attempts, limits, reuse } = invocation;
        let (event, event_bytes) = (to_guest(&context.event), context.event.size());
        let delivery = types::Delivery {
            id: context.occasion.to_string(),
            rule,
            attempt,
            max_attempts,
            deadline_ms: limits.wall_ms,
        };
        let (began, meter) = (Instant::now(), CpuMeter::default());
        let Instance { mut store, mut handler, calls, place } =
            self.instance_for(release, (context, limits), &meter, reuse.as_ref());
        let call = code.call(&mut store, &mut handler, &event, &delivery);
        let wall = Duration::from_millis(u64::from(limits.wall_ms));
        let ending = match tokio::time::timeout(wall, Metered::new(call, meter.clone())).await {
            Ok(Ok(Ok(()))) => Ending::Verdict(Verdict::Ok),
            Ok(Ok(Err(failure))) => Ending::Verdict(Verdict::Failed(store.data().redacted(wished(failure)))),
            Ok(Err(error)) => match error.downcast_ref::<Contended>() {
                Some(Contended(key)) => Ending::Contended(key.clone()),
                None => Ending::Verdict(Verdict::Failed(broken(&error, store.data_mut(), limits))),
            },
            Err(_) => Ending::Verdict(Verdict::Failed(too_long(limits))),
        };
        let failure = if let Ending::Verdict(Verdict::Failed(failure)) = &ending { Some(failure) } else { None };
        let duration = began.elapsed();
        let (effects, details) = match (reuse, handler, place) {
            // Whatever did not end well may have left its instance as nobody knows.
            (Some(Reuse { idle, most }), Some(handler), Some(place))
                if ending == Ending::Verdict(Verdict::Ok) && calls + 1 < most && store.data().may_go_on() =>
            {
                let (effects, mut details) = store.data_mut().end();
                add_up(&mut details, &meter, None, (duration, event_bytes));
                let living = Living::Handler { handler, _code: code };
                idle.put(*release.digest(), Idle { store, living, calls: calls + 1, place });
                (effects, details)
            }
            _ => finish(store, &meter, failure, (duration, event_bytes)),
        };
        Report { ending, effects, duration, details }
    }

    /// The instance for an attempt: one that waits for it, or another one, which is made with the call.
    fn instance_for(
        &self,
        release: &Release,
        (context, limits): (AttemptContext, LimitsDocument),
        meter: &CpuMeter,
        reuse: Option<&Reuse>,
    ) -> Instance {
        let waits = reuse.and_then(|Reuse { idle, most }| idle.take(release.digest(), *most));
        if let Some(Idle { mut store, living: Living::Handler { handler, .. }, calls, place }) = waits
            && store.data().is_of(&context)
        {
            store.data_mut().renew(context);
            begin_anew(&mut store, limits, meter.clone());
            return Instance { store, handler: Some(handler), calls, place: Some(place) };
        }
        // Without a place it is one that makes one attempt.
        let place = reuse.and_then(|_| self.place(&context, limits));
        Instance { store: self.store(context, limits, meter.clone()), handler: None, calls: 0, place }
    }

    /// A place for the instance of a call to wait for its next one: it does with half of its memory at most.
    pub(crate) fn place(&self, context: &AttemptContext, limits: LimitsDocument) -> Option<WaitingPlace> {
        self.waiting.take(&context.tenant, limits.memory_mib.div_ceil(2))
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
    // What models of the tenant took is in it already.
    details.cpu_us = details.cpu_us.saturating_add(whole(cpu.as_micros()));
    let memory_kib = details.memory_bytes >> 10;
    let used = details.used.get_or_insert_default();
    used.cpu_ns = used.cpu_ns.saturating_add(whole(cpu.as_nanos()));
    used.memory_kib_us = memory_kib.saturating_mul(whole(duration.as_micros()));
    used.bytes_in += event_bytes as u64;
    if let Some(Failure { code, .. }) = failure
        && code.is_limit()
    {
        details.met(*code);
    }
}

/// What the plugin itself said: it may be megabytes, and have in it what nobody is to see, until it is redacted.
pub(crate) fn wished(failure: types::Failure) -> Failure {
    match failure {
        types::Failure::Retry(wish) => {
            Failure { retry_after_ms: wish.after_ms, ..Failure::new(Code::HandlerRetry, wish.reason) }
        }
        types::Failure::Reject(reason) => Failure::new(Code::HandlerReject, reason),
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
