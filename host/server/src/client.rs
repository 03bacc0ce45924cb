//! The client of the HTTP API, as the command line uses it.
//!
//! Invariant: no request waits without a bound, no answer is read without one, and what a host refuses keeps its code and
//! its words. It does not decide what a failure means for the exit status, and it never sends a request twice.

mod lines;
mod resource;
mod sending;

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Deserialize, de::DeserializeOwned};
use wharf_event::{Code, Position};
use wharf_gateway::SIGNATURE_HEADER;

pub use lines::Lines;
pub use resource::Resource;
use sending::Sending;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the whole answer to a request may take. It is above what the host gives a body.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// The body of an answer, in bytes: a page of 200 events of the largest size.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The body of a refusal, in bytes.
const PROBLEM_BYTES_MAX: usize = 64 * 1024;

/// What a host says when it refuses. The code is text, so that one of a newer host is still told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: String,
    /// What was wrong with this request.
    pub detail: String,
    /// Seconds after which the same request may succeed.
    pub retry_after_s: Option<u32>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The base address is none.
    #[error("`{url}` is not the address of a host: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Nobody answers there.
    #[error("no host answers at {url}: {reason}")]
    Unreachable {
        /// Where.
        url: String,
        /// The innermost cause.
        reason: String,
    },
    /// The connection broke before the answer was there.
    #[error("the connection broke before the answer was complete")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It took too long.
    #[error("there was no complete answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The host refused.
    #[error("{}", .0.detail)]
    Refused(Reply),
    /// An answer that no Wharf gives.
    #[error("the answer has status {status} and is not one of Wharf's")]
    Foreign {
        /// The HTTP status.
        status: u16,
    },
    /// An answer that this program does not understand.
    #[error("the answer is not understood")]
    NotUnderstood(#[source] serde_json::Error),
    /// An answer beyond all bounds.
    #[error("{what} is larger than {bytes_max} bytes")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// The bound.
        bytes_max: usize,
    },
}

impl ClientError {
    /// Whether the same request may well succeed later: the host is away or busy, or the connection broke.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken(_) | Self::Timeout(_) => true,
            // A log that failed does so until somebody mends the disk and starts the host again.
            Self::Refused(reply) => {
                reply.status == StatusCode::SERVICE_UNAVAILABLE.as_u16() && reply.code != Code::LogFailed.as_str()
            }
            Self::Url { .. } | Self::Foreign { .. } | Self::NotUnderstood(_) | Self::TooLarge { .. } => false,
        }
    }
}

/// What an object must be for a change of it to come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Whatever it is.
    None,
    /// There is none.
    Absent,
    /// It has this version.
    Version(Position),
}

/// What goes with a request.
#[derive(Default)]
struct Content {
    headers: HeaderMap,
    body: Bytes,
    /// How many bytes of the body are gone.
    sent: Arc<AtomicU64>,
}

impl Content {
    fn of(media_type: &'static str, body: Bytes) -> Self {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))]);
        Self { headers, body, sent: Arc::default() }
    }

    fn under(mut self, condition: Condition) -> Self {
        let line = match condition {
            Condition::None => None,
            Condition::Absent => Some((header::IF_NONE_MATCH, HeaderValue::from_static("*"))),
            Condition::Version(version) => {
                HeaderValue::try_from(format!("\"{version}\"")).ok().map(|tag| (header::IF_MATCH, tag))
            }
        };
        self.headers.extend(line);
        self
    }
}

/// Talks to one host over HTTP/1.1, keeping its connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: legacy::Client<HttpConnector, Sending>,
    base: String,
}

impl Client {
    /// A client of the host at `url`, as `http://127.0.0.1:7070`. Nothing is sent yet.
    ///
    /// # Errors
    /// When `url` is no such address.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let wrong = |reason| ClientError::Url { url: url.to_owned(), reason };
        let uri: Uri = url.parse().map_err(|_| wrong("it is not a URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(wrong("a host speaks plain HTTP; say http://")),
            _ => return Err(wrong("it must begin with http://")),
        }
        if !uri.path().trim_matches('/').is_empty() || uri.query().is_some() {
            return Err(wrong("it must end after the port"));
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let http = legacy::Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, base: url.trim_end_matches('/').to_owned() })
    }

    /// Reads a JSON document.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn get<T: DeserializeOwned>(&self, resource: &Resource) -> Result<T, ClientError> {
        self.exchange(Method::GET, resource, Content::default()).await
    }

    /// Reads a JSON document, if there is one.
    ///
    /// # Errors
    /// As of [`get`](Self::get), but not when there is no such thing.
    pub async fn find<T: DeserializeOwned>(&self, resource: &Resource) -> Result<Option<T>, ClientError> {
        match self.get(resource).await {
            Ok(found) => Ok(Some(found)),
            Err(ClientError::Refused(reply)) if reply.status == StatusCode::NOT_FOUND.as_u16() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a body of a media type and reads the answer, a JSON document.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal. If it [`is_passing`](ClientError::is_passing), it is not known whether
    /// the host did what it was asked.
    pub async fn post<T: DeserializeOwned>(
        &self,
        resource: &Resource,
        media_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Result<T, ClientError> {
        self.exchange(Method::POST, resource, Content::of(media_type, body.into())).await
    }

    /// Sends a body of a media type and gives the answer's as it is, for whoever reads only a part of it.
    ///
    /// # Errors
    /// As of [`post`](Self::post), but whatever the answer is.
    pub async fn post_as_is(
        &self,
        resource: &Resource,
        media_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Result<Bytes, ClientError> {
        self.answered(Method::POST, resource, Content::of(media_type, body.into())).await
    }

    /// Puts a JSON document in its place, under a condition, and reads the answer, another one.
    ///
    /// # Errors
    /// As of [`post`](Self::post); also when the condition does not hold.
    pub async fn put<T: DeserializeOwned>(
        &self,
        resource: &Resource,
        body: impl Into<Bytes>,
        condition: Condition,
    ) -> Result<T, ClientError> {
        let content = Content::of("application/json", body.into()).under(condition);
        self.exchange(Method::PUT, resource, content).await
    }

    /// Sends a component to its place, with texts of signatures. How many bytes are gone is counted in `sent`.
    ///
    /// # Errors
    /// As of [`post`](Self::post).
    pub async fn upload<T: DeserializeOwned>(
        &self,
        resource: &Resource,
        wasm: impl Into<Bytes>,
        signatures: &[String],
        sent: &Arc<AtomicU64>,
    ) -> Result<T, ClientError> {
        let mut content = Content::of("application/wasm", wasm.into());
        content.sent = Arc::clone(sent);
        for signature in signatures {
            // What is no line of a header is no signature; the host says so of what is left.
            let line = HeaderValue::try_from(signature.as_str()).unwrap_or(HeaderValue::from_static("?"));
            content.headers.append(SIGNATURE_HEADER, line);
        }
        self.exchange(Method::PUT, resource, content).await
    }

    /// Removes what is at a place.
    ///
    /// # Errors
    /// As of [`post`](Self::post).
    pub async fn delete(&self, resource: &Resource) -> Result<(), ClientError> {
        self.answered(Method::DELETE, resource, Content::default()).await.map(drop)
    }

    /// The same under a condition.
    ///
    /// # Errors
    /// As of [`post`](Self::post); also when the condition does not hold.
    pub async fn delete_under(&self, resource: &Resource, condition: Condition) -> Result<(), ClientError> {
        self.answered(Method::DELETE, resource, Content::default().under(condition)).await.map(drop)
    }

    /// Has what is at a place end, and reads what is said about it.
    ///
    /// # Errors
    /// As of [`post`](Self::post).
    pub async fn remove<T: DeserializeOwned>(&self, resource: &Resource) -> Result<T, ClientError> {
        self.exchange(Method::DELETE, resource, Content::default()).await
    }

    /// Opens a stream of JSON lines. The stream itself may last as long as it likes.
    ///
    /// # Errors
    /// When it does not begin.
    pub async fn lines(&self, resource: &Resource) -> Result<Lines, ClientError> {
        self.streamed(resource, Content::default()).await
    }

    /// Opens a stream of server-sent events, line by line.
    ///
    /// # Errors
    /// As of [`lines`](Self::lines).
    pub async fn events(&self, resource: &Resource) -> Result<Lines, ClientError> {
        let mut content = Content::default();
        content.headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        self.streamed(resource, content).await
    }

    async fn streamed(&self, resource: &Resource, content: Content) -> Result<Lines, ClientError> {
        let begin = async {
            let response = self.send(Method::GET, resource, content).await?;
            if response.status().is_success() {
                Ok(Lines::new(response.into_body()))
            } else {
                Err(refusal(response).await)
            }
        };
        within(ANSWER_TIMEOUT, begin).await
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        method: Method,
        resource: &Resource,
        content: Content,
    ) -> Result<T, ClientError> {
        let body = self.answered(method, resource, content).await?;
        serde_json::from_slice(&body).map_err(ClientError::NotUnderstood)
    }

    /// The body of an answer that is no refusal.
    async fn answered(&self, method: Method, resource: &Resource, content: Content) -> Result<Bytes, ClientError> {
        let exchange = async {
            let response = self.send(method, resource, content).await?;
            if !response.status().is_success() {
                return Err(refusal(response).await);
            }
            read(response.into_body(), ANSWER_BYTES_MAX).await
        };
        within(ANSWER_TIMEOUT, exchange).await
    }

    async fn send(
        &self,
        method: Method,
        resource: &Resource,
        content: Content,
    ) -> Result<Response<Incoming>, ClientError> {
        let wrong = |_| ClientError::Url { url: self.base.clone(), reason: "no request can be made of it" };
        let uri: Uri = format!("{}{resource}", self.base).parse().map_err(wrong)?;
        let Content { headers, body, sent } = content;
        let mut request = Request::new(Sending::new(body, sent));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        self.http.request(request).await.map_err(|error| {
            if error.is_connect() {
                ClientError::Unreachable { url: self.base.clone(), reason: innermost(&error) }
            } else {
                ClientError::Broken(error.into())
            }
        })
    }
}

/// What lies at the bottom of a failed connection; the layers above only say that it failed.
fn innermost(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).last().map(ToString::to_string).unwrap_or_default()
}

async fn within<T>(bound: Duration, work: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    tokio::time::timeout(bound, work).await.unwrap_or(Err(ClientError::Timeout(bound)))
}

async fn refusal(response: Response<Incoming>) -> ClientError {
    let status = response.status().as_u16();
    match read(response.into_body(), PROBLEM_BYTES_MAX).await {
        Ok(body) => serde_json::from_slice(&body).map_or(ClientError::Foreign { status }, ClientError::Refused),
        Err(error) => error,
    }
}

async fn read(body: Incoming, bytes_max: usize) -> Result<Bytes, ClientError> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ClientError::TooLarge { what: "the answer", bytes_max }),
        Err(error) => Err(ClientError::Broken(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_address_of_a_host_is_taken() {
        for url in ["http://127.0.0.1:7070", "http://localhost:7070/", "http://[::1]:7070"] {
            assert!(Client::new(url).is_ok(), "{url}");
        }
        for url in ["", "127.0.0.1:7070", "https://localhost", "ftp://x", "http://x/api", "http://x/?a=b", "http://a b"]
        {
            assert!(matches!(Client::new(url), Err(ClientError::Url { .. })), "{url}");
        }
    }

    #[test]
    fn the_code_of_a_newer_host_is_still_told() {
        let body = r#"{"type":"/errors/new","title":"t","status":404,"detail":"d","code":"new-code","more":1}"#;
        let reply: Reply = serde_json::from_str(body).unwrap();
        assert_eq!((reply.code.as_str(), reply.retry_after_s), ("new-code", None));
    }
}
