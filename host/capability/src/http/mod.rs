//! Capability: `wasi:http/outgoing-handler` (and what is called in those who answer requests, in `serving.rs`). The vocabulary is WASI's own; which requests leave, and how, is decided here.
//!
//! Invariant: a request leaves only where a grant allows it, and never more calls or bytes than the attempt may have. What is refused is an
//! error of the guest's, a code in the attempt, and a line of its log with what would allow it. Effects that others had of a request do not go
//! away when the attempt fails, so each carries a key that is the same in every attempt.

mod check;
mod port;
mod sending;
mod serving;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wasmtime::component::Linker;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};
use wharf_delivery::{Details, LimitsDocument, LogLevel};
use wharf_event::Code;

pub use port::{Calling, HttpAnswer, HttpFailed, HttpOut, HttpRequest, LEADS_NOWHERE, NoHttp};
pub use serving::{Answered, BodyBounds, BodyError, Cut, Given, Handed, HttpBody, Late, Passing};

use crate::{Attempt, AttemptContext, limits::HTTP_HEAD_BYTES_MAX, logging::AttemptLog};

/// Adds it to `linker`.
pub(crate) fn link(linker: &mut Linker<Attempt>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)
}

/// What the requests of an attempt come to.
#[derive(Debug, Default)]
struct Tally {
    calls: u32,
    /// Those that are under way, by their numbers.
    open: BTreeMap<u32, String>,
    bytes_out: u64,
    bytes_in: u64,
    /// What requests were refused for, each once.
    met: Vec<Code>,
    /// How many requests had a key that begins so.
    keys: HashMap<String, u32>,
}

/// The way of one attempt to the outside.
pub(crate) struct Way {
    gate: Gate,
    ctx: WasiHttpCtx,
}

/// What decides about its requests.
struct Gate {
    context: Arc<AttemptContext>,
    limits: LimitsDocument,
    log: AttemptLog,
    tally: Arc<Mutex<Tally>>,
}

fn locked(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Way {
    pub(crate) fn new(context: &AttemptContext, limits: LimitsDocument, log: &AttemptLog) -> Self {
        let mut ctx = WasiHttpCtx::new();
        // Its measure counts what fields take in memory, which is more than what they have on the wire.
        ctx.set_field_size_limit(2 * HTTP_HEAD_BYTES_MAX);
        let gate = Gate { context: Arc::new(context.clone()), limits, log: log.clone(), tally: Arc::default() };
        Self { gate, ctx }
    }

    /// Adds what the requests came to. (Each has a line of the log, which is counted as a call of the host.)
    pub(crate) fn tell(&self, details: &mut Details) {
        let tally = locked(&self.gate.tally);
        tally.met.iter().for_each(|code| details.met(*code));
        for shown in tally.open.values() {
            let line = format!("{shown}: the attempt ended before its answer; it may have arrived");
            // Some services have their keys in paths.
            let line = self.gate.log.redact(&line).unwrap_or(line);
            details.log.push(LogLevel::Warn, "http", &line);
        }
        let used = details.used.get_or_insert_default();
        used.bytes_out += tally.bytes_out;
        used.bytes_in += tally.bytes_in;
    }
}

impl WasiHttpView for Attempt {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let Self { context, limits, log, table, http, .. } = self;
        let way = http.get_or_insert_with(|| Box::new(Way::new(context, *limits, log)));
        let Way { gate, ctx } = &mut **way;
        WasiHttpCtxView { hooks: gate, table, ctx }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hold::tests::{VALUE, holding};

    #[test]
    fn a_request_that_is_under_way_at_the_end_is_told_without_the_secrets_in_its_path() {
        let attempt = holding(VALUE);
        let way = Way::new(&attempt.context, attempt.limits, &attempt.log);
        locked(&way.gate.tally).open.insert(1, format!("POST https://a.example:443/bot{VALUE}/send"));
        let mut details = Details::default();
        way.tell(&mut details);
        let told: Vec<_> = details.log.lines().map(|line| line.message.as_str()).collect();
        let shown = "POST https://a.example:443/bot[secret:signing]/send";
        assert_eq!(told, [format!("{shown}: the attempt ended before its answer; it may have arrived")]);
    }
}
