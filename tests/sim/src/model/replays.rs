//! Judges replays: each event of the archive that one is for was owed again once, in the order of the log, with its mark, in the frame in which the
//! cursor moved behind it; and one that is over brought nothing more.

use std::collections::BTreeMap;

use bytes::Bytes;
use wharf_delivery::{ReplayPhase, ReplayState, Table, TargetRef, limits::TARGETS_AT_ONCE};
use wharf_dispatch::ReplayWish;
use wharf_event::{AttributeValue, Event, Position};

use super::{Wrong, book::RuleBook};
use crate::{
    life::Dump,
    observed::Seen,
    rules::{PLUGINS, QUEUE},
};

/// The mark of a replay.
const MARK: &str = "wharfreplay";

/// A tenant's events of a bus, in the order of the log, each with its time.
type Archive<'a> = Vec<(Position, u64, &'a Event)>;

/// A marked event: whose and on which bus, and whom it is owed to.
type Brought<'a> = ((String, String), &'a Event, &'a [TargetRef]);

/// How each replay stands, and what there is to be replayed.
#[derive(Default)]
pub(super) struct Replays<'a> {
    stands: BTreeMap<(String, String), ReplayState>,
    archive: BTreeMap<(String, String), Archive<'a>>,
    /// Marked events whose replay has not moved yet.
    brought: Vec<Brought<'a>>,
}

/// What stood in a tenant's log when a record came.
#[derive(Clone, Copy)]
pub(super) struct Then<'b> {
    /// The rules.
    pub(super) book: Option<&'b RuleBook>,
    /// The last frame of others.
    pub(super) since_k: u64,
    /// What lies before it may be cleaned away.
    pub(super) cleaned_below_k: u64,
    /// Whether the messages of a queue come one after the other.
    pub(super) ordered: bool,
}

/// Whether a replay brought it.
pub(super) fn is_marked(event: &Event) -> bool {
    event.extension(MARK).is_some()
}

impl<'a> Replays<'a> {
    /// An event was published. What keeps a mark, since it comes of a marked one, is not replayed.
    pub(super) fn published(&mut self, place: (&str, &str), event: &'a Event, at: (Position, u64)) {
        if !is_marked(event) {
            self.comes(place, event, &[], at);
        }
    }

    /// An event came in.
    pub(super) fn comes(
        &mut self,
        (tenant, bus): (&str, &str),
        event: &'a Event,
        targets: &'a [TargetRef],
        (at, time_ms): (Position, u64),
    ) {
        let place = (tenant.to_owned(), bus.to_owned());
        if is_marked(event) {
            self.brought.push((place, event, targets));
        } else {
            self.archive.entry(place).or_default().push((at, time_ms, event));
        }
    }

    /// A replay stands so from now on.
    pub(super) fn turn(
        &mut self,
        (tenant, name): (&str, &str),
        state: Option<&ReplayState>,
        (at, time_ms): (Position, u64),
        then: Then<'_>,
        seen: &Seen,
        wrong: &mut Wrong,
    ) {
        let key = (tenant.to_owned(), name.to_owned());
        let brought = std::mem::take(&mut self.brought);
        let was = self.stands.get(&key).cloned();
        let Some(state) = state else {
            let over = was.is_some_and(|was| was.phase != ReplayPhase::Running);
            self.stands.remove(&key);
            return wrong
                .unless(over && brought.is_empty(), || format!("{tenant}'s {name} is let go of at {at}, and goes on"));
        };
        self.stands.insert(key, state.clone());
        let wish = wish(state);
        let asked = seen.replays.iter().any(|(of, asked)| of == tenant && Some(asked) == wish.as_ref());
        wrong.unless(asked, || format!("nobody asked for {tenant}'s {name} as it is at {at}: {wish:?}"));
        let Some(wish) = wish else { return };
        let Some(was) = was else {
            let begins = state.phase == ReplayPhase::Running && state.replayed == 0 && brought.is_empty();
            let within = state.cursor.k > then.since_k && state.cursor <= state.until && state.until.k <= at.k;
            return wrong.unless(begins && within, || format!("{tenant}'s {name} begins with {state:?} at {at}"));
        };
        let goes_on = was.phase == ReplayPhase::Running && (&was.document, was.until) == (&state.document, state.until);
        let ends = state.phase != ReplayPhase::Done || state.cursor == state.until;
        wrong.unless(goes_on && ends && state.phase != ReplayPhase::Failed, || {
            format!("{tenant}'s {name} was {was:?} and is {state:?} at {at}, at {time_ms}")
        });
        wrong.unless(state.replayed == was.replayed + brought.len() as u64, || {
            format!(
                "{tenant}'s {name} brought {} at {at}, and says {} after {}",
                brought.len(),
                state.replayed,
                was.replayed
            )
        });
        self.in_order((tenant, name), &wish, (&was, state), (&brought, at), then, wrong);
    }

    /// What was brought is what the archive has between the two cursors, in its order. What was cleaned away by then may be missing.
    fn in_order(
        &self,
        (tenant, name): (&str, &str),
        wish: &ReplayWish,
        (was, is): (&ReplayState, &ReplayState),
        (brought, at): (&[Brought<'_>], Position),
        Then { book, cleaned_below_k, ordered, .. }: Then<'_>,
        wrong: &mut Wrong,
    ) {
        let (bus, onto) = (wish.bus.to_string(), wish.onto().to_string());
        let archive = self.archive.get(&(tenant.to_owned(), bus)).map(Vec::as_slice).unwrap_or_default();
        let from = archive.partition_point(|(at, ..)| *at < was.cursor);
        let between = archive.get(from..).unwrap_or_default().iter().take_while(|(at, ..)| *at < is.cursor);
        let owed = |event: &Event| {
            let targets = book.map(|book| book.targets(tenant, &onto, event.kind())).unwrap_or_default();
            targets
                .into_iter()
                .filter(|(rule, to)| {
                    let of_rule = wish.rule.as_ref().is_none_or(|wanted| wanted.as_str() == *rule);
                    // Wishes name plugins only.
                    of_rule && wish.target.as_ref().is_none_or(|wanted| PLUGINS.contains(to) && wanted.name() == *to)
                })
                .collect::<Vec<_>>()
        };
        // Those of an ordered queue come with their event, which has no room for very many.
        let is_too_wide =
            |owed: &[(&str, &str)]| ordered && owed.iter().filter(|(_, to)| *to == QUEUE).count() > TARGETS_AT_ONCE;
        let is_owed = |event: &Event| {
            let owed = owed(event);
            !owed.is_empty() && !is_too_wide(&owed)
        };
        let meant = between.filter(|(_, time_ms, event)| {
            let in_time = wish.start_ms.is_none_or(|start_ms| *time_ms >= start_ms)
                && wish.end_ms.is_none_or(|end_ms| *time_ms < end_ms);
            let in_kind = wish.type_prefix.as_ref().is_none_or(|prefix| event.kind().starts_with(prefix));
            in_time && in_kind && (wish.pattern.is_none() || event.subject().is_none()) && is_owed(event)
        });
        let mut brought = brought.iter().peekable();
        for (place, _, event) in meant {
            let comes = brought.next_if(|((of, on), again, targets)| {
                let same = marked(event, name).is_some_and(|marked| marked == **again);
                let said = targets.iter().map(|target| (target.rule.as_str(), target.to.name()));
                of == tenant && *on == onto && same && said.eq(owed(event))
            });
            wrong.unless(comes.is_some() || place.k < cleaned_below_k, || {
                format!("{tenant}'s {name} passed over the event at {place} by the record at {at}")
            });
        }
        wrong.unless(brought.next().is_none(), || format!("{tenant}'s {name} brought more than it was for at {at}"));
    }

    /// The tenant's row went. False when there was none.
    pub(super) fn erase(&mut self, tenant: &str, name: &str) -> bool {
        self.stands.remove(&(tenant.to_owned(), name.to_owned())).is_some()
    }

    pub(super) fn has(&self, tenant: &str) -> bool {
        self.stands.keys().any(|(of, _)| of == tenant)
    }

    /// What stands in the end is what the log says, all of it is over, and no marked event came alone.
    pub(super) fn check(&self, dump: &Dump, wrong: &mut Wrong) {
        let mut found = BTreeMap::new();
        for (key, row) in dump.get(&Table::Replays).into_iter().flatten() {
            let mut names = key.split(|byte| *byte == 0).map(|name| String::from_utf8_lossy(name).into_owned());
            let (Some(tenant), Some(name)) = (names.next(), names.next()) else { continue };
            found.extend(ReplayState::from_bytes(&Bytes::copy_from_slice(row)).ok().map(|row| ((tenant, name), row)));
        }
        wrong.unless(found == self.stands, || format!("replays stand as {found:?} and should as {:?}", self.stands));
        let running = self.stands.iter().find(|(_, state)| state.phase == ReplayPhase::Running);
        wrong.unless(running.is_none(), || format!("a replay goes on in the end: {running:?}"));
        wrong.unless(self.brought.is_empty(), || format!("{} marked events came alone", self.brought.len()));
    }
}

/// What a replay is to bring, as it was asked for.
fn wish(state: &ReplayState) -> Option<ReplayWish> {
    let kept: serde_json::Value = serde_json::from_slice(&state.document).ok()?;
    serde_json::from_value(kept.get("wish")?.clone()).ok()
}

/// The event as a replay brings it.
fn marked(event: &Event, name: &str) -> Option<Event> {
    event.clone().with_extension(MARK, AttributeValue::String(name.into())).ok()
}
