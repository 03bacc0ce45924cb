//! Ports: a tenant's queues, and their messages.
//!
//! Invariant: what stands in the configuration file is never changed here; its messages are. A wait ends when the host stops, so that a stop
//! does not wait for it, and never in the middle of a decision: whoever still listens gets what was leased.

use std::{
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use bytes::Bytes;
use wharf_delivery::{
    ConsumerDocument, DeliveryId, DeliveryRow, Object, ObjectFate, ObjectKind, ObjectName, ObjectWish, QueueOp,
    Receipt, limits::LEASED_PER_QUEUE_MAX,
};
use wharf_dispatch::{Message, Origin, Peeked, QueueCounts, QueueInForce, QueueUseError, Receiving, RuleSet, rfc3339};
use wharf_event::{Code, Event, OrderingKey, Position, QueueName, TenantName};
use wharf_gateway::{
    Ending, Expected, Intake as _, Messages, Put, QueueRef, Queues, Refusal,
    view::{
        Accepted, ConsumerView, MessageQueueView, MessageState, MessageView, PeekedView, PurgedView, ReceiptResult,
        ReceiptsView, ReceiptsWish, ReceiveWish, ReceivedView, event_json,
    },
};

use super::{
    HostAdapter, not_accepted,
    page::is_behind,
    rules,
    tenants::{made, not_changed},
    was_read,
};
use crate::config::{DELAY_MS, VISIBILITY_MS, duration_text, parse_duration, read_queue};

/// Messages that one receives where nothing is said, and how many one may.
const RECEIVED: u32 = 10;
const RECEIVED_MAX: RangeInclusive<u32> = 1..=1_000;

/// How long one may wait for a message, in milliseconds.
const WAIT_MS: RangeInclusive<u64> = 0..=20_000;

/// After so long it is seen whether the host stops.
const STEP: Duration = Duration::from_secs(1);

impl Queues for HostAdapter {
    async fn message_queues(
        &self,
        tenant: &TenantName,
        after: Option<QueueName>,
        limit: u32,
    ) -> Result<Vec<MessageQueueView>, Refusal> {
        self.known(tenant)?;
        let set = self.dispatcher.rules();
        let (mut views, mut counted) = (Vec::new(), 0);
        for (queue, of) in set.queues(tenant).filter(|(queue, _)| is_behind(*queue, after.as_ref())) {
            // A page is short where many messages had to be counted.
            if views.len() >= limit as usize || counted >= LEASED_PER_QUEUE_MAX {
                break;
            }
            match self.dispatcher.counts(tenant, queue).await {
                Ok(counts) => {
                    counted += counts.in_flight;
                    views.push(view(queue, of, None, counts, waits(&set, tenant, queue)));
                }
                // It went meanwhile.
                Err(QueueUseError::Unknown(_)) => {}
                Err(error) => return Err(not_used(&error)),
            }
        }
        Ok(views)
    }

    async fn message_queue(&self, of: QueueRef) -> Result<MessageQueueView, Refusal> {
        self.known(&of.tenant)?;
        let name = ObjectName::from(&of.queue);
        let held = self.dispatcher.read(|state| Object::get(state, &of.tenant, ObjectKind::Queue, &name)).await;
        let version = was_read(held)?.map(|held| held.version);
        self.queue_now(&of, version).await
    }

    async fn put_queue(
        &self,
        of: QueueRef,
        document: Bytes,
        expected: Expected,
    ) -> Result<Put<MessageQueueView>, Refusal> {
        self.known(&of.tenant)?;
        let mut settings = read_queue(&document, &of.queue).map_err(rules::wrong)?;
        let set = self.dispatcher.rules();
        if let Some(by) = &settings.consumer {
            set.may_consume(&of.tenant, by).map_err(|error| Refusal::new(error.code(), error.to_string()))?;
        }
        let before = set.queue(&of.tenant, &of.queue);
        settings.since_k = before.map_or_else(|| self.dispatcher.archive().last_k(), |before| before.settings.since_k);
        let created = before.is_none();
        let named = (ObjectKind::Queue, ObjectName::from(&of.queue));
        let put = self.put_object(&of.tenant, named, &settings, rules::taken(expected)).await;
        let fate = put.map_err(|error| not_changed(&error))?;
        // One that was paused may be received of, and one whose delay is shorter now sooner.
        Ok(Put { now: self.queue_now(&of, fate.version()).await?, created })
    }

    async fn remove_queue(&self, of: QueueRef, expected: Expected) -> Result<(), Refusal> {
        self.known(&of.tenant)?;
        if self.dispatcher.rules().queue(&of.tenant, &of.queue).is_none() {
            return Err(unknown(&of.queue));
        }
        let (name, expected) = (ObjectName::from(&of.queue), rules::taken(expected));
        let wish = ObjectWish { kind: ObjectKind::Queue, name, document: None, expected };
        let changed = self.dispatcher.change(&of.tenant, vec![wish]).await;
        match changed.map_err(|error| not_changed(&error))?.objects.first() {
            Some(ObjectFate::Absent) => Err(unknown(&of.queue)),
            _ => Ok(()),
        }
    }
}

impl Messages for HostAdapter {
    async fn send_messages(
        &self,
        of: &QueueRef,
        events: Vec<Event>,
        delay: Option<String>,
    ) -> Result<Vec<Result<Accepted, Refusal>>, Refusal> {
        self.ready()?;
        let delay_ms = said("delay", delay.as_deref(), &DELAY_MS)?;
        if events.is_empty() {
            self.known(&of.tenant)?;
            let known = self.dispatcher.rules().queue(&of.tenant, &of.queue).is_some();
            return if known { Ok(Vec::new()) } else { Err(unknown(&of.queue)) };
        }
        let events = events.into_iter().map(Event::unmarked).collect();
        let sent = self.dispatcher.send(&of.tenant, &of.queue, events, delay_ms).await;
        Ok(sent.map_err(|error| not_used(&error))?.into_iter().map(super::intake::answer).collect())
    }

    async fn receive(&self, of: QueueRef, wish: ReceiveWish) -> Result<ReceivedView, Refusal> {
        let max = wish.max.unwrap_or(RECEIVED);
        if !RECEIVED_MAX.contains(&max) {
            let detail =
                format!("max is {max}; it must be between {} and {}", RECEIVED_MAX.start(), RECEIVED_MAX.end());
            return Err(Refusal::new(Code::QueryInvalid, detail));
        }
        let wait = Duration::from_millis(said("wait", wish.wait.as_deref(), &WAIT_MS)?.unwrap_or(0));
        let visibility_ms = said("visibility", wish.visibility.as_deref(), &VISIBILITY_MS)?;
        let end = Instant::now() + wait;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let receiving = Receiving { count: max as usize, visibility_ms, wait: left.min(STEP) };
            let received = self.dispatcher.receive(&of.tenant, &of.queue, receiving).await;
            let received = received.map_err(|error| not_used(&error))?;
            if !received.is_empty() || left <= STEP || self.searches.is_stopping() {
                return Ok(ReceivedView { messages: received.iter().map(message).collect::<Result<_, _>>()? });
            }
        }
    }

    async fn end(&self, of: QueueRef, ending: Ending, wish: ReceiptsWish) -> Result<ReceiptsView, Refusal> {
        let delay_ms = said("delay", wish.delay.as_deref(), &(0..=*VISIBILITY_MS.end()))?;
        let visibility_ms = said("visibility", wish.visibility.as_deref(), &VISIBILITY_MS)?;
        let read: Vec<_> = wish.receipts.iter().map(|text| text.parse::<Receipt>()).collect();
        let receipts = read.iter().flatten().copied().collect();
        let op = match ending {
            Ending::Ack => QueueOp::Ack(receipts),
            Ending::Release => QueueOp::Release { receipts, delay_ms: delay_ms.unwrap_or(0) },
            Ending::Extend => {
                let set = self.dispatcher.rules();
                let own = set.queue(&of.tenant, &of.queue).map_or(0, |of| of.settings.visibility_ms);
                QueueOp::Extend { receipts, visibility_ms: visibility_ms.unwrap_or(own) }
            }
        };
        let good = self.dispatcher.end(&of.tenant, &of.queue, op).await.map_err(|error| not_used(&error))?;
        let mut good = good.into_iter();
        let results = wish.receipts.into_iter().zip(read).map(|(receipt, read)| match read {
            Ok(_) if good.next().unwrap_or(false) => ReceiptResult { receipt, ok: true, code: None, detail: None },
            Ok(_) => {
                let detail = "its message was ended, given back, or came back by its time; nothing was done".to_owned();
                ReceiptResult { receipt, ok: false, code: Some(Code::ReceiptStale), detail: Some(detail) }
            }
            Err(error) => {
                let detail = Some(error.to_string());
                ReceiptResult { receipt, ok: false, code: Some(Code::ReceiptInvalid), detail }
            }
        });
        Ok(ReceiptsView { results: results.collect() })
    }

    async fn peek(
        &self,
        of: QueueRef,
        key: Option<String>,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<PeekedView>, Refusal> {
        let after = after.map(|after| after.parse::<DeliveryId>()).transpose();
        let after = after.map_err(|error| Refusal::new(Code::QueryInvalid, format!("`after`: {error}")))?;
        let key = key.map(|key| OrderingKey::of(&key));
        let peeked = self.dispatcher.peek(&of.tenant, &of.queue, key, after, limit as usize).await;
        let peeked = peeked.map_err(|error| not_used(&error))?;
        let set = self.dispatcher.rules();
        let delay_ms = set.queue(&of.tenant, &of.queue).map_or(0, |of| of.settings.delay_ms);
        let now_ms = self.dispatcher.now_ms();
        // Where an answer has no room for more events there is another page, but no page without a row.
        let page = peeked.iter().enumerate().take_while(|(at, it)| *at == 0 || it.event.is_some());
        page.map(|(_, it)| peeked_view(it, delay_ms, now_ms)).collect()
    }

    async fn purge(&self, of: QueueRef) -> Result<PurgedView, Refusal> {
        let purged = self.dispatcher.purge(&of.tenant, &of.queue).await.map_err(|error| not_used(&error))?;
        Ok(PurgedView { purged })
    }
}

impl HostAdapter {
    async fn queue_now(&self, of: &QueueRef, version: Option<Position>) -> Result<MessageQueueView, Refusal> {
        let set = self.dispatcher.rules();
        let queue = set.queue(&of.tenant, &of.queue).ok_or_else(|| unknown(&of.queue))?;
        let counts = self.dispatcher.counts(&of.tenant, &of.queue).await.map_err(|error| not_used(&error))?;
        Ok(view(&of.queue, queue, version, counts, waits(&set, &of.tenant, &of.queue)))
    }
}

/// A length of time that was written, within bounds in milliseconds.
fn said(name: &str, text: Option<&str>, bounds: &RangeInclusive<u64>) -> Result<Option<u64>, Refusal> {
    let invalid = |detail: String| Refusal::new(Code::QueryInvalid, detail);
    let Some(text) = text else { return Ok(None) };
    let duration = parse_duration(text).map_err(|error| invalid(format!("`{name}`: {error}")))?;
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if bounds.contains(&ms) {
        return Ok(Some(ms));
    }
    let (least, most) = (duration_text(*bounds.start()), duration_text(*bounds.end()));
    Err(invalid(format!("`{name}` is {text}; it must be between {least} and {most}")))
}

fn unknown(queue: &QueueName) -> Refusal {
    Refusal::new(Code::QueueUnknown, format!("there is no queue `{queue}`"))
}

fn not_used(error: &QueueUseError) -> Refusal {
    match error {
        QueueUseError::Accept(error) => not_accepted(error),
        QueueUseError::Unknown(queue) => unknown(queue),
        QueueUseError::Event(error) => Refusal::new(error.code(), error.to_string()),
        QueueUseError::OrderedDelay(_) => Refusal::new(Code::QueryInvalid, error.to_string()),
        QueueUseError::Paused(_) => Refusal::new(Code::QueuePaused, error.to_string()),
    }
}

/// Why the consumer of a queue receives nothing.
fn waits(set: &RuleSet, tenant: &TenantName, queue: &QueueName) -> Option<String> {
    set.consumer_waits(tenant, queue).map(|idle| idle.to_string())
}

fn consumer_view(of: &ConsumerDocument) -> ConsumerView {
    let ConsumerDocument { plugin, batch, window_ms, concurrency } = of;
    ConsumerView { plugin: plugin.clone(), batch: *batch, window: duration_text(*window_ms), concurrency: *concurrency }
}

fn view(
    name: &QueueName,
    QueueInForce { settings, origin }: &QueueInForce,
    version: Option<Position>,
    counts: QueueCounts,
    waits: Option<String>,
) -> MessageQueueView {
    MessageQueueView {
        queue: name.clone(),
        origin: made(*origin),
        version: version.filter(|_| *origin == Origin::Object),
        visibility: duration_text(settings.visibility_ms),
        delay: duration_text(settings.delay_ms),
        retention: duration_text(settings.retention_ms),
        max_receives: settings.max_receives,
        backlog: settings.backlog,
        dead_letter: settings.dead_letter.clone(),
        content_deduplication: settings.content_deduplication,
        ordered: settings.ordered,
        paused: settings.paused,
        consumer: settings.consumer.as_ref().map(consumer_view),
        consumer_waits: waits,
        depth: counts.depth,
        in_flight: counts.in_flight,
        oldest_since: counts.oldest_ms.map(rfc3339),
    }
}

fn message(Message { receipt, event, row, receives, until_ms }: &Message) -> Result<MessageView, Refusal> {
    let over = row.bus.queue().is_none();
    Ok(MessageView {
        receipt: receipt.to_string(),
        event: event_json(event).map_err(no_json)?,
        receives: *receives,
        until: rfc3339(*until_ms),
        since: rfc3339(row.since_ms),
        bus: over.then(|| row.bus.clone()),
        rule: over.then(|| row.target.rule.clone()),
    })
}

fn peeked_view(
    Peeked { id, row, is_behind, event }: &Peeked,
    delay_ms: u64,
    now_ms: u64,
) -> Result<PeekedView, Refusal> {
    let over = row.bus.queue().is_none();
    let (state, until_ms) = if *is_behind { (MessageState::Behind, None) } else { state_of(row, delay_ms, now_ms) };
    Ok(PeekedView {
        id: id.to_string(),
        state,
        until: until_ms.map(rfc3339),
        receives: row.attempts,
        since: rfc3339(row.since_ms),
        bus: over.then(|| row.bus.clone()),
        rule: over.then(|| row.target.rule.clone()),
        event: event.as_ref().map(event_json).transpose().map_err(no_json)?,
    })
}

/// How a message lies in its queue, and until when it cannot be received.
fn state_of(row: &DeliveryRow, delay_ms: u64, now_ms: u64) -> (MessageState, Option<u64>) {
    let until_ms = if row.timed { row.due_ms } else { row.since_ms.saturating_add(delay_ms) };
    match (until_ms > now_ms, row.leased) {
        (false, _) => (MessageState::Ready, None),
        (true, false) => (MessageState::Delayed, Some(until_ms)),
        (true, true) => (MessageState::Leased, Some(until_ms)),
    }
}

fn no_json(error: serde_json::Error) -> Refusal {
    Refusal::new(Code::Internal, format!("an event is no JSON: {error}"))
}
