//! Judges what clients were told.

use wharf_delivery::Record;
use wharf_event::{Event, Position};

use super::{Wrong, edits, life_of, log::Log, replays::is_marked, schedules::is_tick, settles::panics};
use crate::{client::World, observed::Seen, plan::StateFile, rules};

/// The type of the event by which the host tells it.
const QUARANTINED: &str = "dev.wharf.plugin.quarantined";

pub(super) fn check(seen: &Seen, world: &World, log: &Log<'_>, wrong: &mut Wrong) {
    for acked in &seen.acked {
        let sent = &acked.sent;
        let identity =
            (sent.tenant.to_owned(), sent.bus.to_owned(), sent.event.source().to_owned(), sent.event.id().to_owned());
        let taken = log.accepted.get(&identity).into_iter().flatten().find(|taken| taken.at == acked.position);
        match taken {
            None => wrong.say(format!("{identity:?} was acknowledged at {} and is not there", acked.position)),
            Some(taken) if !acked.duplicate => wrong.unless(*taken.event == sent.event, || {
                format!("{identity:?} was acknowledged at {} and has other bytes", acked.position)
            }),
            Some(_) => {}
        }
    }
    let firsts: Vec<Position> =
        seen.acked.iter().filter(|acked| !acked.duplicate).map(|acked| acked.position).collect();
    let mut once = firsts.clone();
    once.sort_unstable();
    once.dedup();
    wrong.unless(once.len() == firsts.len(), || {
        "one position was given to two events that were no duplicates".to_owned()
    });
    for ((tenant, bus, source, id), taken) in &log.accepted {
        for taken in taken {
            let was_sent = seen.sent.iter().any(|sent| {
                sent.tenant == tenant
                    && sent.bus == bus
                    && sent.event.id() == id
                    && sent.event.source() == source
                    && sent.event == *taken.event
            });
            let told = || notice(seen, world, (tenant, bus), taken.event, taken.at);
            let brought = || {
                let of = seen.asked.iter().filter(|asked| asked.tenant == *tenant && bus == "default");
                of.flat_map(|asked| &asked.events).any(|event| event == taken.event)
            };
            wrong.unless(was_sent || brought() || told() || is_tick(taken.event) || is_marked(taken.event), || {
                format!("the event at {} was never sent like that", taken.at)
            });
        }
    }
    for (version, variant) in &seen.configured {
        let document = rules::variant(world.seed, &world.plan, *variant).and_then(|of| serde_json::to_vec(&of).ok());
        let found = log.configured.get(version).map(|document| document.to_vec());
        wrong.unless(found.is_some() && found == document, || format!("rule set {variant} is not in frame {version}"));
    }
    redrives(seen, log, wrong);
    edits::answered(seen, log, wrong);
    for read in &seen.values {
        let Some((version, value)) = &read.found else { continue };
        let key = (read.tenant.clone(), read.bucket.clone(), read.key.clone());
        let written = log.written.get(&(key.clone(), *version));
        wrong.unless(written.is_some_and(|written| written == value), || {
            format!("{key:?} was read at version {version}, and was never written there")
        });
    }
    stops(seen, world, wrong);
}

/// The host told that a plugin is not run any more, and it was so: no more often than its panics are good for.
fn notice(seen: &Seen, world: &World, (tenant, bus): (&str, &str), event: &Event, at: Position) -> bool {
    let Some(plugin) = event.source().strip_prefix("/wharf/plugins/") else { return false };
    let is_same = |other: &Event| other.kind() == QUARANTINED && other.source() == event.source();
    let life = life_of(seen, at.k);
    let of_life = seen.frames.iter().filter(|(k, _)| life_of(seen, **k) == life).flat_map(|(_, items)| items);
    let told = of_life.filter(|item| match &item.record {
        Record::Accept { tenant: of, event, .. } => of.as_str() == tenant && is_same(event),
        _ => false,
    });
    let enough = told.count().saturating_mul(world.plan.host_faults_max as usize);
    bus == "default" && is_same(event) && panics(seen, life, tenant, plugin) >= enough
}

/// Every redrive that was answered is in the log, and all letters that were let go of; more may be.
fn redrives(seen: &Seen, log: &Log<'_>, wrong: &mut Wrong) {
    for (what, answered, there) in
        [("a redrive", &seen.redriven, &log.redrives), ("letting go", &seen.discarded, &log.discards)]
    {
        let mut there = there.clone();
        for told in answered.iter().filter(|(_, moved)| *moved > 0) {
            match there.iter().position(|found| found == told) {
                Some(at) => {
                    there.swap_remove(at);
                }
                None => wrong.say(format!("{what} of {told:?} letters was answered and is not in the log")),
            }
        }
    }
}

/// A clean stop leaves nothing to replay.
fn stops(seen: &Seen, world: &World, wrong: &mut Wrong) {
    for pair in seen.lives.windows(2) {
        let [before, after] = pair else { continue };
        let file = world.plan.lives.get(after.number - 1).map_or(StateFile::Stays, |life| life.state_file);
        let follows = after.number == before.number + 1 && file == StateFile::Stays;
        wrong.unless(!(before.clean && follows) || after.frames_replayed == 0, || {
            format!("life {} stopped clean, and {} frames were replayed", before.number, after.frames_replayed)
        });
    }
}
