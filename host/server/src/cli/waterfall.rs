//! A trace as a waterfall: a tree at the left, bars to scale in the middle, words at the right.
//!
//! Invariant: every bar is on one scale, from when the first event was received to the last thing that is told; what was shorter than a
//! column has one all the same. Times are the host's; nothing is guessed about what is not told.

use wharf_event::Position;
use wharf_gateway::view::{
    AttemptView, DeliveryState, Outcome, TraceCursor, TraceStep, TraceView, TracedDelivery, TracedEvent, TracedWrite,
};

use super::{
    attributes::Attributes,
    tree_lines::outcome,
    words::{bad, clipped, counted, faint, good, lasted, later, strong, time_of_day},
};

/// Columns of the bars at least and at most.
const BARS: (usize, usize) = (16, 60);

/// Columns of the tree at most.
const TREE_COLUMNS_MAX: usize = 52;

/// Keys that are shown of one attempt.
const WRITES_SHOWN: usize = 5;

/// What a stretch of time is drawn with.
#[derive(Clone, Copy)]
enum Ink {
    Wait,
    Good,
    Later,
    Bad,
    Plain,
}

impl Ink {
    fn cells(self, count: usize) -> String {
        match self {
            Self::Wait => faint(&"·".repeat(count)),
            Self::Good => good(&"█".repeat(count)),
            Self::Later => later(&"▓".repeat(count)),
            Self::Bad => bad(&"█".repeat(count)),
            Self::Plain => "▏".to_owned() + &" ".repeat(count.saturating_sub(1)),
        }
    }
}

struct Stretch {
    from_us: i64,
    until_us: i64,
    ink: Ink,
}

impl Stretch {
    fn is_wait(&self) -> bool {
        matches!(self.ink, Ink::Wait)
    }
}

struct Row {
    tree: String,
    stretches: Vec<Stretch>,
    words: String,
}

/// A trace, or the page of one that is behind `after`, as lines of about `columns` columns.
pub fn lines(trace: &TraceView, after: Option<TraceCursor>, columns: usize) -> Vec<String> {
    let Some(first) = trace.events.first() else { return Vec::new() };
    let mut drawing = Drawing { trace, after, last_us: last_us(trace), rows: Vec::new() };
    // On a further page, what led to an event may be on one before.
    let is_told = |position| trace.events.iter().any(|of| of.event.position == position);
    trace.events.iter().filter(|of| !of.event.parent.is_some_and(is_told)).for_each(|of| drawing.event(of, "", ""));
    let (from_us, last_us) = (micros(&first.event.time), drawing.last_us);
    let widest = drawing.rows.iter().map(|row| row.tree.chars().count()).max().unwrap_or(0);
    let tree = widest.min(TREE_COLUMNS_MAX).max(time_of_day(&first.event.time).chars().count());
    let (least, most) = BARS;
    let bars = (columns.saturating_sub(tree + 3) / 2).clamp(least, most);
    let scale = Scale { from_us, until_us: last_us.max(from_us + 1), columns: bars };
    let mut lines = vec![scale.head(tree, &first.event.time)];
    lines.extend(drawing.rows.iter().map(|row| row.line(tree, &scale)));
    lines
}

struct Scale {
    from_us: i64,
    until_us: i64,
    columns: usize,
}

impl Scale {
    fn head(&self, tree: usize, received: &str) -> String {
        let total = lasted(u64::try_from(self.until_us - self.from_us).unwrap_or(0));
        let (begin, room) = (time_of_day(received), self.columns.saturating_sub(total.chars().count() + 1));
        let line = format!("{begin:<tree$} │0{:>room$}{total}│", "");
        faint(&line)
    }

    /// The column of a time, and that it is one of them.
    fn column(&self, at_us: i64) -> usize {
        let whole = u128::try_from(self.until_us - self.from_us).unwrap_or(1).max(1);
        let part = u128::try_from(at_us - self.from_us).unwrap_or(0).min(whole);
        usize::try_from(part * self.columns as u128 / whole).unwrap_or(0).min(self.columns)
    }
}

impl Row {
    fn line(&self, tree: usize, scale: &Scale) -> String {
        let (mut bars, mut at) = (String::new(), 0);
        for (n, stretch) in (1..).zip(&self.stretches) {
            // What is shorter than a column is seen all the same, at the end of the scale too.
            let is_last = n == self.stretches.len();
            let (room, least) = if is_last && !stretch.is_wait() { (1, 1) } else { (usize::from(!is_last), 0) };
            let begin = scale.column(stretch.from_us).min(scale.columns - room).max(at);
            let end = scale.column(stretch.until_us).min(scale.columns - usize::from(!is_last)).max(begin + least);
            if end <= begin {
                continue;
            }
            bars.push_str(&" ".repeat(begin - at));
            bars.push_str(&stretch.ink.cells(end - begin));
            at = end;
        }
        bars.push_str(&" ".repeat(scale.columns.saturating_sub(at)));
        // Of a deep tree the names are more use than the branches that lead to them.
        let over = self.tree.chars().count().saturating_sub(tree);
        let head: String = match over {
            0 => self.tree.clone(),
            over => std::iter::once('…').chain(self.tree.chars().skip(over + 1)).collect(),
        };
        let words = &self.words;
        format!("{head:<tree$} {}{bars}{} {words}", faint("│"), faint("│")).trim_end().to_owned()
    }
}

struct Drawing<'a> {
    trace: &'a TraceView,
    after: Option<TraceCursor>,
    last_us: i64,
    rows: Vec<Row>,
}

impl Drawing<'_> {
    fn row(&mut self, tree: String, stretches: Vec<Stretch>, words: String) {
        self.rows.push(Row { tree, stretches, words });
    }

    /// An event and what is below it: `head` begins its own line, `indent` those below.
    fn event(&mut self, of: &TracedEvent, head: &str, indent: &str) {
        let Attributes { kind, id, .. } = Attributes::of(&of.event.event);
        let at_us = micros(&of.event.time);
        let none = if of.deliveries.is_empty() { "  no rule matched" } else { "" };
        let words = format!("{}{}", faint(&format!("id {}  bus {}", clipped(&id), of.event.bus)), faint(none));
        let mark = vec![Stretch { from_us: at_us, until_us: at_us, ink: Ink::Plain }];
        self.row(format!("{head}{} {}", clipped(&kind), of.event.position), mark, words);
        let count = of.deliveries.len();
        for (n, delivery) in (1..).zip(&of.deliveries) {
            let (tee, bar) = if n == count { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            self.delivery(delivery, at_us, &format!("{indent}{tee}"), &format!("{indent}{bar}"));
        }
    }

    fn delivery(&mut self, of: &TracedDelivery, since_us: i64, head: &str, indent: &str) {
        let mut ended_us = since_us;
        let mut name = format!("{head}{} → {}", of.rule, of.to);
        let goes_on = is_within(self.after, of);
        if goes_on {
            self.row(std::mem::take(&mut name), Vec::new(), faint("goes on from the page before"));
        }
        for (place, step) in of.steps.iter().enumerate() {
            let next = of.steps.get(place + 1);
            let (busy, words) = self.step(step, ended_us, next);
            // What was before the first step of a page is told on another.
            let from_us = if goes_on && place == 0 { busy.from_us } else { ended_us };
            let wait = Stretch { from_us, until_us: busy.from_us, ink: Ink::Wait };
            ended_us = busy.until_us.max(ended_us);
            let tree = if name.is_empty() { format!("{indent}{}", title(step)) } else { std::mem::take(&mut name) };
            self.row(tree, vec![wait, busy], words);
            if let TraceStep::Attempt { attempt, writes, .. } = step {
                self.came_of(attempt, writes, ended_us, indent);
            }
        }
        if is_within(self.trace.next, of) {
            return self.row(format!("{indent}…"), Vec::new(), faint("goes on with the next page"));
        }
        let open = matches!(of.state, DeliveryState::Waiting) || (of.steps.is_empty() && !name.is_empty());
        if open {
            let wait = Stretch { from_us: ended_us, until_us: self.last_us, ink: Ink::Wait };
            let tree = if name.is_empty() { format!("{indent}…") } else { name };
            let why = of.held_by.map(|code| format!(": {code}")).unwrap_or_default();
            self.row(tree, vec![wait], faint(&format!("{}{why}", standing(of.state))));
        }
    }

    /// What an attempt wrote and published.
    fn came_of(&mut self, attempt: &AttemptView, writes: &[TracedWrite], ended_us: i64, indent: &str) {
        let mark = || vec![Stretch { from_us: ended_us, until_us: ended_us, ink: Ink::Plain }];
        for write in writes.iter().take(WRITES_SHOWN) {
            let bytes = |bytes| counted(usize::try_from(bytes).unwrap_or(usize::MAX), "byte", "bytes");
            let what = write.bytes.map_or_else(|| "removed".to_owned(), bytes);
            let tree = format!("{indent}∙ kv {}/{}", write.bucket, clipped(&write.key));
            self.row(tree, mark(), faint(&what));
        }
        let more = (attempt.kv_writes as usize).saturating_sub(writes.len().min(WRITES_SHOWN));
        if more > 0 {
            self.row(format!("{indent}∙ … {more} more keys"), mark(), String::new());
        }
        let count = attempt.published.len();
        for (n, position) in (1..).zip(&attempt.published) {
            let (tee, bar) = if n == count { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            match self.trace.event(*position) {
                Some(event) => self.event(event, &format!("{indent}{tee}"), &format!("{indent}{bar}")),
                None => self.row(format!("{indent}{tee}{position}"), Vec::new(), untold(*position)),
            }
        }
    }

    /// When a step was busy, and what there is to say about it.
    fn step(&self, step: &TraceStep, since_us: i64, next: Option<&TraceStep>) -> (Stretch, String) {
        let ended_us = micros(step.ended());
        let at = |ink| Stretch { from_us: ended_us, until_us: ended_us, ink };
        let held =
            |ink| Stretch { from_us: ended_us, until_us: next.map_or(self.last_us, |next| micros(next.ended())), ink };
        match step {
            TraceStep::Attempt { attempt, .. } => {
                let duration = i64::try_from(attempt.duration_us).unwrap_or(i64::MAX);
                let ink = match attempt.outcome {
                    Outcome::Ack | Outcome::Filtered { .. } => Ink::Good,
                    Outcome::Retry { .. } => Ink::Later,
                    Outcome::DeadLetter { .. } => Ink::Bad,
                };
                let from_us = ended_us.saturating_sub(duration).max(since_us);
                let release = attempt.release.map(|it| format!("@{}  ", it.short())).unwrap_or_default();
                let until_us = ended_us.max(from_us);
                (Stretch { from_us, until_us, ink }, format!("{}{}", faint(&release), outcome(attempt)))
            }
            TraceStep::Received { until, .. } => {
                (held(Ink::Later), format!("received  {}", faint(&format!("until {}", time_of_day(until)))))
            }
            TraceStep::Extended { until, .. } => {
                (held(Ink::Later), format!("extended  {}", faint(&format!("until {}", time_of_day(until)))))
            }
            TraceStep::Released { until, .. } => {
                (at(Ink::Plain), format!("{}  {}", later("released"), faint(&format!("until {}", time_of_day(until)))))
            }
            TraceStep::Returned { .. } => (at(Ink::Plain), "returned".to_owned()),
            TraceStep::Acked { .. } => (at(Ink::Good), good("acked")),
            TraceStep::Expired { .. } => (at(Ink::Bad), later("expired")),
            TraceStep::Purged { .. } => (at(Ink::Bad), later("purged")),
            TraceStep::GivenUp { code, reason, queue, .. } => {
                let why = format!("in queue {queue}  {code}: {}", clipped(reason));
                (at(Ink::Bad), format!("{}  {why}", bad("dead-letter")))
            }
            TraceStep::Edited { queue, .. } => (at(Ink::Plain), format!("{}  in queue {queue}", strong("edited"))),
            TraceStep::Discarded { queue, .. } => (at(Ink::Bad), format!("{}  in queue {queue}", later("discarded"))),
            TraceStep::Redriven { queue, .. } => {
                (at(Ink::Plain), format!("{}  out of queue {queue}", strong("redriven")))
            }
        }
    }
}

/// Whether a page ended within a delivery, by the cursor behind it.
fn is_within(end: Option<TraceCursor>, of: &TracedDelivery) -> bool {
    let within = |end: TraceCursor| end.delivery.filter(|_| end.step.is_some()).map(|n| format!("{}.{n}", end.event));
    end.and_then(within).is_some_and(|id| id == of.id)
}

/// What a step is called where it is not the first.
fn title(step: &TraceStep) -> String {
    match step {
        TraceStep::Attempt { attempt, .. } => format!("attempt {}", attempt.attempt),
        TraceStep::Received { .. } => "received".to_owned(),
        _ => String::new(),
    }
}

fn standing(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Waiting => "waits",
        DeliveryState::Running => "somebody has it",
        DeliveryState::Settled => "ended well",
        DeliveryState::Filtered => "filtered",
        DeliveryState::DeadLettered => "dead letter",
        DeliveryState::Dropped => "dropped",
    }
}

fn untold(position: Position) -> String {
    faint(&format!("left out: wharf trace {position}"))
}

/// The last moment that is told.
fn last_us(trace: &TraceView) -> i64 {
    let steps = trace.events.iter().flat_map(|of| &of.deliveries).flat_map(|of| &of.steps);
    let steps = steps.map(|step| micros(step.ended()));
    trace.events.iter().map(|of| micros(&of.event.time)).chain(steps).max().unwrap_or(0)
}

/// A time of RFC 3339 in microseconds since 1970; what is none is the beginning.
fn micros(time: &str) -> i64 {
    time.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_microsecond)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::{Value, json};

    use super::*;

    fn event(position: &str, ms: u32, targets: &[&str], deliveries: &[Value]) -> Value {
        let target = |(n, to): (usize, &&str)| json!({"rule": "r", "target": to, "n": n});
        let targets: Vec<_> = targets.iter().enumerate().map(target).collect();
        json!({
            "event": {
                "position": position, "time": format!("2026-01-01T12:00:00.{ms:03}Z"), "bus": "default",
                "event": {"id": "i", "source": "s", "type": "a.b", "specversion": "1.0"}, "deliveries": targets,
            },
            "deliveries": deliveries,
        })
    }

    fn attempt(number: u32, ms: u32, us: u32, outcome: Value, published: &[&str]) -> Value {
        json!({"step": "attempt", "from": "", "attempt": {
            "attempt": number, "position": "9-0", "time": format!("2026-01-01T12:00:00.{ms:03}Z"), "outcome": outcome,
            "duration_us": us, "published": published, "kv_writes": 7,
        }, "writes": [{"bucket": "b", "key": "k", "bytes": 3}, {"bucket": "b", "key": "gone"}]})
    }

    fn delivery(to: &str, state: &str, steps: &[Value]) -> Value {
        json!({"id": "1-0.0", "rule": "r", "target": to, "state": state, "steps": steps})
    }

    #[test]
    fn waits_attempts_writes_and_what_was_published_are_on_one_scale() {
        let retry =
            json!({"outcome": "retry", "at": "2026-01-01T12:00:00.050Z", "code": "handler-retry", "reason": "no"});
        let tried =
            [attempt(1, 20, 10_000, retry, &[]), attempt(2, 80, 10_000, json!({"outcome": "ack"}), &["2-1", "2-2"])];
        let time = |ms: u32| format!("2026-01-01T12:00:00.{ms:03}Z");
        let received = [
            json!({"step": "received", "time": time(40), "until": time(940)}),
            json!({"step": "acked", "time": time(100)}),
        ];
        let deliveries = [delivery("p", "settled", &tried), delivery("queue/q", "settled", &received)];
        let mut child = event("2-1", 80, &["q"], &[delivery("q", "waiting", &[])]);
        child["event"]["parent"] = json!("1-0");
        let trace = json!({"events": [event("1-0", 0, &["p", "queue/q"], &deliveries), child], "truncated": true});
        let mut trace: TraceView = serde_json::from_value(trace).unwrap();
        let plain = |line: &String| anstream::adapter::strip_str(line).to_string() + "\n";
        let shown: String = lines(&trace, None, 60).iter().map(plain).collect();
        expect![[r#"
            12:00:00.000Z      │0          100.0 ms│
            a.b 1-0            │▏                  │ id i  bus default
            ├─ r → p           │·▓▓                │ retry  10.0 ms  7 keys written  again in 30.0 ms (12:00:00.050Z)  handler-retry: no
            │  ∙ kv b/k        │   ▏               │ 3 bytes
            │  ∙ kv b/gone     │   ▏               │ removed
            │  ∙ … 5 more keys │   ▏               │
            │  attempt 2       │   ··········██    │ ack  10.0 ms  7 keys written  2 published
            │  ∙ kv b/k        │               ▏   │ 3 bytes
            │  ∙ kv b/gone     │               ▏   │ removed
            │  ∙ … 5 more keys │               ▏   │
            │  ├─ a.b 2-1      │               ▏   │ id i  bus default
            │  │  └─ r → q     │               ····│ waits
            │  └─ 2-2          │                   │ left out: wharf trace 2-2
            └─ r → queue/q     │·······▓▓▓▓▓▓▓▓▓▓▓▓│ received  until 12:00:00.940Z
                               │                  █│ acked
        "#]].assert_eq(&shown);

        // The page behind it, where nothing leads to the child.
        trace.events.remove(0);
        let shown: String = lines(&trace, "1-0".parse().ok(), 60).iter().map(plain).collect();
        expect![[r#"
            12:00:00.080Z │0                 1 us│
            a.b 2-1       │▏                     │ id i  bus default
            └─ r → q      │                      │ waits
        "#]]
        .assert_eq(&shown);
    }

    #[test]
    fn a_delivery_that_is_told_on_several_pages_says_so_at_both_ends() {
        let retry =
            json!({"outcome": "retry", "at": "2026-01-01T12:00:00.050Z", "code": "handler-retry", "reason": "no"});
        let tried = [attempt(3, 40, 10_000, retry.clone(), &[]), attempt(4, 80, 10_000, retry, &[])];
        let steps = tried.map(|mut step| {
            step["writes"] = json!([]);
            step["attempt"]["kv_writes"] = json!(0);
            step
        });
        let trace = json!({
            "events": [event("1-0", 0, &["p"], &[delivery("p", "waiting", &steps)])], "truncated": true, "next": "1-0.0@9-0",
        });
        let trace: TraceView = serde_json::from_value(trace).unwrap();
        let plain = |line: &String| anstream::adapter::strip_str(line).to_string() + "\n";
        let shown: String = lines(&trace, "1-0.0@8-0".parse().ok(), 60).iter().map(plain).collect();
        expect![[r#"
            12:00:00.000Z │0              80.0 ms│
            a.b 1-0       │▏                     │ id i  bus default
            └─ r → p      │                      │ goes on from the page before
               attempt 3  │        ▓▓▓           │ retry  10.0 ms  again in 10.0 ms (12:00:00.050Z)  handler-retry: no
               attempt 4  │           ········▓▓▓│ retry  10.0 ms  again in 0 us (12:00:00.050Z)  handler-retry: no
               …          │                      │ goes on with the next page
        "#]]
        .assert_eq(&shown);
    }
}
