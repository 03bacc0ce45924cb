//! A host under test.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::{Duration, Instant},
};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// How long a test waits for something that must come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How many lines of the log are told of a host that does not do what it must.
const TAIL_LINES: usize = 30;

pub fn built(variable: &str, default: &str) -> PathBuf {
    let place = std::env::vars_os().find(|(name, _)| name == variable).map(|(_, value)| PathBuf::from(value));
    let place = place.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(default));
    assert!(place.exists(), "{} is not built: run the tests by `cargo xtask test`", place.display());
    place
}

/// Says that a test, or a part of one, was left out, and why. What a test that passes prints is kept from everybody, so it is also written to the
/// file that `cargo xtask test` names, which tells it beside the result.
#[allow(clippy::print_stderr, reason = "a test that is left out says so")]
pub fn left_out(why: &str) {
    eprintln!("left out: {why}");
    let Some(file) = std::env::var_os("WHARF_LEFT_OUT_TO") else { return };
    let mut file = std::fs::File::options().append(true).create(true).open(file).unwrap();
    // Written at once, since other tests may write to it too.
    file.write_all(format!("{why}\n").as_bytes()).unwrap();
}

/// The program under test.
pub fn wharf() -> Command {
    Command::new(built("WHARF_BIN", "target/debug/wharf"))
}

/// A component that was built from plugins/ or tests/guests.
pub fn guest(name: &str) -> PathBuf {
    built("WHARF_GUESTS", "target/guests").join(format!("{name}.wasm"))
}

/// What a program said on stderr. A failure that was told as JSON stands there as people are told it.
pub fn told(stderr: Vec<u8>) -> String {
    let line = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(said) if said["error"].is_object() => {
            let error = &said["error"];
            let (code, message) = (error["code"].as_str(), error["message"].as_str().unwrap());
            let code = code.map_or_else(String::new, |code| format!("[{code}]"));
            let help = error["help"].as_str().map_or_else(String::new, |help| format!("help: {help}\n"));
            // All mistakes of a configuration have codes of their own.
            let before = if message.starts_with("error[") { String::new() } else { format!("error{code}: ") };
            format!("{before}{message}\n{help}")
        }
        _ => format!("{line}\n"),
    };
    String::from_utf8(stderr).unwrap().lines().map(line).collect()
}

/// A folder with a configuration and a data folder.
pub struct Site {
    pub folder: tempfile::TempDir,
}

impl Site {
    pub fn new(config: &str) -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        site.write("wharf.toml", config);
        site
    }

    /// A site with the probe plugin and a rule that gives it every event whose type begins with `probe.`.
    pub fn probe(limits: &str, retry: &str) -> Self {
        Self::with_probe(&format!(
            r#"limits = {{ {limits} }}
[tenants.acme.rules.probe]
pattern = {{ type = [{{ prefix = "probe." }}] }}
targets = [{{ plugin = "probe", retry = {{ {retry} }}, dead_letter = "dead" }}]
"#
        ))
    }

    /// A site with the probe plugin and what follows it: more keys of it, other plugins, rules.
    pub fn with_probe(rest: &str) -> Self {
        Self::new(&format!(
            r#"
default_tenant = "acme"
[tenants.acme.plugins.probe]
component = "{}"
grants = {{ publish = ["probe.*"], kv = ["probe"] }}
{rest}"#,
            guest("probe").display()
        ))
    }

    /// A site with the probe plugin, the probing transform `bend` with these limits, and these rules.
    pub fn transforming(limits: &str, rules: &str) -> Self {
        Self::with_probe(&format!(
            "[tenants.acme.plugins.bend]\ncomponent = \"{}\"\nlimits = {{ {limits} }}\n{rules}",
            guest("transform-probe").display(),
        ))
    }

    /// A file, as a whole at once: who follows it sees no half of it.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let (path, aside) = (self.folder.path().join(name), self.folder.path().join(format!("{name}.new")));
        std::fs::write(&aside, text).unwrap();
        std::fs::rename(aside, path).unwrap();
    }

    pub fn command(&self, subcommand: &str) -> Command {
        let mut command = wharf();
        command.current_dir(self.folder.path()).args(["-o", "json", subcommand, "--listen", "127.0.0.1:0"]);
        command.args(["--config", "wharf.toml", "--data", "data", "--log-format", "json"]);
        command
    }

    /// Starts a host and waits until it serves.
    pub fn start(&self, subcommand: &str) -> Host {
        self.start_with(subcommand, &[])
    }

    /// The same with more arguments.
    pub fn start_with(&self, subcommand: &str, more: &[&str]) -> Host {
        let mut command = self.command(subcommand);
        command.args(more);
        self.start_command(command)
    }

    /// Starts a host by a command that was made for it.
    pub fn start_command(&self, mut command: Command) -> Host {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let first = first_line_of(child.stdout.take().unwrap());
        let (logged, tail) = reading(child.stderr.take().unwrap());
        let mut host = Host { child, url: String::new(), ready: Value::Null, logged, tail };
        let line = first.recv_timeout(PATIENCE).unwrap_or_default();
        if line.is_empty() {
            // One that hangs, too, has said all that it says then.
            let ended = host.child.try_wait().unwrap();
            host.child.kill().unwrap();
            let said: Vec<_> = std::iter::from_fn(|| host.logged.recv_timeout(Duration::from_secs(1)).ok()).collect();
            panic!("the host did not start, {ended:?}:\n{}", said.join("\n"));
        }
        host.ready = serde_json::from_str(&line).unwrap();
        host.url = host.ready["url"].as_str().unwrap().to_owned();
        host
    }

    /// Examines the data folder, which no host may use: exit status, what was found, and what was said on stderr.
    pub fn examine(&self, arguments: &[&str]) -> (i32, Value, String) {
        let mut command = wharf();
        command.current_dir(self.folder.path()).args(["-o", "json"]).args(arguments).args(["--data", "data"]);
        let output = command.output().unwrap();
        let found = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code().unwrap(), found, told(output.stderr))
    }

    /// Starts a host that must not start, and gives what it said and its exit status.
    pub fn refuse(&self, subcommand: &str) -> (i32, String) {
        let output = self.command(subcommand).output().unwrap();
        (output.status.code().unwrap(), told(output.stderr))
    }
}

/// The first line that a program prints, empty if it ends without one.
fn first_line_of(stdout: ChildStdout) -> mpsc::Receiver<String> {
    let (said, first) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(stdout).read_line(&mut line);
        let _ = said.send(line);
    });
    first
}

/// Reads what a host logs, which would wait for room otherwise: its lines, and the last ones of them whoever took them.
fn reading(stderr: ChildStderr) -> (mpsc::Receiver<String>, Arc<Mutex<VecDeque<String>>>) {
    let (said, logged) = mpsc::channel();
    let tail = Arc::new(Mutex::new(VecDeque::new()));
    let last = Arc::clone(&tail);
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            last.truncate(TAIL_LINES - 1);
            last.push_front(line.clone());
            let _ = said.send(line);
        }
    });
    (logged, tail)
}

/// A running host; dropping it kills it.
pub struct Host {
    child: Child,
    pub url: String,
    pub ready: Value,
    logged: mpsc::Receiver<String>,
    /// The newest lines of the log, the last one first.
    tail: Arc<Mutex<VecDeque<String>>>,
}

impl Host {
    fn agent() -> ureq::Agent {
        ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(PATIENCE))
            .build()
            .into()
    }

    pub fn get(&self, path: &str) -> (u16, Value) {
        let mut response = Self::agent().get(format!("{}{path}", self.url)).call().unwrap();
        let body = response.body_mut().with_config().limit(256 << 20).read_to_string().unwrap();
        (response.status().as_u16(), serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    /// The first line of an answer that does not end.
    pub fn first_line(&self, path: &str) -> Value {
        let response = Self::agent().get(format!("{}{path}", self.url)).call().unwrap();
        let mut line = String::new();
        BufReader::new(response.into_body().into_reader()).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    pub fn post(&self, path: &str, content_type: &str, body: impl AsRef<[u8]>) -> (u16, Value) {
        let request = Self::agent().post(format!("{}{path}", self.url)).content_type(content_type);
        let mut response = request.send(body.as_ref()).unwrap();
        let body = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    /// Puts JSON at a path under a condition, a header with its value: status, ETag, body.
    pub fn put(&self, path: &str, condition: Option<(&str, &str)>, body: impl AsRef<[u8]>) -> (u16, String, Value) {
        let request = Self::agent().put(format!("{}{path}", self.url)).content_type("application/json");
        let request = condition.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let mut response = request.send(body.as_ref()).unwrap();
        let tag = response.headers().get("etag").map(|value| value.to_str().unwrap().to_owned());
        let body = response.body_mut().read_to_string().unwrap();
        let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
        (response.status().as_u16(), tag.unwrap_or_default(), body)
    }

    /// Puts bytes at a path: status and body.
    pub fn put_bytes(&self, path: &str, content_type: &str, bytes: &[u8]) -> (u16, Value) {
        let request = Self::agent().put(format!("{}{path}", self.url)).content_type(content_type);
        let mut response = request.send(bytes).unwrap();
        let body = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    /// Deletes what is at a path: the status.
    pub fn delete(&self, path: &str) -> u16 {
        Self::agent().delete(format!("{}{path}", self.url)).call().unwrap().status().as_u16()
    }

    /// The status, `Retry-After` and body of the answer to an event.
    pub fn refusal(&self, path: &str, event: String) -> (u16, Option<String>, Value) {
        let request = Self::agent().post(format!("{}{path}", self.url)).content_type("application/cloudevents+json");
        let mut response = request.send(event).unwrap();
        let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        let body = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), retry_after, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    /// Sends an event of that id and type; its answer must be 202.
    pub fn send(&self, id: &str, kind: &str) -> Value {
        let event = serde_json::json!({"specversion": "1.0", "id": id, "source": "test", "type": kind, "data": {}});
        let (status, answer) = self.post("/events", "application/cloudevents+json", event.to_string());
        assert_eq!(status, 202, "{answer}");
        answer
    }

    /// The tenant's totals.
    pub fn stats(&self, tenant: &str) -> Value {
        self.get(&format!("/v1/tenants/{tenant}/stats")).1
    }

    /// Waits until nothing is owed any more, and gives the totals.
    pub fn settled(&self, tenant: &str) -> Value {
        let began = Instant::now();
        loop {
            let stats = self.stats(tenant);
            if stats["pending"] == 0 {
                return stats;
            }
            assert!(began.elapsed() < PATIENCE, "deliveries are still pending: {stats}; {}", self.said_last());
            std::thread::yield_now();
        }
    }

    /// Waits until the tenant's totals are as they must be, and gives them.
    pub fn stats_until(&self, tenant: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let stats = self.stats(tenant);
            if holds(&stats) {
                return stats;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "the totals do not become what they must: {stats}; {}",
                self.said_last()
            );
            self.wait(Duration::from_millis(5));
        }
    }

    /// Waits until something holds.
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        self.found(what, || holds().then_some(()));
    }

    /// Waits until something is there, and gives it.
    pub fn found<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "{what} does not come about; {}", self.said_last());
            self.wait(Duration::from_millis(5));
        }
    }

    /// The end of the log, for who sees it fail.
    fn said_last(&self) -> String {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<_> = tail.iter().rev().map(String::as_str).collect();
        format!("the host logged last:\n{}", lines.join("\n"))
    }

    /// Lets time pass; what the host logs meanwhile is read as ever.
    #[allow(clippy::disallowed_methods, reason = "a test waits for a program outside of it")]
    pub fn wait(&self, time: Duration) {
        std::thread::sleep(time);
    }

    /// A value as text, absent if there is none.
    pub fn value(&self, bucket: &str, key: &str) -> Option<String> {
        let (status, answer) = self.get(&format!("/v1/tenants/acme/kv/{bucket}/{key}"));
        (status == 200).then(|| answer["value"]["text"].as_str().unwrap().to_owned())
    }

    /// The dead letters of a queue.
    pub fn dead(&self, queue: &str) -> Vec<Value> {
        self.get(&format!("/v1/tenants/acme/dlq/{queue}?limit=1000")).1.as_array().cloned().unwrap_or_default()
    }

    /// Waits for a line of the log that says `text`.
    pub fn wait_for_log(&self, text: &str) -> String {
        loop {
            let line = self.logged.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no line says {text:?}; {}", self.said_last()));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Waits for a line of the log that says `last`, and gives how many before it said `text`.
    pub fn lines_before(&self, text: &str, last: &str) -> usize {
        self.lines().take_while(|line| !line.contains(last)).filter(|line| line.contains(text)).count()
    }

    /// The lines of the log that nobody took yet, until its end.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        std::iter::from_fn(|| self.logged.recv_timeout(PATIENCE).ok())
    }

    /// What the kernel says of the host's process.
    pub fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
    }

    /// KiB of the host's memory that are resident.
    pub fn resident_kib(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// The processes that it started and that have not ended.
    pub fn children(&self) -> Vec<u32> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        // A thread may end while it is looked at.
        let of =
            |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        let all: Vec<String> = threads.map_while(Result::ok).map(of).collect();
        all.iter().flat_map(|ids| ids.split_whitespace()).map(|id| id.parse().unwrap()).collect()
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, and goes on.
    pub fn ask_to_stop(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Asks it to stop and gives its exit status.
    pub fn stop(self) -> Option<i32> {
        self.ask_to_stop();
        self.ended()
    }

    /// Waits for the end of one that was asked to stop, and gives its exit status.
    pub fn ended(mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < PATIENCE, "the host does not end; {}", self.said_last());
            self.wait(Duration::from_millis(5));
        }
    }

    /// Asks it to stop, twice, and gives its exit status.
    pub fn stop_at_once(self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        self.wait_for_log("a second signal stops at once");
        self.signal(rustix::process::Signal::INT);
        self.ended()
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The SHA-256 of some bytes, in hex.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sends an event to the host at `url`, from any thread: the status, absent when there was no answer.
pub fn try_send(url: &str, id: &str, kind: &str) -> Option<u16> {
    let event = serde_json::json!({"specversion": "1.0", "id": id, "source": "test", "type": kind, "data": {}});
    let request = Host::agent().post(format!("{url}/events")).content_type("application/cloudevents+json");
    request.send(event.to_string()).ok().map(|response| response.status().as_u16())
}
