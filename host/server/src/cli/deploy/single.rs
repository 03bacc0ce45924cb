//! One component as a project of its own: a release of its plugin, and the rule that its handler declares.
//!
//! Invariant: a rule is wanted only where the component says which events it is for, and what it says of them is read as a rule of a
//! `wharf.toml` is. Nothing is granted that was not asked for by a word of whoever deploys.

use std::{collections::BTreeSet, path::Path};

use serde_json::{Map, Value, json};
use wharf_delivery::RuleDocument;
use wharf_event::{BusName, Code, Declared, EventTypes, Grants, PluginName, RuleName};
use wharf_gateway::Mistake;
use wharf_inspect::{Kind, declared, describe, limits::COMPONENT_BYTES_MAX};

use super::super::{
    args::Global,
    error::{CommandError, talk},
    session::Session,
};
use crate::{
    author::plugin_name,
    compile::read_bounded,
    config::{self, Beside, DEFAULT_BUS},
    failure::Failure,
    project::{self, Project, Source, Wanted, WantedPlugin},
};

/// What is wanted where one component is deployed.
///
/// # Errors
/// When it cannot be read, or what it declares makes no rule.
pub async fn project(
    named: &str,
    plugin: Option<PluginName>,
    grant: bool,
    global: &Global,
) -> Result<Project, CommandError> {
    let failed = |failure: Failure| CommandError::Load(failure);
    let plugin = plugin.map_or_else(|| name_of(named), Ok).map_err(failed)?;
    let (component, kind) = project::component(Path::new(""), named)
        .await
        .map_err(|(code, message, help)| failed(Failure::new(code, format!("component {named}: {message}"), help)))?;
    let Session { tenant, .. } = Session::open(global).await?;
    let mut wanted = Wanted::default();
    let mut grants = Grants::default();
    match &component.source {
        Source::File(path) => {
            let wasm = read_bounded(path, COMPONENT_BYTES_MAX as u64 + 1).map_err(|error| {
                let help = "is it still there?";
                failed(Failure::new(Code::ComponentMissing, format!("component {named}: {error}"), help))
            })?;
            let unfit = |error: wharf_inspect::ComponentError| failed(Failure::of(error.code(), &error));
            if grant {
                grants = describe(&wasm).map_err(unfit)?.asks().of_plugin(&plugin).said.said();
            }
            let declared = declared(&wasm).map_err(unfit)?;
            match kind {
                Some(Kind::Handler | Kind::Command) if !declared.on.is_empty() => {
                    let (name, rule) = rule(&plugin, &declared).map_err(failed)?;
                    wanted.rules.insert(name, rule);
                }
                _ if !declared.on.is_empty() => {
                    talk("what it says of events makes no rule: only a handler of single events is a rule's target");
                }
                _ => {}
            }
        }
        Source::Registry(..) if grant => {
            let message = "of a component in a registry only the manifest is read, so what it asks for is not known";
            let help = format!("leave --grant out; when the release is there: wharf grant approve {plugin}");
            return Err(failed(Failure::new(Code::GrantUnsaid, message, help)));
        }
        Source::Registry(..) => {}
    }
    wanted.plugins.insert(plugin, WantedPlugin { component, settings: None, grants });
    Ok(Project { tenants: [(tenant, wanted)].into() })
}

/// The plugin that a file is named after: `order_totals.wasm` is a release of `order-totals`.
fn name_of(named: &str) -> Result<PluginName, Failure> {
    let name = plugin_name(Path::new(named)).ok().filter(|_| !named.contains("://"));
    name.ok_or_else(|| {
        let message = format!("{named} does not say which plugin it is a release of");
        Failure::new(Code::PluginInvalid, message, "say it: --plugin NAME")
    })
}

/// The rule that a handler declares. It has the plugin's name.
fn rule(plugin: &PluginName, declared: &Declared) -> Result<(RuleName, RuleDocument), Failure> {
    let none = BTreeSet::new();
    let (name, bus): (RuleName, BusName) = match (plugin.as_str().parse(), DEFAULT_BUS.parse()) {
        (Ok(name), Ok(bus)) => (name, bus),
        (Err(error), _) | (_, Err(error)) => return Err(Failure::of(Code::RuleInvalid, &error)),
    };
    let beside = Beside {
        rule: &name,
        bus: &bus,
        buses: &BTreeSet::from([bus.clone()]),
        plugins: &BTreeSet::from([plugin.clone()]),
        webhooks: &BTreeSet::new(),
        queues: &none,
    };
    let read = config::read_rule(document(plugin, declared).to_string().as_bytes(), beside);
    let rule = read.map_err(|wrong| {
        let told = |Mistake { pointer, detail }: &Mistake| format!("{pointer}: {detail}");
        let told: Vec<_> = wrong.mistakes.iter().map(told).collect();
        let message = format!("what the handler declares makes no rule: {}", told.join("; "));
        Failure::new(Code::ComponentHandler, message, "correct what it declares, and build it again")
    })?;
    Ok((name, rule))
}

/// The rule as the API takes it.
fn document(plugin: &PluginName, declared: &Declared) -> Value {
    let types: Vec<Value> = declared.on.iter().map(matcher).collect();
    let mut target = Map::from_iter([("plugin".to_owned(), json!(plugin))]);
    target.extend(declared.order_by.as_ref().map(|path| ("order_by".to_owned(), json!(path))));
    target.extend(declared.retry.as_ref().map(|retry| ("retry".to_owned(), json!(retry))));
    json!({ "pattern": { "type": types }, "targets": [target] })
}

/// What a pattern says of event types.
fn matcher(types: &EventTypes) -> Value {
    match types.as_str().strip_suffix('*') {
        Some("") => json!({ "exists": true }),
        Some(begin) => json!({ "prefix": begin }),
        None => json!(types),
    }
}

#[cfg(test)]
mod tests {
    use wharf_event::declared_from_json;

    use super::*;

    fn declared(text: &str) -> Declared {
        declared_from_json(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_a_handler_declares_is_a_rule_of_its_plugin() {
        let plugin: PluginName = "orders".parse().unwrap();
        let said = declared(
            r#"{"on": ["order.created", "refund.*"], "order_by": "$.data.n", "retry": {"attempts": 3, "first": "2s"}}"#,
        );
        let expected = json!({
            "pattern": {"type": ["order.created", {"prefix": "refund."}]},
            "targets": [{"plugin": "orders", "order_by": "$.data.n", "retry": {"attempts": 3, "first": "2s"}}],
        });
        assert_eq!(document(&plugin, &said), expected);
        let (name, rule) = rule(&plugin, &said).unwrap();
        assert_eq!((name.as_str(), rule.bus.as_str(), rule.targets.len()), ("orders", "default", 1));
        assert!(super::rule(&plugin, &declared(r#"{"on": ["*"]}"#)).is_ok());
    }

    #[test]
    fn what_makes_no_rule_is_told_with_its_place() {
        let plugin: PluginName = "orders".parse().unwrap();
        for (text, place) in [
            (r#"{"on": ["a"], "order_by": "data.n"}"#, "/targets/0/order_by"),
            (r#"{"on": ["a"], "retry": {"first": "soon"}}"#, "/targets/0/retry/first"),
            (r#"{"on": ["a"], "retry": {"attempts": 0}}"#, "/targets/0/retry/attempts"),
        ] {
            let failure = rule(&plugin, &declared(text)).unwrap_err();
            assert_eq!(failure.code(), Code::ComponentHandler);
            assert!(failure.to_string().contains(place), "{failure}");
        }
    }

    #[test]
    fn a_file_is_named_after_its_plugin() {
        assert_eq!(name_of("build/Order_totals.wasm").unwrap().as_str(), "order-totals");
        for named in ["oci://registry.example.com/orders:1", "a b.wasm", ""] {
            assert!(name_of(named).is_err(), "{named}");
        }
    }
}
