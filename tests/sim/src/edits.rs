//! A client edits dead letters: one that lies in a queue, or one that may have left it meanwhile.

use std::{ops::Bound, time::Duration};

use tokio::time::timeout;
use wharf_delivery::{DeadLetterRow, EditRequest, Table, Tables as _, keys};
use wharf_dispatch::Dispatcher;
use wharf_event::{EDITED_ATTRIBUTE, QueueName, TenantName};

use crate::{client::World, rng::Rng, rules};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Letters of which one is chosen.
const LETTERS: usize = 20;

/// Gives a letter of a tenant the event that it has, with another mark.
pub async fn act(world: &World, dispatcher: &Dispatcher, rng: &mut Rng, tenant: &'static str) {
    let Some(plugin) = rng.pick(&rules::PLUGINS) else { return };
    let queue = rules::queue(if rng.chance(30) { rules::QUEUE } else { plugin });
    let (Ok(of), Ok(queue)) = (tenant.parse::<TenantName>(), queue.parse::<QueueName>()) else { return };
    let prefix = keys::queue(&of, &queue);
    let letters = dispatcher.read(|state| state.scan(Table::DeadLetters, &prefix, Bound::Unbounded, LETTERS)).await;
    let Ok(Ok(letters)) = letters else { return };
    let Some((key, row)) = rng.pick(&letters) else { return };
    let (Some(delivery), Ok(row)) = (keys::delivery_of(key), DeadLetterRow::from_bytes(row)) else { return };
    let mark = format!("{}", rng.bits());
    let place = row.delivery.event_at(delivery);
    let Ok(event) = dispatcher.archive().event(place) else { return };
    let Ok(event) = event.with_extension(EDITED_ATTRIBUTE, mark.clone()) else { return };
    // Somebody may send it again meanwhile.
    tokio::time::sleep(Duration::from_millis(rng.below(3))).await;
    let wish = (delivery, event.clone());
    world
        .observed
        .note(|| format!("edit {delivery} of {tenant} {queue}: {mark}"), |seen| seen.edits.push((wish, false)));
    let request = EditRequest { tenant: of, queue: queue.clone(), delivery, edits: Some(place), event: event.clone() };
    let told = timeout(PATIENCE, dispatcher.edit(request)).await;
    let is_done = matches!(told, Ok(Ok(())));
    world.observed.note(
        || format!("edit {delivery} of {tenant} {queue}, {mark}: {told:?}"),
        |seen| {
            if let Some((_, told)) = seen.edits.iter_mut().find(|(wish, _)| *wish == (delivery, event.clone())) {
                *told = is_done;
            }
        },
    );
}
