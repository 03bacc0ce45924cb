//! Making rule sets: from a configuration, and from another one with some control objects changed.
//!
//! Invariant: what a change does not name is shared with the set from before, so that one rule more costs the same beside ten and
//! a hundred thousand. A set with a mistake is not made.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use wharf_delivery::{Document, InputDocument, ObjectKind, ObjectName, RuleDocument, TargetDocument};
use wharf_event::{BusName, Digest, PluginName, RuleName, Target, TenantName};
use wharf_pattern::Pattern;

use crate::{
    consuming::Idle,
    handler::{Handler, Takes},
    inputs::Inputs,
    limits::{RULES_PER_BUS_MAX, SUBSCRIPTIONS_PER_TOPIC_MAX, WAYS_PER_TENANT_MAX},
    mistakes::{RuleError, RulesError},
    orders::Orders,
    plugins::{Plugin, Shelf},
    queues::{QueueError, QueueInForce},
    rules::{Bus, Origin, Rule, RuleSet, Tenant, Unknown},
    schemas,
    transform::{Step, Transforms},
    webhooks::WebhookInForce,
};

/// What can be called, by its digest.
pub type Releases = HashMap<Digest, Arc<dyn Handler>>;

/// A control object from now on: its kind, its name, its document; none = removed.
pub type ObjectNow<'a> = (ObjectKind, &'a ObjectName, Option<&'a Bytes>);

impl RuleSet {
    /// Compiles a configuration.
    ///
    /// # Errors
    /// When a pattern or an input is wrong, a component is missing, or a rule's transform is none.
    pub fn new(document: Document, releases: &Releases, transforms: &Transforms) -> Result<Self, RulesError> {
        let mut set = Self::default();
        for (name, from) in &document.tenants {
            let mut tenant = Tenant::default();
            let made = |bus: &BusName| {
                let made = Bus::made(Origin::File, from.retention.get(bus).copied());
                Arc::new(Bus { backlog: from.bus_backlogs.get(bus).copied(), ..made })
            };
            tenant.buses.extend(from.buses.iter().map(|bus| (bus.clone(), made(bus))));
            for (plugin, from) in &from.plugins {
                if let Some(transform) = transforms.get(&from.release).cloned() {
                    let step = Step::new((plugin.clone(), from.release), transform, from.limits, Origin::File);
                    tenant.transforms.insert_mut(plugin.clone(), Arc::new(step));
                    continue;
                }
                let Some(handler) = releases.get(&from.release).cloned() else {
                    let (tenant, plugin, release) = (name.clone(), plugin.clone(), from.release);
                    return Err(RulesError::Release { tenant, plugin, release });
                };
                tenant.plugins.insert_mut(plugin.clone(), Arc::new(Plugin::of_file(from, handler)));
            }
            tenant.schemas = schemas::of_file(&from.schemas);
            for (webhook, from) in &from.webhooks {
                tenant.webhooks.insert_mut(webhook.clone(), Arc::new(WebhookInForce::of_file(from)));
            }
            for (queue, from) in &from.queues {
                let of_file = QueueInForce { settings: Arc::new(from.clone()), origin: Origin::File };
                tenant.queues.insert_mut(queue.clone(), of_file);
            }
            for (schedule, from) in &from.schedules {
                let put = tenant.put_schedule(schedule, from, Origin::File);
                put.map_err(|source| {
                    let (tenant, schedule) = (name.clone(), schedule.to_string());
                    RulesError::Schedule { tenant, schedule, source }
                })?;
            }
            for (queue, from) in &from.queues {
                // One that is not of the file may come to be.
                let by = from.consumer.as_ref().map(|by| &by.plugin);
                if let Some(plugin) =
                    by.filter(|by| tenant.plugins.get(*by).is_some_and(|it| it.takes() != Takes::Batches))
                {
                    let (tenant, queue) = (name.clone(), queue.to_string());
                    let source = QueueError::Consumer(Idle::NoBatches(plugin.clone()));
                    return Err(RulesError::Queue { tenant, queue, source });
                }
            }
            for (path, from) in &from.routes {
                tenant.put_route(path, from, Origin::File).map_err(|source| {
                    let (tenant, route) = (name.clone(), path.to_string());
                    RulesError::Route { tenant, route, source }
                })?;
            }
            tenant.settings = Arc::new(from.settings.clone());
            for (rule, from) in &from.rules {
                let put = tenant.put(rule, from, Origin::File);
                put.map_err(|source| RulesError::Rule { tenant: name.clone(), rule: rule.to_string(), source })?;
            }
            set.tenants.insert_mut(name.clone(), Arc::new(tenant));
        }
        set.document = Arc::new(document);
        Ok(set)
    }

    /// The same rule set, whose plugins that are control objects find their releases on this shelf.
    #[must_use]
    pub(crate) fn on_shelf(self, shelf: Shelf) -> Self {
        Self { shelf, ..self }
    }

    /// The same rule set under the version that the log gave to the configuration. It is each tenant's too, but for those whose
    /// objects changed since: `later` knows of them.
    #[must_use]
    pub(crate) fn with_version(mut self, version: u64, later: impl Fn(&TenantName) -> u64) -> Self {
        (self.version, self.configured) = (version, version);
        let names: Vec<_> = self.tenants.keys().cloned().collect();
        for name in names {
            let of = version.max(later(&name));
            self.version = self.version.max(of);
            self.date(&name, of);
        }
        self
    }

    /// The same rule set under the version that the log gave to a tenant's change.
    #[must_use]
    pub(crate) fn with_version_of(mut self, tenant: &TenantName, version: u64) -> Self {
        self.version = self.version.max(version);
        self.date(tenant, version);
        self
    }

    fn date(&mut self, tenant: &TenantName, version: u64) {
        if let Some(tenant) = self.tenants.get_mut(tenant) {
            Arc::make_mut(tenant).version = version;
        }
    }

    /// The rule set with some control objects of a tenant changed. (Its version is to come.)
    ///
    /// # Errors
    /// When one of them cannot be put to use.
    pub fn with<'a>(
        &self,
        tenant: &TenantName,
        objects: impl IntoIterator<Item = ObjectNow<'a>>,
    ) -> Result<Self, RulesError> {
        let (mut set, shelf) = (self.clone(), self.shelf.clone());
        for (kind, name, document) in objects {
            if kind == ObjectKind::Tenant {
                let changed = set.change_tenant(tenant, document);
                changed.map_err(|source| RulesError::OfTenant { tenant: tenant.clone(), source })?;
                continue;
            }
            let of = set.tenants.get_mut(tenant).ok_or_else(|| Unknown::Tenant(tenant.clone()))?;
            let of = Arc::make_mut(of);
            let named = || (tenant.clone(), name.as_str().to_owned());
            match kind {
                ObjectKind::Bus => of.change_bus(name, document).map_err(|source| {
                    let (tenant, bus) = named();
                    RulesError::Bus { tenant, bus, source }
                })?,
                ObjectKind::Rule => of.change_rule(name, document).map_err(|source| {
                    let (tenant, rule) = named();
                    RulesError::Rule { tenant, rule, source }
                })?,
                ObjectKind::Plugin => of.change_plugin(name, document, &shelf).map_err(|source| {
                    let (tenant, plugin) = named();
                    RulesError::Plugin { tenant, plugin, source }
                })?,
                ObjectKind::Schema => of.change_schema(name, document).map_err(|source| {
                    let (tenant, schema) = named();
                    RulesError::Schema { tenant, schema, source }
                })?,
                ObjectKind::Webhook => of.change_webhook(name, document).map_err(|source| {
                    let (tenant, webhook) = named();
                    RulesError::Webhook { tenant, webhook, source }
                })?,
                ObjectKind::Queue => of.change_queue(name, document).map_err(|source| {
                    let (tenant, queue) = named();
                    RulesError::Queue { tenant, queue, source }
                })?,
                ObjectKind::Schedule => of.change_schedule(name, document).map_err(|source| {
                    let (tenant, schedule) = named();
                    RulesError::Schedule { tenant, schedule, source }
                })?,
                ObjectKind::Route => of.change_route(name, document).map_err(|source| {
                    let (tenant, route) = named();
                    RulesError::Route { tenant, route, source }
                })?,
                // It is on the shelf, or it is fetched when a channel is to name it. Keys are asked when a release comes, prompts and models when a
                // plugin does.
                ObjectKind::Release
                | ObjectKind::Keys
                | ObjectKind::Secrets
                | ObjectKind::Prompt
                | ObjectKind::Model
                | ObjectKind::Tenant => {}
            }
        }
        Ok(set)
    }
}

impl Tenant {
    fn change_rule(&mut self, name: &ObjectName, document: Option<&Bytes>) -> Result<(), RuleError> {
        let name: RuleName = name.as_str().parse().map_err(|_| RuleError::Document("its name is none".to_owned()))?;
        if name.schedule().is_some() {
            return Err(RuleError::Document("its name is none".to_owned()));
        }
        let Some(document) = document else { return self.remove(&name) };
        let document: RuleDocument =
            serde_json::from_slice(document).map_err(|error| RuleError::Document(error.to_string()))?;
        self.put(&name, &document, Origin::Object)
    }

    /// Removes a rule that was made while the host ran.
    pub(crate) fn remove(&mut self, name: &RuleName) -> Result<(), RuleError> {
        let Some(rule) = self.rules.get(name).cloned() else { return Ok(()) };
        if rule.origin == Origin::File {
            return Err(RuleError::OfFile);
        }
        self.rules.remove_mut(name);
        self.gone.went(name, &rule.targets);
        if let Some(bus) = self.buses.get_mut(&rule.bus) {
            let bus = Arc::make_mut(bus);
            bus.matcher.remove(rule.number);
            bus.numbered.remove_mut(&rule.number);
        }
        Ok(())
    }

    /// Puts a rule in the place of the one that has its name.
    fn put(&mut self, name: &RuleName, from: &RuleDocument, origin: Origin) -> Result<(), RuleError> {
        let RuleDocument { bus, pattern, transforms, targets, enabled } = from;
        let topic = bus.topic();
        if name.subscription().map(|(topic, _)| topic) != topic || name.schedule().is_some() {
            return Err(RuleError::Apart(bus.clone()));
        }
        if let Some(before) = self.rules.get(name)
            && before.origin == Origin::Object
            && before.bus != *bus
        {
            return Err(RuleError::OtherBus(before.bus.clone()));
        }
        let pattern =
            Pattern::from_json(pattern.as_str().as_bytes()).map_err(|errors| RuleError::Pattern(Box::new(errors)))?;
        if let Some(none) = transforms.iter().find(|plugin| !self.transforms.contains_key(*plugin)) {
            return Err(RuleError::Transform(none.clone()));
        }
        let (inputs, orders) = self.aimed(targets, transforms)?;
        self.remove(name)?;
        if *enabled {
            self.has_room_for(&pattern, WAYS_PER_TENANT_MAX)?;
        }
        let on = self.buses.get_mut(bus).ok_or_else(|| RuleError::Bus(bus.clone()))?;
        let on = Arc::make_mut(on);
        let rule = Rule {
            name: name.clone(),
            bus: bus.clone(),
            pattern,
            targets: targets.clone(),
            enabled: *enabled,
            origin,
            transforms: transforms.clone(),
            inputs,
            orders,
            number: on.next,
        };
        let rule = Arc::new(rule);
        match topic {
            Some(topic) if on.numbered.size() >= SUBSCRIPTIONS_PER_TOPIC_MAX => {
                return Err(RuleError::Subscriptions(topic));
            }
            _ => on.add(&rule, RULES_PER_BUS_MAX)?,
        }
        self.rules.insert_mut(name.clone(), rule);
        Ok(())
    }
}

impl Tenant {
    /// Whether there is such a target.
    pub(crate) fn has(&self, target: &Target) -> bool {
        match target {
            Target::Plugin(plugin) => self.plugins.contains_key(plugin),
            Target::Webhook(webhook) => self.webhooks.contains_key(webhook),
            Target::Queue(queue) => self.queues.contains_key(queue),
            Target::Bus(bus) => self.buses.contains_key(bus),
        }
    }

    /// Checks who is to get events, and gives what they get and what they order by.
    pub(crate) fn aimed(
        &self,
        targets: &[TargetDocument],
        transforms: &[PluginName],
    ) -> Result<(Inputs, Orders), RuleError> {
        for (n, target) in targets.iter().enumerate() {
            self.takes(target)?;
            // An envelope is put around a message as it is received.
            let is_changed = target.input.as_ref().is_some_and(|input| *input != InputDocument::Envelope);
            if let Some(queue) = target.to.queue().filter(|_| is_changed || !transforms.is_empty()) {
                return Err(RuleError::Changed(queue.clone()));
            }
            if targets.iter().take(n).any(|other| other.to == target.to) {
                return Err(RuleError::Targets);
            }
        }
        if targets.is_empty() {
            return Err(RuleError::Targets);
        }
        Ok((Inputs::new(targets)?, Orders::new(targets)?))
    }

    /// Whether a rule can have this target.
    fn takes(&self, target: &TargetDocument) -> Result<(), RuleError> {
        match &target.to {
            Target::Plugin(name) => {
                let plugin = self.plugins.get(name).ok_or_else(|| RuleError::Plugin(name.clone()))?;
                match plugin.takes() {
                    Takes::Events => {}
                    Takes::Batches => return Err(RuleError::Batches(name.clone())),
                    Takes::Requests => return Err(RuleError::Requests(name.clone())),
                }
                match target.channel.as_ref().filter(|channel| !plugin.has_channel(channel)) {
                    Some(none) => Err(RuleError::Channel(name.clone(), none.clone())),
                    None => Ok(()),
                }
            }
            Target::Webhook(name) if self.webhooks.contains_key(name) => Ok(()),
            Target::Webhook(name) => Err(RuleError::Webhook(name.clone())),
            Target::Queue(name) if self.queues.contains_key(name) => Ok(()),
            Target::Queue(name) => Err(RuleError::Queue(name.clone())),
            Target::Bus(bus) if self.buses.contains_key(bus) => Ok(()),
            Target::Bus(bus) => Err(RuleError::ToBus(bus.clone())),
        }
    }

    /// Whether its rules have so few combinations that those of one more may come.
    fn has_room_for(&self, pattern: &Pattern, ways_max: usize) -> Result<(), RuleError> {
        let ways: usize = self.buses.values().map(|bus| bus.matcher.ways()).sum();
        if ways + pattern.ways() > ways_max { Err(RuleError::Combinations) } else { Ok(()) }
    }
}

impl Bus {
    /// Adds a rule, if there are fewer than so many.
    fn add(&mut self, rule: &Arc<Rule>, rules_max: usize) -> Result<(), RuleError> {
        if self.numbered.size() >= rules_max {
            return Err(RuleError::TooMany);
        }
        if rule.enabled {
            self.matcher.insert(rule.number, &rule.pattern).map_err(|_| RuleError::Combinations)?;
        }
        self.numbered.insert_mut(rule.number, Arc::clone(rule));
        self.next += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use wharf_event::Code;

    use super::*;

    fn rule(number: u64, enabled: bool) -> Arc<Rule> {
        Arc::new(Rule {
            name: format!("rule-{number}").parse().unwrap(),
            bus: "default".parse().unwrap(),
            pattern: Pattern::from_json(br#"{"type": ["t"]}"#).unwrap(),
            targets: Vec::new(),
            enabled,
            origin: Origin::Object,
            transforms: Vec::new(),
            inputs: Default::default(),
            orders: Default::default(),
            number,
        })
    }

    #[test]
    fn the_rules_of_a_tenant_have_so_many_combinations_over_all_its_buses() {
        let six = r#"{"$or": [{"type": ["a"]}, {"type": ["b"]}, {"type": ["c"]}], "data": {"$or": [{"x": [1]}, {"y": [2]}]}}"#;
        let pattern = Pattern::from_json(six.as_bytes()).unwrap();
        let mut tenant = Tenant::default();
        for bus in ["one", "other"] {
            let mut made = Bus::made(Origin::File, None);
            made.matcher.insert(0, &pattern).unwrap();
            tenant.buses.insert(bus.parse().unwrap(), Arc::new(made));
        }
        assert_eq!(tenant.has_room_for(&pattern, 18), Ok(()));
        assert_eq!(tenant.has_room_for(&pattern, 17), Err(RuleError::Combinations));
    }

    #[test]
    fn a_bus_holds_so_many_rules_those_that_are_off_among_them() {
        let mut bus = Bus::made(Origin::File, None);
        for number in 0..3 {
            bus.add(&rule(number, number != 1), 3).unwrap();
        }
        assert_eq!(bus.add(&rule(3, true), 3), Err(RuleError::TooMany));
        assert_eq!([RuleError::TooMany, RuleError::Combinations].map(|it| it.code()), [Code::RulesTooMany; 2]);
        assert_eq!((bus.matcher.len(), bus.numbered.size()), (2, 3));
    }
}
