//! Places that tenants share: so many at a time, and so many of one tenant.
//!
//! Invariant: who waits for one of all has one of their own, so before anybody there are never more of a tenant than its own, however many of its wait.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wharf_event::TenantName;

/// The places of all, and those of each tenant that has any or waits for one.
pub struct Shares {
    all: Arc<Semaphore>,
    of_tenant: usize,
    own: Mutex<HashMap<TenantName, Weak<Semaphore>>>,
}

/// A place, for as long as this is kept: that of all is free before the tenant's own.
pub struct Share {
    _of_all: Option<OwnedSemaphorePermit>,
    _own: Option<OwnedSemaphorePermit>,
}

impl Shares {
    /// So many places, and so many of one tenant.
    #[must_use]
    pub fn new(all: usize, of_tenant: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), of_tenant, own: Mutex::default() }
    }

    /// A place, once there is one.
    pub async fn take(&self, tenant: &TenantName) -> Share {
        // Nobody closes them.
        let _own = self.own(tenant).acquire_owned().await.ok();
        Share { _of_all: Arc::clone(&self.all).acquire_owned().await.ok(), _own }
    }

    /// How many nobody has.
    #[cfg(test)]
    pub fn free(&self) -> usize {
        self.all.available_permits()
    }

    fn own(&self, tenant: &TenantName) -> Arc<Semaphore> {
        let mut all = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = all.get(tenant).and_then(Weak::upgrade) {
            return own;
        }
        all.retain(|_, own| own.strong_count() > 0);
        let own = Arc::new(Semaphore::new(self.of_tenant));
        all.insert(tenant.clone(), Arc::downgrade(&own));
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_tenant_leaves_places_to_others() {
        let room = Shares::new(4, 2);
        let [a, b] = ["a", "b"].map(|name| name.parse::<TenantName>().unwrap());
        let had = [room.take(&a).await, room.take(&a).await];
        let third = room.take(&a);
        tokio::pin!(third);
        assert!(futures_util::poll!(&mut third).is_pending());
        drop([room.take(&b).await, room.take(&b).await]);
        drop(had);
        drop(third.await);
        assert_eq!(room.free(), 4);
        assert!(room.own.lock().unwrap().values().all(|own| own.strong_count() == 0), "nobody's are kept");
    }
}
