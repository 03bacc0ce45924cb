//! What is different between two objects of a kind, in words.
//!
//! Invariant: nothing is said exactly when the two are the same to a host. What of is told is enough to know whether one wants it: grants
//! and limits with their values, settings of a plugin by their keys only, since those may be secret.

use std::collections::{BTreeMap, BTreeSet};

use wharf_gateway::view::{GrantsView, LimitView, PluginDetail, RuleView, SchemaView, TargetView};

use super::compare::{RuleBody, SettingsBody};
use crate::cli::words::clipped;

/// What a plugin that is new is given, as far as it is more than nothing.
pub fn of_settings(settings: &SettingsBody) -> String {
    let mut said = grants(&GrantsView::default(), &settings.grants);
    said.extend(config(&BTreeMap::new(), &settings.config));
    said.join(", ")
}

/// What becomes different of a plugin's settings.
pub fn between_settings(there: &PluginDetail, wanted: &SettingsBody) -> Vec<String> {
    let mut said = grants(&there.grants, &wanted.grants);
    said.extend(config(&there.config, &wanted.config));
    for name in union(there.limits.keys(), wanted.limits.keys()) {
        let (old, new) = (there.limits.get(name), wanted.limits.get(name));
        if old != new {
            let value = |limit: Option<&LimitView>| limit.map_or_else(|| "none".to_owned(), ToString::to_string);
            said.push(format!("{} {} -> {}", clipped(name), value(old), value(new)));
        }
    }
    if there.breaker != wanted.breaker {
        said.push(if wanted.breaker.is_some() { "breaker".to_owned() } else { "no breaker".to_owned() });
    }
    said
}

fn grants(there: &GrantsView, wanted: &GrantsView) -> Vec<String> {
    let mut said = Vec::new();
    let kinds = [
        ("publish", &there.publish, &wanted.publish),
        ("kv", &there.kv, &wanted.kv),
        ("http", &there.http, &wanted.http),
        ("secrets", &there.secrets, &wanted.secrets),
        ("llm", &there.llm, &wanted.llm),
        ("infer", &there.infer, &wanted.infer),
        ("hold", &there.hold, &wanted.hold),
    ];
    for (what, old, new) in kinds {
        let (olds, news): (BTreeSet<_>, BTreeSet<_>) = (old.iter().collect(), new.iter().collect());
        said.extend(news.difference(&olds).map(|name| format!("grants {what} {}", clipped(name))));
        said.extend(olds.difference(&news).map(|name| format!("revokes {what} {}", clipped(name))));
        if olds == news && old != new {
            said.push(format!("order of {what}"));
        }
    }
    said
}

fn config(there: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> Option<String> {
    let names = union(there.keys(), wanted.keys()).into_iter();
    let names: Vec<_> = names.filter(|name| there.get(*name) != wanted.get(*name)).map(|name| clipped(name)).collect();
    (!names.is_empty()).then(|| format!("config {}", names.join(" ")))
}

fn union<'a>(one: impl Iterator<Item = &'a String>, other: impl Iterator<Item = &'a String>) -> BTreeSet<&'a String> {
    one.chain(other).collect()
}

/// Who gets what a rule matches.
pub fn of_rule(rule: &RuleBody<'_>) -> String {
    let names: Vec<_> = rule.targets.iter().map(|target| target.to_string()).collect();
    let enabled = if rule.enabled { "" } else { ", disabled" };
    format!("to {}{enabled}", names.join(", "))
}

/// What becomes different of a rule.
pub fn between_rules(there: &RuleView, wanted: &RuleBody<'_>) -> Vec<&'static str> {
    let targets = |all: &[TargetView]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut said = Vec::new();
    if there.pattern.get() != wanted.pattern.get() {
        said.push("pattern");
    }
    if there.transforms != wanted.transforms {
        said.push("transforms");
    }
    if targets(&there.targets) != targets(wanted.targets) {
        said.push("targets");
    } else if there.targets != wanted.targets {
        said.push("settings of targets");
    }
    if there.enabled != wanted.enabled {
        said.push(if wanted.enabled { "enabled" } else { "disabled" });
    }
    said
}

/// What becomes different of a schema.
pub fn between_schemas(there: &SchemaView, wanted: &wharf_delivery::SchemaDocument) -> Vec<String> {
    let mut said = Vec::new();
    if there.bus != wanted.bus {
        said.push(format!("bus {} -> {}", there.bus, wanted.bus));
    }
    if there.kind != wanted.kind {
        said.push(format!("type {} -> {}", clipped(&there.kind), clipped(&wanted.kind)));
    }
    if there.mode != wanted.mode.as_str() {
        said.push(format!("{} -> {}", clipped(&there.mode), wanted.mode.as_str()));
    }
    if there.document.as_ref() != Some(&wanted.schema) {
        said.push("document".to_owned());
    }
    said
}
