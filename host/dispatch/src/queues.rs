//! The queues of a tenant that are in force: those of the configuration file, and those that are control objects.
//!
//! Invariant: a set never changes. A queue goes only when no rule has it for a target; its messages go to the dead letters then
//! (`tending.rs`).

use std::sync::Arc;

use bytes::Bytes;
use wharf_delivery::{ObjectName, QueueDocument};
use wharf_event::{Code, Event, OrderingKey, QueueName, RuleName, Target, TenantName};

use crate::{
    consuming::Idle,
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
    #[error(
        "it stands in the configuration file: change it there, and start the host again; no command pauses or changes a queue of the file"
    )]
    OfFile,
    /// A rule sends to it.
    #[error("{} `{}` sends to it", .0.told().0, .0.told().1)]
    InUse(RuleName),
    /// Its consumer cannot consume it.
    #[error("its consumer: {0}")]
    Consumer(Idle),
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
            Self::Consumer(_) => Code::HandlerKind,
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;
    use wharf_delivery::{Document, ObjectKind, RuleDocument};

    use super::*;
    use crate::mistakes::RulesError;

    fn set() -> RuleSet {
        let queue = json!({"visibility_ms": 1, "retention_ms": 1, "dead_letter": "d"});
        let of = json!({"buses": ["default"], "plugins": {}, "rules": {}, "queues": {"filed": queue}});
        let document: Document =
            serde_json::from_value(json!({"default_tenant": "acme", "tenants": {"acme": of}})).unwrap();
        RuleSet::new(document, &HashMap::new(), &HashMap::new()).unwrap()
    }

    fn with(set: &RuleSet, queue: &str, document: Option<&str>) -> Result<RuleSet, QueueError> {
        let named = ObjectName::from(&queue.parse::<QueueName>().unwrap());
        let document = document.map(|text| Bytes::from(text.to_owned()));
        match set.with(&"acme".parse().unwrap(), [(ObjectKind::Queue, &named, document.as_ref())]) {
            Ok(set) => Ok(set),
            Err(RulesError::Queue { source, .. }) => Err(source),
            Err(other) => panic!("{other}"),
        }
    }

    const PLAIN: Option<&str> = Some(r#"{"visibility_ms": 1, "retention_ms": 1, "dead_letter": "d"}"#);

    #[test]
    fn one_goes_when_no_rule_sends_to_it_and_one_of_the_file_only_there() {
        let acme = "acme".parse().unwrap();
        assert_eq!(with(&set(), "filed", None).err(), Some(QueueError::OfFile));
        assert_eq!(with(&set(), "filed", PLAIN).err(), Some(QueueError::OfFile));
        let made = with(&set(), "made", PLAIN).unwrap();
        let to = json!([{"queue": "made", "retry": wharf_delivery::RetryPolicy::default(), "dead_letter": "made"}]);
        let rule: RuleDocument =
            serde_json::from_value(json!({"bus": "default", "pattern": {"type": ["t"]}, "targets": to})).unwrap();
        let named = ObjectName::from(&"own".parse::<RuleName>().unwrap());
        let document = Bytes::from(serde_json::to_vec(&rule).unwrap());
        let used = made.with(&acme, [(ObjectKind::Rule, &named, Some(&document))]).unwrap();
        assert_eq!(with(&used, "made", None).err(), Some(QueueError::InUse("own".parse().unwrap())));
        let free = used.with(&acme, [(ObjectKind::Rule, &named, None)]).unwrap();
        assert_eq!(with(&free, "made", None).unwrap().queues(&acme).count(), 1);
        assert_eq!(with(&free, "made", Some("{}")).err().map(|error| error.code()), Some(Code::QueueInvalid));
    }

    #[test]
    fn there_are_as_many_as_there_may_be() {
        let mut set = set();
        for n in 1..QUEUES_PER_TENANT_MAX {
            set = with(&set, &format!("q{n}"), PLAIN).unwrap();
        }
        assert_eq!(with(&set, "more", PLAIN).err(), Some(QueueError::TooMany));
        assert!(with(&set, "q1", PLAIN).is_ok());
    }
}
