//! Messages are sent, received, ended, looked at and dropped.
//!
//! Invariant: a receipt that was not good is told for itself, and gives the command the exit status of its code.

use serde::Serialize;
use wharf_event::{Code, QueueName};
use wharf_gateway::view::{
    Accepted, MessageView, PeekedView, PurgedView, ReceiptsView, ReceiptsWish, ReceiveWish, ReceivedView,
};

use super::{
    super::{
        attributes::Attributes,
        batch, draft,
        error::{CommandError, Exit, talk},
        output::Output,
        pages,
        session::Session,
        words::{bad, clipped, counted, good, printable, time_of_day},
    },
    ExtendArgs, PeekArgs, Receipts, ReceiveArgs, ReleaseArgs, SendArgs,
    manage::at,
};
use crate::client::{ClientError, Reply};

/// What is sent.
const JSON: &str = "application/json";
const EVENT: &str = "application/cloudevents+json";

/// How long `--follow` waits in one request, which is as long as a host lets one.
const FOLLOW_WAIT: &str = "20s";

pub(super) async fn send(args: &SendArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let to = at(session, &args.named.queue).at("messages").ask_some("delay", args.delay.as_ref());
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

pub(super) async fn receive(args: &ReceiveArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let at = at(session, &args.named.queue);
    let wait = if args.follow { Some(FOLLOW_WAIT.to_owned()) } else { args.wait.clone() };
    let wish = ReceiveWish { max: Some(args.max), wait, visibility: args.visibility.clone() };
    let wish = json(&wish)?;
    loop {
        let received: ReceivedView = session.client.post(&at.clone().at("receive"), JSON, wish.clone()).await?;
        print(&received, args.follow, out)?;
        if args.ack && !received.messages.is_empty() {
            let receipts = received.messages.into_iter().map(|message| message.receipt).collect();
            let body = json(&ReceiptsWish { receipts, ..ReceiptsWish::default() })?;
            let results: ReceiptsView = session.client.post(&at.clone().at("ack"), JSON, body).await?;
            all_good(&results)?;
        }
        if !args.follow {
            return Ok(Exit::Success);
        }
    }
}

fn print(received: &ReceivedView, follow: bool, out: &mut Output) -> Result<(), CommandError> {
    match (out.is_json(), follow) {
        (true, false) => out.document(received),
        (true, true) => received.messages.iter().try_for_each(|message| out.document(message)),
        (false, true) => received.messages.iter().try_for_each(|message| out.line(&row(message).join("  "))),
        (false, false) if received.messages.is_empty() => {
            talk("there is nothing to receive");
            Ok(())
        }
        (false, false) => {
            let rows = received.messages.iter().map(row).collect();
            out.table(["RECEIPT", "RECEIVES", "UNTIL", "TYPE", "DATA"], rows)
        }
    }
}

fn row(message: &MessageView) -> [String; 5] {
    let Attributes { kind, data, .. } = Attributes::of(&message.event);
    let receipt = printable(&message.receipt).into_owned();
    let data = data.map(|(_, json)| clipped(&json)).unwrap_or_default();
    [receipt, message.receives.to_string(), time_of_day(&message.until).into_owned(), clipped(&kind), data]
}

pub(super) async fn ack(of: &Receipts, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    end(of, "ack", ReceiptsWish::default(), session, out).await
}

pub(super) async fn release(args: &ReleaseArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let wish = ReceiptsWish { delay: args.delay.clone(), ..ReceiptsWish::default() };
    end(&args.of, "release", wish, session, out).await
}

pub(super) async fn extend(args: &ExtendArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let wish = ReceiptsWish { visibility: args.visibility.clone(), ..ReceiptsWish::default() };
    end(&args.of, "extend", wish, session, out).await
}

async fn end(
    of: &Receipts,
    verb: &'static str,
    wish: ReceiptsWish,
    session: &Session,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let body = json(&ReceiptsWish { receipts: of.receipts.clone(), ..wish })?;
    let results: ReceiptsView = session.client.post(&at(session, &of.named.queue).at(verb), JSON, body).await?;
    if out.is_json() {
        out.document(&results)?;
    } else {
        for result in &results.results {
            let word = result.code.map_or_else(|| good("done"), |code| bad(code.as_str()));
            out.line(&format!("{word}  {}", printable(&result.receipt)))?;
        }
    }
    all_good(&results)?;
    Ok(Exit::Success)
}

/// The refusal of the first receipt that was not good.
fn all_good(results: &ReceiptsView) -> Result<(), CommandError> {
    let bad: Vec<_> = results.results.iter().filter(|result| !result.ok).collect();
    let Some(first) = bad.first() else { return Ok(()) };
    let code = first.code.unwrap_or(Code::ReceiptStale);
    let more = match bad.len() {
        1 => String::new(),
        bad => format!(" ({bad} of {} were not good)", counted(results.results.len(), "receipt", "receipts")),
    };
    let detail = format!("{}: {}{more}", first.receipt, first.detail.as_deref().unwrap_or(code.title()));
    let reply = Reply { status: code.status(), code: code.as_str().to_owned(), detail, retry_after_s: None };
    Err(ClientError::Refused(reply).into())
}

pub(super) async fn peek(args: PeekArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let PeekArgs { named, key, after, limit } = args;
    let of = at(session, &named.queue).at("messages");
    let of = of.ask_some("key", key);
    let page = |rows, after: Option<String>| of.clone().ask("limit", rows).ask_some("after", after);
    let messages = pages::gather(&session.client, limit, after, page, |it: &PeekedView| it.id.clone()).await?;
    if out.is_json() {
        out.document(&messages)?;
        return Ok(Exit::Success);
    }
    let row = |message: &PeekedView| {
        let Attributes { kind, data, .. } =
            message.event.as_ref().map(|event| Attributes::of(event)).unwrap_or_default();
        let state = message.state.as_str().to_owned();
        let until = message.until.as_deref().map(|until| time_of_day(until).into_owned()).unwrap_or_default();
        let data = data.map(|(_, json)| clipped(&json)).unwrap_or_default();
        let since = printable(&message.since).into_owned();
        [printable(&message.id).into_owned(), state, until, message.receives.to_string(), since, clipped(&kind), data]
    };
    out.table(["ID", "STATE", "UNTIL", "RECEIVES", "SINCE", "TYPE", "DATA"], messages.iter().map(row).collect())?;
    if let Some(last) = messages.last().filter(|_| u32::try_from(messages.len()).is_ok_and(|rows| rows == limit)) {
        talk(&format!("more: --after {}", printable(&last.id)));
    }
    Ok(Exit::Success)
}

pub(super) async fn purge(queue: &QueueName, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let purged: PurgedView = session.client.post(&at(session, queue).at("purge"), JSON, "{}").await?;
    if out.is_json() {
        out.document(&purged)?;
    } else {
        out.line(&format!("purged {}", purged.purged))?;
    }
    Ok(Exit::Success)
}

fn json(wish: &impl Serialize) -> Result<Vec<u8>, CommandError> {
    Ok(serde_json::to_vec(wish).map_err(ClientError::NotUnderstood)?)
}
