//! `cargo xtask bench http`: what a request costs the server's processors, beside a bare hyper server that answers as many bytes.
//!
//! Method: runs of either side take turns, each with a server of its own and the same load by `wrk`; CPU time is that of the server's process,
//! all of its threads, divided by the requests that were answered. An event counts with all that follows from it: the run is over when it is settled.
//!
//! Invariant: a run in which an answer has another status than it is to have, or a connection breaks, does not count; nor one in which an event was not
//! counted by the plugin, in its first attempt. It fails when a request takes more times the peer's CPU time than it may.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use super::machine::Machine;
use super::median::median;
use super::{Output, cpu, folder, say};
use crate::guests::{self, Guest, apt, process};
use crate::host::binary::{self, Profile};
use crate::host::view::Stats;
use crate::host::{Api, Host, Stage};
use crate::interrupt::Interrupt;
use crate::poll;

/// A plugin that counts events, and a component of `wasi:http/proxy` that answers five bytes. Both have the defaults of any plugin.
const CONFIG: &str = r#"
[tenants.demo.plugins.counter]
component = "counter.wasm"
grants = { kv = ["counter"] }
[tenants.demo.rules.orders]
pattern = { type = ["order.placed"] }
targets = [{ plugin = "counter" }]

[tenants.demo.plugins.web]
component = "web-probe.wasm"
[tenants.demo.routes."/web/*"]
plugin = "web"
"#;

/// The program that makes the load, and Debian's package that has it.
const WRK: &str = "wrk";

/// How long the settlement of a run's events may take.
const SETTLE_S_MAX: Duration = Duration::from_secs(120);

/// Bytes of the payload of an event, and the keys that events are counted by.
const PAYLOAD_BYTES: usize = 1_024;
const KEYS: u32 = 10_000;

/// One kind of request.
struct Scenario {
    name: &'static str,
    /// How many times the peer's CPU time it may take.
    most: f64,
    path: &'static str,
    status: u16,
    posts: bool,
}

const SCENARIOS: [Scenario; 2] = [
    Scenario {
        name: "event",
        most: 5.0,
        path: "/v1/tenants/demo/buses/default/events?type=order.placed&source=bench",
        status: 202,
        posts: true,
    },
    Scenario { name: "route", most: 10.0, path: "/t/demo/web/length", status: 200, posts: false },
];

/// Options of `cargo xtask bench http`.
#[derive(clap::Args)]
pub struct Args {
    /// How long a run takes.
    #[arg(long, default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Runs of either side.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=512))]
    connections: u32,
    /// Run this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// How to print the numbers.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// What one side of a scenario came to.
#[derive(Clone, Copy, Serialize)]
struct Side {
    per_s: f64,
    cpu_us: f64,
}

#[derive(Serialize)]
struct Row {
    scenario: &'static str,
    ours: Side,
    peer: Side,
    /// The median of the runs' own ratios of CPU time.
    ratio: f64,
    most: f64,
    ok: bool,
}

#[derive(Serialize)]
struct Report {
    seconds: u32,
    runs: u32,
    connections: u32,
    rows: Vec<Row>,
    machine: Machine,
}

/// What a run of `wrk` saw.
#[derive(Debug, PartialEq)]
struct Load {
    requests: u64,
    per_s: f64,
    /// Lines that tell of answers that are none, or have another status than 2xx.
    wrong: Vec<String>,
}

/// Builds what is needed, measures, prints. It fails when a request takes too much.
pub fn run(args: &Args) -> Result<()> {
    let mut guests = guests::build()?;
    guests.retain(|guest| guest.name == "counter" || guest.name == "web-probe");
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Release)?;
    let peer = binary::build_of("wharf-bench-http", Profile::Release)?;
    let (folder, interrupt, wrk) = (folder()?, Interrupt::catch()?, wrk()?);
    let bench = Bench { args, binary: &binary, peer: &peer, wrk: &wrk, folder: &folder, guests: &guests, interrupt };
    let mut rows = Vec::new();
    for scenario in &SCENARIOS {
        let (mut ours, mut peers) = (Vec::new(), Vec::new());
        for n in 1..=args.runs {
            let (our, bytes) = bench.ours(scenario)?;
            let other = bench.peer(scenario, bytes)?;
            say(&format!(
                "{} run {n} of {}: {:.1} us and {:.0}/s, the peer {:.1} us and {:.0}/s",
                scenario.name, args.runs, our.cpu_us, our.per_s, other.cpu_us, other.per_s
            ));
            ours.push(our);
            peers.push(other);
        }
        let ratio = median(ours.iter().zip(&peers).map(|(our, peer)| our.cpu_us / peer.cpu_us));
        let ratio = (ratio * 100.0).round() / 100.0;
        let ok = ratio <= scenario.most;
        rows.push(Row {
            scenario: scenario.name,
            ours: middle(&ours),
            peer: middle(&peers),
            ratio,
            most: scenario.most,
            ok,
        });
    }
    let Args { seconds, runs, connections, .. } = *args;
    let report = Report { seconds, runs, connections, rows, machine: Machine::here(&folder) };
    let text = match args.output {
        Output::Text => report.text(),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    let much: Vec<_> = report.rows.iter().filter(|row| !row.ok).map(|row| row.scenario).collect();
    ensure!(much.is_empty(), "more CPU time than it may take: {}", much.join(", "));
    Ok(())
}

fn middle(sides: &[Side]) -> Side {
    Side { per_s: median(sides.iter().map(|it| it.per_s)), cpu_us: median(sides.iter().map(|it| it.cpu_us)) }
}

/// Where `wrk` is; it is installed where that may be done.
fn wrk() -> Result<PathBuf> {
    if let Some(program) = process::find(WRK) {
        return Ok(program);
    }
    say(&format!("installing Debian's {WRK}"));
    apt::install(WRK)?;
    process::find(WRK).with_context(|| format!("the package {WRK} brought no program of that name"))
}

struct Bench<'a> {
    args: &'a Args,
    binary: &'a Path,
    peer: &'a Path,
    wrk: &'a Path,
    folder: &'a Path,
    guests: &'a [Guest],
    interrupt: Interrupt,
}

impl Bench<'_> {
    /// A run of this program, and how many bytes its answers have.
    fn ours(&self, scenario: &Scenario) -> Result<(Side, usize)> {
        let stage = Stage::lay_out(self.folder, "http-", CONFIG, self.guests)?;
        let host = Host::start(self.binary, &stage, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))?;
        let (url, api) = (host.ready().url.clone(), Api::of(&host.ready().url, "demo"));
        let bytes = self.looked(&url, scenario)?;
        self.settled(&api)?;
        let before = cpu::used(host.pid())?;
        let load = self.load(&url, scenario)?;
        let stats = self.settled(&api)?;
        let used = cpu::used(host.pid())?.saturating_sub(before);
        if scenario.posts {
            self.check(&api, &stats, load.requests)?;
        }
        host.stop()?;
        Ok((Side { per_s: load.per_s, cpu_us: per(used, load.requests) }, bytes))
    }

    /// Waits until nothing is owed, and gives what there was.
    fn settled(&self, api: &Api) -> Result<Stats> {
        poll::until("the events to be settled", SETTLE_S_MAX, &self.interrupt, || {
            let stats = api.stats()?;
            Ok((stats.pending == 0).then_some(stats))
        })
    }

    /// Whether each event was counted, in one attempt.
    fn check(&self, api: &Api, stats: &Stats, requests: u64) -> Result<()> {
        // Before the load there was one; what was under way when it ended is settled too: a connection has one at most.
        let may_be = requests + 1..=requests + 1 + u64::from(self.args.connections);
        ensure!(may_be.contains(&stats.events), "{requests} events were acknowledged, and the host has {stats:?}");
        ensure!(
            stats.attempts == stats.events && stats.dead_letters == 0 && stats.retries == 0,
            "an attempt failed: {stats:?}"
        );
        let counted: i64 = api.counters()?.values().flat_map(|keys| keys.values()).sum();
        ensure!(
            u64::try_from(counted) == Ok(stats.events),
            "{counted} events were counted, and the host has {stats:?}"
        );
        Ok(())
    }

    /// A run of the peer.
    fn peer(&self, scenario: &Scenario, bytes: usize) -> Result<Side> {
        let mut command = Command::new(self.peer);
        command.args([scenario.status.to_string(), bytes.to_string()]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut server = Server(command.spawn().with_context(|| format!("starting {command:?}"))?);
        let mut line = String::new();
        let stdout = server.0.stdout.take().context("the peer says nothing")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let url = format!("http://127.0.0.1:{}", line.trim());
        self.looked(&url, scenario)?;
        let before = cpu::used(server.0.id())?;
        let load = self.load(&url, scenario)?;
        let used = cpu::used(server.0.id())?.saturating_sub(before);
        Ok(Side { per_s: load.per_s, cpu_us: per(used, load.requests) })
    }

    /// Asks once, and gives how many bytes come back.
    fn looked(&self, url: &str, scenario: &Scenario) -> Result<usize> {
        let url = format!("{url}{}", scenario.path);
        let mut response = match scenario.posts {
            true => ureq::post(&url).content_type("application/json").send(payload("0000"))?,
            false => ureq::get(&url).call()?,
        };
        ensure!(response.status().as_u16() == scenario.status, "{url} answers {}", response.status());
        Ok(response.body_mut().read_to_vec()?.len())
    }

    fn load(&self, url: &str, scenario: &Scenario) -> Result<Load> {
        self.interrupt.check()?;
        let script = self.folder.join("wrk.lua");
        // Each request has the next key.
        let text = format!(
            "local n = 0\nlocal headers = {{[\"content-type\"] = \"application/json\"}}\nlocal body = [[{}]]\n\
             function request()\n  n = (n + 1) % {KEYS}\n  return wrk.format(\"POST\", nil, headers, string.format(body, n))\nend\n",
            payload(KEY)
        );
        std::fs::write(&script, text).with_context(|| format!("writing {}", script.display()))?;
        let Args { seconds, connections, .. } = self.args;
        let mut command = Command::new(self.wrk);
        command.args(["-t", "2", "-c", &connections.to_string(), "-d", &format!("{seconds}s"), "--timeout", "30s"]);
        if scenario.posts {
            command.arg("-s").arg(&script);
        }
        command.arg(format!("{url}{}", scenario.path));
        let load = seen(&process::output(&mut command)?)?;
        if !load.wrong.is_empty() {
            bail!("the run does not count: {}", load.wrong.join("; "));
        }
        Ok(load)
    }
}

/// A key, as the load's program makes it of a number below [`KEYS`].
const KEY: &str = "%04d";

/// The payload of an event that is counted by this key.
fn payload(key: &str) -> String {
    let rest = format!("{{\"key\":\"{key}\",\"pad\":\"").len() + 2;
    format!("{{\"key\":\"{key}\",\"pad\":\"{}\"}}", "x".repeat(PAYLOAD_BYTES - rest))
}

fn per(used: Duration, requests: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "requests of one benchmark are exact in a double")]
    let requests = requests.max(1) as f64;
    used.as_secs_f64() * 1e6 / requests
}

/// What `wrk` printed.
fn seen(text: &str) -> Result<Load> {
    let mut load = Load { requests: 0, per_s: 0.0, wrong: Vec::new() };
    for line in text.lines().map(str::trim) {
        if let Some((requests, _)) = line.split_once(" requests in ") {
            load.requests = requests.parse().context("the number of requests")?;
        } else if let Some(rate) = line.strip_prefix("Requests/sec:") {
            load.per_s = rate.trim().parse().context("the rate of requests")?;
        } else if line.starts_with("Non-2xx or 3xx responses:") || line.starts_with("Socket errors:") {
            load.wrong.push(line.to_owned());
        }
    }
    ensure!(load.requests > 0, "{WRK} says nothing of requests: {text}");
    Ok(load)
}

/// The peer's process; dropping it kills it.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which is all that is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Report {
    fn text(&self) -> String {
        let line = |Row { scenario, ours, peer, ratio, most, ok }: &Row| {
            let said = if *ok { "" } else { "  too much" };
            format!(
                "{scenario:<10}{:>12.1}{:>12.0}{:>12.1}{:>12.0}{ratio:>10.2}{most:>8.0}{said}\n",
                ours.cpu_us, ours.per_s, peer.cpu_us, peer.per_s
            )
        };
        format!(
            "machine   {}\nsettings  {} connections, {} runs of {} s each\n\n{:<10}{:>12}{:>12}{:>12}{:>12}{:>10}{:>8}\n{}",
            self.machine.line(),
            self.connections,
            self.runs,
            self.seconds,
            "",
            "CPU us",
            "per s",
            "peer us",
            "peer per s",
            "ratio",
            "most",
            self.rows.iter().map(line).collect::<String>()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_prints_is_read_and_an_error_does_not_count() {
        let text = "Running 5s test @ http://127.0.0.1:1/\n  2 threads and 16 connections\n  Thread Stats   Avg      Stdev     Max   +/- Stdev\n    \
            Latency   112.24us   60.78us   2.21ms   86.31%\n  690123 requests in 5.10s, 57.11MB read\nRequests/sec: 135312.02\nTransfer/sec:     11.20MB\n";
        assert_eq!(seen(text).unwrap(), Load { requests: 690_123, per_s: 135_312.02, wrong: Vec::new() });
        let failed =
            format!("{text}  Non-2xx or 3xx responses: 3\n  Socket errors: connect 0, read 1, write 0, timeout 0\n");
        assert_eq!(seen(&failed).unwrap().wrong.len(), 2);
        assert!(seen("").is_err());
    }
}
