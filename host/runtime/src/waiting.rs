//! Places for instances that wait for their next call, shared by all tenants.
//!
//! Invariant: no tenant takes more of the places, or of their memory, than what it leaves free: one alone comes to half, and whoever comes next has room. A place is given
//! back by dropping it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wharf_event::TenantName;

use crate::limits::{IDLE_INSTANCES_MAX, IDLE_MEMORY_MIB_MAX};

/// What is taken of the places.
#[derive(Clone, Copy, Default)]
struct Taken {
    instances: u32,
    memory_mib: u32,
}

impl Taken {
    fn and(self, memory_mib: u32) -> Self {
        Self { instances: self.instances + 1, memory_mib: self.memory_mib.saturating_add(memory_mib) }
    }

    fn without(self, memory_mib: u32) -> Self {
        Self { instances: self.instances - 1, memory_mib: self.memory_mib.saturating_sub(memory_mib) }
    }
}

/// All places.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<(Taken, HashMap<TenantName, Taken>)>);

impl Waiting {
    fn taken(&self) -> MutexGuard<'_, (Taken, HashMap<TenantName, Taken>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for an instance of a tenant that may have so much memory, where the tenant leaves as much free.
    pub(crate) fn take(self: &Arc<Self>, tenant: &TenantName, memory_mib: u32) -> Option<WaitingPlace> {
        let mut taken = self.taken();
        let of_tenant = taken.1.get(tenant).copied().unwrap_or_default().and(memory_mib);
        let leaves = of_tenant.instances <= IDLE_INSTANCES_MAX - taken.0.instances
            && of_tenant.memory_mib <= IDLE_MEMORY_MIB_MAX - taken.0.memory_mib;
        leaves.then(|| {
            taken.0 = taken.0.and(memory_mib);
            taken.1.insert(tenant.clone(), of_tenant);
            WaitingPlace { of: Arc::clone(self), tenant: tenant.clone(), memory_mib }
        })
    }
}

/// A place, for as long as it is there.
pub(crate) struct WaitingPlace {
    of: Arc<Waiting>,
    tenant: TenantName,
    memory_mib: u32,
}

impl Drop for WaitingPlace {
    fn drop(&mut self) {
        let mut taken = self.of.taken();
        taken.0 = taken.0.without(self.memory_mib);
        let left = taken.1.remove(&self.tenant).unwrap_or_default();
        if left.instances > 1 {
            taken.1.insert(self.tenant.clone(), left.without(self.memory_mib));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places that a tenant gets until it is given none.
    fn all(waiting: &Arc<Waiting>, tenant: &str, memory_mib: u32) -> Vec<WaitingPlace> {
        let tenant = tenant.parse().unwrap();
        std::iter::from_fn(|| waiting.take(&tenant, memory_mib)).collect()
    }

    #[test]
    fn a_tenant_leaves_places_and_memory_to_others_and_gives_back_what_it_had() {
        for (memory_mib, half) in [(1, 32), (32, 32), (128, 8)] {
            let waiting = Arc::default();
            let first = all(&waiting, "acme", memory_mib);
            assert_eq!(first.len(), half);
            let second = all(&waiting, "other", memory_mib);
            assert_eq!(second.len(), half / 2);
            assert!(waiting.take(&"acme".parse().unwrap(), memory_mib).is_none());
            drop((first, second));
            assert_eq!(all(&waiting, "other", memory_mib).len(), half);
            assert!(waiting.taken().1.is_empty());
        }
    }
}
