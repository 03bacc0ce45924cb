//! Turns: whose guest uses a processor next.
//!
//! The threads of guests would give each attempt the same, so a tenant that has more attempts would have more of the processors. Here
//! a call is polled only when it is its turn, as many at a time as there are processors, and a turn lasts until the guest yields: for a
//! millisecond at most (`EPOCH_MS`), or until it waits for something. The next turn is the tenant's that has used least for its weight,
//! and of its targets that one's (`fair.rs`); within a target they go by who came first.
//!
//! A tenant that uses more than its share while others use some (`shares.rs`) has its turns behind: on threads that the kernel lets step
//! back for any other, with as many turns of their own. So whoever uses little waits for no turn of theirs, and they have what is left. So has what
//! handles a replayed event, for which nobody waits.
//!
//! Invariant: a call that can go on has its turn or is in line for it; one that waits for something has none and holds nobody up. A
//! turn that nobody uses any more, since the call was dropped or its host's code panicked, goes to the next. No turn in front is ever held by a thread
//! behind; what both lock is locked for moments.

mod in_turn;
mod line;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Wake, Waker},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use wharf_delivery::DeliveryRow;
use wharf_event::{Event, REPLAY_ATTRIBUTE, Target, TenantName};

use self::{
    in_turn::{InTurn, Turn},
    line::Line,
};
use crate::{clock::Clock, rules::RuleSet, shares::Shares};

/// Whose call it is, and what that weighs.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) tenant: TenantName,
    pub(crate) target: Target,
    /// The tenant's weight beside others, and the target's beside the tenant's others.
    pub(crate) weights: (u32, u32),
    /// Whether nobody waits for its end: it has all its turns behind.
    pub(crate) steps_back: bool,
}

impl Caller {
    /// The target of a delivery, that of a replayed event stepping back for what comes in now.
    pub(crate) fn of(row: &DeliveryRow, event: &Event, rules: &RuleSet) -> Self {
        let (tenant, target) = (row.tenant.clone(), row.target.to.clone());
        let (of_tenant, of_target) = rules.shares(&tenant, &target);
        let steps_back = event.extension(REPLAY_ATTRIBUTE).is_some();
        Self { tenant, target, weights: (of_tenant.weight, of_target.weight), steps_back }
    }
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

/// Where a call is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Front,
    Behind,
}

/// Whether a call may be polled.
enum Begins {
    Now,
    /// It will be woken when it may.
    Later,
    /// On the other side.
    Behind,
}

/// One call on one side. It is the waker of what it polls.
struct Call {
    turns: Arc<Turns>,
    caller: Caller,
    side: Side,
    /// Locked only while the lines are.
    standing: Mutex<Standing>,
}

struct Lines {
    front: Line,
    behind: Line,
    shares: Shares,
    used: HashMap<TenantName, Duration>,
}

/// The processors, and who is in line for them.
pub(crate) struct Turns {
    clock: Arc<dyn Clock>,
    lines: Mutex<Lines>,
    behind: Handle,
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Turns {
    /// So many guests run at a time on either side; those that step back run on `behind`.
    pub(crate) fn new(processors: usize, clock: Arc<dyn Clock>, behind: Handle) -> Arc<Self> {
        let line = || Line::new(processors.max(1));
        let shares = Shares::new(processors.max(1));
        let lines = Lines { front: line(), behind: line(), shares, used: HashMap::new() };
        Arc::new(Self { clock, lines: Mutex::new(lines), behind })
    }

    /// Lets `future` be polled when it is its turn.
    pub(crate) fn take<T>(self: &Arc<Self>, caller: Caller, future: BoxFuture<'static, T>) -> InTurn<T> {
        let call = Call::new(Arc::clone(self), caller, Side::Front);
        InTurn::new(Turn::new(call, future), self.behind.clone())
    }

    /// How long a tenant's guests have used processors since the start, and how many of its calls are in line now.
    pub(crate) fn of(&self, tenant: &TenantName) -> (Duration, usize) {
        let Lines { front, behind, used, .. } = &*locked(&self.lines);
        (used.get(tenant).copied().unwrap_or_default(), front.queued(tenant) + behind.queued(tenant))
    }

    /// Each tenant whose guests have used any, in the order of names.
    pub(crate) fn tenants(&self) -> Vec<TenantName> {
        let mut tenants: Vec<_> = locked(&self.lines).used.keys().cloned().collect();
        tenants.sort_unstable();
        tenants
    }
}

impl Lines {
    fn at(&mut self, side: Side) -> &mut Line {
        match side {
            Side::Front => &mut self.front,
            Side::Behind => &mut self.behind,
        }
    }

    /// What was used counts on both sides, so that nobody has more for being on both.
    fn charge(&mut self, caller: &Caller, used: Duration, now: Duration) {
        let used_ns = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
        self.front.charge(caller, used_ns);
        self.behind.charge(caller, used_ns);
        self.shares.charge(&caller.tenant, caller.weights.0, used, now);
        match self.used.get_mut(&caller.tenant) {
            Some(all) => *all += used,
            None => _ = self.used.insert(caller.tenant.clone(), used),
        }
    }
}

impl Call {
    fn new(turns: Arc<Turns>, caller: Caller, side: Side) -> Arc<Self> {
        let standing = Mutex::new(Standing { stage: Stage::Idle, task: None });
        Arc::new(Self { turns, caller, side, standing })
    }

    /// The same call on the other side.
    fn behind(&self) -> Arc<Self> {
        Self::new(Arc::clone(&self.turns), self.caller.clone(), Side::Behind)
    }

    /// Whether it may be polled now.
    fn begins(self: &Arc<Self>, task: &Waker) -> Begins {
        let mut lines = locked(&self.turns.lines);
        let stage = {
            let mut standing = locked(&self.standing);
            match &mut standing.task {
                Some(before) => before.clone_from(task),
                none => *none = Some(task.clone()),
            }
            standing.stage
        };
        let may = matches!(stage, Stage::Granted | Stage::Idle);
        let Caller { tenant, steps_back, .. } = &self.caller;
        let mut goes = || *steps_back || lines.shares.is_over(tenant, self.turns.clock.monotonic());
        if may && self.side == Side::Front && goes() {
            drop(lines);
            self.ends();
            return Begins::Behind;
        }
        if may && (stage == Stage::Granted || lines.at(self.side).enter(self)) {
            locked(&self.standing).stage = Stage::Running;
            return Begins::Now;
        }
        Begins::Later
    }

    /// A poll is over, with or without an end of the call.
    fn pauses(self: &Arc<Self>, used: Duration, over: bool) {
        let now = self.turns.clock.monotonic();
        let next = {
            let mut lines = locked(&self.turns.lines);
            let woken = {
                let mut standing = locked(&self.standing);
                let woken = standing.stage == Stage::Woken && !over;
                standing.stage = if over { Stage::Over } else { Stage::Idle };
                woken
            };
            // It is in line again before the next one is chosen, lest whoever yields be always overtaken.
            if woken && lines.at(self.side).free == 0 {
                lines.at(self.side).enter(self);
            }
            lines.charge(&self.caller, used, now);
            let line = lines.at(self.side);
            let next = line.release(&self.caller);
            if woken && next.is_none() && line.enter(self) { Some(Arc::clone(self)) } else { next }
        };
        wake(next);
    }

    /// It is polled no more, here at least. One that is in line is passed over when its turn comes.
    fn ends(&self) {
        let next = {
            let mut lines = locked(&self.turns.lines);
            let stage = {
                let mut standing = locked(&self.standing);
                standing.task = None;
                std::mem::replace(&mut standing.stage, Stage::Over)
            };
            if stage == Stage::Granted { lines.at(self.side).release(&self.caller) } else { None }
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
            let mut lines = locked(&self.turns.lines);
            let stage = locked(&self.standing).stage;
            match stage {
                Stage::Idle => lines.at(self.side).enter(&self),
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

#[cfg(test)]
mod tests;
