//! Lanes that rest until a time: what their attempts would publish finds no room, or the release of the next is quarantined. Invariant: a rest ends by its time alone, and is forgotten
//! then; a lane that rests longer than it has to costs its deliveries that time and no attempt.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use wharf_delivery::{Failure, QuotaSpent, Refused};
use wharf_event::Code;

use crate::{attempt::Attempts, lane::LaneKey, limits::NO_ROOM_PAUSE_MS, schedule::Waiting};

/// Until when each lane rests, in milliseconds since 1970, and why.
#[derive(Default)]
pub(crate) struct Pauses(Mutex<HashMap<LaneKey, (u64, Code)>>);

impl Pauses {
    fn begin(&self, key: LaneKey, until_ms: u64, code: Code, now_ms: u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (until_ms, _)| *until_ms > now_ms);
        all.insert(key, (until_ms, code));
    }

    fn of(&self, key: &LaneKey, now_ms: u64) -> Option<(u64, Code)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(key).copied().filter(|(until_ms, _)| *until_ms > now_ms)
    }
}

/// There is no room for what an attempt published: its delivery waits, and no attempt is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoRoom {
    code: Code,
    reason: String,
    after_ms: u64,
}

impl NoRoom {
    /// What a spent quota says of the room, if it is of that kind: of what waits, or of a rate.
    pub(crate) fn of(spent: &QuotaSpent) -> Option<Self> {
        let after_ms = match spent {
            QuotaSpent::Backlog { .. } | QuotaSpent::BusBacklog { .. } => NO_ROOM_PAUSE_MS,
            QuotaSpent::Publish { after_ms, .. } => (*after_ms).max(1),
            QuotaSpent::Receive { .. } | QuotaSpent::Values { .. } | QuotaSpent::Hour { .. } => return None,
        };
        Some(Self { code: spent.code(), reason: spent.to_string(), after_ms })
    }

    /// As many deliveries wait as the host may hold.
    pub(crate) fn of_host() -> Self {
        Self { code: Code::Overloaded, reason: Refused::Overloaded.to_string(), after_ms: NO_ROOM_PAUSE_MS }
    }

    /// What an attempt fails with that may not wait for room any longer.
    pub(crate) fn failure(self) -> Failure {
        Failure::new(self.code, self.reason)
    }
}

impl Attempts {
    /// Lets the lane of a delivery rest until there may be room.
    pub(crate) fn rest(&self, waiting: &Waiting, NoRoom { code, after_ms, .. }: NoRoom) {
        let (key, now_ms) = ((waiting.row.tenant.clone(), waiting.row.target.to.clone()), self.clock.now_ms());
        self.pauses.begin(key, now_ms.saturating_add(after_ms), code, now_ms);
    }

    /// The same where the release of a delivery is quarantined and its lane goes on, which has others too: it is not tried again in haste.
    pub(crate) fn rest_held(&self, waiting: &Waiting) {
        let (key, now_ms) = ((waiting.row.tenant.clone(), waiting.row.target.to.clone()), self.clock.now_ms());
        if !self.is_held(&self.rules.borrow(), &key) {
            self.pauses.begin(key, now_ms.saturating_add(NO_ROOM_PAUSE_MS), Code::ReleaseQuarantined, now_ms);
        }
    }

    /// Until when a lane rests, and why: its receiver asked to be left alone, or what it publishes finds no room.
    pub(crate) fn rests_until(&self, key: &LaneKey) -> Option<(u64, Code)> {
        let alone = self.alone_until_ms(key).map(|until_ms| (until_ms, Code::WebhookBusy));
        alone.or_else(|| self.pauses.of(key, self.clock.now_ms()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_rests_until_its_time_and_others_do_not() {
        let (pauses, key) = (Pauses::default(), |name: &str| ("acme".parse().unwrap(), name.parse().unwrap()));
        pauses.begin(key("a"), 1_500, Code::QuotaBacklog, 1_000);
        assert_eq!(pauses.of(&key("a"), 1_499), Some((1_500, Code::QuotaBacklog)));
        assert_eq!((pauses.of(&key("a"), 1_500), pauses.of(&key("b"), 1_000)), (None, None));
        pauses.begin(key("b"), 3_000, Code::Overloaded, 2_000);
        assert_eq!(pauses.0.lock().unwrap().len(), 1, "what is over is forgotten");
    }

    #[test]
    fn rates_and_what_waits_have_room_again_and_bytes_that_are_kept_have_not() {
        let rate = QuotaSpent::Publish { of: None, per_s: 5, after_ms: 40 };
        assert_eq!(NoRoom::of(&rate).map(|room| (room.code, room.after_ms)), Some((Code::QuotaPublish, 40)));
        let waits = QuotaSpent::Backlog { of: None, waiting: 3, most: 2 };
        assert_eq!(NoRoom::of(&waits).map(|room| room.code), Some(Code::QuotaBacklog));
        assert_eq!(NoRoom::of(&QuotaSpent::Values { bytes: 3, most: 2 }), None);
    }
}
