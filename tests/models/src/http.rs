//! As much of HTTP/1.1 as the SDKs of providers need: bodies with a length, connections that stay.

use std::{
    io::{BufRead as _, BufReader, Read as _, Result, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, mpsc::Sender},
    time::Duration,
};

use serde_json::Value;

/// What is waited behind each piece of an answer.
const PAUSE: Duration = Duration::from_millis(5);

/// A request.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Its method.
    pub method: String,
    /// Its path and what stands behind `?`, as they were sent.
    pub target: String,
    /// Its fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Heard {
    /// The value of a field.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Its body as JSON; null where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What is sent piece by piece.
#[derive(Clone, Debug)]
pub struct Streamed {
    /// Its media type.
    pub kind: &'static str,
    /// The pieces.
    pub pieces: Vec<Vec<u8>>,
    /// Whether the connection breaks behind them.
    pub breaks: bool,
}

/// An answer of JSON.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its fields beside those that every answer has.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub body: Value,
    /// What is sent in its place.
    pub streamed: Option<Streamed>,
}

impl Answer {
    /// Of that status.
    #[must_use]
    pub fn new(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body, streamed: None }
    }
}

/// Answers whoever comes.
pub(crate) fn serve<A>(listener: &TcpListener, hears: &Sender<Heard>, answer: &Arc<A>)
where
    A: Fn(&Heard) -> Answer + Send + Sync + 'static,
{
    for stream in listener.incoming().map_while(Result::ok) {
        let (hears, answer) = (hears.clone(), Arc::clone(answer));
        std::thread::spawn(move || {
            // Whoever gives up breaks off.
            let _ = converse(stream, &hears, &*answer);
        });
    }
}

fn converse(mut stream: TcpStream, hears: &Sender<Heard>, answer: &impl Fn(&Heard) -> Answer) -> Result<()> {
    // What is said is not held back for what may follow.
    stream.set_nodelay(true)?;
    let mut reading = BufReader::new(stream.try_clone()?);
    while let Some(heard) = read(&mut reading)? {
        // Nobody may be listening.
        let _ = hears.send(heard.clone());
        let Answer { status, headers, body, streamed } = answer(&heard);
        if let Some(streamed) = streamed {
            let breaks = streamed.breaks;
            send(&mut stream, status, &headers, streamed)?;
            if breaks {
                return Ok(());
            }
            continue;
        }
        let body = body.to_string();
        let length = format!("content-length: {}", body.len());
        let head = head(status, "application/json", &length, &headers);
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    }
    Ok(())
}

fn head(status: u16, kind: &str, length: &str, headers: &[(&str, String)]) -> String {
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {status} Status\r\ncontent-type: {kind}\r\n{length}\r\n{more}\r\n")
}

/// Sends piece by piece, each by itself.
fn send(stream: &mut TcpStream, status: u16, headers: &[(&str, String)], streamed: Streamed) -> Result<()> {
    let Streamed { kind, pieces, breaks } = streamed;
    stream.write_all(head(status, kind, "transfer-encoding: chunked", headers).as_bytes())?;
    for piece in pieces {
        let size = format!("{:x}\r\n", piece.len());
        stream.write_all(&[size.as_bytes(), &piece, b"\r\n"].concat())?;
        std::thread::park_timeout(PAUSE);
    }
    if breaks { Ok(()) } else { write!(stream, "0\r\n\r\n") }
}

fn read(reading: &mut BufReader<TcpStream>) -> Result<Option<Heard>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reading.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut lines = lines.into_iter();
    let first = lines.next().unwrap_or_default();
    let mut words = first.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let field =
        |line: String| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    let headers: Vec<_> = lines.filter_map(field).collect();
    let mut heard = Heard { method, target, headers, body: Vec::new() };
    let length = heard.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    heard.body = vec![0; length];
    reading.read_exact(&mut heard.body)?;
    Ok(Some(heard))
}
