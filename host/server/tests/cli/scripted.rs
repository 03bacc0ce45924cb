//! A host that answers from a script, and the binary run against it.
//!
//! Invariant: an answer is used once and in order for its request line; a request that the script has no answer for is
//! answered 404 `route-unknown`. Every connection serves one request.

use std::{
    collections::{HashMap, VecDeque},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
};

#[derive(Default)]
struct Script {
    answers: HashMap<String, VecDeque<Answer>>,
    asked: Vec<Asked>,
}

/// A request that came.
struct Asked {
    line: String,
    headers: String,
    body: String,
}

struct Answer {
    status: u16,
    body: String,
    end: End,
}

/// How an answer ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// As it should.
    Complete,
    /// The connection breaks before the last chunk.
    Broken,
    /// Only when the program ends.
    Open,
}

/// A host with a script.
#[derive(Clone)]
pub struct Host {
    script: Arc<Mutex<Script>>,
    /// Where it is.
    pub url: String,
}

impl Host {
    /// A host that knows nothing yet but that its default tenant is `acme`.
    pub fn start() -> Self {
        Self::silent().answers("GET /v1/tenants", 200, r#"{"default":"acme","tenants":["acme","other"]}"#)
    }

    /// A host that knows nothing yet.
    pub fn silent() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let host = Self { script: Arc::default(), url };
        let serving = host.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let host = serving.clone();
                thread::spawn(move || host.serve(stream.unwrap()));
            }
        });
        host
    }

    /// One more answer to a request line, whose path is below the tenant's unless it begins with `/`.
    pub fn answers(self, request: &str, status: u16, body: impl ToString) -> Self {
        self.put(request, Answer { status, body: body.to_string(), end: End::Complete })
    }

    /// One more answer whose connection breaks after these lines.
    pub fn breaks_after(self, request: &str, lines: &str) -> Self {
        self.put(request, Answer { status: 200, body: lines.to_owned(), end: End::Broken })
    }

    /// One more answer that stays open after these lines.
    pub fn stays_open_after(self, request: &str, lines: &str) -> Self {
        self.put(request, Answer { status: 200, body: lines.to_owned(), end: End::Open })
    }

    /// A refusal.
    pub fn refuses(self, request: &str, status: u16, code: &str) -> Self {
        self.answers(request, status, problem(status, code))
    }

    fn put(self, request: &str, answer: Answer) -> Self {
        let (method, path) = request.split_once(' ').unwrap();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/v1/tenants/acme/{path}") };
        self.script.lock().unwrap().answers.entry(format!("{method} {path}")).or_default().push_back(answer);
        self
    }

    /// The bodies that were sent with requests that begin so.
    pub fn bodies(&self, request: &str) -> Vec<String> {
        let script = self.script.lock().unwrap();
        script.asked.iter().filter(|asked| asked.line.starts_with(request)).map(|asked| asked.body.clone()).collect()
    }

    /// The values of a header in requests that begin so.
    pub fn headers(&self, request: &str, name: &str) -> Vec<String> {
        let script = self.script.lock().unwrap();
        let of = script.asked.iter().filter(|asked| asked.line.starts_with(request)).flat_map(|it| it.headers.lines());
        let value =
            |line: &str| line.split_once(": ").filter(|(other, _)| *other == name).map(|(_, value)| value.to_owned());
        of.filter_map(value).collect()
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let (asked, headers) = head.split_once(" HTTP/1.1").unwrap();
        let (asked, headers) = (asked.to_owned(), headers.to_owned());
        let answer = {
            let mut script = self.script.lock().unwrap();
            let body = String::from_utf8(body).unwrap();
            script.asked.push(Asked { line: asked.clone(), headers, body });
            script.answers.get_mut(&asked).and_then(VecDeque::pop_front)
        };
        let unknown = || Answer { status: 404, body: problem(404, "route-unknown"), end: End::Complete };
        let Answer { status, body, end } = answer.unwrap_or_else(unknown);
        let head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n");
        let chunk = if body.is_empty() { String::new() } else { format!("{:x}\r\n{body}\r\n", body.len()) };
        let last = if end == End::Complete { "0\r\n\r\n" } else { "" };
        // The program may have ended by now.
        let _ = write!(stream, "{head}{chunk}{last}");
        if end == End::Open {
            let _ = reader.read(&mut [0]);
        }
    }

    /// Runs `wharf` with this line against this host. `'` quotes a word with spaces.
    pub fn run(&self, line: &str) -> Ran {
        self.run_with(line, "")
    }

    /// The same with something on stdin.
    pub fn run_with(&self, line: &str, stdin: &str) -> Ran {
        let mut child = self.command(line).stdin(Stdio::piped()).spawn().unwrap();
        // It may end without reading.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        Ran::of(child.wait_with_output().unwrap())
    }

    /// The command, not started.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
        let words = line.split('\'').enumerate().flat_map(|(n, part)| match n % 2 {
            0 => part.split_whitespace().map(ToOwned::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
        command.args(words).env_remove("WHARF_TENANT").env("WHARF_URL", &self.url);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// A problem as a host writes it.
pub fn problem(status: u16, code: &str) -> String {
    format!(r#"{{"type":"/errors/{code}","title":"t","status":{status},"detail":"no {code}","code":"{code}"}}"#)
}

/// What a run of the program left.
#[derive(Debug)]
pub struct Ran {
    /// The exit status.
    pub exit: i32,
    /// Its data.
    pub stdout: String,
    /// Its talk.
    pub stderr: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        Self {
            exit: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
