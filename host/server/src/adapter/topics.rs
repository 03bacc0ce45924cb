//! Port: topics and their subscriptions.
//!
//! Invariant: a topic is a bus of its own kind and a subscription a rule on it, so both are kept, read and changed as those are. A topic
//! that goes takes its subscriptions along, a page at a time, before itself: if the host stops meanwhile it is still there, with those that
//! are left, and whoever asks again goes on.

use bytes::Bytes;
use wharf_delivery::{Expected as Taken, Object, ObjectFate, ObjectKind, ObjectName, ObjectWish, RetentionDocument};
use wharf_dispatch::{Origin, RuleSet, Unknown};
use wharf_event::{BusName, Code, Event, Position, RuleName, SubscriptionName, TenantName, TopicName};
use wharf_gateway::{
    Expected, Put, Refusal, RulePut, RuleRef, Rules as _, SubscriptionRef, TopicRef, Topics,
    view::{RuleOrigin, RuleVerdict, RuleView, SubscriptionView, TopicView},
};
use wharf_pattern::Subject;

use super::{
    HostAdapter,
    page::is_behind,
    rules,
    tenants::{made, must_hold, not_changed, retention},
    unknown, was_read,
};
use crate::config::{EVERYTHING, read_topic};

/// Subscriptions that one record removes.
const REMOVED_PAGE: usize = 256;

impl Topics for HostAdapter {
    async fn topics(
        &self,
        tenant: &TenantName,
        after: Option<TopicName>,
        limit: u32,
    ) -> Result<Vec<TopicView>, Refusal> {
        self.known(tenant)?;
        let set = self.dispatcher.rules();
        let mut views = Vec::new();
        let behind = set.topics(tenant).filter(|(topic, ..)| is_behind(topic, after.as_ref()));
        for (topic, origin, kept, subscriptions) in behind.take(limit as usize) {
            let version = self.bus_version(tenant, &BusName::of_topic(&topic), origin).await?;
            views.push(view(topic, (origin, version), kept, subscriptions));
        }
        Ok(views)
    }

    async fn topic(&self, of: TopicRef) -> Result<TopicView, Refusal> {
        let set = self.dispatcher.rules();
        let (topic, origin, kept, subscriptions) = found(&set, &of)?;
        let version = self.bus_version(&of.tenant, &BusName::of_topic(&topic), origin).await?;
        Ok(view(topic, (origin, version), kept, subscriptions))
    }

    async fn put_topic(&self, of: TopicRef, document: Bytes, expected: Expected) -> Result<Put<TopicView>, Refusal> {
        self.known(&of.tenant)?;
        let kept = read_topic(&document, &of.topic).map_err(rules::wrong)?;
        let before = found(&self.dispatcher.rules(), &of).ok();
        let named = (ObjectKind::Bus, ObjectName::from(&BusName::of_topic(&of.topic)));
        let put = self.put_object(&of.tenant, named, &kept, rules::taken(expected)).await;
        let version = put.map_err(|error| not_changed(&error))?.version();
        let (created, subscriptions) = (before.is_none(), before.map_or(0, |(.., subscriptions)| subscriptions));
        Ok(Put { now: view(of.topic, (Origin::Object, version), kept, subscriptions), created })
    }

    async fn remove_topic(&self, of: TopicRef, expected: Expected) -> Result<(), Refusal> {
        let bus = BusName::of_topic(&of.topic);
        let name = ObjectName::from(&bus);
        let get = |state: &_| Object::get(state, &of.tenant, ObjectKind::Bus, &name);
        loop {
            let set = self.dispatcher.rules();
            let (_, origin, ..) = found(&set, &of)?;
            if origin == Origin::File {
                let detail = format!(
                    "topic `{}` stands in the configuration file: remove it there, and start the host again",
                    of.topic
                );
                return Err(Refusal::new(Code::BusOfFile, detail));
            }
            if let Some(publisher) = set.publisher(&of.tenant, &bus) {
                return Err(Refusal::new(Code::TopicInUse, publisher));
            }
            let held = was_read(self.dispatcher.read(get).await)?;
            must_hold(expected, held.as_ref(), &format!("topic `{}`", of.topic))?;
            let page = set.rules(&of.tenant, &bus, None).map_err(|error| unknown(&error))?.take(REMOVED_PAGE);
            let page: Vec<_> = page.map(|rule| ObjectName::from(&rule.name)).collect();
            let (kind, names) = match page.is_empty() {
                true => (ObjectKind::Bus, vec![name.clone()]),
                false => (ObjectKind::Rule, page),
            };
            let wish = |name| ObjectWish { kind, name, document: None, expected: Taken::Any };
            let changed = self.dispatcher.change(&of.tenant, names.into_iter().map(wish).collect()).await;
            let changed = changed.map_err(|error| not_changed(&error))?;
            match (kind, changed.objects.first()) {
                (ObjectKind::Rule, _) => {}
                (_, Some(ObjectFate::Removed)) => return Ok(()),
                // Somebody was faster.
                _ => return Err(unknown(&Unknown::Bus(of.tenant, bus))),
            }
        }
    }

    async fn subscriptions(
        &self,
        of: TopicRef,
        after: Option<SubscriptionName>,
        limit: u32,
    ) -> Result<Vec<SubscriptionView>, Refusal> {
        let after = after.map(|after| RuleName::of_subscription(&of.topic, &after));
        let rules = self.rules(&of.tenant, &BusName::of_topic(&of.topic), after, limit).await?;
        Ok(rules.into_iter().filter_map(subscription).collect())
    }

    async fn subscription(&self, of: SubscriptionRef) -> Result<SubscriptionView, Refusal> {
        shown(self.rule(rule_of(of)).await?)
    }

    async fn put_subscription(
        &self,
        of: SubscriptionRef,
        document: Bytes,
        expected: Expected,
    ) -> Result<Put<SubscriptionView>, Refusal> {
        let RulePut { rule, created } = self.put_rule(rule_of(of), document, expected).await?;
        Ok(Put { now: shown(rule)?, created })
    }

    async fn explain_subscription(&self, of: SubscriptionRef, event: Event) -> Result<RuleVerdict, Refusal> {
        let set = self.dispatcher.rules();
        found(&set, &of.of)?;
        let named = RuleName::of_subscription(&of.of.topic, &of.subscription);
        let rule = set.rule(&of.of.tenant, &named).ok_or_else(|| {
            let detail = format!("topic `{}` has no subscription `{}`", of.of.topic, of.subscription);
            Refusal::new(Code::SubscriptionUnknown, detail)
        })?;
        Ok(rules::told(rule, rule.pattern.judge(&Subject::of(&event))))
    }

    async fn remove_subscription(&self, of: SubscriptionRef, expected: Expected) -> Result<(), Refusal> {
        self.remove_rule(rule_of(of), expected).await
    }
}

type Found = (TopicName, Origin, RetentionDocument, usize);

fn found(set: &RuleSet, of: &TopicRef) -> Result<Found, Refusal> {
    let bus = BusName::of_topic(&of.topic);
    set.check_bus(&of.tenant, &bus).map_err(|error| unknown(&error))?;
    let found = set.topics(&of.tenant).find(|(topic, ..)| *topic == of.topic);
    found.ok_or_else(|| unknown(&Unknown::Bus(of.tenant.clone(), bus)))
}

fn view(
    topic: TopicName,
    (origin, version): (Origin, Option<Position>),
    kept: RetentionDocument,
    subscriptions: usize,
) -> TopicView {
    let subscriptions = u64::try_from(subscriptions).unwrap_or(u64::MAX);
    TopicView { topic, origin: made(origin), version, retention: retention(kept), subscriptions }
}

fn rule_of(SubscriptionRef { of, subscription }: SubscriptionRef) -> RuleRef {
    let rule = RuleName::of_subscription(&of.topic, &subscription);
    RuleRef { tenant: of.tenant, bus: BusName::of_topic(&of.topic), rule }
}

fn shown(rule: RuleView) -> Result<SubscriptionView, Refusal> {
    subscription(rule).ok_or_else(|| Refusal::new(Code::Internal, "a rule of a topic is no subscription"))
}

/// A rule on a topic as the subscription that it is.
pub fn subscription(rule: RuleView) -> Option<SubscriptionView> {
    let (topic, subscription) = rule.rule.subscription()?;
    let RuleView { origin, version, pattern, transforms, mut targets, enabled, .. } = rule;
    let raw = !targets.iter().any(|target| target.envelope);
    targets.iter_mut().for_each(|target| target.envelope = false);
    let version = version.filter(|_| origin == RuleOrigin::Api);
    let pattern = (pattern.get() != EVERYTHING).then_some(pattern);
    Some(SubscriptionView { subscription, topic, origin, version, pattern, transforms, targets, raw, enabled })
}
