//! `cargo xtask bench llm`: what the host adds to a call of a model, and what many answers in pieces at a time take of its memory.
//!
//! Method: a provider that answers at once (`tests/models`, a process of its own). It is asked by a client of its own, with the host left out
//! (`bare`); by a plugin, which times each call from where it is made (`routed`: prices, a record that is on its way to the log before the plugin has the
//! answer); and again for what the route has kept (`cached`). The three take turns. Then plugins open many answers in pieces before any is
//! read, of as many words and of four times as many.
//!
//! Invariant: a call that fails fails the run, and so does an answer in pieces that comes to no end; and so do times, or memory for longer answers, beyond
//! what they may be.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::machine::Machine;
use super::median::median;
use super::{Output, folder, say};
use crate::guests;
use crate::host::api::Answer;
use crate::host::binary::{self, Profile};
use crate::host::{Api, Host, Stage};
use crate::interrupt::Interrupt;
use crate::poll;

/// The plugin that times its calls.
const PLUGIN: &str = "model-clock";

/// Calls that one attempt makes: as many as it may.
const CALLS: u32 = 100;

/// Answers in pieces that one attempt has open.
const OPEN: u32 = 8;

/// Words of an answer in pieces; and of a long one.
const WORDS: [u32; 2] = [50, 200];

/// What a call may take beyond the bare provider's, and one that the route has kept.
const ROUTED_US_MAX: f64 = 200.0;
const CACHED_US_MAX: f64 = 100.0;

/// What the longer answers may take of memory beside the shorter ones, of as many at a time, above what the host has without any: an answer passes through,
/// so that its length takes none but what the guest makes of it and what is kept for its delivery.
const LONGER_MAX: f64 = 2.0;

/// How long all answers may take.
const DONE_S_MAX: Duration = Duration::from_secs(180);

/// Options of `cargo xtask bench llm`.
#[derive(clap::Args)]
pub struct Args {
    /// Rounds of a hundred calls of each kind.
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Answers in pieces at a time.
    #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = clap::value_parser!(u32).range(80..=1_000))]
    streams: u32,
    /// Run this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// How to print the numbers.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Many answers at a time.
#[derive(Serialize)]
struct Streamed {
    streams: u32,
    words: u32,
    pieces: u64,
    seconds: f64,
    /// The host's memory before, and at its highest until the last was read, in MiB.
    before_mib: f64,
    peak_mib: f64,
}

#[derive(Serialize)]
struct Report {
    calls: u32,
    /// Medians, in microseconds.
    bare_us: f64,
    routed_us: f64,
    cached_us: f64,
    /// What the host adds, and what it may.
    routed_over_us: f64,
    routed_over_us_max: f64,
    cached_us_max: f64,
    streams: Vec<Streamed>,
    /// What four times as many words take beside the shorter answers, and what it may be.
    longer: f64,
    longer_max: f64,
    ok: bool,
    machine: Machine,
}

/// What the plugin publishes.
#[derive(Deserialize)]
struct Clocked {
    us: Vec<f64>,
    cached: u32,
    pieces: u64,
    ended: u32,
}

/// Builds what is needed, measures, prints.
pub fn run(args: &Args) -> Result<()> {
    let mut guests = guests::build()?;
    guests.retain(|guest| guest.name == PLUGIN);
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Release)?;
    let (folder, interrupt) = (folder()?, Interrupt::catch()?);
    let provider = Provider::start()?;
    let stage = Stage::lay_out(&folder, "llm-", &config(provider.listens.port), &guests)?;
    let host = Host::start_as(&binary, &stage, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0), |command| {
        command.env("BENCH_MODELS_KEY", &provider.listens.key);
    })?;
    let bench = Bench { api: Api::new(&host.ready().url), host: &host, interrupt: &interrupt };
    let mut times = [const { Vec::new() }; 3];
    for round in 0..args.rounds {
        let routed = bench.calls(&format!("routed-{round}"), "plain", false)?;
        let cached = bench.calls(&format!("cached-{round}"), "kept", true)?;
        for (all, more) in times.iter_mut().zip([provider.calls(round)?, routed, cached]) {
            all.extend(more);
        }
    }
    let [bare_us, routed_us, cached_us] = times.map(|times| (median(times) * 10.0).round() / 10.0);
    say(&format!("bare {bare_us} us, routed {routed_us} us, cached {cached_us} us"));
    let mut streams: Vec<Streamed> = Vec::new();
    for (number, words) in [(args.streams / 10, WORDS[0]), (args.streams, WORDS[0]), (args.streams, WORDS[1])] {
        streams.push(bench.streams(number, words)?);
    }
    host.stop()?;
    let routed_over_us = ((routed_us - bare_us) * 10.0).round() / 10.0;
    let longer = match streams.as_slice() {
        [first, short, long] => {
            let above = |of: &Streamed| of.peak_mib - first.before_mib;
            (above(long) / above(short) * 100.0).round() / 100.0
        }
        _ => bail!("three sets of answers in pieces were to be read"),
    };
    let report = Report {
        calls: args.rounds * CALLS,
        bare_us,
        routed_us,
        cached_us,
        routed_over_us,
        routed_over_us_max: ROUTED_US_MAX,
        cached_us_max: CACHED_US_MAX,
        streams,
        longer,
        longer_max: LONGER_MAX,
        ok: routed_over_us <= ROUTED_US_MAX && cached_us <= CACHED_US_MAX && longer <= LONGER_MAX,
        machine: Machine::here(&folder),
    };
    let text = match args.output {
        Output::Text => report.text(),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    ensure!(
        report.ok,
        "a routed call took {routed_over_us} us over the provider's and may take {ROUTED_US_MAX}, one that is kept {cached_us} us and may take \
         {CACHED_US_MAX}, and four times as many words {longer} times the memory and may take {LONGER_MAX}"
    );
    Ok(())
}

fn config(port: u16) -> String {
    format!(
        r#"
[host.prices]
currency = "EUR"
[egress]
networks = ["127.0.0.0/8"]
[llm.providers.local]
kind = "openai"
endpoint = "http://127.0.0.1:{port}/v1"
key_env = "BENCH_MODELS_KEY"
[llm.models.small]
provider = "local"
model = "gpt-small"
input_price = "0.15"
output_price = "0.60"
[tenants.demo.llm.routes]
plain = {{ models = ["small"], tries = 1, timeout = "120s" }}
kept = {{ models = ["small"], tries = 1, cache = "1h" }}
[tenants.demo.plugins.{PLUGIN}]
component = "{PLUGIN}.wasm"
grants = {{ publish = ["clocked"], llm = ["plain", "kept"] }}
limits = {{ llm_calls = {CALLS}, llm_ms = 170000, wall_ms = 170000, cpu_ms = 60000, concurrency = 256 }}
[tenants.demo.rules.clocks]
pattern = {{ type = ["clock"] }}
targets = [{{ plugin = "{PLUGIN}", retry = {{ attempts = 1 }} }}]
"#
    )
}

/// A provider that answers at once.
struct Provider {
    child: Child,
    listens: Listens,
}

/// Where it listens, and the key that it wants.
#[derive(Deserialize)]
struct Listens {
    port: u16,
    key: String,
}

impl Provider {
    fn start() -> Result<Self> {
        let program = binary::build_of("wharf-models", Profile::Release)?;
        // It ends with its stdin.
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the provider")?;
        let stdout = child.stdout.take().context("the provider has no stdout")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        Ok(Self { child, listens: serde_json::from_str(&line).context("where the provider listens")? })
    }

    /// Calls of it by itself, over one connection, asked as the host asks: microseconds of each.
    fn calls(&self, round: u32) -> Result<Vec<f64>> {
        let agent = ureq::Agent::new_with_defaults();
        let Listens { port, key } = &self.listens;
        let url = format!("http://127.0.0.1:{port}/v1/chat/completions");
        let call = |call: u32| {
            let text = format!("how are you bare-{round} {call}");
            let body = json!({"model": "gpt-small", "messages": [{"role": "user", "content": text}]}).to_string();
            let request =
                agent.post(&url).header("authorization", format!("Bearer {key}")).content_type("application/json");
            let began = Instant::now();
            let answer: Value = serde_json::from_str(&request.send(body)?.body_mut().read_to_string()?)?;
            let us = began.elapsed().as_secs_f64() * 1e6;
            ensure!(answer.pointer("/choices/0/message/content").is_some(), "the provider did not answer: {answer}");
            Ok(us)
        };
        // The first one makes the connection.
        (0..=CALLS).map(call).skip(1).collect()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // It may have ended already, which is all that is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Bench<'a> {
    api: Api,
    host: &'a Host,
    interrupt: &'a Interrupt,
}

impl Bench<'_> {
    /// The calls of one attempt: microseconds of each.
    fn calls(&self, id: &str, route: &str, same: bool) -> Result<Vec<f64>> {
        let wanted = json!({"route": route, "text": "how are you", "calls": CALLS, "same": same});
        let clocked = self.clocked(&[(id.to_owned(), wanted)], || Ok(()))?;
        let mut times = Vec::new();
        for one in clocked {
            // Of the first of all that are the same nobody has an answer.
            ensure!(one.cached == 0 || one.cached + 1 >= CALLS, "{} of {CALLS} answers were kept ones", one.cached);
            ensure!(same == (one.cached > 0), "an answer was kept that was not to be, or none was");
            times.extend(one.us.into_iter().skip(usize::from(same)));
        }
        Ok(times)
    }

    /// Many answers in pieces, all of them begun before one is read.
    fn streams(&self, streams: u32, words: u32) -> Result<Streamed> {
        let text = vec!["word"; words as usize].join(" ");
        let wanted = |n| {
            let wanted = json!({"route": "plain", "text": text, "streams": OPEN});
            (format!("streams-{streams}-{words}-{n}"), wanted)
        };
        let events: Vec<_> = (0..streams / OPEN).map(wanted).collect();
        let before = self.mib()?;
        let (mut peak, began) = (before, Instant::now());
        let clocked = self.clocked(&events, || {
            peak = peak.max(self.mib()?);
            Ok(())
        })?;
        let ended: u32 = clocked.iter().map(|one| one.ended).sum();
        ensure!(ended == streams / OPEN * OPEN, "{ended} answers came to their end");
        let streamed = Streamed {
            streams: ended,
            words,
            pieces: clocked.iter().map(|one| one.pieces).sum(),
            seconds: (began.elapsed().as_secs_f64() * 10.0).round() / 10.0,
            before_mib: before,
            peak_mib: peak,
        };
        say(&format!("{ended} streams of {words} words: {before} MiB before, {peak} MiB at its highest"));
        Ok(streamed)
    }

    fn mib(&self) -> Result<f64> {
        #[allow(clippy::cast_precision_loss, reason = "it is far below 2^52")]
        Ok((self.host.resident_kib()? as f64 / 102.4).round() / 10.0)
    }

    /// Has the plugin do what is wanted, each in an attempt of its own; `meanwhile` is done again and again until all are settled.
    fn clocked(&self, wanted: &[(String, Value)], mut meanwhile: impl FnMut() -> Result<()>) -> Result<Vec<Clocked>> {
        for (id, wanted) in wanted {
            let event = json!({
                "specversion": "1.0", "id": id, "source": "bench", "type": "clock", "datacontenttype": "application/json", "data": wanted
            });
            match self.api.post(&event.to_string())? {
                Answer::Accepted(_) => {}
                other => bail!("an event was not taken: {other:?}"),
            }
        }
        poll::until("the calls to be over", DONE_S_MAX, self.interrupt, || {
            meanwhile()?;
            let stats = self.api.stats()?;
            ensure!(
                stats.dead_letters == 0,
                "the plugin failed: `wharf dlq` of a host with this configuration says why"
            );
            Ok((stats.pending == 0).then_some(()))
        })?;
        let page = self.api.read(&format!("/events?type_prefix=clocked&limit={}", wanted.len()))?;
        let events = page.as_array().context("a page of events is a list")?;
        let data = |event: &Value| event.pointer("/event/data").cloned().context("an event has no payload");
        events.iter().map(|event| Ok(serde_json::from_value(data(event)?)?)).collect()
    }
}

impl Report {
    fn text(&self) -> String {
        let Self { calls, bare_us, routed_us, cached_us, routed_over_us, streams, machine, .. } = self;
        let rows: String = streams
            .iter()
            .map(|row| {
                format!(
                    "{:>10}{:>8}{:>10}{:>10.1}{:>14.1}{:>12.1}\n",
                    row.streams, row.words, row.pieces, row.seconds, row.before_mib, row.peak_mib
                )
            })
            .collect();
        format!(
            "machine   {}\nsettings  {calls} calls of each kind, one after the other; medians\n\n\
             bare      {bare_us:.0} us\nrouted    {routed_us:.0} us: {routed_over_us:.0} us more ({ROUTED_US_MAX:.0} us may be)\n\
             cached    {cached_us:.0} us ({CACHED_US_MAX:.0} us may be)\n\n{:>10}{:>8}{:>10}{:>10}{:>14}{:>12}\n{rows}",
            machine.line(),
            "streams",
            "words",
            "pieces",
            "seconds",
            "before, MiB",
            "peak, MiB"
        )
    }
}
