//! One request: an instance, fresh unless its route says otherwise, a call, and an answer. Every limit is on, and the wall time is over both bodies.
//!
//! What becomes of the answer meanwhile stands in `leaving.rs`.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use http::{HeaderMap, Request, Response};
use tokio::sync::oneshot;
use wasmtime::Store;
use wharf_capability::{
    Attempt, AttemptContext, BodyBounds, Contended, Effects, Handed, HttpBody, Late, Passing, Proxy,
};
use wharf_delivery::{Details, Failure, LimitsDocument};
use wharf_event::Code;

use crate::{
    HttpRelease, Reuse, Runtime,
    broken::{broken, too_long},
    cpu::{CpuMeter, Metered},
    idle::{Idle, Living},
    invoke::{add_up, begin_anew, finish},
    leaving::Leaving,
    waiting::WaitingPlace,
};

/// The answer to a request, or why there is none.
pub type Answer = Result<Response<HttpBody>, Failure>;

/// What makes durable what a call did for a request, before its answer leaves. What it refuses is not there. Where the answer says that the call
/// failed it is given nothing to keep, and ends when all is durable that the answer may follow from.
pub type Keep = Box<dyn FnOnce(Option<Effects>) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>> + Send>;

/// A request to be answered.
pub struct RequestInvocation {
    /// Who runs, with what. Its event stands for the request.
    pub context: AttemptContext,
    /// What it may consume.
    pub limits: LimitsDocument,
    /// What the bodies may have.
    pub bounds: BodyBounds,
    /// The request. It says whom it is addressed to.
    pub request: Request<HttpBody>,
    /// Who waits for the answer.
    pub answer: oneshot::Sender<Answer>,
    /// Whether its instance may answer further requests; a fresh one each where nothing is said.
    pub reuse: Option<Reuse>,
    /// Who is told of what became of the answer when the report was made already.
    pub late: Late,
    /// What keeps what the call does. Where it is there the answer is held until the call is over and its effects are durable; one that says that it failed
    /// (500 and above) has none.
    pub keep: Option<Keep>,
}

/// What came of a request.
pub struct RequestReport {
    /// The status of the answer, if one left.
    pub status: Option<u16>,
    /// Why the call failed, if it did: before its answer, or behind it.
    pub failure: Option<Failure>,
    /// Wall time.
    pub duration: Duration,
    /// What it used and said.
    pub details: Details,
}

impl RequestReport {
    /// Of a request for which nothing was called.
    #[must_use]
    pub fn unstarted(failure: Failure) -> Self {
        Self { status: None, failure: Some(failure), duration: Duration::ZERO, details: Details::default() }
    }
}

/// An instance that a request is answered in.
struct Instance {
    store: Store<Attempt>,
    /// Made with the first request.
    proxy: Option<Proxy>,
    /// Requests that it has answered.
    answered: u32,
    /// Its place among those that wait for their next request, if it may have one.
    place: Option<WaitingPlace>,
}

impl Runtime {
    /// Lets `release` answer a request: in a fresh instance, or in one that waits for it where that is wished. It returns when the call does,
    /// or when a limit ends it: the answer may have left before then. Waiting until its code is in memory is none of the call's time.
    pub async fn serve(&self, release: &HttpRelease, invocation: RequestInvocation) -> RequestReport {
        let RequestInvocation { context, limits, bounds, request, answer, reuse, late, keep } = invocation;
        let code = match self.code(&release.slot).await {
            Ok(code) => code,
            Err(failure) => {
                // Whoever waited may have gone.
                let _ = answer.send(Err(failure.clone()));
                return RequestReport::unstarted(failure);
            }
        };
        let bytes_of_head = request.uri().path().len() + bytes_of(request.headers());
        let (began, meter, passing) = (Instant::now(), CpuMeter::default(), Arc::new(Passing::new(late)));
        let Instance { mut store, mut proxy, answered, place } =
            self.instance(release, (context, limits), &meter, reuse.as_ref());
        // It goes before the store does, and says how the call ended, whatever ends this.
        let mut leaving = Leaving::new((bounds, request.method()), Arc::clone(&passing), answer, keep.is_some());
        let ended = match store.data_mut().hand_over(request, bounds, &passing) {
            Err(error) => Ok(Err(error)),
            Ok(handed) => {
                let Handed { request, out, answered } = handed;
                leaving.awaits(answered);
                let call = async {
                    let proxy = match &mut proxy {
                        Some(proxy) => proxy,
                        none => none.insert(code.instantiate_async(&mut store).await?),
                    };
                    proxy.wasi_http_incoming_handler().call_handle(&mut store, request, out).await
                };
                let serving = driven(call, &mut leaving);
                let wall = Duration::from_millis(u64::from(limits.wall_ms));
                tokio::time::timeout(wall, Metered::new(serving, meter.clone())).await
            }
        };
        let duration = began.elapsed();
        let failure = match ended {
            Ok(Ok(())) => {
                let done = keep.map(|keep| (keep, store.data().done()));
                ended_well(&mut leaving, done).await.err()
            }
            Ok(Err(error)) if error.downcast_ref::<Contended>().is_some() => {
                let reason = "what it read is another attempt's at this time";
                Some(leaving.fails(Failure::new(Code::RouteConflict, reason)))
            }
            Ok(Err(error)) => Some(leaving.fails(broken(&error, store.data_mut(), limits))),
            Err(_) => Some(leaving.fails(too_long(limits))),
        };
        let failure = failure.map(|failure| store.data().redacted(failure));
        let status = leaving.status();
        drop(leaving);
        let spent = (duration, bytes_of_head);
        let mut details = match (reuse, proxy, place) {
            (Some(Reuse { idle, most }), Some(proxy), Some(place))
                if failure.is_none() && answered + 1 < most && store.data().may_go_on() =>
            {
                let (_, mut details) = store.data_mut().end();
                add_up(&mut details, &meter, None, spent);
                let living = Living::Proxy { proxy, _code: code };
                idle.put(*release.digest(), Idle { store, living, calls: answered + 1, place });
                details
            }
            _ => finish(store, &meter, failure.as_ref(), spent).1,
        };
        let (bytes_in, bytes_out, cut) = passing.take();
        // What the reader of an answer finds when depends on the reader: it is told, and is no failure of the call.
        cut.filter(|_| failure.is_none()).into_iter().for_each(|cut| passing.broke_off(cut));
        let used = details.used.get_or_insert_default();
        used.bytes_in += bytes_in;
        used.bytes_out += bytes_out;
        RequestReport { status, failure, duration, details }
    }

    /// The instance for a request: one that waits for it, or another one, which is made with the call.
    fn instance(
        &self,
        release: &HttpRelease,
        (context, limits): (AttemptContext, LimitsDocument),
        meter: &CpuMeter,
        reuse: Option<&Reuse>,
    ) -> Instance {
        let waits = reuse.and_then(|Reuse { idle, most }| idle.take(release.digest(), *most));
        if let Some(Idle { mut store, living: Living::Proxy { proxy, .. }, calls, place }) = waits
            && store.data().is_of(&context)
        {
            store.data_mut().renew(context);
            begin_anew(&mut store, limits, meter.clone());
            return Instance { store, proxy: Some(proxy), answered: calls, place: Some(place) };
        }
        // Without a place it is one that answers once.
        let place = reuse.and_then(|_| self.place(&context, limits));
        Instance { store: self.store(context, limits, meter.clone()), proxy: None, answered: 0, place }
    }
}

/// Lets the answer of a call leave that came to its end; one that was held when what the call did is durable.
async fn ended_well(leaving: &mut Leaving, done: Option<(Keep, Effects)>) -> Result<(), Failure> {
    let status = leaving.comes_to_its_end()?;
    if let Some((keep, effects)) = done {
        // Whoever says that it failed has done nothing; what it says may follow from what it read.
        let kept = Some(effects).filter(|_| !status.is_server_error());
        if let Err(failure) = keep(kept).await {
            return Err(leaving.fails(failure));
        }
    }
    leaving.ends()
}

/// Drives a call, and lets its answer leave meanwhile.
async fn driven<T>(call: impl Future<Output = T>, leaving: &mut Leaving) -> T {
    let mut call = pin!(call);
    let polled = poll_fn(|cx| {
        loop {
            if let Poll::Ready(ended) = call.as_mut().poll(cx) {
                return Poll::Ready(ended);
            }
            // What was taken of the body made room for more, which the guest may wait for.
            if !leaving.moves(cx) {
                return Poll::Pending;
            }
        }
    });
    polled.await
}

/// What names and values of fields take.
pub(crate) fn bytes_of(fields: &HeaderMap) -> usize {
    fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}
