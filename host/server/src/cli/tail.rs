//! `wharf tail`: the feed, line by line, until Ctrl-C.
//!
//! Invariant: with `-o json` a line is the host's own, byte for byte, or `{"not-shown":{"items":N}}`. A filter hides items and
//! never changes one. The rate bounds what is left after the filters, and what it hides is counted and told.

use std::collections::{HashMap, VecDeque};

use serde::Serialize;
use tokio::time::Instant;
use wharf_event::Position;
use wharf_gateway::view::{EventView, FeedItem, Outcome};

use super::{
    args::{Global, OutcomeKind, TailArgs},
    attributes::Attributes,
    error::{CommandError, Exit},
    feed_line,
    follow::{Feed, Heard},
    limits::TYPES_REMEMBERED_MAX,
    output::Output,
    pace::Pace,
    session::Session,
    words::faint,
};
use crate::client::ClientError;

/// Follows the feed.
pub async fn run(args: TailArgs, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let session = Session::open(global).await?;
    let mut pace = Pace::new(args.rate, Instant::now());
    let ended = tokio::select! {
        followed = follow(args, session, &mut pace, out) => followed,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Success),
    };
    if let Some(items) = pace.rest() {
        not_shown(items, out)?;
    }
    ended
}

async fn follow(args: TailArgs, session: Session, pace: &mut Pace, out: &mut Output) -> Result<Exit, CommandError> {
    let mut feed = Feed::new(session.clone(), args.from);
    let mut types = Types::default();
    loop {
        let next = feed.next();
        tokio::pin!(next);
        let Heard { mut line, item } = loop {
            tokio::select! {
                biased;
                () = until(pace.due_at()) => {}
                heard = &mut next => break heard?,
            }
            if let Some(items) = pace.due(Instant::now()) {
                not_shown(items, out)?;
            }
        };
        types.learn(&item);
        if args.kind.is_some() && types.of(&item).is_none() {
            // Its event was before this feed began.
            ask(&session, &item, &mut types).await?;
        }
        let kind = types.of(&item);
        if !is_wanted(&args, &item, kind) || !pace.admits(Instant::now()) {
            continue;
        }
        if out.is_json() {
            line.push(b'\n');
            out.bytes(&line)?;
        } else {
            out.line(&feed_line::line(&item, kind))?;
        }
    }
}

/// Waits for that time, or for ever.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Items that the rate hid.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Hidden {
    NotShown { items: u64 },
}

fn not_shown(items: u64, out: &mut Output) -> Result<(), CommandError> {
    if out.is_json() {
        out.document(&Hidden::NotShown { items })
    } else {
        out.line(&faint(&format!("… {items} not shown: more than --rate allows")))
    }
}

async fn ask(session: &Session, item: &FeedItem, types: &mut Types) -> Result<(), ClientError> {
    match session.event(about(item)).await {
        Ok(detail) => types.remember(&detail.event),
        // It is past retention; then nobody knows.
        Err(ClientError::Refused(_)) => {}
        Err(error) if error.is_passing() => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// The event that an item is about.
fn about(item: &FeedItem) -> Position {
    match item {
        FeedItem::Received { event } => event.position,
        FeedItem::Settled { event, .. }
        | FeedItem::Redriven { event, .. }
        | FeedItem::Discarded { event, .. }
        | FeedItem::Moved { event, .. }
        | FeedItem::Edited { event, .. } => *event,
    }
}

fn is_wanted(args: &TailArgs, item: &FeedItem, kind: Option<&str>) -> bool {
    let outcome = args.outcome.is_none_or(|wanted| outcome(item) == Some(wanted));
    let kind = args.kind.as_deref().is_none_or(|prefix| {
        let published = match item {
            FeedItem::Settled { published, .. } => published.as_slice(),
            _ => &[],
        };
        kind.is_some_and(|kind| kind.starts_with(prefix))
            || published.iter().any(|event| Attributes::of(&event.event).kind.starts_with(prefix))
    });
    outcome && kind
}

fn outcome(item: &FeedItem) -> Option<OutcomeKind> {
    let FeedItem::Settled { attempt, .. } = item else { return None };
    Some(match attempt.outcome {
        Outcome::Ack => OutcomeKind::Ack,
        Outcome::Retry { .. } => OutcomeKind::Retry,
        Outcome::DeadLetter { .. } => OutcomeKind::DeadLetter,
        Outcome::Filtered { .. } => OutcomeKind::Filtered,
    })
}

/// The types of the events that were seen last.
#[derive(Debug, Default)]
struct Types {
    kinds: HashMap<Position, String>,
    order: VecDeque<Position>,
}

impl Types {
    fn learn(&mut self, item: &FeedItem) {
        match item {
            FeedItem::Received { event } => self.remember(event),
            FeedItem::Settled { published, .. } => published.iter().for_each(|event| self.remember(event)),
            FeedItem::Redriven { .. }
            | FeedItem::Discarded { .. }
            | FeedItem::Moved { .. }
            | FeedItem::Edited { .. } => {}
        }
    }

    fn remember(&mut self, event: &EventView) {
        let kind = Attributes::of(&event.event).kind;
        if self.kinds.insert(event.position, kind).is_none() {
            self.order.push_back(event.position);
        }
        if self.order.len() > TYPES_REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.kinds.remove(&oldest);
        }
    }

    fn of(&self, item: &FeedItem) -> Option<&str> {
        self.kinds.get(&about(item)).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::story;
    use super::*;

    /// The indexes of the story's items that are shown.
    fn shown(kind: Option<&str>, outcome: Option<OutcomeKind>) -> Vec<usize> {
        let args = TailArgs { kind: kind.map(ToOwned::to_owned), outcome, from: None, rate: None };
        let mut types = Types::default();
        let wanted = |item: &FeedItem| {
            types.learn(item);
            is_wanted(&args, item, types.of(item))
        };
        story().iter().map(wanted).enumerate().filter(|(_, wanted)| *wanted).map(|(n, _)| n).collect()
    }

    #[test]
    fn filters_hide_what_was_not_asked_for() {
        assert_eq!(shown(None, None), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(shown(Some("a."), None), [0, 2, 3, 5, 6, 7]);
        assert_eq!(shown(Some("a.c"), None), [3, 7], "its publication and its attempt");
        assert_eq!(shown(Some("other"), None), [1, 4]);
        assert_eq!(shown(None, Some(OutcomeKind::Retry)), [2]);
        assert_eq!(shown(Some("a.b"), Some(OutcomeKind::DeadLetter)), [5]);
        assert_eq!(shown(Some("z"), None), Vec::<usize>::new());
    }

    #[test]
    fn only_the_newest_types_are_remembered() {
        let mut types = Types::default();
        for k in 0..u64::try_from(TYPES_REMEMBERED_MAX).unwrap() + 5 {
            let mut event = super::super::tree::tests::event("1-0", "t", &[]);
            event["position"] = format!("{k}-0").into();
            types.remember(&serde_json::from_value(event).unwrap());
        }
        assert_eq!((types.kinds.len(), types.order.len()), (TYPES_REMEMBERED_MAX, TYPES_REMEMBERED_MAX));
        assert!(
            !types.kinds.contains_key(&Position { k: 4, i: 0 }) && types.kinds.contains_key(&Position { k: 5, i: 0 })
        );
    }
}
