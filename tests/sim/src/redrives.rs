//! Clients begin redrives at a rate, and cancel them.

use std::{ops::Bound, time::Duration};

use tokio::time::timeout;
use wharf_delivery::{ReplayPhase, Table, Tables as _, keys};
use wharf_dispatch::{Dispatcher, LetterWish};
use wharf_event::{QueueName, TenantName};

use crate::{
    client::World,
    rng::Rng,
    rules::{self, TENANTS},
    tides::TIDES,
};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Begins or cancels the redrive of a queue of a tenant: mostly of one that has letters, else of any.
pub async fn act(world: &World, dispatcher: &Dispatcher, rng: &mut Rng, (tenant, any): (&TenantName, &QueueName)) {
    let full = if rng.chance(80) { with_letters(dispatcher, tenant).await } else { Vec::new() };
    let queue = rng.pick(&full).unwrap_or(any);
    let note = |what: &str, told: String| world.observed.note(|| format!("{what} {tenant} {queue}: {told}"), |_| {});
    if rng.chance(15) {
        let told = timeout(PATIENCE, dispatcher.cancel_redrive(tenant, queue)).await;
        return note("cancel redrive", format!("{told:?}"));
    }
    let wish = match rng.below(10) {
        0 => LetterWish { type_prefix: Some("order.".to_owned()), ..LetterWish::default() },
        1 => LetterWish { rule: "a-orders".parse().ok(), ..LetterWish::default() },
        _ => LetterWish::default(),
    };
    let per_s = u32::try_from(rng.between(1, 300)).unwrap_or(1);
    world.observed.note(
        || format!("begin redrive {tenant} {queue} at {per_s}/s: {wish:?}"),
        |seen| seen.paced.push(((tenant.to_string(), queue.to_string()), wish.clone())),
    );
    let told = timeout(PATIENCE, dispatcher.begin_redrive(tenant, queue, (wish, per_s))).await;
    note("told of redrive", format!("{told:?}"));
}

/// Whether a redrive of anybody goes on.
pub async fn go_on(dispatcher: &Dispatcher) -> bool {
    let queues = queues();
    for tenant in TENANTS.iter().chain(&TIDES).filter_map(|tenant| tenant.parse::<TenantName>().ok()) {
        for queue in &queues {
            let redrive = dispatcher.paced_redrive(&tenant, queue).await;
            if redrive.is_ok_and(|redrive| redrive.state.phase == ReplayPhase::Running) {
                return true;
            }
        }
    }
    false
}

/// Queues that letters go to.
fn queues() -> Vec<QueueName> {
    let of_queue = [rules::QUEUE.to_owned(), rules::queue(rules::QUEUE)];
    let of_plugins = rules::PLUGINS.iter().map(|plugin| rules::queue(plugin));
    of_plugins.chain(of_queue).filter_map(|queue| queue.parse().ok()).collect()
}

/// Those of a tenant that have letters now.
async fn with_letters(dispatcher: &Dispatcher, tenant: &TenantName) -> Vec<QueueName> {
    let mut full = Vec::new();
    for queue in queues() {
        let prefix = keys::queue(tenant, &queue);
        let letters = dispatcher.read(move |state| state.scan(Table::DeadLetters, &prefix, Bound::Unbounded, 1)).await;
        if letters.is_ok_and(|letters| letters.is_ok_and(|letters| !letters.is_empty())) {
            full.push(queue);
        }
    }
    full
}
