//! Port: reading dead-letter queues, editing letters, sending them again and letting them go.

use bytes::Bytes;
use wharf_delivery::{
    DeadLetterRow, DeliveryId, DeliveryRow, DiscardRequest, EditRequest, RedriveRequest, RedriveWhich, Redriven,
    Refused, Table, Tables as _, keys,
};
use wharf_dispatch::{Archive, AskError, rfc3339};
use wharf_event::{AttributeValue, Code, EDITED_ATTRIBUTE, Event, EventError, QueueName, TenantName};
use wharf_gateway::{
    DeadLetters, DeliveriesQuery, EventRef, Refusal, WhichLetters,
    limits::REDRIVE_IDS_MAX,
    view::{
        AttemptView, DeadLetterView, DiscardView, EventView, LetterFilter, LetterGroupsView, QueueView, RedriveView,
    },
};

use super::{
    HostAdapter, blocking,
    letters::{GroupKey, GroupsPage, Walk, chosen, wished},
    not_asked, not_in_archive,
    page::{self, Room},
    unreadable,
    view::{self, Placed},
    was_read,
};

/// Letters whose events are read in one go.
const LETTERS_PER_STEP: usize = 32;

impl DeadLetters for HostAdapter {
    async fn queues(
        &self,
        tenant: &TenantName,
        after: Option<QueueName>,
        limit: u32,
    ) -> Result<Vec<QueueView>, Refusal> {
        self.known(tenant)?;
        let prefix = keys::tenant(tenant);
        let after = after.map(|after| keys::queue(tenant, &after).into());
        let rows = page::rows(&self.dispatcher, Table::Queues, &prefix, after, Room::new(limit as usize)).await?;
        let mut queues = Vec::with_capacity(rows.len());
        for (key, row) in rows {
            let depth = DeadLetterRow::depth_of(&row).map_err(|error| unreadable(&error))?;
            queues.extend(keys::second(&key).map(|queue| QueueView { queue, depth }));
        }
        Ok(queues)
    }

    async fn letters(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        filter: LetterFilter,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<DeadLetterView>, Refusal> {
        self.queue_known(tenant, queue).await?;
        let after = after.map(|after| after.parse::<DeliveryId>()).transpose();
        let after = after.map_err(|error| Refusal::new(Code::QueryInvalid, format!("`after`: {error}")))?;
        let mut walk = Walk::new(self, (tenant, queue), after, chosen(wished(filter)?)?);
        let mut page = Letters::new(limit as usize);
        // Letters that cannot be read leave gaps, which those after them fill: only an empty page is the end.
        while !page.room.is_full() {
            let Some(letters) = walk.next(LETTERS_PER_STEP).await? else { break };
            let rows: Vec<_> = letters.into_iter().map(|of| (of.key, of.bytes)).collect();
            let (archive, queue) = (self.dispatcher.archive().clone(), queue.clone());
            page = blocking(move || Ok(page.with(&archive, &queue, &rows))).await?;
        }
        Ok(page.found)
    }

    async fn groups(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        filter: LetterFilter,
        after: Option<String>,
        limit: u32,
    ) -> Result<LetterGroupsView, Refusal> {
        self.queue_known(tenant, queue).await?;
        let after = after.map(|after| GroupKey::parse(&after)).transpose()?;
        let page = GroupsPage { limit: limit as usize, after };
        Walk::new(self, (tenant, queue), None, chosen(wished(filter)?)?).counted(page, REDRIVE_IDS_MAX).await
    }

    async fn letter(&self, tenant: &TenantName, queue: &QueueName, text: &str) -> Result<DeadLetterView, Refusal> {
        self.queue_known(tenant, queue).await?;
        let (key, row) = self.row(tenant, queue, id(text)?).await?;
        let (archive, queue, id) = (self.dispatcher.archive().clone(), queue.clone(), id(text)?);
        let mut letter = blocking(move || {
            let mut letter = letter(&archive, &queue, &key, &row)?;
            letter.original = letter.edited.as_ref().and_then(|_| received(&archive, id).ok());
            Ok(letter)
        })
        .await?;
        (letter.history, letter.truncated) = self.history(tenant, id).await?;
        Ok(letter)
    }

    async fn edit(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        text: &str,
        changes: Bytes,
    ) -> Result<DeadLetterView, Refusal> {
        self.queue_known(tenant, queue).await?;
        loop {
            let (delivery, changes) = (id(text)?, changes.clone());
            let (_, row) = self.row(tenant, queue, delivery).await?;
            let row = DeadLetterRow::from_bytes(&row).map_err(|error| unreadable(&error))?;
            let (archive, place) = (self.dispatcher.archive().clone(), row.delivery.event_at(delivery));
            let edited_ms = self.dispatcher.now_ms();
            let event = blocking(move || {
                let event = archive.event(place).map_err(|error| not_in_archive(&error))?;
                let marked = |event: Event| event.with_extension(EDITED_ATTRIBUTE, rfc3339(edited_ms));
                let refused = |error: EventError| Refusal::new(error.code(), error.to_string());
                event.edited(&changes).and_then(marked).map_err(refused)
            })
            .await?;
            let view = placed(delivery, &row.delivery, &event)?;
            let (tenant, queue) = (tenant.clone(), queue.clone());
            let request = EditRequest { tenant, queue: queue.clone(), delivery, edits: Some(place), event };
            match self.dispatcher.edit(request).await {
                Ok(()) => return Ok(shown((&queue, delivery), &row, (view, Some(rfc3339(edited_ms))))),
                // It has another event since, or the same at another place.
                Err(AskError::Refused(Refused::Gone)) => {}
                Err(error) => return Err(not_asked(&error)),
            }
        }
    }

    async fn redrive(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        which: WhichLetters,
        dry_run: bool,
    ) -> Result<RedriveView, Refusal> {
        self.queue_known(tenant, queue).await?;
        if dry_run {
            return Ok(RedriveView { redriven: 0, matching: Some(self.matching(tenant, queue, which).await?) });
        }
        Ok(RedriveView { redriven: self.moved(Way::Again, (tenant, queue), which).await?, matching: None })
    }

    async fn discard(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        which: WhichLetters,
        dry_run: bool,
    ) -> Result<DiscardView, Refusal> {
        self.queue_known(tenant, queue).await?;
        if dry_run {
            return Ok(DiscardView { discarded: 0, matching: Some(self.matching(tenant, queue, which).await?) });
        }
        Ok(DiscardView { discarded: self.moved(Way::Out, (tenant, queue), which).await?, matching: None })
    }
}

/// Where letters go that leave their queue.
#[derive(Clone, Copy)]
enum Way {
    /// To their targets again.
    Again,
    /// Nowhere.
    Out,
}

impl Way {
    /// What became of those that went.
    const fn told(self) -> &'static str {
        match self {
            Self::Again => "were sent again",
            Self::Out => "are gone",
        }
    }
}

/// A tenant's queue.
type Of<'a> = (&'a TenantName, &'a QueueName);

impl HostAdapter {
    /// A letter's key and row.
    async fn row(&self, tenant: &TenantName, queue: &QueueName, id: DeliveryId) -> Result<(Vec<u8>, Bytes), Refusal> {
        let key = keys::dead_letter(tenant, queue, id);
        let row = was_read(self.dispatcher.read(|state| state.get(Table::DeadLetters, &key)).await)?;
        Ok((key, row.ok_or_else(|| no_letter(queue, &id.to_string()))?))
    }

    async fn ask(&self, way: Way, (tenant, queue): Of<'_>, which: RedriveWhich) -> Result<Redriven, Refusal> {
        let (tenant, queue) = (tenant.clone(), queue.clone());
        let asked = match way {
            Way::Again => self.dispatcher.redrive(RedriveRequest { tenant, queue, which }).await,
            Way::Out => self.dispatcher.discard(DiscardRequest { tenant, queue, which }).await,
        };
        asked.map_err(|error| not_asked(&error))
    }

    /// Lets letters leave their queue; how many did.
    async fn moved(&self, way: Way, of: Of<'_>, which: WhichLetters) -> Result<u64, Refusal> {
        match which {
            WhichLetters::Ids(ids) => Ok(self.ask(way, of, RedriveWhich::Ids(parsed(&ids)?)).await?.moved),
            WhichLetters::Where(filter) => self.moved_where(way, of, filter).await,
            WhichLetters::All => self.moved_all(way, of).await,
        }
    }

    async fn moved_where(&self, way: Way, of: Of<'_>, filter: LetterFilter) -> Result<u64, Refusal> {
        // Letters that come meanwhile are for another call: else it would not end where they come as fast as it goes.
        let chosen = chosen(wished(filter)?.by(self.dispatcher.now_ms()))?;
        let mut walk = Walk::new(self, of, None, chosen);
        let mut moved = 0;
        loop {
            let letters = walk.next(REDRIVE_IDS_MAX).await.map_err(|refusal| broken_off(refusal, way, moved))?;
            let Some(letters) = letters else { return Ok(moved) };
            let ids: Vec<_> = letters.into_iter().map(|letter| letter.id).collect();
            if ids.is_empty() {
                continue;
            }
            match self.ask(way, of, RedriveWhich::Ids(ids.clone())).await {
                Ok(done) => moved += done.moved,
                // One of them left by somebody else meanwhile: the others still go, each by itself.
                Err(refusal) if refusal.code == Code::DeadLetterUnknown => {
                    for id in ids {
                        match self.ask(way, of, RedriveWhich::Ids(vec![id])).await {
                            Ok(done) => moved += done.moved,
                            Err(refusal) if refusal.code == Code::DeadLetterUnknown => {}
                            Err(refusal) => return Err(broken_off(refusal, way, moved)),
                        }
                    }
                }
                Err(refusal) => return Err(broken_off(refusal, way, moved)),
            }
        }
    }

    async fn moved_all(&self, way: Way, of: Of<'_>) -> Result<u64, Refusal> {
        // Letters that come meanwhile, be it those that were sent again, are for another call.
        let lay_there = self.depth(of.0, of.1).await?;
        let (mut moved, mut after) = (0, None);
        loop {
            let page = self.ask(way, of, RedriveWhich::After(after)).await;
            let page = page.map_err(|refusal| broken_off(refusal, way, moved))?;
            moved += page.moved;
            after = page.last;
            if after.is_none() || moved >= lay_there {
                return Ok(moved);
            }
        }
    }

    /// How many letters would leave.
    async fn matching(&self, tenant: &TenantName, queue: &QueueName, which: WhichLetters) -> Result<u64, Refusal> {
        match which {
            WhichLetters::All => self.depth(tenant, queue).await,
            WhichLetters::Ids(ids) => {
                let mut ids = parsed(&ids)?;
                ids.sort_unstable();
                ids.dedup();
                for id in &ids {
                    self.row(tenant, queue, *id).await?;
                }
                Ok(ids.len() as u64)
            }
            WhichLetters::Where(filter) => {
                let (mut walk, mut matching) = (Walk::new(self, (tenant, queue), None, chosen(wished(filter)?)?), 0);
                while let Some(letters) = walk.next(REDRIVE_IDS_MAX).await? {
                    matching += letters.len() as u64;
                }
                Ok(matching)
            }
        }
    }

    async fn depth(&self, tenant: &TenantName, queue: &QueueName) -> Result<u64, Refusal> {
        let depth = self.dispatcher.read(|state| DeadLetterRow::depth(state, tenant, queue)).await;
        Ok(was_read(depth)?.unwrap_or(0))
    }

    /// The newest attempts of a letter, as far as the log has them, and whether there were others before.
    async fn history(&self, tenant: &TenantName, letter: DeliveryId) -> Result<(Vec<AttemptView>, bool), Refusal> {
        let event = EventRef::Position(letter.event);
        let query = DeliveriesQuery { limit: 1, only: Some(letter.n), ..DeliveriesQuery::default() };
        let detail = match wharf_gateway::Archive::event(self, tenant, event, query).await {
            Ok(detail) => detail,
            Err(refusal) if refusal.code == Code::EventUnknown => return Ok((Vec::new(), false)),
            Err(refusal) => return Err(refusal),
        };
        let of = detail.deliveries.into_iter().next();
        Ok(of.map(|of| (of.attempts, of.attempts_before.is_some())).unwrap_or_default())
    }
}

/// A page of letters that is being filled.
struct Letters {
    room: Room,
    found: Vec<DeadLetterView>,
}

impl Letters {
    fn new(limit: usize) -> Self {
        Self { room: Room::new(limit), found: Vec::new() }
    }

    /// The page with the letters of these rows, as long as there is room. One that cannot be read is left out.
    fn with(mut self, archive: &Archive, queue: &QueueName, rows: &[(Bytes, Bytes)]) -> Self {
        for (key, row) in rows {
            let letter = match letter(archive, queue, key, row) {
                Ok(letter) => letter,
                Err(error) => {
                    let id = keys::delivery_of(key).map(|id| id.to_string()).unwrap_or_default();
                    tracing::error!(%queue, id, "a dead letter is left out of a page, since it cannot be read: {error}");
                    continue;
                }
            };
            if !self.room.take(letter.error.len() + Placed::bytes(&letter.event)) {
                break;
            }
            self.found.push(letter);
        }
        self
    }
}

impl HostAdapter {
    pub(super) async fn queue_known(&self, tenant: &TenantName, queue: &QueueName) -> Result<(), Refusal> {
        self.known(tenant)?;
        let depth = self.dispatcher.read(|state| DeadLetterRow::depth(state, tenant, queue)).await;
        match was_read(depth)? {
            Some(_) => Ok(()),
            None => Err(Refusal::new(Code::QueueUnknown, format!("no letter ever came into a queue `{queue}`"))),
        }
    }
}

fn no_letter(queue: &QueueName, id: &str) -> Refusal {
    Refusal::new(Code::DeadLetterUnknown, format!("queue `{queue}` has no letter {id}"))
}

fn parsed(ids: &[String]) -> Result<Vec<DeliveryId>, Refusal> {
    ids.iter().map(|text| id(text)).collect()
}

fn id(text: &str) -> Result<DeliveryId, Refusal> {
    text.parse().map_err(|error| Refusal::new(Code::DeadLetterUnknown, format!("{error}")))
}

fn letter(archive: &Archive, queue: &QueueName, key: &[u8], row: &Bytes) -> Result<DeadLetterView, Refusal> {
    let row = DeadLetterRow::from_bytes(row).map_err(|error| unreadable(&error))?;
    let id = keys::delivery_of(key).ok_or_else(|| Refusal::new(Code::Internal, "a dead letter has no id"))?;
    let event = event(archive, id, &row.delivery)?;
    Ok(shown((queue, id), &row, event))
}

/// A letter with its event, and when that was edited.
fn shown(
    (queue, id): (&QueueName, DeliveryId),
    row: &DeadLetterRow,
    (event, edited): (EventView, Option<String>),
) -> DeadLetterView {
    DeadLetterView {
        id: id.to_string(),
        queue: queue.clone(),
        rule: row.delivery.target.rule.clone(),
        to: row.delivery.target.to.clone(),
        event,
        code: row.code,
        cause: row.cause(),
        error: row.reason.clone(),
        reason: row.code.title().to_owned(),
        attempts: row.delivery.attempts,
        time: rfc3339(row.at_ms),
        edited,
        original: None,
        history: Vec::new(),
        truncated: false,
    }
}

/// A letter's event as it came in; where the log let go of that, or it was edited, the event itself as it is now. And when it was edited.
fn event(archive: &Archive, id: DeliveryId, row: &DeliveryRow) -> Result<(EventView, Option<String>), Refusal> {
    if row.place.is_none() {
        return Ok((received(archive, id)?, None));
    }
    let event = archive.event(row.event_at(id)).map_err(|error| not_in_archive(&error))?;
    let edited = match event.extension(EDITED_ATTRIBUTE) {
        Some(AttributeValue::String(time)) => Some(time.clone()),
        _ => None,
    };
    Ok((placed(id, row, &event)?, edited))
}

/// The event of a delivery as it came in.
fn received(archive: &Archive, id: DeliveryId) -> Result<EventView, Refusal> {
    let item = archive.record(id.event).map_err(|error| not_in_archive(&error))?;
    let events = view::events(&item);
    let placed = events.iter().find(|placed| placed.position == id.event);
    placed.ok_or_else(|| Refusal::new(Code::EventUnknown, "the letter's event is not in the archive"))?.view()
}

/// An event that does not lie where it came in.
/// What goes no further says how far it came.
fn broken_off(refusal: Refusal, way: Way, moved: u64) -> Refusal {
    if moved == 0 {
        return refusal;
    }
    Refusal { detail: format!("{}; {moved} letters {} before", refusal.detail, way.told()), ..refusal }
}

fn placed(id: DeliveryId, row: &DeliveryRow, event: &Event) -> Result<EventView, Refusal> {
    let placed = Placed {
        position: id.event,
        time_ms: row.since_ms,
        bus: &row.bus,
        event,
        targets: &[],
        given_up: &[],
        parent: None,
    };
    placed.view()
}
