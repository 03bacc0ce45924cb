//! Plugins that consume queues: each such queue has a task that waits for messages, takes a place as other attempts do, and receives.
//!
//! Invariant: a message is received only once the place for its call is there, so that its lease is not spent in a line. Whose messages
//! they are is decided as for any client: what the task has is leased to it, and comes back by its time whatever becomes of the host.
//! What a call comes to stands in `batches.rs`; as many are made at a time as the queue's consumer may have.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::task::{JoinError, JoinSet};
use wharf_delivery::{ConsumerDocument, QueueDocument, Table, TableError, Tables as _, Used, keys};
use wharf_event::{QueueName, Target, TenantName};

use crate::{
    batches::Batches,
    dispatcher::Dispatcher,
    handler::Takes,
    limits::{CONSUMER_PAUSE, CONSUMER_SLACK_MS, GATHERING_PAUSE, LOOK_FOR_MESSAGES},
    partition::{AskError, chain},
    plugins::Plugin,
    queueing::{QueueUseError, Receiving},
    queues::QueueError,
    rules::RuleSet,
    watched as watch,
};

/// Why nobody consumes the messages of a queue that has a consumer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Idle {
    /// There is no such plugin, or none of its releases is in use.
    #[error("there is no plugin `{0}` that is ready")]
    NoPlugin(wharf_event::PluginName),
    /// It handles single events.
    #[error("the plugin `{0}` handles events one at a time: it is not of the world event-batch-handler")]
    NoBatches(wharf_event::PluginName),
    /// Somebody paused the queue.
    #[error("the queue is paused")]
    Paused,
    /// Its tenant rests.
    #[error("the tenant is suspended")]
    Suspended,
}

/// A consumer that is ready.
pub(crate) struct Ready {
    pub(crate) settings: Arc<QueueDocument>,
    pub(crate) by: ConsumerDocument,
    pub(crate) plugin: Arc<Plugin>,
}

impl RuleSet {
    /// Why the messages of a queue that has a consumer wait; absent where they are consumed, or none consumes them.
    #[must_use]
    pub fn consumer_waits(&self, tenant: &TenantName, queue: &QueueName) -> Option<Idle> {
        self.consumer(tenant, queue)?.err()
    }

    /// Whether a plugin can be the consumer of a queue, as it is now. What becomes of it later lets the queue wait.
    ///
    /// # Errors
    /// Why not.
    pub fn may_consume(&self, tenant: &TenantName, by: &ConsumerDocument) -> Result<(), QueueError> {
        match self.plugin(tenant, &by.plugin) {
            None => Err(QueueError::Consumer(Idle::NoPlugin(by.plugin.clone()))),
            Some(plugin) if plugin.takes() != Takes::Batches => {
                Err(QueueError::Consumer(Idle::NoBatches(by.plugin.clone())))
            }
            Some(_) => Ok(()),
        }
    }

    /// The consumer of a queue that has one.
    pub(crate) fn consumer(&self, tenant: &TenantName, queue: &QueueName) -> Option<Result<Ready, Idle>> {
        let settings = Arc::clone(&self.queue(tenant, queue)?.settings);
        let by = settings.consumer.clone()?;
        if settings.paused {
            return Some(Err(Idle::Paused));
        }
        if self.settings(tenant).suspended {
            return Some(Err(Idle::Suspended));
        }
        Some(match self.plugin(tenant, &by.plugin) {
            None => Err(Idle::NoPlugin(by.plugin)),
            Some(plugin) if plugin.takes() != Takes::Batches => Err(Idle::NoBatches(by.plugin)),
            Some(plugin) => Ok(Ready { settings, by, plugin }),
        })
    }

    /// All queues that have a consumer.
    fn consumed(&self) -> impl Iterator<Item = (TenantName, QueueName)> + '_ {
        self.tenants.iter().flat_map(|(tenant, of)| {
            let has = of.queues.iter().filter(|(_, queue)| queue.settings.consumer.is_some());
            has.map(|(queue, _)| (tenant.clone(), queue.clone()))
        })
    }
}

/// The task that starts and ends those of the queues.
pub(crate) struct Consuming {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) guests: tokio::runtime::Handle,
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Consuming {
    /// Lets each queue that has a consumer have its task, until the host stops.
    pub(crate) async fn run(mut self) {
        let mut rules = self.dispatcher.attempts.rules.subscribe();
        let mut wanted: BTreeMap<(TenantName, QueueName), (Arc<()>, watch::Sender<()>)> = BTreeMap::new();
        loop {
            let set = self.dispatcher.rules();
            // A task whose mark is gone ends behind the batches that it is at.
            wanted
                .retain(|(tenant, queue), _| set.queue(tenant, queue).is_some_and(|of| of.settings.consumer.is_some()));
            for (tenant, queue) in set.consumed() {
                let mark = wanted.entry((tenant.clone(), queue.clone()));
                mark.or_insert_with(|| {
                    let mark = Arc::new(());
                    let (dispatcher, guests) = (self.dispatcher.clone(), self.guests.clone());
                    let (wanted, stopping) = (Arc::downgrade(&mark), self.stopping.clone());
                    let (end, ended) = watch::channel(());
                    let (calls, debt) = (JoinSet::new(), Used::default());
                    let consumer = Consumer { dispatcher, guests, tenant, queue, wanted, ended, stopping, calls, debt };
                    drop(tokio::spawn(consumer.run()));
                    (mark, end)
                });
            }
            tokio::select! {
                biased;
                _ = self.stopping.wait_for(|stopping| *stopping) => return,
                changed = rules.changed() => if changed.is_err() { return },
            }
        }
    }
}

/// The task of one queue.
struct Consumer {
    dispatcher: Dispatcher,
    guests: tokio::runtime::Handle,
    tenant: TenantName,
    queue: QueueName,
    /// Gone when the queue has no consumer any more.
    wanted: Weak<()>,
    /// Closed with that: who waits for a place then waits no more.
    ended: watch::Receiver<()>,
    stopping: watch::Receiver<bool>,
    /// The batches that are at it.
    calls: JoinSet<Called>,
    /// What calls used that were settled with no message yet.
    debt: Used,
}

/// What a batch came to: how long to wait until the next, and what its calls used that is settled with no message.
type Called = (Result<Duration, AskError>, Used);

impl Consumer {
    async fn run(mut self) {
        while self.wanted.strong_count() > 0 && !*self.stopping.borrow() && self.dispatcher.failure().is_none() {
            let pause = match self.round().await {
                Ok(pause) => pause,
                Err(QueueUseError::Accept(_) | QueueUseError::Unknown(_)) if *self.stopping.borrow() => break,
                Err(error) => {
                    let (tenant, queue) = (&self.tenant, &self.queue);
                    tracing::warn!(%tenant, %queue, "a queue is consumed later: {}", chain(&error));
                    CONSUMER_PAUSE
                }
            };
            let _ = tokio::time::timeout(pause, self.stopping.wait_for(|stopping| *stopping)).await;
        }
        while self.calls.join_next().await.is_some() {}
    }

    /// One lease of messages, and how long to wait until the next.
    async fn round(&mut self) -> Result<Duration, QueueUseError> {
        let rules = self.dispatcher.rules();
        let Some(Ok(ready)) = rules.consumer(&self.tenant, &self.queue) else { return Ok(CONSUMER_PAUSE) };
        let pause = self.came_to(ready.by.concurrency as usize).await?;
        if !pause.is_zero() {
            return Ok(pause);
        }
        let looked = self.dispatcher.looked(&self.tenant, &self.queue, &ready.settings.terms())?;
        let bell = self.dispatcher.attempts.bells.of(&self.tenant, &self.queue);
        if let (false, back_ms) = looked {
            let back = back_ms.map(|back_ms| Duration::from_millis(back_ms.saturating_sub(self.dispatcher.now_ms())));
            let look = back.unwrap_or(LOOK_FOR_MESSAGES).min(LOOK_FOR_MESSAGES);
            // What wakes it in vain costs a look.
            let rung = tokio::time::timeout(look, self.or_stop(bell.notified()));
            tokio::select! {
                biased;
                Some(ended) = self.calls.join_next() => return Ok(self.end(ended)?),
                _ = rung => return Ok(Duration::ZERO),
            }
        }
        self.gather(&ready.by, &bell).await?;
        let place = (self.tenant.clone(), Target::Plugin(ready.by.plugin.clone()));
        let asked = self.dispatcher.attempts.seats.ask(place);
        let Some(Ok(slot)) = self.or_stop(asked).await else { return Ok(CONSUMER_PAUSE) };
        // The rules may be others since.
        let rules = self.dispatcher.rules();
        let (Some(Ok(ready)), Some(of)) =
            (rules.consumer(&self.tenant, &self.queue), rules.queue(&self.tenant, &self.queue))
        else {
            return Ok(Duration::ZERO);
        };
        let visibility_ms =
            ready.settings.visibility_ms.max(u64::from(ready.plugin.limits.wall_ms) + CONSUMER_SLACK_MS);
        let receiving =
            Receiving { count: ready.by.batch as usize, visibility_ms: Some(visibility_ms), wait: Duration::ZERO };
        let (messages, _) = self.dispatcher.received(&self.tenant, &self.queue, of, receiving).await?;
        if messages.is_empty() {
            // Somebody else has them, or they left the queue.
            return Ok(GATHERING_PAUSE);
        }
        let (dispatcher, tenant, queue) = (self.dispatcher.clone(), self.tenant.clone(), self.queue.clone());
        let debt = std::mem::take(&mut self.debt);
        let mut batches = Batches { dispatcher, tenant, queue, ready, visibility_ms, slot, debt };
        self.calls.spawn_on(async move { (batches.run(messages).await, batches.debt) }, &self.guests);
        Ok(Duration::ZERO)
    }

    /// Takes what batches came to that have ended, and waits for one while there are as many as there may be. The longest of their pauses.
    async fn came_to(&mut self, most: usize) -> Result<Duration, AskError> {
        let mut longest = Duration::ZERO;
        loop {
            let ended = match self.calls.try_join_next() {
                None if self.calls.len() >= most => self.calls.join_next().await,
                ended => ended,
            };
            match ended {
                None => return Ok(longest),
                Some(ended) => longest = longest.max(self.end(ended)?),
            }
        }
    }

    /// What one batch came to.
    fn end(&mut self, ended: Result<Called, JoinError>) -> Result<Duration, AskError> {
        // Where it panicked that is told of; its messages come back by their time.
        let Ok((pause, debt)) = ended else { return Ok(CONSUMER_PAUSE) };
        self.debt.add(&debt);
        pause
    }

    /// Waits until a call is full, or the window is over.
    async fn gather(&self, by: &ConsumerDocument, bell: &tokio::sync::Notify) -> Result<(), AskError> {
        let end = tokio::time::Instant::now() + Duration::from_millis(by.window_ms);
        loop {
            let ready = self.ready(by.batch as usize).map_err(|error| AskError::Failed(chain(&error)))?;
            let now = tokio::time::Instant::now();
            if ready >= by.batch as usize || now >= end || self.wanted.strong_count() == 0 {
                return Ok(());
            }
            let rung = tokio::time::timeout_at(end.min(now + LOOK_FOR_MESSAGES), bell.notified());
            match self.or_stop(rung).await {
                None => return Ok(()),
                Some(Ok(())) => tokio::time::sleep(GATHERING_PAUSE).await,
                Some(Err(_)) => {}
            }
        }
    }

    /// Messages that could be received, `most` at most.
    fn ready(&self, most: usize) -> Result<usize, TableError> {
        let sequenced = self.dispatcher.attempts.shared.read();
        let (state, target) = (&sequenced.state, Target::Queue(self.queue.clone()));
        let waiting =
            state.scan(Table::Deliveries, &keys::first_attempts(&self.tenant, &target), Bound::Unbounded, most)?;
        let (mut count, now_ms) = (waiting.len(), self.dispatcher.now_ms());
        for leased in [false, true] {
            let hidden =
                state.scan(Table::Hidden, &keys::hidden_by(&self.tenant, &target, leased), Bound::Unbounded, most)?;
            count += hidden.iter().filter(|(key, _)| keys::hidden_until(key).is_some_and(|at| at <= now_ms)).count();
        }
        Ok(count)
    }

    /// What comes of something, unless the host stops before, or the queue has no consumer any more.
    fn or_stop<T, F: Future<Output = T>>(&self, of: F) -> impl Future<Output = Option<T>> + use<T, F> {
        let (mut stopping, mut ended) = (self.stopping.clone(), self.ended.clone());
        async move {
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => None,
                _ = ended.changed() => None,
                done = of => Some(done),
            }
        }
    }
}
