//! Subscriptions are listed, made and removed.

use serde::Serialize;
use wharf_event::{PluginName, SubscriptionName, TopicName};
use wharf_gateway::view::{RuleVerdict, SubscriptionView};
use wharf_pattern::Pattern;

use super::{
    super::{
        draft,
        error::{CommandError, Exit},
        input, object,
        output::Output,
        pages,
        rules::{self, Target},
        session::Session,
        words::{clipped, good},
    },
    ExplainArgs, ListArgs, SubscribeArgs, Subscribed,
    manage::at,
};
use crate::client::{ClientError, Resource};

/// What replacing a subscription does.
const THERE: &str = "--replace puts this subscription in the place of the one that is there";

/// A subscription made of a command line. The pattern goes as its text, so that it counts as it is spelled.
#[derive(Serialize)]
struct Draft<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<&'a str>,
    transforms: &'a [PluginName],
    targets: Vec<Target<'a>>,
    raw: bool,
    enabled: bool,
}

#[derive(Serialize)]
struct Removed<'a> {
    removed: &'a SubscriptionName,
    topic: &'a TopicName,
}

fn one(session: &Session, of: &Subscribed) -> Resource {
    at(session, &of.named.topic).at("subscriptions").at(&of.subscription)
}

/// Says whether the event in a file would match, and where it does not.
pub(super) async fn explain(args: &ExplainArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let event = draft::read(&args.event)?;
    let at = one(session, &args.of).at("explain");
    let verdict: RuleVerdict = session.client.post(&at, "application/cloudevents+json", event.to_json()).await?;
    if out.is_json() {
        out.document(&verdict)?;
    } else {
        rules::tell(&[verdict], out)?;
    }
    Ok(Exit::Success)
}

pub(super) async fn put(args: &SubscribeArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let put = object::put(session, &one(session, &args.of), document(args)?, args.replace, THERE).await?;
    let made: SubscriptionView = put;
    if out.is_json() {
        out.document(&made)?;
    } else {
        let version = made.version.map_or_else(String::new, |version| format!("  version {version}"));
        out.line(&format!("{}  {} on {}{version}", good("in force"), made.subscription, made.topic))?;
    }
    Ok(Exit::Success)
}

/// What is put: a file as it is, or a document made of the command line.
fn document(args: &SubscribeArgs) -> Result<Vec<u8>, CommandError> {
    if let Some(file) = &args.file {
        return input::whole(file);
    }
    let pattern = args.pattern.as_deref().map(input::said).transpose()?;
    if let Some(pattern) = &pattern {
        // What is no pattern is told before anything is sent.
        Pattern::from_json(pattern)?;
    }
    let pattern = pattern.as_ref().map(|pattern| String::from_utf8_lossy(pattern));
    let plugins = args.targets.iter().map(Target::Plugin);
    let others = args.webhooks.iter().map(Target::Webhook).chain(args.queues.iter().map(Target::Queue));
    let buses = args.buses.iter().map(Target::Bus).chain(args.topics.iter().map(Target::Topic));
    let draft = Draft {
        pattern: pattern.as_deref(),
        transforms: &args.transforms,
        targets: plugins.chain(others).chain(buses).collect(),
        raw: !args.envelope,
        enabled: !args.disabled,
    };
    serde_json::to_vec(&draft).map_err(|error| ClientError::NotUnderstood(error).into())
}

pub(super) async fn remove(of: &Subscribed, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    session.client.delete(&one(session, of)).await?;
    if out.is_json() {
        out.document(&Removed { removed: &of.subscription, topic: &of.named.topic })?;
    } else {
        object::gone(&of.subscription, out)?;
    }
    Ok(Exit::Success)
}

pub(super) async fn list(args: ListArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let ListArgs { named, after, limit } = args;
    let of = at(session, &named.topic).at("subscriptions");
    let page = |rows, after: Option<String>| of.clone().ask("limit", rows).ask_some("after", after);
    let after = after.map(|after| after.to_string());
    let name_of = |it: &SubscriptionView| it.subscription.to_string();
    let all = pages::gather(&session.client, limit, after, page, name_of).await?;
    if out.is_json() {
        out.document(&all)?;
        return Ok(Exit::Success);
    }
    let row = |it: &SubscriptionView| {
        let targets: Vec<_> = it.targets.iter().map(ToString::to_string).collect();
        let state = if it.enabled { "enabled" } else { "disabled" };
        let form = if it.raw { "raw" } else { "envelope" };
        let pattern = it.pattern.as_ref().map_or_else(|| "everything".to_owned(), |pattern| clipped(pattern.get()));
        let [state, form, origin] = [state, form, object::origin(it.origin)].map(ToOwned::to_owned);
        [it.subscription.to_string(), state, origin, form, targets.join(", "), pattern]
    };
    let head = ["SUBSCRIPTION", "STATE", "FROM", "FORM", "TARGETS", "PATTERN"];
    out.table(head, all.iter().map(row).collect())?;
    object::more(all.len(), limit, all.last().map(|last| &last.subscription));
    Ok(Exit::Success)
}
