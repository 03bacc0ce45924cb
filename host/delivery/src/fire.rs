//! Transition: a schedule fires, or is due at another time.
//!
//! When a schedule is due is worked out by whoever asks, and stands in the request: nothing here knows a clock or a time zone. A request names
//! how the schedule stands, and the rules that it was read with; where either is different now it is refused, and nothing happens. So a due time
//! fires once: the record that moves the schedule on is in the frame of its event, or neither is.

use wharf_event::{Position, ScheduleName, TenantName};

use crate::{
    AcceptRequest, Record, ValueRow, accept,
    codec::{DecodeError, Reader, Writer},
    keys,
    rows::{Row as _, read_of},
    sequencer::{Answer, Decision, Refused, Sequencer},
    tables::{Table, TableError, Tables},
};

/// How a schedule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduleState {
    /// A digest of the timing that `next_ms` comes from: with another one it has to be worked out anew.
    pub timing: [u8; 16],
    /// The first due time that neither fired nor was passed over, in milliseconds since 1970; absent when none comes any more.
    pub next_ms: Option<u64>,
    /// The due time that fired last.
    pub last_ms: Option<u64>,
}

impl ScheduleState {
    /// How a schedule stands; absent when it does not run.
    ///
    /// # Errors
    /// When the table cannot be read or the row is damaged.
    pub fn get(tables: &impl Tables, tenant: &TenantName, schedule: &ScheduleName) -> Result<Option<Self>, TableError> {
        let row = ValueRow::held(tables, Table::Schedules, &keys::schedule(tenant, schedule))?;
        row.map(|row| Self::of_row(&row)).transpose()
    }

    /// Reads what a row of [`Table::Schedules`] holds.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn of_row(row: &ValueRow) -> Result<Self, TableError> {
        read_of(Table::Schedules, &row.value, Self::take)
    }

    fn put(&self, w: &mut Writer) {
        w.bytes(&self.timing);
        for at_ms in [self.next_ms, self.last_ms] {
            match at_ms {
                Some(at_ms) => w.u8(1).u64(at_ms),
                None => w.u8(0),
            };
        }
    }

    fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        let timing = r.bytes("timing")?.as_ref().try_into().map_err(|_| DecodeError::Invalid("timing"))?;
        let mut at_ms = |what| Ok(if r.u8(what)? == 1 { Some(r.u64(what)?) } else { None });
        Ok(Self { timing, next_ms: at_ms("next due")?, last_ms: at_ms("last due")? })
    }
}

/// The wish that a schedule fires, or is due at another time.
#[derive(Clone, Debug)]
pub struct FireRequest {
    /// Whose it is.
    pub tenant: TenantName,
    /// Which schedule.
    pub schedule: ScheduleName,
    /// The version of the rules that the schedule was read with.
    pub rules_version: u64,
    /// How it is taken to stand; absent = it does not run yet.
    pub was: Option<ScheduleState>,
    /// How it stands from now on; absent = it does not run any more.
    pub state: Option<ScheduleState>,
    /// The event that it publishes; absent where nothing fires.
    pub event: Option<AcceptRequest>,
}

pub(crate) fn decide<T: Tables>(
    sequencer: &mut Sequencer,
    request: FireRequest,
    now_ms: u64,
    base: Position,
    tables: &T,
) -> Result<Result<Decision, Refused>, TableError> {
    let FireRequest { tenant, schedule, rules_version, was, state, event } = request;
    if rules_version != sequencer.rules_version(&tenant) {
        return Ok(Err(Refused::StaleRules));
    }
    if ScheduleState::get(tables, &tenant, &schedule)? != was {
        return Ok(Err(Refused::Gone));
    }
    let (mut records, mut answer) = (Vec::new(), Answer::Noted);
    if let Some(event) = event {
        let (due_ms, before_ms) = (state.and_then(|state| state.last_ms), was.and_then(|was| was.last_ms));
        // Never before its time, as the log has it, and never a second time.
        if due_ms.is_none_or(|due_ms| due_ms > now_ms) || due_ms <= before_ms {
            return Ok(Err(Refused::Gone));
        }
        // It fires once by the row that moves on with it: a client's event of the same source and id says nothing about that.
        let decided = match accept::again(sequencer, event, now_ms, base, tables)? {
            Ok(decided) => decided,
            Err(refused) => return Ok(Err(refused)),
        };
        (records, answer) = (decided.records, decided.answer);
    }
    records.push(Record::Fired { tenant, schedule, state });
    Ok(Ok(Decision { records, answer }))
}

pub(crate) fn apply(
    (tenant, schedule): (&TenantName, &ScheduleName),
    state: Option<&ScheduleState>,
    position: Position,
    tables: &mut impl Tables,
) {
    let key = keys::schedule(tenant, schedule);
    let Some(state) = state else { return tables.remove(Table::Schedules, &key) };
    let mut w = Writer::with_room(64);
    state.put(&mut w);
    let row = ValueRow { version: position, value: w.finish().into(), place: None };
    tables.put(Table::Schedules, &key, row.encode());
}

pub(crate) fn put((tenant, schedule): (&TenantName, &ScheduleName), state: Option<&ScheduleState>, w: &mut Writer) {
    w.str(tenant.as_str()).str(schedule.as_str());
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

pub(crate) fn take(r: &mut Reader) -> Result<Option<ScheduleState>, DecodeError> {
    if r.u8("has state")? == 1 { ScheduleState::take(r).map(Some) } else { Ok(None) }
}
