//! Judges schedules: each due time of the grid fired once, not before its time, or was passed over as the policy lets it be.
//!
//! It knows rates only, by their arithmetic: how the product comes to due times is another matter.

use std::collections::BTreeMap;

use bytes::Bytes;
use wharf_delivery::{ScheduleState, Table, ValueRow};
use wharf_event::{AttributeValue, CatchUp, Event, Position};

use super::Wrong;
use crate::{
    client::World,
    life::Dump,
    rules::{TICK, Ticking, ticking},
};

/// A due time that is so late, in milliseconds, is missed. A record may be of a frame that was begun before it was asked for.
const LATE_MS: u64 = 60_000 - FRAME_MS;
const FRAME_MS: u64 = 5_000;

/// What is caught up where all is: a day, and so many periods.
const ALL_MS: u64 = 86_400_000;
const ALL_TIMES: u64 = 1_440;

/// In the end nothing is due since longer than this, in milliseconds.
const OVERDUE_MS: u64 = 10_000;

/// A jump of frame time is seen after so long, in milliseconds, and what it missed was caught up one by one.
const LOOKS_MS: u64 = 2_000;
const CATCHES_UP_MS: u64 = 600_000;

/// How each tenant's schedule stands, and what fired of it since the tenant is.
#[derive(Default)]
pub(super) struct Schedules {
    stories: BTreeMap<String, Story>,
    /// The last event of a schedule, which its record follows: whose, where, which.
    event: Option<(String, Position, Event)>,
    events: u64,
    fired: u64,
}

#[derive(Default)]
struct Story {
    stands: Option<(u64, Option<u64>)>,
    last_ms: Option<u64>,
}

/// Whether an event is one of a schedule.
pub(super) fn is_tick(event: &Event) -> bool {
    event.source() == format!("/wharf/schedules/{TICK}") && event.kind() == TICK
}

impl Schedules {
    pub(super) fn accepts(&mut self, tenant: &str, event: &Event, at: Position) {
        if is_tick(event) {
            self.events += 1;
            self.event = Some((tenant.to_owned(), at, event.clone()));
        }
    }

    /// A schedule stands so from now on.
    pub(super) fn turn(
        &mut self,
        (tenant, schedule): (&str, &str),
        state: Option<&ScheduleState>,
        (at, time_ms): (Position, u64),
        world: &World,
        wrong: &mut Wrong,
    ) {
        let ticking = ticking(world.seed);
        let story = self.stories.entry(tenant.to_owned()).or_default();
        let was = story.stands;
        let Some(ScheduleState { next_ms: Some(next_ms), last_ms, .. }) = state else {
            wrong.unless(state.is_none() && was.is_some(), || format!("{tenant}'s schedule is {state:?} at {at}"));
            story.stands = None;
            return;
        };
        story.stands = Some((*next_ms, *last_ms));
        wrong.unless(schedule == TICK && next_ms.is_multiple_of(ticking.period_ms), || {
            format!("{tenant}'s {schedule} is due at {next_ms} by the record at {at}")
        });
        let Some((due_ms, fired_ms)) = was else {
            let begins = last_ms.is_none() && *next_ms + FRAME_MS > time_ms && *next_ms <= time_ms + ticking.period_ms;
            return wrong.unless(begins, || format!("{tenant}'s schedule begins with {state:?} at {at}"));
        };
        // The first due time that is not passed over.
        let goes_on_ms = if *last_ms == fired_ms { *next_ms } else { last_ms.unwrap_or(0) };
        passed_over(tenant, (due_ms, goes_on_ms), (at, time_ms), ticking, wrong);
        if *last_ms == fired_ms {
            return wrong.unless(*next_ms > due_ms, || format!("{tenant}'s schedule goes nowhere at {at}"));
        }
        self.fired += 1;
        let (once, first) = (story.last_ms < *last_ms, goes_on_ms >= due_ms && goes_on_ms <= time_ms);
        story.last_ms = *last_ms;
        wrong.unless(once && first && *next_ms == goes_on_ms + ticking.period_ms, || {
            format!("{tenant}'s schedule was due at {due_ms}, and fires as {state:?} at {at}, at {time_ms}")
        });
        let told = self.event.take().is_some_and(|(of, event_at, event)| {
            let due = event.time().and_then(|time| time.parse::<jiff::Timestamp>().ok());
            let named = event.extension("wharfschedule") == Some(&AttributeValue::String(TICK.into()));
            let before = Position { k: at.k, i: at.i.saturating_sub(256) };
            let due = due.and_then(|due| u64::try_from(due.as_millisecond()).ok());
            of == tenant && event_at == before && named && due == *last_ms
        });
        wrong.unless(told, || format!("{tenant}'s schedule fires at {at} without its event"));
    }

    /// The tenant's row went. False when there was none.
    pub(super) fn erase(&mut self, tenant: &str) -> bool {
        self.stories.remove(tenant).is_some_and(|story| story.stands.is_some())
    }

    pub(super) fn has(&self, tenant: &str) -> bool {
        self.stories.get(tenant).is_some_and(|story| story.stands.is_some())
    }

    /// What stands in the end is what the log says, nothing is overdue, and no event came without its record.
    pub(super) fn check(&self, dump: &Dump, (last_ms, followed_ms): (u64, u64), world: &World, wrong: &mut Wrong) {
        let mut found = BTreeMap::new();
        for (key, row) in dump.get(&Table::Schedules).into_iter().flatten() {
            let row = ValueRow::from_bytes(&Bytes::copy_from_slice(row)).and_then(|row| ScheduleState::of_row(&row));
            let tenant = key.split(|byte| *byte == 0).next().unwrap_or_default();
            let state = row.ok().and_then(|state| Some((state.next_ms?, state.last_ms)));
            found.insert(String::from_utf8_lossy(tenant).into_owned(), state);
        }
        let stands = self.stories.iter().filter(|(_, story)| story.stands.is_some());
        let stands: BTreeMap<_, _> = stands.map(|(tenant, story)| (tenant.clone(), story.stands)).collect();
        wrong.unless(found == stands, || format!("schedules stand as {found:?} and should as {stands:?}"));
        let Ticking { window_ms, catch_up, .. } = ticking(world.seed);
        let late_ms = window_ms + OVERDUE_MS;
        let after_jump_ms = if catch_up == CatchUp::All { CATCHES_UP_MS } else { LOOKS_MS };
        for (tenant, (next_ms, _)) in stands.iter().filter_map(|(tenant, stands)| Some((tenant, (*stands)?))) {
            let jumped = last_ms - followed_ms < after_jump_ms;
            wrong.unless(jumped || next_ms + late_ms >= last_ms, || {
                format!("{tenant}'s schedule is due at {next_ms}, and it is {last_ms} in the end")
            });
        }
        wrong.unless(self.events == self.fired, || {
            format!("there are {} events of schedules, and {} times they fired", self.events, self.fired)
        });
    }
}

/// Due times from the first to the second are passed over, which may be when they were missed.
fn passed_over(
    tenant: &str,
    (from_ms, to_ms): (u64, u64),
    (at, time_ms): (Position, u64),
    Ticking { period_ms, window_ms, catch_up }: Ticking,
    wrong: &mut Wrong,
) {
    if to_ms <= from_ms {
        return;
    }
    let late_ms = |due_ms: u64| time_ms.saturating_sub(window_ms).saturating_sub(due_ms);
    let last_ms = to_ms - period_ms;
    let may = match catch_up {
        // All of them were missed, and the last one that was takes their place.
        CatchUp::Last => {
            late_ms(last_ms) >= LATE_MS && to_ms + FRAME_MS + period_ms + LATE_MS > time_ms.saturating_sub(window_ms)
        }
        CatchUp::None => late_ms(last_ms) >= LATE_MS,
        CatchUp::All => late_ms(last_ms) + FRAME_MS >= ALL_MS.min(period_ms * ALL_TIMES),
    };
    wrong.unless(may, || {
        format!("{tenant}'s schedule passes over {from_ms} to {last_ms} at {at}, at {time_ms}, and fires {catch_up}")
    });
}
