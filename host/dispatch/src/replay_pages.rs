//! What a replay is to bring, and the pages of the archive that it finds it in.
//!
//! Invariant: what is found depends on the archive and the wish alone, in the order of the log, so that a replay that goes on behind a crash finds
//! what it would have found. What a replay brought is never found: it is in the archive already, and would come again with each replay after it.

use serde::{Deserialize, Serialize};
use wharf_delivery::{Published, Record, TargetRef, published_on};
use wharf_event::{BusName, Event, Position, REPLAY_ATTRIBUTE, RuleName, Target, TenantName};
use wharf_pattern::{Pattern, Subject};

use crate::{
    archive::{Archive, ArchiveError, Item},
    limits::{REPLAY_PAGE_BYTES, REPLAY_PAGE_EVENTS, REPLAY_PAGE_FRAMES, REPLAY_PAGE_READ_BYTES},
};

/// What a replay is to bring, and to whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayWish {
    /// The bus whose events are replayed.
    pub bus: BusName,
    /// The bus that they are replayed on; absent = the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_bus: Option<BusName>,
    /// They are owed by this rule alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleName>,
    /// They are owed to this target alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// Only what came then or later, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_ms: Option<u64>,
    /// Only what came before then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_ms: Option<u64>,
    /// Only events whose type begins so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub type_prefix: Option<String>,
    /// Only events that this pattern matches: JSON as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Events a second at most.
    pub per_s: u32,
}

impl ReplayWish {
    /// The bus that events are replayed on.
    #[must_use]
    pub fn onto(&self) -> &BusName {
        self.to_bus.as_ref().unwrap_or(&self.bus)
    }

    /// Whether it means a target of a rule.
    pub(crate) fn means(&self, target: &TargetRef) -> bool {
        self.rule.as_ref().is_none_or(|rule| *rule == target.rule)
            && self.target.as_ref().is_none_or(|to| *to == target.to)
    }
}

/// What the archive is read for.
#[derive(Clone)]
pub(crate) struct Sought {
    pub(crate) tenant: TenantName,
    bus: BusName,
    start_ms: u64,
    end_ms: u64,
    type_prefix: String,
    pattern: Option<Pattern>,
}

impl Sought {
    /// Reads a wish; absent where its pattern is none.
    pub(crate) fn of(tenant: &TenantName, wish: &ReplayWish) -> Option<Self> {
        let pattern = wish.pattern.as_ref().map(|text| Pattern::from_json(text.as_bytes()));
        Some(Self {
            tenant: tenant.clone(),
            bus: wish.bus.clone(),
            start_ms: wish.start_ms.unwrap_or(0),
            end_ms: wish.end_ms.unwrap_or(u64::MAX),
            type_prefix: wish.type_prefix.clone().unwrap_or_default(),
            pattern: pattern.transpose().ok()?,
        })
    }

    fn takes(&self, bus: &BusName, event: &Event) -> bool {
        *bus == self.bus
            && event.kind().starts_with(&self.type_prefix)
            && event.extension(REPLAY_ATTRIBUTE).is_none()
            && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(&Subject::of(event)))
    }
}

/// An event that was found.
pub(crate) struct Found {
    pub(crate) event: Event,
    /// The position behind it.
    pub(crate) behind: Position,
}

/// Some of what is sought.
pub(crate) struct Page {
    pub(crate) found: Vec<Found>,
    /// The first position that was not looked at.
    pub(crate) cursor: Position,
    /// Frames that are not there any more, though they lie behind where it began.
    pub(crate) missing: u64,
}

/// Reads on from `cursor`, to `until` at most.
///
/// # Errors
/// When the archive cannot be read.
pub(crate) fn read(
    archive: &Archive,
    sought: &Sought,
    cursor: Position,
    until: Position,
) -> Result<Page, ArchiveError> {
    let first_k = archive.first_k().min(until.k);
    let missing = first_k.saturating_sub(cursor.k.max(1));
    let cursor = if missing > 0 { Position { k: first_k, i: 0 } } else { cursor };
    let (mut page, mut bytes, mut looked) = (Page { found: Vec::new(), cursor, missing }, 0, 0);
    for k in (cursor.k..until.k).take(REPLAY_PAGE_FRAMES) {
        for item in archive.items(cursor.max(Position { k, i: 0 }))? {
            let item = item?;
            looked += item.bytes;
            if item.time_ms >= sought.end_ms {
                return Ok(Page { cursor: until, ..page });
            }
            if item.time_ms < sought.start_ms || item.record.tenant() != Some(&sought.tenant) {
                continue;
            }
            for (position, event) in brought(&item, sought).filter(|(position, _)| *position >= cursor) {
                let behind = Position { k, i: position.i.saturating_add(1) };
                bytes += event.size();
                page.cursor = behind;
                page.found.push(Found { event: event.clone().detached(), behind });
                if page.found.len() >= REPLAY_PAGE_EVENTS || bytes >= REPLAY_PAGE_BYTES {
                    return Ok(page);
                }
            }
        }
        page.cursor = Position { k: k + 1, i: 0 };
        if looked >= REPLAY_PAGE_READ_BYTES {
            break;
        }
    }
    Ok(page)
}

/// The events that a record brought and that are sought, in the order of their positions. (What was carried is found where it came in.)
fn brought<'a>(item: &'a Item, sought: &'a Sought) -> impl Iterator<Item = (Position, &'a Event)> {
    let received = match &item.record {
        Record::Accept { bus, event, .. } => Some((item.position, bus, event)),
        _ => None,
    };
    let published: (Option<&BusName>, &[Published]) = match &item.record {
        Record::Settle { bus, target, published, .. } => (Some(published_on(bus, target)), published),
        _ => (None, &[]),
    };
    let (on, published) = published;
    let places = (1..).map(|n| Position { k: item.position.k, i: item.position.i + n });
    let published = places.zip(published).filter_map(move |(place, one)| Some((place, on?, &one.event)));
    let all = received.into_iter().chain(published);
    all.filter(|(_, bus, event)| sought.takes(bus, event)).map(|(position, _, event)| (position, event))
}

/// The first frame of the archive whose time is `start_ms` or later, from `from_k` on. Frame time never falls.
///
/// # Errors
/// When the archive cannot be read.
pub(crate) fn first_since(archive: &Archive, from_k: u64, start_ms: u64) -> Result<u64, ArchiveError> {
    let (mut low, mut high) = (from_k.max(archive.first_k()), archive.last_k() + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        // A frame without records says nothing: the next one that has some speaks for it.
        let mut looked = middle;
        let time_ms = loop {
            match archive.items(Position { k: looked, i: 0 })?.next().transpose()? {
                Some(item) => break Some(item.time_ms),
                None if looked + 1 < high => looked += 1,
                None => break None,
            }
        };
        match time_ms {
            Some(time_ms) if time_ms < start_ms => low = looked + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}
