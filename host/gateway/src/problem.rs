//! How a refusal leaves: problem details of RFC 9457, `application/problem+json`.
//!
//! Invariant: status and title come from the code, so one code never has two statuses; `type` is the relative reference
//! `/errors/<code>`, which this gateway serves. Nothing here decides which code fits: that is done where the refusal arises.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use wharf_event::{Code, EventError};

use crate::answer;
use crate::body::BodyError;
use crate::limits::RETRY_AFTER_S_DEFAULT;
use crate::port::Refusal;

/// A refusal as the caller reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where the code is explained, relative to this host.
    #[serde(rename = "type")]
    pub reference: String,
    /// What the code means, in a few words.
    pub title: String,
    /// The HTTP status of the code.
    pub status: u16,
    /// What was wrong with this very request.
    pub detail: String,
    /// The stable code.
    pub code: Code,
    /// Seconds after which the same request may succeed, as in the `Retry-After` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
    /// Every place that is wrong, where there may be several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Mistake>,
}

/// One place of a document that is wrong, as RFC 9457 has it in its own example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mistake {
    /// A JSON pointer (RFC 6901) into the document; empty is its root.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

impl Problem {
    /// A problem of this code.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let status = code.status();
        Self {
            reference: format!("/errors/{code}"),
            title: code.title().to_owned(),
            status,
            detail: detail.into(),
            code,
            retry_after_s: (status == StatusCode::SERVICE_UNAVAILABLE.as_u16()).then_some(RETRY_AFTER_S_DEFAULT),
            errors: Vec::new(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let problem = Self::new(refusal.code, refusal.detail);
        Self { retry_after_s: refusal.retry_after_s.or(problem.retry_after_s), errors: refusal.errors, ..problem }
    }
}

impl From<EventError> for Problem {
    fn from(error: EventError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = answer::json_as(status, "application/problem+json", &self);
        response.extensions_mut().insert(Told(self.code));
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Why a handler of this crate gives no answer of its own.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The caller is told.
    Problem(Problem),
    /// The request never arrived whole: its connection is closed without an answer, see [`Cut`].
    Cut,
}

/// Marks a response that tells of a problem of this code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told(pub(crate) Code);

/// Marks a response in whose place the connection is closed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut;

impl<P: Into<Problem>> From<P> for Failure {
    fn from(problem: P) -> Self {
        Self::Problem(problem.into())
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { code, .. } => Self::Problem(Problem::new(code, error.to_string())),
            BodyError::NoRoom => Self::Problem(Problem::new(Code::Overloaded, error.to_string())),
            BodyError::Stalled { .. } | BodyError::Broken(_) => {
                tracing::debug!(%error, "connection cut");
                Self::Cut
            }
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem.into_response(),
            Self::Cut => {
                let mut response = StatusCode::BAD_REQUEST.into_response();
                response.extensions_mut().insert(Cut);
                response
            }
        }
    }
}
