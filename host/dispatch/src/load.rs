//! What a tenant uses at this moment, of what it may: places, memory, processors, and what holds its next attempt back.
//!
//! Invariant: it is read where it is decided (`places.rs`, `turns.rs`), so it never says anything else than what is done.

use std::time::Duration;

use wharf_event::{Code, Target, TenantName};

use crate::dispatcher::Dispatcher;

/// What a tenant uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadFigures {
    /// Attempts that run.
    pub running: u32,
    /// As many may.
    pub running_max: u32,
    /// MiB that those may use together.
    pub memory_mib: u32,
    /// As many may they be.
    pub memory_mib_max: u32,
    /// Its share beside others.
    pub weight: u32,
    /// How long its guests have used processors since the start of the host.
    pub cpu: Duration,
    /// Attempts that run and wait for a processor.
    pub waiting_for_cpu: usize,
    /// What holds the next attempt of all its targets back.
    pub held_by: Option<Code>,
    /// Each target that runs, or whose next attempt is held back, in the order of names.
    pub targets: Vec<TargetLoad>,
}

/// What a target uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetLoad {
    /// Who it is.
    pub target: Target,
    /// Attempts that run.
    pub running: u32,
    /// As many may.
    pub running_max: u32,
    /// What holds its next attempt back.
    pub held_by: Option<Code>,
}

impl Dispatcher {
    /// What a tenant uses at this moment.
    #[must_use]
    pub fn load(&self, tenant: &TenantName) -> LoadFigures {
        let (rules, held) = (self.rules(), self.attempts.places().of(tenant));
        let settings = rules.settings(tenant);
        let (cpu, waiting_for_cpu) = self.attempts.turns.of(tenant);
        let targets = held.targets.into_iter().map(|(target, running, held_by)| {
            let running_max = rules.shares(tenant, &target).1.concurrency;
            TargetLoad { target, running, running_max, held_by }
        });
        LoadFigures {
            running: held.running,
            running_max: settings.concurrency(),
            memory_mib: held.memory_mib,
            memory_mib_max: settings.memory_mib(),
            weight: settings.weight(),
            cpu,
            waiting_for_cpu,
            held_by: held.by,
            targets: targets.collect(),
        }
    }

    /// What each tenant uses at this moment that has used anything since the start, in the order of names.
    #[must_use]
    pub fn loads(&self) -> Vec<(TenantName, LoadFigures)> {
        let tenants = self.attempts.turns.tenants().into_iter();
        tenants.map(|tenant| (tenant.clone(), self.load(&tenant))).collect()
    }
}
