//! Rule sets as the log tells of them: what rules listen for, and whom they call.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use wharf_event::Position;

use crate::rules::{ASIDE, TICK_RULE};

/// What a rule listens for: its bus, types, and plugins, each with what its events are ordered by.
type Listens = (String, Vec<String>, Vec<(String, Option<String>)>);

/// A rule set: by tenant and rule, what it listens for; and the plugins and webhooks that there are.
#[derive(Clone, Default)]
pub(super) struct RuleBook {
    /// The record that it came into force with.
    pub(super) at: Position,
    rules: BTreeMap<String, BTreeMap<String, Listens>>,
    plugins: BTreeMap<String, BTreeSet<String>>,
    /// Tenants that have the queue.
    queues: BTreeSet<String>,
    /// Rules whose events are transformed.
    sieved: BTreeSet<(String, String)>,
}

impl RuleBook {
    pub(super) fn read(document: &[u8]) -> Self {
        let document: Value = serde_json::from_slice(document).unwrap_or_default();
        let mut book = Self::default();
        for (tenant, of) in document.get("tenants").and_then(Value::as_object).into_iter().flatten() {
            let plugins = of.get("plugins").and_then(Value::as_object).into_iter().flatten();
            let webhooks = of.get("webhooks").and_then(Value::as_object).into_iter().flatten();
            book.plugins.insert(tenant.clone(), plugins.chain(webhooks).map(|(plugin, _)| plugin.clone()).collect());
            if of.pointer("/queues/jobs").is_some() {
                book.queues.insert(tenant.clone());
            }
            for (rule, of) in of.get("rules").and_then(Value::as_object).into_iter().flatten() {
                book.put(tenant, rule, of);
            }
            book.aim(tenant, of.pointer("/schedules/tick").unwrap_or(&Value::Null));
        }
        book
    }

    /// The schedule, by its document: whom it sends to is a rule of its own, which listens for nothing but what it sends.
    pub(super) fn aim(&mut self, tenant: &str, of: &Value) {
        self.remove(tenant, TICK_RULE);
        let targets = of.get("targets").and_then(Value::as_array).filter(|targets| !targets.is_empty());
        if let Some(targets) = targets {
            let of = json!({"bus": of.get("bus"), "targets": targets, "pattern": {"type": [of.get("type")]}});
            self.put(tenant, TICK_RULE, &of);
        }
    }

    /// A rule, by its document. One that is off listens for nothing.
    pub(super) fn put(&mut self, tenant: &str, rule: &str, of: &Value) {
        let texts = |value: Option<&Value>| -> Vec<String> {
            value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let bus = of.get("bus").and_then(Value::as_str).unwrap_or_default().to_owned();
        let targets = of.get("targets").and_then(Value::as_array).into_iter().flatten();
        let plugins = targets
            .filter_map(|target| {
                let text = |name: &str| target.get(name).and_then(Value::as_str).map(str::to_owned);
                let to = ["plugin", "queue", "bus", "webhook"].into_iter().find_map(text)?;
                Some((to, text("order_by")))
            })
            .collect();
        if of.get("transforms").and_then(Value::as_array).is_some_and(|transforms| !transforms.is_empty()) {
            self.sieved.insert((tenant.to_owned(), rule.to_owned()));
        }
        let is_off = of.get("enabled").and_then(Value::as_bool) == Some(false);
        let types = if is_off { Vec::new() } else { texts(of.pointer("/pattern/type")) };
        self.rules.entry(tenant.to_owned()).or_default().insert(rule.to_owned(), (bus, types, plugins));
    }

    pub(super) fn remove(&mut self, tenant: &str, rule: &str) {
        self.rules.entry(tenant.to_owned()).or_default().remove(rule);
    }

    /// A plugin that is a control object. Those that clients make handle events.
    pub(super) fn put_plugin(&mut self, tenant: &str, plugin: &str) {
        self.plugins.entry(tenant.to_owned()).or_default().insert(plugin.to_owned());
    }

    /// A queue that is a control object.
    pub(super) fn put_queue(&mut self, tenant: &str) {
        self.queues.insert(tenant.to_owned());
    }

    /// Whether a tenant has the queue.
    pub(super) fn has_queue(&self, tenant: &str) -> bool {
        self.queues.contains(tenant)
    }

    /// A tenant is closed: nothing of it is in force any more.
    pub(super) fn close(&mut self, tenant: &str) {
        self.rules.remove(tenant);
        self.plugins.remove(tenant);
        self.queues.remove(tenant);
    }

    /// Whether a plugin is not there, though its tenant is.
    pub(super) fn lacks(&self, tenant: &str, plugin: &str) -> bool {
        self.plugins.get(tenant).is_some_and(|plugins| !plugins.contains(plugin))
    }

    /// Rule and plugin of everyone whom an event is owed to, in order.
    pub(super) fn targets(&self, tenant: &str, bus: &str, kind: &str) -> Vec<(&str, &str)> {
        let rules = self.rules.get(tenant).into_iter().flatten();
        let matching = rules.filter(|(_, (on, types, _))| on == bus && types.iter().any(|listed| listed == kind));
        matching
            .flat_map(|(rule, (_, _, plugins))| plugins.iter().map(|(plugin, _)| (rule.as_str(), plugin.as_str())))
            .collect()
    }

    /// What a target of a rule orders its events by, if it does.
    pub(super) fn order_by(&self, tenant: &str, rule: &str, plugin: &str) -> Option<&str> {
        let (_, _, plugins) = self.rules.get(tenant)?.get(rule)?;
        plugins.iter().find(|(of, _)| of == plugin)?.1.as_deref()
    }

    /// Whether the events of a rule are transformed.
    pub(super) fn sieves(&self, tenant: &str, rule: &str) -> bool {
        self.sieved.contains(&(tenant.to_owned(), rule.to_owned()))
    }

    /// Whether rule and plugin are there.
    pub(super) fn has(&self, tenant: &str, rule: &str, plugin: &str) -> bool {
        let listed = self.rules.get(tenant).and_then(|rules| rules.get(rule));
        listed.is_some_and(|(_, _, plugins)| plugins.iter().any(|(of, _)| of == plugin))
            // Buses stay.
            && (plugin == ASIDE || self.plugins.get(tenant).is_some_and(|plugins| plugins.contains(plugin)))
    }
}
