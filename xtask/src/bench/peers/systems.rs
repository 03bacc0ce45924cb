//! The peers: which there are, how each is started, and how it relays messages.
//!
//! Invariant: each has its files in a folder of its own that goes with it, and listens on loopback only.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::super::drive::{Done, End, Work};
use super::super::load::{BATCH, Load};
use super::super::peer::{self, Server};
use super::super::served::Served;
use super::super::{family, say, streams};
use super::rabbit::Rabbit;
use super::rows::{Cell, Scenario};
use super::{WAITING_MAX, jetstream, postgres, rabbit};
use crate::interrupt::Interrupt;

/// How long each goes on before it counts.
pub const WARM_UP: Duration = Duration::from_secs(1);

/// Different messages, which producers take in turns.
const MESSAGES: usize = 10_000;

/// A peer that is installed.
pub enum System {
    /// Redis streams, every write synced.
    Redis(PathBuf),
    /// NATS JetStream, every write synced or as by default.
    JetStream {
        /// The server's program.
        program: PathBuf,
        /// Whether it syncs.
        syncs: bool,
    },
    /// RabbitMQ's quorum queues.
    Rabbit(PathBuf),
    /// Postgres, by the folder of its programs.
    Postgres(PathBuf),
}

/// One that runs.
pub enum Running {
    /// Redis.
    Redis(Server),
    /// NATS, at a port.
    JetStream(Served, u16),
    /// RabbitMQ.
    Rabbit(Rabbit),
    /// Postgres, at a port.
    Postgres(Served, u16),
}

/// The messages of both scenarios.
pub struct Payloads {
    batches: Vec<Vec<String>>,
    singles: Vec<Vec<String>>,
}

impl Payloads {
    /// Makes them.
    pub fn new() -> Self {
        let load = Load::new(MESSAGES);
        let of = |size| load.batches_of(size).map(<[String]>::to_vec).collect();
        Self { batches: of(BATCH), singles: of(1) }
    }

    fn of(&self, scenario: Scenario) -> &[Vec<String>] {
        if scenario == Scenario::Single { &self.singles } else { &self.batches }
    }
}

impl System {
    /// Those that are here, or can be installed; of others it is said why not.
    pub fn installed() -> Vec<Self> {
        let nats = jetstream::program();
        let synced = nats.as_ref().map(|program| Self::JetStream { program: program.clone(), syncs: true });
        let all = [
            ("Redis", peer::program().map(Self::Redis)),
            ("NATS with a sync for each write", synced.map_err(|error| anyhow::anyhow!("{error:#}"))),
            ("NATS", nats.map(|program| Self::JetStream { program, syncs: false })),
            ("RabbitMQ", rabbit::program().map(Self::Rabbit)),
            ("Postgres", postgres::programs().map(Self::Postgres)),
        ];
        let there = |(name, found): (&str, Result<Self>)| {
            found.inspect_err(|error| say(&format!("{name} is left out: {error:#}"))).ok()
        };
        all.into_iter().filter_map(there).collect()
    }

    /// What it is called in the table.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Redis(_) => "redis",
            Self::JetStream { syncs: true, .. } => "jetstream",
            Self::JetStream { syncs: false, .. } => "jetstream-default",
            Self::Rabbit(_) => "rabbitmq",
            Self::Postgres(_) => "postgres",
        }
    }

    /// Whether what it acknowledged is synced.
    pub fn syncs(&self) -> bool {
        !matches!(self, Self::JetStream { syncs: false, .. })
    }

    /// Its version, and what decides its numbers.
    pub fn described(&self) -> Result<String> {
        Ok(match self {
            Self::Redis(program) => format!("redis: Redis {}, {}", peer::version(program)?, peer::settings()),
            Self::JetStream { program, syncs: true } => {
                format!("jetstream: NATS {}, sync_interval always", jetstream::version(program)?)
            }
            Self::JetStream { program, .. } => {
                format!("jetstream-default: NATS {}, acknowledged before it is synced", jetstream::version(program)?)
            }
            Self::Rabbit(_) => format!("rabbitmq: RabbitMQ {}, a quorum queue with confirms", rabbit::version()?),
            Self::Postgres(programs) => {
                format!("postgres: Postgres {}, as delivered, FOR UPDATE SKIP LOCKED", postgres::version(programs)?)
            }
        })
    }

    /// The files and folders that it is made of, without what any program of the machine has.
    pub fn parts(&self) -> Vec<PathBuf> {
        match self {
            Self::Redis(program) | Self::JetStream { program, .. } => vec![program.clone()],
            // Erlang is its run-time system, and of use to nothing else here.
            Self::Rabbit(_) => vec!["/usr/lib/rabbitmq".into(), "/usr/lib/erlang".into()],
            Self::Postgres(programs) => programs.parent().map(Path::to_owned).into_iter().collect(),
        }
    }

    /// Starts it, and has it relay both ways.
    pub fn cells(
        &self,
        within: &Path,
        payloads: &Payloads,
        time: Duration,
        interrupt: &Interrupt,
    ) -> Result<Vec<(Scenario, Cell)>> {
        let folder = tempfile::Builder::new().prefix(&format!("peers-{}-", self.name())).tempdir_in(within)?;
        let running = self.start(folder.path(), interrupt)?;
        let mut cells = Vec::new();
        for scenario in [Scenario::Pull, Scenario::Single] {
            running.relay(scenario, payloads, WARM_UP, None, interrupt)?;
            let cpu = family::cpu(running.served().pid())?;
            let done = running.relay(scenario, payloads, time, None, interrupt)?;
            let cpu = family::cpu(running.served().pid())?.saturating_sub(cpu);
            #[allow(clippy::cast_precision_loss, reason = "numbers of events are exact in a double")]
            let events = done.events as f64;
            let (per_s, cpu_us) = (events / done.time.as_secs_f64(), cpu.as_secs_f64() * 1e6 / events);
            cells.push((scenario, Cell { per_s, cpu_us }));
        }
        Ok(cells)
    }

    /// Starts it, with its files in `folder`.
    pub fn start(&self, folder: &Path, interrupt: &Interrupt) -> Result<Running> {
        Ok(match self {
            Self::Redis(program) => {
                let server = Server::start(program, folder, interrupt)?;
                streams::prepare(&server)?;
                Running::Redis(server)
            }
            Self::JetStream { program, syncs } => {
                let (served, port) = jetstream::start(program, folder, *syncs, interrupt)?;
                Running::JetStream(served, port)
            }
            Self::Rabbit(program) => Running::Rabbit(Rabbit::start(program, folder, interrupt)?),
            Self::Postgres(programs) => {
                let (served, port) = postgres::start(programs, folder, interrupt)?;
                Running::Postgres(served, port)
            }
        })
    }
}

impl Running {
    /// Its process.
    pub fn served(&self) -> &Served {
        match self {
            Self::Redis(server) => server.served(),
            Self::JetStream(served, _) | Self::Postgres(served, _) => served,
            Self::Rabbit(rabbit) => &rabbit.server,
        }
    }

    /// Has it relay messages for so long, as fast as it goes or so many a second.
    pub fn relay(
        &self,
        scenario: Scenario,
        payloads: &Payloads,
        time: Duration,
        per_s: Option<f64>,
        interrupt: &Interrupt,
    ) -> Result<Done> {
        let work = Work { batch: scenario.batch(), end: End::Time(time), waiting_max: WAITING_MAX, per_s };
        let payloads = payloads.of(scenario);
        match self {
            Self::Redis(server) => {
                let pipelines = streams::pipelines(payloads.iter().map(Vec::as_slice));
                streams::relay(server, &pipelines, work, interrupt)
            }
            Self::JetStream(_, port) => jetstream::run(*port, payloads, work, interrupt),
            Self::Rabbit(rabbit) => rabbit.run(payloads, work, interrupt),
            Self::Postgres(_, port) => postgres::run(*port, payloads, work, interrupt),
        }
    }
}
