//! What became of one event: its deliveries, their attempts, what those published, and so on down.
//!
//! Invariant: an item of the feed may come any number of times, from the beginning or from the middle; the tree is the same
//! as if it had come once. A tree has no cycles, since an event lies after the one that led to it. It does not print itself.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::value::RawValue;
use wharf_delivery::DeliveryId;
use wharf_event::{BusName, Code, Position, QueueName, RuleName, Target};
use wharf_gateway::view::{AttemptView, DeliveryState, EventDetail, EventView, FeedItem, Outcome};

use super::limits::TREE_EVENTS_MAX;

/// Where a delivery stands, as far as was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It has not ended.
    Open,
    /// It ended well.
    Acked,
    /// It is in a queue, for whoever receives it: nothing more is waited for.
    Queued,
    /// It ended without its handler: a transform of the rule left the event out.
    Filtered,
    /// It ended in a dead-letter queue.
    DeadLettered,
    /// It left its queue though nobody ended it: it was too old, or somebody emptied the queue.
    Dropped,
}

impl Standing {
    /// How a delivery stands to which nothing has happened yet.
    fn begun(to: &Target) -> Self {
        if to.queue().is_some() { Self::Queued } else { Self::Open }
    }
}

/// One delivery of an event.
#[derive(Clone, Debug)]
pub struct Branch {
    /// The delivery's id.
    pub id: String,
    /// The rule that matched.
    pub rule: RuleName,
    /// Who it is owed to.
    pub to: Target,
    /// Where it stands.
    pub standing: Standing,
    /// Its attempts, oldest first.
    pub attempts: Vec<AttemptView>,
    /// Its turn among the deliveries that ended; none while it has never ended.
    pub ended: Option<usize>,
    /// The dead-letter queue that it went to without an attempt, beyond the hop limit.
    pub given_up: Option<QueueName>,
    /// What holds its target back, if it waits for that.
    pub held_by: Option<Code>,
}

impl Branch {
    /// Whether it waits to be tried again.
    pub fn is_retrying(&self) -> bool {
        self.standing == Standing::Open
            && matches!(self.attempts.last(), Some(AttemptView { outcome: Outcome::Retry { .. }, .. }))
    }

    fn take(&mut self, attempt: &AttemptView, turn: usize) -> bool {
        let last = self.attempts.last().map(|last| last.position);
        if last.is_some_and(|last| attempt.position < last) {
            return false;
        }
        self.standing = match attempt.outcome {
            Outcome::Ack => Standing::Acked,
            Outcome::Retry { .. } => Standing::Open,
            Outcome::DeadLetter { .. } => Standing::DeadLettered,
            Outcome::Filtered { .. } => Standing::Filtered,
        };
        if self.standing != Standing::Open {
            self.ended = self.ended.or(Some(turn));
        }
        let is_new = last != Some(attempt.position);
        if is_new {
            self.attempts.push(attempt.clone());
        }
        is_new
    }
}

/// One event.
#[derive(Clone, Debug)]
pub struct Node {
    /// The event.
    pub event: EventView,
    /// Its deliveries.
    pub branches: Vec<Branch>,
}

/// The whole.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The event that it is about.
    pub root: Position,
    events: HashMap<Position, Node>,
    turn: usize,
    /// Events that were left out, because there are too many.
    pub left_out: usize,
}

/// How the deliveries of a tree stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those that ended well, filtered ones included, and those that are in a queue.
    pub acked: usize,
    /// Those in a dead-letter queue.
    pub dead_lettered: usize,
    /// Those that wait to be tried again.
    pub retrying: usize,
    /// Those of which nothing else is known.
    pub waiting: usize,
}

impl Tree {
    /// A tree of which nothing is known but where it begins.
    pub fn new(root: Position) -> Self {
        Self { root, events: HashMap::new(), turn: 0, left_out: 0 }
    }

    /// An event of the tree, if it was heard of.
    pub fn event(&self, position: Position) -> Option<&Node> {
        self.events.get(&position)
    }

    /// Takes in what happened. The answer is the branch that has one attempt more now, if it is one of this tree.
    pub fn hear(&mut self, item: &FeedItem) -> Option<&Branch> {
        match item {
            FeedItem::Received { event } => {
                if event.position == self.root {
                    self.grow(event);
                }
                None
            }
            FeedItem::Settled { delivery, event, attempt, published, .. } => {
                let node = self.events.get_mut(event)?;
                let index = node.branches.iter().position(|branch| branch.id == *delivery)?;
                let is_new = node.branches.get_mut(index)?.take(attempt, self.turn);
                self.turn += 1;
                published.iter().filter(|published| published.position > *event).for_each(|event| self.grow(event));
                self.events.get(event)?.branches.get(index).filter(|_| is_new)
            }
            FeedItem::Redriven { delivery, event, .. } => {
                let branch = self.events.get_mut(event)?.branches.iter_mut().find(|branch| branch.id == *delivery)?;
                if branch.standing == Standing::DeadLettered {
                    branch.standing = Standing::begun(&branch.to);
                }
                None
            }
            // A queue keeps its messages for as long as it takes, and `wharf trace` tells of them; an edit sends nothing again, and what is let go of stays given up.
            FeedItem::Moved { .. } | FeedItem::Edited { .. } | FeedItem::Discarded { .. } => None,
        }
    }

    /// Takes in all that the archive has about one event, and names the events that it led to.
    pub fn learn(&mut self, detail: &EventDetail) -> Vec<Position> {
        let position = detail.event.position;
        self.grow(&detail.event);
        let mut led_to = Vec::new();
        let Some(node) = self.events.get_mut(&position) else { return led_to };
        for known in &detail.deliveries {
            let Some(branch) = node.branches.iter_mut().find(|branch| branch.id == known.id) else { continue };
            for attempt in &known.attempts {
                branch.take(attempt, self.turn);
                self.turn += 1;
                led_to.extend(attempt.published.iter().copied().filter(|published| *published > position));
            }
            branch.held_by = known.held_by;
            match known.state {
                DeliveryState::Waiting | DeliveryState::Running => branch.standing = Standing::begun(&branch.to),
                // What clients did with a message is no attempt.
                DeliveryState::Settled => branch.standing = Standing::Acked,
                DeliveryState::DeadLettered => branch.standing = Standing::DeadLettered,
                DeliveryState::Dropped => branch.standing = Standing::Dropped,
                DeliveryState::Filtered => {}
            }
        }
        led_to
    }

    fn grow(&mut self, event: &EventView) {
        if self.events.contains_key(&event.position) {
            return;
        }
        if self.events.len() >= TREE_EVENTS_MAX {
            self.left_out += 1;
            return;
        }
        let branch = |(n, target): (u16, &wharf_gateway::view::TargetRef)| Branch {
            id: DeliveryId { event: event.position, n }.to_string(),
            rule: target.rule.clone(),
            to: target.to.clone(),
            standing: if target.given_up.is_some() { Standing::DeadLettered } else { Standing::begun(&target.to) },
            attempts: Vec::new(),
            ended: target.given_up.as_ref().map(|_| self.turn),
            given_up: target.given_up.clone(),
            held_by: None,
        };
        let branches = (0..).zip(&event.deliveries).map(branch).collect();
        self.events.insert(event.position, Node { event: event.clone(), branches });
    }

    /// How its deliveries stand.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for branch in self.events.values().flat_map(|node| &node.branches) {
            let of = match branch.standing {
                Standing::Acked | Standing::Filtered | Standing::Queued | Standing::Dropped => &mut tally.acked,
                Standing::DeadLettered => &mut tally.dead_lettered,
                Standing::Open if branch.is_retrying() => &mut tally.retrying,
                Standing::Open => &mut tally.waiting,
            };
            *of += 1;
        }
        tally
    }

    /// Whether the event was heard of and every delivery has ended.
    pub fn is_settled(&self) -> bool {
        let tally = self.tally();
        self.events.contains_key(&self.root) && tally.retrying + tally.waiting == 0
    }

    /// The deliveries that have not ended, each with its event, in log order.
    pub fn open(&self) -> Vec<(&Node, &Branch)> {
        let branches = self.events.values().flat_map(|node| node.branches.iter().map(move |branch| (node, branch)));
        let mut open: Vec<_> = branches.filter(|(_, branch)| branch.standing == Standing::Open).collect();
        open.sort_by_key(|(node, branch)| (node.event.position, branch.rule.as_str()));
        open
    }

    /// The tree as programs read it, if anything is known of it.
    pub fn view(&self) -> Option<TreeView<'_>> {
        self.view_at(self.root)
    }

    fn view_at<'a>(&'a self, position: Position) -> Option<TreeView<'a>> {
        let Node { event, branches } = self.event(position)?;
        let delivery = |branch: &'a Branch| BranchView {
            id: &branch.id,
            rule: &branch.rule,
            to: &branch.to,
            standing: branch.standing,
            attempts: &branch.attempts,
            published: self.published(branch).filter_map(|position| self.view_at(position)).collect(),
        };
        let deliveries = branches.iter().map(delivery).collect();
        Some(TreeView { position, time: &event.time, bus: &event.bus, event: &event.event, deliveries })
    }

    /// The events that a delivery led to.
    pub fn published(&self, branch: &Branch) -> impl Iterator<Item = Position> {
        let event: Option<Position> = branch.id.parse().ok().map(|DeliveryId { event, .. }| event);
        let published: Vec<_> = branch.attempts.iter().flat_map(|attempt| &attempt.published).copied().collect();
        published.into_iter().filter(move |position| event.is_some_and(|event| *position > event))
    }
}

/// An event and what became of it, as programs read it.
#[derive(Debug, Serialize)]
pub struct TreeView<'a> {
    position: Position,
    time: &'a str,
    bus: &'a BusName,
    event: &'a RawValue,
    deliveries: Vec<BranchView<'a>>,
}

/// A delivery and what it led to, as programs read it.
#[derive(Debug, Serialize)]
pub struct BranchView<'a> {
    id: &'a str,
    rule: &'a RuleName,
    #[serde(flatten)]
    to: &'a Target,
    standing: Standing,
    attempts: &'a [AttemptView],
    published: Vec<TreeView<'a>>,
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// An event at `k-i` with one delivery for each `rule>plugin`.
    pub fn event(position: &str, kind: &str, targets: &[&str]) -> serde_json::Value {
        let target = |(n, text): (usize, &&str)| {
            let (rule, plugin) = text.split_once('>').unwrap();
            serde_json::json!({"rule": rule, "plugin": plugin, "n": n})
        };
        serde_json::json!({
            "position": position, "time": "2026-01-31T12:00:00.000Z", "bus": "default",
            "event": {"specversion": "1.0", "type": kind, "source": "cli", "id": format!("id-{position}")},
            "deliveries": targets.iter().enumerate().map(target).collect::<Vec<_>>(),
        })
    }

    pub fn received(event: &serde_json::Value) -> FeedItem {
        serde_json::from_value(serde_json::json!({"received": {"event": event}})).unwrap()
    }

    /// Attempt `attempt` of the delivery, settled at `k`; `outcome` is `ack`, `retry`, `filtered` or `dead-letter`.
    pub fn settled(delivery: &str, k: u64, attempt: u32, outcome: &str, published: &[serde_json::Value]) -> FeedItem {
        let at = format!("2026-01-31T12:00:0{k}");
        let outcome = match outcome {
            "ack" => serde_json::json!({"outcome": "ack"}),
            "filtered" => serde_json::json!({"outcome": "filtered", "transform": "enrich"}),
            "retry" => {
                serde_json::json!({"outcome": "retry", "at": format!("{at}.050Z"), "code": "handler-retry", "reason": "not now"})
            }
            _ => {
                serde_json::json!({"outcome": "dead-letter", "code": "retries-spent", "reason": "3 attempts", "queue": "q"})
            }
        };
        let positions: Vec<_> = published.iter().map(|event| event["position"].clone()).collect();
        serde_json::from_value(serde_json::json!({"settled": {
            "delivery": delivery, "event": delivery.split('.').next().unwrap(), "rule": "r", "plugin": "p",
            "attempt": {
                "attempt": attempt, "position": format!("{k}-0"), "time": format!("{at}.000Z"), "release": format!("sha256:{}", "ab".repeat(32)),
                "outcome": outcome, "duration_us": 1500, "published": positions, "kv_writes": 2,
            },
            "published": published,
        }}))
        .unwrap()
    }

    pub fn redriven(delivery: &str) -> FeedItem {
        serde_json::from_value(serde_json::json!({"redriven": {
            "delivery": delivery, "event": delivery.split('.').next().unwrap(), "rule": "r", "plugin": "p", "queue": "q",
            "time": "",
        }}))
        .unwrap()
    }

    /// A chain of two, a retry that ends well, and a dead letter.
    pub fn story() -> Vec<FeedItem> {
        let root = event("1-0", "a.b", &["triage>t", "flaky>f", "spent>s"]);
        let second = event("2-1", "a.c", &["labels>l"]);
        vec![
            received(&root),
            received(&event("1-256", "other", &["triage>t"])),
            settled("1-0.1", 1, 1, "retry", &[]),
            settled("1-0.0", 2, 1, "ack", &[second]),
            settled("1-256.0", 3, 1, "ack", &[]),
            settled("1-0.2", 4, 1, "dead-letter", &[]),
            settled("1-0.1", 5, 2, "ack", &[]),
            settled("2-1.0", 6, 1, "ack", &[]),
        ]
    }

    #[test]
    fn a_tree_is_the_same_however_often_its_items_come() {
        let story = story();
        let mut once = Tree::new(Position { k: 1, i: 0 });
        let heard = story.iter().filter(|item| once.hear(item).is_some()).count();
        assert_eq!(heard, 5, "attempts of other events are none of this tree");
        assert_eq!(once.tally(), Tally { acked: 3, dead_lettered: 1, ..Tally::default() });
        for from in 0..story.len() {
            let mut again = once.clone();
            assert_eq!(story[from..].iter().filter(|item| again.hear(item).is_some()).count(), 0);
            assert_eq!(serde_json::to_string(&again.view()).unwrap(), serde_json::to_string(&once.view()).unwrap());
        }
    }

    #[test]
    fn a_tree_is_settled_when_every_delivery_below_it_has_ended() {
        let story = story();
        let mut tree = Tree::new(Position { k: 1, i: 0 });
        assert!(!tree.is_settled(), "nothing was heard yet");
        for (n, item) in story.iter().enumerate() {
            tree.hear(item);
            assert_eq!(tree.is_settled(), n + 1 == story.len(), "after item {n}");
        }
        let mut lonely = Tree::new(Position { k: 9, i: 0 });
        lonely.hear(&received(&event("9-0", "a", &[])));
        assert!(lonely.is_settled(), "no rule matched");
    }

    #[test]
    fn a_redriven_letter_is_open_again() {
        let mut tree = Tree::new(Position { k: 1, i: 0 });
        for item in story() {
            tree.hear(&item);
        }
        tree.hear(&redriven("1-0.2"));
        assert_eq!(tree.tally(), Tally { acked: 3, waiting: 1, ..Tally::default() });
        tree.hear(&settled("1-0.2", 7, 1, "ack", &[]));
        assert_eq!(tree.tally(), Tally { acked: 4, ..Tally::default() });
    }

    #[test]
    fn programs_read_the_tree_nested() {
        let mut tree = Tree::new(Position { k: 1, i: 0 });
        assert!(tree.view().is_none());
        for item in story() {
            tree.hear(&item);
        }
        let view = serde_json::to_value(tree.view()).unwrap();
        assert_eq!(view["deliveries"][0]["published"][0]["position"], "2-1");
        assert_eq!(view["deliveries"][0]["published"][0]["deliveries"][0]["standing"], "acked");
        assert_eq!(view["deliveries"][1]["attempts"].as_array().unwrap().len(), 2);
        assert_eq!(view["deliveries"][2]["standing"], "dead-lettered");
    }
}
