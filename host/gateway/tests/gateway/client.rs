//! A client that writes requests as they are given, well-formed or not, and reads one answer from each connection.
//!
//! Invariant: it adds nothing but `Host`, `Connection: close` and the body's length, and none of these where the test gives
//! its own. It follows no redirects and knows no keep-alive.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wharf_event::Code;
use wharf_gateway::Problem;
use wharf_gateway::routes::{PROBLEMS_OF_ALL, ROUTES, Verb};

/// After this long a connection is taken to hang. It is far above every time that a test sets, and far below the defaults.
pub const HUNG: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub struct Request {
    verb: Verb,
    path: String,
    lines: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

pub fn get(path: impl Into<String>) -> Request {
    Request { verb: Verb::Get, path: path.into(), lines: Vec::new(), body: Vec::new() }
}

pub fn post(path: impl Into<String>, content_type: &str, body: impl Into<Vec<u8>>) -> Request {
    let request = Request { verb: Verb::Post, path: path.into(), lines: Vec::new(), body: body.into() };
    if content_type.is_empty() { request } else { request.with("content-type", content_type) }
}

pub fn put(path: impl Into<String>, body: impl Into<Vec<u8>>) -> Request {
    put_as(path, "application/json", body)
}

pub fn put_as(path: impl Into<String>, content_type: &str, body: impl Into<Vec<u8>>) -> Request {
    Request { verb: Verb::Put, ..post(path, content_type, body) }
}

pub fn delete(path: impl Into<String>) -> Request {
    Request { verb: Verb::Delete, ..get(path) }
}

impl Request {
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.lines.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub fn bytes(&self, addr: SocketAddr) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\n", self.verb.as_str(), self.path).into_bytes();
        let given = |name: &str| self.lines.iter().any(|(other, _)| other == name);
        let mut line = |name: &str, value: &[u8]| {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        };
        if !given("host") {
            line("host", format!("127.0.0.1:{}", addr.port()).as_bytes());
        }
        if !given("connection") {
            line("connection", b"close");
        }
        if !given("content-length") && !given("transfer-encoding") && matches!(self.verb, Verb::Post | Verb::Put) {
            line("content-length", self.body.len().to_string().as_bytes());
        }
        self.lines.iter().for_each(|(name, value)| line(name, value));
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        out
    }

    pub async fn send(&self, addr: SocketAddr) -> Answer {
        let mut answer = Answer::of(&exchange(addr, &self.bytes(addr)).await);
        answer.asked = format!("{} {}", self.verb.as_str(), self.path.chars().take(200).collect::<String>());
        answer.may_say = ROUTES
            .iter()
            .find(|route| route.verb == self.verb && leads_to(&self.path, route.path))
            .map(|route| route.problems.to_vec())
            .unwrap_or_default();
        answer
    }
}

/// Whether a request for `path` is one for the route.
fn leads_to(path: &str, route: &str) -> bool {
    let path = path.split('?').next().unwrap();
    let (mut segments, mut wanted) = (path.split('/'), route.split('/'));
    loop {
        match (segments.next(), wanted.next()) {
            (None, None) => return true,
            (Some(_), Some(variable)) if variable.starts_with("{*") => return true,
            (Some(_), Some(variable)) if variable.starts_with('{') => {}
            (Some(segment), Some(literal)) if segment == literal => {}
            _ => return false,
        }
    }
}

/// Writes these bytes on a connection of their own and reads what comes back until it is closed.
pub async fn exchange(addr: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    rest(&mut stream).await
}

/// What still comes on a connection until it is closed.
pub async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut out = Vec::new();
    timeout(HUNG, stream.read_to_end(&mut out)).await.expect("the connection should have been closed").unwrap();
    out
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub lines: Vec<(String, String)>,
    pub body: Vec<u8>,
    asked: String,
    may_say: Vec<Code>,
}

impl Answer {
    pub fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let end =
            bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let lines =
            lines.map(|line| line.split_once(": ").unwrap()).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        let mut answer =
            Self { status, lines, body: bytes[end + 4..].to_vec(), asked: String::new(), may_say: Vec::new() };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = unchunked(&answer.body);
        }
        answer
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.lines.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn json<T: serde::de::DeserializeOwned>(&self, status: u16) -> T {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{}: {text}", self.asked);
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{}: {error} in {text}", self.asked))
    }

    /// The answer as a problem of this code, in every respect that problems have.
    pub fn refused(&self, code: Code) -> Problem {
        let problem: Problem = self.json(self.status);
        assert_eq!(problem.code, code, "{}: {}", self.asked, problem.detail);
        assert_eq!((self.status, problem.status), (code.status(), code.status()), "{}", self.asked);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.asked);
        assert_eq!(problem.reference, format!("/errors/{code}"));
        assert_eq!(problem.title, code.title());
        assert!(!problem.detail.is_empty(), "{}: no detail", self.asked);
        let seconds = problem.retry_after_s.map(|seconds| seconds.to_string());
        assert_eq!(self.header("retry-after"), seconds.as_deref(), "{}", self.asked);
        assert_eq!(code.status() == 503, seconds.is_some(), "{}", self.asked);
        let described = self.may_say.contains(&code) || PROBLEMS_OF_ALL.contains(&code);
        assert!(described, "{}: {code} is not in the route table", self.asked);
        problem
    }
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        out.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[(end + 4 + size).min(bytes.len())..];
    }
    out
}
