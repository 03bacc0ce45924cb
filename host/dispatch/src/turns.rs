//! Turns: whose guest uses a processor next.
//!
//! The threads of guests would give each attempt the same, so a tenant that has more attempts would have more of the processors. Here
//! a call is polled only when it is its turn, as many at a time as there are processors, and a turn lasts until the guest yields: for a
//! millisecond at most (`EPOCH_MS`), or until it waits for something. The next turn is the tenant's that has used least for its weight,
//! and of its targets that one's (`fair.rs`); within a target they go by who came first.
//!
//! Invariant: a call that can go on has its turn or is in line for it; one that waits for something has none and holds nobody up. A
//! turn that nobody uses any more, since the call was dropped or its host's code panicked, goes to the next.

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures_util::future::BoxFuture;
use wharf_event::{Target, TenantName};

use crate::{clock::Clock, fair::Fair};

/// Tenants that have no turn and are remembered all the same, and targets of each: making them again costs more than a short call.
const REMEMBERED_MAX: usize = 64;

/// Whose call it is, and what that weighs.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) tenant: TenantName,
    pub(crate) target: Target,
    /// The tenant's weight beside others, and the target's beside the tenant's others.
    pub(crate) weights: (u32, u32),
}

/// How a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It waits for something, or was not polled yet.
    Idle,
    /// It can go on, and is in line.
    Queued,
    /// It is its turn.
    Granted,
    /// It is being polled.
    Running,
    /// It is being polled, and can go on behind that.
    Woken,
    /// It has come to its end, or was dropped.
    Over,
}

struct Standing {
    stage: Stage,
    task: Option<Waker>,
}

/// One call. It is the waker of what it polls.
struct Call {
    turns: Arc<Turns>,
    caller: Caller,
    /// Locked only while the line is.
    standing: Mutex<Standing>,
}

#[derive(Default)]
struct OfTenant {
    targets: Fair<Target>,
    queues: HashMap<Target, VecDeque<Arc<Call>>>,
    /// Calls that have a turn.
    turns: u32,
    queued: usize,
}

struct Line {
    processors: usize,
    /// Those that nobody uses.
    free: usize,
    tenants: Fair<TenantName>,
    of: HashMap<TenantName, OfTenant>,
    used: HashMap<TenantName, Duration>,
}

/// The processors, and who is in line for them.
pub(crate) struct Turns {
    clock: Arc<dyn Clock>,
    line: Mutex<Line>,
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Turns {
    /// So many guests run at a time.
    pub(crate) fn new(processors: usize, clock: Arc<dyn Clock>) -> Arc<Self> {
        let (processors, tenants) = (processors.max(1), Fair::default());
        let line = Line { processors, free: processors, tenants, of: HashMap::new(), used: HashMap::new() };
        Arc::new(Self { clock, line: Mutex::new(line) })
    }

    /// Lets `future` be polled when it is its turn.
    pub(crate) fn take<'a, T>(self: &Arc<Self>, caller: Caller, future: BoxFuture<'a, T>) -> InTurn<'a, T> {
        let standing = Mutex::new(Standing { stage: Stage::Idle, task: None });
        let call = Arc::new(Call { turns: Arc::clone(self), caller, standing });
        InTurn { future, waker: Waker::from(Arc::clone(&call)), call }
    }

    /// How long a tenant's guests have used processors since the start, and how many of its calls are in line now.
    pub(crate) fn of(&self, tenant: &TenantName) -> (Duration, usize) {
        let line = locked(&self.line);
        let used = line.used.get(tenant).copied().unwrap_or_default();
        (used, line.of.get(tenant).map_or(0, |of| of.queued))
    }

    /// Each tenant whose guests have used any, in the order of names.
    pub(crate) fn tenants(&self) -> Vec<TenantName> {
        let mut tenants: Vec<_> = locked(&self.line).used.keys().cloned().collect();
        tenants.sort_unstable();
        tenants
    }
}

impl Line {
    /// Gives a turn to a call that can go on, or puts it in line. True when it has one.
    fn enter(&mut self, call: &Arc<Call>) -> bool {
        let Caller { tenant, target, weights } = &call.caller;
        if !self.of.contains_key(tenant) {
            self.of.insert(tenant.clone(), OfTenant::default());
        }
        let Some(of) = self.of.get_mut(tenant) else { return false };
        // Where a processor is free nobody is in line.
        if self.free > 0 {
            self.free -= 1;
            of.turns += 1;
            of.targets.serve(target, weights.1);
            self.tenants.serve(tenant, weights.0);
            locked(&call.standing).stage = Stage::Granted;
            return true;
        }
        if !of.queues.contains_key(target) {
            of.queues.insert(target.clone(), VecDeque::new());
        }
        of.queues.get_mut(target).into_iter().for_each(|queue| queue.push_back(Arc::clone(call)));
        of.queued += 1;
        of.targets.wait(target, weights.1);
        self.tenants.wait(tenant, weights.0);
        locked(&call.standing).stage = Stage::Queued;
        false
    }

    /// Gives a free processor to whoever is next; gives its call.
    fn grant(&mut self) -> Option<Arc<Call>> {
        while self.free > 0 {
            let tenant = self.tenants.next()?;
            let call = self.of.get_mut(&tenant).and_then(OfTenant::pop);
            if self.of.get(&tenant).is_none_or(|of| of.queued == 0) {
                self.tenants.rest(&tenant);
            }
            let Some(call) = call else { continue };
            let mut standing = locked(&call.standing);
            if standing.stage == Stage::Queued {
                standing.stage = Stage::Granted;
                drop(standing);
                self.free -= 1;
                if let Some(of) = self.of.get_mut(&tenant) {
                    of.turns += 1;
                }
                return Some(call);
            }
            drop(standing);
            self.tidy(&tenant);
        }
        None
    }

    /// Takes a turn back. Gives the call whose turn it is now.
    fn release(&mut self, caller: &Caller, used: Duration) -> Option<Arc<Call>> {
        let Caller { tenant, target, weights } = caller;
        let ns = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
        self.tenants.charge(tenant, weights.0, ns);
        match self.used.get_mut(tenant) {
            Some(all) => *all += used,
            None => _ = self.used.insert(tenant.clone(), used),
        }
        if let Some(of) = self.of.get_mut(tenant) {
            of.targets.charge(target, weights.1, ns);
            of.turns -= 1;
        }
        self.free += 1;
        let next = self.grant();
        if self.free == self.processors {
            self.tenants.idle();
        }
        self.tidy(tenant);
        next
    }

    /// Forgets a tenant of which nobody has a turn or is in line, unless there is room to remember it. What it used is still counted.
    fn tidy(&mut self, tenant: &TenantName) {
        let many = self.of.len() > REMEMBERED_MAX;
        if self
            .of
            .get(tenant)
            .is_some_and(|of| of.turns == 0 && of.queued == 0 && (many || of.queues.len() > REMEMBERED_MAX))
        {
            self.of.remove(tenant);
        }
    }
}

impl OfTenant {
    fn pop(&mut self) -> Option<Arc<Call>> {
        let target = self.targets.next()?;
        let queue = self.queues.get_mut(&target)?;
        let call = queue.pop_front();
        self.queued -= usize::from(call.is_some());
        if queue.is_empty() {
            self.targets.rest(&target);
        }
        call
    }
}

impl Call {
    /// Whether it may be polled now. If not, it will be woken when it may.
    fn begins(self: &Arc<Self>, task: &Waker) -> bool {
        let mut line = locked(&self.turns.line);
        let stage = {
            let mut standing = locked(&self.standing);
            match &mut standing.task {
                Some(before) => before.clone_from(task),
                none => *none = Some(task.clone()),
            }
            standing.stage
        };
        let begins = stage == Stage::Granted || stage == Stage::Idle && line.enter(self);
        if begins {
            locked(&self.standing).stage = Stage::Running;
        }
        begins
    }

    /// A poll is over, with or without an end of the call.
    fn pauses(self: &Arc<Self>, used: Duration, over: bool) {
        let next = {
            let mut line = locked(&self.turns.line);
            let woken = {
                let mut standing = locked(&self.standing);
                let woken = standing.stage == Stage::Woken && !over;
                standing.stage = if over { Stage::Over } else { Stage::Idle };
                woken
            };
            // It is in line again before the next one is chosen, lest whoever yields be always overtaken.
            if woken && line.free == 0 {
                line.enter(self);
            }
            let next = line.release(&self.caller, used);
            if woken && next.is_none() && line.enter(self) { Some(Arc::clone(self)) } else { next }
        };
        wake(next);
    }
}

/// Wakes the task of a call whose turn it is. The line is not locked: whoever is woken may be polled at once.
fn wake(call: Option<Arc<Call>>) {
    if let Some(call) = call {
        let task = locked(&call.standing).task.clone();
        task.into_iter().for_each(Waker::wake);
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        let granted = {
            let mut line = locked(&self.turns.line);
            let stage = locked(&self.standing).stage;
            match stage {
                Stage::Idle => line.enter(&self),
                Stage::Running => {
                    locked(&self.standing).stage = Stage::Woken;
                    false
                }
                Stage::Queued | Stage::Granted | Stage::Woken | Stage::Over => false,
            }
        };
        if granted {
            wake(Some(self));
        }
    }
}

/// A call that is polled when it is its turn.
pub(crate) struct InTurn<'a, T> {
    future: BoxFuture<'a, T>,
    waker: Waker,
    call: Arc<Call>,
}

/// A poll: it is over when this is dropped, also by a panic.
struct Polling<'a> {
    call: &'a Arc<Call>,
    began: Duration,
    over: bool,
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        let used = self.call.turns.clock.monotonic().saturating_sub(self.began);
        self.call.pauses(used, self.over);
    }
}

impl<T> Future for InTurn<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Self { future, waker, call } = &mut *self;
        if !call.begins(cx.waker()) {
            return Poll::Pending;
        }
        let mut polling = Polling { call, began: call.turns.clock.monotonic(), over: true };
        let polled = future.as_mut().poll(&mut Context::from_waker(waker));
        polling.over = polled.is_ready();
        polled
    }
}

impl<T> Drop for InTurn<'_, T> {
    fn drop(&mut self) {
        let next = {
            let mut line = locked(&self.call.turns.line);
            let stage = {
                let mut standing = locked(&self.call.standing);
                standing.task = None;
                std::mem::replace(&mut standing.stage, Stage::Over)
            };
            // One that is in line is passed over when its turn comes.
            if stage == Stage::Granted { line.release(&self.call.caller, Duration::ZERO) } else { None }
        };
        wake(next);
    }
}

#[cfg(test)]
mod tests;
