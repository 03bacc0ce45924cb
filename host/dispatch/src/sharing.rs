//! What the messages of a batch share: what models answered to a call that had any of them. A message comes again in another batch, and is asked about as
//! another call there.
//!
//! Invariant: an answer is known again by what was asked, and by how many calls of the attempt asked the same before. What a call is answered is kept once,
//! of the message that has the most room, and all of its messages share it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wharf_delivery::{DeliveryId, TableError, answers_of, limits::ANSWERS_PER_DELIVERY_BYTES_MAX, shared_by};
use wharf_event::{Digest, TenantName};

use crate::shared::Shared;

/// Where an answer is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Of which delivery.
    pub(crate) delivery: DeliveryId,
    /// As which of its calls.
    pub(crate) call: u32,
}

/// The messages of a batch, over all runs of its call.
pub(crate) struct Batch {
    pub(crate) messages: Arc<[DeliveryId]>,
    /// What each call of a run asked, by its number.
    asked: Mutex<Vec<Option<Digest>>>,
    /// Read when it is first needed.
    known: Mutex<Option<Known>>,
}

/// What the messages share.
struct Known {
    /// Where answers are kept, by what was asked.
    at: HashMap<Digest, Vec<Place>>,
    /// Where the last one is kept of the message that had the most room.
    last: Option<Place>,
    /// Bytes for which there is room.
    left: u64,
}

impl Batch {
    pub(crate) fn new(messages: Arc<[DeliveryId]>) -> Self {
        Self { messages, asked: Mutex::default(), known: Mutex::default() }
    }

    /// How many calls before this one, which are numbered from 1, asked the same in its run. It is told in the order of their numbers.
    pub(crate) fn asks(&self, number: u32, request: Digest) -> usize {
        let (mut asked, before) = (locked(&self.asked), number.saturating_sub(1) as usize);
        if asked.len() <= before {
            asked.resize(before + 1, None);
        }
        // What stands behind it is of a run before.
        if let Some(own) = asked.get_mut(before) {
            *own = Some(request);
        }
        asked.iter().take(before).filter(|same| **same == Some(request)).count()
    }

    /// Where the answer to the n-th of equal requests is kept, if it is, and for how many bytes there is room.
    pub(crate) fn find(
        &self,
        (shared, tenant): (&Shared, &TenantName),
        (request, n): (&Digest, usize),
    ) -> Result<(Option<Place>, u64), TableError> {
        let mut known = locked(&self.known);
        let known = match &mut *known {
            Some(known) => known,
            none => none.insert(Known::read(&self.messages, shared, tenant)?),
        };
        Ok((known.at.get(request).and_then(|at| at.get(n)).copied(), known.left))
    }

    /// Where the next answer is kept.
    pub(crate) fn next(&self) -> Option<Place> {
        let mut known = locked(&self.known);
        let last = known.as_mut()?.last.as_mut()?;
        last.call = last.call.saturating_add(1);
        Some(*last)
    }

    /// The answer to the n-th of equal requests is kept there.
    pub(crate) fn keeps(&self, (request, n): (Digest, usize), place: Place) {
        let mut known = locked(&self.known);
        let Some(known) = known.as_mut() else { return };
        let at = known.at.entry(request).or_default();
        match at.get_mut(n) {
            // It was not kept there after all.
            Some(before) => *before = place,
            None => at.push(place),
        }
    }
}

impl Known {
    /// The state is let go of between two messages: there may be a thousand.
    fn read(messages: &[DeliveryId], shared: &Shared, tenant: &TenantName) -> Result<Self, TableError> {
        let (mut at, mut used) = (HashMap::<Digest, Vec<Place>>::new(), HashMap::new());
        for message in messages {
            let others = shared_by(&shared.read().state, tenant, *message)?;
            for delivery in std::iter::once(*message).chain(others) {
                if used.contains_key(&delivery) {
                    continue;
                }
                let answers = answers_of(&shared.read().state, tenant, delivery)?;
                let last = answers.last().map_or(0, |last| last.call);
                used.insert(delivery, (answers.iter().map(|kept| kept.bytes).sum::<u64>(), last));
                for kept in answers {
                    at.entry(kept.request).or_default().push(Place { delivery, call: kept.call });
                }
            }
        }
        let of = |message: &DeliveryId| used.get(message).copied().unwrap_or_default();
        let home = messages.iter().min_by_key(|message| of(message));
        let (bytes, call) = home.map(of).unwrap_or_default();
        let last = home.map(|delivery| Place { delivery: *delivery, call });
        Ok(Self { at, last, left: ANSWERS_PER_DELIVERY_BYTES_MAX.saturating_sub(bytes) })
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
