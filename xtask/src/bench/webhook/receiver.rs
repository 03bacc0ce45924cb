//! The receiver: what it does is by the path of a request and by how many came to it before.
//!
//! Invariant: every request is kept with the time at which it came and the status that it was given; 0 is none.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};
use socket2::SockRef;

use super::{HERE, INSIDE};
use crate::poll;

/// A request that came.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    pub body: String,
    pub at: Instant,
    /// 0 where the connection was broken off.
    pub status: u16,
}

/// What the receivers share.
struct Shared {
    requests: Mutex<Vec<Request>>,
    counts: Mutex<HashMap<String, usize>>,
    inside: AtomicUsize,
    /// Whether the receivers that want nothing, or only fail, take events again.
    mended: AtomicBool,
    began: Instant,
    down: Duration,
    port: u16,
}

/// The receiver.
pub struct Receiver(Arc<Shared>);

/// What is done with a request.
enum Act {
    Answer(u16, String),
    Late(Duration),
    BreakOff,
}

impl Receiver {
    /// Listens at both addresses.
    pub fn start(down: Duration) -> Result<Self> {
        let here = TcpListener::bind((HERE, 0)).context("listening for webhooks")?;
        let port = here.local_addr()?.port();
        let inside = TcpListener::bind((INSIDE, port)).context("listening where nobody may come")?;
        let shared = Arc::new(Shared {
            requests: Mutex::default(),
            counts: Mutex::default(),
            inside: AtomicUsize::new(0),
            mended: AtomicBool::new(false),
            began: Instant::now(),
            down,
            port,
        });
        let (one, other) = (Arc::clone(&shared), Arc::clone(&shared));
        thread::spawn(move || {
            for stream in here.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&one);
                thread::spawn(move || serve(&shared, stream));
            }
        });
        thread::spawn(move || {
            for stream in inside.incoming().map_while(Result::ok) {
                other.inside.fetch_add(1, Ordering::Relaxed);
                let shared = Arc::clone(&other);
                thread::spawn(move || serve(&shared, stream));
            }
        });
        Ok(Self(shared))
    }

    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Those that want nothing, or only fail, take events from now on.
    pub fn mend(&self) {
        self.0.mended.store(true, Ordering::Relaxed);
    }

    /// What came.
    pub fn requests(&self) -> Vec<Request> {
        self.0.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Connections to where nobody may come.
    pub fn inside(&self) -> usize {
        self.0.inside.load(Ordering::Relaxed)
    }
}

fn serve(shared: &Shared, stream: TcpStream) {
    let Ok(mut writing) = stream.try_clone() else { return };
    let mut reading = BufReader::new(stream);
    while let Some((path, headers, body)) = read(&mut reading) {
        let at = Instant::now();
        let act = shared.act(&path);
        let status = match &act {
            Act::Answer(status, _) => *status,
            Act::Late(_) | Act::BreakOff => 0,
        };
        let request = Request { path, headers, body, at, status };
        shared.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        match act {
            Act::Answer(status, fields) => {
                let answer = format!("HTTP/1.1 {status} As it is\r\n{fields}content-length: 2\r\n\r\nok");
                if writing.write_all(answer.as_bytes()).is_err() || fields.contains("close") {
                    return;
                }
            }
            Act::Late(time) => {
                poll::pause(time);
                return;
            }
            Act::BreakOff => {
                // A reset, and no orderly end.
                let _ = SockRef::from(&writing).set_linger(Some(Duration::ZERO));
                return;
            }
        }
    }
}

type Read = (String, HashMap<String, String>, String);

fn read(from: &mut BufReader<TcpStream>) -> Option<Read> {
    let mut line = || {
        let mut line = String::new();
        from.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        Some(line.trim_end().to_owned())
    };
    let path = line()?.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    from.read_exact(&mut body).ok()?;
    Some((path, headers, String::from_utf8(body).ok()?))
}

impl Shared {
    fn act(&self, path: &str) -> Act {
        let n = {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            let count = counts.entry(path.to_owned()).or_default();
            *count += 1;
            *count - 1
        };
        let answer = |status| Act::Answer(status, String::new());
        let field = |status, field: String| Act::Answer(status, field + "\r\n");
        match path {
            "/slow" if n < 3 => Act::Late(Duration::from_secs(2)),
            "/broken" if n < 3 => Act::BreakOff,
            "/redirect" if n < 3 => field(302, format!("location: http://{HERE}:{}/elsewhere", self.port)),
            "/busy" if n < 1 => field(429, "retry-after: 2".to_owned()),
            "/busy-until" if n < 1 => field(503, format!("retry-after: {}", in_seconds(4))),
            "/gone" if !self.mended.load(Ordering::Relaxed) => answer(410),
            "/dead" if !self.mended.load(Ordering::Relaxed) => answer(500),
            "/down" if self.began.elapsed() < self.down => answer(500),
            // So that the next request asks for the name again.
            "/moved" => field(200, "connection: close".to_owned()),
            _ => answer(200),
        }
    }
}

/// A time as HTTP has it.
fn in_seconds(seconds: i64) -> String {
    #[allow(clippy::disallowed_methods, reason = "a receiver has a clock of its own")]
    let now = SystemTime::now();
    let at = jiff::Timestamp::try_from(now).unwrap_or_default() + jiff::SignedDuration::from_secs(seconds);
    jiff::fmt::rfc2822::to_string(&at.to_zoned(jiff::tz::TimeZone::UTC))
        .map(|text| text.replace("+0000", "GMT"))
        .unwrap_or_default()
}
