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
        // What stands there and behind it is of a run before. A number that nothing was asked as is of a call that was refused.
        asked.resize(before, None);
        let same = asked.iter().filter(|same| **same == Some(request)).count();
        asked.push(Some(request));
        same
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
        Ok((known.find(request, n), known.left))
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
    fn find(&self, request: &Digest, n: usize) -> Option<Place> {
        self.at.get(request)?.get(n).copied()
    }

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

#[cfg(test)]
mod tests {
    use wharf_event::Position;

    use super::*;

    fn id(n: u16) -> DeliveryId {
        DeliveryId { event: Position { k: 1, i: 0 }, n }
    }

    fn place(n: u16, call: u32) -> Place {
        Place { delivery: id(n), call }
    }

    fn of(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    /// One that knows of two answers to the same, and keeps the next behind the first of a message.
    fn batch() -> Batch {
        let batch = Batch::new([id(0), id(1)].into());
        let at = HashMap::from([(of("why"), vec![place(0, 1), place(7, 4)])]);
        *locked(&batch.known) = Some(Known { at, last: Some(place(1, 1)), left: 9 });
        batch
    }

    fn found(batch: &Batch, text: &str, n: usize) -> Option<Place> {
        let known = locked(&batch.known);
        known.as_ref().and_then(|known| known.find(&of(text), n))
    }

    #[test]
    fn a_question_is_the_one_of_its_run_that_says_the_same_whatever_its_number_is() {
        let batch = batch();
        let run = ["why", "when", "why", "why"];
        for _ in 0..2 {
            let same: Vec<_> = (1..).zip(run).map(|(number, text)| batch.asks(number, of(text))).collect();
            assert_eq!(same, [0, 0, 1, 2], "another run begins anew");
        }
        // In another run a call says something else, and the second is refused.
        assert_eq!(
            [(1, "when"), (3, "when"), (4, "why")].map(|(number, text)| batch.asks(number, of(text))),
            [0, 1, 0]
        );
    }

    #[test]
    fn an_answer_is_found_where_it_is_kept_and_the_next_is_kept_behind_those_of_its_message() {
        let batch = batch();
        assert_eq!((found(&batch, "why", 1), found(&batch, "why", 2)), (Some(place(7, 4)), None));
        let next = batch.next().unwrap();
        assert_eq!(next, place(1, 2));
        batch.keeps((of("why"), 2), next);
        assert_eq!((found(&batch, "why", 2), batch.next()), (Some(place(1, 2)), Some(place(1, 3))));
        // Where one was not kept after all, the one that came in its place is found.
        batch.keeps((of("why"), 0), place(1, 3));
        assert_eq!((found(&batch, "why", 0), found(&batch, "why", 1)), (Some(place(1, 3)), Some(place(7, 4))));
    }
}
