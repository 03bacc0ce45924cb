//! Requests to a plugin that answers them: `wasi:http/incoming-handler`. The vocabulary is WASI's own; what a call of it takes in and gives
//! out is bounded here.
//!
//! Invariant: no more of a request is handed over than its route takes, and no more of an answer leaves than its route gives. An answer whose
//! call failed before its end breaks off: whoever reads it never takes a part for the whole.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use wasmtime::component::Resource;
use wasmtime_wasi_http::{
    Error, WasiBody, WasiHttpView as _,
    p2::{
        bindings::http::types::{ErrorCode, Scheme},
        types::{HostIncomingRequest, HostResponseOutparam},
    },
};
use wharf_event::Code;

use super::{Tally, sending::note};
use crate::{Attempt, logging::AttemptLog};

/// Why a body is not there.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A body on its way in or out, piece by piece.
pub type HttpBody = UnsyncBoxBody<Bytes, BodyError>;

/// What the bodies of one request and its answer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyBounds {
    /// Bytes of the request's.
    pub request_bytes: u64,
    /// Bytes of the answer's.
    pub answer_bytes: u64,
}

/// An answer that did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cut {
    /// The call failed.
    #[error("the plugin failed before its answer had ended")]
    Failed,
    /// It is longer than the route gives.
    #[error("the answer is longer than {0} bytes, which is what its route gives")]
    TooLong(u64),
}

/// How a call stands: it runs (0), has ended well, or failed.
const ENDED: u8 = 1;
const FAILED: u8 = 2;

/// Who is told how many bytes of an answer left behind the end of its call.
pub type Late = Box<dyn Fn(u64) + Send + Sync>;

/// What passes for one request, counted, and how its call stands.
pub struct Passing {
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    call: AtomicU8,
    /// Whether the sums were taken: what leaves from then on is late.
    is_taken: AtomicBool,
    late: Late,
}

impl Passing {
    /// Of a request of which nothing has passed.
    #[must_use]
    pub fn new(late: Late) -> Self {
        let [bytes_in, bytes_out] = [(); 2].map(|()| AtomicU64::new(0));
        Self { bytes_in, bytes_out, call: AtomicU8::new(0), is_taken: AtomicBool::new(false), late }
    }

    /// The call came to its end, well or not. It is to be said while what the guest holds is still there.
    pub fn ended(&self, well: bool) {
        self.call.store(if well { ENDED } else { FAILED }, Ordering::Release);
    }

    /// Takes the sums: bytes of the request that were handed over, and of the answer that left by now.
    #[must_use]
    pub fn take(&self) -> (u64, u64) {
        self.is_taken.store(true, Ordering::SeqCst);
        (self.bytes_in.load(Ordering::Relaxed), self.bytes_out.swap(0, Ordering::SeqCst))
    }

    /// Nothing more will leave: what did since the sums were taken is told. Where they are not taken yet, they will have all of it.
    fn gone(&self) {
        if self.is_taken.load(Ordering::SeqCst) {
            let bytes = self.bytes_out.swap(0, Ordering::SeqCst);
            if bytes > 0 {
                (self.late)(bytes);
            }
        }
    }
}

/// What a guest sets: an answer, or an error in its place.
type Set = Result<Response<WasiBody>, ErrorCode>;

/// What a guest set as its answer, when it has.
#[derive(Clone, Default)]
pub struct Answered(Arc<Mutex<Option<Set>>>);

impl Answered {
    /// Takes what was set; an error is the guest's own, in words.
    #[must_use]
    pub fn take(&self) -> Option<Result<Response<WasiBody>, String>> {
        let set = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(set.map_err(|error| format!("{error:?}")))
    }
}

/// What the guest's handler is called with, and where its answer is to be found.
pub struct Handed {
    /// The request.
    pub request: Resource<HostIncomingRequest>,
    /// Where the guest puts its answer.
    pub out: Resource<HostResponseOutparam>,
    /// Where it is found then.
    pub answered: Answered,
}

impl Attempt {
    /// Hands a request over to the guest.
    ///
    /// # Errors
    /// When the guest may hold no more.
    pub fn hand_over(
        &mut self,
        request: Request<HttpBody>,
        bounds: BodyBounds,
        passing: &Arc<Passing>,
    ) -> wasmtime::Result<Handed> {
        let passing = Arc::clone(passing);
        let (log, answered) = (self.log.clone(), Answered::default());
        let _ = self.http();
        let tally = self.http.as_ref().map(|way| Arc::clone(&way.gate.tally)).unwrap_or_default();
        let mut view = self.http();
        let (left, of_route) = (bounds.request_bytes, bounds.request_bytes);
        let request = request.map(|body| Taken { body, left, of_route, passing, log, tally });
        let request = view.new_incoming_request(Scheme::Http, request)?;
        let set = answered.clone();
        let out = view.new_response_outparam_from_callback(move |answer| {
            *set.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        })?;
        Ok(Handed { request, out, answered })
    }
}

/// The body of a request, as far as the route takes it.
struct Taken {
    body: HttpBody,
    left: u64,
    of_route: u64,
    passing: Arc<Passing>,
    log: AttemptLog,
    tally: Arc<Mutex<Tally>>,
}

impl Body for Taken {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let Some(frame) = ready!(Pin::new(&mut this.body).poll_frame(cx)) else { return Poll::Ready(None) };
        let frame = frame.map_err(|_| Error::ConnectionTerminated)?;
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        this.passing.bytes_in.fetch_add(bytes, Ordering::Relaxed);
        let Some(left) = this.left.checked_sub(bytes) else {
            let reason =
                format!("the request's body is longer than {} bytes, which is what its route takes", this.of_route);
            note(&this.log, &this.tally, Code::LimitHttp, &reason);
            return Poll::Ready(Some(Err(Error::HttpRequestBodySize(Some(this.of_route)))));
        };
        this.left = left;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer on its way out.
pub struct Given {
    /// What came before it was on its way.
    first: Option<Bytes>,
    body: Option<WasiBody>,
    left: u64,
    of_route: u64,
    passing: Arc<Passing>,
}

impl Given {
    /// The body of an answer of which nothing left yet.
    #[must_use]
    pub fn new(body: WasiBody, bounds: BodyBounds, passing: &Arc<Passing>) -> Self {
        let passing = Arc::clone(passing);
        Self { first: None, body: Some(body), left: bounds.answer_bytes, of_route: bounds.answer_bytes, passing }
    }

    /// Puts what was read of it already before the rest.
    #[must_use]
    pub fn behind(mut self, first: Bytes) -> Self {
        self.first = Some(first).filter(|first| !first.is_empty());
        self
    }

    /// What the guest wrote next; none at its end.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = match ready!(Pin::new(body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(_)) => {
                self.body = None;
                return Poll::Ready(Some(Err(Cut::Failed)));
            }
            None => {
                self.body = None;
                // What a guest held goes with it, and then its body ends as one does that is whole.
                let failed = self.passing.call.load(Ordering::Acquire) == FAILED;
                return Poll::Ready(failed.then_some(Err(Cut::Failed)));
            }
        };
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        let Some(left) = self.left.checked_sub(bytes) else {
            self.body = None;
            return Poll::Ready(Some(Err(Cut::TooLong(self.of_route))));
        };
        self.left = left;
        self.passing.bytes_out.fetch_add(bytes, Ordering::Relaxed);
        Poll::Ready(Some(Ok(frame)))
    }

    /// The same as a body.
    #[must_use]
    pub fn boxed(self) -> HttpBody {
        self.boxed_unsync()
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        self.passing.gone();
    }
}

impl Body for Given {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.poll_next(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }
}
