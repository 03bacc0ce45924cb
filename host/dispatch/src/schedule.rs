//! The scheduler: which delivery gets its attempt next.
//!
//! Every plugin has a lane; whose turn it is says `places.rs`, so a slow or busy plugin or tenant never stands before another.
//! Within a lane first attempts start in log order. It owns no truth: it holds the next deliveries of each lane and the next
//! timers, and pages the others from the state when their turn comes near.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};
use wharf_delivery::{DeliveryId, DeliveryRow, Due, TableError, Used};
use wharf_event::{Code, Event, Position};

use crate::{
    attempt,
    attempt::Attempts,
    held::Held,
    lane::{Lane, LaneKey, lanes},
    limits::{HELD_EVENT_BYTES, LANE_PART, PAUSE_MAX, READ_AHEAD_BYTES},
    partition::{Arisen, chain},
    rates::Rates,
    rules::RuleSet,
    seats::{Asker, Askers, Heard},
    sending,
    slot::{Done, Slot},
    sure::Sure,
    timers::Timers,
    watched as watch,
};

/// A delivery that waits for its attempt.
pub(crate) struct Waiting {
    pub(crate) id: DeliveryId,
    pub(crate) row: DeliveryRow,
    /// The event, if there was room to hold it.
    pub(crate) event: Option<Event>,
    /// When the request was made that it arose from, by the monotonic clock, if that was in this process and this is its
    /// first attempt.
    pub(crate) asked: Option<Duration>,
    /// What its attempt used in turns that came to nothing, and that no settle told of. The next one does.
    pub(crate) void: Used,
    /// The frame with which it was read from the state; 0 where it was durable when it was told.
    pub(crate) read_k: u64,
}

impl Waiting {
    /// One that was read from the state of frame `k`.
    pub(crate) fn read(id: DeliveryId, row: DeliveryRow, read_k: u64) -> Self {
        Self { id, row, event: None, asked: None, void: Used::default(), read_k }
    }

    /// What its attempt used before this turn, if it did.
    pub(crate) fn used_before(&self) -> Option<&Used> {
        Some(&self.void).filter(|void| **void != Used::default())
    }
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
    /// Calls of batches that want a place, and those that wait for one.
    asked: (mpsc::UnboundedReceiver<Asker>, Askers),
    done: mpsc::UnboundedReceiver<Done>,
    read: (mpsc::UnboundedSender<ReadAhead>, mpsc::UnboundedReceiver<ReadAhead>),
    stopping: watch::Receiver<bool>,
    rules: watch::Receiver<Arc<RuleSet>>,
    lifted: watch::Receiver<u64>,
    /// Told when a breaker may let a lane have its turn.
    let_through: watch::Receiver<u64>,
    lanes: BTreeMap<LaneKey, Lane>,
    timers: Timers,
    /// Lanes that are held back until a time, in milliseconds since 1970.
    off: BTreeSet<(u64, LaneKey)>,
    rates: Rates,
    held: Held,
    sure: Sure,
    /// Deliveries in the memory of all lanes.
    ready: usize,
    held_bytes: usize,
}

impl Scheduler {
    pub(crate) fn new(
        attempts: Arc<Attempts>,
        guests: tokio::runtime::Handle,
        (arisen, Heard { asked, done }): (mpsc::UnboundedReceiver<Arisen>, Heard),
        stopping: watch::Receiver<bool>,
        held: Held,
    ) -> Self {
        let (rules, lifted) = (attempts.rules.subscribe(), attempts.quarantine.lifted());
        let (let_through, sure) = (attempts.breakers.turns(), Sure::new(attempts.shared.progress.subscribe()));
        Self {
            attempts,
            rules,
            guests,
            lifted,
            let_through,
            arisen,
            asked: (asked, Askers::default()),
            done,
            read: mpsc::unbounded_channel(),
            stopping,
            lanes: BTreeMap::new(),
            timers: Timers::unread(held),
            off: BTreeSet::new(),
            rates: Rates::default(),
            held,
            sure,
            ready: 0,
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
            self.attempts.places().open(!stopping);
            if stopping && self.attempts.places().running() == 0 {
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
                Some(asker) = self.asked.0.recv() => self.seat(asker),
                Some(done) = self.done.recv() => self.ended(done),
                Some(read) = self.read.1.recv() => self.hold(read),
                changed = self.stopping.changed() => if changed.is_err() {
                    // The host is gone.
                    return;
                },
                changed = self.rules.changed() => match changed {
                    Ok(()) => self.ruled(),
                    Err(_) => return,
                },
                changed = self.lifted.changed() => if changed.is_ok() { self.attempts.places().again() },
                // The top asks who waited for that.
                () = self.sure.further() => {}
                // The top asks which lanes may have their turn. Its sender lives as long as this.
                _ = self.let_through.changed() => {}
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
        while let Ok(asker) = self.asked.0.try_recv() {
            self.seat(asker);
        }
        while let Ok(done) = self.done.try_recv() {
            self.ended(done);
        }
        while let Ok(read) = self.read.1.try_recv() {
            self.hold(read);
        }
    }

    /// Finds what waits since before this start.
    fn begin(&mut self) -> Result<(), TableError> {
        let lanes = lanes(&self.attempts.shared.read().state)?;
        // Clients come for what waits in queues.
        for key in lanes.into_iter().filter(|(_, target)| target.queue().is_none()) {
            self.lanes.insert(key.clone(), Lane::spilled());
            self.attempts.places().wants(&key);
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
            if let Some(queue) = row.target.to.queue() {
                self.attempts.bells.ring(&row.tenant, queue);
                continue;
            }
            if row.timed {
                self.timers.insert(id, row);
                continue;
            }
            let key = (row.tenant.clone(), row.target.to.clone());
            let room = self.room();
            let lane = self.lanes.entry(key.clone()).or_default();
            if lane.takes(id, room) {
                let fits = |event: &Event| self.held_bytes + event.size() <= HELD_EVENT_BYTES;
                // A payload of its own: one small event must not keep a whole batch in memory.
                let event = event.filter(fits).map(|event| event.detached());
                self.held_bytes += event.as_ref().map_or(0, Event::size);
                self.ready += 1;
                lane.ready.push_back(Waiting { event, asked: Some(arisen.asked), ..Waiting::read(id, row, 0) });
            }
            self.attempts.places().wants(&key);
        }
    }

    /// How many deliveries a lane may hold in memory.
    fn room(&self) -> usize {
        let Held { ready, lane_min, lane_max, .. } = self.held;
        (ready.saturating_sub(self.ready) / LANE_PART).clamp(lane_min, lane_max)
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

    /// Starts attempts until nobody may make one more.
    fn start_all(&mut self) -> Result<(), TableError> {
        let rules = Arc::clone(&self.attempts.rules.borrow());
        loop {
            let Some(key) = self.attempts.places().next() else { return Ok(()) };
            self.start(key, &rules)?;
        }
    }

    /// Starts the next attempt of a lane, if nothing holds it back.
    fn start(&mut self, key: LaneKey, rules: &RuleSet) -> Result<(), TableError> {
        if rules.is_departed(&key.0) {
            self.clear(&key);
            return Ok(());
        }
        if rules.settings(&key.0).suspended {
            self.attempts.places().holds_tenant(&key.0, Code::TenantSuspended);
            return Ok(());
        }
        if self.is_held_back(&key, rules)? {
            return Ok(());
        }
        let (of_tenant, of_target) = rules.shares(&key.0, &key.1);
        if !self.attempts.places().admits(&key, of_tenant, of_target) {
            return Ok(());
        }
        if let Some(give) = self.asked.1.pop(&key) {
            self.rates.called(&key, rules, self.attempts.surroundings.clock.monotonic());
            self.give(give, &key, of_target.memory_mib);
            return Ok(());
        }
        self.fill(&key)?;
        let Some(lane) = self.lanes.get_mut(&key) else {
            self.attempts.places().rests(&key);
            return Ok(());
        };
        let read_k = lane.ready.front().map_or(0, |next| next.read_k);
        if !self.sure.is_lane(&key, read_k) {
            self.attempts.places().rests(&key);
            return Ok(());
        }
        let next = lane.pop();
        #[cfg(feature = "mutations")]
        let next = crate::lane::mutated(next, &mut lane.ready, &mut self.ready);
        let Some(waiting) = next else {
            if !lane.has_more() {
                self.attempts.places().rests(&key);
            }
            return Ok(());
        };
        let now = self.attempts.surroundings.clock.monotonic();
        let wait = self.rates.key(&key, &waiting, rules, now);
        if !wait.is_zero() {
            self.set_aside(&key, waiting, wait);
            return Ok(());
        }
        self.ready -= 1;
        if waiting.id.event.k <= rules.since_k(&key.0) {
            // It was another tenant's, who had the same name.
            self.let_go(&waiting);
            if !self.lanes.get(&key).is_some_and(Lane::has_more) {
                self.attempts.places().rests(&key);
            }
            return Ok(());
        }
        self.rates.begins(&key, &waiting, rules, now);
        self.held_bytes -= waiting.event.as_ref().map_or(0, Event::size);
        let memory_mib = of_target.memory_mib;
        {
            let mut places = self.attempts.places();
            places.begins(&key, memory_mib);
            if !lane.has_more() {
                places.rests(&key);
            }
        }
        self.run_attempt(key, waiting, memory_mib);
        Ok(())
    }

    /// Runs an attempt that has its place.
    fn run_attempt(&self, key: LaneKey, waiting: Waiting, memory_mib: u32) {
        let attempts = Arc::clone(&self.attempts);
        // It is left even if the attempt panics, or is never polled.
        let timer = waiting.row.timed.then(|| (waiting.row.timer(waiting.id).into(), waiting.row.attempts));
        let slot = Arc::new(Slot::new(Arc::clone(&attempts), key, memory_mib, timer));
        self.guests.spawn(async move { attempt::run(&attempts, waiting, &slot).await });
    }

    /// Whether something holds a lane back that is not its places; it is looked at again when that may be over.
    fn is_held_back(&mut self, key: &LaneKey, rules: &RuleSet) -> Result<bool, TableError> {
        if self.attempts.is_held(rules, key) {
            self.attempts.places().holds(key, Code::ReleaseQuarantined);
            return Ok(true);
        }
        if self.attempts.is_off(rules, key) {
            self.fill(key)?;
            if !self.has_too_old(key, rules) {
                self.attempts.places().holds(key, Code::WebhookDisabled);
                return Ok(true);
            }
        } else if let Some((until_ms, why)) = self.attempts.rests_until(key) {
            self.look_again(key, until_ms);
            self.attempts.places().holds(key, why);
            return Ok(true);
        }
        if self.attempts.breakers.holds(key, rules.guarded(key).as_ref()) {
            self.attempts.places().holds(key, Code::HeldBreaker);
            return Ok(true);
        }
        let wait = self.rates.lane(key, rules, self.attempts.surroundings.clock.monotonic());
        if !wait.is_zero() {
            self.look_again(key, self.after_ms(wait));
            self.attempts.places().holds(key, Code::HeldRate);
        }
        Ok(!wait.is_zero())
    }

    /// The time at which a wait is over, in milliseconds since 1970. (What is looked at again is so behind its time.)
    fn after_ms(&self, wait: Duration) -> u64 {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.attempts.clock.now_ms().saturating_add(wait_ms)
    }

    /// Sets a delivery aside that has to wait for the rate of its key, or all of its lane where there is no room for that.
    fn set_aside(&mut self, key: &LaneKey, waiting: Waiting, wait: Duration) {
        let until_ms = self.after_ms(wait).saturating_add(1);
        let Some(lane) = self.lanes.get_mut(key) else { return };
        if self.rates.is_full(&key.0) {
            lane.take_back(waiting);
            self.look_again(key, until_ms);
            self.attempts.places().holds(key, Code::HeldRate);
            return;
        }
        if !lane.has_more() {
            self.attempts.places().rests(key);
        }
        self.rates.set_aside(until_ms, waiting);
    }

    /// Somebody wants a place for a call that is of no delivery here.
    fn seat(&mut self, asker: Asker) {
        let key = asker.0.clone();
        self.asked.1.push(asker);
        self.attempts.places().wants(&key);
    }

    /// Gives such a place.
    fn give(&mut self, give: oneshot::Sender<Arc<Slot>>, key: &LaneKey, memory_mib: u32) {
        {
            let mut places = self.attempts.places();
            places.begins(key, memory_mib);
            if !self.asked.1.has(key) && !self.lanes.get(key).is_some_and(Lane::has_more) {
                places.rests(key);
            }
        }
        let slot = Slot::new(Arc::clone(&self.attempts), key.clone(), memory_mib, None);
        // Who has gone meanwhile leaves it free.
        drop(give.send(Arc::new(slot)));
    }

    /// Whether the next delivery of a webhook that is off is too old to wait on. If not, it is looked at again when it is.
    fn has_too_old(&mut self, key: &LaneKey, rules: &RuleSet) -> bool {
        let Some(next) = self.lanes.get(key).and_then(|lane| lane.ready.front()) else { return false };
        let now_ms = self.attempts.clock.now_ms();
        let Some(old_ms) = sending::old_at(rules, next).filter(|old_ms| *old_ms >= now_ms) else { return true };
        self.look_again(key, old_ms);
        false
    }

    /// A lane gets its turn again behind a time.
    fn look_again(&mut self, key: &LaneKey, at_ms: u64) {
        self.off.insert((at_ms, key.clone()));
    }

    /// Lets lanes have a turn that were held back until a time that has passed, and deliveries that waited for the rate of their key.
    fn age(&mut self, now_ms: u64) {
        while self.off.first().is_some_and(|(at_ms, _)| *at_ms < now_ms) {
            if let Some((_, key)) = self.off.pop_first() {
                self.attempts.places().wants(&key);
            }
        }
        while let Some(waiting) = self.rates.due(now_ms) {
            let key = (waiting.row.tenant.clone(), waiting.row.target.to.clone());
            self.lanes.entry(key.clone()).or_default().take_back(waiting);
            self.attempts.places().wants(&key);
        }
    }

    /// Pages a lane's next deliveries from the state where few are left in memory.
    fn fill(&mut self, key: &LaneKey) -> Result<(), TableError> {
        let room = self.room();
        let Some(lane) = self.lanes.get_mut(key) else { return Ok(()) };
        if lane.spilled && lane.ready.len() <= room / 4 {
            let held = lane.ready.len();
            let shared = self.attempts.shared.read();
            self.ready += lane.page(key, (room, self.held.lane_page), (&shared.state, shared.k))?;
            drop(shared);
            let paged: Vec<_> = lane.ready.iter().skip(held).map(|one| (one.id, one.row.event_at(one.id))).collect();
            self.read_ahead(key.clone(), paged);
        }
        let Some(lane) = self.lanes.get_mut(key) else { return Ok(()) };
        if lane.overdue.is_some() && lane.timed <= room / 4 {
            let now_ms = self.attempts.clock.now_ms();
            let shared = self.attempts.shared.read();
            self.ready += self.timers.refill(key, lane, (room, now_ms), (&shared.state, shared.k))?;
        }
        Ok(())
    }

    fn ended(&mut self, done: Done) {
        let Done { lane: key, memory_mib, timer, back } = done;
        self.attempts.places().ends(&key, memory_mib);
        // A lane stays when it is empty: it knows what it has taken. There are as many as there are plugins.
        let lane = self.lanes.entry(key.clone()).or_default();
        match (back, timer) {
            (Some(waiting), _) => {
                self.ready += 1;
                self.held_bytes += waiting.event.as_ref().map_or(0, Event::size);
                lane.take_back(*waiting);
            }
            (None, Some(timer)) => self.timers.ended(&timer),
            (None, None) => {}
        }
        if lane.has_more() || self.asked.1.has(&key) {
            self.attempts.places().wants(&key);
        }
    }

    /// The rules are others: what waits of a tenant that is deleted is let go, and what was held back may have its turn.
    fn ruled(&mut self) {
        let rules = Arc::clone(&self.rules.borrow());
        let gone: Vec<_> = self.lanes.keys().filter(|(tenant, _)| rules.is_departed(tenant)).cloned().collect();
        gone.iter().for_each(|key| self.clear(key));
        self.attempts.breakers.ruled(&rules);
        self.attempts.places().again();
    }

    /// Lets go of everything that waits in a lane: its tenant is deleted.
    fn clear(&mut self, key: &LaneKey) {
        let mut gone = self.lanes.get_mut(key).map(Lane::clear).unwrap_or_default();
        gone.extend(self.rates.clear(key));
        self.ready -= gone.len();
        gone.iter().for_each(|waiting| self.let_go(waiting));
        self.asked.1.clear(key);
        self.attempts.places().rests(key);
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
        let off_ms = self.off.first().map(|(at_ms, _)| at_ms.saturating_add(1));
        let timer_ms = self.timers.next_ms().filter(|_| self.sure.are_timers());
        let next_ms = [timer_ms, off_ms, self.rates.next_ms()].into_iter().flatten().min();
        let due = next_ms.map(|due_ms| Duration::from_millis(due_ms.saturating_sub(self.attempts.clock.now_ms())));
        [due, self.attempts.breakers.next()].into_iter().flatten().min().unwrap_or(PAUSE_MAX).min(PAUSE_MAX)
    }

    /// Gives those that are due their place in their lanes. A lane that has no room leaves its own in the state: a flood of
    /// retries of one plugin stands before nobody else's.
    fn wake(&mut self) -> Result<(), TableError> {
        let turns = self.attempts.breakers.take_turns();
        turns.iter().chain(&self.sure.surely()).for_each(|key| self.attempts.places().wants(key));
        let now_ms = self.attempts.clock.now_ms();
        self.age(now_ms);
        for _ in 0..self.held.timers_page {
            if self.timers.is_spent() {
                let shared = self.attempts.shared.read();
                self.timers.page(&shared.state)?;
                self.sure.timers_came_with(shared.k);
            }
            if !self.sure.are_timers() {
                break;
            }
            let Some((timer, id, row)) = self.timers.due(now_ms) else { break };
            if self.rules.borrow().is_departed(&row.tenant) {
                continue;
            }
            let (key, room) = ((row.tenant.clone(), row.target.to.clone()), self.room());
            let lane = self.lanes.entry(key.clone()).or_default();
            if lane.overdue.is_some() || lane.timed >= room {
                lane.leave(timer);
            } else {
                self.ready += 1;
                self.timers.take((timer, row.attempts));
                lane.push_timed(Waiting::read(id, row, 0));
            }
            self.attempts.places().wants(&key);
        }
        Ok(())
    }
}

impl Drop for Scheduler {
    /// However it ends, nobody begins behind it.
    fn drop(&mut self) {
        self.attempts.places().open(false);
    }
}
