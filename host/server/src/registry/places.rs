//! Places for uploads: who sends what at the moment.
//!
//! Invariant: there are never more than there may be, and one tenant has never more than its part, however slowly it sends; so others always find one.

use std::sync::{Arc, Mutex, PoisonError};

use wharf_event::{Digest, TenantName};

/// Uploads at a time.
const UPLOADS_MAX: usize = 8;

/// Those of one tenant.
const UPLOADS_OF_TENANT_MAX: usize = 3;

/// The places of a host.
#[derive(Default)]
pub struct Places(Arc<Mutex<Vec<(TenantName, Digest)>>>);

/// A place that is taken, until it is dropped.
pub struct Place {
    all: Arc<Mutex<Vec<(TenantName, Digest)>>>,
    own: (TenantName, Digest),
}

impl Places {
    /// A place for what a tenant sends; none where it has its part of them, or all are taken.
    pub fn take(&self, tenant: &TenantName, digest: Digest) -> Option<Place> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let its = all.iter().filter(|(of, _)| of == tenant).count();
        if all.len() >= UPLOADS_MAX || its >= UPLOADS_OF_TENANT_MAX {
            return None;
        }
        let own = (tenant.clone(), digest);
        all.push(own.clone());
        Some(Place { all: Arc::clone(&self.0), own })
    }

    /// Whether somebody sends these bytes, or waits until they are known to be fit.
    pub fn awaits(&self, digest: &Digest) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|(_, sent)| sent == digest)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = all.iter().position(|taken| *taken == self.own) {
            all.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_a_part_of_the_places_and_others_find_one() {
        let (places, digest) = (Places::default(), Digest::of(b"one"));
        let tenant = |n: usize| format!("t{n}").parse::<TenantName>().unwrap();
        let mut its: Vec<_> = (0..20).filter_map(|_| places.take(&tenant(0), digest)).collect();
        assert_eq!(its.len(), UPLOADS_OF_TENANT_MAX);
        let others: Vec<_> = (1..20).filter_map(|n| places.take(&tenant(n), digest)).collect();
        assert_eq!(others.len(), UPLOADS_MAX - UPLOADS_OF_TENANT_MAX);
        its.pop();
        assert!(places.take(&tenant(0), digest).is_some());
        assert!(places.take(&tenant(20), digest).is_some(), "it was given back");
    }

    #[test]
    fn what_somebody_else_sends_is_awaited_until_that_ends() {
        let (places, tenant) = (Places::default(), "acme".parse::<TenantName>().unwrap());
        let [one, other] = [b"one".as_slice(), b"other"].map(Digest::of);
        let first = places.take(&tenant, one);
        let second = places.take(&tenant, one);
        assert!(places.awaits(&one) && !places.awaits(&other));
        drop(first);
        assert!(places.awaits(&one), "the second needs the file");
        drop(second);
        assert!(!places.awaits(&one));
    }
}
