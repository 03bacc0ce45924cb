//! Places for feeds: whoever follows one holds a connection for as long as they like.
//!
//! Invariant: no tenant has more than a quarter of them, so that others find one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wharf_event::{Code, TenantName};

use crate::problem::Problem;

/// The part of all that one tenant may have.
const SHARE: usize = 4;

/// All places.
#[derive(Debug)]
pub(crate) struct Feeds {
    max: usize,
    of: Mutex<HashMap<TenantName, usize>>,
}

/// A place. It is free again when this is dropped.
pub(crate) struct Followed(Arc<Feeds>, TenantName);

impl Feeds {
    /// So many.
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, of: Mutex::default() })
    }

    /// How many there are.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// How many are followed.
    pub(crate) fn followed(&self) -> usize {
        self.lock().values().sum()
    }

    /// A place for one more feed of a tenant.
    ///
    /// # Errors
    /// When the host or the tenant has as many as may be.
    pub(crate) fn follow(self: &Arc<Self>, tenant: &TenantName) -> Result<Followed, Problem> {
        let mut of = self.lock();
        let (all, own) = (of.values().sum::<usize>(), of.get(tenant).copied().unwrap_or(0));
        let full = |detail: String| Err(Problem::new(Code::Overloaded, detail));
        if all >= self.max {
            return full(format!("{all} feeds are followed, as many as this host allows"));
        }
        if own >= self.max.div_ceil(SHARE) {
            return full(format!("the tenant follows {own} feeds, as many as one may"));
        }
        of.insert(tenant.clone(), own + 1);
        drop(of);
        Ok(Followed(Arc::clone(self), tenant.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantName, usize>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let Self(feeds, tenant) = self;
        let mut of = feeds.lock();
        if let Some(own) = of.get_mut(tenant) {
            *own -= 1;
            if *own == 0 {
                of.remove(tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenant_leaves_places_to_others() {
        let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(|name| name.parse::<TenantName>().unwrap());
        let feeds = Feeds::new(8);
        let mut held: Vec<_> = (0..2).map(|_| feeds.follow(&a).unwrap_or_else(|_| panic!("it has few"))).collect();
        assert!(feeds.follow(&a).is_err(), "a quarter");
        for tenant in [&b, &c, &d] {
            held.extend((0..2).filter_map(|_| feeds.follow(tenant).ok()));
        }
        assert_eq!((feeds.followed(), held.len()), (8, 8));
        assert!(feeds.follow(&e).is_err(), "all");
        held.remove(0);
        assert!(feeds.follow(&e).is_ok());
        drop(held);
        assert_eq!((feeds.followed(), feeds.lock().len()), (0, 0));
    }
}
