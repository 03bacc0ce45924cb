//! What the messages of a batch share: what models answered to a call that had any of them. A message comes again in another batch, and is asked about as
//! another call there.
//!
//! Invariant: an answer is known again by what was asked, and by how many calls of the attempt asked the same before. What a call is answered is kept once,
//! and all of its messages share it, also where it was found.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wharf_delivery::{
    DeliveryId, TableError, answers_of,
    limits::{ANSWERS_PER_DELIVERY_BYTES_MAX, ANSWERS_PER_DELIVERY_MAX},
    shared_by,
};
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
    /// Where answers are kept, by what was asked: to the n-th of equal requests at n.
    at: HashMap<Digest, Vec<Option<Place>>>,
    /// Whose answers all of the messages share.
    common: HashSet<DeliveryId>,
    /// Of whom the next answers are kept.
    home: Option<Home>,
}

/// One that answers are kept of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Home {
    delivery: DeliveryId,
    /// The calls as which answers are kept, the one that was needed last at the end.
    calls: VecDeque<u32>,
    /// Bytes of them.
    bytes: u64,
    /// How many of the messages share them.
    sharing: usize,
}

impl Home {
    fn last(&self) -> u32 {
        self.calls.iter().max().copied().unwrap_or(0)
    }

    /// Whether there is room for as much again as there is.
    fn is_roomy(&self) -> bool {
        self.bytes <= ANSWERS_PER_DELIVERY_BYTES_MAX / 2 && self.last() <= ANSWERS_PER_DELIVERY_MAX / 2
    }

    fn is_full(&self) -> bool {
        self.last() >= ANSWERS_PER_DELIVERY_MAX
    }

    /// As which call the next answer is kept: behind the last one, and where there is none behind it in place of the one that was not needed for longest.
    fn next(&mut self) -> Place {
        let call = match self.calls.front() {
            Some(oldest) if self.is_full() => *oldest,
            _ => self.last() + 1,
        };
        self.needs(call);
        Place { delivery: self.delivery, call }
    }

    fn needs(&mut self, call: u32) {
        self.calls.retain(|other| *other != call);
        self.calls.push_back(call);
    }
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

    /// Where the answer to the n-th of equal requests is kept, if it is, and for how many bytes there is room for others.
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
        let used = known.home.as_ref().map_or(0, |home| home.bytes);
        Ok((known.find(request, n), ANSWERS_PER_DELIVERY_BYTES_MAX.saturating_sub(used)))
    }

    /// What the messages share is read again when it is next needed.
    pub(crate) fn looks_again(&self) {
        *locked(&self.known) = None;
    }

    /// Where the next answer is kept.
    pub(crate) fn next(&self) -> Option<Place> {
        Some(locked(&self.known).as_mut()?.home.as_mut()?.next())
    }

    /// Whether an answer that was found has to be kept once more: not all of the messages share it yet.
    pub(crate) fn lacks(&self, place: Place) -> bool {
        locked(&self.known).as_ref().is_some_and(|known| !known.common.contains(&place.delivery))
    }

    /// The answer to the n-th of equal requests is kept there, and all share it.
    pub(crate) fn keeps(&self, (request, n): (Digest, usize), place: Place) {
        if let Some(known) = locked(&self.known).as_mut() {
            known.keeps(request, n, place);
        }
    }
}

impl Known {
    fn find(&mut self, request: &Digest, n: usize) -> Option<Place> {
        let place = (*self.at.get(request)?.get(n)?)?;
        if let Some(home) = self.home.as_mut().filter(|home| home.delivery == place.delivery) {
            home.needs(place.call);
        }
        Some(place)
    }

    fn keeps(&mut self, request: Digest, n: usize, place: Place) {
        let at = self.at.entry(request).or_default();
        at.resize(at.len().max(n + 1), None);
        if let Some(at) = at.get_mut(n) {
            *at = Some(place);
        }
        self.common.insert(place.delivery);
    }

    /// The state is let go of between two messages: there may be a thousand.
    fn read(messages: &[DeliveryId], shared: &Shared, tenant: &TenantName) -> Result<Self, TableError> {
        let (mut at, mut homes) = (HashMap::<Digest, Vec<Option<Place>>>::new(), BTreeMap::<DeliveryId, Home>::new());
        for message in messages {
            let others = shared_by(&shared.read().state, tenant, *message)?;
            for delivery in std::iter::once(message).chain(&others) {
                if homes.contains_key(delivery) {
                    continue;
                }
                let answers = answers_of(&shared.read().state, tenant, *delivery)?;
                let bytes = answers.iter().map(|kept| kept.bytes).sum();
                let calls = answers.iter().map(|kept| kept.call).collect();
                homes.insert(*delivery, Home { delivery: *delivery, calls, bytes, sharing: 0 });
                for kept in answers {
                    at.entry(kept.request).or_default().push(Some(Place { delivery: *delivery, call: kept.call }));
                }
            }
            for delivery in others {
                homes.entry(delivery).and_modify(|home| home.sharing += 1);
            }
        }
        let common = homes.values().filter(|home| home.sharing == messages.len()).map(|home| home.delivery).collect();
        Ok(Self { at, common, home: home(messages, &homes) })
    }
}

/// Of whom the next answers are kept: of the one that most share already, or else of the message that has the most room. So few are shared by a message, and
/// each call has half of what a delivery may have.
fn home(messages: &[DeliveryId], homes: &BTreeMap<DeliveryId, Home>) -> Option<Home> {
    let shared = homes.values().filter(|home| home.sharing > 0 && home.is_roomy());
    let roomiest = || {
        let of = messages.iter().filter_map(|message| homes.get(message));
        of.min_by_key(|home| (home.is_full(), home.bytes, home.last()))
    };
    shared.max_by_key(|home| home.sharing).or_else(roomiest).cloned()
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

    fn home(n: u16, calls: &[u32], bytes: u64, sharing: usize) -> Home {
        Home { delivery: id(n), calls: calls.iter().copied().collect(), bytes, sharing }
    }

    /// One that knows of two answers to the same, and keeps the next behind the first of a message.
    fn batch() -> Batch {
        let batch = Batch::new([id(0), id(1)].into());
        let at = HashMap::from([(of("why"), vec![Some(place(0, 1)), Some(place(7, 4))])]);
        let known = Known { at, common: HashSet::from([id(7)]), home: Some(home(1, &[1], 9, 1)) };
        *locked(&batch.known) = Some(known);
        batch
    }

    fn found(batch: &Batch, text: &str, n: usize) -> Option<Place> {
        locked(&batch.known).as_mut().and_then(|known| known.find(&of(text), n))
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
        // Two that ask the same at a time are answered in whichever order.
        batch.keeps((of("when"), 1), place(1, 4));
        assert_eq!((found(&batch, "when", 0), found(&batch, "when", 1)), (None, Some(place(1, 4))));
        batch.keeps((of("when"), 0), place(1, 5));
        assert_eq!((found(&batch, "when", 0), found(&batch, "when", 1)), (Some(place(1, 5)), Some(place(1, 4))));
    }

    #[test]
    fn what_not_all_share_is_kept_once_more_and_then_all_do() {
        let batch = batch();
        assert!(batch.lacks(place(0, 1)) && !batch.lacks(place(7, 4)));
        batch.keeps((of("why"), 0), place(0, 1));
        assert!(!batch.lacks(place(0, 1)) && !batch.lacks(place(0, 9)));
    }

    #[test]
    fn where_as_many_are_kept_as_may_be_the_next_takes_the_place_of_the_one_not_needed_for_longest() {
        let most = ANSWERS_PER_DELIVERY_MAX;
        let mut home = home(1, &(1..most).collect::<Vec<_>>(), 9, 1);
        assert_eq!(home.next(), place(1, most));
        home.needs(1);
        assert_eq!([home.next(), home.next()], [place(1, 2), place(1, 3)]);
        // What a run itself kept and found is not what goes.
        let next: Vec<_> = (3..most).map(|_| home.next().call).collect();
        assert!(next[..most as usize - 4].iter().all(|call| (4..most).contains(call) || *call == most), "{next:?}");
    }

    #[test]
    fn the_next_answers_are_kept_where_most_share_them_or_of_the_message_that_has_the_most_room() {
        let (full, half) = (ANSWERS_PER_DELIVERY_MAX, ANSWERS_PER_DELIVERY_MAX / 2);
        let at = |homes: &[Home]| {
            let homes = homes.iter().map(|home| (home.delivery, home.clone())).collect();
            super::home(&[id(0), id(1)], &homes).map(|home| home.delivery)
        };
        assert_eq!(at(&[home(0, &[], 0, 0), home(1, &[], 0, 0)]), Some(id(0)), "the first where none has any");
        assert_eq!(at(&[home(0, &[1], 20_000, 0), home(1, &[full], 900, 0)]), Some(id(0)), "the other is full");
        let (few, many) = (home(7, &[1], 9, 1), home(8, &[half], 99, 2));
        assert_eq!(at(&[home(0, &[], 0, 0), home(1, &[], 0, 0), few.clone(), many]), Some(id(8)));
        let many = home(8, &[half + 1], 99, 2);
        assert_eq!(at(&[home(0, &[], 0, 0), home(1, &[], 0, 0), few, many]), Some(id(7)), "half of it is taken");
        assert_eq!(at(&[]), None);
    }
}
