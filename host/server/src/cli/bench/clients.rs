//! Who takes part in a bench: producers that send, consumers that receive and acknowledge, and who looks how far the host has come.
//!
//! Invariant: at a rate everything has a time at which it is due, and is timed from then, however late the one before it was answered.
//! Without a rate no more than so many messages wait at a time, so that what is measured is what the host settles, not what it stores.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use serde::Deserialize;
use tokio::time::{Instant, sleep, sleep_until};
use wharf_gateway::view::StatsView;

use super::{
    BenchError,
    book::{Book, micros},
    events::Events,
    ground::Ground,
};
use crate::client::{Client, ClientError};

/// Before something that was refused is sent again.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// How long a host may refuse one request.
const BUSY_MAX: Duration = Duration::from_secs(60);

/// Between two looks at what waits.
const ROOM_PAUSE: Duration = Duration::from_millis(1);

/// How much too late a timer of this program may be by itself.
const TIMER_LATE: Duration = Duration::from_millis(2);

/// Between two looks at the host's totals.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// When producers are done.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// After so long.
    Time(Duration),
    /// After so many batches.
    Batches(u64),
}

/// What all clients of a run share.
#[derive(Debug)]
pub struct Run {
    pub client: Client,
    pub ground: Ground,
    pub events: Events,
    pub book: Book,
    pub end: End,
    /// Events a second, evenly; else as fast as the host goes.
    pub rate: Option<u32>,
    /// Messages that wait at most where there is no rate.
    pub waiting_max: u64,
    /// Messages that one event becomes.
    pub owed: u64,
    /// Whether clients settle messages, or the host does.
    pub is_pulled: bool,
    /// Whether messages of a key have to come in their order.
    pub is_ordered: bool,
    /// The first batch.
    pub first: u64,
    pub next: AtomicU64,
    pub sent_all: AtomicBool,
    pub last_of_keys: Mutex<HashMap<u64, u64>>,
}

/// What the host says of one event that was sent.
#[derive(Debug, Deserialize)]
struct Answered<'a> {
    #[serde(default)]
    duplicate: bool,
    #[serde(borrow, default)]
    code: Option<Cow<'a, str>>,
}

/// What was received, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Received<'a> {
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
}

#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    receipt: Cow<'a, str>,
    #[serde(borrow)]
    event: Head<'a>,
    receives: u32,
}

#[derive(Debug, Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
struct Ended<'a> {
    #[serde(borrow)]
    results: Vec<EndedOne<'a>>,
}

#[derive(Debug, Deserialize)]
struct EndedOne<'a> {
    ok: bool,
    #[serde(borrow, default)]
    code: Option<Cow<'a, str>>,
}

impl Run {
    /// Sends batches, each the next that nobody has sent, until the end.
    ///
    /// # Errors
    /// When one is not taken.
    pub async fn produce(self: Arc<Self>) -> Result<(), BenchError> {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(due) = self.due(number).await else { return Ok(()) };
            self.send(number).await?;
            self.book.accept(number, self.events.batch(), due, self.is_pulled);
        }
    }

    /// Waits until a batch may be sent. Gives the time from which it is timed, or nothing if it is behind the end.
    async fn due(&self, number: u64) -> Option<Instant> {
        let turn = number.saturating_sub(self.first);
        if matches!(self.end, End::Batches(batches) if turn >= batches) {
            return None;
        }
        let ends = match self.end {
            End::Time(time) => Some(self.book.began() + time),
            End::Batches(_) => None,
        };
        let is_over = |at: Instant| ends.is_some_and(|ends| at >= ends);
        let Some(rate) = self.rate else {
            while self.book.waiting() >= self.waiting_max && !is_over(Instant::now()) {
                sleep(ROOM_PAUSE).await;
            }
            let now = Instant::now();
            return (!is_over(now)).then_some(now);
        };
        let due = self.book.began() + Duration::from_secs_f64((turn * self.events.batch()) as f64 / f64::from(rate));
        if is_over(due) {
            return None;
        }
        let now = Instant::now();
        if now >= due {
            self.book.late(micros(now, due));
            return Some(due);
        }
        sleep_until(due).await;
        let now = Instant::now();
        self.book.late(micros(now, due));
        // What the timer of this program was late by is nothing that the host made anybody wait; a host that takes the processors from this program is.
        let is_timer = now.duration_since(due) <= TIMER_LATE;
        Some(if is_timer { now } else { due })
    }

    /// Sends a batch until it is taken.
    async fn send(&self, number: u64) -> Result<(), BenchError> {
        let (body, began) = (self.events.body(number), Instant::now());
        loop {
            let error = match self.client.post_as_is(&self.ground.to, self.events.media_type(), body.clone()).await {
                Ok(answer) => return self.all_taken(&answer),
                Err(error) => error,
            };
            let is_busy = matches!(&error, ClientError::Refused(reply) if matches!(reply.status, 429 | 503));
            if !is_busy || began.elapsed() > BUSY_MAX {
                return Err(error.into());
            }
            self.book.refused.fetch_add(1, Ordering::Relaxed);
            sleep(BUSY_PAUSE).await;
        }
    }

    fn all_taken(&self, answer: &[u8]) -> Result<(), BenchError> {
        let answered: Vec<Answered<'_>> = match self.events.batch() {
            1 => vec![understood(answer)?],
            _ => understood(answer)?,
        };
        if let Some(code) = answered.iter().find_map(|one| one.code.as_deref()) {
            return Err(BenchError::NotTaken(code.to_owned()));
        }
        if answered.iter().any(|one| one.duplicate) {
            return Err(BenchError::NotTaken("duplicate".to_owned()));
        }
        if answered.len() as u64 != self.events.batch() {
            return Err(BenchError::Misanswered);
        }
        Ok(())
    }

    /// Receives messages and acknowledges them, until it is dropped.
    ///
    /// # Errors
    /// When the host refuses, or a message is not as it was sent.
    pub async fn consume(self: Arc<Self>, max: u32) -> Result<(), BenchError> {
        let wish = Bytes::from(format!(r#"{{"max":{max},"wait":"10s"}}"#));
        let (receive, ack) = (self.ground.queue.clone().at("receive"), self.ground.queue.clone().at("ack"));
        loop {
            let answer = self.client.post_as_is(&receive, "application/json", wish.clone()).await?;
            let Received { messages } = understood(&answer)?;
            if messages.is_empty() {
                continue;
            }
            let events = self.events_of(&messages)?;
            let body = serde_json::to_vec(&Receipts { receipts: messages.iter().map(|it| &*it.receipt).collect() });
            let answer =
                self.client.post_as_is(&ack, "application/json", body.map_err(ClientError::NotUnderstood)?).await?;
            let Ended { results } = understood(&answer)?;
            if let Some(bad) = results.iter().find(|one| !one.ok) {
                return Err(BenchError::NotEnded(bad.code.as_deref().unwrap_or("unknown").to_owned()));
            }
            self.settled(&events);
        }
    }

    /// The numbers of the events that messages are of.
    fn events_of(&self, messages: &[Message<'_>]) -> Result<Vec<u64>, BenchError> {
        let again = messages.iter().filter(|message| message.receives > 1).count() as u64;
        self.book.again.fetch_add(again, Ordering::Relaxed);
        let number = |message: &Message<'_>| message.event.id.parse().map_err(|_| BenchError::Misanswered);
        let events = messages.iter().map(number).collect::<Result<Vec<u64>, _>>()?;
        if self.is_ordered {
            let mut last_of_keys = self.last_of_keys.lock().unwrap_or_else(PoisonError::into_inner);
            // Batches of two producers may overtake one another; within a batch the order is that of the numbers.
            let batch_of = |event: u64| event / self.events.batch();
            for &event in &events {
                let last = last_of_keys.insert(self.events.key(event), event);
                if last.is_some_and(|last| batch_of(last) == batch_of(event) && last >= event) {
                    return Err(BenchError::OutOfOrder { event });
                }
            }
        }
        Ok(events)
    }

    /// Enters messages as settled, batch by batch.
    fn settled(&self, events: &[u64]) {
        let batch_of = |event: &u64| event / self.events.batch();
        for of_one in events.chunk_by(|one, next| batch_of(one) == batch_of(next)) {
            if let Some(first) = of_one.first() {
                self.book.settle(batch_of(first), of_one.len() as u64, self.events.batch());
            }
        }
    }

    /// Asks the host how many messages it has settled, again and again, until it is dropped.
    ///
    /// # Errors
    /// When it does not answer, or gave some of them up.
    pub async fn watch(self: Arc<Self>) -> Result<(), BenchError> {
        loop {
            let stats: StatsView = self.client.get(&self.ground.stats).await?;
            if stats.dead_letters > 0 || stats.retries > 0 {
                return Err(BenchError::Failed { dead_letters: stats.dead_letters, retries: stats.retries });
            }
            self.book.settle_up_to(stats.deliveries.saturating_sub(stats.pending));
            sleep(LOOK_EVERY).await;
        }
    }
}

/// What is acknowledged.
#[derive(serde::Serialize)]
struct Receipts<'a> {
    receipts: Vec<&'a str>,
}

fn understood<'a, T: Deserialize<'a>>(answer: &'a [u8]) -> Result<T, BenchError> {
    Ok(serde_json::from_slice(answer).map_err(ClientError::NotUnderstood)?)
}
