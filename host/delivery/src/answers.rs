//! Transition: what a call of a model was answered is kept until the delivery that it was made for is settled, so that another attempt that asks the
//! same as the same call gets the same, and nobody is paid twice. What was asked for a batch of messages is kept once, of one of them, and shared by all.
//!
//! Invariant: an answer is kept only as long as a delivery that it is there for is not settled, and what ends the last of those takes it along, by a
//! record behind that which ends the delivery. The sequencer knows which deliveries have any, so the others pay nothing for it. What an answer says is not
//! known here.

use std::{ops::Bound, sync::Arc};

use bytes::Bytes;
use wharf_event::{Digest, Position, Target, TenantName};

use crate::{
    DeliveryId, DeliveryRow, ModelStep, Record, ValueRow,
    codec::DecodeError,
    keys,
    limits::{ANSWERS_PER_DELIVERY_BYTES_MAX, ANSWERS_PER_DELIVERY_MAX, ANSWERS_PER_TENANT_BYTES_MAX},
    rows::Row as _,
    sequencer::{Answer, Decision, Refused, Sequencer},
    sizes,
    tables::{Table, TableError, Tables},
};

/// Bytes of a digest, before the answer in its row.
const DIGEST_BYTES: usize = 32;

/// The wish that an answer is kept.
#[derive(Clone, Debug)]
pub struct KeepRequest {
    /// Whose it is.
    pub tenant: TenantName,
    /// Who the delivery is for.
    pub target: Target,
    /// Which delivery.
    pub delivery: DeliveryId,
    /// The messages of the batch that it was asked for, which share it, the delivery among them. Empty where it was asked for the delivery alone.
    pub batch: Arc<[DeliveryId]>,
    /// Which call of an attempt, from 1, at most [`ANSWERS_PER_DELIVERY_MAX`]; of a batch, which of the answers that are kept of the delivery. One that
    /// is there is replaced, but for a batch only where there is no place behind the last.
    pub call: u32,
    /// What was asked.
    pub request: Digest,
    /// The answer.
    pub answer: Bytes,
}

/// Where an answer is kept of a delivery, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAt {
    /// As which call.
    pub call: u32,
    /// What was asked.
    pub request: Digest,
    /// Bytes that it takes.
    pub bytes: u64,
}

/// The answer that is kept of a delivery's call, if it is one to this request.
///
/// # Errors
/// When the table cannot be read or the row is damaged.
pub fn kept_answer(
    tables: &impl Tables,
    (tenant, delivery, call): (&TenantName, DeliveryId, u32),
    request: &Digest,
) -> Result<Option<Bytes>, TableError> {
    let row = ValueRow::held(tables, Table::Models, &keys::answer(tenant, delivery, call))?;
    let Some(row) = row else { return Ok(None) };
    let Some((of, answer)) = row.value.split_first_chunk::<DIGEST_BYTES>() else { return Err(damaged("answer")) };
    Ok((of == request.as_bytes()).then(|| row.value.slice_ref(answer)))
}

/// Whether a tenant has so many answers that no further one may be asked for: the largest might find no room.
///
/// # Errors
/// When the table cannot be read or the row is damaged.
pub fn answers_are_full(tables: &impl Tables, tenant: &TenantName) -> Result<bool, TableError> {
    Ok(sizes::answer_bytes(tables, tenant)? > ANSWERS_PER_TENANT_BYTES_MAX - ANSWERS_PER_DELIVERY_BYTES_MAX)
}

/// The answers that are kept of a delivery, in the order of their calls.
///
/// # Errors
/// When the table cannot be read or a row is damaged.
pub fn answers_of(tables: &impl Tables, tenant: &TenantName, delivery: DeliveryId) -> Result<Vec<KeptAt>, TableError> {
    let kept = |(key, row): (Bytes, Bytes)| {
        let (_, _, call) = keys::answer_parts(&key).ok_or_else(|| damaged("key"))?;
        let row = ValueRow::decode_of(Table::Models, &row)?;
        let (request, _) = row.value.split_first_chunk::<DIGEST_BYTES>().ok_or_else(|| damaged("answer"))?;
        Ok(KeptAt { call, request: Digest(*request), bytes: size(&key, &row) })
    };
    of(tables, tenant, delivery)?.into_iter().map(kept).collect()
}

/// Bytes of answers for which a delivery has room.
///
/// # Errors
/// When the table cannot be read or a row is damaged.
pub fn answers_left(tables: &impl Tables, tenant: &TenantName, delivery: DeliveryId) -> Result<u64, TableError> {
    let bytes = answers_of(tables, tenant, delivery)?.iter().map(|kept| kept.bytes).sum();
    Ok(ANSWERS_PER_DELIVERY_BYTES_MAX.saturating_sub(bytes))
}

pub(crate) fn decide<T: Tables>(
    sequencer: &mut Sequencer,
    request: KeepRequest,
    tables: &T,
) -> Result<Result<Decision, Refused>, TableError> {
    let KeepRequest { tenant, target, delivery, batch, call, request, answer } = request;
    let (alone, is_batch) = ([delivery], !batch.is_empty());
    let batch: &[DeliveryId] = if is_batch { &batch } else { &alone };
    // Who shares it already is not settled.
    let shares = |message: &&DeliveryId| sequencer.answered.shares(&tenant, **message, delivery);
    let (mut joining, mut waits) = (Vec::new(), batch.iter().any(|message| shares(&message)));
    for message in batch.iter().filter(|message| !shares(message)) {
        if DeliveryRow::find(tables, &tenant, &target, *message)?.is_some() {
            let may_join = sequencer.answered.may_join(&tenant, *message);
            waits |= may_join || *message == delivery;
            joining.extend(may_join.then_some(*message));
        }
    }
    if !waits {
        return Ok(Err(Refused::Gone));
    }
    let kept = answers_of(tables, &tenant, delivery)?;
    let is_there = kept_answer(tables, (&tenant, delivery, call), &request)?.as_ref() == Some(&answer);
    let call = if is_batch && !is_there { free_call(&kept, call) } else { call };
    let own = keys::answer(&tenant, delivery, call);
    let (others, before) = (kept.iter().map(|kept| kept.bytes).sum::<u64>(), bytes_as(&kept, call));
    let others = others - before;
    let bytes = (own.len() + DIGEST_BYTES + answer.len()) as u64;
    let of_tenant = sizes::answer_bytes(tables, &tenant)?.saturating_sub(before) + bytes;
    for (bytes, most) in [(others + bytes, ANSWERS_PER_DELIVERY_BYTES_MAX), (of_tenant, ANSWERS_PER_TENANT_BYTES_MAX)] {
        if !is_there && (bytes > most || call > ANSWERS_PER_DELIVERY_MAX) {
            return Ok(Err(Refused::AnswersFull { bytes, most }));
        }
    }
    // Who has answers for itself needs to be in no list, unless others would take them along.
    let is_shared = batch.len() > 1 || sequencer.answered.are_shared(&tenant, delivery);
    let joined = if is_shared { sequencer.answered.joins(&tenant, joining, delivery) } else { None };
    sequencer.answered.keeps(&tenant, delivery);
    let step = ModelStep::Answered { delivery, call, request, answer };
    let answered = (!is_there).then(|| Record::Model { tenant, step });
    let records = joined.into_iter().chain(answered).collect();
    Ok(Ok(Decision { records, answer: Answer::Noted }))
}

/// Bytes of what is kept as a call.
fn bytes_as(kept: &[KeptAt], call: u32) -> u64 {
    kept.iter().find(|kept| kept.call == call).map_or(0, |kept| kept.bytes)
}

/// As which call an answer to a batch is kept: two calls that have a message at once, as the lease of one of them ended, count on from the same one, so it
/// goes behind the last where another answer is in its place. Where there is no place behind, that is the one that it replaces.
fn free_call(kept: &[KeptAt], call: u32) -> u32 {
    let behind = kept.last().map_or(1, |last| last.call + 1);
    if bytes_as(kept, call) > 0 && behind <= ANSWERS_PER_DELIVERY_MAX { behind } else { call }
}

/// Keeps an answer that came with the record at `position`.
pub(crate) fn keep(
    (tenant, delivery, call): (&TenantName, DeliveryId, u32),
    (request, answer): (&Digest, &Bytes),
    position: Position,
    tables: &mut impl Tables,
) -> Result<(), TableError> {
    let value = Bytes::from([request.as_bytes().as_slice(), answer].concat());
    let row = ValueRow { version: position, value, place: None };
    put(&keys::answer(tenant, delivery, call), &row.encode().into(), tables)
}

/// Lets the answers of a delivery go.
pub(crate) fn settle(tenant: &TenantName, delivery: DeliveryId, tables: &mut impl Tables) -> Result<(), TableError> {
    for (key, _) in of(tables, tenant, delivery)? {
        remove(&key, tables)?;
    }
    Ok(())
}

/// The answers of a delivery.
fn of(tables: &impl Tables, tenant: &TenantName, delivery: DeliveryId) -> Result<Vec<(Bytes, Bytes)>, TableError> {
    let most = ANSWERS_PER_DELIVERY_MAX as usize;
    tables.scan(Table::Models, &keys::answers(tenant, delivery), Bound::Unbounded, most)
}

fn size(key: &[u8], row: &ValueRow) -> u64 {
    (key.len() + row.value.len()) as u64
}

/// Puts a row.
pub(crate) fn put(key: &[u8], row: &Bytes, tables: &mut impl Tables) -> Result<(), TableError> {
    replace(key, Some(row), tables)
}

/// Removes a row, which need not be there.
pub(crate) fn remove(key: &[u8], tables: &mut impl Tables) -> Result<(), TableError> {
    replace(key, None, tables)
}

/// Writes a row or removes it: the size of the tenant's answers is that of the rows that are there.
fn replace(key: &[u8], row: Option<&Bytes>, tables: &mut impl Tables) -> Result<(), TableError> {
    let tenant = keys::first(key).ok_or_else(|| damaged("key"))?;
    let sized = |row: &Bytes| Ok::<_, TableError>(size(key, &ValueRow::decode_of(Table::Models, row)?));
    let more = row.map(sized).transpose()?.unwrap_or(0);
    let before = tables.replace(Table::Models, key, row.map(|row| row.to_vec()))?;
    let less = before.as_ref().map(sized).transpose()?.unwrap_or(0);
    sizes::answers(&tenant, more, less, tables)
}

pub(crate) fn damaged(what: &'static str) -> TableError {
    TableError::Row { table: Table::Models.name(), source: DecodeError::Invalid(what) }
}
