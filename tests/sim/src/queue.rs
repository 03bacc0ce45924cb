//! Clients of a queue: they receive, end what they have, late or twice, lose it, lie with what is over, and empty the queue.
//!
//! Invariant: what is wished is noted before it is asked: what came of it may be durable though nobody was told.

use std::time::Duration;

use tokio::time::timeout;
use wharf_delivery::{QueueOp, Receipt};
use wharf_dispatch::{Dispatcher, Receiving};
use wharf_event::{Event, QueueName, TenantName};

use crate::{
    client::World,
    life::collect,
    observed::Seen,
    rng::Rng,
    rules::{QUEUE, TENANTS},
    tides::TIDES,
};

/// How long a client waits for an answer beyond the time that it said.
const PATIENCE: Duration = Duration::from_secs(10);

/// For how long whoever empties the queue in the end has its messages, in milliseconds.
const DRAINING_MS: u64 = 20_000;

/// What a client wishes for a message that it has, or had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// It is done.
    Ack,
    /// It comes again, so many milliseconds later.
    Release(u64),
    /// It stays for so many milliseconds.
    Extend(u64),
    /// It was not looked at.
    Return,
}

impl Wish {
    fn of(rng: &mut Rng) -> Self {
        match rng.below(10) {
            0..=5 => Self::Ack,
            6 | 7 => Self::Release(if rng.chance(40) { 0 } else { rng.between(1, 8_000) }),
            8 => Self::Extend(rng.between(1, 8_000)),
            _ => Self::Return,
        }
    }

    fn op(self, receipts: Vec<Receipt>) -> QueueOp {
        match self {
            Self::Ack => QueueOp::Ack(receipts),
            Self::Release(delay_ms) => QueueOp::Release { receipts, delay_ms },
            Self::Extend(visibility_ms) => QueueOp::Extend { receipts, visibility_ms },
            Self::Return => QueueOp::Return(receipts),
        }
    }
}

/// What was seen of queues.
#[derive(Default)]
pub struct QueuesSeen {
    /// For how long messages were wished for, in milliseconds.
    pub visible_ms: Vec<u64>,
    /// How long messages were wished not to be received first, in milliseconds.
    pub delayed_ms: Vec<u64>,
    /// What was received: whose, with which receipt, and the event.
    pub received: Vec<(String, Receipt, Event)>,
    /// What was wished for which message.
    pub wished: Vec<(Receipt, Wish)>,
    /// Which of these wishes were said to have come about.
    pub told: Vec<(Receipt, Wish)>,
    /// Tenants whose queue somebody wished to be emptied.
    pub emptied: Vec<String>,
}

/// A client's own.
#[derive(Default)]
pub struct Receiver {
    /// Every receipt that it was ever given, and whose.
    receipts: Vec<(&'static str, Receipt)>,
}

impl Receiver {
    /// Does something with the queue of a tenant.
    pub async fn act(&mut self, world: &World, dispatcher: &Dispatcher, rng: &mut Rng, tenant: &'static str) {
        match rng.below(20) {
            0..=9 => {
                let visibility_ms = rng.chance(60).then(|| rng.between(1, 6_000));
                let wait = Duration::from_millis(if rng.chance(50) { 0 } else { rng.below(3_000) });
                let receiving = Receiving { count: rng.between(1, 5) as usize, visibility_ms, wait };
                let got = receive(world, dispatcher, tenant, receiving).await;
                if rng.chance(50) {
                    lie(world, dispatcher, tenant, Wish::of(rng), &got).await;
                }
                self.receipts.extend(got.into_iter().map(|receipt| (tenant, receipt)));
            }
            10 if rng.chance(20) => empty(world, dispatcher, tenant).await,
            _ => {
                // Mostly something recent; the same one may come twice.
                let from = if rng.chance(50) { self.receipts.len().saturating_sub(4) } else { 0 };
                let recent = self.receipts.get(from..).unwrap_or_default();
                let (Some((of, one)), other) = (rng.pick(recent).copied(), rng.pick(recent).copied()) else { return };
                let others = other.filter(|(other, _)| *other == of && rng.chance(40));
                let receipts = std::iter::once(one).chain(others.map(|(_, receipt)| receipt)).collect();
                end(world, dispatcher, of, Wish::of(rng), receipts).await;
            }
        }
    }
}

/// Lets everything go that is in any queue: in the end nothing is left.
pub async fn drain(world: &World, dispatcher: &Dispatcher) {
    for tenant in TENANTS.iter().chain(&TIDES) {
        loop {
            let receiving = Receiving { count: 50, visibility_ms: Some(DRAINING_MS), wait: Duration::ZERO };
            let receipts = receive(world, dispatcher, tenant, receiving).await;
            if receipts.is_empty() {
                break;
            }
            lie(world, dispatcher, tenant, Wish::Ack, &receipts).await;
            end(world, dispatcher, tenant, Wish::Ack, receipts).await;
            // Cleaning goes on meanwhile.
            collect(dispatcher, &world.observed);
        }
    }
}

fn names(tenant: &str) -> Option<(TenantName, QueueName)> {
    Some((tenant.parse().ok()?, QUEUE.parse().ok()?))
}

async fn receive(world: &World, dispatcher: &Dispatcher, tenant: &str, receiving: Receiving) -> Vec<Receipt> {
    let Some((of, queue)) = names(tenant) else { return Vec::new() };
    world.observed.note(
        || format!("receive {tenant} {receiving:?}"),
        |seen| seen.queues.visible_ms.extend(receiving.visibility_ms),
    );
    let told = timeout(receiving.wait + PATIENCE, dispatcher.receive(&of, &queue, receiving)).await;
    let messages = told.as_ref().ok().and_then(|told| told.as_ref().ok());
    let receipts: Vec<_> = messages.into_iter().flatten().map(|message| message.receipt).collect();
    world.observed.note(
        || match &told {
            Ok(Err(error)) => format!("received of {tenant}: {error}"),
            _ => format!("received of {tenant}: {receipts:?}"),
        },
        |seen| {
            let of = messages.into_iter().flatten();
            seen.queues.received.extend(of.map(|one| (tenant.to_owned(), one.receipt, one.event.clone())));
        },
    );
    receipts
}

/// Wishes something for messages that somebody has just received, with what others were given for them before, in any life.
async fn lie(world: &World, dispatcher: &Dispatcher, tenant: &str, wish: Wish, received: &[Receipt]) {
    let is_over = |old: &Receipt| received.iter().any(|new| new.delivery == old.delivery && new.lease > old.lease);
    let given = |seen: &Seen| seen.queues.received.iter().map(|(_, receipt, _)| *receipt).filter(is_over).collect();
    let stale: Vec<_> = given(&world.observed.seen());
    if !stale.is_empty() {
        end(world, dispatcher, tenant, wish, stale).await;
    }
}

async fn end(world: &World, dispatcher: &Dispatcher, tenant: &str, wish: Wish, receipts: Vec<Receipt>) {
    let Some((of, queue)) = names(tenant) else { return };
    world.observed.note(
        || format!("{wish:?} {tenant} {receipts:?}"),
        |seen| seen.queues.wished.extend(receipts.iter().map(|receipt| (*receipt, wish))),
    );
    let told = timeout(PATIENCE, dispatcher.end(&of, &queue, wish.op(receipts.clone()))).await;
    let good = told.as_ref().ok().and_then(|told| told.as_ref().ok());
    world.observed.note(
        || format!("told of {wish:?}: {told:?}"),
        |seen| {
            let good = receipts.iter().zip(good.into_iter().flatten()).filter(|(_, good)| **good);
            seen.queues.told.extend(good.map(|(receipt, _)| (*receipt, wish)));
        },
    );
}

async fn empty(world: &World, dispatcher: &Dispatcher, tenant: &str) {
    let Some((of, queue)) = names(tenant) else { return };
    world.observed.note(|| format!("empty {tenant}"), |seen| seen.queues.emptied.push(tenant.to_owned()));
    let told = timeout(PATIENCE, dispatcher.purge(&of, &queue)).await;
    world.observed.note(|| format!("told of empty {tenant}: {told:?}"), |_| {});
}
