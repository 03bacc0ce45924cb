//! The targets of schedules that have some: each a rule of its own kind, which no bus has and which matches nothing.
//!
//! Invariant: there is such a rule exactly as long as there is its schedule, with the same targets. It stands among the tenant's rules under a
//! name that no other can have, so whatever holds for a delivery of a rule, and for what a rule uses, holds for it. Who changes rules does not
//! come to it.

use std::sync::Arc;

use wharf_delivery::TargetRef;
use wharf_event::{BusName, Event, RuleName, ScheduleName, TenantName};
use wharf_pattern::Pattern;

use crate::{
    mistakes::RuleError,
    rules::{Rule, RuleSet, Tenant, Unknown},
    schedules::Schedule,
};

/// What matches every event. Nobody asks it: it says what holds.
const EVERYTHING: &[u8] = br#"{"type": [{"exists": true}]}"#;

impl Tenant {
    /// Puts the targets of a schedule in the place of those that it had.
    pub(crate) fn aim(&mut self, schedule: &Schedule) -> Result<(), RuleError> {
        let targets = &schedule.document.targets;
        if targets.is_empty() {
            return self.aim_nowhere(&schedule.name);
        }
        let (inputs, orders) = self.aimed(targets, &[])?;
        let pattern = Pattern::from_json(EVERYTHING).map_err(|errors| RuleError::Pattern(Box::new(errors)))?;
        self.aim_nowhere(&schedule.name)?;
        let name = RuleName::of_schedule(&schedule.name);
        let rule = Rule {
            name: name.clone(),
            bus: BusName::of_schedule(&schedule.name),
            pattern,
            targets: targets.clone(),
            enabled: true,
            origin: schedule.origin,
            transforms: Vec::new(),
            inputs,
            orders,
            // It is in no matcher.
            number: 0,
        };
        self.rules.insert_mut(name, Arc::new(rule));
        Ok(())
    }

    /// Removes the targets of a schedule, if it has some.
    pub(crate) fn aim_nowhere(&mut self, schedule: &ScheduleName) -> Result<(), RuleError> {
        self.remove(&RuleName::of_schedule(schedule))
    }
}

impl RuleSet {
    /// Who an event of a schedule is owed to: its targets, or whoever the rules of its bus say.
    ///
    /// # Errors
    /// When there is no such tenant or bus.
    pub(crate) fn fired(
        &self,
        tenant: &TenantName,
        schedule: &Schedule,
        event: &Event,
    ) -> Result<Vec<TargetRef>, Unknown> {
        let aimed = self.tenants.get(tenant).and_then(|of| {
            let rule = of.rules.get(&RuleName::of_schedule(&schedule.name))?;
            Some(of.owed(rule, event))
        });
        aimed.map_or_else(|| self.targets(tenant, &schedule.document.bus, event), Ok)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use bytes::Bytes;
    use serde_json::{Value, json};
    use wharf_delivery::{Document, ObjectKind, ObjectName};
    use wharf_event::{Code, QueueName};

    use super::*;
    use crate::mistakes::RulesError;

    fn acme() -> TenantName {
        "acme".parse().unwrap()
    }

    fn schedule(bus: &str, targets: &[&str]) -> Value {
        let retry = serde_json::to_value(wharf_delivery::RetryPolicy::default()).unwrap();
        let target = |to: &&str| match to.split_once('/') {
            Some(("queue", queue)) => json!({"queue": queue, "retry": retry, "dead_letter": "d"}),
            _ => json!({"bus": to, "retry": retry, "dead_letter": "d"}),
        };
        let targets: Vec<Value> = targets.iter().map(target).collect();
        json!({"expression": "rate(1 minute)", "timezone": "UTC", "enabled": true, "bus": bus, "type": "t", "targets": targets})
    }

    /// A tenant with the schedule `filed` to the queue `f`, the queue `q`, and a rule for everything on its bus.
    fn set() -> RuleSet {
        let queue = json!({"visibility_ms": 1, "retention_ms": 1, "dead_letter": "d"});
        let retry = serde_json::to_value(wharf_delivery::RetryPolicy::default()).unwrap();
        let target = json!({"queue": "f", "retry": retry, "dead_letter": "d"});
        let rule = json!({"bus": "default", "pattern": {"type": [{"exists": true}]}, "targets": [target]});
        let of = json!({"buses": ["default"], "plugins": {}, "rules": {"all": rule}, "queues": {"f": queue},
            "schedules": {"filed": schedule("schedule/filed", &["queue/f"])}});
        let document: Document =
            serde_json::from_value(json!({"default_tenant": "acme", "tenants": {"acme": of}})).unwrap();
        let set = RuleSet::new(document, &HashMap::new(), &HashMap::new()).unwrap();
        let document = Bytes::from(queue.to_string());
        set.with(&acme(), [(ObjectKind::Queue, &ObjectName::from(&queue_q()), Some(&document))]).unwrap()
    }

    fn queue_q() -> QueueName {
        "q".parse().unwrap()
    }

    fn put(set: &RuleSet, name: &str, document: Option<Value>) -> Result<RuleSet, RulesError> {
        let name = ObjectName::from(&name.parse::<ScheduleName>().unwrap());
        let document = document.map(|document| Bytes::from(document.to_string()));
        set.with(&acme(), [(ObjectKind::Schedule, &name, document.as_ref())])
    }

    fn fired(set: &RuleSet, name: &str) -> Vec<String> {
        let schedules = set.schedules(&acme());
        let schedule = schedules.get::<ScheduleName>(&name.parse().unwrap()).unwrap();
        let owed = set.fired(&acme(), schedule, &schedule.event(0).unwrap()).unwrap();
        owed.iter().map(|target| format!("{} {}", target.rule, target.to)).collect()
    }

    #[test]
    fn what_a_schedule_sends_is_owed_to_its_targets_and_no_rule_meets_it() {
        let set = set();
        assert_eq!(fired(&set, "filed"), ["@filed queue/f"]);
        let both = put(&set, "made", Some(schedule("schedule/made", &["queue/q", "default"]))).unwrap();
        assert_eq!(fired(&both, "made"), ["@made queue/q", "@made bus/default"]);
        let published = put(&both, "made", Some(schedule("default", &[]))).unwrap();
        assert_eq!(fired(&published, "made"), ["all queue/f"]);
        // What was owed to the targets goes where they said.
        let was = TargetRef { rule: "@made".parse().unwrap(), to: "queue/q".parse().unwrap(), order: None };
        assert_eq!(
            (published.resolve(&acme(), &was).is_none(), published.dead_letter(&acme(), &was).as_str()),
            (true, "d")
        );
        assert_eq!(both.rules(&acme(), &"default".parse().unwrap(), None).unwrap().count(), 1);
        assert_eq!(both.buses(&acme()).count(), 1);
        let kept = both.retentions();
        let of = |bus: &str| kept.get(&(acme(), bus.parse().unwrap())).copied();
        assert!(of("default").is_some() && of("schedule/made") == of("default") && of("schedule/none").is_none());
        assert!(of("queue/q") == of("default") && of("queue/none").is_none());
        let gone = put(&both, "made", None).unwrap();
        assert!(gone.rule(&acme(), &was.rule).is_none() && both.rule(&acme(), &was.rule).is_some());
    }

    #[test]
    fn what_a_schedule_sends_to_is_in_use_and_nobody_changes_its_rule() {
        let used = put(&set(), "made", Some(schedule("schedule/made", &["queue/q"]))).unwrap();
        let error = used.with(&acme(), [(ObjectKind::Queue, &ObjectName::from(&queue_q()), None)]).err().unwrap();
        assert_eq!(error.code(), Code::QueueInUse);
        assert!(error.to_string().ends_with("schedule `made` sends to it"), "{error}");
        let code = |name: &str, document| put(&used, name, Some(document)).err().map(|error| error.code());
        for wrong in [
            schedule("schedule/made", &["queue/none"]),
            schedule("schedule/made", &["queue/q", "queue/q"]),
            schedule("schedule/made", &["schedule/made"]),
            schedule("default", &["queue/q"]),
            schedule("schedule/other", &["queue/q"]),
            schedule("schedule/made", &[]),
        ] {
            assert_eq!(code("made", wrong.clone()), Some(Code::ScheduleInvalid), "{wrong}");
        }
        let name = ObjectName::from(&"@made".parse::<RuleName>().unwrap());
        for document in [None, Some(Bytes::from_static(b"{}"))] {
            let error = used.with(&acme(), [(ObjectKind::Rule, &name, document.as_ref())]).err().unwrap();
            assert_eq!(error.code(), Code::RuleInvalid);
        }
    }
}
