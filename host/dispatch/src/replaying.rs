//! The task that brings what replays are for: it reads the archive and asks the partition to owe its events again.
//!
//! Invariant: what it remembers is nothing that matters: a request names how the replay stood, and comes to nothing where that is different, so
//! each event comes once whatever ends the host in between, and a replay that somebody ended brings nothing more. One replay brings its events one
//! request after the other, in the order of the log.
//!
//! A replay leaves room for what comes in now: it waits while half of what may wait of its tenant does. Redrives at a rate go on beside them, as
//! `redriving.rs` says.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{Mutex, Notify, Semaphore},
    task::JoinSet,
};
use wharf_delivery::{
    AcceptEvent, AcceptRequest, QuotaSpent, Refused, ReplayPhase, ReplayRequest, ReplayState, Request, StatsRow,
    TableError, keys, limits::TARGETS_PER_EVENT_MAX,
};
use wharf_event::{BusName, Event, Position, QueueName, REPLAY_ATTRIBUTE, ReplayName, TenantName};

use crate::{
    dispatcher::Dispatcher,
    limits::{
        REPLAY_BATCH_EVENTS, REPLAY_LOOK_AGAIN, REPLAY_NOTED_EVERY, REPLAY_PAUSE, REPLAY_READERS, REPLAY_SLACK,
        REPLAY_TICK, REPLAYS_PAUSE,
    },
    pace::Pace,
    partition::{AskError, chain},
    redrives, redriving,
    replay_counts::{self, Count, ReplayCounts},
    replay_pages::{Found, Page, ReplayWish, Sought, read},
    replays::{Replay, standing},
    rules::RuleSet,
    surroundings::blocking,
    watched as watch,
};

/// What goes on: a replay, or a redrive at a rate of a queue.
type Named = (TenantName, Task);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Task {
    Replay(ReplayName),
    Redrive(QueueName),
}

/// What those who ask for replays tell the task, and what its replays share.
pub(crate) struct Replays {
    /// One begins.
    pub(crate) begun: Notify,
    /// Held while one is begun.
    pub(crate) beginning: Mutex<()>,
    /// Turns to read the archive: however many replays go on, no more of them read at a time.
    pub(crate) reading: Semaphore,
    /// What replays have still before them.
    pub(crate) counts: ReplayCounts,
}

impl Default for Replays {
    fn default() -> Self {
        let (begun, beginning) = (Notify::new(), Mutex::new(()));
        Self { begun, beginning, reading: Semaphore::new(REPLAY_READERS), counts: ReplayCounts::default() }
    }
}

/// Whether so many deliveries of a tenant wait that its replays leave the room to what comes in now.
#[must_use]
pub fn replays_wait(pending: u64, backlog: u32) -> bool {
    pending >= u64::from(backlog / 2).max(1)
}

/// The task.
pub(crate) struct Replaying {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Why a replay brings nothing more now, or a redrive sends nothing.
pub(crate) enum Ended {
    /// It is over, or the host stops, or the log is gone.
    Over,
    /// The state cannot be read.
    State(TableError),
    /// It cannot go on, and why.
    Failed(String),
}

impl Replaying {
    /// Brings what replays are for until the host stops.
    pub(crate) async fn run(mut self) {
        let (mut brought, mut names): (JoinSet<Named>, HashSet<Named>) = (JoinSet::new(), HashSet::new());
        loop {
            let all = match running(&self.dispatcher) {
                Ok(all) => all,
                Err(error) => return unreadable(&self.dispatcher, &error),
            };
            for named in all {
                if names.insert(named.clone()) {
                    brought.spawn(bring(self.dispatcher.clone(), named, self.stopping.clone()));
                }
            }
            let stopped = self.stopping.wait_for(|stopping| *stopping);
            tokio::select! {
                biased;
                _ = stopped => return,
                () = self.dispatcher.attempts.replays.begun.notified() => {}
                Some(ended) = brought.join_next() => match ended {
                    Ok(named) => drop(names.remove(&named)),
                    // The task of a replay failed, which is a mistake of the host; the others go on, and a restart tries it again.
                    Err(error) => tracing::error!("a replay stands still until the next start: {error}"),
                }
            }
            if self.dispatcher.failure().is_some() {
                return;
            }
            // One that ended is not begun again in haste.
            tokio::time::sleep(REPLAYS_PAUSE).await;
        }
    }
}

/// What goes on by the state.
fn running(dispatcher: &Dispatcher) -> Result<Vec<Named>, TableError> {
    let shared = dispatcher.attempts.shared.read();
    let (replays, redrives) = (standing(&shared.state, None)?, redrives::standing(&shared.state, None)?);
    let replays = replays.into_iter().map(|(tenant, name, state)| (tenant, Task::Replay(name), state.phase));
    let redrives = redrives.into_iter().map(|(tenant, queue, state)| (tenant, Task::Redrive(queue), state.phase));
    let running = replays.chain(redrives).filter(|(.., phase)| *phase == ReplayPhase::Running);
    Ok(running.map(|(tenant, task, _)| (tenant, task)).collect())
}

/// Waits, but not for longer than the host runs.
pub(crate) async fn pause(stopping: &mut watch::Receiver<bool>, time: Duration) {
    let stopped = stopping.wait_for(|stopping| *stopping);
    tokio::select! {
        biased;
        _ = stopped => {}
        () = tokio::time::sleep(time) => {}
    }
}

/// Whether so much of the tenant waits already that a replay, or a redrive at a rate, leaves the room to what comes in now.
pub(crate) fn is_crowded(dispatcher: &Dispatcher, tenant: &TenantName, backlog: u32) -> Result<bool, Ended> {
    let stats = StatsRow::get(&dispatcher.attempts.shared.read().state, &keys::tenant(tenant));
    let pending = stats.map_err(Ended::State)?.unwrap_or_default().pending;
    Ok(replays_wait(pending, backlog))
}

/// Without the state nobody can say what is to be replayed, so nothing more may be acknowledged.
fn unreadable(dispatcher: &Dispatcher, error: &TableError) {
    let error = format!("the state cannot be read: {}", chain(error));
    tracing::error!("nothing is replayed any more, and nothing more is acknowledged: {error}");
    dispatcher.attempts.shared.fail(error);
}

/// Brings what one of them is for, to its end.
async fn bring(dispatcher: Dispatcher, named: Named, stopping: watch::Receiver<bool>) -> Named {
    let ended = match &named {
        (tenant, Task::Replay(name)) => replay(&dispatcher, (tenant, name), stopping).await,
        (tenant, Task::Redrive(queue)) => redriving::redrive(&dispatcher, (tenant, queue), stopping).await,
    };
    if let Err(Ended::State(error)) = ended {
        unreadable(&dispatcher, &error);
    }
    named
}

/// Brings what one replay is for, to its end.
async fn replay(
    dispatcher: &Dispatcher,
    (tenant, replay): (&TenantName, &ReplayName),
    stopping: watch::Receiver<bool>,
) -> Result<(), Ended> {
    let mut run = Run::begin(dispatcher, (tenant, replay), stopping.clone())?;
    let (sought, span, counted) = (run.sought.clone(), (run.cursor, run.was.until), Arc::clone(&run.counted));
    let ended = tokio::select! {
        biased;
        ended = run.go_on() => ended,
        () = replay_counts::count(dispatcher, sought, span, &counted, stopping) => Ended::Over,
    };
    dispatcher.attempts.replays.counts.end(tenant, replay);
    match ended {
        Ended::Failed(reason) => {
            tracing::warn!(%tenant, %replay, "the replay cannot go on: {reason}");
            let failed = ReplayState { phase: ReplayPhase::Failed, reason, ..run.was.clone() };
            // Where it is refused, somebody else ended it; where it fails, the next start finds out once more.
            drop(run.ask(failed, None).await);
            Ok(())
        }
        ended => Err(ended),
    }
}

/// Why events can never be brought, where they are as few as can be asked for: one that is owed to more than may ever wait, or that is larger than
/// the log takes.
fn never(events: &[AcceptEvent], refused: &AskError) -> Option<Ended> {
    let [AcceptEvent { event, targets }] = events else { return None };
    let id = event.id();
    match refused {
        AskError::Refused(Refused::Quota(QuotaSpent::Backlog { of, most, .. })) => {
            let owed = targets.iter().filter(|target| of.as_ref().is_none_or(|of| *of == target.to)).count() as u64;
            let whose = of.as_ref().map_or_else(|| "the tenant".to_owned(), |of| format!("`{of}`"));
            let why = format!("event `{id}` is owed to {owed} targets, and {most} deliveries may wait of {whose}");
            (owed > *most).then_some(Ended::Failed(why))
        }
        AskError::Refused(Refused::Quota(QuotaSpent::BusBacklog { bus, most, .. })) => {
            let owed = targets.len() as u64;
            let why = format!("event `{id}` is owed to {owed} targets, and {most} deliveries may wait of bus `{bus}`");
            (owed > *most).then_some(Ended::Failed(why))
        }
        AskError::TooLarge { .. } => Some(Ended::Failed(format!(
            "event `{id}` and its {} targets are larger than a frame of the log",
            targets.len()
        ))),
        _ => None,
    }
}

/// A replay as it goes on.
struct Run<'a> {
    dispatcher: &'a Dispatcher,
    tenant: &'a TenantName,
    name: &'a ReplayName,
    stopping: watch::Receiver<bool>,
    wish: ReplayWish,
    sought: Option<Sought>,
    /// How it stands by the last record.
    was: ReplayState,
    /// What was found and not brought.
    found: VecDeque<Found>,
    /// Where it is read on: never before what the last record says.
    cursor: Position,
    pace: Pace,
    /// Events that a request may bring: fewer where there was no room for them together.
    most: usize,
    noted_at: Duration,
    counted: Arc<Count>,
}

impl<'a> Run<'a> {
    fn begin(
        dispatcher: &'a Dispatcher,
        (tenant, name): (&'a TenantName, &'a ReplayName),
        stopping: watch::Receiver<bool>,
    ) -> Result<Self, Ended> {
        let was = ReplayState::get(&dispatcher.attempts.shared.read().state, tenant, name).map_err(Ended::State)?;
        let was = was.filter(|was| was.phase == ReplayPhase::Running).ok_or(Ended::Over)?;
        let replay = Replay::of(name.clone(), was.clone()).map_err(|error| {
            tracing::error!("{}", chain(&error));
            Ended::Over
        })?;
        let now = dispatcher.attempts.surroundings.clock.monotonic();
        let sought = Sought::of(tenant, &replay.wish);
        let (cursor, pace) = (was.cursor, Pace::new(replay.wish.per_s, REPLAY_SLACK, now));
        let (wish, found) = (replay.wish, VecDeque::new());
        let (most, noted_at) = (REPLAY_BATCH_EVENTS, now);
        let counted = dispatcher.attempts.replays.counts.begin(tenant, name);
        Ok(Self { dispatcher, tenant, name, stopping, wish, sought, was, found, cursor, pace, most, noted_at, counted })
    }

    async fn go_on(&mut self) -> Ended {
        loop {
            if *self.stopping.borrow() {
                return Ended::Over;
            }
            if let Err(ended) = self.step().await {
                return ended;
            }
        }
    }

    fn now(&self) -> Duration {
        self.dispatcher.attempts.surroundings.clock.monotonic()
    }

    /// Reads on, waits, or brings some.
    async fn step(&mut self) -> Result<(), Ended> {
        if self.found.is_empty() {
            return self.read_on().await;
        }
        let count = self.pace.take(self.now(), self.found.len().min(self.most));
        if count == 0 {
            // A moment more where events are close, so that a request has some.
            let wait = self.pace.wait(self.now()).max(REPLAY_TICK);
            pause(&mut self.stopping, wait).await;
            return Ok(());
        }
        self.bring(count).await
    }

    async fn read_on(&mut self) -> Result<(), Ended> {
        let until = self.was.until;
        if self.cursor >= until {
            let done = ReplayState { cursor: until, phase: ReplayPhase::Done, ..self.was.clone() };
            self.noted(done).await?;
            return Err(Ended::Over);
        }
        let Some(sought) = self.sought.clone() else {
            return Err(Ended::Failed("what it is to bring cannot be read".into()));
        };
        let (archive, cursor) = (self.dispatcher.archive().clone(), self.cursor);
        let threads = self.dispatcher.attempts.surroundings.threads.as_ref();
        let turn = self.dispatcher.attempts.replays.reading.acquire().await;
        let began = self.now();
        let page = blocking(threads, move || read(&archive, &sought, cursor, until)).await.ok_or(Ended::Over)?;
        drop(turn);
        let Page { found, cursor, missing } =
            page.map_err(|error| Ended::Failed(format!("the archive cannot be read: {}", chain(&error))))?;
        if missing > 0 {
            let (tenant, replay) = (self.tenant, self.name);
            tracing::warn!(%tenant, %replay, frames = missing, "part of what is replayed is past retention by now");
        }
        (self.found, self.cursor) = (found.into(), cursor);
        if self.found.is_empty() {
            // What looks through much and finds nothing leaves as much time to others as it takes.
            let took = self.now().saturating_sub(began);
            pause(&mut self.stopping, took).await;
        }
        if self.found.is_empty() && self.cursor < until && self.now() >= self.noted_at + REPLAY_NOTED_EVERY {
            self.noted(ReplayState { cursor, ..self.was.clone() }).await?;
        }
        Ok(())
    }

    /// Notes how it stands, without events.
    async fn noted(&mut self, state: ReplayState) -> Result<(), Ended> {
        loop {
            match self.ask(state.clone(), None).await {
                Ok(()) => return Ok(()),
                Err(AskError::Refused(Refused::Gone)) => return Err(Ended::Over),
                Err(AskError::Refused(_)) => pause(&mut self.stopping, REPLAY_PAUSE).await,
                Err(_) => return Err(Ended::Over),
            }
            if *self.stopping.borrow() {
                return Err(Ended::Over);
            }
        }
    }

    /// Lets the first `count` events that were found be owed again, or waits where there is no room for them.
    async fn bring(&mut self, count: usize) -> Result<(), Ended> {
        let rules = self.dispatcher.rules();
        if !rules.has_tenant(self.tenant) {
            // It is being deleted, and its replays with it.
            return Err(Ended::Over);
        }
        let settings = rules.settings(self.tenant);
        if settings.suspended || is_crowded(self.dispatcher, self.tenant, settings.quotas.backlog())? {
            self.pace.give_back(count);
            pause(&mut self.stopping, REPLAY_PAUSE).await;
            return Ok(());
        }
        let bus = self.wish.onto().clone();
        let (events, count) = self.owed(&rules, &bus, count)?;
        let last = self.found.get(count - 1).filter(|_| count < self.found.len());
        let cursor = last.map_or(self.cursor, |last| last.behind);
        let replayed = self.was.replayed.saturating_add(events.len() as u64);
        let state = ReplayState { cursor, replayed, ..self.was.clone() };
        let (asked, alone) = (events.len(), (events.len() == 1).then(|| events.clone()));
        // Also where nobody is owed anything: that is so by these rules.
        let accept = rules.accepting(self.tenant, bus, events);
        let rest = match self.ask(state, Some(accept)).await {
            Ok(()) => {
                self.found.drain(..count);
                self.counted.pass(count as u64);
                self.most = self.most.saturating_mul(2).min(REPLAY_BATCH_EVENTS);
                return Ok(());
            }
            Err(AskError::Refused(Refused::Gone)) => return Err(Ended::Over),
            Err(AskError::Refused(Refused::StaleRules)) => REPLAY_LOOK_AGAIN,
            Err(error @ (AskError::Refused(_) | AskError::TooLarge { .. })) => {
                never(&alone.unwrap_or_default(), &error).map_or(Ok(()), Err)?;
                self.most = (asked / 2).max(1);
                REPLAY_PAUSE
            }
            Err(_) => return Err(Ended::Over),
        };
        self.pace.give_back(count);
        pause(&mut self.stopping, rest).await;
        Ok(())
    }

    /// Whom the first `count` events that were found are owed to by these rules, or fewer of them where they are very many; and of how many that
    /// is said.
    fn owed(&mut self, rules: &RuleSet, bus: &BusName, count: usize) -> Result<(Vec<AcceptEvent>, usize), Ended> {
        let (mut events, mut owed, mut looked) = (Vec::with_capacity(count), 0, 0);
        for found in self.found.iter().take(count) {
            looked += 1;
            let Some(event) = self.marked(&found.event) else { continue };
            let targets = rules.targets(self.tenant, bus, &event);
            let mut targets = targets.map_err(|error| Ended::Failed(error.to_string()))?;
            targets.retain(|target| self.wish.means(target));
            if targets.len() > TARGETS_PER_EVENT_MAX {
                let (tenant, replay, targets) = (self.tenant, self.name, targets.len());
                tracing::warn!(%tenant, %replay, id = event.id(), targets, "an event is not replayed: it has too many targets");
                continue;
            }
            owed += targets.len();
            if !targets.is_empty() {
                events.push(AcceptEvent { event, targets });
            }
            if owed > TARGETS_PER_EVENT_MAX {
                break;
            }
        }
        self.pace.give_back(count - looked);
        Ok((events, looked))
    }

    /// The event with the replay's mark; absent where it has no room for that.
    fn marked(&self, event: &Event) -> Option<Event> {
        let marked = event.clone().with_extension(REPLAY_ATTRIBUTE, self.name.as_str());
        if let Err(error) = &marked {
            let (tenant, replay) = (self.tenant, self.name);
            tracing::warn!(%tenant, %replay, id = event.id(), "an event is not replayed: {}", chain(error));
        }
        marked.ok()
    }

    /// Asks for it to come to stand so.
    async fn ask(&mut self, state: ReplayState, events: Option<AcceptRequest>) -> Result<(), AskError> {
        let (tenant, replay, was) = (self.tenant.clone(), self.name.clone(), Some(self.was.clone()));
        let request = ReplayRequest { tenant, replay, was, state: Some(state.clone()), events };
        self.dispatcher.attempts.partition.ask(Request::Replay(Box::new(request))).await?;
        (self.was, self.noted_at) = (state, self.now());
        Ok(())
    }
}
