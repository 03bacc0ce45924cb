//! The command line of `cargo xtask demo`, and its steps in order.
//!
//! Invariant: with `-o json` stdout has exactly one object; all talk is on stderr.
//!
//! It does not count: [`crate::tally`] does.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::ValueEnum;

use super::send;
use super::summary::Summary;
use crate::guests::cargo;
use crate::host::binary::{self, Profile};
use crate::host::{Api, Host, Stage, child};
use crate::interrupt::Interrupt;
use crate::tally::Tally;
use crate::{payloads, poll};

/// Where the command line of the product looks for a host.
const LISTEN_DEFAULT: &str = "127.0.0.1:7070";

/// How long all deliveries may take to end, besides what the number of events adds.
const DRAIN_S_MAX: Duration = Duration::from_secs(120);

/// What each event adds to that: 0.2 s a hundred.
const DRAIN_EACH: Duration = Duration::from_millis(2);

/// Options of `cargo xtask demo`.
#[derive(clap::Args)]
pub struct Args {
    /// Stop after the summary; the exit status says whether the totals are right.
    #[arg(long)]
    exit: bool,
    /// Send the payloads so many times, each time under new ids.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    times: u32,
    /// Where the host is to listen.
    #[arg(long, default_value = LISTEN_DEFAULT, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Run this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// How to print the summary.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// One object.
    Json,
}

/// Builds, starts, sends, waits, prints, and serves on.
pub fn run(args: &Args) -> Result<()> {
    let payloads = payloads::read(&cargo::repository())?;
    let stage = Stage::prepare("wharf-demo-")?;
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Release)?;
    let interrupt = Interrupt::catch()?;
    say("starting it");
    let mut host = Host::start(&binary, &stage, args.listen)?;
    let url = host.ready().url.clone();
    let api = Api::new(&url);

    let events = send::events(&payloads, args.times);
    say(&format!("sending {} events to {url}", events.len()));
    let start = Instant::now();
    send::all(&url, &events, &interrupt)?;
    say(&format!("sent in {:.1} s; waiting for the last delivery", start.elapsed().as_secs_f64()));
    let each = DRAIN_EACH.saturating_mul(u32::try_from(events.len()).unwrap_or(u32::MAX));
    poll::until("the deliveries to end", DRAIN_S_MAX + each, &interrupt, || {
        Ok((api.stats()?.pending == 0).then_some(()))
    })?;
    let summary = Summary::of(&api)?;
    let text = if args.output == Output::Json { summary.as_json()? } else { summary.as_text() };
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;

    let mut expected = Tally::default();
    events.iter().for_each(|event| expected.add(event.payload));
    let differences = summary.differences(&expected);
    for difference in &differences {
        say(difference);
    }
    if differences.is_empty() {
        say("these totals equal a count made from the payload file alone");
    }
    if !args.exit {
        invite(&binary, &stage, &url, args.times);
        while !interrupt.came() {
            if let Some(status) = host.ended()? {
                bail!("the host ended by itself with {status}: {}", child::last_words(&stage.log()));
            }
            poll::pause(Duration::from_millis(100));
        }
        eprintln!();
        say("stopping the host");
    }
    host.stop()?;
    if !differences.is_empty() {
        bail!("{} totals are wrong", differences.len());
    }
    Ok(())
}

/// Says what to do while the host serves.
fn invite(binary: &Path, stage: &Stage, url: &str, rounds: u32) {
    let at = if url == format!("http://{LISTEN_DEFAULT}") { String::new() } else { format!(" --url {url}") };
    let wharf = format!("{}{at}", shortened(binary).display());
    let retried = send::id(10, 1, rounds);
    eprintln!(
        "
Serving on {url} until Ctrl-C. In another terminal, from this folder, try

  {wharf} send triage.labeled -d '{{\"labels\":[\"bug\"]}}'
  {wharf} kv ls label-stats
  {wharf} events ls --limit 5
  {wharf} events show {retried}
  {wharf} dlq ls flaky-failed
  {wharf} dlq redrive flaky-failed --all
  {wharf} tail

The configuration is {}, the host's log {}.",
        stage.config().display(),
        stage.log().display(),
    );
}

/// The path as one would type it in the repository's folder.
fn shortened(binary: &Path) -> &Path {
    std::env::current_dir().ok().and_then(|here| binary.strip_prefix(here).ok()).unwrap_or(binary)
}

fn say(what: &str) {
    eprintln!("demo: {what}");
}
