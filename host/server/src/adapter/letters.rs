//! Dead letters that a filter leaves, page by page, and their count by target and error.
//!
//! Invariant: a walk that does not end with its first page is a search, and has a place as one. Each letter that lies in its queue from the
//! beginning of a walk to its end is met once, and one page of them is in memory. What comes back meanwhile has the key that it had, which is behind
//! the walk.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    sync::Arc,
};

use bytes::Bytes;
use wharf_delivery::{DeadLetterRow, DeliveryId, Table, keys};
use wharf_dispatch::{ChosenLetters, Letter, LetterWish, rfc3339};
use wharf_event::{Code, QueueName, Target, TenantName};
use wharf_gateway::{
    Refusal,
    view::{LetterFilter, LetterGroupView, LetterGroupsView},
};

use super::{
    HostAdapter, blocking,
    page::{self, Room},
    rules, search, unreadable,
};
use crate::shares::Share;

/// A filter as the host takes it.
///
/// # Errors
/// When a condition cannot be understood; the pattern is read by whoever chooses.
pub(super) fn wished(filter: LetterFilter) -> Result<LetterWish, Refusal> {
    let LetterFilter { rule, target, code, since, until, type_prefix, pattern } = filter;
    let invalid = |name: &str, error: String| Refusal::new(Code::QueryInvalid, format!("`{name}`: {error}"));
    let time = |name: &str, text: Option<String>| {
        let time = text.map(|text| text.parse::<jiff::Timestamp>()).transpose();
        let time = time.map_err(|error| invalid(name, error.to_string()))?;
        Ok(time.map(|time| u64::try_from(time.as_millisecond()).unwrap_or(0)))
    };
    let target = target.map(|text| text.parse::<Target>()).transpose();
    let (since_ms, until_ms) = (time("since", since)?, time("until", until)?);
    let target = target.map_err(|error| invalid("target", error.to_string()))?;
    Ok(LetterWish { rule, target, code, since_ms, until_ms, type_prefix, pattern })
}

/// # Errors
/// When the pattern cannot be understood.
pub(super) fn chosen(wish: LetterWish) -> Result<ChosenLetters, Refusal> {
    ChosenLetters::of(wish).map_err(|errors| rules::wrong_pattern(&errors))
}

/// A walk through the letters of a queue.
pub(super) struct Walk<'a> {
    host: &'a HostAdapter,
    tenant: TenantName,
    has_begun: bool,
    /// Its place among the searches, behind its first page.
    place: Option<Share>,
    prefix: Vec<u8>,
    after: Option<Bytes>,
    chosen: Arc<ChosenLetters>,
}

impl<'a> Walk<'a> {
    /// A walk from the letter behind `after` on.
    pub(super) fn new(
        host: &'a HostAdapter,
        (tenant, queue): (&TenantName, &QueueName),
        after: Option<DeliveryId>,
        chosen: ChosenLetters,
    ) -> Self {
        let after = after.map(|id| Bytes::from(keys::dead_letter(tenant, queue, id)));
        let prefix = keys::queue(tenant, queue);
        Self { host, tenant: tenant.clone(), has_begun: false, place: None, prefix, after, chosen: Arc::new(chosen) }
    }

    /// Those among the next rows that the filter leaves, which may be none; nothing once all rows were met.
    ///
    /// # Errors
    /// When they cannot be read; `overloaded` when other searches leave no place for this one.
    pub(super) async fn next(&mut self, rows: usize) -> Result<Option<Vec<Letter>>, Refusal> {
        if std::mem::replace(&mut self.has_begun, true) && self.place.is_none() {
            self.place = Some(self.host.searches.place(&self.tenant).await?);
        }
        if self.host.searches.is_stopping() {
            return Err(search::stopping());
        }
        let (dispatcher, after) = (&self.host.dispatcher, self.after.take());
        let rows = page::rows(dispatcher, Table::DeadLetters, &self.prefix, after, Room::new(rows)).await?;
        let Some((last, _)) = rows.last() else { return Ok(None) };
        self.after = Some(last.clone());
        if !self.chosen.reads_events() {
            return self.chosen.among(dispatcher.archive(), rows).map(Some).map_err(|error| unreadable(&error));
        }
        let (archive, chosen) = (dispatcher.archive().clone(), Arc::clone(&self.chosen));
        blocking(move || chosen.among(&archive, rows).map_err(|error| unreadable(&error))).await.map(Some)
    }

    /// All of them, counted: so many groups at most, the first behind one.
    pub(super) async fn counted(mut self, page: GroupsPage, rows: usize) -> Result<LetterGroupsView, Refusal> {
        let (mut groups, mut others) = (BTreeMap::<_, Group>::new(), 0);
        while let Some(letters) = self.next(rows).await? {
            for Letter { id, row, .. } in letters {
                let key = GroupKey::of(&row);
                if page.after.as_ref().is_some_and(|after| key <= *after) {
                    continue;
                }
                let is_full = groups.len() >= page.limit;
                // A group that is behind a full page stays there: the page only comes to end earlier.
                if is_full && groups.last_key_value().is_some_and(|(last, _)| key > *last) {
                    others += 1;
                    continue;
                }
                match groups.entry(key) {
                    Entry::Occupied(mut group) => group.get_mut().take(id, row),
                    Entry::Vacant(place) => {
                        place.insert(Group::of(id, row));
                        let pushed_out = if is_full { groups.pop_last() } else { None };
                        others += pushed_out.map_or(0, |(_, group)| group.count);
                    }
                }
            }
        }
        let next = groups.last_key_value().filter(|_| others > 0).map(|(last, _)| last.to_string());
        let mut groups: Vec<_> = groups.into_values().map(Group::view).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        Ok(LetterGroupsView { groups, others, next })
    }
}

/// Which groups are told.
#[derive(Debug)]
pub(super) struct GroupsPage {
    /// How many.
    pub(super) limit: usize,
    /// Those behind this one.
    pub(super) after: Option<GroupKey>,
}

/// What the letters of a group have in common, which is also the cursor of a page of groups: `webhook/crm,retries-spent,http-timeout`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GroupKey {
    target: Target,
    code: &'static str,
    cause: &'static str,
}

impl GroupKey {
    fn of(row: &DeadLetterRow) -> Self {
        Self { target: row.delivery.target.to.clone(), code: row.code.as_str(), cause: row.cause().as_str() }
    }

    /// # Errors
    /// When the text is no cursor.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let parsed = || {
            let mut parts = text.split(',');
            let target = parts.next()?.parse().ok()?;
            let (code, cause) = (parts.next()?.parse::<Code>().ok()?, parts.next()?.parse::<Code>().ok()?);
            parts.next().is_none().then(|| Self { target, code: code.as_str(), cause: cause.as_str() })
        };
        let none = || Refusal::new(Code::QueryInvalid, "`after`: it is the `next` of the page before".to_owned());
        parsed().ok_or_else(none)
    }
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{}", self.target, self.code, self.cause)
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
