//! The scheduler: which delivery gets its attempt next.
//!
//! Every plugin has a lane with a bound of its own; lanes take turns, so a slow or busy plugin never stands before another.
//! Within a lane first attempts start in log order. It owns no truth: after a restart it is filled from the state.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, watch};
use wharf_delivery::{DeliveryId, DeliveryRow, Due};
use wharf_event::{Event, PluginName, TenantName};
use wharf_runtime::limits::ATTEMPTS_AT_A_TIME;

use crate::{
    attempt,
    attempt::Attempts,
    limits::{HELD_EVENT_BYTES, TENANT_ATTEMPTS_AT_A_TIME},
    partition::Arisen,
};

type LaneKey = (TenantName, PluginName);

/// A delivery that waits for its attempt.
pub(crate) struct Waiting {
    pub(crate) id: DeliveryId,
    pub(crate) row: DeliveryRow,
    /// The event, if there was room to hold it.
    pub(crate) event: Option<Event>,
    /// When the request was made that it arose from, if that was in this process and this is its first attempt.
    pub(crate) asked: Option<Instant>,
}

#[derive(Default)]
struct Lane {
    ready: VecDeque<Waiting>,
    running: u32,
}

/// The scheduler's own.
pub(crate) struct Scheduler {
    attempts: Arc<Attempts>,
    guests: tokio::runtime::Handle,
    arisen: mpsc::UnboundedReceiver<Arisen>,
    done: (mpsc::UnboundedSender<LaneKey>, mpsc::UnboundedReceiver<LaneKey>),
    stopping: watch::Receiver<bool>,
    lanes: HashMap<LaneKey, Lane>,
    /// Lanes that have something ready, in the order of their turns.
    turns: VecDeque<LaneKey>,
    in_turns: HashSet<LaneKey>,
    timers: BinaryHeap<Reverse<(u64, DeliveryId)>>,
    delayed: HashMap<DeliveryId, DeliveryRow>,
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
        Self {
            attempts,
            guests,
            arisen,
            done: mpsc::unbounded_channel(),
            stopping,
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            in_turns: HashSet::new(),
            timers: BinaryHeap::new(),
            delayed: HashMap::new(),
            running: 0,
            running_of: HashMap::new(),
            held_bytes: 0,
        }
    }

    /// Runs until told to stop and the last attempt has ended.
    pub(crate) async fn run(mut self, waiting: Vec<Due>) {
        self.take(Arisen { due: waiting, asked: Instant::now() }, false);
        loop {
            let stopping = *self.stopping.borrow();
            if stopping && self.running == 0 {
                return;
            }
            if !stopping {
                self.wake();
                self.start_all();
            }
            let pause = self.pause();
            tokio::select! {
                arisen = self.arisen.recv() => match arisen {
                    Some(arisen) => self.take(arisen, true),
                    None => return,
                },
                Some(lane) = self.done.1.recv() => self.ended(&lane),
                // Retries that are due are taken at the top.
                () = tokio::time::sleep(pause) => {}
                changed = self.stopping.changed() => if changed.is_err() {
                    // The host is gone.
                    return;
                },
            }
        }
    }

    fn take(&mut self, arisen: Arisen, fresh: bool) {
        let now_ms = self.attempts.clock.now_ms();
        for Due { id, row, event } in arisen.due {
            if row.due_ms > now_ms {
                self.timers.push(Reverse((row.due_ms, id)));
                self.delayed.insert(id, row);
                continue;
            }
            let room = |event: &Event| self.held_bytes + event.size() <= HELD_EVENT_BYTES;
            // A payload of its own: one small event must not keep a whole batch in memory.
            let event = event.filter(room).map(|event| event.detached());
            self.held_bytes += event.as_ref().map_or(0, Event::size);
            let asked = (fresh && row.attempts == 0).then_some(arisen.asked);
            self.queue(Waiting { id, row, event, asked });
        }
    }

    fn queue(&mut self, waiting: Waiting) {
        let key = (waiting.row.tenant.clone(), waiting.row.target.plugin.clone());
        self.lanes.entry(key.clone()).or_default().ready.push_back(waiting);
        self.take_turn(key);
    }

    fn take_turn(&mut self, key: LaneKey) {
        if self.in_turns.insert(key.clone()) {
            self.turns.push_back(key);
        }
    }

    /// Starts attempts, one a lane and turn, until lanes or the machine are full.
    fn start_all(&mut self) {
        while self.running < ATTEMPTS_AT_A_TIME {
            let Some(key) = self.turns.pop_front() else { return };
            self.in_turns.remove(&key);
            let bound = self.attempts.concurrency(&key.0, &key.1);
            let of_tenant = self.running_of.get(&key.0).copied().unwrap_or(0);
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            if lane.running >= bound || of_tenant >= TENANT_ATTEMPTS_AT_A_TIME {
                // It gets its turn again when one of its attempts, or of its tenant's, ends.
                continue;
            }
            let Some(waiting) = lane.ready.pop_front() else { continue };
            lane.running += 1;
            self.running += 1;
            self.running_of.insert(key.0.clone(), of_tenant + 1);
            self.held_bytes -= waiting.event.as_ref().map_or(0, Event::size);
            self.take_turn(key.clone());
            let (attempts, done) = (Arc::clone(&self.attempts), self.done.0.clone());
            // The scheduler hears of the end even if the attempt panics, or is never polled.
            let ended = Ended { done, lane: key };
            self.guests.spawn(async move {
                let _ended = ended;
                attempt::run(&attempts, waiting).await;
            });
        }
    }

    fn ended(&mut self, key: &LaneKey) {
        self.running -= 1;
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.running -= 1;
            if lane.running == 0 && lane.ready.is_empty() {
                self.lanes.remove(key);
            }
        }
        let of_tenant = self.running_of.get(&key.0).copied().unwrap_or(1) - 1;
        if of_tenant == 0 {
            self.running_of.remove(&key.0);
        } else {
            self.running_of.insert(key.0.clone(), of_tenant);
        }
        if of_tenant + 1 >= TENANT_ATTEMPTS_AT_A_TIME {
            // The tenant was at its bound: any of its lanes may have been passed over.
            let lanes = self.lanes.iter().filter(|((tenant, _), lane)| *tenant == key.0 && !lane.ready.is_empty());
            let waiting: Vec<LaneKey> = lanes.map(|(key, _)| key.clone()).collect();
            waiting.into_iter().for_each(|key| self.take_turn(key));
        } else if self.lanes.get(key).is_some_and(|lane| !lane.ready.is_empty()) {
            self.take_turn(key.clone());
        }
    }

    /// Time until the next retry is due; a minute when none is.
    fn pause(&self) -> Duration {
        let Some(Reverse((due_ms, _))) = self.timers.peek() else { return Duration::from_secs(60) };
        let ms = due_ms.saturating_sub(self.attempts.clock.now_ms());
        Duration::from_millis(ms.min(60_000))
    }

    fn wake(&mut self) {
        let now_ms = self.attempts.clock.now_ms();
        while let Some(Reverse((due_ms, id))) = self.timers.peek().copied() {
            if due_ms > now_ms {
                return;
            }
            self.timers.pop();
            if let Some(row) = self.delayed.remove(&id) {
                self.queue(Waiting { id, row, event: None, asked: None });
            }
        }
    }
}

/// Tells the scheduler that an attempt has ended.
struct Ended {
    done: mpsc::UnboundedSender<LaneKey>,
    lane: LaneKey,
}

impl Drop for Ended {
    fn drop(&mut self) {
        // Without a scheduler nobody needs to know.
        let _ = self.done.send(self.lane.clone());
    }
}
