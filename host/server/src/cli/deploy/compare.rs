//! A tenant of a file beside the same tenant of a host: what is to be done, and what cannot be.
//!
//! Invariant: what is equal makes no step. Nothing of the host's own configuration file is changed: it may be as this file says, else it is a
//! trouble.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use wharf_delivery::{RuleDocument, SchemaDocument};
use wharf_event::{BusName, Code, Grants, PluginName, RuleName, SchemaName, TenantName};
use wharf_gateway::Refusal;
use wharf_gateway::view::{
    BreakerView, GrantsView, LimitView, PluginDetail, ReleaseState, RuleOrigin, RuleView, SchemaView, SubscriptionView,
    TargetView, TopicView,
};
use wharf_schema::{Mode, Schema, compatibility};

use super::{
    super::{
        error::CommandError,
        plugin,
        words::{clipped, printable},
    },
    parts, places,
    plan::{Action, Kind, Object, Plan, Step, Trouble, Work},
    there::There,
};
use crate::{
    adapter::shown,
    client::{ClientError, Reply, Resource},
    config::PluginSettings,
    project::{Component, Source, Wanted, WantedPlugin},
};

/// The settings of a plugin as they are put.
#[derive(Serialize)]
pub struct SettingsBody {
    pub(super) config: BTreeMap<String, String>,
    pub(super) grants: GrantsView,
    pub(super) limits: BTreeMap<String, LimitView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) breaker: Option<BreakerView>,
}

impl From<&PluginSettings> for SettingsBody {
    fn from(PluginSettings { config, grants, limits, breaker }: &PluginSettings) -> Self {
        Self {
            config: config.clone(),
            grants: shown::grants(grants),
            limits: shown::limits(limits),
            breaker: breaker.as_ref().map(shown::breaker),
        }
    }
}

impl SettingsBody {
    /// What a plugin has, and these grants beside.
    fn granted(there: &PluginDetail, more: &Grants) -> Self {
        let PluginDetail { config, grants, limits, breaker, .. } = there.clone();
        let beside = |mut there: Vec<String>, more: Vec<String>| {
            let new: Vec<_> = more.into_iter().filter(|it| !there.contains(it)).collect();
            there.extend(new);
            there
        };
        let more = shown::grants(more);
        let grants = GrantsView {
            publish: beside(grants.publish, more.publish),
            kv: beside(grants.kv, more.kv),
            http: beside(grants.http, more.http),
            secrets: beside(grants.secrets, more.secrets),
            llm: beside(grants.llm, more.llm),
            infer: beside(grants.infer, more.infer),
            hold: beside(grants.hold, more.hold),
        };
        Self { config, grants, limits, breaker }
    }
}

/// A rule as it is put.
#[derive(Serialize)]
pub struct RuleBody<'a> {
    pub(super) pattern: &'a RawValue,
    pub(super) transforms: &'a [PluginName],
    pub(super) targets: &'a [TargetView],
    pub(super) enabled: bool,
}

/// Compares all of a tenant.
///
/// # Errors
/// When something cannot be put into JSON, which would be a defect.
pub fn tenant(
    tenant: &TenantName,
    wanted: &Wanted,
    there: &There,
    prune: bool,
    plan: &mut Plan,
) -> Result<(), CommandError> {
    if there.tenant.is_none() && !wanted.whole {
        plan.troubles.push(places::no_tenant(tenant));
        return Ok(());
    }
    let mut of = Comparison { tenant, there, plan };
    if wanted.whole {
        of.whole(wanted)?;
    }
    for bus in &wanted.buses {
        let retention = wanted.retention.get(bus).copied();
        match bus.topic() {
            Some(topic) => of.topic(&topic, retention)?,
            None => of.bus(bus, (retention, wanted.bus_backlogs.get(bus).copied()))?,
        }
    }
    for (name, schema) in &wanted.schemas {
        of.schema(name, schema)?;
    }
    for (name, plugin) in &wanted.plugins {
        of.plugin(name, plugin)?;
    }
    for (name, webhook) in &wanted.webhooks {
        of.webhook(name, webhook)?;
    }
    for (name, queue) in &wanted.queues {
        of.queue(name, queue)?;
    }
    for (name, rule) in &wanted.rules {
        if !name.is_plain() {
            of.subscription(name, rule)?;
        } else if wanted.whole || !of.has_target_elsewhere(name, wanted) {
            of.rule(name, rule, wanted.whole)?;
        }
    }
    for (name, schedule) in &wanted.schedules {
        of.schedule(name, schedule)?;
    }
    for (path, route) in &wanted.routes {
        of.route(path, route)?;
    }
    if wanted.whole {
        of.rest(wanted, prune);
    }
    Ok(())
}

/// What is compared.
pub struct Comparison<'a> {
    pub(super) tenant: &'a TenantName,
    pub(super) there: &'a There,
    pub(super) plan: &'a mut Plan,
}

impl Comparison<'_> {
    fn object(&self, kind: Kind, name: &impl ToString) -> Object {
        Object { tenant: self.tenant.clone(), kind, name: name.to_string() }
    }

    pub(super) fn step(&mut self, kind: Kind, name: &impl ToString, action: Action, detail: String, work: Work) {
        let object = self.object(kind, name);
        self.plan.steps.push(Step { object, action, detail, work });
    }

    fn trouble(&mut self, kind: Kind, name: &impl ToString, code: Code, message: String, help: String) {
        let object = self.object(kind, name);
        self.plan.troubles.push(Trouble { object, code, message, help });
    }

    /// An object of the host's own file is not as this file says.
    pub(super) fn of_file(&mut self, kind: Kind, name: &impl ToString, code: Code, parts: &str) {
        let message = format!(
            "{} `{}` stands in the host's own configuration file, and differs: {parts}",
            kind.word(),
            name.to_string()
        );
        let help = "change it there, or give one of the two another name".to_owned();
        self.trouble(kind, name, code, message, help);
    }

    fn plugin(&mut self, name: &PluginName, wanted: &WantedPlugin) -> Result<(), CommandError> {
        let there = self.there.details.get(name);
        let settings = match (&wanted.settings, there) {
            (Some(settings), _) => Some(SettingsBody::from(settings)),
            (None, _) if wanted.grants.is_empty() => None,
            (None, Some(there)) => Some(SettingsBody::granted(there, &wanted.grants)),
            (None, None) => {
                let grants = wanted.grants.clone();
                Some(SettingsBody::from(&PluginSettings { grants, ..PluginSettings::default() }))
            }
        };
        if there.is_some_and(|there| there.plugin.origin == RuleOrigin::File) {
            self.plugin_of_file(name, wanted, settings.as_ref());
            return Ok(());
        }
        let mut regranted = false;
        match (settings, there) {
            (Some(settings), None) => {
                let (body, detail) = (json(&settings)?, parts::of_settings(&settings));
                let work = Work::Settings { plugin: name.clone(), body, seen: None };
                self.step(Kind::Plugin, name, Action::Add, detail, work);
            }
            (Some(settings), Some(there)) => match parts::between_settings(there, &settings) {
                parts if parts.is_empty() => self.plan.unchanged += 1,
                parts => {
                    regranted = true;
                    let seen = Some(Box::new(there.clone()));
                    let work = Work::Settings { plugin: name.clone(), body: json(&settings)?, seen };
                    self.step(Kind::Plugin, name, Action::Change, parts.join(", "), work);
                }
            },
            (None, _) => {}
        }
        self.release(name, wanted, regranted);
        Ok(())
    }

    fn plugin_of_file(&mut self, name: &PluginName, wanted: &WantedPlugin, settings: Option<&SettingsBody>) {
        let Some(there) = self.there.details.get(name) else { return };
        let mut parts = settings.map(|settings| parts::between_settings(there, settings)).unwrap_or_default();
        if there.plugin.stable != Some(wanted.component.release) {
            parts.push("component".to_owned());
        }
        match parts.is_empty() {
            true => self.plan.unchanged += 1,
            false => self.of_file(Kind::Plugin, name, Code::PluginOfFile, &parts.join(", ")),
        }
    }

    /// The release and its traffic.
    fn release(&mut self, name: &PluginName, wanted: &WantedPlugin, regranted: bool) {
        let component = &wanted.component;
        let there = self.there.plugins.get(name);
        let stable = there.and_then(|plugin| plugin.stable);
        if stable == Some(component.release) {
            self.plan.unchanged += 1;
            return;
        }
        let known = self.there.releases.get(name).filter(|release| release.state == ReleaseState::Ready);
        let is_vouched_for = known.is_some_and(|release| release.signed_by.is_some()) || !has_signatures(component);
        if known.is_none() || !is_vouched_for {
            let what = if known.is_some() { "its signatures".to_owned() } else { size(component.bytes) };
            let detail = format!("{} ({what})", component.release.short());
            let work = Work::Release { plugin: name.clone(), component: component.clone(), regranted };
            self.step(Kind::Release, name, Action::Add, detail, work);
        }
        let from = stable.map_or_else(|| "none".to_owned(), |stable| stable.short());
        let detail = format!("{from} -> {}{}", component.release.short(), self.remark(name, wanted));
        let trial = there.and_then(|there| there.canary.as_ref()).map(|canary| canary.release);
        let work = Work::Promote { plugin: name.clone(), release: component.release, seen: (stable, trial) };
        let action = if stable.is_some() { Action::Change } else { Action::Add };
        self.step(Kind::Traffic, name, action, detail, work);
    }

    /// What else one may want to know before a release gets all traffic.
    fn remark(&self, name: &PluginName, wanted: &WantedPlugin) -> String {
        let Some(PluginDetail { plugin, history, .. }) = self.there.details.get(name) else { return String::new() };
        if let Some(canary) = &plugin.canary {
            let whose = if canary.release == wanted.component.release { "its" } else { "another's" };
            return format!(", ends {whose} trial with {}", printable(&canary.share));
        }
        let release = Some(wanted.component.release);
        let left = history
            .last()
            .filter(|last| last.from == release || last.action == "canary-ended" && Some(last.release) == release);
        left.map_or_else(String::new, |entry| {
            let reason = if entry.reason.is_empty() { "no reason was given" } else { &entry.reason };
            format!(", which was taken back: {}", printable(reason))
        })
    }

    fn schema(&mut self, name: &SchemaName, wanted: &SchemaDocument) -> Result<(), CommandError> {
        let Some(there) = self.there.schemas.get(name) else {
            let detail = format!("{} on {}, {}", printable(&wanted.kind), wanted.bus, wanted.mode.as_str());
            let work = Work::Schema { schema: name.clone(), body: json(wanted)?, seen: None };
            self.step(Kind::Schema, name, Action::Add, detail, work);
            return Ok(());
        };
        let parts = parts::between_schemas(there, wanted);
        if parts.is_empty() {
            self.plan.unchanged += 1;
        } else if there.origin == RuleOrigin::File {
            self.of_file(Kind::Schema, name, Code::SchemaOfFile, &parts.join(", "));
        } else if let Some(why) = breaks(there, wanted) {
            let message = format!("it cannot follow the version that is in force: {why}");
            let help = format!(
                "keep what was valid valid, or put it by hand: wharf schema add {name} FILE --compatibility none"
            );
            self.trouble(Kind::Schema, name, Code::SchemaIncompatible, message, help);
        } else {
            let work = Work::Schema { schema: name.clone(), body: json(wanted)?, seen: there.version };
            self.step(Kind::Schema, name, Action::Change, parts.join(", "), work);
        }
        Ok(())
    }

    /// Of a rule that no file says its pattern is told too.
    fn rule(&mut self, name: &RuleName, wanted: &RuleDocument, of_file: bool) -> Result<(), CommandError> {
        let shown = shown::rule(name, wanted).map_err(unshown)?;
        let RuleView { bus, pattern, transforms, targets, enabled, .. } = &shown;
        let body = RuleBody { pattern, transforms, targets, enabled: *enabled };
        let put = |body: &RuleBody<'_>, seen| {
            Ok::<_, CommandError>(Work::Rule { bus: bus.clone(), rule: name.clone(), body: json(body)?, seen })
        };
        let Some(there) = self.there.rules.get(name) else {
            let work = put(&body, None)?;
            let pattern = if of_file { String::new() } else { format!("{} ", clipped(pattern.get())) };
            self.step(Kind::Rule, name, Action::Add, pattern + &parts::of_rule(&body), work);
            return Ok(());
        };
        if there.bus != *bus {
            let message = format!("it listens on the bus `{}`, and the file has it on `{bus}`", there.bus);
            let help = format!(
                "give it another name, or remove the one that is there: wharf rules rm {name} --bus {}",
                there.bus
            );
            self.trouble(Kind::Rule, name, Code::RuleElsewhere, message, help);
            return Ok(());
        }
        let parts = parts::between_rules(there, &body).join(", ");
        if parts.is_empty() {
            self.plan.unchanged += 1;
        } else if there.origin == RuleOrigin::File {
            self.of_file(Kind::Rule, name, Code::RuleOfFile, &parts);
        } else {
            let work = put(&body, there.version)?;
            self.step(Kind::Rule, name, Action::Change, parts, work);
        }
        Ok(())
    }

    /// Whether a rule of another name brings events to the one plugin that is deployed: then it needs none of its own, by which each event would
    /// come twice.
    fn has_target_elsewhere(&mut self, name: &RuleName, wanted: &Wanted) -> bool {
        let calls =
            |target: &TargetView| target.plugin.as_ref().is_some_and(|it| wanted.plugins.contains_key(&it.plugin));
        let mut rules = self.there.rules.values().filter(|rule| rule.rule != *name);
        let Some(rule) = rules.find(|rule| rule.targets.iter().any(calls)) else { return false };
        let note = format!("rule {} brings it events already, so none is made of what its handler declares", rule.rule);
        self.plan.notes.push(note);
        true
    }

    /// What the API has made and the file does not name.
    fn rest(&mut self, wanted: &Wanted, prune: bool) {
        let of_api = |origin| origin == RuleOrigin::Api;
        let (there, of) = (self.there, Resource::of(self.tenant));
        let rules = there.rules.values().filter(|it| of_api(it.origin) && !wanted.rules.contains_key(&it.rule));
        let rules = rules.map(|RuleView { rule, bus, .. }| {
            (Kind::Rule, rule.to_string(), of.clone().at("buses").at(bus).at("rules").at(rule))
        });
        let is_wanted =
            |it: &SubscriptionView| wanted.rules.contains_key(&RuleName::of_subscription(&it.topic, &it.subscription));
        let subscriptions = there.subscriptions.values().filter(|it| of_api(it.origin) && !is_wanted(it));
        let subscriptions = subscriptions.map(|SubscriptionView { topic, subscription, .. }| {
            let at = of.clone().at("topics").at(topic).at("subscriptions").at(subscription);
            (Kind::Subscription, format!("{topic}/{subscription}"), at)
        });
        let named = |kind, names: Vec<String>, folder: &'static str| {
            let of = of.clone().at(folder);
            names.into_iter().map(move |name| (kind, name.clone(), of.clone().at(name)))
        };
        let plugins = there.plugins.values().filter(|it| of_api(it.origin) && !wanted.plugins.contains_key(&it.plugin));
        let plugins = named(Kind::Plugin, plugins.map(|it| it.plugin.to_string()).collect(), "plugins");
        let schemas = there.schemas.values().filter(|it| of_api(it.origin) && !wanted.schemas.contains_key(&it.schema));
        let schemas = named(Kind::Schema, schemas.map(|it| it.schema.to_string()).collect(), "schemas");
        let webhooks =
            there.webhooks.values().filter(|it| of_api(it.origin) && !wanted.webhooks.contains_key(&it.webhook));
        let webhooks = named(Kind::Webhook, webhooks.map(|it| it.webhook.to_string()).collect(), "webhooks");
        let queues = there.queues.values().filter(|it| of_api(it.origin) && !wanted.queues.contains_key(&it.queue));
        let queues = named(Kind::Queue, queues.map(|it| it.queue.to_string()).collect(), "queues");
        let schedules =
            there.schedules.values().filter(|it| of_api(it.origin) && !wanted.schedules.contains_key(&it.schedule));
        let schedules = named(Kind::Schedule, schedules.map(|it| it.schedule.to_string()).collect(), "schedules");
        let is_wanted = |it: &TopicView| wanted.buses.contains(&BusName::of_topic(&it.topic));
        let topics = there.topics.values().filter(|it| of_api(it.origin) && !is_wanted(it));
        let topics = named(Kind::Topic, topics.map(|it| it.topic.to_string()).collect(), "topics");
        let buses = there.buses.values().filter(|it| of_api(it.origin) && !wanted.buses.contains(&it.bus));
        let buses = named(Kind::Bus, buses.map(|it| it.bus.to_string()).collect(), "buses");
        let routes = there.routes.values().filter(|it| of_api(it.origin) && !wanted.routes.contains_key(&it.route));
        let routes = named(Kind::Route, routes.map(|it| it.route.to_string()).collect(), "routes");
        let places = schedules.chain(routes).chain(queues).chain(buses).chain(subscriptions).chain(topics);
        for (kind, name, at) in rules.chain(plugins).chain(schemas).chain(webhooks).chain(places) {
            if prune {
                let work = Work::Remove { at, seen: None };
                self.step(kind, &name, Action::Remove, "not in the file".to_owned(), work);
            } else {
                let object = self.object(kind, &name);
                self.plan.unlisted.push(object);
            }
        }
    }
}

/// Whether signatures lie beside a component.
fn has_signatures(component: &Component) -> bool {
    // A file that cannot be read is told of when it is sent.
    matches!(&component.source, Source::File(file) if plugin::signatures_beside(file).map_or(true, |found| !found.is_empty()))
}

/// Why a schema cannot follow the one that is there, if that can be told here. The host has the last word.
fn breaks(there: &SchemaView, wanted: &SchemaDocument) -> Option<String> {
    let old = Schema::parse(&there.document.as_ref()?.to_string()).ok()?;
    let new = Schema::parse(&wanted.schema.to_string()).ok()?;
    let found = compatibility(&old, &new, Mode::Backward);
    let told: Vec<_> = found.iter().map(|it| format!("/schema{}: {}", it.pointer, it.why)).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// What is wanted cannot be shown as a host would, which is told as one would refuse it.
pub(super) fn unshown(refusal: Refusal) -> ClientError {
    let (status, code) = (refusal.code.status(), refusal.code.to_string());
    ClientError::Refused(Reply { status, code, detail: refusal.detail, retry_after_s: None })
}

/// A document as it is put.
pub fn json(value: &impl Serialize) -> Result<Vec<u8>, CommandError> {
    serde_json::to_vec(value).map_err(|error| ClientError::NotUnderstood(error).into())
}

/// Bytes of a component, for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} KB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}
