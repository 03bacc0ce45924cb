//! Queues are listed, shown, made, paused and removed.

use serde_json::{Map, Value, json};
use wharf_dispatch::{Clock as _, SystemClock};
use wharf_event::QueueName;
use wharf_gateway::view::{ConsumerView, MessageQueueView};

use super::{
    super::{
        error::{CommandError, Exit, talk},
        input, object,
        output::Output,
        pages,
        session::Session,
        words::{bad, clipped, counted, faint, good, lasted},
    },
    CreateArgs,
};
use crate::client::Resource;

/// What a queue is shown with beyond what it is put as.
const SHOWN: [&str; 6] = ["queue", "origin", "consumer_waits", "depth", "in_flight", "oldest_since"];

/// What replacing a queue does.
const THERE: &str = "--replace lets the one that is there be as this one says; its messages stay";

pub(super) fn at(session: &Session, queue: &QueueName) -> Resource {
    session.own().at("queues").at(queue)
}

pub(super) async fn create(args: &CreateArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let at = at(session, &args.named.queue);
    let queue = object::put(session, &at, args.body()?, args.replace, THERE).await?;
    tell("in force", &queue, out)
}

impl CreateArgs {
    fn body(&self) -> Result<Vec<u8>, CommandError> {
        if let Some(file) = &self.file {
            return input::whole(file);
        }
        let mut body = Map::new();
        for (name, value) in [
            ("visibility", self.visibility.as_ref().map(|it| json!(it))),
            ("delay", self.delay.as_ref().map(|it| json!(it))),
            ("retention", self.retention.as_ref().map(|it| json!(it))),
            ("max_receives", self.max_receives.map(|it| json!(it))),
            ("backlog", self.backlog.map(|it| json!(it))),
            ("dead_letter", self.dead_letter.as_ref().map(|it| json!(it))),
            ("ordered", self.ordered.then_some(json!(true))),
            ("content_deduplication", self.content_deduplication.then_some(json!(true))),
            ("consumer", self.consumer()),
        ] {
            body.extend(value.map(|value| (name.to_owned(), value)));
        }
        Ok(Value::from(body).to_string().into_bytes())
    }
}

impl CreateArgs {
    fn consumer(&self) -> Option<Value> {
        let mut consumer = Map::new();
        consumer.insert("plugin".to_owned(), json!(self.consumer.as_ref()?));
        consumer.extend(self.batch.map(|batch| ("batch".to_owned(), json!(batch))));
        consumer.extend(self.window.as_ref().map(|window| ("window".to_owned(), json!(window))));
        consumer.extend(self.concurrency.map(|calls| ("concurrency".to_owned(), json!(calls))));
        Some(consumer.into())
    }
}

/// The consumer in words, and why it waits.
fn consumer(queue: &MessageQueueView) -> String {
    let Some(of) = &queue.consumer else { return "none: clients receive".to_owned() };
    let waits = queue.consumer_waits.as_ref().map(|why| format!("; {}: {}", bad("waits"), clipped(why)));
    let calls = if of.concurrency == 1 { String::new() } else { format!(", {} calls at a time", of.concurrency) };
    let ConsumerView { plugin, batch, window, .. } = of;
    format!("{plugin}, {batch} in a call{calls}, window {}{}", clipped(window), waits.unwrap_or_default())
}

pub(super) async fn list(session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let all = session.own().at("queues");
    let all = pages::whole(&session.client, all, |it: &MessageQueueView| it.queue.to_string()).await?;
    if out.is_json() {
        out.document(&all)?;
        return Ok(Exit::Success);
    }
    let row = |queue: &MessageQueueView| {
        let state = if queue.paused { "paused" } else { "open" };
        let counts = [queue.depth, queue.in_flight].map(|count| count.to_string());
        let [depth, in_flight] = counts;
        [queue.queue.to_string(), state.to_owned(), depth, in_flight, age(queue).unwrap_or_default()]
    };
    out.table(["QUEUE", "STATE", "DEPTH", "IN FLIGHT", "OLDEST"], all.iter().map(row).collect())?;
    Ok(Exit::Success)
}

/// How old the oldest message is, by the clock of this machine.
fn age(queue: &MessageQueueView) -> Option<String> {
    let since: jiff::Timestamp = queue.oldest_since.as_ref()?.parse().ok()?;
    let since_ms = u64::try_from(since.as_millisecond()).ok()?;
    Some(lasted(SystemClock::default().wall_ms().saturating_sub(since_ms).saturating_mul(1_000)))
}

pub(super) async fn show(queue: &QueueName, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let queue: MessageQueueView = session.client.get(&at(session, queue)).await?;
    if out.is_json() {
        out.document(&queue)?;
        return Ok(Exit::Success);
    }
    let most = queue.max_receives.map_or_else(|| "as often as it takes".to_owned(), |most| most.to_string());
    let known = if queue.content_deduplication { "what it says" } else { "its id" };
    let order = if queue.ordered { "by `partitionkey`" } else { "none is promised" };
    for (name, value) in [
        ("queue", queue.queue.to_string()),
        ("state", if queue.paused { bad("paused") } else { good("open") }),
        ("depth", queue.depth.to_string()),
        ("in flight", queue.in_flight.to_string()),
        ("oldest", age(&queue).unwrap_or_else(|| "none".to_owned())),
        ("visibility", clipped(&queue.visibility)),
        ("delay", clipped(&queue.delay)),
        ("retention", clipped(&queue.retention)),
        ("max receives", most),
        ("dead letters", queue.dead_letter.to_string()),
        ("order", order.to_owned()),
        ("known again by", known.to_owned()),
        ("consumer", consumer(&queue)),
    ] {
        out.line(&format!("{}  {value}", faint(&format!("{name:<14}"))))?;
    }
    Ok(Exit::Success)
}

pub(super) async fn remove(queue: &QueueName, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let at = at(session, queue);
    // What is in it is only told: nobody has to be able to see it.
    let held = session.client.get::<MessageQueueView>(&at).await.map_or(0, |held| held.depth);
    let removed = object::remove(session, &at, queue, out).await?;
    if held > 0 && !out.is_json() {
        let messages = counted(usize::try_from(held).unwrap_or(usize::MAX), "message goes", "messages go");
        talk(&format!(
            "{messages} to the dead letters within a minute: `wharf dlq ls {queue}` lists them, and `wharf dlq redrive {queue} --all` brings them \
             back once there is a queue of that name again"
        ));
    }
    Ok(removed)
}

/// Pauses or resumes. All else of the queue stays, also what this program does not know.
pub(super) async fn turn(
    queue: &QueueName,
    paused: bool,
    session: &Session,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let queue = object::turn(session, &at(session, queue), ("paused", paused), &SHOWN).await?;
    tell(if paused { "paused" } else { "resumed" }, &queue, out)
}

fn tell(word: &str, queue: &MessageQueueView, out: &mut Output) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(queue)?;
    } else {
        out.line(&format!("{}  {}", good(word), queue.queue))?;
    }
    Ok(Exit::Success)
}
