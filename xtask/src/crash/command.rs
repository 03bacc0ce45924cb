//! The command line of `cargo xtask crash`, and its rounds.
//!
//! Invariant: the exit status is the verdict: 0 only if nothing was found and enough kills hit requests in flight. The folder is
//! removed on success, and kept and named otherwise.
//!
//! It does not repeat a run: the moments of the kills are random, and so is what the machine does meanwhile.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::ledger::Ledger;
use super::traffic::{self, CLIENTS, Seen, Sent, Source};
use super::verdict;
use crate::guests::cargo;
use crate::host::binary::{self, Profile};
use crate::host::{Api, Host, Stage};
use crate::interrupt::Interrupt;
use crate::payloads::{self, Payload};
use crate::poll;

/// Any free port, as a restarted host may not get the one that it had.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The earliest moment of a kill after the clients began.
const KILL_MS_MIN: Duration = Duration::from_millis(20);

/// How many kills of a hundred must hit requests in flight.
const IN_FLIGHT_PERCENT_MIN: u32 = 80;

/// Every how many rounds the host is first stopped as an operator would. That makes it write a checkpoint, so that later restarts
/// have to continue from one and not only from the log.
const STOP_EVERY: u32 = 4;

/// Sentences about what is wrong that are printed.
const VIOLATIONS_SHOWN_MAX: usize = 20;

/// Options of `cargo xtask crash`.
#[derive(clap::Args)]
pub struct Args {
    /// How often the host is killed.
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How long a round's traffic runs before the kill, at most.
    #[arg(long, default_value_t = 1.0, value_name = "S")]
    seconds: f64,
    /// Kill the release build instead of the dev one.
    #[arg(long)]
    release: bool,
    /// Kill this binary instead of one that is built first.
    #[arg(long, value_name = "FILE", conflicts_with = "release")]
    binary: Option<PathBuf>,
}

impl Args {
    /// So many rounds of the dev build.
    pub fn rounds(rounds: u32) -> Self {
        Self { rounds, seconds: 1.0, release: false, binary: None }
    }
}

/// What was sent in a round.
struct Round {
    killed_after: Duration,
    in_flight: usize,
    acknowledged: Vec<(Sent, String)>,
    unanswered: Vec<Sent>,
}

/// Builds, kills, restarts and judges.
pub fn run(args: &Args) -> Result<()> {
    let longest = Duration::try_from_secs_f64(args.seconds).context("--seconds")?;
    let payloads = payloads::read(&cargo::repository())?;
    let stage = Stage::prepare("wharf-crash-")?;
    let profile = if args.release { Profile::Release } else { Profile::Dev };
    let binary = binary::given_or_built(args.binary.as_deref(), profile)?;
    let interrupt = Interrupt::catch()?;
    match rounds(args.rounds, longest, &binary, &stage, &payloads, &interrupt) {
        Ok(()) => Ok(()),
        Err(error) if interrupt.came() => Err(error),
        Err(error) => Err(error.context(format!("the folder is kept: {}", stage.keep().display()))),
    }
}

fn rounds(
    rounds: u32,
    longest: Duration,
    binary: &Path,
    stage: &Stage,
    payloads: &[Payload],
    interrupt: &Interrupt,
) -> Result<()> {
    let source = Source::new(payloads);
    let mut ledger = Ledger::default();
    let mut violations = Vec::new();
    let mut hits = 0;
    let mut host = Host::start(binary, stage, LISTEN)?;
    for n in 1..=rounds {
        interrupt.check()?;
        if n.is_multiple_of(STOP_EVERY) {
            host.stop()?;
            host = Host::start(binary, stage, LISTEN)?;
            println!("stopped and started: {:>5} frames replayed", host.ready().frames_replayed);
        }
        let round = kill_amid_traffic(host, &source, longest)?;
        host = Host::start(binary, stage, LISTEN)?;
        hits += u32::from(round.in_flight > 0);
        let ready = host.ready().clone();
        let api = Api::new(&ready.url);
        violations.extend(ledger.missing(&api, &round.acknowledged)?);
        for (sent, position) in &round.acknowledged {
            ledger.acknowledge(sent, position.clone());
        }
        let kept = ledger.send_again(&api, payloads, &round.unanswered)?;
        println!(
            "round {n:>3}: killed after {:>4} ms, {} in flight ({kept} of them kept), {:>5} acknowledged, {:>5} frames replayed, {:>5} deliveries pending",
            round.killed_after.as_millis(),
            round.in_flight,
            round.acknowledged.len(),
            ready.frames_replayed,
            ready.pending,
        );
    }
    let verdict = verdict::reach(&Api::new(&host.ready().url), &ledger, payloads, interrupt)?;
    violations.extend(verdict.violations);
    host.stop()?;
    let tally = verdict.tally;
    println!(
        "in all: {} events, {} deliveries, {} published, {} dead letters; {hits} of {rounds} kills hit requests in flight",
        tally.events, tally.deliveries, tally.published, tally.dead_letters
    );
    judge(&violations, hits, rounds)
}

fn judge(violations: &[String], hits: u32, rounds: u32) -> Result<()> {
    violations.iter().take(VIOLATIONS_SHOWN_MAX).for_each(|violation| println!("wrong: {violation}"));
    if !violations.is_empty() {
        bail!("{} things are wrong", violations.len());
    }
    if hits * 100 < rounds * IN_FLIGHT_PERCENT_MIN {
        bail!(
            "only {hits} of {rounds} kills hit requests in flight: {IN_FLIGHT_PERCENT_MIN} % must, or it proves little"
        );
    }
    Ok(())
}

/// Lets the clients send, kills the host at some moment, and gathers what the clients saw.
fn kill_amid_traffic(mut host: Host, source: &Source<'_>, longest: Duration) -> Result<Round> {
    let url = host.ready().url.clone();
    let killed_after = traffic::random_moment(KILL_MS_MIN, longest);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| traffic::client(&url, source))).collect();
        poll::pause(killed_after);
        if let Some(status) = host.ended()? {
            bail!("the host ended by itself: {status}");
        }
        let killed = Instant::now();
        host.kill()?;
        let mut round = Round { killed_after, in_flight: 0, acknowledged: Vec::new(), unanswered: Vec::new() };
        for client in clients {
            let Seen { acknowledged, unanswered } = client.join().ok().context("a client ended in a panic")??;
            round.acknowledged.extend(acknowledged);
            if let Some((sent, begun)) = unanswered {
                round.in_flight += usize::from(begun < killed);
                round.unanswered.push(sent);
            }
        }
        Ok(round)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_good_only_without_violations_and_with_enough_hits() {
        let wrong = ["a was lost".to_owned()];
        for (violations, hits, rounds, good) in
            [(&[][..], 10, 10, true), (&[], 8, 10, true), (&[], 7, 10, false), (&wrong, 10, 10, false)]
        {
            assert_eq!(judge(violations, hits, rounds).is_ok(), good, "{violations:?} {hits} of {rounds}");
        }
    }
}
