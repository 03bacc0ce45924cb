//! In `wharf dev`, events that no rule is for are told of, with the first field of a rule that each lacked: who wonders why nothing happens
//! sees it where the host runs.
//!
//! It follows the log behind the host and holds nobody up: of a burst it tells the first and how many there were.

use std::time::Duration;

use wharf_delivery::Record;
use wharf_dispatch::{Dispatcher, RuleSet};
use wharf_event::{BusName, Event, TenantName};
use wharf_pattern::Mismatch;

/// Time between two events that are told of.
const PAUSE: Duration = Duration::from_millis(500);

/// Frames that are looked at in one go; those before them are passed over.
const FRAMES_MAX: u64 = 256;

/// Rules that are named.
const RULES_TOLD: usize = 3;

/// Tells of events that come from now on, behind what the log has when it is called, until the host stops.
pub fn tell(dispatcher: Dispatcher) -> impl Future<Output = ()> + Send {
    let k = dispatcher.archive().last_k();
    follow(dispatcher, k)
}

async fn follow(dispatcher: Dispatcher, mut k: u64) {
    while let Some(durable) = dispatcher.frame_after(k).await {
        let (archive, from) = (dispatcher.archive().clone(), (k + 1).max(durable.saturating_sub(FRAMES_MAX)));
        k = durable;
        let read = move || -> Vec<_> {
            let items = (from..=durable).filter_map(|k| archive.frame(k).ok()).flatten();
            items.filter_map(|item| unmatched(item.record)).collect()
        };
        let Ok(events) = tokio::task::spawn_blocking(read).await else { return };
        let Some(((tenant, bus, event), others)) = events.split_first() else { continue };
        let more = if others.is_empty() { String::new() } else { format!(", and {} others", others.len()) };
        let (id, kind) = (event.id(), event.kind());
        let why = lacks(&dispatcher.rules(), tenant, bus, event);
        tracing::info!("no rule is for event {id} of type {kind} on bus {bus} of {tenant}{more}: {why}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// A received event that is owed to nobody.
fn unmatched(record: Record) -> Option<(TenantName, BusName, Event)> {
    match record {
        Record::Accept { tenant, bus, event, targets } if targets.is_empty() => Some((tenant, bus, event)),
        _ => None,
    }
}

/// What the first rules wanted of an event.
fn lacks(rules: &RuleSet, tenant: &TenantName, bus: &BusName, event: &Event) -> String {
    let Ok(verdicts) = rules.explain(tenant, bus, event, None) else { return "the bus is gone".to_owned() };
    let mismatches = verdicts.filter_map(|(rule, verdict)| Some((rule, verdict.err()?)));
    let lines: Vec<String> = mismatches
        .take(RULES_TOLD)
        .map(|(rule, Mismatch { pointer, wanted, saw })| {
            format!("{} wants {wanted} at {pointer}, and it is {saw}", rule.name)
        })
        .collect();
    if lines.is_empty() { "the bus has no rule".to_owned() } else { lines.join("; ") }
}
