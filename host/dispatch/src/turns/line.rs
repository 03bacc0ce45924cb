//! The processors of one side, and who is in line for them.
//!
//! Invariant: where one is free nobody is in line.
//!
//! It wakes nobody: whoever calls it does, once nothing is locked any more.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use wharf_event::{Target, TenantName};

use super::{Call, Caller, Stage, locked};
use crate::fair::Fair;

/// Tenants that have no turn and are remembered all the same, and targets of each: making them again costs more than a short call.
const REMEMBERED_MAX: usize = 64;

#[derive(Default)]
pub(super) struct OfTenant {
    targets: Fair<Target>,
    queues: HashMap<Target, VecDeque<Arc<Call>>>,
    /// Calls that have a turn.
    pub(super) turns: u32,
    pub(super) queued: usize,
}

pub(super) struct Line {
    processors: usize,
    /// Those that nobody uses.
    pub(super) free: usize,
    tenants: Fair<TenantName>,
    pub(super) of: HashMap<TenantName, OfTenant>,
}

impl Line {
    pub(super) fn new(processors: usize) -> Self {
        Self { processors, free: processors, tenants: Fair::default(), of: HashMap::new() }
    }

    /// Gives a turn to a call that can go on, or puts it in line. True when it has one.
    pub(super) fn enter(&mut self, call: &Arc<Call>) -> bool {
        let Caller { tenant, target, weights, .. } = &call.caller;
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

    /// Calls of a tenant that are in line.
    pub(super) fn queued(&self, tenant: &TenantName) -> usize {
        self.of.get(tenant).map_or(0, |of| of.queued)
    }

    /// Somebody used a processor, of this side or the other.
    pub(super) fn charge(&mut self, caller: &Caller, used_ns: u64) {
        let Caller { tenant, target, weights, .. } = caller;
        self.tenants.charge(tenant, weights.0, used_ns);
        if let Some(of) = self.of.get_mut(tenant) {
            of.targets.charge(target, weights.1, used_ns);
        }
        if self.free == self.processors {
            self.tenants.idle();
        }
    }

    /// Takes a turn back. Gives the call whose turn it is now.
    pub(super) fn release(&mut self, caller: &Caller) -> Option<Arc<Call>> {
        if let Some(of) = self.of.get_mut(&caller.tenant) {
            of.turns -= 1;
        }
        self.free += 1;
        let next = self.grant();
        if self.free == self.processors {
            self.tenants.idle();
        }
        self.tidy(&caller.tenant);
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
