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

use tokio::sync::Semaphore;
use wasmtime::component::Linker;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};
use wharf_delivery::{Details, LimitsDocument, LogLevel};
use wharf_event::Code;

pub use port::{Calling, HttpAnswer, HttpFailed, HttpOut, HttpRequest, LEADS_NOWHERE, NoHttp};
pub use serving::{Answered, BodyBounds, BodyError, Cut, Given, Handed, HttpBody, Late, Passing};

use crate::{
    Attempt, AttemptContext,
    effects::bytes,
    limits::{HTTP_HEAD_BYTES_MAX, LOG_LINE_BYTES_MAX},
    logging::AttemptLog,
};

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
    /// Bytes of the fields of answers.
    heads_bytes: u64,
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
    /// What it may send and get still, a byte a permit.
    room: Arc<Semaphore>,
    /// Held by each request that is under way, and by what is left of each answer.
    held: Arc<()>,
}

fn locked(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Way {
    pub(crate) fn new(context: &AttemptContext, limits: LimitsDocument, log: &AttemptLog) -> Self {
        let mut ctx = WasiHttpCtx::new();
        // Its measure counts what fields take in memory, which is more than what they have on the wire.
        ctx.set_field_size_limit(2 * HTTP_HEAD_BYTES_MAX);
        let room = Arc::new(Semaphore::new(bytes(limits.host.http_kib)));
        let (context, log) = (Arc::new(context.clone()), log.clone());
        let gate = Gate { context, limits, log, tally: Arc::default(), room, held: Arc::default() };
        Self { gate, ctx }
    }

    /// Whether no request is under way, and nothing of an answer's body is left.
    pub(crate) fn is_done(&self) -> bool {
        Arc::strong_count(&self.gate.held) == 1
    }

    /// Bytes of the fields of all answers.
    pub(crate) fn heads_bytes(&self) -> u64 {
        locked(&self.gate.tally).heads_bytes
    }

    /// Adds what the requests came to. (Each has a line of the log, which is counted as a call of the host.)
    pub(crate) fn tell(&self, details: &mut Details) {
        let tally = locked(&self.gate.tally);
        tally.met.iter().for_each(|code| details.met(*code));
        for shown in tally.open.values() {
            let line = format!("{shown}: the attempt ended before its answer; it may have arrived");
            // Some services have their keys in paths.
            let line = self.gate.log.redact(&line, LOG_LINE_BYTES_MAX);
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
    use std::{pin::Pin, time::Duration};

    use bytes::Bytes;
    use http::{HeaderMap, Request, Response, StatusCode};
    use http_body_util::{BodyExt as _, Full};
    use wasmtime_wasi_http::{Error, WasiBody, WasiHttpHooks as _};
    use wharf_event::Grants;

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

    /// Answers with so many bytes, where there is room for them.
    struct Answers(usize);

    impl HttpOut for Answers {
        fn call(&self, request: HttpRequest) -> Calling {
            let (body, took) = (Bytes::from(vec![b'a'; self.0]), Duration::ZERO);
            let status = StatusCode::OK;
            let answer =
                request.takes_room(self.0).then(|| HttpAnswer { status, headers: HeaderMap::new(), body, took });
            Box::pin(async move { answer.ok_or_else(|| HttpFailed::new(Code::LimitHttp, "too long")) })
        }
    }

    /// The way of an attempt that may send and get 1 KiB, to where answers are so long.
    fn way(answer_bytes: usize) -> Way {
        let mut attempt = holding(VALUE);
        let grants = Grants { http: vec!["https://a.example/*".parse().unwrap()], ..Grants::default() };
        (attempt.context.grants, attempt.context.http) = (Arc::new(grants), Arc::new(Answers(answer_bytes)));
        attempt.limits.host.http_kib = 1;
        Way::new(&attempt.context, attempt.limits, &attempt.log)
    }

    /// What comes of a request.
    type Coming = Pin<Box<dyn Future<Output = Result<Response<WasiBody>, Error>> + Send>>;

    /// A request of so many bytes.
    fn begin(way: &mut Way, bytes: usize) -> Coming {
        let body = Full::new(Bytes::from(vec![b'b'; bytes])).map_err(Error::from).boxed_unsync();
        let request = Request::post("https://a.example/").body(body).unwrap();
        let sent = Pin::from(way.gate.send_request(request, None, Box::new(async { Ok(()) })));
        Box::pin(async { sent.await.map(|(answer, _)| answer) })
    }

    #[tokio::test]
    async fn requests_at_a_time_share_what_an_attempt_may_send_and_get() {
        let mut shared = way(600);
        let [first, second] = [begin(&mut shared, 0), begin(&mut shared, 0)];
        let (first, second) = tokio::join!(first, second);
        assert!(first.is_ok() && matches!(second, Err(Error::HttpResponseBodySize(None))));
        // A body that is too long for what is left takes none of it.
        assert!(matches!(begin(&mut shared, 425).await, Err(Error::HttpRequestBodySize(None))));
        assert_eq!(shared.gate.room.available_permits(), 424);
        assert!(matches!(begin(&mut shared, 424).await, Err(Error::HttpResponseBodySize(None))));
        assert!(matches!(begin(&mut shared, 0).await, Err(Error::ConnectionLimitReached)));
    }

    #[tokio::test]
    async fn an_answer_is_held_until_the_last_of_its_body_is_gone() {
        let mut way = way(600);
        assert!(way.is_done());
        let unsent = begin(&mut way, 0);
        assert!(!way.is_done(), "it is under way");
        drop(unsent);
        assert!(way.is_done());
        let mut answer = begin(&mut way, 0).await.unwrap();
        assert!(!way.is_done());
        let mut read = answer.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
        let rest = read.split_off(599);
        drop((read, answer));
        assert!(!way.is_done(), "a byte is left");
        drop(rest);
        assert!(way.is_done());
    }
}
