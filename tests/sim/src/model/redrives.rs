//! Judges redrives at a rate: what one sends lies between its two cursors and goes in the frame in which it moves; nothing that lay there when it
//! was begun is passed over; and one that is over sends nothing more.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use wharf_delivery::{DeliveryId, Record, RedriveState, ReplayPhase, Table};
use wharf_dispatch::LetterWish;
use wharf_event::Position;

use super::Wrong;
use crate::{life::Dump, observed::Seen};

/// A tenant, and a queue of it.
type Queue = (String, String);

/// How the redrive of each queue stands.
#[derive(Default)]
pub(super) struct Redrives {
    stands: BTreeMap<Queue, RedriveState>,
    /// When each letter was given up last.
    given_up_ms: BTreeMap<DeliveryId, u64>,
    /// The redrive that the last record was, or that the places behind it belong to.
    just_sent: Option<(Queue, Vec<DeliveryId>)>,
}

impl Redrives {
    /// A record came, before anything is made of it.
    pub(super) fn comes(&mut self, record: &Record) {
        match record {
            Record::Redrive { tenant, queue, deliveries } => {
                self.just_sent = Some(((tenant.to_string(), queue.to_string()), deliveries.clone()));
            }
            Record::Ordered { .. } | Record::Redriving { .. } => {}
            _ => self.just_sent = None,
        }
    }

    pub(super) fn given_up(&mut self, id: DeliveryId, time_ms: u64) {
        self.given_up_ms.insert(id, time_ms);
    }

    /// A redrive stands so from now on; these letters lie in its queue.
    pub(super) fn turn(
        &mut self,
        named: (&str, &str),
        state: &RedriveState,
        at: Position,
        lie: &BTreeSet<DeliveryId>,
        seen: &Seen,
        wrong: &mut Wrong,
    ) {
        let (tenant, queue) = named;
        let key = (tenant.to_owned(), queue.to_owned());
        let just_sent = self.just_sent.take().filter(|(of, _)| *of == key).map(|(_, ids)| ids);
        let was = self.stands.insert(key.clone(), state.clone());
        let Some((wish, begun_ms)) = kept(state) else {
            return wrong.say(format!("what {tenant}'s redrive of {queue} is for cannot be read at {at}"));
        };
        let asked = seen.paced.iter().any(|(of, asked)| *of == key && *asked == wish);
        wrong.unless(asked, || format!("nobody asked for {tenant}'s redrive of {queue} as it is at {at}: {wish:?}"));
        let Some(was) = was.filter(|was| was.phase == ReplayPhase::Running) else {
            let begins = state.phase == ReplayPhase::Running && (state.redriven, state.after) == (0, None);
            return wrong.unless(begins, || format!("{tenant}'s redrive of {queue} begins with {state:?} at {at}"));
        };
        let goes_on = was.document == state.document && was.after <= state.after;
        wrong.unless(goes_on && state.phase != ReplayPhase::Failed, || {
            format!("{tenant}'s redrive of {queue} was {was:?} and is {state:?} at {at}")
        });
        // What somebody else sent right before is none of its.
        let sent = just_sent.filter(|_| state.redriven > was.redriven).unwrap_or_default();
        let between = |id: &DeliveryId| Some(*id) > was.after && Some(*id) <= state.after;
        let counted = state.redriven == was.redriven + sent.len() as u64;
        wrong.unless(counted && sent.iter().all(between), || {
            format!("{tenant}'s redrive of {queue} was {was:?}, sent {sent:?}, and is {state:?} at {at}")
        });
        let is_done = state.phase == ReplayPhase::Done;
        let lay = |id: &DeliveryId| self.given_up_ms.get(id).is_some_and(|given_up_ms| *given_up_ms < begun_ms);
        let passed = lie.iter().find(|id| lay(id) && Some(**id) > was.after && (is_done || Some(**id) <= state.after));
        wrong.unless(passed.is_none() || wish != LetterWish::default(), || {
            format!("{tenant}'s redrive of {queue} passed over {passed:?} by the record at {at}")
        });
    }

    /// The tenant's row went. False when there was none.
    pub(super) fn erase(&mut self, key: &Queue) -> bool {
        self.stands.remove(key).is_some()
    }

    pub(super) fn has(&self, tenant: &str) -> bool {
        self.stands.keys().any(|(of, _)| of == tenant)
    }

    /// What stands in the end is what the log says, and all of it is over.
    pub(super) fn check(&self, dump: &Dump, wrong: &mut Wrong) {
        let mut found = BTreeMap::new();
        for (key, row) in dump.get(&Table::Redrives).into_iter().flatten() {
            let mut names = key.split(|byte| *byte == 0).map(|name| String::from_utf8_lossy(name).into_owned());
            let (Some(tenant), Some(queue)) = (names.next(), names.next()) else { continue };
            found.extend(RedriveState::from_bytes(&Bytes::copy_from_slice(row)).ok().map(|row| ((tenant, queue), row)));
        }
        wrong.unless(found == self.stands, || format!("redrives stand as {found:?} and should as {:?}", self.stands));
        let running = self.stands.iter().find(|(_, state)| state.phase == ReplayPhase::Running);
        wrong.unless(running.is_none(), || format!("a redrive goes on in the end: {running:?}"));
    }
}

/// What a redrive is for, as it was asked for, and when it was begun.
fn kept(state: &RedriveState) -> Option<(LetterWish, u64)> {
    let kept: serde_json::Value = serde_json::from_slice(&state.document).ok()?;
    Some((serde_json::from_value(kept.get("wish")?.clone()).ok()?, kept.get("begun_ms")?.as_u64()?))
}
