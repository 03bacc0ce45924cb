//! Keys for which attempts queue after a conflict: one attempt at a time has them for itself.
//!
//! Without conflicts nothing is ever kept here. An attempt that holds keys never waits for others, and one that waits holds
//! none, so nobody waits in a circle; those that queue for several keys take them in one order.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use wharf_delivery::ReadKey;
use wharf_event::TenantName;

type Key = (TenantName, ReadKey);
type Turns = Mutex<HashMap<Key, Arc<tokio::sync::Mutex<()>>>>;

/// The contended keys of a partition.
#[derive(Default)]
pub(crate) struct Contention {
    turns: Turns,
    contended: AtomicUsize,
}

/// Keys that one attempt has for itself, until dropped.
pub(crate) struct Held {
    contention: Arc<Contention>,
    keys: Vec<(Key, tokio::sync::OwnedMutexGuard<()>)>,
}

impl Contention {
    /// Queues for `keys` and gives them all.
    pub(crate) async fn hold(self: &Arc<Self>, tenant: &TenantName, mut keys: Vec<ReadKey>) -> Held {
        keys.sort();
        keys.dedup();
        let mut held = Held { contention: Arc::clone(self), keys: Vec::with_capacity(keys.len()) };
        for key in keys {
            let key = (tenant.clone(), key);
            let turn = {
                let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
                let turn = Arc::clone(turns.entry(key.clone()).or_default());
                self.contended.store(turns.len(), Ordering::Release);
                turn
            };
            held.keys.push((key, turn.lock_owned().await));
        }
        held
    }

    /// Whether somebody holds `key`, or queues for it.
    pub(crate) fn is_held(&self, tenant: &TenantName, key: &ReadKey) -> bool {
        if self.contended.load(Ordering::Acquire) == 0 {
            return false;
        }
        let turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.contains_key(&(tenant.clone(), key.clone()))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut turns = self.contention.turns.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, guard) in self.keys.drain(..) {
            drop(guard);
            // Only the map knows it: nobody queues, so the key is contended no more.
            if turns.get(&key).is_some_and(|turn| Arc::strong_count(turn) == 1) {
                turns.remove(&key);
            }
        }
        self.contention.contended.store(turns.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_held_key_is_queued_for_and_forgotten_afterwards() {
        let contention = Arc::new(Contention::default());
        let tenant: TenantName = "acme".parse().unwrap();
        let key = ReadKey::Value("b".parse().unwrap(), "k".into());
        let held = contention.hold(&tenant, vec![key.clone(), key.clone()]).await;
        assert!(contention.is_held(&tenant, &key));
        assert!(!contention.is_held(&tenant, &ReadKey::Listing("b".parse().unwrap())));
        let next = tokio::spawn({
            let (contention, tenant, key) = (Arc::clone(&contention), tenant.clone(), key.clone());
            async move { drop(contention.hold(&tenant, vec![key]).await) }
        });
        tokio::task::yield_now().await;
        assert!(!next.is_finished());
        drop(held);
        next.await.unwrap();
        assert!(!contention.is_held(&tenant, &key));
        assert!(contention.turns.lock().unwrap().is_empty());
        assert_eq!(contention.contended.load(Ordering::Acquire), 0);
    }
}
