//! A tree as lines that can be printed while it grows.
//!
//! Invariant: the lines of a growing tree only get more, never others (a letter that is redriven meanwhile aside): siblings
//! come in the order in which they ended, and nothing is shown of one that has not. So they can be written to a pipe or a
//! terminal as they come, and no line is ever taken back.

use std::ops::ControlFlow;

use wharf_event::Position;
use wharf_gateway::view::{AttemptView, LogLineView, Outcome};

use super::attributes::Attributes;
use super::tree::{Branch, Node, Standing, Tree};
use super::words::{bad, clipped, counted, faint, good, lasted, later, printable, strong, time_of_day};

/// The lines that are sure by now.
pub fn so_far(tree: &Tree) -> Vec<String> {
    lines(tree, false)
}

/// All lines, those of deliveries that have not ended included.
pub fn all(tree: &Tree) -> Vec<String> {
    lines(tree, true)
}

fn lines(tree: &Tree, with_open: bool) -> Vec<String> {
    let mut printer = Printer { tree, with_open, lines: Vec::new() };
    // Where it stops is all there is to say about it.
    let _ = printer.event(tree.root, "", "");
    printer.lines
}

struct Printer<'a> {
    tree: &'a Tree,
    with_open: bool,
    lines: Vec<String>,
}

impl Printer<'_> {
    /// An event and what is below it. `head` begins its own line, `indent` those below.
    fn event(&mut self, position: Position, head: &str, indent: &str) -> ControlFlow<()> {
        let Some(node) = self.tree.event(position) else {
            if self.with_open {
                self.lines.push(format!("{head}{position}"));
            }
            return if self.with_open { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
        };
        self.lines.push(format!("{head}{}", event(node)));
        let mut branches: Vec<_> = node.branches.iter().collect();
        branches.sort_by_key(|branch| branch.ended.unwrap_or(usize::MAX));
        let count = branches.len();
        for (n, branch) in branches.into_iter().enumerate() {
            self.branch(branch, indent, n + 1 == count)?;
        }
        ControlFlow::Continue(())
    }

    fn branch(&mut self, branch: &Branch, indent: &str, is_last: bool) -> ControlFlow<()> {
        if branch.standing == Standing::Open && !self.with_open {
            return ControlFlow::Break(());
        }
        let (tee, bar) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let published: Vec<_> = self.tree.published(branch).collect();
        let below = format!("{indent}{bar}");
        let more = if published.is_empty() { "   " } else { "│  " };
        let mut attempts = branch.attempts.iter();
        let first = match (attempts.next(), &branch.given_up) {
            (Some(first), _) => attempt(first, 1),
            (None, Some(queue)) => format!("dead-letter  in queue {queue}  hop-limit: too long a chain of events"),
            (None, None) => match branch.standing {
                Standing::Queued => good("queued"),
                Standing::Acked => good("ack"),
                Standing::DeadLettered => bad("dead-letter"),
                Standing::Dropped => later("dropped"),
                Standing::Open | Standing::Filtered => match branch.held_by {
                    Some(code) => later(&format!("waits: {code}")),
                    None => faint("waits for its first attempt"),
                },
            },
        };
        self.lines.push(format!("{indent}{tee}{}  {first}", target(branch)));
        let log = |of: &AttemptView| log(of).map(|line| format!("{below}{more}{line}")).collect::<Vec<_>>();
        self.lines.extend(branch.attempts.first().into_iter().flat_map(log));
        for (number, next) in (2..).zip(attempts) {
            self.lines.push(format!("{below}{more}{}", attempt(next, number)));
            self.lines.extend(log(next));
        }
        let count = published.len();
        for (n, position) in published.into_iter().enumerate() {
            let (tee, bar) = if n + 1 == count { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            self.event(position, &format!("{below}{tee}"), &format!("{below}{bar}"))?;
        }
        ControlFlow::Continue(())
    }
}

fn event(node: &Node) -> String {
    let Attributes { kind, source, id, .. } = Attributes::of(&node.event.event);
    let about = format!("{}  id {}  source {}", node.event.position, clipped(&id), clipped(&source));
    let none = if node.branches.is_empty() { "  no rule matched" } else { "" };
    format!("{}  {}", strong(&clipped(&kind)), faint(&format!("{about}{none}")))
}

/// `rule → plugin@digest`, the digest being that of the last attempt.
pub fn target(branch: &Branch) -> String {
    let release = branch.attempts.iter().rev().find_map(|attempt| attempt.release);
    let digest = release.map(|release| format!("@{}", release.short())).unwrap_or_default();
    format!("{} → {}{digest}", branch.rule, branch.to)
}

/// How an attempt went, in one line. `expected` is the number that would be no surprise.
fn attempt(attempt: &AttemptView, expected: u32) -> String {
    let which =
        if attempt.attempt == 1 && expected == 1 { String::new() } else { format!("attempt {}: ", attempt.attempt) };
    format!("{which}{}", outcome(attempt))
}

/// How an attempt ended, in words.
pub fn outcome(attempt: &AttemptView) -> String {
    let mut facts = vec![lasted(attempt.duration_us)];
    facts.extend(attempt.cpu_us.map(|cpu_us| format!("cpu {}", lasted(cpu_us))));
    facts.extend(attempt.memory_bytes.map(|bytes| format!("{} KiB", bytes >> 10)));
    facts.extend(attempt.limits.iter().map(|limit| format!("met {limit}")));
    let kv_writes = usize::try_from(attempt.kv_writes).unwrap_or(usize::MAX);
    if kv_writes > 0 {
        facts.push(counted(kv_writes, "key written", "keys written"));
    }
    if !attempt.published.is_empty() {
        facts.push(format!("{} published", attempt.published.len()));
    }
    facts.extend(attempt.consumer.as_ref().map(|plugin| format!("by {plugin}")));
    let facts = faint(&facts.join("  "));
    match &attempt.outcome {
        Outcome::Ack => format!("{}  {facts}", good("ack")),
        Outcome::Retry { at, code, reason } => {
            format!("{}  {facts}  again {}  {code}: {}", later("retry"), when(&attempt.time, at), clipped(reason))
        }
        Outcome::DeadLetter { code, reason, queue } => {
            format!("{}  {facts}  in queue {queue}  {code}: {}", bad("dead-letter"), clipped(reason))
        }
        Outcome::Filtered { transform } => format!("{}  {facts}  by {transform}", good("filtered")),
    }
}

/// What an attempt logged, a line each.
fn log(attempt: &AttemptView) -> impl Iterator<Item = String> {
    let dropped = attempt.log_lines_dropped;
    let dropped = (dropped > 0).then(|| faint(&format!("  … {dropped} lines before these are not kept")));
    let line = |line: &LogLineView| {
        let level = match line.level.as_str() {
            "error" => bad("error"),
            "warn" => later("warn"),
            other => faint(&printable(other)),
        };
        let context = if line.context.is_empty() { String::new() } else { format!("{}: ", printable(&line.context)) };
        format!("  {level} {context}{}", printable(&line.message))
    };
    dropped.into_iter().chain(attempt.log.iter().map(line))
}

/// `in 50 ms (12:00:00.050Z)`, as seen from the end of the attempt.
fn when(now: &str, at: &str) -> String {
    let clock = time_of_day(at);
    match (now.parse::<jiff::Timestamp>(), at.parse::<jiff::Timestamp>()) {
        (Ok(now), Ok(at)) => {
            let us = at.as_microsecond().saturating_sub(now.as_microsecond());
            format!("in {} ({clock})", lasted(u64::try_from(us).unwrap_or(0)))
        }
        _ => format!("at {}", printable(at)),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::tree::tests::{event, received, settled, story};
    use super::*;

    fn plain(lines: &[String]) -> String {
        lines.iter().map(|line| anstream::adapter::strip_str(line).to_string() + "\n").collect()
    }

    #[test]
    fn a_tree_shows_rule_plugin_outcome_and_what_was_published() {
        let mut tree = Tree::new(Position { k: 1, i: 0 });
        for item in story() {
            tree.hear(&item);
        }
        expect![[r#"
            a.b  1-0  id id-1-0  source cli
            ├─ triage → t@abababababab  ack  1.5 ms  2 keys written  1 published
            │  └─ a.c  2-1  id id-2-1  source cli
            │     └─ labels → l@abababababab  ack  1.5 ms  2 keys written
            ├─ spent → s@abababababab  dead-letter  1.5 ms  2 keys written  in queue q  retries-spent: 3 attempts
            └─ flaky → f@abababababab  retry  1.5 ms  2 keys written  again in 50.0 ms (12:00:01.050Z)  handler-retry: not now
                  attempt 2: ack  1.5 ms  2 keys written
        "#]].assert_eq(&plain(&all(&tree)));
        assert_eq!(so_far(&tree), all(&tree));
    }

    #[test]
    fn lines_of_a_growing_tree_only_get_more() {
        let mut tree = Tree::new(Position { k: 1, i: 0 });
        let mut before = so_far(&tree);
        let mut counts = Vec::new();
        for item in story() {
            tree.hear(&item);
            let now = so_far(&tree);
            assert!(now.starts_with(&before), "{now:?} after {before:?}");
            counts.push(now.len());
            before = now;
        }
        assert_eq!(counts, [1, 1, 1, 3, 3, 3, 3, 7]);
    }

    #[test]
    fn what_has_not_ended_is_shown_when_it_is_asked_for() {
        let mut tree = Tree::new(Position { k: 1, i: 0 });
        tree.hear(&received(&event("1-0", "a.b", &["retried>p", "waiting>p"])));
        tree.hear(&settled("1-0.0", 1, 1, "retry", &[]));
        expect![[r#"
            a.b  1-0  id id-1-0  source cli
            ├─ retried → p@abababababab  retry  1.5 ms  2 keys written  again in 50.0 ms (12:00:01.050Z)  handler-retry: not now
            └─ waiting → p  waits for its first attempt
        "#]].assert_eq(&plain(&all(&tree)));
    }

    #[test]
    fn a_filtered_delivery_names_the_transform_and_has_ended() {
        let mut tree = Tree::new(Position { k: 1, i: 0 });
        tree.hear(&received(&event("1-0", "a.b", &["r>p"])));
        tree.hear(&settled("1-0.0", 1, 1, "filtered", &[]));
        expect![[r#"
            a.b  1-0  id id-1-0  source cli
            └─ r → p@abababababab  filtered  1.5 ms  2 keys written  by enrich
        "#]]
        .assert_eq(&plain(&so_far(&tree)));
        assert_eq!((tree.tally().acked, tree.is_settled()), (1, true));
    }

    #[test]
    fn text_of_others_cannot_forge_a_line() {
        let mut tree = Tree::new(Position { k: 1, i: 0 });
        let mut root = event("1-0", "a.b", &[]);
        root["event"]["id"] = "x\u{1b}[1A\nforged".into();
        tree.hear(&received(&root));
        expect![[r#"
            a.b  1-0  id x\u{1b}[1A\nforged  source cli  no rule matched
        "#]]
        .assert_eq(&plain(&all(&tree)));
    }
}
