//! The task that tends queues: messages that are too old, or were received too often, leave though nobody asks for them, and those of a queue
//! that is gone go to the dead letters.
//!
//! Invariant: it only names messages; whether they are to go is decided where nothing can change meanwhile. It looks at a page at a time, and
//! lets others have their turn in between.

use std::ops::Bound;

use wharf_delivery::{
    DeliveryId, DeliveryRow, QueueOp, Table, TableError, Tables, Terms, keys, limits::QUEUE_MOVES_MAX,
};
use wharf_event::{QueueName, Target, TenantName};
use wharf_state::State;

use crate::{
    dispatcher::Dispatcher,
    lane::{id_of, lanes},
    limits::TENDING_PAUSE,
    partition::{AskError, chain},
    queueing::page,
    watched as watch,
};

/// The task.
pub(crate) struct Tending {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Tending {
    /// Tends all queues now and then, until the host stops.
    pub(crate) async fn run(mut self) {
        loop {
            let stopped = self.stopping.wait_for(|stopping| *stopping);
            tokio::select! {
                biased;
                _ = stopped => return,
                () = tokio::time::sleep(TENDING_PAUSE) => {}
            }
            match self.round().await {
                Ok(()) => {}
                Err(AskError::Stopping) => return,
                Err(error) => tracing::warn!("queues are tended later: {}", chain(&error)),
            }
        }
    }

    async fn round(&self) -> Result<(), AskError> {
        let all = lanes(&self.dispatcher.attempts.shared.read().state);
        for (tenant, target) in all.map_err(unreadable)? {
            let Target::Queue(queue) = target else { continue };
            let rules = self.dispatcher.rules();
            if !rules.has_tenant(&tenant) {
                // It is deleted, with all that it has.
                continue;
            }
            match rules.queue(&tenant, &queue) {
                Some(of) => self.tend(&tenant, &queue, of.settings.terms()).await?,
                None => self.give_up(&tenant, &queue).await?,
            }
        }
        Ok(())
    }

    /// Lets go of what is too old, or was received too often.
    async fn tend(&self, tenant: &TenantName, queue: &QueueName, terms: Terms) -> Result<(), AskError> {
        for part in [Part::Waiting, Part::Back(false), Part::Back(true)] {
            let mut after = None;
            loop {
                let now_ms = self.dispatcher.now_ms();
                let looked = {
                    let sequenced = self.dispatcher.attempts.shared.read();
                    part.page(&sequenced.state, (tenant, queue), after.as_deref(), now_ms)
                };
                let Page { rows, last } = looked.map_err(unreadable)?;
                let goes = |row: &DeliveryRow| {
                    row.since_ms.saturating_add(terms.retention_ms) <= now_ms
                        || terms.max_receives.is_some_and(|most| row.attempts >= most)
                };
                let ids: Vec<_> = rows.iter().filter(|(_, row)| goes(row)).map(|(id, _)| *id).collect();
                // Those that wait came in this order: behind one that is young enough, all are.
                let is_end = last.is_none() || (matches!(part, Part::Waiting) && ids.len() < rows.len());
                if !ids.is_empty() {
                    self.dispatcher.moved(tenant, queue, terms.clone(), QueueOp::Tend(ids)).await?;
                }
                if is_end {
                    break;
                }
                after = last;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Gives up what is left of a queue that is gone. Its dead letters are kept under its name.
    async fn give_up(&self, tenant: &TenantName, queue: &QueueName) -> Result<(), AskError> {
        let terms = Terms { delay_ms: 0, retention_ms: u64::MAX, max_receives: None, dead_letter: queue.clone() };
        loop {
            let rows = page(&self.dispatcher.attempts.shared.read().state, tenant, queue, None, QUEUE_MOVES_MAX);
            let ids: Vec<_> = rows.map_err(unreadable)?.into_iter().map(|(id, _)| id).collect();
            // One that was made again meanwhile has messages of its own; while there is none, none comes.
            let rules = self.dispatcher.rules();
            if ids.is_empty() || !rules.has_tenant(tenant) || rules.queue(tenant, queue).is_some() {
                return Ok(());
            }
            self.dispatcher.moved(tenant, queue, terms.clone(), QueueOp::Gone(ids)).await?;
        }
    }
}

/// Which messages of a queue are looked at.
#[derive(Clone, Copy)]
enum Part {
    /// Those that nobody received yet.
    Waiting,
    /// Those that may be received again, or whose lease is over.
    Back(bool),
}

/// Messages of a part, and the last key that was looked at where there may be more.
struct Page {
    rows: Vec<(DeliveryId, DeliveryRow)>,
    last: Option<Vec<u8>>,
}

impl Part {
    fn page(
        self,
        state: &State,
        (tenant, queue): (&TenantName, &QueueName),
        after: Option<&[u8]>,
        now_ms: u64,
    ) -> Result<Page, TableError> {
        let target = Target::Queue(queue.clone());
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (table, prefix) = match self {
            Self::Waiting => (Table::Deliveries, keys::first_attempts(tenant, &target)),
            Self::Back(leased) => (Table::Hidden, keys::hidden_by(tenant, &target, leased)),
        };
        let found = state.scan(table, &prefix, from, QUEUE_MOVES_MAX)?;
        let last = found.last().filter(|_| found.len() >= QUEUE_MOVES_MAX).map(|(key, _)| key.to_vec());
        let mut rows = Vec::with_capacity(found.len());
        for (key, row) in found {
            let id = id_of(&key)?;
            if matches!(self, Self::Waiting) {
                rows.push((id, DeliveryRow::from_bytes(&row)?));
                continue;
            }
            if keys::hidden_until(&key).is_none_or(|until_ms| until_ms > now_ms) {
                return Ok(Page { rows, last: None });
            }
            if let Some(row) = DeliveryRow::get(state, &keys::delivery(tenant, &target, true, id))? {
                rows.push((id, row));
            }
        }
        Ok(Page { rows, last })
    }
}

fn unreadable(error: TableError) -> AskError {
    AskError::Failed(chain(&error))
}
