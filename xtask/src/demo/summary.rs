//! What the host says that happened, printed, and compared with what should have.
//!
//! Invariant: a member of the summary that is not printed or not compared does not exist.
//!
//! It does not wait until things have happened.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;

use crate::host::Api;
use crate::tally::{Counters, Tally};

/// Keys that the text shows of each plugin.
const KEYS_SHOWN_MAX: usize = 10;

/// The summary of a run, in the order in which it is printed.
#[derive(Debug, Serialize)]
pub struct Summary {
    events: u64,
    deliveries: u64,
    attempts: u64,
    published: u64,
    retries: u64,
    dead_letters: u64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    kv: Counters,
}

impl Summary {
    /// Asks the host.
    pub fn of(api: &Api) -> Result<Self> {
        let stats = api.stats()?;
        Ok(Self {
            events: stats.events,
            deliveries: stats.deliveries,
            attempts: stats.attempts,
            published: stats.published,
            retries: stats.retries,
            dead_letters: stats.dead_letters,
            p50_ms: stats.p50_ms,
            p99_ms: stats.p99_ms,
            kv: api.counters()?,
        })
    }

    fn totals(&self) -> [(&'static str, u64); 6] {
        [
            ("events", self.events),
            ("deliveries", self.deliveries),
            ("attempts", self.attempts),
            ("published", self.published),
            ("retries", self.retries),
            ("dead letters", self.dead_letters),
        ]
    }

    /// One line, one object.
    pub fn as_json(&self) -> Result<String> {
        Ok(serde_json::to_string(self)? + "\n")
    }

    /// For people.
    pub fn as_text(&self) -> String {
        let mut lines: Vec<String> = self.totals().iter().map(|(name, n)| format!("{name:12} {n:>9}")).collect();
        for (name, time) in [("p50", self.p50_ms), ("p99", self.p99_ms)] {
            let time = time.map_or("-".to_owned(), |ms| format!("{ms:.1}"));
            lines.push(format!("{name:12} {time:>9} ms from receipt to settlement"));
        }
        for (plugin, keys) in &self.kv {
            let mut largest: Vec<(&String, &i64)> = keys.iter().collect();
            largest.sort_by_key(|(key, n)| (-**n, *key));
            lines.push(format!("\n{plugin}: {}", keys_of(keys)));
            lines.extend(largest.iter().take(KEYS_SHOWN_MAX).map(|(key, n)| format!("  {n:>8}  {key}")));
        }
        lines.into_iter().fold(String::new(), |mut text, line| {
            // A string takes whatever is written.
            let _ = writeln!(text, "{line}");
            text
        })
    }

    /// Every total that is not what it should be, in words.
    pub fn differences(&self, expected: &Tally) -> Vec<String> {
        let expected_totals = [
            expected.events,
            expected.deliveries,
            expected.attempts,
            expected.published,
            expected.retries,
            expected.dead_letters,
        ];
        let totals = self.totals().into_iter().zip(expected_totals);
        let wrong = totals.filter(|((_, seen), expected)| seen != expected);
        let mut differences: Vec<String> =
            wrong.map(|((name, seen), expected)| format!("{name}: {seen}, should be {expected}")).collect();
        differences.extend(differences_of_counters(&self.kv, &expected.kv));
        differences
    }
}

fn keys_of(keys: &BTreeMap<String, i64>) -> String {
    match keys.len() {
        1 => "1 key".to_owned(),
        n if n > KEYS_SHOWN_MAX => format!("{n} keys, the largest {KEYS_SHOWN_MAX} are"),
        n => format!("{n} keys"),
    }
}

/// Every key that differs, be it that one side lacks it.
pub fn differences_of_counters(seen: &Counters, expected: &Counters) -> Vec<String> {
    let flat = |counters: &Counters| -> BTreeMap<String, i64> {
        let keys = |(plugin, keys): (&String, &BTreeMap<String, i64>)| {
            keys.iter().map(|(key, n)| (format!("{plugin}: {key}"), *n)).collect::<Vec<_>>()
        };
        counters.iter().flat_map(keys).collect()
    };
    let (seen, expected) = (flat(seen), flat(expected));
    let mut names: Vec<&String> = seen.keys().chain(expected.keys()).collect();
    names.sort();
    names.dedup();
    let both = names.into_iter().map(|name| (name, seen.get(name), expected.get(name)));
    let number = |n: Option<&i64>| n.map_or("nothing".to_owned(), i64::to_string);
    both.filter(|(_, seen, expected)| seen != expected)
        .map(|(name, seen, expected)| format!("{name}: {}, should be {}", number(seen), number(expected)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        let kv = BTreeMap::from([("p".to_owned(), BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 3)]))]);
        Summary {
            events: 5,
            deliveries: 6,
            attempts: 7,
            published: 0,
            retries: 1,
            dead_letters: 0,
            p50_ms: Some(1.25),
            p99_ms: None,
            kv,
        }
    }

    #[test]
    fn the_json_has_the_members_that_the_readme_names() {
        let json = r#"{"events":5,"deliveries":6,"attempts":7,"published":0,"retries":1,"dead_letters":0,"p50_ms":1.25,"p99_ms":null,"kv":{"p":{"a":2,"b":3}}}"#;
        assert_eq!(summary().as_json().unwrap(), format!("{json}\n"));
    }

    #[test]
    fn the_text_shows_the_largest_keys_first() {
        let text = summary().as_text();
        assert!(text.ends_with("\np: 2 keys\n         3  b\n         2  a\n"), "{text}");
    }

    #[test]
    fn every_difference_is_named() {
        let kv = BTreeMap::from([("p".to_owned(), BTreeMap::from([("b".to_owned(), 4), ("c".to_owned(), 1)]))]);
        let expected = Tally { events: 5, deliveries: 6, attempts: 7, published: 0, retries: 2, dead_letters: 0, kv };
        let differences = [
            "retries: 1, should be 2",
            "p: a: 2, should be nothing",
            "p: b: 3, should be 4",
            "p: c: nothing, should be 1",
        ];
        assert_eq!(summary().differences(&expected), differences);
        let right = Tally { retries: 1, kv: summary().kv, ..expected };
        assert_eq!(summary().differences(&right), Vec::<String>::new());
    }
}
