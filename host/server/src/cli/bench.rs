//! `wharf bench`: how fast a host takes events in and settles them, measured from outside by its HTTP API.
//!
//! Invariant: it works in tenants that it makes itself and takes away again, whatever happens in between (unless they are to be kept), and
//! touches no other. A figure counts only if every event was taken, and every message that it became settled.

mod book;
mod clients;
mod events;
mod ground;
mod report;

use std::{
    collections::HashMap,
    num::NonZero,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use clap::{Args, ValueEnum};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
    time::{Instant, sleep},
};
use wharf_event::TenantName;

use self::{
    book::Book,
    clients::{End, Run},
    events::{Events, PAYLOAD_BYTES_MIN},
    ground::{Ground, Grounds},
    report::{Report, tell},
};
use super::{
    args::Global,
    error::{CommandError, Exit, talk},
    output::Output,
    said,
};
use crate::{
    client::{Client, ClientError, Resource},
    config::parse_duration,
    progress::Progress,
};

/// How long a host may settle nothing of what waits, once all is sent.
const STILL_MAX: Duration = Duration::from_secs(60);

/// How often the terminal shows how far it has come.
const SHOW_EVERY: Duration = Duration::from_millis(200);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Events to a bus on which nobody waits for them
    Ingest,
    /// Messages through a queue that clients receive of and acknowledge to
    Pull,
    /// Events that a plugin handles, each in a sandbox of its own, counting by key
    Plugin,
    /// Messages that a plugin handles, a batch in one call
    Batch,
    /// Events to a topic, for each subscription a message that clients pull
    Fanout,
    /// As pull, with messages of one key one after the other
    Ordered,
    /// As pull, behind messages that wait already
    Backlog,
}

/// `wharf bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// What is measured
    scenario: Scenario,
    /// How long is measured
    #[arg(long = "for", value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    time: Duration,
    /// Measure so many events in place of so long, rounded up to whole batches
    #[arg(long, value_name = "N", conflicts_with = "time", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    events: Option<u64>,
    /// Send so many events a second, at even times, and count each time from when it was due; else as fast as the host settles
    #[arg(long, value_name = "N/s", value_parser = said::rate)]
    rate: Option<u32>,
    /// How long the same goes on before, in a tenant of its own; 0s for not at all
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse_duration)]
    warm_up: Duration,
    /// Clients that send, each with one request at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    producers: u32,
    /// Clients that receive and acknowledge, each with one request at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    consumers: u32,
    /// Events of one request; 1 sends each for itself
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    batch: u32,
    /// Bytes of one payload
    #[arg(long, value_name = "N", default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(i64::from(PAYLOAD_BYTES_MIN)..=1_000_000))]
    bytes: u32,
    /// Keys that events are spread over
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    keys: u32,
    /// Messages that wait at most where no rate is said
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=500_000))]
    waiting: u32,
    /// Subscriptions of the topic of `fanout`
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    subscriptions: u32,
    /// Messages that wait before `backlog` begins
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..=15_000_000))]
    backlog: u32,
    /// Plugins that the events of `plugin` are spread over, each with a rule of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    plugins: u32,
    /// Further rules on the bus of `plugin`, of which an event meets none
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    rules: u32,
    /// Leave the tenant and all that is in it, for a look at it afterwards
    #[arg(long)]
    keep: bool,
}

impl BenchArgs {
    /// Plugins, each of which has a part of all events.
    fn lanes(&self) -> u32 {
        if self.scenario == Scenario::Plugin { self.plugins } else { 1 }
    }
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The host did not answer, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There is a tenant of that name.
    #[error("the host has a tenant `{0}` already, and a bench uses none that it has not made")]
    NotOurs(TenantName),
    /// A name or a table of times of this program is none.
    #[error("a name or a table of the bench cannot be made")]
    Unmade,
    /// The plugin of the bench does not run there.
    #[error("the host does not run the plugin of the bench: {0}")]
    Unfit(String),
    /// An event was refused for itself.
    #[error("the host did not take an event: {0}")]
    NotTaken(String),
    /// A message could not be acknowledged.
    #[error("the host did not let a message be acknowledged: {0}")]
    NotEnded(String),
    /// An answer was not what was asked for.
    #[error("the host answered something else than was asked")]
    Misanswered,
    /// A message came before one that it had to wait for.
    #[error("event {event} came behind a later one of its key")]
    OutOfOrder {
        /// Its number.
        event: u64,
    },
    /// The plugin failed.
    #[error("{dead_letters} messages were given up and {retries} attempts failed")]
    Failed {
        /// Deliveries that were given up.
        dead_letters: u64,
        /// Attempts that are made again.
        retries: u64,
    },
    /// The host stopped settling.
    #[error("{waiting} messages were not settled, and none was for {} s", STILL_MAX.as_secs())]
    Still {
        /// How many.
        waiting: u64,
    },
    /// A client of this program ended in a panic.
    #[error("a client of the bench ended by itself")]
    Ended,
    /// Somebody stopped it.
    #[error("stopped before anything was measured; what it had made is removed")]
    Stopped,
}

impl BenchError {
    /// The exit status.
    pub fn exit(&self) -> Exit {
        match self {
            Self::NotOurs(_) => Exit::Conflict,
            _ => Exit::Failure,
        }
    }
}

/// Measures.
///
/// # Errors
/// When the host does not answer or refuses, or did not do what a figure needs.
pub fn run(args: &BenchArgs, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    // Half of the processors, since the host may have the same.
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).div_ceil(2);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(threads).enable_all().build().map_err(CommandError::Start)?;
    let report = runtime.block_on(measured(args, global)).map_err(|error| match error {
        BenchError::Client(error) => CommandError::Client(error),
        error => CommandError::Bench(error),
    })?;
    tell(&report, out)?;
    Ok(Exit::Success)
}

/// Measures, and takes away what was made, whatever came of it.
async fn measured(args: &BenchArgs, global: &Global) -> Result<Report, BenchError> {
    let client = Client::new(&global.url)?;
    let mut grounds = Grounds::default();
    let done = tokio::select! {
        done = both(&client, args, global, &mut grounds) => done,
        () = stopped() => Err(BenchError::Stopped),
    };
    if !args.keep {
        grounds.remove(&client).await;
    }
    done
}

/// Waits for Ctrl-C or SIGTERM.
async fn stopped() {
    match signal(SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
        }
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

/// The warm-up and what is measured.
async fn both(client: &Client, args: &BenchArgs, global: &Global, grounds: &mut Grounds) -> Result<Report, BenchError> {
    let (name, is_random) = match &global.tenant {
        Some(said) => (said.clone(), false),
        None => (named(&format!("bench-{:08x}", rand::random::<u32>()))?, true),
    };
    if !args.warm_up.is_zero() {
        let warm = named(&format!("{name}-warm"))?;
        // The name that was said is looked at first: nothing is made where it is somebody's.
        if client.find::<serde::de::IgnoredAny>(&Resource::of(&name)).await?.is_some() {
            return Err(BenchError::NotOurs(name));
        }
        let ground = grounds.make(client, (warm, is_random), args).await?;
        one(client, args, ground, (0, End::Time(args.warm_up)), true).await?;
    }
    let ground = grounds.make(client, (name, is_random), args).await?;
    let (mut first, mut fill_per_s) = (0, None);
    if args.scenario == Scenario::Backlog {
        let batches = u64::from(args.backlog).div_ceil(u64::from(args.batch));
        let filled = one(client, args, ground.clone(), (0, End::Batches(batches)), false).await?;
        (first, fill_per_s) = (batches, Some(report::per_s(filled.book.accepted(), filled.book.lasted().0)));
    }
    let end = match args.events {
        Some(events) => End::Batches(events.div_ceil(u64::from(args.batch))),
        None => End::Time(args.time),
    };
    let cpu = cpu_s(client).await?;
    let run = one(client, args, ground, (first, end), true).await?;
    let cpu = cpu_s(client).await? - cpu;
    let stats = if run.is_pulled { None } else { Some(client.get(&run.ground.stats).await?) };
    Ok(Report::new(args, &run, cpu, stats, fill_per_s))
}

fn named(name: &str) -> Result<TenantName, BenchError> {
    name.parse().map_err(|_| BenchError::Unmade)
}

/// Sends and settles until the end, from a batch on. Without `settles` nobody receives.
async fn one(
    client: &Client,
    args: &BenchArgs,
    ground: Ground,
    (first, end): (u64, End),
    settles: bool,
) -> Result<Arc<Run>, BenchError> {
    let is_pulled =
        settles && matches!(args.scenario, Scenario::Pull | Scenario::Fanout | Scenario::Ordered | Scenario::Backlog);
    let owed = match args.scenario {
        _ if !settles => 0,
        Scenario::Ingest => 0,
        Scenario::Fanout => u64::from(args.subscriptions),
        _ => 1,
    };
    let is_ordered = args.scenario == Scenario::Ordered;
    let run = Arc::new(Run {
        client: client.clone(),
        ground,
        events: Events::new(args.bytes, args.batch, args.keys, is_ordered).in_lanes(args.lanes()),
        book: Book::new(owed, first)?,
        end,
        rate: args.rate.filter(|_| settles),
        waiting_max: u64::from(args.waiting),
        owed,
        is_pulled,
        is_ordered,
        first,
        next: AtomicU64::new(first),
        sent_all: AtomicBool::new(false),
        last_of_keys: Mutex::new(HashMap::new()),
    });
    let mut sending = JoinSet::new();
    (0..args.producers).for_each(|_| drop(sending.spawn(Arc::clone(&run).produce())));
    // These never end by themselves, and end when the set is dropped.
    let mut settling = JoinSet::new();
    if run.is_pulled {
        (0..args.consumers).for_each(|_| drop(settling.spawn(Arc::clone(&run).consume(args.batch))));
    } else if owed > 0 {
        settling.spawn(Arc::clone(&run).watch());
    }
    let progress = Progress::on_terminal();
    let done = tokio::select! {
        done = sent(&run, &mut sending) => done,
        Some(ended) = settling.join_next(), if owed > 0 => ended.unwrap_or(Err(BenchError::Ended)),
        () = shown(&run, &progress) => Ok(()),
    };
    progress.clear();
    done.map(|()| run)
}

/// Waits until everything is sent and settled.
async fn sent(run: &Run, sending: &mut JoinSet<Result<(), BenchError>>) -> Result<(), BenchError> {
    while let Some(ended) = sending.join_next().await {
        ended.unwrap_or(Err(BenchError::Ended))?;
    }
    run.sent_all.store(true, Ordering::Relaxed);
    let (mut last, mut since) = (run.book.settled(), Instant::now());
    while run.book.waiting() > 0 {
        sleep(Duration::from_millis(2)).await;
        let settled = run.book.settled();
        if settled != last {
            (last, since) = (settled, Instant::now());
        } else if since.elapsed() > STILL_MAX {
            return Err(BenchError::Still { waiting: run.book.waiting() });
        }
    }
    Ok(())
}

/// Shows how far it is, for ever.
async fn shown(run: &Run, progress: &Progress) {
    loop {
        sleep(SHOW_EVERY).await;
        let (sent, settled) = (run.book.accepted(), run.book.settled());
        let seconds = run.book.began().elapsed().as_secs();
        let word = if run.sent_all.load(Ordering::Relaxed) { "all sent" } else { "sent" };
        progress.show(&format!("{seconds} s  {sent} {word}, {settled} settled"));
    }
}

/// Processor time that the host has used so far, in seconds.
async fn cpu_s(client: &Client) -> Result<f64, BenchError> {
    let mut lines = client.lines(&Resource::fixed("/metrics")).await?;
    let mut found = None;
    // All of it is read, so that the connection is used again.
    while let Some(line) = lines.next().await? {
        let value = line.strip_prefix(b"process_cpu_seconds_total ").and_then(|value| str::from_utf8(value).ok());
        found = found.or(value.and_then(|value| value.trim().parse().ok()));
    }
    if found.is_none() {
        talk("the host does not tell what it used of processors");
    }
    Ok(found.unwrap_or(f64::NAN))
}
