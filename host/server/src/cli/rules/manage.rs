//! `wharf rules ls|show|add|rm|enable|disable`: the rules of a bus, read and changed while events flow.

use serde::Serialize;
use wharf_event::{BusName, PluginAt, PluginName, QueueName, RuleName, TopicName, WebhookName};
use wharf_gateway::view::RuleView;
use wharf_pattern::Pattern;

use super::{
    super::{
        error::{CommandError, Exit},
        input, object,
        output::Output,
        pages,
        session::Session,
        words::{clipped, faint, good, printable},
    },
    AddArgs, ListArgs, Named,
};
use crate::client::{ClientError, Resource};

/// What a rule is shown with beyond what it is put as.
const SHOWN: [&str; 2] = ["rule", "origin"];

/// What replacing a rule does.
const THERE: &str = "--replace puts this rule in the place of the one that is there";

/// A rule made of a command line. The pattern goes as its text, so that it counts as it is spelled.
#[derive(Serialize)]
struct Draft<'a> {
    pattern: &'a str,
    transforms: &'a [PluginName],
    targets: Vec<Target<'a>>,
    enabled: bool,
}

/// Who gets the events, as it is said on a command line.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Target<'a> {
    /// A plugin, or a channel of one.
    Plugin(&'a PluginAt),
    /// A webhook.
    Webhook(&'a WebhookName),
    /// A queue.
    Queue(&'a QueueName),
    /// Another bus.
    Bus(&'a BusName),
    /// A topic.
    Topic(&'a TopicName),
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
        let origin = object::origin(rule.origin);
        let state = if rule.enabled { "enabled" } else { "disabled" };
        let pattern = clipped(rule.pattern.get());
        [rule.rule.to_string(), state.to_owned(), origin.to_owned(), targets.join(", "), pattern]
    };
    out.table(["RULE", "STATE", "FROM", "TARGETS", "PATTERN"], rules.iter().map(row).collect())?;
    object::more(rules.len(), limit, rules.last().map(|last| &last.rule));
    Ok(Exit::Success)
}

/// Makes a rule.
pub async fn add(args: &AddArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let Named { rule, bus } = &args.named;
    let at = rules(session, bus).at(rule);
    let rule = object::put(session, &at, document(args)?, args.replace, THERE).await?;
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
    let buses = args.buses.iter().map(Target::Bus).chain(args.topics.iter().map(Target::Topic));
    let draft = Draft {
        pattern: &String::from_utf8_lossy(&pattern),
        transforms: &args.transforms,
        targets: plugins.chain(others).chain(buses).collect(),
        enabled: !args.disabled,
    };
    serde_json::to_vec(&draft).map_err(|error| ClientError::NotUnderstood(error).into())
}

/// Shows a rule.
pub async fn show(named: &Named, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let rule: RuleView = session.client.get(&rules(session, &named.bus).at(&named.rule)).await?;
    if out.is_json() {
        out.document(&rule)?;
        return Ok(Exit::Success);
    }
    let mut facts = vec![
        ("rule", rule.rule.to_string()),
        ("bus", rule.bus.to_string()),
        ("from", object::origin(rule.origin).to_owned()),
        ("state", if rule.enabled { "enabled" } else { "disabled" }.to_owned()),
        ("pattern", rule.pattern.get().to_owned()),
    ];
    facts.extend(rule.transforms.iter().map(|plugin| ("transform", plugin.to_string())));
    for target in &rule.targets {
        facts.push(("target", serde_json::to_string(target).map_err(ClientError::NotUnderstood)?));
    }
    for (name, value) in facts {
        out.line(&format!("{}  {}", faint(&format!("{name:<9}")), printable(&value)))?;
    }
    Ok(Exit::Success)
}

/// Removes a rule.
pub async fn remove(named: &Named, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let Named { rule, bus } = named;
    session.client.delete(&rules(session, bus).at(rule)).await?;
    if out.is_json() {
        out.document(&Removed { removed: rule, bus })?;
    } else {
        object::gone(rule, out)?;
    }
    Ok(Exit::Success)
}

/// Switches a rule on or off. All else of it stays, also what this program does not know.
pub async fn switch(named: &Named, enabled: bool, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let at = rules(session, &named.bus).at(&named.rule);
    let rule = object::turn(session, &at, ("enabled", enabled), &SHOWN).await?;
    tell(if enabled { "enabled" } else { "disabled" }, &rule, out)
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
