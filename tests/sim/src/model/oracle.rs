//! Judges what models answered: what a handler was told is in the log, unless the process crashed before anything that came of it was; a delivery pays
//! once for a question as long as it is not settled, also where it is a message that comes again in another batch, and then nothing of that is left.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use wharf_delivery::{DeliveryId, ModelStep, Table, keys};
use wharf_event::{Digest, Position};
use wharf_llm::{Kept, Told};

use super::Wrong;
use crate::{
    life::Dump,
    observed::Seen,
    oracle::{self, ToldBy},
};

/// What is kept, and what ever was.
#[derive(Default)]
pub(super) struct Oracle {
    kept: BTreeMap<(DeliveryId, u32), Digest>,
    ever: BTreeMap<(DeliveryId, u32), Vec<Option<u64>>>,
    /// Whose answers a message shares.
    shared: BTreeMap<DeliveryId, BTreeSet<DeliveryId>>,
    /// Of which answers went, and where: in the end of that frame nobody shares them.
    went: Vec<(DeliveryId, Position)>,
}

impl Oracle {
    pub(super) fn take(&mut self, step: &ModelStep, at: Position, wrong: &mut Wrong) {
        self.is_shared_by_nobody(at.k, wrong);
        match step {
            ModelStep::Answered { delivery, call, request, answer } => {
                if let Some((message, of)) = self.had(*delivery, request) {
                    wrong.say(format!("a call with {message} asked again at {at} what is kept of {of}"));
                }
                let before = self.kept.insert((*delivery, *call), *request);
                wrong.unless(before != Some(*request), || {
                    format!("{delivery} call {call} was asked again at {at}, and its answer was kept")
                });
                self.ever.entry((*delivery, *call)).or_default().push(number(answer));
            }
            ModelStep::Settled { delivery } => {
                let had = self.forget(*delivery);
                wrong.unless(had, || format!("answers of {delivery} went at {at}, and it had none"));
                self.went.push((*delivery, at));
            }
            ModelStep::Shared { delivery, messages } => {
                for message in messages {
                    let is_new = self.shared.entry(*message).or_default().insert(*delivery);
                    wrong.unless(is_new, || format!("{message} shares {delivery} at {at}, and did before"));
                }
            }
            ModelStep::Left { delivery, ended } => {
                let shared = self.shared.remove(delivery).is_some();
                wrong.unless(shared, || format!("{delivery} shares nothing any more at {at}, and shared nothing"));
                for of in ended {
                    let had = self.forget(*of);
                    wrong.unless(had, || format!("answers of {of} went with {delivery} at {at}, and it had none"));
                    self.went.push((*of, at));
                }
            }
            // Of what they cost: the budgets'.
            ModelStep::Reserved { .. } | ModelStep::Spent { .. } => {}
            ModelStep::Forgotten { .. } => wrong.say("what models cost is forgotten, and no history is that long"),
        }
    }

    /// A message that a question is about, which shares what is kept of this delivery, and whose answer to it is kept already.
    fn had(&self, delivery: DeliveryId, request: &Digest) -> Option<(DeliveryId, DeliveryId)> {
        let sharing = self.shared.iter().filter(|(_, of)| of.contains(&delivery)).map(|(message, _)| *message);
        let message = sharing.chain([delivery]).find(|message| oracle::digest_about(*message) == *request)?;
        let finds = |of: &DeliveryId| *of == message || self.shared.get(&message).is_some_and(|all| all.contains(of));
        let mut kept = self.kept.iter().filter(|(_, kept)| *kept == request).map(|((of, _), _)| *of);
        Some((message, kept.find(finds)?))
    }

    /// What went in frames before this one is shared by nobody. (Of messages that a call ends together, the record of the last comes last.)
    fn is_shared_by_nobody(&mut self, k: u64, wrong: &mut Wrong) {
        for (of, at) in self.went.extract_if(.., |(_, at)| at.k < k) {
            let sharing = self.shared.iter().find(|(_, all)| all.contains(&of));
            wrong.unless(sharing.is_none(), || format!("answers of {of} went at {at}, and are shared: {sharing:?}"));
        }
    }

    fn forget(&mut self, delivery: DeliveryId) -> bool {
        let before = self.kept.len();
        self.kept.retain(|(of, _), _| *of != delivery);
        self.kept.len() < before
    }

    /// A row went with its tenant.
    pub(super) fn erase(&mut self, key: &[u8]) -> Option<bool> {
        if let Some((_, delivery, call)) = keys::answer_parts(key) {
            return Some(self.kept.remove(&(delivery, call)).is_some());
        }
        let (_, message, of) = keys::share_parts(key)?;
        let shared = self.shared.get_mut(&message)?;
        let had = shared.remove(&of);
        if shared.is_empty() {
            self.shared.remove(&message);
        }
        Some(had)
    }

    /// Whoever was told what `may_be_lost` may have been told what nobody keeps.
    pub(super) fn check(&self, seen: &Seen, dump: &Dump, may_be_lost: impl Fn(&ToldBy) -> bool, wrong: &mut Wrong) {
        for told in seen.told.iter().filter(|told| !may_be_lost(told)) {
            let has = |of: &Vec<Option<u64>>| of.contains(&Some(told.answer));
            let is_there = match told.call {
                Some(call) => self.ever.get(&(told.delivery, call)).is_some_and(has),
                None => self.ever.values().any(has),
            };
            wrong.unless(is_there, || {
                let call = told.call.map_or_else(|| "a call with it".to_owned(), |call| format!("call {call}"));
                format!("{}: {call} was told {}, which the log does not have", told.delivery, told.answer)
            });
        }
        wrong.unless(self.shared.is_empty(), || format!("messages share answers in the end: {:?}", self.shared));
        wrong.unless(self.kept.is_empty(), || format!("answers are kept of {:?} in the end", self.kept.keys()));
        let rows = dump.get(&Table::Models).into_iter().flatten();
        let left = rows.filter(|(key, _)| keys::spent_parts(key).is_none()).count();
        wrong.unless(left == 0, || format!("{left} rows of answers are left"));
    }
}

/// The number that an answer is.
fn number(answer: &Bytes) -> Option<u64> {
    match Kept::from_bytes(answer)?.into_parts().1 {
        Ok(Told::Count(number)) => Some(number),
        _ => None,
    }
}
