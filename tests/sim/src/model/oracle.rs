//! Judges what models answered: what a handler was told is in the log, unless the process crashed before anything that came of it was; a delivery pays
//! once for a question as long as it is not settled, and then nothing of that is left.

use std::collections::BTreeMap;

use bytes::Bytes;
use wharf_delivery::{DeliveryId, ModelStep, Table, keys};
use wharf_event::{Digest, Position};
use wharf_llm::{Kept, Told};

use super::Wrong;
use crate::{life::Dump, observed::Seen, oracle::ToldBy};

/// What is kept, and what ever was.
#[derive(Default)]
pub(super) struct Oracle {
    kept: BTreeMap<(DeliveryId, u32), Digest>,
    ever: BTreeMap<(DeliveryId, u32), Vec<Option<u64>>>,
}

impl Oracle {
    pub(super) fn take(&mut self, step: &ModelStep, at: Position, wrong: &mut Wrong) {
        match step {
            ModelStep::Answered { delivery, call, request, answer } => {
                let before = self.kept.insert((*delivery, *call), *request);
                wrong.unless(before != Some(*request), || {
                    format!("{delivery} call {call} was asked again at {at}, and its answer was kept")
                });
                self.ever.entry((*delivery, *call)).or_default().push(number(answer));
            }
            ModelStep::Settled { delivery } => {
                let had = self.forget(*delivery);
                wrong.unless(had, || format!("answers of {delivery} went at {at}, and it had none"));
            }
            ModelStep::Reserved { .. } | ModelStep::Spent { .. } | ModelStep::Forgotten { .. } => {
                wrong.say(format!("models cost something at {at}, and none does"));
            }
        }
    }

    fn forget(&mut self, delivery: DeliveryId) -> bool {
        let before = self.kept.len();
        self.kept.retain(|(of, _), _| *of != delivery);
        self.kept.len() < before
    }

    /// A row went with its tenant.
    pub(super) fn erase(&mut self, key: &[u8]) -> Option<bool> {
        let (_, delivery, call) = keys::answer_parts(key)?;
        Some(self.kept.remove(&(delivery, call)).is_some())
    }

    /// Whoever was told what `may_be_lost` may have been told what nobody keeps.
    pub(super) fn check(&self, seen: &Seen, dump: &Dump, may_be_lost: impl Fn(&ToldBy) -> bool, wrong: &mut Wrong) {
        for told in seen.told.iter().filter(|told| !may_be_lost(told)) {
            let of = self.ever.get(&(told.delivery, told.call));
            wrong.unless(of.is_some_and(|of| of.contains(&Some(told.answer))), || {
                format!("{} call {} was told {}, which the log does not have", told.delivery, told.call, told.answer)
            });
        }
        wrong.unless(self.kept.is_empty(), || format!("answers are kept of {:?} in the end", self.kept.keys()));
        let left = dump.get(&Table::Models).map_or(0, Vec::len);
        wrong.unless(left == 0, || format!("{left} rows of models are left"));
    }
}

/// The number that an answer is.
fn number(answer: &Bytes) -> Option<u64> {
    match Kept::from_bytes(answer)?.into_parts().1 {
        Ok(Told::Count(number)) => Some(number),
        _ => None,
    }
}
