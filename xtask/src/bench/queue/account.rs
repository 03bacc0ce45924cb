//! What was done to a queue, written down by those who did it, and what has to follow from it.

use std::collections::{BTreeMap, BTreeSet};

use super::{RECEIVES_MAX, Report};

/// A message by its group and its number in it.
pub type Name = (u64, u64);

/// Dead letters, each with how often it was received.
pub type Letters = BTreeMap<Name, u64>;

/// How long before and behind a moment a lease may end so that it counts as either, in milliseconds.
const EDGE_MS: u64 = 20;

/// What is known of a message.
#[derive(Default)]
struct Known {
    /// When it was sent: between these times, in milliseconds since 1970.
    sent_ms: (u64, u64),
    /// How often it was received, as the host says.
    receives: u64,
    /// How often somebody was told of that.
    seen: u64,
    /// Until when somebody has it.
    until_ms: u64,
    is_ended: bool,
    is_dead: bool,
}

/// A request whose answer nobody waited for.
struct Cut {
    /// Messages that it may have been given.
    max: u64,
    /// Until when those may be held, in milliseconds since 1970.
    until_ms: u64,
}

/// The account.
#[derive(Default)]
pub struct Account {
    messages: BTreeMap<Name, Known>,
    /// In the order in which they were sent.
    sent: Vec<Name>,
    cuts: Vec<Cut>,
    /// Messages that were neither ended nor known to be given up when one behind them in their group came.
    doubts: BTreeSet<Name>,
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
        let Self { messages, report, doubts, .. } = self;
        report.received += 1;
        let before = messages.range((name.0, 0)..name).filter(|(_, it)| !it.is_ended && !it.is_spent() && !it.is_dead);
        // It may have been given up behind receives that nobody saw: then it does not come again, and is among the letters at last.
        doubts.extend(before.map(|(name, _)| *name));
        report.out_of_order += u64::from(doubts.remove(&name));
        let known = messages.entry(name).or_default();
        report.again += u64::from(known.is_ended || known.is_spent());
        known.seen += 1;
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

    /// A client asked for so many messages and is gone; what it is given may be held until then.
    pub fn cuts(&mut self, max: u64, until_ms: u64) {
        self.report.cut += 1;
        self.cuts.push(Cut { max, until_ms });
    }

    /// Whether messages were left when the time of the storm was over.
    pub fn ends_late(&mut self, late: bool) {
        self.report.late = late;
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
    pub fn look(&mut self, look: Look, dead: &Letters) {
        self.report.looks += 1;
        let remains =
            |name: &&Name| !dead.contains_key(*name) && self.messages.get(*name).is_some_and(|it| !it.is_ended);
        let depth = self.sent.iter().filter(remains).count() as u64;
        let oldest = self.sent.iter().find(remains).and_then(|name| self.messages.get(name)).map(|it| it.sent_ms);
        let held = |at_ms: u64| {
            let is = |(name, known): &(&Name, &Known)| {
                known.until_ms > at_ms && !known.is_ended && !dead.contains_key(*name)
            };
            self.messages.iter().filter(is).count() as u64
        };
        let unseen: u64 = self.cuts.iter().filter(|cut| cut.until_ms > look.began_ms).map(|cut| cut.max).sum();
        let in_flight = held(look.ended_ms + EDGE_MS)..=held(look.began_ms.saturating_sub(EDGE_MS)) + unseen;
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
        for (name, attempts) in dead {
            let known = self.messages.entry(*name).or_default();
            (known.is_dead, known.receives) = (true, *attempts);
        }
    }

    /// Whether every message that was to be sent is at its end.
    pub fn is_over(&self, messages: u64) -> bool {
        let is_over = |known: &Known| known.is_ended || known.is_dead;
        self.messages.len() as u64 == messages && self.messages.values().all(is_over)
    }

    /// The account, beside the dead letters.
    pub fn report(&mut self, dead: &Letters) -> Report {
        let mut report = std::mem::take(&mut self.report);
        for (name, attempts) in dead {
            self.messages.entry(*name).or_default().receives = *attempts;
        }
        let spent = self.messages.iter().filter(|(_, known)| !known.is_ended && known.is_spent());
        let expected: BTreeSet<Name> = spent.map(|(name, _)| *name).collect();
        let letters: BTreeSet<Name> = dead.keys().copied().collect();
        report.dead_letters = letters.len() as u64;
        report.dead_letters_expected = expected.len() as u64;
        report.dead_letters_wrong = letters.symmetric_difference(&expected).count() as u64;
        let is_lost = |(name, known): &(&Name, &Known)| !known.is_ended && !letters.contains(*name);
        report.lost = self.messages.iter().filter(is_lost).count() as u64;
        report.out_of_order += self.doubts.difference(&letters).count() as u64;
        report.received_unseen = self.messages.values().map(|known| known.receives.saturating_sub(known.seen)).sum();
        let most: u64 = self.cuts.iter().map(|cut| cut.max).sum();
        report.received_by_nobody = report.received_unseen.saturating_sub(most);
        report
    }
}

impl Known {
    fn is_spent(&self) -> bool {
        self.receives >= RECEIVES_MAX
    }
}
