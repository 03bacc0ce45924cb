//! Clients begin, cancel and let go of replays.

use std::time::Duration;

use tokio::time::timeout;
use wharf_delivery::ReplayPhase;
use wharf_dispatch::{Dispatcher, ReplayWish};
use wharf_event::{ReplayName, TenantName};

use crate::{client::World, rng::Rng, rules, rules::TENANTS, tides::TIDES};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The replays of each tenant.
const REPLAYS: [&str; 3] = ["again", "later", "more"];

/// Does something with a replay of a tenant.
pub async fn act(world: &World, dispatcher: &Dispatcher, rng: &mut Rng, tenant: &'static str) {
    let Some(name) = rng.pick(&REPLAYS).copied() else { return };
    let (Ok(of), Ok(replay)) = (tenant.parse::<TenantName>(), name.parse::<ReplayName>()) else { return };
    let note =
        |what: &str, told: String| world.observed.note(|| format!("{what} replay {tenant} {name}: {told}"), |_| {});
    match rng.below(10) {
        0..=5 => {
            let Some(wish) = wish(dispatcher, rng) else { return };
            world.observed.note(
                || format!("begin replay {tenant} {name}: {wish:?}"),
                |seen| seen.replays.push((tenant.to_owned(), wish.clone())),
            );
            note("told of", format!("{:?}", timeout(PATIENCE, dispatcher.begin_replay(&of, &replay, wish)).await));
        }
        6 | 7 => note("cancel", format!("{:?}", timeout(PATIENCE, dispatcher.cancel_replay(&of, &replay)).await)),
        _ => note("remove", format!("{:?}", timeout(PATIENCE, dispatcher.remove_replay(&of, &replay)).await)),
    }
}

fn wish(dispatcher: &Dispatcher, rng: &mut Rng) -> Option<ReplayWish> {
    let mut bus = || rng.pick(&rules::BUSES).and_then(|bus| bus.parse().ok());
    let (from, to) = (bus(), bus());
    let now_ms = dispatcher.now_ms();
    let mut time_ms = |chance| rng.chance(chance).then(|| now_ms.saturating_sub(rng.below(20_000)));
    let (start_ms, end_ms) = (time_ms(15), time_ms(10));
    let target = rng.chance(20).then(|| rng.pick(&rules::PLUGINS).and_then(|plugin| plugin.parse().ok())).flatten();
    Some(ReplayWish {
        bus: from?,
        to_bus: to.filter(|_| rng.chance(30)),
        rule: rng.chance(10).then(|| "a-orders".parse().ok()).flatten(),
        target,
        start_ms,
        end_ms,
        type_prefix: rng.pick(&["", "", "order.", "p", "pub.a"]).map(|prefix| (*prefix).to_owned()),
        pattern: rng.chance(20).then(|| "{\"subject\": [{\"exists\": false}]}".to_owned()),
        per_s: u32::try_from(rng.between(1, 300)).unwrap_or(1),
    })
}

/// Whether a replay of anybody goes on.
pub async fn go_on(dispatcher: &Dispatcher) -> bool {
    for tenant in TENANTS.iter().chain(&TIDES).filter_map(|tenant| tenant.parse::<TenantName>().ok()) {
        let all = dispatcher.replays(&tenant).await.unwrap_or_default();
        if all.iter().any(|replay| replay.state.phase == ReplayPhase::Running) {
            return true;
        }
    }
    false
}
