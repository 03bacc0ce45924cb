//! slowhttptest against a host: heads and bodies that come a few bytes at a time, and answers that are hardly read.
//!
//! Invariant: the verdict is the host's own count of what it cut, while it answers others within a moment. That all are cut within
//! [`CUT_S_MAX`] is no measurement: the host gives each 30 s.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::command::Client;
use crate::interrupt::Interrupt;
use crate::poll;

/// Connections of each kind of attack.
const CONNECTIONS: u64 = 200;

/// Connections that hardly read: each lets the host hold a page of some megabytes.
const READERS: u64 = 50;

/// How long the attacks go on, if they are let.
const ATTACK_S: u64 = 120;

/// By when the host has to have cut all of them.
const CUT_S_MAX: Duration = Duration::from_secs(75);

/// Bytes of an event of the page that is hardly read.
const EVENT_BYTES: usize = 1_000_000;

/// A program that ends with its owner.
struct Attack(Child);

impl Drop for Attack {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Lets three attacks go on at the same time until the host has cut them all.
pub fn run(slowhttptest: &Path, client: &Client) -> Result<String> {
    let large = format!("\"{}\"", "x".repeat(EVENT_BYTES));
    for _ in 0..8 {
        client.post("/events?type=stranger.large&source=strangers", "application/json", &large)?;
    }
    let before = Cut::read(client)?;
    let (connections, readers) = (CONNECTIONS.to_string(), READERS.to_string());
    let start = |kind: &[&str], connections: &str, path: &str| {
        let mut command = Command::new(slowhttptest);
        command.args(kind).args(["-c", connections, "-r", connections, "-i", "5", "-p", "3"]);
        command.args(["-l", &ATTACK_S.to_string(), "-u", &client.url(path)]);
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        spawned.map(Attack).with_context(|| format!("starting {command:?}"))
    };
    let _heads = start(&["-H", "-x", "24"], &connections, "/livez")?;
    let body = ["-B", "-x", "24", "-s", "8192", "-t", "POST", "-f", "application/json"];
    let _bodies = start(&body, &connections, "/events?type=stranger.slow&source=strangers")?;
    let reading = ["-X", "-w", "10", "-y", "20", "-n", "5", "-z", "32", "-k", "2"];
    let _readers = start(&reading, &readers, "/v1/tenants/acme/events")?;
    let mut most = 0;
    let cut = poll::until("the host to cut all attackers", CUT_S_MAX, &Interrupt::never(), || {
        let cut = Cut::read(client)?;
        most = most.max(cut.open);
        Ok(cut.is_all_since(before).then_some(cut))
    });
    let cut = cut.with_context(|| format!("of {before:?} it came to {:?}", Cut::read(client)))?;
    if most < CONNECTIONS + READERS {
        bail!("only {most} connections were open at a time: the attack did not take place");
    }
    let Cut { heads, bodies, answers, .. } = cut;
    Ok(format!(
        "all were cut, and others were answered meanwhile: {} slow heads, {} slow bodies, {} slow readers",
        heads - before.heads,
        bodies - before.bodies,
        answers - before.answers
    ))
}

/// What the host says that it cut.
#[derive(Clone, Copy, Debug)]
struct Cut {
    heads: u64,
    bodies: u64,
    answers: u64,
    open: u64,
}

impl Cut {
    fn read(client: &Client) -> Result<Self> {
        let page = client.get("/metrics")?;
        let value = |series: &str| {
            let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
            line.and_then(|value| value.parse().ok()).with_context(|| format!("/metrics has no {series}"))
        };
        let cut = |by: &str| value(&format!("wharf_http_cut_total{{by=\"{by}\"}}"));
        Ok(Self {
            heads: cut("head")?,
            bodies: cut("body")?,
            answers: cut("answer")?,
            open: value("wharf_http_connections")?,
        })
    }

    fn is_all_since(self, before: Self) -> bool {
        let all = self.heads >= before.heads + CONNECTIONS && self.bodies >= before.bodies + CONNECTIONS;
        // Whoever asks has a connection too.
        all && self.answers >= before.answers + READERS && self.open <= 2
    }
}
