//! Records of the log as the API shows them.

use std::ops::Range;

use wharf_delivery::{Attempt, DeliveryId, LogLine, Move, Outcome, Published, Record, TargetRef, published_on};
use wharf_dispatch::{Item, rfc3339};
use wharf_event::{BusName, Code, Event, Position, QueueName, Target, TenantName};
use wharf_gateway::{
    Refusal,
    view::{self, AttemptView, EventView, FeedItem, LogLineView},
};

use super::recordings;

/// An event at its place.
pub(super) struct Placed<'a> {
    pub(super) position: Position,
    pub(super) time_ms: u64,
    pub(super) bus: &'a BusName,
    pub(super) event: &'a Event,
    pub(super) targets: &'a [TargetRef],
    /// It hops once too often: the dead-letter queue of each delivery. Empty otherwise.
    pub(super) given_up: &'a [QueueName],
    pub(super) parent: Option<Position>,
}

/// What a target of an event takes beside its names.
const TARGET_BYTES: usize = 40;

impl Placed<'_> {
    /// About so many bytes has the view.
    pub(super) fn bytes(view: &EventView) -> usize {
        let names =
            view.deliveries.iter().map(|target| TARGET_BYTES + target.rule.as_str().len() + target.to.text_len());
        view.event.get().len() + names.sum::<usize>()
    }

    pub(super) fn view(&self) -> Result<EventView, Refusal> {
        self.view_with(&(0..self.targets.len()))
    }

    /// The view with these of its targets.
    pub(super) fn view_with(&self, told: &Range<usize>) -> Result<EventView, Refusal> {
        let target = |(n, target): (u32, &TargetRef)| view::TargetRef {
            rule: target.rule.clone(),
            to: target.to.clone(),
            n,
            given_up: self.given_up.get(n as usize).cloned(),
        };
        let event = view::event_json(self.event)
            .map_err(|error| Refusal::new(Code::Internal, format!("an event is no JSON: {error}")))?;
        Ok(EventView {
            position: self.position,
            time: rfc3339(self.time_ms),
            bus: self.bus.clone(),
            event,
            deliveries: (0..).zip(self.targets).take(told.end).skip(told.start).map(target).collect(),
            parent: self.parent,
        })
    }
}

/// The events that a record brought, in the order of their positions.
pub(super) fn events<'a>(item: &'a Item) -> Vec<Placed<'a>> {
    let (position, time_ms) = (item.position, item.time_ms);
    match &item.record {
        Record::Accept { bus, event, targets, .. } => {
            vec![Placed { position, time_ms, bus, event, targets, given_up: &[], parent: None }]
        }
        Record::Settle { bus, target, delivery, published, .. } => {
            let bus = published_on(bus, target);
            let parent = Some(delivery.event);
            let placed = |(n, published): (u32, &'a Published)| Placed {
                position: Position { k: position.k, i: position.i + n },
                time_ms,
                bus,
                event: &published.event,
                targets: &published.targets,
                given_up: &published.given_up,
                parent,
            };
            (1..).zip(published).map(placed).collect()
        }
        // What was carried is told where it came in.
        _ => Vec::new(),
    }
}

pub(super) fn attempt(
    item: &Item,
    attempt: &Attempt,
    outcome: &Outcome,
    published: &[Published],
    kv_writes: usize,
) -> AttemptView {
    let position = item.position;
    let published = (1..).zip(published).map(|(n, _)| Position { k: position.k, i: position.i + n });
    let details = attempt.details.as_deref();
    let line = |line: &LogLine| LogLineView {
        level: line.level.as_str().to_owned(),
        context: line.context.clone(),
        message: line.message.clone(),
    };
    AttemptView {
        attempt: attempt.number,
        position,
        time: rfc3339(item.time_ms),
        release: attempt.release,
        outcome: match outcome {
            Outcome::Ack => view::Outcome::Ack,
            Outcome::Retry { at_ms, code, reason } => {
                view::Outcome::Retry { at: rfc3339(*at_ms), code: *code, reason: reason.clone() }
            }
            Outcome::DeadLetter { queue, code, reason } => {
                view::Outcome::DeadLetter { code: *code, reason: reason.clone(), queue: queue.clone() }
            }
            Outcome::Filtered { transform } => view::Outcome::Filtered { transform: transform.clone() },
        },
        duration_us: attempt.duration_us,
        published: published.collect(),
        kv_writes: u32::try_from(kv_writes).unwrap_or(u32::MAX),
        cpu_us: details.map(|details| details.cpu_us),
        memory_bytes: details.map(|details| details.memory_bytes),
        limits: details.map(|details| details.limits.clone()).unwrap_or_default(),
        log: details.map(|details| details.log.lines().map(line).collect()).unwrap_or_default(),
        log_lines_dropped: details.map_or(0, |details| details.log.dropped()),
        consumer: attempt.consumer().cloned(),
        recording: attempt.recording().copied().map(recordings::place),
    }
}

/// What a record tells those who follow `tenant`. `redriven` finds the target of a delivery that was sent again.
pub(super) fn feed(
    item: &Item,
    tenant: &TenantName,
    redriven: impl Fn(DeliveryId) -> Option<TargetRef>,
) -> Result<Vec<FeedItem>, Refusal> {
    if item.record.tenant() != Some(tenant) {
        return Ok(Vec::new());
    }
    let events = events(item).iter().map(Placed::view).collect::<Result<Vec<_>, _>>()?;
    Ok(match &item.record {
        Record::Accept { .. } => events.into_iter().map(|event| FeedItem::Received { event }).collect(),
        Record::Settle { delivery, target, attempt: tried, outcome, published, writes, .. } => {
            vec![FeedItem::Settled {
                delivery: delivery.to_string(),
                event: delivery.event,
                rule: target.rule.clone(),
                to: target.to.clone(),
                attempt: Box::new(attempt(item, tried, outcome, published, writes.len())),
                published: events,
            }]
        }
        Record::Redrive { queue, deliveries, .. } => {
            let item = |id: &DeliveryId| {
                let target = redriven(*id)?;
                Some(FeedItem::Redriven {
                    delivery: id.to_string(),
                    event: id.event,
                    rule: target.rule,
                    to: target.to,
                    queue: queue.clone(),
                    time: rfc3339(item.time_ms),
                })
            };
            deliveries.iter().filter_map(item).collect()
        }
        Record::Discard { queue, deliveries, .. } => {
            let item = |id: &DeliveryId| {
                let target = redriven(*id)?;
                Some(FeedItem::Discarded {
                    delivery: id.to_string(),
                    event: id.event,
                    rule: target.rule,
                    to: target.to,
                    queue: queue.clone(),
                    time: rfc3339(item.time_ms),
                })
            };
            deliveries.iter().filter_map(item).collect()
        }
        Record::Queue { queue, moves, .. } => {
            let moved = |(id, to): &(DeliveryId, Move)| FeedItem::Moved {
                delivery: id.to_string(),
                event: id.event,
                to: Target::Queue(queue.clone()),
                step: super::trace::moved(to, rfc3339(item.time_ms)),
            };
            moves.iter().map(moved).collect()
        }
        Record::Edited { queue, delivery, .. } => vec![FeedItem::Edited {
            delivery: delivery.to_string(),
            event: delivery.event,
            queue: queue.clone(),
            time: rfc3339(item.time_ms),
        }],
        _ => Vec::new(),
    })
}
