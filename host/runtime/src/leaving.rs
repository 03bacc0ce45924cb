//! An answer on its way from a guest to whoever waits for it.
//!
//! Invariant: it leaves when its head is there and no more of its body can be had at once, or when the call is over; what a call that failed
//! before then had set is dropped. So small answers leave whole, and with their length, but for one whose guest
//! had to let others have their turn in between. One that has left and whose call fails then breaks off.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::BytesMut;
use http::{Method, Response, StatusCode, header, response};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::oneshot;
use wharf_capability::{Answered, BodyBounds, Given, HttpBody, Passing};
use wharf_delivery::Failure;
use wharf_event::Code;

use crate::{
    limits::{ANSWER_FIELDS_MAX, ANSWER_GATHERED_BYTES, ANSWER_HEAD_BYTES_MAX},
    serve::{Answer, bytes_of},
};

/// An answer whose head is there, and what was read of its body.
struct Held {
    head: response::Parts,
    first: BytesMut,
    rest: Given,
}

/// How far reading came.
enum Came {
    /// To the end of the body.
    End,
    /// As far as it is there.
    Here,
}

/// An answer on its way.
pub(crate) struct Leaving {
    bounds: BodyBounds,
    is_head: bool,
    passing: Arc<Passing>,
    answered: Option<Answered>,
    held: Option<Held>,
    /// Who waits, until something left.
    answer: Option<oneshot::Sender<Answer>>,
    /// What left: a status, or why there is no answer.
    left: Option<Result<u16, Failure>>,
    is_over: bool,
}

impl Drop for Leaving {
    /// A call that is given up has failed.
    fn drop(&mut self) {
        if !self.is_over {
            self.passing.ended(false);
        }
    }
}

impl Leaving {
    pub(crate) fn new(
        (bounds, method): (BodyBounds, &Method),
        passing: Arc<Passing>,
        answer: oneshot::Sender<Answer>,
    ) -> Self {
        let is_head = method == Method::HEAD;
        Self { bounds, is_head, passing, answered: None, held: None, answer: Some(answer), left: None, is_over: false }
    }

    /// The guest's answer will be here.
    pub(crate) fn awaits(&mut self, answered: Answered) {
        self.answered = Some(answered);
    }

    /// The status of the answer, if one left.
    pub(crate) fn status(&self) -> Option<u16> {
        self.left.as_ref().and_then(|left| left.as_ref().ok().copied())
    }

    /// Takes what there is of an answer, while the call waits for something; true where that made room for more of it.
    pub(crate) fn moves(&mut self, cx: &mut Context<'_>) -> bool {
        if self.left.is_some() || !self.has_begun() {
            return false;
        }
        let before = self.held.as_ref().map_or(0, |held| held.first.len());
        match self.read(cx) {
            Ok(Came::End) => self.leave_whole(),
            Ok(Came::Here) => {
                let now = self.held.as_ref().map_or(0, |held| held.first.len());
                if now > before && now < ANSWER_GATHERED_BYTES {
                    return true;
                }
                self.leave();
            }
            Err(failure) => self.refuse(failure),
        }
        false
    }

    /// The call came to its end.
    pub(crate) fn ends(&mut self) -> Result<(), Failure> {
        self.is_over = true;
        self.passing.ended(true);
        if self.left.is_none() {
            if !self.has_begun() {
                self.refuse(Failure::new(Code::RouteFailed, "it ended without an answer"));
            } else {
                match self.read(&mut Context::from_waker(Waker::noop())) {
                    // There is too much of it to wait for.
                    Ok(Came::Here) if self.held.as_ref().is_some_and(|it| it.first.len() >= ANSWER_GATHERED_BYTES) => {
                        self.leave();
                    }
                    // One that the guest left open ends with its call.
                    Ok(_) => self.leave_whole(),
                    Err(failure) => self.refuse(failure),
                }
            }
        }
        match &self.left {
            Some(Err(failure)) => Err(failure.clone()),
            _ => Ok(()),
        }
    }

    /// The call failed.
    pub(crate) fn fails(&mut self, failure: Failure) -> Failure {
        self.is_over = true;
        self.passing.ended(false);
        self.held = None;
        if self.left.is_none() {
            self.refuse(failure.clone());
        }
        failure
    }

    /// Whether the guest has set something by now; an answer that is none is refused.
    fn has_begun(&mut self) -> bool {
        if self.held.is_some() || self.left.is_some() {
            return true;
        }
        match self.answered.as_ref().and_then(Answered::take) {
            None => false,
            Some(Err(said)) => {
                self.refuse(Failure::new(Code::RouteFailed, format!("it answered with an error: {said}")));
                true
            }
            Some(Ok(answer)) => {
                let (head, body) = answer.into_parts();
                match unfit(&head) {
                    Some(reason) => self.refuse(Failure::new(Code::RouteFailed, reason)),
                    None => {
                        let rest = Given::new(body, self.bounds, &self.passing);
                        self.held = Some(Held { head, first: BytesMut::new(), rest });
                    }
                }
                true
            }
        }
    }

    /// Reads on in its body, as far as it is there and worth waiting for.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<Came, Failure> {
        let Some(held) = &mut self.held else { return Ok(Came::Here) };
        while held.first.len() < ANSWER_GATHERED_BYTES {
            match held.rest.poll_next(cx) {
                Poll::Pending => return Ok(Came::Here),
                Poll::Ready(None) => return Ok(Came::End),
                Poll::Ready(Some(Ok(frame))) => {
                    frame.data_ref().into_iter().for_each(|data| held.first.extend_from_slice(data));
                }
                Poll::Ready(Some(Err(cut))) => return Err(Failure::new(Code::RouteFailed, cut.to_string())),
            }
        }
        Ok(Came::Here)
    }

    /// Lets it leave with what was read, and the rest as it comes.
    fn leave(&mut self) {
        if let Some(Held { head, first, rest }) = self.held.take() {
            self.send(Response::from_parts(head, rest.behind(first.freeze()).boxed()));
        }
    }

    /// Lets it leave: nothing more will come.
    fn leave_whole(&mut self) {
        let Some(Held { mut head, first, .. }) = self.held.take() else { return };
        let told = head.headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse::<usize>().ok());
        if self.is_head {
            return self.send(Response::from_parts(head, whole(BytesMut::new())));
        }
        if told.is_some_and(|told| told != first.len()) {
            if !matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
                let reason = format!("its answer has {} bytes, and says that it has another number", first.len());
                return self.refuse(Failure::new(Code::RouteFailed, reason));
            }
            head.headers.remove(header::CONTENT_LENGTH);
        }
        self.send(Response::from_parts(head, whole(first)));
    }

    fn send(&mut self, response: Response<HttpBody>) {
        self.left = Some(Ok(response.status().as_u16()));
        if let Some(answer) = self.answer.take() {
            // Whoever waited may have gone: the guest finds the body of its answer closed then.
            let _ = answer.send(Ok(response));
        }
    }

    fn refuse(&mut self, failure: Failure) {
        self.held = None;
        if let Some(answer) = self.answer.take() {
            let _ = answer.send(Err(failure.clone()));
        }
        self.left = Some(Err(failure));
    }
}

fn whole(body: BytesMut) -> HttpBody {
    Full::new(body.freeze()).map_err(|never| match never {}).boxed_unsync()
}

/// Why an answer cannot be sent, if it cannot.
fn unfit(head: &response::Parts) -> Option<String> {
    let bytes = bytes_of(&head.headers);
    if head.status.is_informational() {
        return Some(format!("its answer has the status {}, which ends no request", head.status.as_u16()));
    }
    (bytes > ANSWER_HEAD_BYTES_MAX || head.headers.len() > ANSWER_FIELDS_MAX).then(|| {
        let fields = head.headers.len();
        format!(
            "its answer has {fields} fields of {bytes} bytes, and may have {ANSWER_FIELDS_MAX} of {ANSWER_HEAD_BYTES_MAX}"
        )
    })
}
