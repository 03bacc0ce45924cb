//! Transition: a redrive at a rate starts, goes on, or ends.
//!
//! Invariant: what moves its cursor behind a letter is in the frame in which the letter goes, or neither is: a request names how the redrive stood,
//! and comes to nothing where that is different now. A queue has one such redrive; the next one takes the place of one that is over. Which letters
//! are meant, and when they go, is worked out by whoever asks.

use bytes::Bytes;
use wharf_event::{Position, QueueName, TenantName};

use crate::{
    DeadLetterRow, DeliveryId, Record, RedriveRequest, RedriveWhich, Redriven, ReplayPhase, ValueRow,
    codec::{DecodeError, Reader, Writer},
    keys,
    limits::REDRIVE_PAGE,
    redrive,
    rows::{Row as _, read_of},
    sequencer::{Answer, Decision, Refused, Sequencer},
    tables::{Table, TableError, Tables},
};

/// How a redrive at a rate stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedriveState {
    /// What is wished, as whoever made it wrote it: the machine does not read it.
    pub document: Bytes,
    /// The last letter that was looked at; absent at the beginning.
    pub after: Option<DeliveryId>,
    /// Letters that went.
    pub redriven: u64,
    /// Whether it goes on.
    pub phase: ReplayPhase,
    /// Why it failed; empty otherwise.
    pub reason: String,
}

impl RedriveState {
    /// How the redrive of a queue stands; absent when there was none.
    ///
    /// # Errors
    /// When the table cannot be read or the row is damaged.
    pub fn get(tables: &impl Tables, tenant: &TenantName, queue: &QueueName) -> Result<Option<Self>, TableError> {
        let row = ValueRow::held(tables, Table::Redrives, &keys::queue(tenant, queue))?;
        row.map(|row| Self::of_row(&row)).transpose()
    }

    /// Reads a row of [`Table::Redrives`] as a scan gives it.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn from_bytes(row: &Bytes) -> Result<Self, TableError> {
        Self::of_row(&ValueRow::decode_of(Table::Redrives, row)?)
    }

    fn of_row(row: &ValueRow) -> Result<Self, TableError> {
        read_of(Table::Redrives, &row.value, Self::take)
    }

    /// Whether the redrive may come to stand like this after `was`, when these letters go: it begins with nothing done where none goes on, and only
    /// one that runs moves, and only forward.
    fn follows(&self, was: Option<&Self>, letters: &[DeliveryId]) -> bool {
        let Some(was) = was.filter(|was| was.phase == ReplayPhase::Running) else {
            let begins = self.phase == ReplayPhase::Running && self.after.is_none();
            return begins && letters.is_empty() && self.redriven == 0;
        };
        let passed = |id: &DeliveryId| Some(*id) > was.after && Some(*id) <= self.after;
        self.document == was.document && self.after >= was.after && letters.iter().all(passed)
    }

    fn put(&self, w: &mut Writer) {
        w.bytes(&self.document);
        match self.after {
            Some(after) => w.u8(1).delivery(after),
            None => w.u8(0),
        };
        w.u64(self.redriven).u8(self.phase as u8).str(&self.reason);
    }

    fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        let document = r.bytes("document")?;
        let after = if r.u8("has a last letter")? == 1 { Some(r.delivery("last letter")?) } else { None };
        let (redriven, phase) = (r.u64("redriven")?, ReplayPhase::take(r)?);
        Ok(Self { document, after, redriven, phase, reason: r.str("reason")? })
    }
}

/// The wish that a redrive at a rate starts, goes on, or ends.
#[derive(Clone, Debug)]
pub struct RedrivingRequest {
    /// Whose it is.
    pub tenant: TenantName,
    /// The queue that its letters are in.
    pub queue: QueueName,
    /// The version of the rules that whoever begins one knew; absent where it goes on.
    pub rules_version: Option<u64>,
    /// How it is taken to stand; absent = there was none.
    pub was: Option<RedriveState>,
    /// How it stands from now on. How many letters went is counted where that is decided.
    pub state: RedriveState,
    /// The letters that go, those of them that are still there: at most 500.
    pub letters: Vec<DeliveryId>,
}

pub(crate) fn decide<T: Tables>(
    sequencer: &mut Sequencer,
    request: RedrivingRequest,
    tables: &T,
) -> Result<Result<Decision, Refused>, TableError> {
    let RedrivingRequest { tenant, queue, rules_version, was, mut state, mut letters } = request;
    if rules_version.is_some_and(|version| version != sequencer.rules_version(&tenant)) {
        return Ok(Err(Refused::StaleRules));
    }
    let stands = RedriveState::get(tables, &tenant, &queue)?;
    if stands != was || letters.len() > REDRIVE_PAGE || !state.follows(was.as_ref(), &letters) {
        return Ok(Err(Refused::Gone));
    }
    letters.sort_unstable();
    letters.dedup();
    let mut there = Vec::with_capacity(letters.len());
    for id in letters {
        // Somebody may have sent it again meanwhile.
        if DeadLetterRow::read(tables, &keys::dead_letter(&tenant, &queue, id))?.is_some() {
            there.push(id);
        }
    }
    let (mut records, mut done) = (Vec::new(), Redriven { moved: 0, last: None });
    if !there.is_empty() {
        let which = RedriveWhich::Ids(there);
        let request = RedriveRequest { tenant: tenant.clone(), queue: queue.clone(), which };
        let decided = match redrive::decide(sequencer, request, tables)? {
            Ok(decided) => decided,
            Err(refused) => return Ok(Err(refused)),
        };
        if let Answer::Redriven(redriven) = decided.answer {
            done = redriven;
        }
        records = decided.records;
    }
    let before = was.filter(|was| was.phase == ReplayPhase::Running).map_or(0, |was| was.redriven);
    state.redriven = before.saturating_add(done.moved);
    records.push(Record::Redriving { tenant, queue, state });
    Ok(Ok(Decision { records, answer: Answer::Redriven(done) }))
}

pub(crate) fn apply(
    (tenant, queue): (&TenantName, &QueueName),
    state: &RedriveState,
    position: Position,
    tables: &mut impl Tables,
) {
    let mut w = Writer::with_room(128);
    state.put(&mut w);
    let row = ValueRow { version: position, value: w.finish().into(), place: None };
    tables.put(Table::Redrives, &keys::queue(tenant, queue), row.encode());
}

pub(crate) fn put((tenant, queue): (&TenantName, &QueueName), state: &RedriveState, w: &mut Writer) {
    w.str(tenant.as_str()).str(queue.as_str());
    state.put(w);
}

pub(crate) fn take(r: &mut Reader) -> Result<Record, DecodeError> {
    let (tenant, queue) = (r.parse("tenant")?, r.parse("queue")?);
    Ok(Record::Redriving { tenant, queue, state: RedriveState::take(r)? })
}
