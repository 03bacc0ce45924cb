//! Events that are owed to very many: how far each came, as the log tells of it.
//!
//! Each of their deliveries arises once, in the order of the targets, no more with one record than may; in the end all of them arose.

use std::collections::BTreeMap;

use wharf_delivery::{TargetRef, limits::TARGETS_AT_ONCE};
use wharf_event::{Event, Position};

use super::Wrong;

/// How far an event came.
struct Fan<'a> {
    tenant: &'a str,
    event: &'a Event,
    targets: &'a [TargetRef],
    next: usize,
    arose: (Position, u64),
}

/// A step of an event: the event, the record that it arose with and when, and how many deliveries it had before.
pub(super) type Step<'a> = (&'a Event, (Position, u64), usize);

/// All of them.
#[derive(Default)]
pub(super) struct Fans<'a> {
    open: BTreeMap<Position, Fan<'a>>,
}

impl<'a> Fans<'a> {
    /// An event arises; gives the targets whose deliveries arise with it.
    pub(super) fn begin(
        &mut self,
        (tenant, event, at): (&'a str, &'a Event, Position),
        targets: &'a [TargetRef],
        arose: (Position, u64),
    ) -> &'a [TargetRef] {
        let (first, rest) = targets.split_at(targets.len().min(TARGETS_AT_ONCE));
        if !rest.is_empty() {
            self.open.insert(at, Fan { tenant, event, targets, next: first.len(), arose });
        }
        first
    }

    /// An event comes to be owed to these too, from the target of this number on.
    pub(super) fn goes_on(
        &mut self,
        (tenant, at): (&str, Position),
        (next, targets): (u16, &[TargetRef]),
        wrong: &mut Wrong,
    ) -> Option<Step<'a>> {
        let Some(fan) = self.open.get_mut(&at).filter(|fan| fan.tenant == tenant) else {
            wrong.say(format!(
                "the event at {at} of {tenant} is owed to all, and comes to be owed to {}",
                targets.len()
            ));
            return None;
        };
        let owed: Vec<_> = fan.targets.iter().skip(fan.next).take(targets.len()).map(named).collect();
        let said: Vec<_> = targets.iter().map(named).collect();
        let fits = (1..=TARGETS_AT_ONCE).contains(&said.len()) && usize::from(next) == fan.next;
        wrong.unless(fits && owed == said, || {
            format!("the event at {at} came to {} and goes on from {next} to {said:?}", fan.next)
        });
        let before = fan.next;
        fan.next += targets.len();
        let step = (fan.event, fan.arose, before);
        if fan.next >= fan.targets.len() {
            self.open.remove(&at);
        }
        Some(step)
    }

    /// In the end nothing is left to arise.
    pub(super) fn check(&self, wrong: &mut Wrong) {
        for (at, fan) in &self.open {
            wrong.say(format!("the event at {at} is owed to {} and came to {}", fan.targets.len(), fan.next));
        }
    }
}

fn named(target: &TargetRef) -> (&str, &str) {
    (target.rule.as_str(), target.to.name())
}
