//! `wharf rules ls|add|rm|enable|disable`: the rules of a bus, read and changed while events flow.
//!
//! Invariant: nothing is overwritten that was not seen: a rule is made where there is none unless `--replace` says otherwise, and
//! one that is switched on or off is else put back as it was read.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use wharf_event::{BusName, Code, PluginAt, PluginName, QueueName, RuleName, WebhookName};
use wharf_gateway::view::{RuleOrigin, RuleView};
use wharf_pattern::Pattern;

use super::{
    super::{
        error::{CommandError, Exit, talk},
        input,
        output::Output,
        pages,
        session::Session,
        words::{clipped, good},
    },
    AddArgs, ListArgs, Named,
};
use crate::client::{ClientError, Condition, Resource};

/// A rule made of a command line. The pattern goes as its text, so that it counts as it is spelled.
#[derive(Serialize)]
struct Draft<'a> {
    pattern: &'a str,
    transforms: &'a [PluginName],
    targets: Vec<Target<'a>>,
    enabled: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Target<'a> {
    Plugin(&'a PluginAt),
    Webhook(&'a WebhookName),
    Queue(&'a QueueName),
}

#[derive(Serialize)]
struct Removed<'a> {
    removed: &'a RuleName,
    bus: &'a BusName,
}

fn rules(session: &Session, bus: &BusName) -> Resource {
    session.own().at("buses").at(bus).at("rules")
}

/// Lists the rules of a bus.
pub async fn list(args: ListArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let ListArgs { bus, after, limit } = args;
    let of = rules(session, &bus);
    let page = |rows, after: Option<String>| of.clone().ask("limit", rows).ask_some("after", after);
    let after = after.map(|after| after.to_string());
    let rules = pages::gather(&session.client, limit, after, page, |rule: &RuleView| rule.rule.to_string()).await?;
    if out.is_json() {
        out.document(&rules)?;
        return Ok(Exit::Success);
    }
    let row = |rule: &RuleView| {
        let targets: Vec<_> = rule.targets.iter().map(ToString::to_string).collect();
        let origin = match rule.origin {
            RuleOrigin::File => "file",
            RuleOrigin::Api => "api",
        };
        let state = if rule.enabled { "enabled" } else { "disabled" };
        let pattern = clipped(rule.pattern.get());
        [rule.rule.to_string(), state.to_owned(), origin.to_owned(), targets.join(", "), pattern]
    };
    out.table(["RULE", "STATE", "FROM", "TARGETS", "PATTERN"], rules.iter().map(row).collect())?;
    if let Some(last) = rules.last().filter(|_| u32::try_from(rules.len()).is_ok_and(|rows| rows == limit)) {
        talk(&format!("more: --after {}", last.rule));
    }
    Ok(Exit::Success)
}

/// Makes a rule.
pub async fn add(args: &AddArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let Named { rule, bus } = &args.named;
    let condition = if args.replace { Condition::None } else { Condition::Absent };
    let put = session.client.put(&rules(session, bus).at(rule), document(args)?, condition).await;
    let rule = put.map_err(|error| match &error {
        ClientError::Refused(reply) if reply.code == Code::VersionConflict.as_str() => CommandError::RuleThere(error),
        _ => error.into(),
    })?;
    tell("in force", &rule, out)
}

/// What is put: a file as it is, or a document made of the command line.
fn document(args: &AddArgs) -> Result<Vec<u8>, CommandError> {
    if let Some(file) = &args.file {
        return input::whole(file);
    }
    let pattern = input::said(args.pattern.as_deref().unwrap_or_default())?;
    // What is no pattern is told before anything is sent.
    Pattern::from_json(&pattern)?;
    let plugins = args.targets.iter().map(Target::Plugin);
    let others = args.webhooks.iter().map(Target::Webhook).chain(args.queues.iter().map(Target::Queue));
    let draft = Draft {
        pattern: &String::from_utf8_lossy(&pattern),
        transforms: &args.transforms,
        targets: plugins.chain(others).collect(),
        enabled: !args.disabled,
    };
    serde_json::to_vec(&draft).map_err(|error| ClientError::NotUnderstood(error).into())
}

/// Removes a rule.
pub async fn remove(named: &Named, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let Named { rule, bus } = named;
    session.client.delete(&rules(session, bus).at(rule)).await?;
    if out.is_json() {
        out.document(&Removed { removed: rule, bus })?;
    } else {
        out.line(&format!("{}  {rule}", good("removed")))?;
    }
    Ok(Exit::Success)
}

/// Switches a rule on or off. All else of it stays, also what this program does not know.
pub async fn switch(named: &Named, enabled: bool, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let at = rules(session, &named.bus).at(&named.rule);
    let text: Box<RawValue> = session.client.get(&at).await?;
    let before: RuleView = serde_json::from_str(text.get()).map_err(ClientError::NotUnderstood)?;
    let word = if enabled { "enabled" } else { "disabled" };
    if before.enabled == enabled {
        return tell(word, &before, out);
    }
    let mut document: BTreeMap<&str, &RawValue> =
        serde_json::from_str(text.get()).map_err(ClientError::NotUnderstood)?;
    for name in ["rule", "origin", "version"] {
        document.remove(name);
    }
    let switched = serde_json::value::to_raw_value(&enabled).map_err(ClientError::NotUnderstood)?;
    document.insert("enabled", &switched);
    let document = serde_json::to_vec(&document).map_err(ClientError::NotUnderstood)?;
    let condition = before.version.map_or(Condition::None, Condition::Version);
    let rule: RuleView = session.client.put(&at, document, condition).await?;
    tell(word, &rule, out)
}

fn tell(word: &str, rule: &RuleView, out: &mut Output) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(rule)?;
    } else {
        let version = rule.version.map_or_else(String::new, |version| format!("  version {version}"));
        out.line(&format!("{}  {} on {}{version}", good(word), rule.rule, rule.bus))?;
    }
    Ok(Exit::Success)
}
