//! What is recorded of attempts, and which of them are.
//!
//! Invariant: a recording has its place before its attempt is settled, so that the settlement can name it, and is written whenever the disk can; nobody waits for
//! it. Where the disk is short of room nothing is recorded: what is left is for settlements.

use std::time::Duration;

use wharf_delivery::RecordingAt;
use wharf_event::{Digest, Event, PluginName, TenantName};
use wharf_recording::{Holds, Item, Recording, Tape, limits::EVENT_BYTES_MAX};

use crate::{attempt::Attempts, rules::RuleSet, schedule::Waiting};

/// A call of a plugin that has ended.
pub(crate) struct Ran<'a> {
    pub(crate) plugin: &'a PluginName,
    pub(crate) release: Digest,
    pub(crate) deadline_ms: u32,
    pub(crate) took: Duration,
}

impl Attempts {
    /// Keeps what was recorded of a call, if it is one to be kept. `items` are those that it was made with, for what it held.
    pub(crate) fn record(
        &self,
        tenant: &TenantName,
        (tape, failed): (&Tape, bool),
        ran: &Ran<'_>,
        items: impl FnOnce(Holds) -> Vec<Item>,
    ) -> Option<RecordingAt> {
        let recordings = &self.surroundings.recordings;
        if !tape.is_on() {
            return None;
        }
        if self.shared.progress.borrow().short_of.is_some() {
            recordings.spare();
            return None;
        }
        if !recordings.wants(tenant, ran.plugin, failed) {
            return None;
        }
        let taped = tape.take()?;
        recordings.keep(&Recording {
            tenant: tenant.clone(),
            plugin: ran.plugin.clone(),
            release: ran.release,
            ended_ms: self.clock.now_ms(),
            took_us: u64::try_from(ran.took.as_micros()).unwrap_or(u64::MAX),
            deadline_ms: ran.deadline_ms,
            items: items(taped.held),
            calls: taped.calls,
            not_kept: taped.not_kept,
        })
    }

    /// The same of an attempt of a delivery, whose handler got `event`.
    pub(crate) fn record_attempt(
        &self,
        waiting: &Waiting,
        rules: &RuleSet,
        event: &Event,
        (tape, failed): (&Tape, bool),
        ran: &Ran<'_>,
    ) -> Option<RecordingAt> {
        let row = &waiting.row;
        let item = |held: Holds| Item {
            delivery: waiting.id,
            rule: row.target.rule.to_string(),
            attempt: row.attempts + 1,
            max_attempts: most(rules, waiting),
            event: Item::event(event, held == Holds::InEvent, &mut { EVENT_BYTES_MAX }),
        };
        self.record(&row.tenant, (tape, failed), ran, |held| vec![item(held)])
    }
}

/// How many attempts a delivery may have.
pub(crate) fn most(rules: &RuleSet, Waiting { row, .. }: &Waiting) -> u32 {
    rules.resolve(&row.tenant, &row.target).map_or(1, |target| target.retry.attempts)
}
