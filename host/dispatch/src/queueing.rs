//! Queues as clients use them: send, receive, end, empty, look.
//!
//! Invariant: what the partition decides is decided there alone. Here a message that was leased is read from the log, and one for which an
//! answer has no room is given back as if nobody had had it.

use std::{ops::Bound, time::Duration};

use tokio::sync::oneshot;
use wharf_delivery::{
    AcceptEvent, AcceptRequest, Accepted, Answer, DeliveryId, DeliveryRow, Lease, LinePlace, Moved, QueueOp,
    QueueRequest, Receipt, Refused, Request, Table, TableError, Tables, TargetRef, Terms, behind, keys,
    limits::QUEUE_MOVES_MAX, line, sizes,
};
use wharf_event::{BusName, Digest, Event, EventError, OrderingKey, Position, QueueName, Target, TenantName};
use wharf_state::State;

use crate::{
    dispatcher::{AcceptError, Dispatcher},
    fitting::must_fit,
    inputs,
    limits::{COUNTED_AT_ONCE, LOOK_FOR_MESSAGES, RECEIVED_BYTES_MAX},
    orders::of_message,
    partition::{AskError, chain},
    queues::QueueInForce,
    rules::Unknown,
};

/// Why nothing was done with a queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueUseError {
    /// No such tenant, or it takes nothing for now, or the partition refused or failed.
    #[error(transparent)]
    Accept(#[from] AcceptError),
    /// No such queue.
    #[error("there is no queue `{0}`")]
    Unknown(QueueName),
    /// A message cannot have the name of its content.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Its messages come one after the other, so none is delayed by itself.
    #[error("the queue `{0}` is ordered: a message of it has no delay of its own")]
    OrderedDelay(QueueName),
    /// Nobody receives anything of it.
    #[error("the queue `{0}` is paused")]
    Paused(QueueName),
}

impl From<AskError> for QueueUseError {
    fn from(error: AskError) -> Self {
        AcceptError::from(error).into()
    }
}

/// How somebody receives.
#[derive(Clone, Copy, Debug)]
pub struct Receiving {
    /// Messages at most.
    pub count: usize,
    /// How long they are the receiver's alone, in milliseconds; as the queue says where nothing is said.
    pub visibility_ms: Option<u64>,
    /// How long to wait where there is none.
    pub wait: Duration,
}

/// A message that somebody has.
#[derive(Clone, Debug)]
pub struct Message {
    /// What to show for it.
    pub receipt: Receipt,
    /// The event.
    pub event: Event,
    /// Where it came from, and since when it waits.
    pub row: DeliveryRow,
    /// How often it was received, this time included.
    pub receives: u32,
    /// Until when it is the receiver's alone, in milliseconds since 1970.
    pub until_ms: u64,
}

/// A message as it lies in its queue.
#[derive(Clone, Debug)]
pub struct Peeked {
    /// Which delivery.
    pub id: DeliveryId,
    /// How it stands.
    pub row: DeliveryRow,
    /// Whether it waits behind another of its ordering key.
    pub is_behind: bool,
    /// The event; absent where it cannot be read.
    pub event: Option<Event>,
}

/// What there is of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Messages that it holds, whoever has them.
    pub depth: u64,
    /// Those that somebody has.
    pub in_flight: u64,
    /// Since when the oldest is there, in milliseconds since 1970.
    pub oldest_ms: Option<u64>,
}

impl Dispatcher {
    /// The queue, as it is for those who do something with it.
    fn queue(&self, tenant: &TenantName, queue: &QueueName) -> Result<QueueInForce, QueueUseError> {
        let rules = self.rules();
        if !rules.has_tenant(tenant) {
            return Err(AcceptError::from(Unknown::Tenant(tenant.clone())).into());
        }
        rules.queue(tenant, queue).cloned().ok_or_else(|| QueueUseError::Unknown(queue.clone()))
    }

    /// Sends messages to a queue, past all rules; answers each, in order, when it is durable.
    ///
    /// # Errors
    /// When all of them are refused.
    pub async fn send(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        events: Vec<Event>,
        delay_ms: Option<u64>,
    ) -> Result<Vec<Result<Accepted, Refused>>, QueueUseError> {
        let mut turn = None;
        loop {
            let request = self.sending(tenant, queue, events.clone(), delay_ms)?;
            match self.attempts.partition.ask(Request::Accept(request)).await {
                Ok(Answer::Accepted(answers)) => {
                    let duplicates = answers.iter().flatten().filter(|accepted| accepted.duplicate).count();
                    self.attempts.meters.duplicates(tenant, duplicates as u64);
                    return Ok(answers);
                }
                Ok(_) => return Err(AskError::Stopping.into()),
                Err(AskError::Refused(Refused::StaleRules)) if turn.is_none() => {
                    turn = Some(self.attempts.configuring.read().await);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The request that sends messages to a queue, as it is by the rules of this moment.
    fn sending(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        events: Vec<Event>,
        delay_ms: Option<u64>,
    ) -> Result<AcceptRequest, QueueUseError> {
        let rules = self.rules();
        if !rules.has_tenant(tenant) {
            return Err(AcceptError::from(Unknown::Tenant(tenant.clone())).into());
        }
        if rules.settings(tenant).suspended {
            return Err(AcceptError::Suspended(tenant.clone()).into());
        }
        let settings = &rules.queue(tenant, queue).ok_or_else(|| QueueUseError::Unknown(queue.clone()))?.settings;
        if settings.ordered && delay_ms.is_some_and(|delay_ms| delay_ms > 0) {
            return Err(QueueUseError::OrderedDelay(queue.clone()));
        }
        let target = |event: &Event| {
            let order = settings.ordered.then(|| (of_message(event), false));
            TargetRef { order, ..TargetRef::new(queue.into(), Target::Queue(queue.clone())) }
        };
        let message = |event| {
            let event = if settings.content_deduplication { by_content(event, settings.ordered)? } else { event };
            Ok(AcceptEvent { targets: vec![target(&event)], event })
        };
        let events = events.into_iter().map(message).collect::<Result<Vec<_>, EventError>>()?;
        // What is ordered waits as long as its queue says.
        let delayed = delay_ms.filter(|delay_ms| *delay_ms > 0 || settings.delay_ms > 0 && !settings.ordered);
        let request = rules.accepting(tenant, BusName::of_queue(queue), events);
        must_fit(&request).map_err(AcceptError::from)?;
        let since_k = request.since_k.max(settings.since_k);
        Ok(AcceptRequest { since_k, delayed: delayed.map(|delay_ms| (queue.clone(), delay_ms)), ..request })
    }

    /// Lets somebody have the next messages of a queue, and waits for the first where there is none.
    ///
    /// # Errors
    /// When there is no such queue, nobody may receive of it, or the log failed.
    pub async fn receive(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        receiving: Receiving,
    ) -> Result<Vec<Message>, QueueUseError> {
        let bell = self.attempts.bells.of(tenant, queue);
        let end = tokio::time::Instant::now() + receiving.wait;
        loop {
            let of = self.queue(tenant, queue)?;
            if of.settings.paused {
                return Err(QueueUseError::Paused(queue.clone()));
            }
            if self.rules().settings(tenant).suspended {
                return Err(AcceptError::Suspended(tenant.clone()).into());
            }
            let terms = of.settings.terms();
            let (is_there, back_ms) = self.looked(tenant, queue, &terms)?;
            let mut left = 0;
            if is_there {
                let messages;
                (messages, left) = self.received(tenant, queue, &of, receiving).await?;
                if messages.len() >= receiving.count {
                    // There may be more, for somebody else who waits.
                    bell.notify_one();
                }
                if !messages.is_empty() {
                    return Ok(messages);
                }
            }
            let now = tokio::time::Instant::now();
            if now >= end {
                return Ok(Vec::new());
            }
            let look = back_ms.map(|back_ms| Duration::from_millis(back_ms.saturating_sub(self.now_ms())));
            let look = match (is_there, left) {
                // What was there left the queue, so the next one may be had at once.
                (true, 1..) => Duration::ZERO,
                // It cannot be read now.
                (true, 0) => LOOK_FOR_MESSAGES,
                (false, _) => look.unwrap_or(LOOK_FOR_MESSAGES).min(LOOK_FOR_MESSAGES),
            };
            let until = end.min(now + look);
            tokio::select! {
                biased;
                () = bell.notified() => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// Whether there seems to be a message for somebody, and when the next one comes, as far as that is known, in milliseconds.
    pub(crate) fn looked(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        terms: &Terms,
    ) -> Result<(bool, Option<u64>), AskError> {
        let sequenced = self.attempts.shared.read();
        let (state, target) = (&sequenced.state, Target::Queue(queue.clone()));
        let looked = || {
            let mut next_ms: Option<u64> = None;
            let prefix = keys::first_attempts(tenant, &target);
            if let Some((_, row)) = state.scan(Table::Deliveries, &prefix, Bound::Unbounded, 1)?.pop() {
                next_ms = Some(DeliveryRow::from_bytes(&row)?.since_ms.saturating_add(terms.delay_ms));
            }
            for leased in [false, true] {
                let prefix = keys::hidden_by(tenant, &target, leased);
                let first = state.scan(Table::Hidden, &prefix, Bound::Unbounded, 1)?.pop();
                let back_ms = first.and_then(|(key, _)| keys::hidden_until(&key));
                next_ms = [next_ms, back_ms].into_iter().flatten().min();
            }
            Ok(next_ms)
        };
        let next_ms = looked().map_err(unreadable)?;
        Ok((next_ms.is_some_and(|next_ms| next_ms <= self.now_ms()), next_ms))
    }

    /// Messages for somebody, and how many left the queue meanwhile.
    pub(crate) async fn received(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        of: &QueueInForce,
        receiving: Receiving,
    ) -> Result<(Vec<Message>, u64), QueueUseError> {
        let visibility_ms = receiving.visibility_ms.unwrap_or(of.settings.visibility_ms);
        let op = QueueOp::Receive { count: receiving.count, visibility_ms };
        let Moved { leases, left, .. } = self.moved(tenant, queue, of.settings.terms(), op).await?;
        let positions: Vec<_> = leases.iter().map(|lease| lease.row.event_at(lease.receipt.delivery)).collect();
        let events = self.events(positions).await?;
        let (rules, mut messages, mut back, mut bytes) = (self.rules(), Vec::new(), Vec::new(), 0);
        for (Lease { receipt, row, until_ms }, event) in leases.into_iter().zip(events) {
            let Some(event) = event else {
                if bytes >= RECEIVED_BYTES_MAX {
                    back.push(receipt);
                } else {
                    // It stays leased, so others have their turn, and ends as what nobody is done with.
                    tracing::warn!(%tenant, %queue, message = %receipt.delivery, "a message cannot be read and is given to nobody");
                }
                continue;
            };
            bytes += event.size();
            let receives = row.attempts.saturating_add(1);
            let event = inputs::message(&row, &rules, event);
            messages.push(Message { receipt, event, row, receives, until_ms });
        }
        if !back.is_empty() {
            // The answer has no room for them.
            self.moved(tenant, queue, of.settings.terms(), QueueOp::Return(back)).await?;
        }
        Ok((messages, left))
    }

    /// Says what became of messages that somebody has; tells for each receipt whether it was good.
    ///
    /// # Errors
    /// When there is no such queue, or the log failed.
    pub async fn end(&self, tenant: &TenantName, queue: &QueueName, op: QueueOp) -> Result<Vec<bool>, QueueUseError> {
        let terms = self.queue(tenant, queue)?.settings.terms();
        Ok(self.moved(tenant, queue, terms, op).await?.good)
    }

    pub(crate) async fn moved(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        terms: Terms,
        op: QueueOp,
    ) -> Result<Moved, AskError> {
        let request = QueueRequest { tenant: tenant.clone(), queue: queue.clone(), terms, op };
        match self.attempts.partition.ask(Request::Queue(request)).await? {
            Answer::Moved(moved) => Ok(moved),
            _ => Err(AskError::Stopping),
        }
    }

    /// Empties a queue of all that is in it now, whoever has it, and says how much that was.
    ///
    /// # Errors
    /// When there is no such queue, or the log failed; then part of it may be gone.
    pub async fn purge(&self, tenant: &TenantName, queue: &QueueName) -> Result<u64, QueueUseError> {
        let terms = self.queue(tenant, queue)?.settings.terms();
        let last_k = self.attempts.shared.read().k;
        let (target, mut gone, mut place) = (Target::Queue(queue.clone()), 0, None);
        // Those behind others first: what is emptied lets nobody take its place.
        loop {
            let read = |state: &State| behind(state, tenant, &target, place.as_deref(), QUEUE_MOVES_MAX);
            let (page, last) = self.read(read).await?.map_err(unreadable)?;
            let of_then = page.into_iter().filter(|(id, _)| id.event.k <= last_k);
            let keyed: Vec<_> = of_then.filter_map(|(id, row)| Some((id, row.target.key()?.clone()))).collect();
            if !keyed.is_empty() {
                gone += self.moved(tenant, queue, terms.clone(), QueueOp::PurgeBehind(keyed)).await?.left;
            }
            if last.is_none() {
                break;
            }
            place = last;
        }
        let mut after = None;
        loop {
            let page = self.read(|state| page(state, tenant, queue, after, QUEUE_MOVES_MAX)).await?;
            let ids = page.map_err(unreadable)?.into_iter().map(|(id, _)| id).filter(|id| id.event.k <= last_k);
            let ids: Vec<_> = ids.collect();
            let Some(last) = ids.last() else { return Ok(gone) };
            after = Some(*last);
            gone += self.moved(tenant, queue, terms.clone(), QueueOp::Purge(ids)).await?.left;
        }
    }

    /// Messages of a queue in log order, those behind `after` only; nobody receives them by that. Those that wait behind others of their ordering
    /// key are told only with that `key`.
    ///
    /// # Errors
    /// When there is no such queue, or the log failed.
    pub async fn peek(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        key: Option<OrderingKey>,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<Peeked>, QueueUseError> {
        self.queue(tenant, queue)?;
        let placed = |(id, row)| (id, row, LinePlace::First);
        let rows = self.read(|state| match &key {
            Some(key) => line(state, (tenant, &Target::Queue(queue.clone()), key), after, limit),
            None => page(state, tenant, queue, after, limit).map(|page| page.into_iter().map(placed).collect()),
        });
        let rows = rows.await?.map_err(unreadable)?;
        let positions: Vec<_> = rows.iter().map(|(id, row, _)| row.event_at(*id)).collect();
        let events = self.events(positions).await?;
        let rules = self.rules();
        let peeked = |((id, row, place), event): ((DeliveryId, DeliveryRow, LinePlace), Option<Event>)| {
            let event = event.map(|event| inputs::message(&row, &rules, event));
            Peeked { id, row, is_behind: place == LinePlace::Behind, event }
        };
        Ok(rows.into_iter().zip(events).map(peeked).collect())
    }

    /// Events of the log, as many as an answer has room for.
    async fn events(&self, positions: Vec<Position>) -> Result<Vec<Option<Event>>, AskError> {
        if let Some(events) = self.attempts.archive.events_held(&positions, RECEIVED_BYTES_MAX) {
            return Ok(events);
        }
        let (archive, (read, events)) = (self.attempts.archive.clone(), oneshot::channel());
        self.attempts.surroundings.threads.blocking(Box::new(move || {
            // Whoever asked may be gone.
            let _ = read.send(archive.events(&positions, RECEIVED_BYTES_MAX));
        }));
        events.await.map_err(|_| AskError::Stopping)
    }

    /// What there is of a queue.
    ///
    /// # Errors
    /// When there is no such queue, or the log failed.
    pub async fn counts(&self, tenant: &TenantName, queue: &QueueName) -> Result<QueueCounts, QueueUseError> {
        self.queue(tenant, queue)?;
        let now_ms = self.now_ms();
        let read = self.read(|state| counts(state, tenant, queue, now_ms)).await?;
        Ok(read.map_err(unreadable)?)
    }
}

/// The event under the name of its content, so that the same content is known again: in an `ordered` queue, within its group.
fn by_content(event: Event, ordered: bool) -> Result<Event, EventError> {
    let data = event.data_to_value().map(|(name, value)| format!("{name}{value}")).unwrap_or_default();
    let mut parts = [event.kind(), event.source(), event.subject().unwrap_or_default(), &data].join("\0");
    if ordered {
        parts = format!("{parts}\0{}", of_message(&event).as_str());
    }
    let id = Digest::of(parts.as_bytes()).to_string();
    event.with_id(&id)
}

/// Messages of a queue in log order, behind one.
pub(crate) fn page(
    state: &State,
    tenant: &TenantName,
    queue: &QueueName,
    after: Option<DeliveryId>,
    limit: usize,
) -> Result<Vec<(DeliveryId, DeliveryRow)>, TableError> {
    let target = Target::Queue(queue.clone());
    let mut rows = Vec::new();
    for timed in [false, true] {
        let mut prefix = keys::lane(tenant, &target);
        prefix.push(u8::from(timed));
        let after = after.map(|after| keys::delivery(tenant, &target, timed, after));
        let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        for (key, row) in state.scan(Table::Deliveries, &prefix, from, limit)? {
            rows.push((crate::lane::id_of(&key)?, DeliveryRow::from_bytes(&row)?));
        }
    }
    rows.sort_unstable_by_key(|(id, _)| *id);
    rows.truncate(limit);
    Ok(rows)
}

fn counts(state: &State, tenant: &TenantName, queue: &QueueName, now_ms: u64) -> Result<QueueCounts, TableError> {
    let target = Target::Queue(queue.clone());
    let depth = sizes::backlog(state, tenant, &target)?;
    let in_flight = held(state, tenant, &target, now_ms)?;
    let oldest_ms = page(state, tenant, queue, None, 1)?.first().map(|(_, row)| row.since_ms);
    Ok(QueueCounts { depth, in_flight, oldest_ms })
}

/// Messages of a queue that somebody has now: never more than a queue may have.
fn held(state: &State, tenant: &TenantName, target: &Target, now_ms: u64) -> Result<u64, TableError> {
    let prefix = keys::hidden_by(tenant, target, true);
    // Those whose lease is over come first, and are passed over.
    let mut from = [prefix.as_slice(), &now_ms.saturating_add(1).to_be_bytes()].concat();
    let mut held = 0;
    loop {
        let rows = state.scan(Table::Hidden, &prefix, Bound::Excluded(&from), COUNTED_AT_ONCE)?;
        held += rows.len() as u64;
        match rows.into_iter().nth(COUNTED_AT_ONCE - 1) {
            Some((last, _)) => from = last.to_vec(),
            None => return Ok(held),
        }
    }
}

fn unreadable(error: TableError) -> AskError {
    AskError::Failed(chain(&error))
}
