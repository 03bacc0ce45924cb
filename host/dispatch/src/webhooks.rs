//! The webhooks of a tenant that are in force: those of the configuration file, and those that are control objects.
//!
//! Invariant: a set never changes. A webhook goes only when no rule has it for a target; of one of the file, secrets and what happened to it
//! are a control object, and its settings never are.

use std::sync::Arc;

use bytes::Bytes;
use wharf_delivery::{ObjectName, WebhookDocument, WebhookObject};
use wharf_event::{Code, RuleName, Target, TenantName, WebhookName};

use crate::{
    attempt::Attempts,
    lane::LaneKey,
    limits::WEBHOOKS_PER_TENANT_MAX,
    rules::{Origin, RuleSet, Tenant},
};

/// A webhook in force.
#[derive(Clone, Debug)]
pub struct WebhookInForce {
    /// Where it leads.
    pub settings: Arc<WebhookDocument>,
    /// Where its settings stand.
    pub origin: Origin,
    /// What is kept of it.
    pub object: Arc<WebhookObject>,
}

/// A webhook that cannot be put to use.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WebhookError {
    /// The document is none of a webhook.
    #[error("{0}")]
    Document(String),
    /// It stands in the configuration file, which is the only place where it changes.
    #[error("it stands in the configuration file: change it there, and start the host again")]
    OfFile,
    /// A rule sends to it.
    #[error("{} `{}` sends to it", .0.told().0, .0.told().1)]
    InUse(RuleName),
    /// The tenant has enough of them.
    #[error("the tenant has {WEBHOOKS_PER_TENANT_MAX} webhooks already")]
    TooMany,
}

impl WebhookError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Document(_) => Code::WebhookInvalid,
            Self::OfFile => Code::WebhookOfFile,
            Self::InUse(_) => Code::WebhookInUse,
            Self::TooMany => Code::WebhooksTooMany,
        }
    }
}

impl WebhookInForce {
    /// One whose settings stand in the configuration file, of which nothing is kept yet.
    pub(crate) fn of_file(settings: &WebhookDocument) -> Self {
        let settings = Arc::new(settings.clone());
        Self { settings, origin: Origin::File, object: Arc::default() }
    }
}

impl Tenant {
    /// Puts what is kept of a webhook in the place of what was, or removes it.
    pub(crate) fn change_webhook(&mut self, name: &ObjectName, document: Option<&Bytes>) -> Result<(), WebhookError> {
        let none = |error: &dyn std::fmt::Display| WebhookError::Document(error.to_string());
        let name: WebhookName = name.as_str().parse().map_err(|error| none(&error))?;
        let before = self.webhooks.get(&name);
        let of_file = before.filter(|before| before.origin == Origin::File).cloned();
        let Some(document) = document else {
            if of_file.is_some() {
                return Err(WebhookError::OfFile);
            }
            let target = Target::Webhook(name.clone());
            let user = self.rules.values().find(|rule| rule.targets.iter().any(|other| other.to == target));
            if let Some(rule) = user {
                return Err(WebhookError::InUse(rule.name.clone()));
            }
            self.webhooks.remove_mut(&name);
            return Ok(());
        };
        let mut object: WebhookObject = serde_json::from_slice(document).map_err(|error| none(&error))?;
        let (settings, origin) = match (object.settings.take(), of_file) {
            (Some(_), Some(_)) => return Err(WebhookError::OfFile),
            (Some(settings), None) => (Arc::new(settings), Origin::Object),
            (None, Some(of_file)) => (Arc::clone(&of_file.settings), Origin::File),
            // It stood in the configuration file once, and may again.
            (None, None) => return Ok(()),
        };
        if before.is_none() && self.webhooks.size() >= WEBHOOKS_PER_TENANT_MAX {
            return Err(WebhookError::TooMany);
        }
        self.webhooks.insert_mut(name, Arc::new(WebhookInForce { settings, origin, object: Arc::new(object) }));
        Ok(())
    }
}

impl RuleSet {
    /// A webhook of a tenant.
    #[must_use]
    pub fn webhook(&self, tenant: &TenantName, webhook: &WebhookName) -> Option<&Arc<WebhookInForce>> {
        self.tenants.get(tenant)?.webhooks.get(webhook)
    }

    /// The webhooks of a tenant, by name.
    pub fn webhooks(&self, tenant: &TenantName) -> impl Iterator<Item = (&WebhookName, &Arc<WebhookInForce>)> {
        self.tenants.get(tenant).into_iter().flat_map(|of| of.webhooks.iter())
    }
}

impl Attempts {
    /// Until when a lane's receiver asks to be left alone.
    pub(crate) fn alone_until_ms(&self, (tenant, target): &LaneKey) -> Option<u64> {
        self.health.alone_until_ms(&(tenant.clone(), target.webhook()?.clone()), self.clock.now_ms())
    }

    /// Whether a lane is a webhook's that is off, or is about to be, or has no secret yet: nothing is sent without a signature.
    pub(crate) fn is_off(&self, rules: &RuleSet, (tenant, target): &LaneKey) -> bool {
        let Some(name) = target.webhook() else { return false };
        let is_off = rules
            .webhook(tenant, name)
            .is_some_and(|webhook| webhook.object.disabled.is_some() || webhook.object.secrets.is_empty());
        is_off || self.health.is_ending(&(tenant.clone(), name.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet, HashMap};

    use serde_json::{Value, json};
    use wharf_delivery::{Document, ObjectKind, TenantDocument};

    use super::*;
    use crate::{mistakes::RulesError, transform::Transforms};

    const SECRET: &str = "v1.0000000000000000.c2VhbGVk";

    fn tenant() -> TenantName {
        "acme".parse().unwrap()
    }

    fn settings() -> Value {
        json!({"url": "https://a.test/", "mode": "binary", "timeout_ms": 1, "concurrency": 1, "disable_after_ms": 1_000})
    }

    /// A set whose file has the webhook `filed`, and the rule `r` that sends to it.
    fn set() -> RuleSet {
        let bus: wharf_event::BusName = "default".parse().unwrap();
        let retry = json!({"first_ms": 1, "max_ms": 1, "attempts": 1, "age_ms": 1});
        let rule = json!({"bus": "default", "pattern": {"type": ["t"]}, "targets": [{"webhook": "filed", "retry": retry, "dead_letter": "d"}]});
        let of = TenantDocument {
            buses: BTreeSet::from([bus]),
            webhooks: BTreeMap::from([("filed".parse().unwrap(), serde_json::from_value(settings()).unwrap())]),
            rules: BTreeMap::from([("r".parse().unwrap(), serde_json::from_value(rule).unwrap())]),
            ..TenantDocument::default()
        };
        let document = Document { default_tenant: None, tenants: BTreeMap::from([(tenant(), of)]) };
        RuleSet::new(document, &HashMap::new(), &Transforms::default()).unwrap()
    }

    fn with(set: &RuleSet, name: &str, document: Option<Value>) -> Result<RuleSet, WebhookError> {
        let document = document.map(|document| Bytes::from(document.to_string()));
        let name = ObjectName::from(&name.parse::<WebhookName>().unwrap());
        set.with(&tenant(), [(ObjectKind::Webhook, &name, document.as_ref())]).map_err(|error| match error {
            RulesError::Webhook { source, .. } => source,
            other => panic!("{other}"),
        })
    }

    #[test]
    fn one_of_the_file_keeps_its_settings_and_has_its_secrets_beside_them() {
        let kept = json!({"secrets": [{"secret": SECRET, "since_ms": 5}], "disabled": {"at_ms": 7, "reason": "x"}});
        let set = with(&set(), "filed", Some(kept)).unwrap();
        let webhook = set.webhook(&tenant(), &"filed".parse().unwrap()).unwrap();
        assert_eq!((webhook.origin, webhook.settings.url.as_str()), (Origin::File, "https://a.test/"));
        assert_eq!((webhook.object.secrets.len(), webhook.object.disabled.is_some()), (1, true));
        assert_eq!(with(&set, "filed", Some(json!({"settings": settings()}))).err(), Some(WebhookError::OfFile));
        assert_eq!(with(&set, "filed", None).err(), Some(WebhookError::OfFile));
        // What is kept of one that is in no file any more is nobody's.
        let other = with(&set, "gone", Some(json!({"secrets": []}))).unwrap();
        assert_eq!(other.webhooks(&tenant()).count(), 1);
    }

    #[test]
    fn one_goes_when_no_rule_needs_it_and_a_document_that_is_none_is_told() {
        let made = with(&set(), "made", Some(json!({"settings": settings()}))).unwrap();
        assert_eq!(made.webhooks(&tenant()).count(), 2);
        let mut rule = made.rule(&tenant(), &"r".parse().unwrap()).map(|rule| rule.targets.clone()).unwrap();
        rule[0].to = Target::Webhook("made".parse().unwrap());
        let document = json!({"bus": "default", "pattern": {"type": ["t"]}, "targets": rule}).to_string();
        let named = ObjectName::from(&"own".parse::<RuleName>().unwrap());
        let used = made.with(&tenant(), [(ObjectKind::Rule, &named, Some(&document.into()))]).unwrap();
        assert_eq!(with(&used, "made", None).err(), Some(WebhookError::InUse("own".parse().unwrap())));
        let free = used.with(&tenant(), [(ObjectKind::Rule, &named, None)]).unwrap();
        assert_eq!(with(&free, "made", None).unwrap().webhooks(&tenant()).count(), 1);
        let wrong = json!({"settings": settings(), "secrets": [{"secret": SECRET}]});
        assert_eq!(with(&free, "made", Some(wrong)).err().map(|error| error.code()), Some(Code::WebhookInvalid));
    }

    #[test]
    fn there_are_as_many_as_there_may_be() {
        let mut set = set();
        for n in 1..WEBHOOKS_PER_TENANT_MAX {
            set = with(&set, &format!("w{n}"), Some(json!({"settings": settings()}))).unwrap();
        }
        assert_eq!(with(&set, "more", Some(json!({"settings": settings()}))).err(), Some(WebhookError::TooMany));
        assert!(with(&set, "w1", Some(json!({"settings": settings()}))).is_ok());
    }
}
