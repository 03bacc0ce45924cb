//! Transition: a replay starts, goes on, or ends.
//!
//! Invariant: each event of the archive is owed again once by a replay, because what moves its cursor behind the event is in the frame of the
//! event, or neither is: a request names how the replay stood, and comes to nothing where that is different now. Which events are meant, and to
//! whom they are owed, is worked out by whoever asks; nothing here reads the archive.

use bytes::Bytes;
use wharf_event::{Position, ReplayName, TenantName};

use crate::{
    AcceptRequest, Record, ValueRow, accept,
    codec::{DecodeError, Reader, Writer},
    keys,
    rows::{Row as _, read_of},
    sequencer::{Answer, Decision, Refused, Sequencer},
    tables::{Table, TableError, Tables},
};

/// Whether a replay, or a redrive at a rate, goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayPhase {
    /// It goes on.
    Running = 1,
    /// It came to its end.
    Done = 2,
    /// Somebody ended it.
    Cancelled = 3,
    /// It cannot go on.
    Failed = 4,
}

impl ReplayPhase {
    pub(crate) fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(match r.u8("phase")? {
            1 => Self::Running,
            2 => Self::Done,
            3 => Self::Cancelled,
            4 => Self::Failed,
            _ => return Err(DecodeError::Invalid("phase")),
        })
    }
}

/// How a replay stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayState {
    /// What is wished, as whoever made it wrote it: the machine does not read it.
    pub document: Bytes,
    /// The first position that was not looked at yet.
    pub cursor: Position,
    /// The position that it ends before: where the log ended when it was started.
    pub until: Position,
    /// Events that were owed again.
    pub replayed: u64,
    /// Whether it goes on.
    pub phase: ReplayPhase,
    /// Why it failed; empty otherwise.
    pub reason: String,
}

impl ReplayState {
    /// How a replay stands; absent when there is none.
    ///
    /// # Errors
    /// When the table cannot be read or the row is damaged.
    pub fn get(tables: &impl Tables, tenant: &TenantName, replay: &ReplayName) -> Result<Option<Self>, TableError> {
        let row = ValueRow::held(tables, Table::Replays, &keys::replay(tenant, replay))?;
        row.map(|row| Self::of_row(&row)).transpose()
    }

    /// Reads a row of [`Table::Replays`] as a scan gives it.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn from_bytes(row: &Bytes) -> Result<Self, TableError> {
        Self::of_row(&ValueRow::decode_of(Table::Replays, row)?)
    }

    fn of_row(row: &ValueRow) -> Result<Self, TableError> {
        read_of(Table::Replays, &row.value, Self::take)
    }

    /// Whether the replay may come to stand like this after `was`: it began with nothing done, and only one that runs moves, and only forward.
    fn follows(&self, was: Option<&Self>, replays: u64) -> bool {
        let Some(was) = was else {
            return replays == 0
                && self.replayed == 0
                && self.phase == ReplayPhase::Running
                && self.cursor <= self.until;
        };
        let same = self.document == was.document && self.until == was.until;
        let forward =
            self.cursor >= was.cursor && self.cursor <= self.until && (replays == 0 || self.cursor > was.cursor);
        same && forward && was.phase == ReplayPhase::Running && self.replayed == was.replayed.saturating_add(replays)
    }

    fn put(&self, w: &mut Writer) {
        w.bytes(&self.document).position(self.cursor).position(self.until);
        w.u64(self.replayed).u8(self.phase as u8).str(&self.reason);
    }

    fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            document: r.bytes("document")?,
            cursor: r.position("cursor")?,
            until: r.position("until")?,
            replayed: r.u64("replayed")?,
            phase: ReplayPhase::take(r)?,
            reason: r.str("reason")?,
        })
    }
}

/// The wish that a replay starts, goes on, or ends.
#[derive(Clone, Debug)]
pub struct ReplayRequest {
    /// Whose it is.
    pub tenant: TenantName,
    /// Which one.
    pub replay: ReplayName,
    /// How it is taken to stand; absent = there is none.
    pub was: Option<ReplayState>,
    /// How it stands from now on; absent = it is let go of.
    pub state: Option<ReplayState>,
    /// The events that are owed again; absent where there are none.
    pub events: Option<AcceptRequest>,
}

pub(crate) fn decide<T: Tables>(
    sequencer: &mut Sequencer,
    request: ReplayRequest,
    now_ms: u64,
    base: Position,
    tables: &T,
) -> Result<Result<Decision, Refused>, TableError> {
    let ReplayRequest { tenant, replay, was, state, events } = request;
    if ReplayState::get(tables, &tenant, &replay)? != was {
        return Ok(Err(Refused::Gone));
    }
    if events.as_ref().is_some_and(|events| events.tenant != tenant) {
        return Ok(Err(Refused::Gone));
    }
    let replays = events.as_ref().map_or(0, |events| events.events.len() as u64);
    let follows = match &state {
        Some(state) => state.follows(was.as_ref(), replays),
        None => replays == 0 && was.is_some(),
    };
    if !follows {
        return Ok(Err(Refused::Gone));
    }
    let mut decision = Decision { records: Vec::new(), answer: Answer::Noted };
    if let Some(events) = events {
        if events.rules_version != sequencer.rules_version(&tenant) {
            return Ok(Err(Refused::StaleRules));
        }
        decision = match accept::again(sequencer, events, now_ms, base, tables)? {
            Ok(decided) => decided,
            Err(refused) => return Ok(Err(refused)),
        };
    }
    #[cfg(feature = "mutations")]
    let state = crate::mutation::lose_a_cursor(state, was.as_ref());
    decision.records.push(Record::Replay { tenant, replay, state });
    Ok(Ok(decision))
}

pub(crate) fn apply(
    (tenant, replay): (&TenantName, &ReplayName),
    state: Option<&ReplayState>,
    position: Position,
    tables: &mut impl Tables,
) {
    let key = keys::replay(tenant, replay);
    let Some(state) = state else { return tables.remove(Table::Replays, &key) };
    let mut w = Writer::with_room(128);
    state.put(&mut w);
    let row = ValueRow { version: position, value: w.finish().into(), place: None };
    tables.put(Table::Replays, &key, row.encode());
}

pub(crate) fn put((tenant, replay): (&TenantName, &ReplayName), state: Option<&ReplayState>, w: &mut Writer) {
    w.str(tenant.as_str()).str(replay.as_str());
    match state {
        Some(state) => {
            w.u8(1);
            state.put(w);
        }
        None => {
            w.u8(0);
        }
    }
}

pub(crate) fn take(r: &mut Reader) -> Result<Option<ReplayState>, DecodeError> {
    if r.u8("has state")? == 1 { ReplayState::take(r).map(Some) } else { Ok(None) }
}
