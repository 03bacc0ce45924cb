//! Transition: what a call of a model was answered is kept until the delivery that it was made for is settled, so that another attempt that asks the
//! same as the same call gets the same, and nobody is paid twice.
//!
//! Invariant: an answer is kept for a delivery only that is not settled, and what ends a delivery takes its answers along, by a record behind that
//! which ends it. The sequencer knows which deliveries have any, so the others pay nothing for it. What an answer says is not known here.

use std::{
    collections::{HashMap, HashSet},
    ops::Bound,
};

use bytes::Bytes;
use wharf_event::{Digest, Position, Target, TenantName};

use crate::{
    DeliveryId, DeliveryRow, ModelStep, Record, ValueRow,
    codec::DecodeError,
    keys,
    limits::{ANSWERS_PAGE, ANSWERS_PER_DELIVERY_BYTES_MAX, ANSWERS_PER_DELIVERY_MAX, ANSWERS_PER_TENANT_BYTES_MAX},
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
    /// Which call of an attempt, from 1, at most [`ANSWERS_PER_DELIVERY_MAX`].
    pub call: u32,
    /// What was asked.
    pub request: Digest,
    /// The answer.
    pub answer: Bytes,
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

/// Bytes of answers for which a delivery has room.
///
/// # Errors
/// When the table cannot be read or a row is damaged.
pub fn answers_left(tables: &impl Tables, tenant: &TenantName, delivery: DeliveryId) -> Result<u64, TableError> {
    let mut left = ANSWERS_PER_DELIVERY_BYTES_MAX;
    for (key, row) in of(tables, tenant, delivery)? {
        left = left.saturating_sub(size(&key, &ValueRow::decode_of(Table::Models, &row)?));
    }
    Ok(left)
}

/// Deliveries that have answers.
#[derive(Default)]
pub(crate) struct Answered(HashMap<TenantName, HashSet<DeliveryId>>);

impl Answered {
    /// Those of the state as it is.
    pub(crate) fn read(tables: &impl Tables) -> Result<Self, TableError> {
        let (mut answered, mut after) = (Self::default(), None);
        loop {
            let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let page: Vec<Bytes> =
                tables.scan(Table::Models, &[], from, ANSWERS_PAGE)?.into_iter().map(|(key, _)| key).collect();
            let Some(last) = page.last() else { return Ok(answered) };
            // Behind the answers of a tenant come its sums, which are passed over.
            after = Some(match keys::answer_parts(last) {
                Some(_) => last.clone(),
                None => keys::behind_spents(&keys::first(last).ok_or_else(|| damaged("key"))?).into(),
            });
            for (tenant, delivery, _) in page.iter().filter_map(|key| keys::answer_parts(key)) {
                answered.0.entry(tenant).or_default().insert(delivery);
            }
        }
    }

    /// A delivery is settled: the record by which its answers go; none where it has none.
    pub(crate) fn settled(&mut self, tenant: &TenantName, delivery: DeliveryId) -> Option<Record> {
        let of = self.0.get_mut(tenant)?;
        let had = of.remove(&delivery);
        if of.is_empty() {
            self.0.remove(tenant);
        }
        had.then(|| Record::Model { tenant: tenant.clone(), step: ModelStep::Settled { delivery } })
    }

    /// Whoever has the name next begins anew.
    pub(crate) fn forget(&mut self, tenant: &TenantName) {
        self.0.remove(tenant);
    }
}

pub(crate) fn decide<T: Tables>(
    sequencer: &mut Sequencer,
    request: KeepRequest,
    tables: &T,
) -> Result<Result<Decision, Refused>, TableError> {
    let KeepRequest { tenant, target, delivery, call, request, answer } = request;
    if DeliveryRow::find(tables, &tenant, &target, delivery)?.is_none() {
        return Ok(Err(Refused::Gone));
    }
    let own = keys::answer(&tenant, delivery, call);
    let (mut others, mut before) = (0, 0);
    for (key, row) in of(tables, &tenant, delivery)? {
        let bytes = size(&key, &ValueRow::decode_of(Table::Models, &row)?);
        if key == own { before = bytes } else { others += bytes }
    }
    let bytes = (own.len() + DIGEST_BYTES + answer.len()) as u64;
    let of_tenant = sizes::answer_bytes(tables, &tenant)?.saturating_sub(before) + bytes;
    for (bytes, most) in [(others + bytes, ANSWERS_PER_DELIVERY_BYTES_MAX), (of_tenant, ANSWERS_PER_TENANT_BYTES_MAX)] {
        if bytes > most || call > ANSWERS_PER_DELIVERY_MAX {
            return Ok(Err(Refused::AnswersFull { bytes, most }));
        }
    }
    sequencer.answered.0.entry(tenant.clone()).or_default().insert(delivery);
    let step = ModelStep::Answered { delivery, call, request, answer };
    Ok(Ok(Decision { records: vec![Record::Model { tenant, step }], answer: Answer::Noted }))
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

fn damaged(what: &'static str) -> TableError {
    TableError::Row { table: Table::Models.name(), source: DecodeError::Invalid(what) }
}
