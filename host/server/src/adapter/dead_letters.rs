//! Port: reading dead-letter queues and sending letters again.

use bytes::Bytes;
use wharf_delivery::{DeadLetterRow, DeliveryId, DeliveryRow, RedriveRequest, RedriveWhich, Table, Tables as _, keys};
use wharf_dispatch::{Archive, rfc3339};
use wharf_event::{Code, QueueName, TenantName};
use wharf_gateway::{
    DeadLetters, Redrive, Refusal,
    limits::REDRIVE_IDS_MAX,
    view::{DeadLetterView, EventView, QueueView, RedriveView},
};

use super::{
    HostAdapter, blocking, not_asked, not_in_archive,
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
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<DeadLetterView>, Refusal> {
        self.queue_known(tenant, queue).await?;
        let after = after.map(|after| after.parse::<DeliveryId>()).transpose();
        let after = after.map_err(|error| Refusal::new(Code::QueryInvalid, format!("`after`: {error}")))?;
        let mut after = after.map(|id| Bytes::from(keys::dead_letter(tenant, queue, id)));
        let (prefix, mut page) = (keys::queue(tenant, queue), Letters::new(limit as usize));
        // Letters that cannot be read leave gaps, which those after them fill: only an empty page is the end.
        while !page.room.is_full() {
            let room = Room::new(page.room.rows().min(LETTERS_PER_STEP));
            let rows = page::rows(&self.dispatcher, Table::DeadLetters, &prefix, after, room).await?;
            after = rows.last().map(|(key, _)| key.clone());
            if after.is_none() {
                break;
            }
            let (archive, queue) = (self.dispatcher.archive().clone(), queue.clone());
            page = blocking(move || Ok(page.with(&archive, &queue, &rows))).await?;
        }
        Ok(page.found)
    }

    async fn letter(&self, tenant: &TenantName, queue: &QueueName, text: &str) -> Result<DeadLetterView, Refusal> {
        self.queue_known(tenant, queue).await?;
        let key = keys::dead_letter(tenant, queue, id(text)?);
        let row = was_read(self.dispatcher.read(|state| state.get(Table::DeadLetters, &key)).await)?;
        let row =
            row.ok_or_else(|| Refusal::new(Code::DeadLetterUnknown, format!("queue `{queue}` has no letter {text}")))?;
        let (archive, queue) = (self.dispatcher.archive().clone(), queue.clone());
        blocking(move || letter(&archive, &queue, &key, &row)).await
    }

    async fn redrive(&self, tenant: &TenantName, queue: &QueueName, which: Redrive) -> Result<RedriveView, Refusal> {
        self.known(tenant)?;
        let ask = async |which| {
            let request = RedriveRequest { tenant: tenant.clone(), queue: queue.clone(), which };
            self.dispatcher.redrive(request).await.map_err(|error| not_asked(&error))
        };
        if let Redrive::Ids(ids) = which {
            let ids = ids.iter().map(|text| id(text)).collect::<Result<Vec<_>, _>>()?;
            return Ok(RedriveView { redriven: ask(RedriveWhich::Ids(ids)).await?.moved });
        }
        if let Redrive::Since(text) = &which {
            let since = text.parse::<jiff::Timestamp>();
            let since = since.map_err(|error| Refusal::new(Code::QueryInvalid, format!("`since`: {error}")))?;
            let since_ms = u64::try_from(since.as_millisecond()).unwrap_or(0);
            let (prefix, mut redriven, mut after) = (keys::queue(tenant, queue), 0, None);
            // Those that come back meanwhile are behind the cursor.
            loop {
                let page = page::rows(&self.dispatcher, Table::DeadLetters, &prefix, after, Room::new(REDRIVE_IDS_MAX));
                let rows = page.await?;
                let Some((last, _)) = rows.last() else { return Ok(RedriveView { redriven }) };
                after = Some(last.clone());
                let ids = given_up_since(&rows, since_ms)?;
                if !ids.is_empty() {
                    redriven += ask(RedriveWhich::Ids(ids)).await?.moved;
                }
            }
        }
        // Letters that come meanwhile, be it those that were sent again, are for another call.
        let depth = self.dispatcher.read(|state| DeadLetterRow::depth(state, tenant, queue)).await;
        let lay_there = was_read(depth)?.unwrap_or(0);
        let (mut redriven, mut after) = (0, None);
        loop {
            let page = ask(RedriveWhich::After(after)).await?;
            redriven += page.moved;
            after = page.last;
            if after.is_none() || redriven >= lay_there {
                return Ok(RedriveView { redriven });
            }
        }
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

/// Those of a page that were given up at that time or later.
fn given_up_since(rows: &[(Bytes, Bytes)], since_ms: u64) -> Result<Vec<DeliveryId>, Refusal> {
    let mut ids = Vec::new();
    for (key, row) in rows {
        let row = DeadLetterRow::from_bytes(row).map_err(|error| unreadable(&error))?;
        if row.at_ms >= since_ms {
            ids.extend(keys::delivery_of(key));
        }
    }
    Ok(ids)
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
