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
    /// The plugin ended it before its end: it is not as long as its head says, or was given up.
    #[error("the plugin ended its answer before it was whole")]
    Short,
    /// It is longer than the route gives.
    #[error("the answer is longer than {0} bytes, which is what its route gives")]
    TooLong(u64),
}

/// How a call stands: it runs (0), has ended well, or failed.
const ENDED: u8 = 1;
const FAILED: u8 = 2;

/// Who is told what became of an answer beside its call: bytes of it that left behind the call's end, and why it broke off where the call did not fail.
pub type Late = Box<dyn Fn(u64, Option<Cut>) + Send + Sync>;

/// What passes for one request, counted, and how its call stands.
pub struct Passing {
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    call: AtomicU8,
    cut: Mutex<Option<Cut>>,
    /// Whether the sums were taken: what leaves from then on is late.
    is_taken: AtomicBool,
    late: Late,
}

impl Passing {
    /// Of a request of which nothing has passed.
    #[must_use]
    pub fn new(late: Late) -> Self {
        let [bytes_in, bytes_out] = [(); 2].map(|()| AtomicU64::new(0));
        let (call, cut, is_taken) = (AtomicU8::new(0), Mutex::default(), AtomicBool::new(false));
        Self { bytes_in, bytes_out, call, cut, is_taken, late }
    }

    /// The call came to its end, well or not. It is to be said while what the guest holds is still there.
    pub fn ended(&self, well: bool) {
        self.call.store(if well { ENDED } else { FAILED }, Ordering::Release);
    }

    /// Takes the sums: bytes of the request that were handed over, and of the answer that left by now. Beside them why the answer broke off, if
    /// it did.
    #[must_use]
    pub fn take(&self) -> (u64, u64, Option<Cut>) {
        self.is_taken.store(true, Ordering::SeqCst);
        (self.bytes_in.load(Ordering::Relaxed), self.bytes_out.swap(0, Ordering::SeqCst), self.cut())
    }

    /// Tells why the answer of a call that did not fail broke off.
    pub fn broke_off(&self, cut: Cut) {
        (self.late)(0, Some(cut));
    }

    fn cut(&self) -> Option<Cut> {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The answer breaks off.
    fn breaks(&self, cut: Cut) -> Cut {
        *self.cut.lock().unwrap_or_else(PoisonError::into_inner) = Some(cut);
        cut
    }

    /// Nothing more will leave: what did since the sums were taken is told. Where they are not taken yet, they will have all of it.
    fn gone(&self) {
        if self.is_taken.load(Ordering::SeqCst) {
            let bytes = self.bytes_out.swap(0, Ordering::SeqCst);
            let cut = self.cut().filter(|_| self.call.load(Ordering::Acquire) != FAILED);
            if bytes > 0 || cut.is_some() {
                (self.late)(bytes, cut);
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
                return Poll::Ready(Some(Err(self.passing.breaks(Cut::Short))));
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
            return Poll::Ready(Some(Err(self.passing.breaks(Cut::TooLong(self.of_route)))));
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

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// The frames of a body, the last one first.
    struct Frames(Vec<Result<Frame<Bytes>, Error>>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Error;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
            Poll::Ready(self.0.pop())
        }
    }

    /// What is told late of an answer.
    type Told = Arc<Mutex<Vec<(u64, Option<Cut>)>>>;

    /// An answer that breaks off behind its first byte, of a call that came to its end, and what is told late of it.
    fn broken() -> (Given, Arc<Passing>, Told) {
        let told = Told::default();
        let tells = Arc::clone(&told);
        let passing = Arc::new(Passing::new(Box::new(move |bytes, cut| tells.lock().unwrap().push((bytes, cut)))));
        passing.ended(true);
        let frames = [Err(Error::HttpProtocolError), Ok(Frame::data(Bytes::from_static(b"a")))];
        let body = Frames(frames.into()).boxed_unsync();
        let bounds = BodyBounds { request_bytes: 0, answer_bytes: 10 };
        (Given::new(body, bounds, &passing), passing, told)
    }

    fn read(given: &mut Given) -> Option<Cut> {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(given.poll_next(&mut cx), Poll::Ready(Some(Ok(_)))));
        match given.poll_next(&mut cx) {
            Poll::Ready(Some(Err(cut))) => Some(cut),
            _ => None,
        }
    }

    #[test]
    fn an_answer_that_breaks_off_is_told_once_with_the_sums_or_behind_them() {
        let (mut given, passing, told) = broken();
        assert_eq!(read(&mut given), Some(Cut::Short));
        assert_eq!(passing.take(), (0, 1, Some(Cut::Short)));
        drop(given);
        assert_eq!(*told.lock().unwrap(), []);

        let (mut given, passing, told) = broken();
        assert_eq!(passing.take(), (0, 0, None));
        read(&mut given);
        drop(given);
        assert_eq!(*told.lock().unwrap(), [(1, Some(Cut::Short))]);

        // Why a call failed is told by itself.
        let (mut given, passing, told) = broken();
        passing.ended(false);
        assert_eq!(passing.take(), (0, 0, None));
        read(&mut given);
        drop(given);
        assert_eq!(*told.lock().unwrap(), [(1, None)]);
    }
}
