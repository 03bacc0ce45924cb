//! What must have come of a history, worked out from what clients were told, what handlers did, and the records of the log.
//!
//! Invariant: no line of this is shared with the machine that decides and applies, so that a mistake there shows as a
//! difference here. It reads records and rows by the product's codec, and judges them by its own rules:
//!
//! 1. what was acknowledged is in the log once, where the client was told, with its bytes (`answers`);
//! 2. an identity is taken once within the window, and whom an event is owed to follows from the rules in force (`log`);
//! 3. attempts of a delivery are numbered without gaps and settled once, with exactly the effects of a run that read what was
//!    current, at a time that its policy allows (`settles`);
//! 4. handlers run when they may: after their time, once at a time, in log order where that is promised, never when all is
//!    settled (`runs`);
//! 5. control objects change where the client was told, and only if they were what it took them to be (`objects`);
//! 6. tenants that are made take the turns that they may; of one that is gone nothing is left, what it had is nobody's, and only it was
//!    touched; while one rests nothing of it begins (`tenants`);
//! 7. values, counters, dead letters and figures are exact in the end, and the log alone gives them again (`tables`);
//! 8. a message of a queue is one client's at a time, ends by the receipt of a lease that lasts, and leaves for a reason (`queue`);
//! 9. a settle is charged with what the runs of its attempt used, once, requests are charged with what they used and a crash takes some of that at most,
//!    and the sums of both are exact (`usage`);
//! 10. a replay brings each event of the archive that it is for once, in order, marked (`replays`);
//! 11. of an event that is owed to very many each delivery arises once, in the order of the targets, and in the end all did (`fans`);
//! 12. an edit is of a letter, is what somebody wished, and is what attempts get from the next redrive on (`edits`, `runs`);
//! 13. a webhook's requests are attempts as a handler's runs are, carry the event, and none leaves before the event is durable (`settles`, `runs`,
//!     and the receiver outside);
//! 14. a redrive at a rate sends the letters between its two cursors in the frame in which it moves, and passes over none (`redrives`);
//! 15. messages that a plugin consumes end by a call that had them, all with its effects or some without any, one group at a time (`calls`);
//! 16. what a model answered a handler is in the log before what the handler does with it, a delivery pays once for a question until it is settled, also a
//!     message in other batches, and then nothing of that is left (`oracle`);
//! 17. of deliveries to a target with one ordering key one is under way at a time, in the order of the log: the next comes to its turn in the frame in
//!     which the one before it leaves for good, and no sooner (`lines`, `queue`);
//! 18. what a plugin did for a request that it answered is there as whole as was told, and what it read was current (`web`);
//! 19. what models may cost fits into budgets when it is reserved, is in the log before they are asked, and its sums are exact (`budgets`);
//! 20. a recording that a settle names was made of its attempt, in its life (`settles`, `calls`).

mod answers;
mod book;
mod budgets;
mod calls;
mod delivery;
mod edits;
mod fans;
mod lines;
mod log;
mod objects;
mod oracle;
mod queue;
mod redrives;
mod replays;
mod runs;
mod schedules;
mod settles;
mod tables;
mod tenants;
mod usage;
mod web;

use std::collections::{BTreeMap, BTreeSet};

use wharf_delivery::{LinePlace, Record, ReplayPhase};
use wharf_dispatch::Item;
use wharf_event::Position;

use self::delivery::{Standing, Turn};
use crate::{
    client::World,
    history::Figures,
    life::Dump,
    observed::{Ran, Seen},
    oracle::ToldBy,
    rules,
};

/// Sentences about one history that are kept.
const WRONG_MAX: usize = 40;

/// What is wrong, in words.
#[derive(Default)]
pub(crate) struct Wrong(Vec<String>);

impl Wrong {
    fn say(&mut self, sentence: impl Into<String>) {
        if self.0.len() < WRONG_MAX {
            self.0.push(sentence.into());
        }
    }

    fn unless(&mut self, holds: bool, sentence: impl FnOnce() -> String) {
        if !holds {
            self.say(sentence());
        }
    }
}

/// Holds what was seen against the model.
pub(crate) fn check(seen: &Seen, world: &World, dump: &Dump) -> Vec<String> {
    let mut wrong = Wrong::default();
    let log = log::Log::read(seen, world, &mut wrong);
    answers::check(seen, world, &log, &mut wrong);
    objects::check(seen, &log, &mut wrong);
    runs::check(seen, world, &log, &mut wrong);
    lines::check(seen, world, &log, &mut wrong);
    tenants::check(seen, world, &log, &mut wrong);
    tables::check(dump, &log, &mut wrong);
    queue::check(seen, &log, dump, &mut wrong);
    calls::check(seen, world, &log, &mut wrong);
    objects::in_the_end(dump, &log, &mut wrong);
    log.replays.check(dump, &mut wrong);
    log.paced.check(dump, &mut wrong);
    log.fans.check(&mut wrong);
    log.oracle.check(seen, dump, |told| may_be_lost(told, seen, &log), &mut wrong);
    log.budgets.check(seen, dump, &mut wrong);
    web::check(seen, &log, &mut wrong);
    log.charged.check(dump, &mut wrong);
    log.charged.check_requests(seen, &mut wrong);
    log.schedules.check(dump, (log.last_ms, log.followed_ms), world, &mut wrong);
    wrong.0
}

pub(crate) use tables::differences;

/// Whether what a handler was told need not be in the log: its delivery went with its tenant, or the process crashed before it had settled the attempt.
fn may_be_lost(told: &ToldBy, seen: &Seen, log: &log::Log<'_>) -> bool {
    // A message whose end its call decided was there until then. (One that came back from the dead letters counts its attempts anew.)
    if told.call.is_none() {
        return !log.calls.has_ended(told.life, (told.delivery, told.attempt)) || log.redriven.contains(&told.delivery);
    }
    let Some(delivery) = log.deliveries.get(&told.delivery) else { return false };
    if matches!(delivery.standing(), Standing::Erased) {
        return true;
    }
    let of_life = delivery.moments.iter().filter(|moment| life_of(seen, moment.at.k) == told.life);
    let is_settled = of_life.fold(false, |is_settled, moment| match moment.turn {
        Turn::Acked(number) | Turn::Retried(number, _) | Turn::Dead(number) => is_settled || number >= told.attempt,
        // Its attempts are counted anew.
        Turn::Redriven => false,
        Turn::First | Turn::Discarded | Turn::Erased => is_settled,
    });
    let has_crashed = seen.lives.get(told.life - 1).is_some_and(|life| !life.clean);
    has_crashed && !is_settled
}

/// In which life a frame was written: 1 for the first that came to run.
fn life_of(seen: &Seen, k: u64) -> usize {
    seen.lives.iter().take_while(|life| life.last_k < k).count()
}

/// What the history was made of.
pub(crate) fn figures(seen: &Seen) -> Figures {
    let mut firsts = BTreeMap::new();
    for acked in seen.acked.iter().filter(|acked| !acked.duplicate) {
        firsts.insert(acked.position, ());
    }
    let records = seen.frames.values().flatten();
    let of = |kind: fn(&Record) -> bool| records.clone().filter(|item| kind(&item.record)).count() as u64;
    Figures {
        lives: seen.lives.len() as u64,
        acknowledged: firsts.len() as u64,
        duplicates: seen.acked.iter().filter(|acked| acked.duplicate).count() as u64,
        runs: seen.runs.len() as u64,
        calls: seen.calls.len() as u64,
        settles: of(|record| matches!(record, Record::Settle { .. })),
        conflicts: seen.runs.iter().filter(|run| matches!(run.ran, Ran::Contended)).count() as u64,
        carried: of(|record| matches!(record, Record::Carry { .. } | Record::Rules { .. })),
        frames: seen.frames.len() as u64,
        changes: of(|record| matches!(record, Record::Change { .. })),
        erased: of(|record| matches!(record, Record::Erase { .. })),
        fired: of(|record| matches!(record, Record::Accept { event, .. } if schedules::is_tick(event))),
        messages: seen.queues.received.len() as u64,
        replays: of(
            |record| matches!(record, Record::Replay { state: Some(state), .. } if state.phase == ReplayPhase::Done),
        ),
        paced: of(
            |record| matches!(record, Record::Redriving { state, .. } if state.phase == ReplayPhase::Done && state.redriven > 0),
        ),
        requests: seen.runs.iter().filter(|run| run.plugin == rules::HOOK).count() as u64,
        squeezes: seen.squeezes.len() as u64,
        reserves: seen.squeezes.iter().filter(|needed| **needed).count() as u64,
        discards: of(|record| matches!(record, Record::Discard { .. })),
        fanned: of(|record| matches!(record, Record::Fanned { .. })),
        ordered: seen.frames.values().map(|items| followed(items)).sum(),
        replayed: of(|record| matches!(record, Record::Accept { event, .. } if replays::is_marked(event))),
        deleted: tenants::deleted(seen).len() as u64,
        resumed: tenants::deleted(seen).iter().filter(|(from, to)| from < to).count() as u64,
    }
}

/// How many deliveries of a rule's ordering key came to their turn in a frame because one before them left: not those that were redriven
/// in it, which may have found nobody before them.
fn followed(items: &[Item]) -> u64 {
    let redriven = items.iter().filter_map(|item| match &item.record {
        Record::Redrive { deliveries, .. } => Some(deliveries),
        _ => None,
    });
    let redriven: BTreeSet<_> = redriven.flatten().collect();
    let is_next = |item: &&Item| match &item.record {
        Record::Ordered { to, delivery, place: LinePlace::First, .. } => {
            to.queue().is_none() && !redriven.contains(delivery)
        }
        _ => false,
    };
    items.iter().filter(is_next).count() as u64
}

/// The place of the n-th event (from 1) of a record; 0 is the record itself.
fn place(record: Position, n: usize) -> Position {
    Position { k: record.k, i: record.i + u32::try_from(n).unwrap_or(u32::MAX) }
}
