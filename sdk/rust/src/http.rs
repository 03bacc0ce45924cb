//! Requests by HTTP, where the plugin is granted them.
//!
//! Invariant: a request is sent when [`Request::send`] is called, and at once: it is no effect of the attempt, and stays sent if the attempt
//! fails. The host gives each a key that is the same in every attempt (`idempotency-key`), unless the plugin gives one.
//!
//! It follows no redirect and keeps no cookies. An answer of any status is an answer, not an error.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest};
use wasip2::http::types::{RequestOptions, Scheme};

/// Bytes that a stream of WASI takes at a time.
const CHUNK_BYTES: usize = 4_096;

/// Bytes of an answer that are read at a time.
const READ_BYTES: u64 = 64 << 10;

/// The way to make requests.
#[derive(Debug, Clone, Copy)]
pub struct Http(());

/// A request that is being made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "it is sent by `send`"]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    timeout: Option<Duration>,
    problem: Option<String>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its fields, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// No grant of the plugin allows it. The attempt's log has the line that would.
    #[error("the request is not granted; the log of the attempt says how to grant it")]
    Denied,
    /// The address that the name leads to is none that a plugin may reach.
    #[error("the host leads to an address that is not public")]
    Address,
    /// It took too long.
    #[error("no answer in time")]
    Timeout,
    /// The attempt has sent or got as much as it may.
    #[error("the attempt may send or get no more by HTTP")]
    Limit,
    /// It is no request.
    #[error("it is no request: {0}")]
    Invalid(String),
    /// There was no answer for another reason.
    #[error("no answer: {0}")]
    Failed(String),
}

impl Http {
    pub(crate) const fn new() -> Self {
        Self(())
    }

    /// A `GET`.
    pub fn get(self, url: impl Into<String>) -> Request {
        self.request("GET", url)
    }

    /// A `POST`.
    pub fn post(self, url: impl Into<String>) -> Request {
        self.request("POST", url)
    }

    /// A `PUT`.
    pub fn put(self, url: impl Into<String>) -> Request {
        self.request("PUT", url)
    }

    /// A `DELETE`.
    pub fn delete(self, url: impl Into<String>) -> Request {
        self.request("DELETE", url)
    }

    /// A request of any method.
    pub fn request(self, method: impl Into<String>, url: impl Into<String>) -> Request {
        let (headers, body) = (Vec::new(), Vec::new());
        Request { method: method.into(), url: url.into(), headers, body, timeout: None, problem: None }
    }
}

impl Request {
    /// Adds a field.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Gives it a body.
    pub fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self.header("content-type", content_type) }
    }

    /// Gives it a body of JSON.
    pub fn json(mut self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => self.body("application/json", body),
            Err(error) => {
                self.problem = Some(error.to_string());
                self
            }
        }
    }

    /// Gives it a body as forms of web pages have it.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let fields: Vec<_> =
            fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        self.body("application/x-www-form-urlencoded", fields.join("&"))
    }

    /// How long to wait for the answer at most. The plugin's own limits hold as well.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Its method and its URL.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn line(&self) -> (&str, &str) {
        (&self.method, &self.url)
    }

    /// Sends it and waits for the answer.
    ///
    /// # Errors
    ///
    /// When there is no answer. One of any status is an answer.
    pub fn send(self) -> Result<Response, HttpError> {
        let invalid = |what: &str| HttpError::Invalid(what.to_owned());
        if let Some(problem) = &self.problem {
            return Err(HttpError::Invalid(problem.clone()));
        }
        #[cfg(not(target_arch = "wasm32"))]
        if let Some(answer) = crate::port::answer(&self) {
            return answer;
        }
        let fields = Fields::from_list(&self.headers).map_err(|error| HttpError::Invalid(error.to_string()))?;
        let request = OutgoingRequest::new(fields);
        let (scheme, authority, path) = parts(&self.url).ok_or_else(|| invalid("its URL is none of http or https"))?;
        request.set_method(&method(&self.method)).map_err(|()| invalid("its method"))?;
        request.set_scheme(Some(&scheme)).map_err(|()| invalid("its scheme"))?;
        request.set_authority(Some(authority)).map_err(|()| invalid("its host"))?;
        request.set_path_with_query(Some(path)).map_err(|()| invalid("its path"))?;
        let options = self.timeout.map(|timeout| {
            let options = RequestOptions::new();
            let nanoseconds = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
            // One that the host does not take is one that it does not keep to.
            let _ = options.set_first_byte_timeout(Some(nanoseconds));
            options
        });
        let body = request.body().map_err(|()| invalid("its body"))?;
        let coming = handle(request, options).map_err(failed)?;
        write(body, &self.body);
        coming.subscribe().block();
        match coming.get() {
            Some(Ok(answer)) => read(&answer.map_err(failed)?),
            _ => Err(HttpError::Failed("the host gave none".to_owned())),
        }
    }
}

/// Scheme, authority and path with query.
fn parts(url: &str) -> Option<(Scheme, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        _ => return None,
    };
    let rest = rest.split('#').next().unwrap_or(rest);
    match rest.find(['/', '?']) {
        Some(at) => rest.split_at_checked(at).map(|(authority, path)| (scheme, authority, path)),
        None => Some((scheme, rest, "/")),
    }
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

/// A name or a value of a form.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Writes a body. What goes wrong here is told by the request, which then has no answer.
fn write(to: OutgoingBody, body: &[u8]) {
    if let Ok(stream) = to.write() {
        for chunk in body.chunks(CHUNK_BYTES) {
            if stream.blocking_write_and_flush(chunk).is_err() {
                break;
            }
        }
        drop(stream);
    }
    let _ = OutgoingBody::finish(to, None);
}

fn read(answer: &IncomingResponse) -> Result<Response, HttpError> {
    let broken = || HttpError::Failed("its body cannot be read".to_owned());
    let (status, headers) = (answer.status(), answer.headers().entries());
    let body: IncomingBody = answer.consume().map_err(|()| broken())?;
    let mut read = Vec::new();
    {
        let stream = body.stream().map_err(|()| broken())?;
        // Its end is told as an error.
        while let Ok(more) = stream.blocking_read(READ_BYTES) {
            read.extend_from_slice(&more);
        }
    }
    Ok(Response { status, headers, body: read })
}

fn failed(code: ErrorCode) -> HttpError {
    match code {
        ErrorCode::HttpRequestDenied => HttpError::Denied,
        ErrorCode::DestinationIpProhibited => HttpError::Address,
        ErrorCode::HttpResponseTimeout | ErrorCode::ConnectionWriteTimeout => HttpError::Timeout,
        ErrorCode::ConnectionLimitReached
        | ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpRequestHeaderSectionSize(_) => HttpError::Limit,
        ErrorCode::HttpRequestUriInvalid | ErrorCode::HttpRequestMethodInvalid => HttpError::Invalid(code.to_string()),
        other => HttpError::Failed(other.to_string()),
    }
}

impl Response {
    /// Whether its status is one of success.
    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first value of a field, as far as it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// Its body as text; what is none is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Its body read as JSON.
    ///
    /// # Errors
    ///
    /// When it is not the JSON that it should be.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} bytes", self.status, self.body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_as_it_is() {
        let told = |url| parts(url).map(|(scheme, authority, path)| (matches!(scheme, Scheme::Https), authority, path));
        assert_eq!(told("https://a.example"), Some((true, "a.example", "/")));
        assert_eq!(told("http://a.example:8080/x?y=z#part"), Some((false, "a.example:8080", "/x?y=z")));
        assert_eq!(told("https://a.example?y"), Some((true, "a.example", "?y")));
        assert_eq!((told("a.example/x"), told("ftp://a.example")), (None, None));
    }

    #[test]
    fn a_form_is_written_as_browsers_write_it() {
        let request = Http::new().post("https://a.example").form(&[("a b", "ü&1"), ("to", "+4912")]);
        assert_eq!(request.body, b"a+b=%C3%BC%261&to=%2B4912");
        assert_eq!(request.headers, [("content-type".to_owned(), b"application/x-www-form-urlencoded".to_vec())]);
    }
}
