//! Tells those who wait for messages of a queue that there may be some. Invariant: a bell that rings promises nothing, and one that does not
//! costs a waiter no more than its next look: each looks for itself, now and then.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::Notify;
use wharf_event::{QueueName, TenantName};

/// A bell for each queue that somebody waits for.
#[derive(Default)]
pub(crate) struct Bells(Mutex<HashMap<(TenantName, QueueName), Weak<Notify>>>);

impl Bells {
    /// The bell of a queue, as long as it is held.
    pub(crate) fn of(&self, tenant: &TenantName, queue: &QueueName) -> Arc<Notify> {
        let mut bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant.clone(), queue.clone());
        if let Some(bell) = bells.get(&key).and_then(Weak::upgrade) {
            return bell;
        }
        bells.retain(|_, bell| bell.strong_count() > 0);
        let bell = Arc::new(Notify::new());
        bells.insert(key, Arc::downgrade(&bell));
        bell
    }

    /// A message of a queue may be there for one of those who wait.
    pub(crate) fn ring(&self, tenant: &TenantName, queue: &QueueName) {
        let bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !bells.is_empty()
            && let Some(bell) = bells.get(&(tenant.clone(), queue.clone())).and_then(Weak::upgrade)
        {
            bell.notify_one();
        }
    }
}
