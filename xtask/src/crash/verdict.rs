//! The end: everything is drained, and the whole history is held against what was promised.
//!
//! Invariant: the expected totals are counted from the payloads of the events that are in the archive; those are exactly the
//! acknowledged ones, since an unanswered one is sent again until it is acknowledged.
//!
//! It does not stop at the first thing that is wrong.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};

use super::history::{End, History};
use super::ledger::Ledger;
use crate::demo::differences_of_counters;
use crate::host::Api;
use crate::host::api::Answer;
use crate::host::view::Stats;
use crate::interrupt::Interrupt;
use crate::payloads::Payload;
use crate::poll;
use crate::tally::{self, Tally};

/// How long all deliveries may take to end after the last restart.
const DRAIN_S_MAX: Duration = Duration::from_secs(120);

/// The last event: no rule wants it, so all that it does is to be the last.
const MARK: &str = "crash-end";

/// The type of what `github-triage` publishes.
const PUBLISHED: &str = "triage.labeled";

/// The queue of what `flaky` does not take.
const QUEUE: &str = "flaky-failed";

/// What was found.
pub struct Verdict {
    /// A sentence for each thing that is wrong.
    pub violations: Vec<String>,
    /// What was counted.
    pub tally: Tally,
}

/// Waits for all deliveries to end, and judges.
pub fn reach(api: &Api, ledger: &Ledger, payloads: &[Payload], interrupt: &Interrupt) -> Result<Verdict> {
    poll::until("the deliveries to end", DRAIN_S_MAX, interrupt, || Ok((api.stats()?.pending == 0).then_some(())))?;
    let mark = format!(r#"{{"specversion":"1.0","id":"{MARK}","source":"xtask","type":"crash.end"}}"#);
    match api.post(&mark)? {
        Answer::Accepted(_) => {}
        other => bail!("the last event was not taken: {other:?}"),
    }
    let mut history = History::read(api, MARK)?;
    history.received.remove(MARK);
    let mut violations = std::mem::take(&mut history.violations);
    let tally = received(&history, ledger, payloads, &mut violations);
    ends(&history, ledger, payloads, &mut violations);
    publications(&history, ledger, payloads, &mut violations);
    letters(api, &history, &mut violations)?;
    violations.extend(differences_of_counters(&api.counters()?, &tally.kv));
    totals(&api.stats()?, &history, &tally, &mut violations);
    Ok(Verdict { violations, tally })
}

fn payload(payloads: &[Payload], line: u64) -> Option<&Payload> {
    payloads.iter().find(|payload| payload.line == line)
}

/// The archive has what was acknowledged, where it was acknowledged, and nothing else.
fn received(history: &History, ledger: &Ledger, payloads: &[Payload], violations: &mut Vec<String>) -> Tally {
    let mut tally = Tally::default();
    for (id, entry) in &ledger.acknowledged {
        match history.received.get(id) {
            None => violations.push(format!("{id} was acknowledged at {} and is not there", entry.position)),
            Some(position) if *position != entry.position => {
                violations.push(format!("{id} was acknowledged at {} and is at {position}", entry.position));
            }
            Some(_) => {}
        }
        if let Some(payload) = payload(payloads, entry.line) {
            tally.add(payload);
        }
    }
    let strangers = history.received.keys().filter(|id| !ledger.acknowledged.contains_key(*id));
    violations.extend(strangers.map(|id| format!("{id} is there and was never sent, or was refused")));
    tally
}

/// Every event has its deliveries, and each of them ended as it must.
fn ends(history: &History, ledger: &Ledger, payloads: &[Payload], violations: &mut Vec<String>) {
    let mut expected = BTreeSet::new();
    for (id, entry) in &ledger.acknowledged {
        let Some(payload) = payload(payloads, entry.line) else { continue };
        for plugin in tally::plugins(payload) {
            let delivery = (entry.position.clone(), plugin.to_owned());
            let wanted = match plugin {
                "flaky" if tally::always_fails(entry.line) => End::DeadLettered,
                _ => End::Settled,
            };
            match history.deliveries.get(&delivery) {
                None => violations.push(format!("{id} has no delivery to {plugin}")),
                Some(None) => violations.push(format!("the delivery of {id} to {plugin} never ended")),
                Some(Some(end)) if *end != wanted => {
                    violations.push(format!("the delivery of {id} to {plugin} ended as {end:?}, not {wanted:?}"));
                }
                Some(Some(_)) => {}
            }
            expected.insert(delivery);
        }
    }
    for ((position, plugin), end) in &history.deliveries {
        let known = expected.contains(&(position.clone(), plugin.clone()));
        if !known && (plugin != "label-stats" || *end != Some(End::Settled)) {
            violations.push(format!("a delivery of the event at {position} to {plugin}: {end:?}"));
        }
    }
}

/// Every opened issue was labeled once, and nothing else was published.
fn publications(history: &History, ledger: &Ledger, payloads: &[Payload], violations: &mut Vec<String>) {
    let opened = |line| payload(payloads, line).is_some_and(|payload| payload.kind == "issues.opened");
    let mut wanted: BTreeSet<&str> =
        ledger.acknowledged.values().filter(|entry| opened(entry.line)).map(|entry| entry.position.as_str()).collect();
    for (id, (kind, parent)) in &history.published {
        if kind != PUBLISHED || !wanted.remove(parent.as_str()) {
            violations
                .push(format!("{id} was published for {parent}, which had its event already or should have none"));
        }
    }
    violations.extend(wanted.iter().map(|parent| format!("nothing was published for {parent}")));
}

/// The dead-letter queue has a letter for each delivery that was given up.
fn letters(api: &Api, history: &History, violations: &mut Vec<String>) -> Result<()> {
    let given_up = history.deliveries.iter().filter(|(_, end)| **end == Some(End::DeadLettered));
    let mut wanted: BTreeSet<(String, String)> = given_up.map(|(delivery, _)| delivery.clone()).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    for letter in api.letters(QUEUE)? {
        if !wanted.remove(&(letter.event.position.clone(), letter.plugin)) {
            violations.push(format!("letter {} is there twice, or for a delivery that was not given up", letter.id));
        }
    }
    violations.extend(wanted.iter().map(|(position, plugin)| format!("no letter for {position} and {plugin}")));
    Ok(())
}

/// The host's own totals are those of its history, and of ours.
fn totals(stats: &Stats, history: &History, tally: &Tally, violations: &mut Vec<String>) {
    // The mark is an event too.
    for (what, seen, expected) in [
        ("events", stats.events, tally.events + 1),
        ("deliveries", stats.deliveries, tally.deliveries),
        ("published", stats.published, tally.published),
        ("dead letters", stats.dead_letters, tally.dead_letters),
        ("retries", stats.retries, history.retries),
        ("attempts", stats.attempts, history.attempts),
        ("pending", stats.pending, 0),
    ] {
        if seen != expected {
            violations.push(format!("{what}: {seen}, should be {expected}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::traffic::Sent;
    use super::*;

    /// A history and a ledger of three events that went as they should: one is dead-lettered, one published.
    fn good(payloads: &[Payload]) -> (History, Ledger) {
        let opened = payloads.iter().find(|payload| payload.kind == "issues.opened").unwrap().line;
        let (mut history, mut ledger) = (History::default(), Ledger::default());
        for (k, line) in [(1, 7), (2, 50), (3, opened)] {
            let (id, position) = (format!("gh-{line}-{k}"), format!("{k}-0"));
            for plugin in tally::plugins(payload(payloads, line).unwrap()) {
                let given_up = plugin == "flaky" && line == 50;
                let end = if given_up { End::DeadLettered } else { End::Settled };
                history.deliveries.insert((position.clone(), plugin.to_owned()), Some(end));
            }
            history.received.insert(id.clone(), position.clone());
            ledger.acknowledge(&Sent { id, line }, position);
        }
        history.published.insert("x".to_owned(), (PUBLISHED.to_owned(), "3-0".to_owned()));
        history.deliveries.insert(("9-1".to_owned(), "label-stats".to_owned()), Some(End::Settled));
        (history, ledger)
    }

    /// What is found after `change` was made to a good history.
    fn found(change: fn(&mut History)) -> Vec<String> {
        let payloads = crate::payloads::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))).unwrap();
        let (mut history, ledger) = good(&payloads);
        change(&mut history);
        let mut violations = Vec::new();
        received(&history, &ledger, &payloads, &mut violations);
        ends(&history, &ledger, &payloads, &mut violations);
        publications(&history, &ledger, &payloads, &mut violations);
        violations
    }

    fn delivery(position: &str, plugin: &str) -> (String, String) {
        (position.to_owned(), plugin.to_owned())
    }

    #[test]
    fn a_history_as_it_should_be_has_no_violations() {
        assert_eq!(found(|_| ()), Vec::<String>::new());
    }

    #[test]
    fn each_broken_promise_is_found() {
        fn end(history: &mut History, position: &str, plugin: &str, end: Option<End>) {
            history.deliveries.insert(delivery(position, plugin), end);
        }
        fn receive(history: &mut History, id: &str, position: &str) {
            history.received.insert(id.to_owned(), position.to_owned());
        }
        type Case = (&'static str, fn(&mut History));
        let cases: [Case; 9] = [
            ("and is not there", |history| {
                history.received.remove("gh-7-1");
            }),
            ("and is at", |history| receive(history, "gh-7-1", "8-0")),
            ("never sent", |history| receive(history, "gh-8-9", "8-0")),
            ("has no delivery", |history| {
                history.deliveries.remove(&delivery("1-0", "flaky"));
            }),
            ("never ended", |history| end(history, "1-0", "flaky", None)),
            ("ended as Settled, not DeadLettered", |history| end(history, "2-0", "flaky", Some(End::Settled))),
            ("at 1-0 to push-stats", |history| end(history, "1-0", "push-stats", Some(End::Settled))),
            ("nothing was published", |history| history.published.clear()),
            ("had its event already", |history| {
                history.published.insert("y".to_owned(), (PUBLISHED.to_owned(), "3-0".to_owned()));
            }),
        ];
        for (word, change) in cases {
            let violations = found(change);
            assert!(violations.iter().any(|violation| violation.contains(word)), "{word}: {violations:?}");
        }
    }
}
