//! Places: which tenant, and which of its targets, makes the next attempt.
//!
//! An attempt has a place from its start to its settlement. A place goes to the tenant that holds the fewest for its weight, and of
//! its targets to the one that does; where that is the same, to who waited longest. Nobody takes more than what it leaves free, for
//! its weight: one tenant alone comes to half of all places, two that are alike to a third each, so that whoever comes next begins at once.
//!
//! Invariant: who wants a place and is held back gets its turn again when what held it back may be over, without having to ask: at its
//! own end for a target, at any of its ends for a tenant. A turn costs the logarithm of those who want one, whatever waits behind them.
//!
//! While nobody waits for one, a request takes its place without the scheduler, and whoever ends leaves it so.
//!
//! It holds no delivery and starts nothing, and knows no rule but those that it is told with each turn.

use std::collections::{BTreeMap, HashMap};

use wharf_event::{Code, Target, TenantName};

use crate::{
    lane::LaneKey,
    line::{Line, Turn},
};

/// What holds for a tenant, or for a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// Beside others.
    pub(crate) weight: u32,
    /// Attempts at a time.
    pub(crate) concurrency: u32,
    /// MiB: of a tenant those of all its attempts at a time, of a target those of one.
    pub(crate) memory_mib: u32,
}

/// A target that has a place, wants one, or is held back.
#[derive(Default)]
struct OfTarget {
    running: u32,
    weight: u32,
    turn: Option<Turn>,
    held: Option<Code>,
}

/// A tenant of which that is so.
struct OfTenant {
    running: u32,
    memory_mib: u32,
    weight: u32,
    turn: Option<Turn>,
    held: Option<Code>,
    targets: HashMap<Target, OfTarget>,
    line: Line<Target>,
}

/// All places.
pub(crate) struct Places {
    max: u32,
    /// Whether places may be taken and left without the scheduler: as long as it runs, and is not about to end.
    is_open: bool,
    running: u32,
    tenants: HashMap<TenantName, OfTenant>,
    line: Line<TenantName>,
    /// How many tenants have which weight.
    weights: BTreeMap<u32, u32>,
}

/// What one tenant has and what holds it back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Attempts that run.
    pub(crate) running: u32,
    /// What they may use together.
    pub(crate) memory_mib: u32,
    /// What holds its next attempt back.
    pub(crate) by: Option<Code>,
    /// Each target that has a place or is held back: how many run, and by what it is held.
    pub(crate) targets: Vec<(Target, u32, Option<Code>)>,
}

impl Places {
    pub(crate) fn new(max: u32) -> Self {
        let (tenants, line, weights) = (HashMap::new(), Line::new(), BTreeMap::new());
        Self { max, is_open: false, running: 0, tenants, line, weights }
    }

    /// How many are taken.
    pub(crate) fn running(&self) -> u32 {
        self.running
    }

    /// Whether places may be taken and left without the scheduler.
    pub(crate) fn open(&mut self, is_open: bool) {
        self.is_open = is_open;
    }

    /// A target takes a place of which nobody else could have had the turn: nobody is in line, and nothing holds it back.
    pub(crate) fn takes(&mut self, key: &LaneKey, of_tenant: Share, of_target: Share) -> bool {
        if self.is_waited_for(key) {
            return false;
        }
        self.enter(&key.0);
        let admits = self.admits(key, of_tenant, of_target);
        let takes = admits && self.tenants.get(&key.0).is_some_and(|of| self.leaves_enough(of));
        if takes {
            self.begins(key, of_target.memory_mib);
        } else if admits {
            self.rests(key);
        }
        takes
    }

    /// A place that a target had is free again, if nobody waits for that: whose turn it is then is the scheduler's to see.
    pub(crate) fn leaves(&mut self, key: &LaneKey, memory_mib: u32) -> bool {
        let leaves = !self.is_waited_for(key);
        if leaves {
            self.ends(key, memory_mib);
        }
        leaves
    }

    /// Whether somebody is in line, or waits for an end of a target's or its tenant's.
    fn is_waited_for(&self, (tenant, target): &LaneKey) -> bool {
        let waits = |of: &OfTenant| of.held.is_some() || of.targets.get(target).is_some_and(|one| one.held.is_some());
        !self.is_open || self.line.first().is_some() || self.tenants.get(tenant).is_some_and(waits)
    }

    fn enter(&mut self, tenant: &TenantName) -> &mut OfTenant {
        self.tenants.entry(tenant.clone()).or_insert_with(|| {
            *self.weights.entry(1).or_default() += 1;
            OfTenant::new()
        })
    }

    /// A target has something to do. Nothing changes where it wants a place already, or has to wait for one of its own to end.
    pub(crate) fn wants(&mut self, (tenant, target): &LaneKey) {
        self.enter(tenant);
        let Some(of_tenant) = self.tenants.get_mut(tenant) else { return };
        if of_tenant.targets.get(target).is_none_or(|of| of.held != Some(Code::HeldPlugin)) {
            of_tenant.wants(target);
            of_tenant.join(tenant, &mut self.line);
        }
    }

    /// Whose turn it is; none where nobody may take a place.
    pub(crate) fn next(&self) -> Option<LaneKey> {
        let tenant = self.line.first()?;
        let of = self.tenants.get(tenant)?;
        // Whoever is first in line has the smallest load: where it may take none, nobody may.
        let target = of.line.first().filter(|_| self.leaves_enough(of))?;
        Some((tenant.clone(), target.clone()))
    }

    /// Whether a tenant may take one more place, by what it leaves free.
    fn leaves_enough(&self, of: &OfTenant) -> bool {
        let free = self.max.saturating_sub(self.running);
        let heaviest = self.weights.last_key_value().map_or(1, |(weight, _)| *weight);
        let leaves = u64::from(of.running) * u64::from(heaviest) < u64::from(free) * u64::from(of.weight);
        free > 0 && (of.running == 0 || leaves)
    }

    /// Whether the target whose turn it is may take a place, by what holds for it and its tenant now. If not, it is held back by this.
    pub(crate) fn admits(&mut self, (tenant, target): &LaneKey, of_tenant: Share, of_target: Share) -> bool {
        let Some(of) = self.tenants.get_mut(tenant) else { return false };
        if of.weight != of_tenant.weight {
            forget(&mut self.weights, of.weight);
            *self.weights.entry(of_tenant.weight).or_default() += 1;
            of.weight = of_tenant.weight;
        }
        let held = {
            let one = of.targets.entry(target.clone()).or_default();
            one.weight = of_target.weight;
            (one.running >= of_target.concurrency).then_some(Code::HeldPlugin)
        };
        if let Some(code) = held {
            self.holds(&(tenant.clone(), target.clone()), code);
            return false;
        }
        let memory_mib = of.memory_mib.saturating_add(of_target.memory_mib);
        let code = if of.running >= of_tenant.concurrency {
            Code::HeldTenant
        } else if of.running > 0 && memory_mib > of_tenant.memory_mib {
            // One alone may always run: it would wait for ever.
            Code::HeldMemory
        } else {
            return true;
        };
        self.holds_tenant(tenant, code);
        false
    }

    /// A tenant takes no turn until one of its attempts ends, or what held anybody back may be over.
    pub(crate) fn holds_tenant(&mut self, tenant: &TenantName, code: Code) {
        if let Some(of) = self.tenants.get_mut(tenant) {
            of.held = Some(code);
            self.line.leave(tenant, of.turn.take());
        }
    }

    /// What held anybody back may be over: other rules, a quarantine that is lifted. Who wants a place gets its turn again, in the order of
    /// names, so that the same is the same again.
    pub(crate) fn again(&mut self) {
        let mut tenants: Vec<_> = self.tenants.iter_mut().collect();
        tenants.sort_unstable_by_key(|(tenant, _)| *tenant);
        for (tenant, of) in tenants {
            of.held = None;
            let held = of.targets.iter().filter(|(_, one)| one.held.is_some());
            let mut held: Vec<_> = held.map(|(it, _)| it.clone()).collect();
            held.sort_unstable();
            held.iter().for_each(|target| of.wants(target));
            of.join(tenant, &mut self.line);
        }
    }

    /// A target takes no turn until one of its attempts ends, or it is told to want one again.
    pub(crate) fn holds(&mut self, key: &LaneKey, code: Code) {
        self.rests(key);
        let of = self.enter(&key.0);
        of.targets.entry(key.1.clone()).or_default().held = Some(code);
    }

    /// A target has nothing to do.
    pub(crate) fn rests(&mut self, (tenant, target): &LaneKey) {
        let Some(of) = self.tenants.get_mut(tenant) else { return };
        if let Some(one) = of.targets.get_mut(target) {
            of.line.leave(target, one.turn.take());
            one.held = None;
        }
        of.tidy(target);
        of.join(tenant, &mut self.line);
        self.tidy(tenant);
    }

    /// A target takes a place.
    pub(crate) fn begins(&mut self, (tenant, target): &LaneKey, memory_mib: u32) {
        let Some(of) = self.tenants.get_mut(tenant) else { return };
        self.running += 1;
        of.running += 1;
        of.memory_mib += memory_mib;
        of.targets.entry(target.clone()).or_default().running += 1;
        of.turn_again(target);
        of.turn_again_in(tenant, &mut self.line);
    }

    /// A place that a target had is free again.
    pub(crate) fn ends(&mut self, (tenant, target): &LaneKey, memory_mib: u32) {
        let Some(of) = self.tenants.get_mut(tenant) else { return };
        self.running = self.running.saturating_sub(1);
        of.running = of.running.saturating_sub(1);
        of.memory_mib = of.memory_mib.saturating_sub(memory_mib);
        of.held = None;
        if let Some(one) = of.targets.get_mut(target) {
            one.running = one.running.saturating_sub(1);
            if one.held == Some(Code::HeldPlugin) {
                of.wants(target);
            } else {
                of.turn_again(target);
            }
        }
        of.tidy(target);
        of.turn_again_in(tenant, &mut self.line);
        of.join(tenant, &mut self.line);
        self.tidy(tenant);
    }

    /// What a tenant has.
    pub(crate) fn of(&self, tenant: &TenantName) -> Held {
        let Some(of) = self.tenants.get(tenant) else { return Held::default() };
        let mut targets: Vec<_> = of.targets.iter().map(|(name, it)| (name.clone(), it.running, it.held)).collect();
        targets.sort_unstable();
        let waits = (of.turn.is_some() && !self.leaves_enough(of)).then_some(Code::HeldPlaces);
        Held { running: of.running, memory_mib: of.memory_mib, by: of.held.or(waits), targets }
    }

    /// Forgets a tenant that has nothing and wants nothing.
    fn tidy(&mut self, tenant: &TenantName) {
        if let Some(of) = self.tenants.get(tenant)
            && of.running == 0
            && of.targets.is_empty()
        {
            forget(&mut self.weights, of.weight);
            self.tenants.remove(tenant);
        }
    }
}

fn forget(weights: &mut BTreeMap<u32, u32>, weight: u32) {
    if let Some(count) = weights.get_mut(&weight) {
        *count -= 1;
        if *count == 0 {
            weights.remove(&weight);
        }
    }
}

impl OfTenant {
    /// Its weight is not known before its first turn, when it is told.
    fn new() -> Self {
        let (targets, line) = (HashMap::new(), Line::new());
        Self { running: 0, memory_mib: 0, weight: 1, turn: None, held: None, targets, line }
    }

    fn wants(&mut self, target: &Target) {
        let one = self.targets.entry(target.clone()).or_default();
        one.held = None;
        if one.turn.is_none() {
            one.turn = Some(self.line.join(target, one.running, one.weight));
        }
    }

    /// Puts a target that wants a place where its load belongs.
    fn turn_again(&mut self, target: &Target) {
        if let Some(one) = self.targets.get_mut(target)
            && one.turn.is_some()
        {
            self.line.leave(target, one.turn);
            one.turn = Some(self.line.join(target, one.running, one.weight));
        }
    }

    fn turn_again_in(&mut self, tenant: &TenantName, line: &mut Line<TenantName>) {
        if self.turn.is_some() {
            line.leave(tenant, self.turn);
            self.turn = Some(line.join(tenant, self.running, self.weight));
        }
    }

    /// Takes a tenant into the line, or out of it, by whether any of its targets wants a place.
    fn join(&mut self, tenant: &TenantName, line: &mut Line<TenantName>) {
        match (self.line.first().is_some() && self.held.is_none(), self.turn) {
            (true, None) => self.turn = Some(line.join(tenant, self.running, self.weight)),
            (false, Some(_)) => line.leave(tenant, self.turn.take()),
            _ => {}
        }
    }

    /// Forgets a target that has nothing and wants nothing.
    fn tidy(&mut self, target: &Target) {
        if self.targets.get(target).is_some_and(|one| one.running == 0 && one.turn.is_none() && one.held.is_none()) {
            self.targets.remove(target);
        }
    }
}

#[cfg(test)]
mod tests;
