//! `wharf send`: one event goes in, and what became of it comes out.
//!
//! Invariant: an exit status of 0 means that the event is durable and, unless nobody waited, that every delivery below it
//! ended well. An event that may have been accepted without an answer is told with what makes sending it again safe.

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use wharf_event::{Event, Position};
use wharf_gateway::view::{Accepted, Outcome, RuleVerdict, event_json};

use super::{
    args::{Global, SendArgs},
    batch, draft,
    error::{CommandError, Exit, chain, talk},
    follow::Feed,
    limits::TREE_EVENTS_READ_MAX,
    output::Output,
    rules,
    session::Session,
    tree::{Branch, Node, Tally, Tree, TreeView},
    tree_lines,
    words::{counted, faint, good, lasted, printable},
};
use crate::client::{ClientError, Resource};

/// An event in the JSON format.
const EVENT: &str = "application/cloudevents+json";

/// What `send` says to programs. The last two are null unless somebody waited.
#[derive(Serialize)]
struct Sent<'a> {
    event: &'a RawValue,
    accepted: &'a Accepted,
    tree: Option<TreeView<'a>>,
    rules: Option<&'a [RuleVerdict]>,
}

/// Sends an event or a file of them.
pub async fn run(args: SendArgs, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    if let Some(path) = &args.event.batch {
        let session = Session::open(global).await?;
        let to = place(&session, &args);
        return batch::run(path, session, to, out).await;
    }
    let event = draft::event(&args.event)?;
    let session = Session::open(global).await?;
    let accepted = post(&session, &place(&session, &args), &event).await?;
    let json = event_json(&event).map_err(ClientError::NotUnderstood)?;
    if args.no_wait {
        if out.is_json() {
            out.document(&Sent { event: &json, accepted: &accepted, tree: None, rules: None })?;
        } else {
            let word = if accepted.duplicate { "duplicate" } else { "accepted" };
            out.line(&format!("{}  {}  id {}", good(word), accepted.position, printable(&accepted.id)))?;
        }
        return Ok(Exit::Success);
    }
    let mut printed = Printed::default();
    let watched = watch(&session, &accepted, args.timeout, out, &mut printed).await;
    let tree = watched.inspect_err(|error| {
        if !matches!(error, CommandError::Output(_)) {
            talk(&format!("the event is durable, at {}; what became of it is not known", accepted.position));
        }
    })?;
    let asked = match args.topic {
        // What subscriptions say is not asked: there may be very many.
        Some(_) => Ok(Vec::new()),
        None => rules::ask(&session, &args.bus, &event).await,
    };
    let verdicts = asked.unwrap_or_else(|error| {
        talk(&format!("what the rules say is not known: {}", printable(&chain(&error))));
        Vec::new()
    });
    if out.is_json() {
        out.document(&Sent { event: &json, accepted: &accepted, tree: tree.view(), rules: Some(&verdicts) })?;
    } else {
        printed.up_to(tree_lines::all(&tree), out)?;
        for line in rules::unmatched(&verdicts) {
            out.line(&line)?;
        }
    }
    Ok(verdict(&tree, args.timeout))
}

/// Where events go: a bus, or a topic.
fn place(session: &Session, args: &SendArgs) -> Resource {
    match &args.topic {
        Some(topic) => session.own().at("topics").at(topic).at("publish"),
        None => session.own().at("buses").at(&args.bus).at("events"),
    }
}

async fn post(session: &Session, to: &Resource, event: &Event) -> Result<Accepted, CommandError> {
    let answer = session.client.post(to, EVENT, event.to_json()).await;
    if let Err(ClientError::Broken(_) | ClientError::Timeout(_)) = &answer {
        talk(&format!(
            "the event may have been accepted or not; sent again with --source {} --id {} it is not accepted twice",
            printable(event.source()),
            printable(event.id()),
        ));
    }
    Ok(answer?)
}

/// Follows the event until all has ended or the time is over.
async fn watch(
    session: &Session,
    accepted: &Accepted,
    bound: Duration,
    out: &mut Output,
    printed: &mut Printed,
) -> Result<Tree, CommandError> {
    let mut tree = Tree::new(accepted.position);
    if accepted.duplicate {
        talk(&format!(
            "this (source, id) was accepted before, at {}: nothing new is done, and this is what became of the first",
            accepted.position
        ));
        read(session, &mut tree).await?;
    }
    let following = async {
        let mut feed = Feed::new(session.clone(), Some(accepted.position));
        while !tree.is_settled() {
            let heard = feed.next().await?;
            if let Some(branch) = tree.hear(&heard.item)
                && branch.is_retrying()
            {
                talk(&retry_line(branch));
            }
            if !out.is_json() {
                printed.up_to(tree_lines::so_far(&tree), out)?;
            }
        }
        Ok::<(), CommandError>(())
    };
    // That the time is over is seen in the tree.
    tokio::time::timeout(bound, following).await.unwrap_or(Ok(()))?;
    Ok(tree)
}

/// Reads what the archive has about an event and what it led to.
pub async fn read(session: &Session, tree: &mut Tree) -> Result<(), ClientError> {
    let mut to_read: Vec<Position> = vec![tree.root];
    let mut count = 0;
    while let Some(position) = to_read.pop() {
        count += 1;
        if count > TREE_EVENTS_READ_MAX {
            talk(&format!("only the first {TREE_EVENTS_READ_MAX} events that it led to are read"));
            break;
        }
        let led_to = tree.learn(&session.event(position).await?);
        to_read.extend(led_to.into_iter().rev());
    }
    Ok(())
}

/// The lines that were printed.
#[derive(Default)]
struct Printed(Vec<String>);

impl Printed {
    fn up_to(&mut self, lines: Vec<String>, out: &mut Output) -> Result<(), CommandError> {
        if !lines.starts_with(&self.0) {
            // A letter was redriven meanwhile: what was printed is history, and all of it is told again.
            self.0.clear();
        }
        for line in lines.iter().skip(self.0.len()) {
            out.line(line)?;
        }
        self.0 = lines;
        Ok(())
    }
}

fn retry_line(branch: &Branch) -> String {
    let last = branch.attempts.last().map(tree_lines::outcome).unwrap_or_default();
    faint(&format!("… {}  ", tree_lines::target(branch))) + &last
}

/// The exit status, with what has not ended told on stderr.
fn verdict(tree: &Tree, bound: Duration) -> Exit {
    if tree.left_out > 0 {
        talk(&format!("{} more events were published than are followed here", tree.left_out));
    }
    let open = tree.open();
    if !open.is_empty() || !tree.is_settled() {
        let bound = lasted(u64::try_from(bound.as_micros()).unwrap_or(u64::MAX));
        let deliveries = counted(open.len(), "delivery has", "deliveries have");
        talk(&format!("after {bound}, {deliveries} not ended:"));
        open.into_iter().for_each(|(node, branch)| talk(&open_line(node, branch)));
        talk(&format!("`wharf events show {}` says later what became of them", tree.root));
    }
    exit(tree.tally(), tree.is_settled())
}

fn open_line(node: &Node, branch: &Branch) -> String {
    let state = match branch.attempts.last().map(|attempt| &attempt.outcome) {
        Some(Outcome::Retry { at, code, .. }) => format!("{code}, again at {}", printable(at)),
        Some(Outcome::DeadLetter { .. }) => "redriven".to_owned(),
        Some(Outcome::Ack | Outcome::Filtered { .. }) | None => "waits for its first attempt".to_owned(),
    };
    format!("  {}  {}  {state}", node.event.position, tree_lines::target(branch))
}

fn exit(tally: Tally, is_settled: bool) -> Exit {
    match tally {
        Tally { dead_lettered: 1.., .. } => Exit::DeadLetter,
        Tally { retrying: 1.., .. } => Exit::Retry,
        _ if is_settled => Exit::Success,
        _ => Exit::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_says_the_worst_that_is_known() {
        let tally = |acked, dead_lettered, retrying, waiting| Tally { acked, dead_lettered, retrying, waiting };
        let cases = [
            (tally(3, 0, 0, 0), true, 0),
            (tally(0, 0, 0, 0), true, 0),
            (tally(3, 1, 0, 0), true, 9),
            (tally(3, 1, 1, 1), false, 9),
            (tally(3, 0, 1, 1), false, 8),
            (tally(3, 0, 0, 1), false, 7),
            (tally(0, 0, 0, 0), false, 7),
        ];
        for (tally, is_settled, wanted) in cases {
            assert_eq!(exit(tally, is_settled).number(), wanted, "{tally:?}");
        }
    }
}
