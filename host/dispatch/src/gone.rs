//! Targets that went while deliveries may wait for them: the queue of each, to which those are given up.
//!
//! Invariant: it is asked of what is not in force only. It is held in memory, from the change that took a target away until the host is
//! started again; what waits longer than that goes to the queue that is named like it.

use rpds::HashTrieMapSync;
use wharf_delivery::{Document, TargetDocument, TargetRef};
use wharf_event::{QueueName, RuleName, Target, TenantName};

use crate::{
    limits::GONE_TARGETS_MAX,
    rules::{RuleSet, Tenant},
};

/// The queues of a tenant's targets that went.
#[derive(Clone, Default)]
pub(crate) struct Gone(HashTrieMapSync<(RuleName, Target), QueueName>);

impl Gone {
    /// Targets of a rule went, mostly with it.
    pub(crate) fn went(&mut self, rule: &RuleName, targets: &[TargetDocument]) {
        for TargetDocument { to, dead_letter, .. } in targets {
            if self.0.size() < GONE_TARGETS_MAX {
                self.0.insert_mut((rule.clone(), to.clone()), dead_letter.clone());
            }
        }
    }

    fn queue(&self, target: &TargetRef) -> Option<&QueueName> {
        self.0.get(&(target.rule.clone(), target.to.clone()))
    }
}

impl RuleSet {
    /// Where deliveries for a target go that are given up, be it there or not.
    pub(crate) fn dead_letter(&self, tenant: &TenantName, target: &TargetRef) -> QueueName {
        let gone = || self.tenants.get(tenant).and_then(|of| of.gone.queue(target)).cloned();
        match self.resolve(tenant, target) {
            Some(of) => of.dead_letter.clone(),
            None => gone().unwrap_or_else(|| QueueName::from(&target.to)),
        }
    }

    /// The rule set, in the place of one that was in use and of the configuration that was in force: it knows what went with them.
    #[must_use]
    pub(crate) fn after(mut self, before: &Self, configured: Option<&Document>) -> Self {
        let rules = configured.into_iter().flat_map(|document| &document.tenants);
        for (name, gone) in before.tenants.iter().map(|(name, of)| (name, of.gone.clone())) {
            self.change(name, |of| of.gone = gone);
        }
        for (name, from) in rules {
            self.change(name, |of| {
                from.rules.iter().for_each(|(rule, from)| of.gone.went(rule, &from.targets));
                let schedules = from.schedules.iter();
                schedules.for_each(|(name, from)| of.gone.went(&RuleName::of_schedule(name), &from.targets));
            });
        }
        self
    }

    fn change(&mut self, tenant: &TenantName, change: impl FnOnce(&mut Tenant)) {
        if let Some(of) = self.tenants.get_mut(tenant) {
            change(std::sync::Arc::make_mut(of));
        }
    }
}
