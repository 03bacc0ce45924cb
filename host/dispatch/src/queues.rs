//! The queues of a tenant that are in force: those of the configuration file, and those that are control objects.
//!
//! Invariant: a set never changes. A queue goes only when no rule has it for a target; its messages go to the dead letters then
//! (`tending.rs`).

use std::sync::Arc;

use bytes::Bytes;
use wharf_delivery::{ObjectName, QueueDocument};
use wharf_event::{Code, Event, OrderingKey, QueueName, RuleName, Target, TenantName};

use crate::{
    limits::QUEUES_PER_TENANT_MAX,
    orders::of_message,
    rules::{Origin, RuleSet, Tenant},
};

/// A queue in force.
#[derive(Clone, Debug)]
pub struct QueueInForce {
    /// What holds for it.
    pub settings: Arc<QueueDocument>,
    /// Where it was made.
    pub origin: Origin,
}

/// A queue that cannot be put to use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The document is none of a queue.
    #[error("{0}")]
    Document(String),
    /// It stands in the configuration file, which is the only place where it changes.
    #[error("it stands in the configuration file")]
    OfFile,
    /// A rule sends to it.
    #[error("rule `{0}` sends to it")]
    InUse(RuleName),
    /// The tenant has enough of them.
    #[error("the tenant has {QUEUES_PER_TENANT_MAX} queues already")]
    TooMany,
}

impl QueueError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Document(_) => Code::QueueInvalid,
            Self::OfFile => Code::QueueOfFile,
            Self::InUse(_) => Code::QueueInUse,
            Self::TooMany => Code::QueuesTooMany,
        }
    }
}

impl Tenant {
    /// Puts a queue in the place of what was, or removes it.
    pub(crate) fn change_queue(&mut self, name: &ObjectName, document: Option<&Bytes>) -> Result<(), QueueError> {
        let none = |error: &dyn std::fmt::Display| QueueError::Document(error.to_string());
        let name: QueueName = name.as_str().parse().map_err(|error| none(&error))?;
        let before = self.queues.get(&name);
        if before.is_some_and(|before| before.origin == Origin::File) {
            return Err(QueueError::OfFile);
        }
        let Some(document) = document else {
            let target = Target::Queue(name.clone());
            let user = self.rules.values().find(|rule| rule.targets.iter().any(|other| other.to == target));
            if let Some(rule) = user {
                return Err(QueueError::InUse(rule.name.clone()));
            }
            self.queues.remove_mut(&name);
            return Ok(());
        };
        if before.is_none() && self.queues.size() >= QUEUES_PER_TENANT_MAX {
            return Err(QueueError::TooMany);
        }
        let settings: QueueDocument = serde_json::from_slice(document).map_err(|error| none(&error))?;
        self.queues.insert_mut(name, QueueInForce { settings: Arc::new(settings), origin: Origin::Object });
        Ok(())
    }
}

impl Tenant {
    /// What a message of a queue that is ordered comes behind others by.
    pub(crate) fn message_key(&self, target: &Target, event: &Event) -> Option<OrderingKey> {
        let queue = self.queues.get(target.queue()?)?;
        queue.settings.ordered.then(|| of_message(event))
    }
}

impl RuleSet {
    /// A queue of a tenant.
    #[must_use]
    pub fn queue(&self, tenant: &TenantName, queue: &QueueName) -> Option<&QueueInForce> {
        self.tenants.get(tenant)?.queues.get(queue)
    }

    /// The queues of a tenant, by name.
    pub fn queues(&self, tenant: &TenantName) -> impl Iterator<Item = (&QueueName, &QueueInForce)> {
        self.tenants.get(tenant).into_iter().flat_map(|of| of.queues.iter())
    }
}
