//! The scheduler: which delivery gets its attempt next.
//!
//! Every plugin has a lane with a bound of its own; lanes take turns, so a slow or busy plugin never stands before another.
//! Within a lane first attempts start in log order. It owns no truth: it holds the next deliveries of each lane and the next
//! timers, and pages the others from the state when their turn comes near.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc;
use wharf_delivery::{DeliveryId, DeliveryRow, Due, TableError};
use wharf_event::{Event, Position, TenantName};
use wharf_runtime::limits::ATTEMPTS_AT_A_TIME;

use crate::{
    attempt,
    attempt::Attempts,
    lane::{Lane, LaneKey, lanes},
    limits::{
        HELD_EVENT_BYTES, LANE_PART, LANE_READY_MAX, LANE_READY_MIN, PAUSE_MAX, READ_AHEAD_BYTES, READY_MAX,
        TENANT_ATTEMPTS_AT_A_TIME, TIMERS_PAGE,
    },
    partition::{Arisen, chain},
    rules::RuleSet,
    timers::{Taken, Timers},
    watched as watch,
};

/// The lane of an attempt that ended, and its timer if it had one.
type Done = (LaneKey, Option<Taken>);

/// A delivery that waits for its attempt.
pub(crate) struct Waiting {
    pub(crate) id: DeliveryId,
    pub(crate) row: DeliveryRow,
    /// The event, if there was room to hold it.
    pub(crate) event: Option<Event>,
    /// When the request was made that it arose from, by the monotonic clock, if that was in this process and this is its
    /// first attempt.
    pub(crate) asked: Option<Duration>,
}

/// Events that were read for deliveries of a lane.
struct ReadAhead {
    lane: LaneKey,
    events: HashMap<DeliveryId, Event>,
}

/// The scheduler's own.
pub(crate) struct Scheduler {
    attempts: Arc<Attempts>,
    guests: tokio::runtime::Handle,
    arisen: mpsc::UnboundedReceiver<Arisen>,
    done: (mpsc::UnboundedSender<Done>, mpsc::UnboundedReceiver<Done>),
    read: (mpsc::UnboundedSender<ReadAhead>, mpsc::UnboundedReceiver<ReadAhead>),
    stopping: watch::Receiver<bool>,
    rules: watch::Receiver<Arc<RuleSet>>,
    lanes: BTreeMap<LaneKey, Lane>,
    /// Lanes that have something ready, in the order of their turns.
    turns: VecDeque<LaneKey>,
    in_turns: HashSet<LaneKey>,
    timers: Timers,
    /// Deliveries in the memory of all lanes.
    ready: usize,
    running: u32,
    running_of: HashMap<TenantName, u32>,
    held_bytes: usize,
}

impl Scheduler {
    pub(crate) fn new(
        attempts: Arc<Attempts>,
        guests: tokio::runtime::Handle,
        arisen: mpsc::UnboundedReceiver<Arisen>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let rules = attempts.rules.subscribe();
        Self {
            attempts,
            rules,
            guests,
            arisen,
            done: mpsc::unbounded_channel(),
            read: mpsc::unbounded_channel(),
            stopping,
            lanes: BTreeMap::new(),
            turns: VecDeque::new(),
            in_turns: HashSet::new(),
            timers: Timers::unread(),
            ready: 0,
            running: 0,
            running_of: HashMap::new(),
            held_bytes: 0,
        }
    }

    /// Runs until told to stop and the last attempt has ended.
    pub(crate) async fn run(mut self) {
        if let Err(error) = self.begin() {
            return self.unreadable(&error);
        }
        loop {
            let stopping = *self.stopping.borrow();
            if stopping && self.running == 0 {
                return;
            }
            if !stopping && let Err(error) = self.wake().and_then(|()| self.start_all()) {
                return self.unreadable(&error);
            }
            // A host that stops takes no retry up, so none is waited for: those that are due would let this loop spin.
            let pause = if stopping { PAUSE_MAX } else { self.pause() };
            tokio::select! {
                biased;
                arisen = self.arisen.recv() => match arisen {
                    Some(arisen) => self.take(arisen),
                    None => return,
                },
                Some((lane, timer)) = self.done.1.recv() => self.ended(&lane, timer.as_ref()),
                Some(read) = self.read.1.recv() => self.hold(read),
                changed = self.stopping.changed() => if changed.is_err() {
                    // The host is gone.
                    return;
                },
                changed = self.rules.changed() => match changed {
                    Ok(()) => self.ruled(),
                    Err(_) => return,
                },
                // Retries that are due are taken at the top.
                () = tokio::time::sleep(pause) => {}
            }
            self.take_all();
        }
    }

    /// Takes what has come meanwhile: one round of starting attempts for all of it.
    fn take_all(&mut self) {
        while let Ok(arisen) = self.arisen.try_recv() {
            self.take(arisen);
        }
        while let Ok((lane, timer)) = self.done.1.try_recv() {
            self.ended(&lane, timer.as_ref());
        }
        while let Ok(read) = self.read.1.try_recv() {
            self.hold(read);
        }
    }

    /// Finds what waits since before this start.
    fn begin(&mut self) -> Result<(), TableError> {
        let lanes = lanes(&self.attempts.shared.read().state)?;
        for key in lanes {
            self.lanes.insert(key.clone(), Lane::spilled());
            self.take_turn(key);
        }
        Ok(())
    }

    /// Without the state nothing can be scheduled, so nothing more may be acknowledged.
    fn unreadable(&self, error: &TableError) {
        let error = format!("the state cannot be read: {}", chain(error));
        tracing::error!("no more attempts are made, and nothing more is acknowledged: {error}");
        self.attempts.shared.fail(error);
    }

    fn take(&mut self, arisen: Arisen) {
        for Due { id, row, event } in arisen.due {
            if self.rules.borrow().is_departed(&row.tenant) {
                continue;
            }
            if row.timed {
                self.timers.insert(id, row);
                continue;
            }
            let key = (row.tenant.clone(), row.target.plugin.clone());
            let room = self.room();
            let lane = self.lanes.entry(key.clone()).or_default();
            if lane.takes(id, room) {
                let fits = |event: &Event| self.held_bytes + event.size() <= HELD_EVENT_BYTES;
                // A payload of its own: one small event must not keep a whole batch in memory.
                let event = event.filter(fits).map(|event| event.detached());
                self.held_bytes += event.as_ref().map_or(0, Event::size);
                self.ready += 1;
                lane.ready.push_back(Waiting { id, row, event, asked: Some(arisen.asked) });
            }
            self.take_turn(key);
        }
    }

    /// How many deliveries a lane may hold in memory.
    fn room(&self) -> usize {
        (READY_MAX.saturating_sub(self.ready) / LANE_PART).clamp(LANE_READY_MIN, LANE_READY_MAX)
    }

    /// Reads the events of deliveries that came from the state, frame by frame: one by one they would cost more than an attempt.
    fn read_ahead(&self, lane: LaneKey, paged: Vec<(DeliveryId, Position)>) {
        let bytes_max = HELD_EVENT_BYTES.saturating_sub(self.held_bytes).min(READ_AHEAD_BYTES);
        let (archive, read) = (self.attempts.archive.clone(), self.read.0.clone());
        self.attempts.surroundings.threads.blocking(Box::new(move || {
            let (ids, positions): (Vec<_>, Vec<_>) = paged.into_iter().unzip();
            let events = ids.into_iter().zip(archive.events(&positions, bytes_max));
            let events = events.filter_map(|(id, event)| Some((id, event?))).collect();
            // Without a scheduler nobody needs them.
            let _ = read.send(ReadAhead { lane, events });
        }));
    }

    /// Gives events that were read ahead to the deliveries that still wait for their turn.
    fn hold(&mut self, read: ReadAhead) {
        let ReadAhead { lane, mut events } = read;
        let Some(lane) = self.lanes.get_mut(&lane) else { return };
        for waiting in lane.ready.iter_mut().filter(|waiting| waiting.event.is_none()) {
            waiting.event = events.remove(&waiting.id);
            self.held_bytes += waiting.event.as_ref().map_or(0, Event::size);
        }
    }

    fn take_turn(&mut self, key: LaneKey) {
        if self.in_turns.insert(key.clone()) {
            self.turns.push_back(key);
        }
    }

    /// Starts attempts, one a lane and turn, until lanes or the machine are full.
    fn start_all(&mut self) -> Result<(), TableError> {
        while self.running < ATTEMPTS_AT_A_TIME {
            let Some(key) = self.turns.pop_front() else { break };
            self.in_turns.remove(&key);
            let bound = self.attempts.concurrency(&key.0, &key.1);
            let of_tenant = self.running_of.get(&key.0).copied().unwrap_or(0);
            let room = self.room();
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            if lane.running >= bound || of_tenant >= TENANT_ATTEMPTS_AT_A_TIME {
                // It gets its turn again when one of its attempts, or of its tenant's, ends.
                continue;
            }
            if lane.spilled && lane.ready.len() <= room / 4 {
                let held = lane.ready.len();
                self.ready += lane.page(&key, room, &self.attempts.shared.read().state)?;
                let paged: Vec<_> =
                    lane.ready.iter().skip(held).map(|one| (one.id, one.row.event_at(one.id))).collect();
                self.read_ahead(key.clone(), paged);
            }
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            if lane.overdue.is_some() && lane.timed <= room / 4 {
                let now_ms = self.attempts.clock.now_ms();
                let shared = self.attempts.shared.read();
                self.ready += self.timers.refill(&key, lane, (room, now_ms), &shared.state)?;
            }
            let next = lane.pop();
            #[cfg(feature = "mutations")]
            let next = crate::lane::mutated(next, &mut lane.ready, &mut self.ready);
            let Some(waiting) = next else {
                if lane.has_more() {
                    self.take_turn(key);
                }
                continue;
            };
            self.ready -= 1;
            if waiting.id.event.k <= self.rules.borrow().since_k(&key.0) {
                // It was another tenant's, who had the same name.
                self.let_go(&waiting);
                self.take_turn(key);
                continue;
            }
            lane.running += 1;
            self.running += 1;
            self.running_of.insert(key.0.clone(), of_tenant + 1);
            self.held_bytes -= waiting.event.as_ref().map_or(0, Event::size);
            self.take_turn(key.clone());
            let (attempts, done) = (Arc::clone(&self.attempts), self.done.0.clone());
            // The scheduler hears of the end even if the attempt panics, or is never polled.
            let timer = waiting.row.timed.then(|| (waiting.row.timer(waiting.id).into(), waiting.row.attempts));
            let slot = Arc::new(Slot { done, lane: key, timer, freed: AtomicBool::new(false) });
            self.guests.spawn(async move { attempt::run(&attempts, waiting, &slot).await });
        }
        Ok(())
    }

    fn ended(&mut self, key: &LaneKey, timer: Option<&Taken>) {
        self.running -= 1;
        if let Some(timer) = timer {
            self.timers.ended(timer);
        }
        // A lane stays when it is empty: it knows what it has taken. There are as many as there are plugins.
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.running -= 1;
        }
        let of_tenant = self.running_of.get(&key.0).copied().unwrap_or(1) - 1;
        if of_tenant == 0 {
            self.running_of.remove(&key.0);
        } else {
            self.running_of.insert(key.0.clone(), of_tenant);
        }
        if of_tenant + 1 >= TENANT_ATTEMPTS_AT_A_TIME {
            // The tenant was at its bound: any of its lanes may have been passed over.
            let lanes = self.lanes.iter().filter(|((tenant, _), lane)| *tenant == key.0 && lane.has_more());
            let waiting: Vec<LaneKey> = lanes.map(|(key, _)| key.clone()).collect();
            waiting.into_iter().for_each(|key| self.take_turn(key));
        } else if self.lanes.get(key).is_some_and(Lane::has_more) {
            self.take_turn(key.clone());
        }
    }

    /// The rules are others: what waits of a tenant that is deleted is let go, and what rested may have its turn.
    fn ruled(&mut self) {
        let rules = Arc::clone(&self.rules.borrow());
        let mut gone = Vec::new();
        for (key, lane) in self.lanes.iter_mut().filter(|(_, lane)| lane.has_more()) {
            if rules.is_departed(&key.0) {
                gone.extend(lane.clear());
            } else if self.in_turns.insert(key.clone()) {
                self.turns.push_back(key.clone());
            }
        }
        self.ready -= gone.len();
        gone.iter().for_each(|waiting| self.let_go(waiting));
    }

    /// What is known of a delivery that was taken and is not tried.
    fn let_go(&mut self, waiting: &Waiting) {
        self.held_bytes -= waiting.event.as_ref().map_or(0, Event::size);
        if waiting.row.timed {
            self.timers.ended(&(waiting.row.timer(waiting.id).into(), waiting.row.attempts));
        }
    }

    /// Time until the next retry is due; the longest pause when none is.
    fn pause(&self) -> Duration {
        if self.timers.is_spent() {
            return Duration::ZERO;
        }
        let Some(due_ms) = self.timers.next_ms() else { return PAUSE_MAX };
        let ms = due_ms.saturating_sub(self.attempts.clock.now_ms());
        Duration::from_millis(ms).min(PAUSE_MAX)
    }

    /// Gives those that are due their place in their lanes. A lane that has no room leaves its own in the state: a flood of
    /// retries of one plugin stands before nobody else's.
    fn wake(&mut self) -> Result<(), TableError> {
        let now_ms = self.attempts.clock.now_ms();
        for _ in 0..TIMERS_PAGE {
            if self.timers.is_spent() {
                self.timers.page(&self.attempts.shared.read().state)?;
            }
            let Some((timer, id, row)) = self.timers.due(now_ms) else { break };
            if self.rules.borrow().is_departed(&row.tenant) {
                continue;
            }
            let (key, room) = ((row.tenant.clone(), row.target.plugin.clone()), self.room());
            let lane = self.lanes.entry(key.clone()).or_default();
            if lane.overdue.is_some() || lane.timed >= room {
                lane.leave(timer);
            } else {
                self.ready += 1;
                self.timers.take((timer, row.attempts));
                lane.push_timed(Waiting { id, row, event: None, asked: None });
            }
            self.take_turn(key);
        }
        Ok(())
    }
}

/// An attempt's place among those that run. The scheduler hears once that it is free: when the settlement is sequenced, since
/// the next attempt sees it then, and at the latest when the attempt ends in whatever way.
pub(crate) struct Slot {
    done: mpsc::UnboundedSender<Done>,
    lane: LaneKey,
    timer: Option<Taken>,
    freed: AtomicBool,
}

impl Slot {
    pub(crate) fn free(&self) {
        if !self.freed.swap(true, Ordering::AcqRel) {
            // Without a scheduler nobody needs to know.
            let _ = self.done.send((self.lane.clone(), self.timer.clone()));
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.free();
    }
}
