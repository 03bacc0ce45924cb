//! Port: reading dead-letter queues and sending letters again.

use std::ops::Bound;

use bytes::Bytes;
use wharf_delivery::{DeadLetterRow, DeliveryId, RedriveRequest, Table, Tables as _, keys};
use wharf_dispatch::{Archive, rfc3339};
use wharf_event::{Code, QueueName, TenantName};
use wharf_gateway::{
    DeadLetters, Redrive, Refusal,
    view::{DeadLetterView, QueueView, RedriveView},
};

use super::{HostAdapter, blocking, not_asked, not_in_archive, unreadable, view};

impl DeadLetters for HostAdapter {
    async fn queues(&self, tenant: &TenantName) -> Result<Vec<QueueView>, Refusal> {
        self.known(tenant)?;
        let prefix = keys::tenant(tenant);
        let rows = self.dispatcher.read(|state| state.scan(Table::Queues, &prefix, Bound::Unbounded, usize::MAX)).await;
        let rows = rows.map_err(|error| not_asked(&error))?.map_err(|error| unreadable(&error))?;
        let mut queues = Vec::with_capacity(rows.len());
        for (key, row) in rows {
            let depth = DeadLetterRow::depth_of(&row).map_err(|error| unreadable(&error))?;
            let name = key.get(prefix.len()..).and_then(|name| name.strip_suffix(b"\0"));
            let name = name.and_then(|name| std::str::from_utf8(name).ok()?.parse().ok());
            queues.extend(name.map(|queue| QueueView { queue, depth }));
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
        let after = after.map(|after| id(&after).map(|id| keys::dead_letter(tenant, queue, id))).transpose()?;
        let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let prefix = keys::queue(tenant, queue);
        let rows = self.dispatcher.read(|state| state.scan(Table::DeadLetters, &prefix, from, limit as usize)).await;
        let rows = rows.map_err(|error| not_asked(&error))?.map_err(|error| unreadable(&error))?;
        let (archive, queue) = (self.dispatcher.archive().clone(), queue.clone());
        blocking(move || rows.iter().map(|(key, row)| letter(&archive, &queue, key, row)).collect()).await
    }

    async fn letter(&self, tenant: &TenantName, queue: &QueueName, text: &str) -> Result<DeadLetterView, Refusal> {
        self.queue_known(tenant, queue).await?;
        let key = keys::dead_letter(tenant, queue, id(text)?);
        let row = self.dispatcher.read(|state| state.get(Table::DeadLetters, &key)).await;
        let row = row.map_err(|error| not_asked(&error))?.map_err(|error| unreadable(&error))?;
        let row = row.ok_or_else(|| Refusal::new(Code::DeadLetterUnknown, format!("queue `{queue}` has no letter {text}")))?;
        let (archive, queue) = (self.dispatcher.archive().clone(), queue.clone());
        blocking(move || letter(&archive, &queue, &key, &row)).await
    }

    async fn redrive(&self, tenant: &TenantName, queue: &QueueName, which: Redrive) -> Result<RedriveView, Refusal> {
        self.known(tenant)?;
        let request = |deliveries| RedriveRequest { tenant: tenant.clone(), queue: queue.clone(), deliveries };
        let ask = async |deliveries| {
            self.dispatcher.redrive(request(deliveries)).await.map_err(|error| not_asked(&error))
        };
        let deliveries = match which {
            Redrive::Ids(ids) => ids.iter().map(|text| id(text)).collect::<Result<Vec<_>, _>>()?,
            Redrive::All => Vec::new(),
        };
        if !deliveries.is_empty() {
            return Ok(RedriveView { redriven: ask(deliveries).await?.moved });
        }
        // As many as there are now: letters that come back while this goes on are not sent a second time.
        let first = ask(Vec::new()).await?;
        let (mut moved, mut left) = (first.moved, first.left);
        while left > 0 {
            let page = ask(Vec::new()).await?;
            moved += page.moved;
            left = left.saturating_sub(page.moved.max(1));
        }
        Ok(RedriveView { redriven: moved })
    }
}

impl HostAdapter {
    async fn queue_known(&self, tenant: &TenantName, queue: &QueueName) -> Result<(), Refusal> {
        self.known(tenant)?;
        let depth = self.dispatcher.read(|state| DeadLetterRow::depth(state, tenant, queue)).await;
        match depth.map_err(|error| not_asked(&error))?.map_err(|error| unreadable(&error))? {
            Some(_) => Ok(()),
            None => Err(Refusal::new(Code::QueueUnknown, format!("no letter ever came into a queue `{queue}`"))),
        }
    }
}

fn id(text: &str) -> Result<DeliveryId, Refusal> {
    text.parse().map_err(|error| Refusal::new(Code::DeadLetterUnknown, format!("{error}")))
}

fn letter(archive: &Archive, queue: &QueueName, key: &[u8], row: &Bytes) -> Result<DeadLetterView, Refusal> {
    let row = DeadLetterRow::from_bytes(row).map_err(|error| unreadable(&error))?;
    let id = DeadLetterRow::id_of(key).ok_or_else(|| Refusal::new(Code::Internal, "a dead letter has no id"))?;
    let item = archive.record(id.event).map_err(|error| not_in_archive(&error))?;
    let events = view::events(&item);
    let placed = events.iter().find(|placed| placed.position == id.event);
    let placed = placed.ok_or_else(|| Refusal::new(Code::EventUnknown, "the letter's event is not in the archive"))?;
    Ok(DeadLetterView {
        id: id.to_string(),
        queue: queue.clone(),
        rule: row.delivery.target.rule.clone(),
        plugin: row.delivery.target.plugin.clone(),
        event: placed.view()?,
        code: row.code,
        error: row.reason.clone(),
        reason: row.code.title().to_owned(),
        attempts: row.delivery.attempts,
        time: rfc3339(row.at_ms),
    })
}
