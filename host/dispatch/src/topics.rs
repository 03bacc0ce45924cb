//! The topics of a tenant: buses of their own kind, whose rules are their subscriptions.
//!
//! Invariant: a topic goes only when it has no subscription and nothing publishes to it. The name of a subscription among rules begins with
//! that of its topic, so those of one are next to each other.

use wharf_delivery::RetentionDocument;
use wharf_event::{BusName, TenantName, TopicName};

use crate::{
    rules::{Origin, Rule, RuleSet, Tenant},
    tenants::BusError,
};

impl RuleSet {
    /// The topics of a tenant by name, each with where it was made, how long it keeps its events, and how many subscriptions it has.
    pub fn topics(&self, tenant: &TenantName) -> impl Iterator<Item = (TopicName, Origin, RetentionDocument, usize)> {
        let of = self.tenants.get(tenant);
        let all = of.into_iter().flat_map(|of| &of.buses);
        all.filter_map(|(name, bus)| Some((name.topic()?, bus.origin, bus.retention, bus.numbered.size())))
    }

    /// What publishes to a bus or a topic and stays when it goes: that keeps it.
    #[must_use]
    pub fn publisher(&self, tenant: &TenantName, bus: &BusName) -> Option<String> {
        self.tenants.get(tenant)?.publisher(bus)
    }
}

impl Tenant {
    /// What publishes to a bus or a topic, be it a rule of any or a schedule.
    pub(crate) fn publisher(&self, name: &BusName) -> Option<String> {
        let publishes = |rule: &Rule| rule.bus != *name && rule.targets.iter().any(|it| it.to.bus() == Some(name));
        if let Some(rule) = self.rules.values().find(|rule| publishes(rule)) {
            let (kind, named) = rule.name.told();
            return Some(format!("the {kind} `{named}` publishes to it"));
        }
        let schedule = self.schedules.iter().find(|(_, schedule)| schedule.document.bus == *name);
        schedule.map(|(schedule, _)| format!("the schedule `{schedule}` publishes to it"))
    }

    pub(crate) fn unused_topic(&self, name: &BusName) -> Result<(), BusError> {
        let subscription = self.rules.values().find(|rule| rule.bus == *name);
        let subscription = subscription.map(|rule| format!("it has the subscription `{}`", rule.name));
        subscription.or_else(|| self.publisher(name)).map_or(Ok(()), |why| Err(BusError::Topic(why)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use bytes::Bytes;
    use serde_json::json;
    use wharf_delivery::{Document, ObjectKind, ObjectName};
    use wharf_event::{Code, Event, RuleName};

    use super::*;
    use crate::{
        limits::{BUSES_PER_TENANT_MAX, SUBSCRIPTIONS_PER_TOPIC_MAX, TOPICS_PER_TENANT_MAX},
        mistakes::RulesError,
    };

    fn acme() -> TenantName {
        "acme".parse().unwrap()
    }

    /// A tenant with the queue `q` and the topic `t`.
    fn set() -> RuleSet {
        let queue = json!({"visibility_ms": 1, "retention_ms": 1, "dead_letter": "d"});
        let of = json!({"buses": ["default", "topic/t"], "plugins": {}, "rules": {}, "queues": {"q": queue}});
        let document: Document =
            serde_json::from_value(json!({"default_tenant": "acme", "tenants": {"acme": of}})).unwrap();
        RuleSet::new(document, &HashMap::new(), &HashMap::new()).unwrap()
    }

    fn topic(set: &RuleSet, name: &str, is_there: bool) -> Result<RuleSet, RulesError> {
        let name = ObjectName::from(&format!("topic/{name}").parse::<BusName>().unwrap());
        let document = is_there.then(|| Bytes::from_static(br#"{"age_ms":1,"size_bytes":2}"#));
        set.with(&acme(), [(ObjectKind::Bus, &name, document.as_ref())])
    }

    fn rule(set: &RuleSet, name: &str, bus: &str, target: serde_json::Value) -> Result<RuleSet, RulesError> {
        let retry = serde_json::to_value(wharf_delivery::RetryPolicy::default()).unwrap();
        let mut target = target;
        target.as_object_mut().unwrap().extend([("retry".to_owned(), retry), ("dead_letter".to_owned(), json!("d"))]);
        let rule = json!({"bus": bus, "pattern": {"type": [{"exists": true}]}, "targets": [target]});
        let document = Bytes::from(rule.to_string());
        set.with(&acme(), [(ObjectKind::Rule, &ObjectName::from(&name.parse::<RuleName>().unwrap()), Some(&document))])
    }

    fn code(result: Result<RuleSet, RulesError>) -> Option<Code> {
        result.map(drop).map_err(|error| error.code()).err()
    }

    #[test]
    fn a_subscription_is_for_its_own_topic_and_gets_what_is_published_there() {
        let queue = || json!({"queue": "q"});
        let made = topic(&set(), "made", true).unwrap();
        assert_eq!(code(rule(&made, "plain", "topic/made", queue())), Some(Code::RuleInvalid));
        assert_eq!(code(rule(&made, "made/s", "default", queue())), Some(Code::RuleInvalid));
        assert_eq!(code(rule(&made, "t/s", "topic/made", queue())), Some(Code::RuleInvalid));
        // An envelope is put around a message as it is received; another input would change it.
        let enveloped = rule(&made, "made/s", "topic/made", json!({"queue": "q", "input": "envelope"})).unwrap();
        let path = json!({"queue": "q", "input": {"path": "$.data"}});
        assert_eq!(code(rule(&made, "made/s", "topic/made", path)), Some(Code::RuleInvalid));
        let beside = rule(&enveloped, "made-up", "default", queue()).unwrap();
        let all = rule(&beside, "made/0", "topic/made", queue()).unwrap();
        let names = |after: Option<&str>| -> Vec<String> {
            let (bus, after) = ("topic/made".parse().unwrap(), after.map(|after| after.parse().unwrap()));
            all.rules(&acme(), &bus, after.as_ref()).unwrap().map(|rule| rule.name.to_string()).collect()
        };
        assert_eq!(names(None), ["made/0", "made/s"]);
        assert_eq!(
            (names(Some("made/0")), names(Some("a/b")).len(), names(Some("z/z")).len()),
            (vec!["made/s".to_owned()], 2, 0)
        );
        let event =
            Event::from_json(&Bytes::from_static(br#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#));
        let targets = all.targets(&acme(), &"topic/made".parse().unwrap(), &event.unwrap()).unwrap();
        assert_eq!(targets.iter().map(|it| it.rule.as_str()).collect::<Vec<_>>(), ["made/0", "made/s"]);
        let topics: Vec<_> =
            all.topics(&acme()).map(|(topic, origin, _, of)| (topic.to_string(), origin, of)).collect();
        assert_eq!(topics, [("made".to_owned(), Origin::Object, 2), ("t".to_owned(), Origin::File, 0)]);
        assert_eq!(all.buses(&acme()).count(), 1);
    }

    #[test]
    fn a_topic_goes_when_it_has_no_subscription_and_nothing_publishes_to_it() {
        let made = topic(&set(), "made", true).unwrap();
        assert_eq!(code(topic(&made, "t", false)), Some(Code::BusOfFile));
        let used = rule(&made, "t/to", "topic/t", json!({"bus": "topic/made"})).unwrap();
        assert_eq!(code(topic(&used, "made", false)), Some(Code::TopicInUse));
        let subscribed = rule(&made, "made/s", "topic/made", json!({"queue": "q"})).unwrap();
        assert_eq!(code(topic(&subscribed, "made", false)), Some(Code::TopicInUse));
        // One whose own subscription publishes to it goes with that.
        let own = rule(&made, "made/s", "topic/made", json!({"bus": "topic/made"})).unwrap();
        assert_eq!(own.publisher(&acme(), &"topic/made".parse().unwrap()), None);
        assert_eq!(topic(&made, "made", false).unwrap().topics(&acme()).count(), 1);
    }

    #[test]
    fn there_are_as_many_topics_and_subscriptions_as_there_may_be() {
        let mut full = set();
        for n in 1..TOPICS_PER_TENANT_MAX {
            full = topic(&full, &format!("t{n}"), true).unwrap();
        }
        assert_eq!(code(topic(&full, "more", true)), Some(Code::TopicsTooMany));
        const { assert!(TOPICS_PER_TENANT_MAX > BUSES_PER_TENANT_MAX) };
        let bus = ObjectName::from(&"more".parse::<BusName>().unwrap());
        let document = Bytes::from_static(br#"{"age_ms":1,"size_bytes":2}"#);
        assert!(full.with(&acme(), [(ObjectKind::Bus, &bus, Some(&document))]).is_ok());
        let mut full = topic(&set(), "made", true).unwrap();
        for n in 0..SUBSCRIPTIONS_PER_TOPIC_MAX {
            full = rule(&full, &format!("made/s{n}"), "topic/made", json!({"queue": "q"})).unwrap();
        }
        assert_eq!(
            code(rule(&full, "made/more", "topic/made", json!({"queue": "q"}))),
            Some(Code::SubscriptionsTooMany)
        );
        assert!(rule(&full, "made/s1", "topic/made", json!({"queue": "q"})).is_ok());
        assert!(rule(&full, "t/more", "topic/t", json!({"queue": "q"})).is_ok());
    }
}
