//! One life of a partition after another, as its clients see it: what was asked, what was acknowledged.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use bytes::Bytes;
use wharf_delivery::{AcceptRequest, Answer, Record, Request, RulesRow, Table, Tables as _};
use wharf_dispatch::{CommitFailed, Committer, chain};
use wharf_event::{Event, Position};
use wharf_faults::FaultyDisk;
use wharf_state::{Checkpoint, State};

use crate::{
    home::{CutHome, Hands, surroundings},
    site::Site,
};

/// How long an event is remembered, in milliseconds.
pub const WINDOW_MS: u64 = 3_600_000;

/// Every row of every table.
pub type Dump = BTreeMap<(Table, Bytes), Bytes>;

/// The run ended here: the disk failed.
#[derive(Debug, thiserror::Error)]
#[error("broken off: {0}")]
pub struct BrokenOff(pub String);

impl From<CommitFailed> for BrokenOff {
    fn from(error: CommitFailed) -> Self {
        Self(error.to_string())
    }
}

/// What clients know.
#[derive(Clone, Default, Debug)]
pub struct Told {
    /// Requests that were answered.
    pub answered: usize,
    /// Received events that were acknowledged, with their positions.
    pub events: Vec<(Position, Event)>,
    /// The events of the request in flight.
    pub in_flight: Vec<Event>,
    /// The first frame that stays, once that was asked for: what lies before may be gone.
    pub cleaned_below: u64,
}

/// A partition on a disk.
pub struct Runner {
    pub disk: FaultyDisk,
    pub hands: Arc<Hands>,
    pub told: Told,
    /// The tables after each answered request; the first one is from before any.
    pub dumps: Vec<Dump>,
    /// The version of the rule set in force.
    pub rules_version: u64,
    keeps_dumps: bool,
    without: Option<Site>,
    life: u64,
    committer: Option<Committer>,
    frozen: Option<Checkpoint>,
}

impl Runner {
    /// A run on `disk`, in its `life`-th life. With `keeps_dumps` it writes down all tables after each request.
    pub fn new(disk: FaultyDisk, without: Option<Site>, life: u64, keeps_dumps: bool) -> Self {
        let dumps = if keeps_dumps { vec![Dump::new()] } else { Vec::new() };
        let (hands, told) = (Arc::default(), Told::default());
        Self { disk, hands, told, dumps, rules_version: 0, keeps_dumps, without, life, committer: None, frozen: None }
    }

    /// Begins a life: opens what is there.
    pub fn open(&mut self) -> Result<(), BrokenOff> {
        (self.committer, self.frozen) = (None, None);
        self.life += 1;
        let home = CutHome::new(&self.disk, self.without);
        let opened = Committer::open(&home, WINDOW_MS, surroundings(&self.hands, self.life));
        let (committer, _) = opened.map_err(|error| BrokenOff(chain(&error)))?;
        let rules = committer.read(|state| RulesRow::get(state, &[]));
        self.rules_version = rules.map_err(|error| BrokenOff(chain(&error)))?.map_or(0, |rules| rules.version);
        self.committer = Some(committer);
        Ok(())
    }

    pub fn committer(&mut self) -> Result<&mut Committer, BrokenOff> {
        self.committer.as_mut().ok_or_else(|| BrokenOff("it is not open".into()))
    }

    /// Asks, and notes what was answered.
    pub fn ask(&mut self, requests: Vec<Request>) -> Result<Vec<Answer>, BrokenOff> {
        self.hands.pass(10);
        let sent: Vec<Event> = requests.iter().flat_map(events).collect();
        self.told.in_flight.clone_from(&sent);
        let mut requests = requests.into_iter();
        let Some(first) = requests.next() else { return Ok(Vec::new()) };
        let committed = self.committer()?.commit(first, || requests.next())?;
        let mut answers = Vec::new();
        for answer in committed.answers {
            answers.push(answer.map_err(|error| BrokenOff(format!("the script is wrong: {error}")))?);
        }
        self.note(&answers, sent);
        Ok(answers)
    }

    fn note(&mut self, answers: &[Answer], sent: Vec<Event>) {
        match answers.first() {
            Some(Answer::Configured { version }) => self.rules_version = *version,
            Some(Answer::Changed(changed)) => self.rules_version = changed.rules_version,
            _ => {}
        }
        let accepted = answers.iter().filter_map(|answer| match answer {
            Answer::Accepted(accepted) => Some(accepted.iter().flatten()),
            _ => None,
        });
        let positions: Vec<_> = accepted.flatten().map(|one| (one.position, one.duplicate)).collect();
        let new = positions.into_iter().zip(sent).filter(|((_, duplicate), _)| !duplicate);
        self.told.events.extend(new.map(|((position, _), event)| (position, event)));
        self.told.in_flight.clear();
        self.told.answered += 1;
        if self.keeps_dumps
            && let Some(dump) = self.dump()
        {
            self.dumps.push(dump);
        }
    }

    /// Freezes the state for a checkpoint.
    pub fn freeze(&mut self) -> Result<(), BrokenOff> {
        self.frozen = self.committer()?.checkpoint();
        Ok(())
    }

    /// Writes the frozen checkpoint.
    pub fn write(&mut self) -> Result<(), BrokenOff> {
        let Some(frozen) = self.frozen.take() else { return Ok(()) };
        let written = frozen.write_at_once().map_err(|error| chain(&error));
        Ok(self.committer()?.thaw(written)?)
    }

    /// Every row, as it is now.
    pub fn dump(&self) -> Option<Dump> {
        self.committer.as_ref().map(|committer| committer.read(dump))
    }

    /// Ends this life without a word.
    pub fn end(&mut self) {
        (self.committer, self.frozen) = (None, None);
    }
}

/// The events that a request brings in.
fn events(request: &Request) -> Vec<Event> {
    match request {
        Request::Accept(accept) => accept.events.iter().map(|one| one.event.clone()).collect(),
        Request::Replay(replay) => brought(replay.events.as_ref()),
        Request::Fire(fire) => brought(fire.event.as_ref()),
        Request::Serve(serve) => brought(Some(&serve.accept)),
        _ => Vec::new(),
    }
}

fn brought(accept: Option<&AcceptRequest>) -> Vec<Event> {
    accept.into_iter().flat_map(|accept| &accept.events).map(|one| one.event.clone()).collect()
}

fn dump(state: &State) -> Dump {
    let rows = |table| {
        let rows = state.scan(table, &[], Bound::Unbounded, usize::MAX).unwrap_or_default();
        rows.into_iter().map(move |(key, row)| ((table, key), row))
    };
    Table::ALL.into_iter().flat_map(rows).collect()
}

/// The received event in a record.
pub fn received(record: &Record) -> Option<&Event> {
    match record {
        Record::Accept { event, .. } => Some(event),
        _ => None,
    }
}
