//! Clients begin redrives at a rate, and cancel them.

use std::time::Duration;

use tokio::time::timeout;
use wharf_delivery::ReplayPhase;
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

/// Begins or cancels the redrive of a queue.
pub async fn act(world: &World, dispatcher: &Dispatcher, rng: &mut Rng, (tenant, queue): (&TenantName, &QueueName)) {
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
    let of_queue = [rules::QUEUE.to_owned(), rules::queue(rules::QUEUE)];
    let queues: Vec<QueueName> = rules::PLUGINS
        .iter()
        .map(|plugin| rules::queue(plugin))
        .chain(of_queue)
        .filter_map(|it| it.parse().ok())
        .collect();
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
