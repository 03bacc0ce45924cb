//! What was done to a queue, written down by those who did it, and what has to follow from it.

use std::collections::{BTreeMap, BTreeSet};

use super::{RECEIVES_MAX, Report};

/// A message by its group and its number in it.
pub type Name = (u64, u64);

/// How long before and behind a moment a lease may end so that it counts as either, in milliseconds.
const EDGE_MS: u64 = 20;

/// What is known of a message.
#[derive(Default)]
struct Known {
    /// When it was sent: between these times, in milliseconds since 1970.
    sent_ms: (u64, u64),
    receives: u64,
    /// Until when somebody has it.
    until_ms: u64,
    is_ended: bool,
}

/// The account.
#[derive(Default)]
pub struct Account {
    messages: BTreeMap<Name, Known>,
    /// In the order in which they were sent.
    sent: Vec<Name>,
    report: Report,
}

/// What a look at the queue said.
#[derive(Clone, Copy)]
pub struct Look {
    pub depth: u64,
    pub in_flight: u64,
    pub oldest_ms: Option<u64>,
    pub began_ms: u64,
    pub ended_ms: u64,
}

impl Account {
    pub fn sends(&mut self, names: &[Name], sent_ms: (u64, u64)) {
        for name in names {
            self.messages.entry(*name).or_default().sent_ms = sent_ms;
            self.sent.push(*name);
        }
    }

    /// They were sent at the latest then.
    pub fn sent_until(&mut self, names: &[Name], until_ms: u64) {
        for name in names {
            self.messages.entry(*name).or_default().sent_ms.1 = until_ms;
        }
    }

    /// Somebody received a message. Those before it in its group have to be at their end.
    pub fn receives(&mut self, name: Name, receives: u64, until_ms: u64) {
        let Self { messages, report, .. } = self;
        report.received += 1;
        let before = messages.range((name.0, 0)..name).all(|(_, before)| before.is_ended || before.is_spent());
        report.out_of_order += u64::from(!before);
        let known = messages.entry(name).or_default();
        report.again += u64::from(known.is_ended || known.is_spent());
        (known.receives, known.until_ms) = (receives, until_ms);
    }

    /// A client shows a receipt that is good by all that it knows: from now on the next message of the group may come.
    pub fn ends(&mut self, name: Name) {
        self.messages.entry(name).or_default().is_ended = true;
    }

    /// Whether it was taken.
    pub fn told(&mut self, name: Name, taken: bool) {
        if let Some(known) = self.messages.get_mut(&name) {
            (known.is_ended, known.until_ms) = (taken, 0);
        }
        self.report.ended += u64::from(taken);
        self.report.good_refused += u64::from(!taken);
    }

    /// A client gave a message back, and whether that was taken.
    pub fn releases(&mut self, name: Name, taken: bool) {
        self.messages.entry(name).or_default().until_ms = 0;
        self.report.good_refused += u64::from(!taken);
    }

    pub fn forgets(&mut self) {
        self.report.forgotten += 1;
    }

    /// A client showed a receipt behind its time, or again.
    pub fn stale(&mut self, taken: bool) {
        self.report.stale += 1;
        self.report.stale_taken += u64::from(taken);
    }

    /// Everybody held still, and this is what the queue said of itself; `dead` are its dead letters.
    pub fn look(&mut self, look: Look, dead: &BTreeSet<Name>) {
        self.report.looks += 1;
        let remains = |name: &&Name| !dead.contains(*name) && self.messages.get(*name).is_some_and(|it| !it.is_ended);
        let depth = self.sent.iter().filter(remains).count() as u64;
        let oldest = self.sent.iter().find(remains).and_then(|name| self.messages.get(name)).map(|it| it.sent_ms);
        let held = |at_ms: u64| {
            let is =
                |(name, known): &(&Name, &Known)| known.until_ms > at_ms && !known.is_ended && !dead.contains(*name);
            self.messages.iter().filter(is).count() as u64
        };
        let in_flight = held(look.ended_ms + EDGE_MS)..=held(look.began_ms.saturating_sub(EDGE_MS));
        let is_age = match (oldest, look.oldest_ms) {
            (Some((from_ms, to_ms)), Some(since_ms)) => {
                (from_ms.saturating_sub(EDGE_MS)..=to_ms + EDGE_MS).contains(&since_ms)
            }
            (None, None) => true,
            _ => false,
        };
        let right = depth == look.depth && in_flight.contains(&look.in_flight) && is_age;
        if !right {
            super::say(&format!(
                "a look: depth {} and should be {depth}, in flight {} of {in_flight:?}, the oldest {:?} of {oldest:?}",
                look.depth, look.in_flight, look.oldest_ms
            ));
        }
        self.report.looks_wrong += u64::from(!right);
    }

    /// Whether every message that was to be sent is at its end.
    pub fn is_over(&self, messages: u64) -> bool {
        let is_over = |known: &Known| known.is_ended || (known.is_spent() && known.until_ms == 0);
        self.messages.len() as u64 == messages && self.messages.values().all(is_over)
    }

    /// What has to be done with a message that may not be received again: its last lease runs out by itself.
    pub fn runs_out(&mut self, now_ms: u64) {
        let spent = self.messages.values_mut().filter(|known| known.is_spent() && !known.is_ended);
        spent.filter(|known| known.until_ms <= now_ms).for_each(|known| known.until_ms = 0);
    }

    /// The account, beside the dead letters.
    pub fn report(&mut self, dead: &BTreeSet<Name>) -> Report {
        let mut report = std::mem::take(&mut self.report);
        let spent = self.messages.iter().filter(|(_, known)| !known.is_ended && known.is_spent());
        let expected: BTreeSet<Name> = spent.map(|(name, _)| *name).collect();
        report.dead_letters = dead.len() as u64;
        report.dead_letters_expected = expected.len() as u64;
        let accounted = |(name, known): &(&Name, &Known)| known.is_ended != dead.contains(*name);
        report.lost = self.messages.len() as u64 - self.messages.iter().filter(accounted).count() as u64;
        report.lost += dead.symmetric_difference(&expected).count() as u64;
        report
    }
}

impl Known {
    fn is_spent(&self) -> bool {
        self.receives >= RECEIVES_MAX
    }
}
