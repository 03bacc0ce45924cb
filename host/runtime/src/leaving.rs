//! An answer on its way from a guest to whoever waits for it.
//!
//! Invariant: it leaves when its head is there and no more of its body can be had at once, or when the call is over; what a call that failed
//! before then had set is dropped. So small answers leave whole, and with their length, but for one whose guest
//! had to let others have their turn in between. One that has left and whose call fails then breaks off.
//!
//! An answer that is held leaves when its call is over and what it did is durable, and has its whole body by then.

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
    limits::{ANSWER_FIELDS_MAX, ANSWER_GATHERED_BYTES, ANSWER_HEAD_BYTES_MAX, ANSWER_HELD_BYTES_MAX},
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
    /// Whether it waits for what the call did.
    is_held: bool,
    /// Whether its body was read to its end.
    is_whole: bool,
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
        is_held: bool,
    ) -> Self {
        Self {
            bounds,
            is_head: method == Method::HEAD,
            passing,
            answered: None,
            held: None,
            answer: Some(answer),
            left: None,
            is_over: false,
            is_held,
            is_whole: false,
        }
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
            Ok(Came::End) if self.is_held => {}
            Ok(Came::End) => self.leave_whole(),
            Ok(Came::Here) => {
                let now = self.held.as_ref().map_or(0, |held| held.first.len());
                if now > before && now < self.gathers() {
                    return true;
                }
                match self.is_held {
                    true if now >= self.gathers() => self.refuse(too_much_to_hold()),
                    true => {}
                    false => self.leave(),
                }
            }
            Err(failure) => self.refuse(failure),
        }
        false
    }

    /// Bytes of its body that are read before it leaves.
    fn gathers(&self) -> usize {
        if self.is_held { ANSWER_HELD_BYTES_MAX } else { ANSWER_GATHERED_BYTES }
    }

    /// The call came to its end. Gives the status of its answer, which may have left.
    pub(crate) fn comes_to_its_end(&mut self) -> Result<StatusCode, Failure> {
        self.is_over = true;
        self.passing.ended(true);
        if self.left.is_none() {
            if !self.has_begun() {
                self.refuse(Failure::new(Code::RouteFailed, "it ended without an answer"));
            } else if let Err(failure) = self.read(&mut Context::from_waker(Waker::noop())) {
                self.refuse(failure);
            } else if self.is_held && self.is_full() {
                self.refuse(too_much_to_hold());
            } else if let Some(failure) = self.wrong_length().filter(|_| self.is_held) {
                // It is known before anything is kept.
                self.refuse(failure);
            }
        }
        match (&self.left, &self.held) {
            (Some(Err(failure)), _) => Err(failure.clone()),
            (Some(Ok(status)), _) => Ok(StatusCode::from_u16(*status).unwrap_or_default()),
            (None, held) => Ok(held.as_ref().map(|held| held.head.status).unwrap_or_default()),
        }
    }

    /// Whether there is more of its body than is read before it leaves.
    fn is_full(&self) -> bool {
        !self.is_whole && self.held.as_ref().is_some_and(|held| held.first.len() >= self.gathers())
    }

    /// Lets it leave behind the end of its call.
    pub(crate) fn ends(&mut self) -> Result<(), Failure> {
        match self.left.is_none() {
            // There is too much of it to wait for.
            true if self.is_full() => self.leave(),
            // One that the guest left open ends with its call.
            true => self.leave_whole(),
            false => {}
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
        let most = self.gathers();
        let Some(held) = &mut self.held else { return Ok(Came::Here) };
        while !self.is_whole && held.first.len() < most {
            match held.rest.poll_next(cx) {
                Poll::Pending => return Ok(Came::Here),
                Poll::Ready(None) => self.is_whole = true,
                Poll::Ready(Some(Ok(frame))) => {
                    frame.data_ref().into_iter().for_each(|data| held.first.extend_from_slice(data));
                }
                Poll::Ready(Some(Err(cut))) => return Err(Failure::new(Code::RouteFailed, cut.to_string())),
            }
        }
        Ok(if self.is_whole { Came::End } else { Came::Here })
    }

    /// Lets it leave with what was read, and the rest as it comes.
    fn leave(&mut self) {
        if let Some(Held { head, first, rest }) = self.held.take() {
            self.send(Response::from_parts(head, rest.behind(first.freeze()).boxed()));
        }
    }

    /// Lets it leave: nothing more will come.
    fn leave_whole(&mut self) {
        if let Some(failure) = self.wrong_length() {
            return self.refuse(failure);
        }
        let Some(Held { mut head, first, .. }) = self.held.take() else { return };
        if self.is_head {
            return self.send(Response::from_parts(head, whole(BytesMut::new())));
        }
        if told(&head).is_some_and(|told| told != first.len()) {
            head.headers.remove(header::CONTENT_LENGTH);
        }
        self.send(Response::from_parts(head, whole(first)));
    }

    /// Why its body is not as long as it says, if that matters.
    fn wrong_length(&self) -> Option<Failure> {
        let Held { head, first, .. } = self.held.as_ref().filter(|_| !self.is_head)?;
        let has_none = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        (told(head).is_some_and(|told| told != first.len()) && !has_none).then(|| {
            let reason = format!("its answer has {} bytes, and says that it has another number", first.len());
            Failure::new(Code::RouteFailed, reason)
        })
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

/// How long an answer says that it is.
fn told(head: &response::Parts) -> Option<usize> {
    head.headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse().ok())
}

fn too_much_to_hold() -> Failure {
    let reason = format!(
        "its answer has more than {ANSWER_HELD_BYTES_MAX} bytes, and that of a plugin that may publish or store waits until its call is over"
    );
    Failure::new(Code::RouteFailed, reason)
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
