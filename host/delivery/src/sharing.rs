//! Which deliveries have answers of models, and which messages of queues share those of others, since they were asked for a batch.
//!
//! Invariant: only a message that is not settled shares answers, and those of a delivery that any message shares stay until the last of them is settled,
//! however long the delivery itself is.

use std::{
    collections::{HashMap, HashSet},
    ops::Bound,
};

use bytes::Bytes;
use wharf_event::{Position, TenantName};

use crate::{
    DeliveryId, ModelStep, Record, ValueRow,
    answers::{self, damaged},
    keys,
    limits::{ANSWERS_PAGE, SHARED_PER_MESSAGE_MAX},
    rows::Row as _,
    tables::{Table, TableError, Tables},
};

/// Deliveries that have answers, and messages that share them.
#[derive(Default)]
pub(crate) struct Answered(HashMap<TenantName, OfTenant>);

#[derive(Default)]
struct OfTenant {
    /// Of which answers are kept.
    kept: HashSet<DeliveryId>,
    /// Whose answers a message shares.
    shared: HashMap<DeliveryId, Vec<DeliveryId>>,
    /// How many messages share those of a delivery.
    sharing: HashMap<DeliveryId, usize>,
}

impl OfTenant {
    fn join(&mut self, message: DeliveryId, of: DeliveryId) {
        self.shared.entry(message).or_default().push(of);
        *self.sharing.entry(of).or_default() += 1;
    }

    /// A message shares those of a delivery no more: whether it was the last.
    fn leave(&mut self, of: DeliveryId) -> bool {
        let Some(sharing) = self.sharing.get_mut(&of) else { return true };
        *sharing -= 1;
        let was_last = *sharing == 0;
        if was_last {
            self.sharing.remove(&of);
        }
        was_last
    }
}

impl Answered {
    /// Those of the state as it is.
    pub(crate) fn read(tables: &impl Tables) -> Result<Self, TableError> {
        let (mut answered, mut after) = (Self::default(), None);
        loop {
            let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let page: Vec<Bytes> =
                tables.scan(Table::Models, &[], from, ANSWERS_PAGE)?.into_iter().map(|(key, _)| key).collect();
            let Some(last) = page.last() else { return Ok(answered) };
            let mut is_sum = false;
            for key in &page {
                is_sum = false;
                if let Some((tenant, delivery, _)) = keys::answer_parts(key) {
                    answered.keeps(&tenant, delivery);
                } else if let Some((tenant, message, of)) = keys::share_parts(key) {
                    answered.0.entry(tenant).or_default().join(message, of);
                } else {
                    is_sum = true;
                }
            }
            // Behind the answers of a tenant come its sums, which are passed over.
            after = Some(match is_sum {
                false => last.clone(),
                true => keys::behind_spents(&keys::first(last).ok_or_else(|| damaged("key"))?).into(),
            });
        }
    }

    /// Answers are kept of a delivery.
    pub(crate) fn keeps(&mut self, tenant: &TenantName, delivery: DeliveryId) {
        self.0.entry(tenant.clone()).or_default().kept.insert(delivery);
    }

    /// Whether a message shares the answers of a delivery.
    pub(crate) fn shares(&self, tenant: &TenantName, message: DeliveryId, of: DeliveryId) -> bool {
        let shared = self.0.get(tenant).and_then(|of| of.shared.get(&message));
        shared.is_some_and(|shared| shared.contains(&of))
    }

    /// Whether any message shares the answers of a delivery.
    pub(crate) fn are_shared(&self, tenant: &TenantName, of: DeliveryId) -> bool {
        self.0.get(tenant).is_some_and(|tenant| tenant.sharing.contains_key(&of))
    }

    /// Whether a message may share the answers of one delivery more.
    pub(crate) fn may_join(&self, tenant: &TenantName, message: DeliveryId) -> bool {
        let shared = self.0.get(tenant).and_then(|of| of.shared.get(&message));
        shared.is_none_or(|shared| shared.len() < SHARED_PER_MESSAGE_MAX)
    }

    /// Messages share the answers of a delivery from now on: the record that says so; none where there are none.
    pub(crate) fn joins(&mut self, tenant: &TenantName, messages: Vec<DeliveryId>, of: DeliveryId) -> Option<Record> {
        if messages.is_empty() {
            return None;
        }
        let of_tenant = self.0.entry(tenant.clone()).or_default();
        messages.iter().for_each(|message| of_tenant.join(*message, of));
        Some(Record::Model { tenant: tenant.clone(), step: ModelStep::Shared { delivery: of, messages } })
    }

    /// A delivery is settled: the record by which answers go that are there for nobody else, and by which it shares none any more; none where it has none.
    pub(crate) fn settled(&mut self, tenant: &TenantName, delivery: DeliveryId) -> Option<Record> {
        let of = self.0.get_mut(tenant)?;
        let shared = of.shared.remove(&delivery);
        let mut ended: Vec<_> = shared.iter().flatten().copied().filter(|shared| of.leave(*shared)).collect();
        let is_shared = of.sharing.contains_key(&delivery);
        #[cfg(feature = "mutations")]
        let is_shared = is_shared && !crate::mutation::has(crate::mutation::Bug::Share);
        if !is_shared && !ended.contains(&delivery) {
            ended.push(delivery);
        }
        ended.retain(|ended| of.kept.remove(ended));
        if of.kept.is_empty() && of.shared.is_empty() {
            self.0.remove(tenant);
        }
        let step = match shared {
            Some(_) => ModelStep::Left { delivery, ended },
            None if ended.is_empty() => return None,
            None => ModelStep::Settled { delivery },
        };
        Some(Record::Model { tenant: tenant.clone(), step })
    }

    /// Whoever has the name next begins anew.
    pub(crate) fn forget(&mut self, tenant: &TenantName) {
        self.0.remove(tenant);
    }
}

/// Whose answers a message shares, beside its own: those of batches that it was in.
///
/// # Errors
/// When the table cannot be read or a row is damaged.
pub fn shared_by(
    tables: &impl Tables,
    tenant: &TenantName,
    message: DeliveryId,
) -> Result<Vec<DeliveryId>, TableError> {
    let of = |key: &Bytes| keys::share_parts(key).map(|(_, _, of)| of).ok_or_else(|| damaged("key"));
    rows(tables, tenant, message)?.iter().map(of).collect()
}

/// The messages share the answers of the delivery, by the record at `position`.
pub(crate) fn join(
    (tenant, delivery): (&TenantName, DeliveryId),
    messages: &[DeliveryId],
    position: Position,
    tables: &mut impl Tables,
) {
    let row = ValueRow { version: position, value: Bytes::new(), place: None };
    for message in messages {
        tables.put(Table::Models, &keys::share(tenant, *message, delivery), row.encode());
    }
}

/// A message shares nothing any more, and answers go that nobody else shares.
pub(crate) fn leave(
    (tenant, message): (&TenantName, DeliveryId),
    ended: &[DeliveryId],
    tables: &mut impl Tables,
) -> Result<(), TableError> {
    for key in rows(tables, tenant, message)? {
        tables.remove(Table::Models, &key);
    }
    ended.iter().try_for_each(|delivery| answers::settle(tenant, *delivery, tables))
}

fn rows(tables: &impl Tables, tenant: &TenantName, message: DeliveryId) -> Result<Vec<Bytes>, TableError> {
    let rows = tables.scan(Table::Models, &keys::shares(tenant, message), Bound::Unbounded, SHARED_PER_MESSAGE_MAX)?;
    Ok(rows.into_iter().map(|(key, _)| key).collect())
}
