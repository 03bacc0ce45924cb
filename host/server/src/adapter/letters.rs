//! Dead letters that a filter leaves, page by page, and their count by target and error.
//!
//! Invariant: each letter that lies in its queue from the beginning of a walk to its end is met once, and one page of them is in memory. What comes
//! back meanwhile has the key that it had, which is behind the walk. Conditions on the row are asked before those that have to read the event.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use bytes::Bytes;
use wharf_delivery::{DeadLetterRow, DeliveryId, Table, keys};
use wharf_dispatch::{Archive, rfc3339};
use wharf_event::{Code, QueueName, RuleName, Target, TenantName};
use wharf_gateway::{
    Refusal,
    limits::LETTER_GROUPS_MAX,
    view::{LetterFilter, LetterGroupView, LetterGroupsView},
};
use wharf_pattern::{Pattern, Subject};

use super::{
    HostAdapter, blocking,
    page::{self, Room},
    rules, unreadable,
};

/// A filter that was understood.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    rule: Option<RuleName>,
    target: Option<Target>,
    code: Option<Code>,
    since_ms: Option<u64>,
    until_ms: Option<u64>,
    type_prefix: Option<String>,
    pattern: Option<Pattern>,
}

impl Chosen {
    /// # Errors
    /// When a condition cannot be understood.
    pub(super) fn of(filter: LetterFilter) -> Result<Self, Refusal> {
        let LetterFilter { rule, target, code, since, until, type_prefix, pattern } = filter;
        let invalid = |name: &str, error: String| Refusal::new(Code::QueryInvalid, format!("`{name}`: {error}"));
        let time = |name: &str, text: Option<String>| {
            let time = text.map(|text| text.parse::<jiff::Timestamp>()).transpose();
            let time = time.map_err(|error| invalid(name, error.to_string()))?;
            Ok(time.map(|time| u64::try_from(time.as_millisecond()).unwrap_or(0)))
        };
        let target = target.map(|text| text.parse::<Target>()).transpose();
        let pattern = pattern.map(|text| Pattern::from_json(text.as_bytes())).transpose();
        Ok(Self {
            rule,
            target: target.map_err(|error| invalid("target", error.to_string()))?,
            code,
            since_ms: time("since", since)?,
            until_ms: time("until", until)?,
            type_prefix,
            pattern: pattern.map_err(|errors| rules::wrong_pattern(&errors))?,
        })
    }

    /// Of these only letters that were given up by this time.
    pub(super) fn by(self, at_ms: u64) -> Self {
        let until_ms = at_ms.saturating_add(1);
        Self { until_ms: Some(self.until_ms.map_or(until_ms, |said_ms| said_ms.min(until_ms))), ..self }
    }

    /// Whether the conditions hold that the row alone can answer.
    fn has(&self, row: &DeadLetterRow) -> bool {
        let target = &row.delivery.target;
        self.rule.as_ref().is_none_or(|rule| target.rule == *rule)
            && self.target.as_ref().is_none_or(|to| target.to == *to)
            && self.code.is_none_or(|code| row.code == code || row.cause() == code)
            && self.since_ms.is_none_or(|since_ms| row.at_ms >= since_ms)
            && self.until_ms.is_none_or(|until_ms| row.at_ms < until_ms)
    }

    fn reads_events(&self) -> bool {
        self.type_prefix.is_some() || self.pattern.is_some()
    }

    /// Whether the others hold too. A letter whose event cannot be read is none of those that are looked for.
    fn has_event(&self, archive: &Archive, id: DeliveryId, row: &DeadLetterRow) -> bool {
        let event = match archive.event(row.delivery.event_at(id)) {
            Ok(event) => event,
            Err(error) => {
                tracing::error!(%id, "a dead letter is passed over, since its event cannot be read: {error}");
                return false;
            }
        };
        self.type_prefix.as_ref().is_none_or(|prefix| event.kind().starts_with(prefix.as_str()))
            && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(&Subject::of(&event)))
    }

    /// Those of some rows that the filter leaves.
    fn among(&self, archive: &Archive, rows: Vec<(Bytes, Bytes)>) -> Result<Vec<Letter>, Refusal> {
        let mut letters = Vec::new();
        for (key, bytes) in rows {
            let row = DeadLetterRow::from_bytes(&bytes).map_err(|error| unreadable(&error))?;
            let Some(id) = keys::delivery_of(&key) else { continue };
            if self.has(&row) && (!self.reads_events() || self.has_event(archive, id, &row)) {
                letters.push(Letter { id, key, bytes, row });
            }
        }
        Ok(letters)
    }
}

/// A letter that was met.
pub(super) struct Letter {
    pub(super) id: DeliveryId,
    pub(super) key: Bytes,
    pub(super) bytes: Bytes,
    row: DeadLetterRow,
}

/// A walk through the letters of a queue.
pub(super) struct Walk<'a> {
    host: &'a HostAdapter,
    prefix: Vec<u8>,
    after: Option<Bytes>,
    chosen: Arc<Chosen>,
}

impl<'a> Walk<'a> {
    /// A walk from the letter behind `after` on.
    pub(super) fn new(
        host: &'a HostAdapter,
        (tenant, queue): (&TenantName, &QueueName),
        after: Option<DeliveryId>,
        chosen: Chosen,
    ) -> Self {
        let after = after.map(|id| Bytes::from(keys::dead_letter(tenant, queue, id)));
        Self { host, prefix: keys::queue(tenant, queue), after, chosen: Arc::new(chosen) }
    }

    /// Those among the next rows that the filter leaves, which may be none; nothing once all rows were met.
    pub(super) async fn next(&mut self, rows: usize) -> Result<Option<Vec<Letter>>, Refusal> {
        let (dispatcher, after) = (&self.host.dispatcher, self.after.take());
        let rows = page::rows(dispatcher, Table::DeadLetters, &self.prefix, after, Room::new(rows)).await?;
        let Some((last, _)) = rows.last() else { return Ok(None) };
        self.after = Some(last.clone());
        if !self.chosen.reads_events() {
            return self.chosen.among(dispatcher.archive(), rows).map(Some);
        }
        let (archive, chosen) = (dispatcher.archive().clone(), Arc::clone(&self.chosen));
        blocking(move || chosen.among(&archive, rows)).await.map(Some)
    }

    /// All of them, counted.
    pub(super) async fn counted(mut self, rows: usize) -> Result<LetterGroupsView, Refusal> {
        let (mut groups, mut others) = (BTreeMap::<_, Group>::new(), 0);
        while let Some(letters) = self.next(rows).await? {
            for Letter { id, row, .. } in letters {
                let is_full = groups.len() >= LETTER_GROUPS_MAX;
                match groups.entry((row.delivery.target.to.clone(), row.code.as_str(), row.cause().as_str())) {
                    Entry::Occupied(mut group) => group.get_mut().take(id, row),
                    Entry::Vacant(_) if is_full => others += 1,
                    Entry::Vacant(place) => drop(place.insert(Group::of(id, row))),
                }
            }
        }
        let mut groups: Vec<_> = groups.into_values().map(Group::view).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        Ok(LetterGroupsView { groups, others })
    }
}

struct Group {
    count: u64,
    first_ms: u64,
    /// The one that was given up last.
    last: (DeliveryId, DeadLetterRow),
}

impl Group {
    fn of(id: DeliveryId, row: DeadLetterRow) -> Self {
        Self { count: 1, first_ms: row.at_ms, last: (id, row) }
    }

    fn take(&mut self, id: DeliveryId, row: DeadLetterRow) {
        self.count += 1;
        self.first_ms = self.first_ms.min(row.at_ms);
        if row.at_ms >= self.last.1.at_ms {
            self.last = (id, row);
        }
    }

    fn view(self) -> LetterGroupView {
        let (id, row) = self.last;
        LetterGroupView {
            code: row.code,
            cause: row.cause(),
            to: row.delivery.target.to,
            reason: row.code.title().to_owned(),
            count: self.count,
            first: rfc3339(self.first_ms),
            last: rfc3339(row.at_ms),
            sample: id.to_string(),
            error: row.reason,
        }
    }
}
