//! Port: reading dead-letter queues and sending letters again.

use bytes::Bytes;
use wharf_delivery::{
    DeadLetterRow, DeliveryId, DeliveryRow, RedriveRequest, RedriveWhich, Redriven, Table, Tables as _, keys,
};
use wharf_dispatch::{Archive, rfc3339};
use wharf_event::{Code, QueueName, TenantName};
use wharf_gateway::{
    DeadLetters, EventRef, Redrive, Refusal,
    limits::REDRIVE_IDS_MAX,
    view::{AttemptView, DeadLetterView, EventView, LetterFilter, LetterGroupsView, QueueView, RedriveView},
};

use super::{
    HostAdapter, blocking,
    letters::{Chosen, Walk},
    not_asked, not_in_archive,
    page::{self, Room},
    unreadable,
    view::{self, Placed},
    was_read,
};

/// Letters whose events are read in one go.
const LETTERS_PER_STEP: usize = 32;

impl DeadLetters for HostAdapter {
    async fn queues(&self, tenant: &TenantName) -> Result<Vec<QueueView>, Refusal> {
        self.known(tenant)?;
        let prefix = keys::tenant(tenant);
        let rows = page::rows(&self.dispatcher, Table::Queues, &prefix, None, Room::unbounded()).await?;
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
        let mut walk = Walk::new(self, (tenant, queue), after, Chosen::of(filter)?);
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
    ) -> Result<LetterGroupsView, Refusal> {
        self.queue_known(tenant, queue).await?;
        Walk::new(self, (tenant, queue), None, Chosen::of(filter)?).counted(REDRIVE_IDS_MAX).await
    }

    async fn letter(&self, tenant: &TenantName, queue: &QueueName, text: &str) -> Result<DeadLetterView, Refusal> {
        self.queue_known(tenant, queue).await?;
        let key = keys::dead_letter(tenant, queue, id(text)?);
        let row = was_read(self.dispatcher.read(|state| state.get(Table::DeadLetters, &key)).await)?;
        let row = row.ok_or_else(|| no_letter(queue, text))?;
        let (archive, queue) = (self.dispatcher.archive().clone(), queue.clone());
        let mut letter = blocking(move || letter(&archive, &queue, &key, &row)).await?;
        letter.history = self.history(tenant, &letter.id).await?;
        Ok(letter)
    }

    async fn redrive(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        which: Redrive,
        dry_run: bool,
    ) -> Result<RedriveView, Refusal> {
        self.queue_known(tenant, queue).await?;
        if dry_run {
            return Ok(RedriveView { redriven: 0, matching: Some(self.matching(tenant, queue, which).await?) });
        }
        let redriven = match which {
            Redrive::Ids(ids) => self.ask(tenant, queue, RedriveWhich::Ids(parsed(&ids)?)).await?.moved,
            Redrive::Where(filter) => self.redrive_where(tenant, queue, filter).await?,
            Redrive::All => self.redrive_all(tenant, queue).await?,
        };
        Ok(RedriveView { redriven, matching: None })
    }
}

impl HostAdapter {
    async fn ask(&self, tenant: &TenantName, queue: &QueueName, which: RedriveWhich) -> Result<Redriven, Refusal> {
        let request = RedriveRequest { tenant: tenant.clone(), queue: queue.clone(), which };
        self.dispatcher.redrive(request).await.map_err(|error| not_asked(&error))
    }

    async fn redrive_where(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        filter: LetterFilter,
    ) -> Result<u64, Refusal> {
        // Letters that come meanwhile are for another call: else it would not end where they come as fast as it goes.
        let chosen = Chosen::of(filter)?.by(self.dispatcher.now_ms());
        let mut walk = Walk::new(self, (tenant, queue), None, chosen);
        let mut redriven = 0;
        while let Some(letters) = walk.next(REDRIVE_IDS_MAX).await? {
            let ids: Vec<_> = letters.into_iter().map(|letter| letter.id).collect();
            if ids.is_empty() {
                continue;
            }
            match self.ask(tenant, queue, RedriveWhich::Ids(ids.clone())).await {
                Ok(done) => redriven += done.moved,
                // Somebody else sent one of them again meanwhile: the others still go, each by itself.
                Err(refusal) if refusal.code == Code::DeadLetterUnknown => {
                    for id in ids {
                        match self.ask(tenant, queue, RedriveWhich::Ids(vec![id])).await {
                            Ok(done) => redriven += done.moved,
                            Err(refusal) if refusal.code == Code::DeadLetterUnknown => {}
                            Err(refusal) => return Err(refusal),
                        }
                    }
                }
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(redriven)
    }

    async fn redrive_all(&self, tenant: &TenantName, queue: &QueueName) -> Result<u64, Refusal> {
        // Letters that come meanwhile, be it those that were sent again, are for another call.
        let lay_there = self.depth(tenant, queue).await?;
        let (mut redriven, mut after) = (0, None);
        loop {
            let page = self.ask(tenant, queue, RedriveWhich::After(after)).await?;
            redriven += page.moved;
            after = page.last;
            if after.is_none() || redriven >= lay_there {
                return Ok(redriven);
            }
        }
    }

    /// How many letters a redrive would send again.
    async fn matching(&self, tenant: &TenantName, queue: &QueueName, which: Redrive) -> Result<u64, Refusal> {
        match which {
            Redrive::All => self.depth(tenant, queue).await,
            Redrive::Ids(ids) => {
                let mut ids = parsed(&ids)?;
                ids.sort_unstable();
                ids.dedup();
                for id in &ids {
                    let key = keys::dead_letter(tenant, queue, *id);
                    let row = self.dispatcher.read(|state| state.get(Table::DeadLetters, &key)).await;
                    was_read(row)?.ok_or_else(|| no_letter(queue, &id.to_string()))?;
                }
                Ok(ids.len() as u64)
            }
            Redrive::Where(filter) => {
                let (mut walk, mut matching) = (Walk::new(self, (tenant, queue), None, Chosen::of(filter)?), 0);
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

    /// The attempts of a letter, as far as the log has them.
    async fn history(&self, tenant: &TenantName, letter: &str) -> Result<Vec<AttemptView>, Refusal> {
        let event = EventRef::Position(id(letter)?.event);
        let detail = match wharf_gateway::Archive::event(self, tenant, event).await {
            Ok(detail) => detail,
            Err(refusal) if refusal.code == Code::EventUnknown => return Ok(Vec::new()),
            Err(refusal) => return Err(refusal),
        };
        Ok(detail.deliveries.into_iter().find(|of| of.id == letter).map(|of| of.attempts).unwrap_or_default())
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
    async fn queue_known(&self, tenant: &TenantName, queue: &QueueName) -> Result<(), Refusal> {
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
    Ok(DeadLetterView {
        id: id.to_string(),
        queue: queue.clone(),
        rule: row.delivery.target.rule.clone(),
        to: row.delivery.target.to.clone(),
        event,
        code: row.code,
        error: row.reason.clone(),
        reason: row.code.title().to_owned(),
        attempts: row.delivery.attempts,
        time: rfc3339(row.at_ms),
        history: Vec::new(),
    })
}

/// A letter's event as it came in; where the log let go of that, the event itself as it was carried.
fn event(archive: &Archive, id: DeliveryId, row: &DeliveryRow) -> Result<EventView, Refusal> {
    if row.place.is_none() {
        let item = archive.record(id.event).map_err(|error| not_in_archive(&error))?;
        let events = view::events(&item);
        let placed = events.iter().find(|placed| placed.position == id.event);
        return placed
            .ok_or_else(|| Refusal::new(Code::EventUnknown, "the letter's event is not in the archive"))?
            .view();
    }
    let event = archive.event(row.event_at(id)).map_err(|error| not_in_archive(&error))?;
    let placed = Placed {
        position: id.event,
        time_ms: row.since_ms,
        bus: &row.bus,
        event: &event,
        targets: &[],
        given_up: &[],
        parent: None,
    };
    placed.view()
}
