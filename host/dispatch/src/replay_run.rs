//! One replay as it goes on: a walk through the archive, whose events it asks the partition to owe again.
//!
//! Invariant: it brings its events one request after the other, in the order of the log.

use std::{collections::VecDeque, sync::Arc};

use wharf_delivery::{
    AcceptEvent, AcceptRequest, QuotaSpent, Refused, ReplayPhase, ReplayRequest, ReplayState, Request, is_too_wide,
    limits::TARGETS_PER_EVENT_MAX,
};
use wharf_event::{BusName, Event, Position, REPLAY_ATTRIBUTE, ReplayName, TenantName};

use crate::{
    dispatcher::Dispatcher,
    limits::{REPLAY_BATCH_EVENTS, REPLAY_LOOK_AGAIN, REPLAY_PAUSE},
    partition::{AskError, chain},
    replay_counts::{self, Count},
    replay_pages::{Found, Page, ReplayWish, Sought, read},
    replays::Replay,
    rules::RuleSet,
    surroundings::blocking_behind,
    walk::{Ended, Walk, Way},
    watched as watch,
};

/// Brings what one replay is for, to its end.
pub(crate) async fn replay(
    dispatcher: Dispatcher,
    (tenant, replay): (TenantName, ReplayName),
    stopping: watch::Receiver<bool>,
) -> Result<(), Ended> {
    let mut run = Run::begin(dispatcher.clone(), (tenant, replay), stopping.clone())?;
    let (sought, span, counted) = (run.sought.clone(), (run.cursor, run.was.until), Arc::clone(&run.counted));
    let ended = tokio::select! {
        biased;
        ended = run.go_on() => ended,
        () = replay_counts::count(&dispatcher, sought, span, &counted, stopping) => Ended::Over,
    };
    let (tenant, replay) = (&run.way.tenant, &run.name);
    dispatcher.attempts.replays.counts.end(tenant, replay);
    match ended {
        Ended::Failed(reason) => {
            tracing::warn!(%tenant, %replay, "the replay cannot go on: {reason}");
            let failed = ReplayState { phase: ReplayPhase::Failed, reason, ..run.was.clone() };
            // Where it is refused, somebody else ended it; where it fails, the next start finds out once more.
            drop(run.note(failed).await);
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
struct Run {
    way: Way,
    name: ReplayName,
    wish: ReplayWish,
    sought: Option<Sought>,
    /// How it stands by the last record.
    was: ReplayState,
    /// What was found and not brought.
    found: VecDeque<Found>,
    /// Where it is read on: never before what the last record says.
    cursor: Position,
    /// Events that a request may bring: fewer where there was no room for them together.
    most: usize,
    counted: Arc<Count>,
}

impl Run {
    fn begin(
        dispatcher: Dispatcher,
        (tenant, name): (TenantName, ReplayName),
        stopping: watch::Receiver<bool>,
    ) -> Result<Self, Ended> {
        let was = ReplayState::get(&dispatcher.attempts.shared.read().state, &tenant, &name).map_err(Ended::State)?;
        let was = was.filter(|was| was.phase == ReplayPhase::Running).ok_or(Ended::Over)?;
        let Replay { wish, .. } = Replay::of(name.clone(), was.clone()).map_err(|error| {
            tracing::error!("{}", chain(&error));
            Ended::Over
        })?;
        let sought = Sought::of(&tenant, &wish);
        let counted = dispatcher.attempts.replays.counts.begin(&tenant, &name);
        let way = Way::new(dispatcher, tenant, wish.per_s, stopping);
        let (cursor, found, most) = (was.cursor, VecDeque::new(), REPLAY_BATCH_EVENTS);
        Ok(Self { way, name, wish, sought, was, found, cursor, most, counted })
    }

    /// Whom the first `count` events that were found are owed to by these rules, or fewer of them where they are very many; and of how many that
    /// is said.
    fn owed(&mut self, rules: &RuleSet, bus: &BusName, count: usize) -> Result<(Vec<AcceptEvent>, usize), Ended> {
        let (mut events, mut owed, mut looked) = (Vec::with_capacity(count), 0, 0);
        for found in self.found.iter().take(count) {
            looked += 1;
            let Some(event) = self.marked(&found.event) else { continue };
            let targets = rules.targets(&self.way.tenant, bus, &event);
            let mut targets = targets.map_err(|error| Ended::Failed(error.to_string()))?;
            targets.retain(|target| self.wish.means(target));
            if is_too_wide(&targets) {
                let (tenant, replay, targets) = (&self.way.tenant, &self.name, targets.len());
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
        self.way.pace.give_back(count - looked);
        Ok((events, looked))
    }

    /// The event with the replay's mark; absent where it has no room for that.
    fn marked(&self, event: &Event) -> Option<Event> {
        let marked = event.clone().with_extension(REPLAY_ATTRIBUTE, self.name.as_str());
        if let Err(error) = &marked {
            let (tenant, replay) = (&self.way.tenant, &self.name);
            tracing::warn!(%tenant, %replay, id = event.id(), "an event is not replayed: {}", chain(error));
        }
        marked.ok()
    }

    /// Asks for it to come to stand so, and for these events to be owed again.
    async fn ask(&mut self, state: ReplayState, events: Option<AcceptRequest>) -> Result<(), AskError> {
        let (tenant, replay, was) = (self.way.tenant.clone(), self.name.clone(), Some(self.was.clone()));
        let request = ReplayRequest { tenant, replay, was, state: Some(state.clone()), events };
        self.way.dispatcher.attempts.partition.ask(Request::Replay(Box::new(request))).await?;
        self.was = state;
        self.way.was_noted();
        Ok(())
    }
}

impl Walk for Run {
    type State = ReplayState;

    fn way(&mut self) -> &mut Way {
        &mut self.way
    }

    fn ready(&self) -> usize {
        self.found.len().min(self.most)
    }

    async fn look_on(&mut self) -> Result<(), Ended> {
        let until = self.was.until;
        if self.cursor >= until {
            let done = ReplayState { cursor: until, phase: ReplayPhase::Done, ..self.was.clone() };
            self.noted(done).await?;
            return Err(Ended::Over);
        }
        let Some(sought) = self.sought.clone() else {
            return Err(Ended::Failed("what it is to bring cannot be read".into()));
        };
        let (archive, cursor) = (self.way.dispatcher.archive().clone(), self.cursor);
        let threads = self.way.dispatcher.attempts.surroundings.threads.as_ref();
        let turn = self.way.dispatcher.attempts.replays.reading.acquire().await;
        let began = self.way.now();
        let page = blocking_behind(threads, move || read(&archive, &sought, cursor, until)).await.ok_or(Ended::Over)?;
        drop(turn);
        let Page { found, cursor, missing } =
            page.map_err(|error| Ended::Failed(format!("the archive cannot be read: {}", chain(&error))))?;
        if missing > 0 {
            let (tenant, replay) = (&self.way.tenant, &self.name);
            tracing::warn!(%tenant, %replay, frames = missing, "part of what is replayed is past retention by now");
        }
        (self.found, self.cursor) = (found.into(), cursor);
        if self.found.is_empty() {
            // What looks through much and finds nothing leaves as much time to others as it takes.
            let took = self.way.now().saturating_sub(began);
            self.way.pause(took).await;
        }
        if self.found.is_empty() && self.cursor < until && self.way.is_to_be_noted() {
            self.noted(ReplayState { cursor, ..self.was.clone() }).await?;
        }
        Ok(())
    }

    async fn send(&mut self, count: usize) -> Result<(), Ended> {
        let Some(rules) = self.way.room()? else {
            self.way.keep_back(count, REPLAY_PAUSE).await;
            return Ok(());
        };
        let bus = self.wish.onto().clone();
        let (events, count) = self.owed(&rules, &bus, count)?;
        let last = self.found.get(count - 1).filter(|_| count < self.found.len());
        let cursor = last.map_or(self.cursor, |last| last.behind);
        let replayed = self.was.replayed.saturating_add(events.len() as u64);
        let state = ReplayState { cursor, replayed, ..self.was.clone() };
        let (asked, alone) = (events.len(), (events.len() == 1).then(|| events.clone()));
        // Also where nobody is owed anything: that is so by these rules.
        let accept = rules.accepting(&self.way.tenant, bus, events);
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
        self.way.keep_back(count, rest).await;
        Ok(())
    }

    async fn note(&mut self, state: ReplayState) -> Result<(), AskError> {
        self.ask(state, None).await
    }
}
