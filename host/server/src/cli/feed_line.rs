//! An item of the feed as one line of text.
//!
//! Invariant: one item is one line, whatever text of others is in it.

use wharf_gateway::view::{AttemptView, EventView, FeedItem, Outcome, TraceStep};

use super::attributes::Attributes;
use super::words::{bad, clipped, counted, faint, good, lasted, later, strong, time_of_day};

/// The line of an item; `kind` is the type of the event that it is about, where it is known.
pub fn line(item: &FeedItem, kind: Option<&str>) -> String {
    match item {
        FeedItem::Received { event } => received(event),
        FeedItem::Settled { event, rule, to, attempt, published, .. } => {
            let release = attempt.release.map(|release| format!("@{}", release.short())).unwrap_or_default();
            let about = format!("{event}  {}{rule} → {to}{release}", known(kind));
            format!(
                "{}  {}  {about}  {}",
                faint(&time_of_day(&attempt.time)),
                word(attempt),
                details(attempt, published)
            )
        }
        FeedItem::Redriven { event, rule, to, queue, time, .. } => {
            let about = format!("{event}  {}{rule} → {to}  from queue {queue}", known(kind));
            format!("{}  {}  {about}", faint(&time_of_day(time)), later(&column("redriven")))
        }
        FeedItem::Discarded { event, rule, to, queue, time, .. } => {
            let about = format!("{event}  {}{rule} → {to}  in queue {queue}", known(kind));
            format!("{}  {}  {about}", faint(&time_of_day(time)), later(&column("discarded")))
        }
        FeedItem::Moved { event, to, step, .. } => {
            let (word, more) = moved(step);
            let about = format!("{event}  {}{to}", known(kind));
            format!("{}  {word}  {about}{more}", faint(&time_of_day(step.ended())))
        }
        FeedItem::Edited { event, queue, time, .. } => {
            let about = format!("{event}  {}in queue {queue}", known(kind));
            format!("{}  {}  {about}", faint(&time_of_day(time)), later(&column("edited")))
        }
    }
}

/// What became of a message, and what there is to say about that.
fn moved(step: &TraceStep) -> (String, String) {
    let until = |word: &str, until: &str| (later(&column(word)), format!("  until {}", time_of_day(until)));
    let plain = |word: &str| (column(word), String::new());
    match step {
        // An event is received by the host, a message by a client.
        TraceStep::Received { until: at, .. } => until("leased", at),
        TraceStep::Extended { until: at, .. } => until("extended", at),
        TraceStep::Released { until: at, .. } => until("released", at),
        TraceStep::Returned { .. } => plain("returned"),
        TraceStep::Acked { .. } => (good(&column("acked")), String::new()),
        TraceStep::Expired { .. } => (bad(&column("expired")), String::new()),
        TraceStep::Purged { .. } => (bad(&column("purged")), String::new()),
        TraceStep::GivenUp { code, reason, queue, .. } => {
            (bad(&column("dead-letter")), format!("  in queue {queue}  {code}: {}", clipped(reason)))
        }
        TraceStep::Attempt { .. }
        | TraceStep::Edited { .. }
        | TraceStep::Discarded { .. }
        | TraceStep::Redriven { .. } => plain("moved"),
    }
}

/// The first words line up.
fn column(word: &str) -> String {
    format!("{word:<11}")
}

fn known(kind: Option<&str>) -> String {
    kind.map(|kind| format!("{}  ", strong(&clipped(kind)))).unwrap_or_default()
}

fn received(event: &EventView) -> String {
    let Attributes { kind, source, id, .. } = Attributes::of(&event.event);
    let targets: Vec<_> = event.deliveries.iter().map(|target| format!("{} → {}", target.rule, target.to)).collect();
    let targets = if targets.is_empty() { "no rule matched".to_owned() } else { targets.join(", ") };
    format!(
        "{}  {}  {}  {}  {}  {targets}",
        faint(&time_of_day(&event.time)),
        column("received"),
        event.position,
        strong(&clipped(&kind)),
        faint(&format!("id {}  source {}", clipped(&id), clipped(&source))),
    )
}

fn word(attempt: &AttemptView) -> String {
    match attempt.outcome {
        Outcome::Ack => good(&column("ack")),
        Outcome::Retry { .. } => later(&column("retry")),
        Outcome::DeadLetter { .. } => bad(&column("dead-letter")),
        Outcome::Filtered { .. } => good(&column("filtered")),
    }
}

fn details(attempt: &AttemptView, published: &[EventView]) -> String {
    let mut facts = vec![faint(&lasted(attempt.duration_us))];
    if attempt.attempt > 1 {
        facts.push(format!("attempt {}", attempt.attempt));
    }
    if attempt.kv_writes > 0 {
        let writes = usize::try_from(attempt.kv_writes).unwrap_or(usize::MAX);
        facts.push(counted(writes, "key written", "keys written"));
    }
    match &attempt.outcome {
        Outcome::Ack => {}
        Outcome::Retry { at, code, reason } => {
            facts.push(format!("again at {}  {code}: {}", time_of_day(at), clipped(reason)));
        }
        Outcome::DeadLetter { code, reason, queue } => {
            facts.push(format!("in queue {queue}  {code}: {}", clipped(reason)));
        }
        Outcome::Filtered { transform } => facts.push(format!("by {transform}")),
    }
    if !published.is_empty() {
        let events: Vec<_> = published
            .iter()
            .map(|event| format!("{} {}", event.position, clipped(&Attributes::of(&event.event).kind)))
            .collect();
        facts.push(format!("published {}", events.join(", ")));
    }
    facts.join("  ")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::tree::tests::{event, received, redriven, settled, story};
    use super::*;

    #[test]
    fn an_item_is_one_line() {
        let mut items = story();
        items.push(received(&event("7-0", "lonely\u{1b}[2J", &[])));
        items.push(settled("1-0.1", 8, 3, "dead-letter", &[]));
        items.push(redriven("1-0.1"));
        items.push(settled("1-0.1", 9, 1, "filtered", &[]));
        let lines: String = items
            .iter()
            .map(|item| anstream::adapter::strip_str(&line(item, Some("a.b"))).to_string() + "\n")
            .collect();
        expect![[r#"
            12:00:00.000Z  received     1-0  a.b  id id-1-0  source cli  triage → t, flaky → f, spent → s
            12:00:00.000Z  received     1-256  other  id id-1-256  source cli  triage → t
            12:00:01.000Z  retry        1-0  a.b  r → p@abababababab  1.5 ms  2 keys written  again at 12:00:01.050Z  handler-retry: not now
            12:00:02.000Z  ack          1-0  a.b  r → p@abababababab  1.5 ms  2 keys written  published 2-1 a.c
            12:00:03.000Z  ack          1-256  a.b  r → p@abababababab  1.5 ms  2 keys written
            12:00:04.000Z  dead-letter  1-0  a.b  r → p@abababababab  1.5 ms  2 keys written  in queue q  retries-spent: 3 attempts
            12:00:05.000Z  ack          1-0  a.b  r → p@abababababab  1.5 ms  attempt 2  2 keys written
            12:00:06.000Z  ack          2-1  a.b  r → p@abababababab  1.5 ms  2 keys written
            12:00:00.000Z  received     7-0  lonely\u{1b}[2J  id id-7-0  source cli  no rule matched
            12:00:08.000Z  dead-letter  1-0  a.b  r → p@abababababab  1.5 ms  attempt 3  2 keys written  in queue q  retries-spent: 3 attempts
              redriven     1-0  a.b  r → p  from queue q
            12:00:09.000Z  filtered     1-0  a.b  r → p@abababababab  1.5 ms  2 keys written  by enrich
        "#]].assert_eq(&lines);
    }
}
