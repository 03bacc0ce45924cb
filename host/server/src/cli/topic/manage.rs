//! Topics are listed, shown, made and removed, and published to.

use serde_json::{Map, Value, json};
use wharf_event::TopicName;
use wharf_gateway::view::{Accepted, TopicView};

use super::{
    super::{
        batch, draft,
        error::{CommandError, Exit},
        object,
        output::Output,
        pages,
        session::Session,
        words::{clipped, faint, good, printable},
    },
    CreateArgs, PublishArgs,
};
use crate::client::Resource;

/// What is published.
const EVENT: &str = "application/cloudevents+json";

/// What replacing a topic does.
const THERE: &str = "--replace lets the one that is there keep its events as this one says; its subscriptions stay";

pub(super) fn at(session: &Session, topic: &TopicName) -> Resource {
    session.own().at("topics").at(topic)
}

pub(super) async fn create(args: CreateArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let mut retention = Map::new();
    retention.extend(args.age.map(|age| ("age".to_owned(), Value::from(age))));
    retention.extend(args.size.map(|size| ("size".to_owned(), Value::from(size))));
    let body = json!({ "retention": retention }).to_string().into_bytes();
    let topic: TopicView = object::put(session, &at(session, &args.named.topic), body, args.replace, THERE).await?;
    if out.is_json() {
        out.document(&topic)?;
    } else {
        let TopicView { topic, retention, .. } = topic;
        out.line(&format!("{}  {topic}  keeps {} and {}", good("in force"), retention.age, retention.size))?;
    }
    Ok(Exit::Success)
}

pub(super) async fn list(session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let all = session.own().at("topics");
    let all = pages::whole(&session.client, all, |it: &TopicView| it.topic.to_string()).await?;
    if out.is_json() {
        out.document(&all)?;
        return Ok(Exit::Success);
    }
    let row = |topic: &TopicView| {
        let (origin, subscriptions) = (object::origin(topic.origin).to_owned(), topic.subscriptions.to_string());
        [topic.topic.to_string(), origin, subscriptions, clipped(&topic.retention.age), clipped(&topic.retention.size)]
    };
    out.table(["TOPIC", "FROM", "SUBSCRIPTIONS", "AGE", "SIZE"], all.iter().map(row).collect())?;
    Ok(Exit::Success)
}

pub(super) async fn show(topic: &TopicName, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let topic: TopicView = session.client.get(&at(session, topic)).await?;
    if out.is_json() {
        out.document(&topic)?;
        return Ok(Exit::Success);
    }
    for (name, value) in [
        ("topic", topic.topic.to_string()),
        ("from", object::origin(topic.origin).to_owned()),
        ("subscriptions", topic.subscriptions.to_string()),
        ("keeps", format!("{} and {}", clipped(&topic.retention.age), clipped(&topic.retention.size))),
    ] {
        out.line(&format!("{}  {value}", faint(&format!("{name:<13}"))))?;
    }
    Ok(Exit::Success)
}

pub(super) async fn remove(topic: &TopicName, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    object::remove(session, &at(session, topic), topic, out).await
}

pub(super) async fn publish(args: &PublishArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let to = at(session, &args.named.topic).at("publish");
    if let Some(path) = &args.event.batch {
        return batch::run(path, session.clone(), to, out).await;
    }
    let event = draft::event(&args.event)?;
    let accepted: Accepted = session.client.post(&to, EVENT, event.to_json()).await?;
    if out.is_json() {
        out.document(&accepted)?;
    } else {
        let word = if accepted.duplicate { "duplicate" } else { "accepted" };
        out.line(&format!("{}  {}  id {}", good(word), accepted.position, printable(&accepted.id)))?;
    }
    Ok(Exit::Success)
}
