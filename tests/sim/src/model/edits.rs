//! Judges edits: each is of a letter, is what somebody wished, and what is delivered from the next redrive on.

use std::collections::BTreeSet;

use wharf_delivery::{DeliveryId, Record};
use wharf_dispatch::Item;

use super::{Wrong, log::Log};
use crate::observed::Seen;

/// Takes the record of an edit.
pub(super) fn take<'a>(log: &mut Log<'a>, item: &'a Item, seen: &Seen, wrong: &mut Wrong) {
    let Record::Edited { tenant, queue, delivery, event, .. } = &item.record else { return };
    let at = item.position;
    let letters = log.queues.get(&(tenant.to_string(), queue.to_string()));
    wrong.unless(letters.is_some_and(|letters| letters.contains(delivery)), || {
        format!("{delivery} was edited at {at}, and was no letter of {queue}")
    });
    let is_wished = seen.edits.iter().any(|((of, wish), _)| (of, wish) == (delivery, event));
    wrong.unless(is_wished, || format!("{delivery} was edited at {at} as nobody wished"));
    if let Some(of) = log.deliveries.get_mut(delivery) {
        let is_same = (of.event.id(), of.event.source(), of.event.kind()) == (event.id(), event.source(), event.kind());
        wrong.unless(is_same, || format!("{delivery} was edited at {at} to be another event"));
        of.edits.push((at, event));
        of.event = event;
    }
    log.messages.edited(*delivery, event);
    log.edited.push((*delivery, at));
}

/// Every edit that was answered is in the log once; more may be.
pub(super) fn answered(seen: &Seen, log: &Log<'_>, wrong: &mut Wrong) {
    let mut told = BTreeSet::new();
    for ((delivery, event), _) in seen.edits.iter().filter(|(_, is_told)| *is_told) {
        let there = log.edited.iter().find(|(of, at)| {
            let items = seen.frames.get(&at.k).into_iter().flatten();
            let is_it = |item: &Item| matches!(&item.record, Record::Edited { event: found, .. } if found == event);
            of == delivery && items.filter(|item| item.position == *at).any(is_it)
        });
        let is_new = there.is_some_and(|found: &(DeliveryId, _)| told.insert(*found));
        wrong.unless(is_new, || format!("an edit of {delivery} was answered and is not in the log"));
    }
}
