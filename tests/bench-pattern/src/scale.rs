//! A hundred thousand rules, and the worst that a rule and an event can do to each other. Invariant: memory is what the
//! process holds more of, so that nothing is left out.

use std::{fmt::Write as _, fs, hint::black_box};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::json;
use wharf_pattern::{Pattern, RuleMatcher, Scratch};

use crate::{families, spent};

const RULES: u64 = 100_000;

/// What many rules cost.
#[derive(Serialize)]
pub struct Scale {
    rules: u64,
    bytes_per_rule: u64,
    /// One rule more, while a reader keeps the set as it was: the middle and the longest of a thousand, in microseconds.
    one_more_us: f64,
    one_more_longest_us: f64,
    us_per_event: f64,
}

/// What one hostile rule costs an event, beside a plain one.
#[derive(Serialize)]
pub struct Worst {
    what: String,
    event_bytes: usize,
    us_per_event: f64,
    /// By the time of the same event with one exact rule.
    factor: f64,
}

/// Rules of a kind that a real set has: an exact field or two, sometimes a prefix or a range beside them.
fn rule(n: u64) -> Result<Pattern> {
    let json = match n % 4 {
        0 => json!({"type": ["order.created"], "data": {"customer": [format!("c-{n:08}")]}}),
        1 => json!({"source": [format!("shop/{}", n % 500)], "data": {"sku": [{"prefix": format!("{n:07}-")}]}}),
        2 => {
            json!({"type": ["order.paid"], "data": {"customer": [format!("c-{n:08}")], "total": [{"numeric": [">", n]}]}})
        }
        _ => json!({"data": {"device": [format!("d-{n}"), format!("e-{n}")], "level": [{"anything-but": "debug"}]}}),
    };
    Pattern::from_json(json.to_string().as_bytes()).context("a rule of ours")
}

/// Measures many rules.
pub fn scale() -> Result<Scale> {
    let before = held_bytes()?;
    let mut matcher = RuleMatcher::new();
    for n in 0..RULES {
        matcher.insert(n, &rule(n)?)?;
    }
    let bytes = held_bytes()?.saturating_sub(before);
    let mut times = Vec::new();
    for n in RULES..RULES + 1_000 {
        let (pattern, snapshot) = (rule(n)?, matcher.clone());
        times.push(spent::once(|| {
            let _ = black_box(matcher.insert(n, &pattern));
        }));
        drop(black_box(snapshot));
    }
    times.sort_by(f64::total_cmp);
    let event = json!({"type": "order.paid", "source": "shop/77", "data": {"customer": "c-00000042", "total": 50, "sku": "0000577-x", "device": "e-3", "level": "info"}});
    let event = event.to_string();
    let mut scratch = Scratch::new();
    let us = per_call(|| found(&matcher, event.as_bytes(), &mut scratch), 100_000);
    Ok(Scale {
        rules: RULES,
        bytes_per_rule: bytes / RULES,
        one_more_us: times.get(times.len() / 2).copied().unwrap_or_default(),
        one_more_longest_us: times.last().copied().unwrap_or_default(),
        us_per_event: us,
    })
}

/// The worst that we know: one rule, and an event made for it.
pub fn worst() -> Result<Vec<Worst>> {
    let long = "a".repeat(50_000);
    let objects = |n: usize, object: &dyn Fn(usize) -> String| (0..n).map(object).collect::<Vec<_>>().join(",");
    let pairs = format!("{{\"x\":[{}]}}", objects(5_000, &|n| format!("{{\"a\":{n},\"b\":{}}}", n + 1)));
    let several = |names: &[&str]| {
        let mut text = "{".to_owned();
        for (n, name) in names.iter().enumerate() {
            let all = objects(1_000, &|n| format!("{{\"v\":{n}}}"));
            let _ = write!(text, "{}\"{name}\":[{all}]", if n == 0 { "" } else { "," });
        }
        text + "}"
    };
    let any = json!([{"exists": true}]);
    // Each object lacks one field, and no two the same.
    let wide = objects(200, &|n| {
        let fields = (0..200).filter(|field| *field != n).map(|field| format!("\"f{field:03}\":1"));
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    });
    let wide = format!("{{\"x\":[{wide}]}}");
    let cases = [
        (
            "a wildcard that almost fits everywhere",
            json!({"x": [{"wildcard": "*aaaaaaaab*aaaaaaaac*aaaaaaaad"}]}),
            format!("{{\"x\":\"{long}\"}}"),
        ),
        (
            "a thousand prefixes that almost fit",
            json!({"x": (0..999).map(|n| json!({"prefix": format!("{}b", "a".repeat(n % 30))})).collect::<Vec<_>>()}),
            format!("{{\"x\":\"{long}\"}}"),
        ),
        (
            "a thousand wildcards",
            json!({"x": (0..999).map(|n| json!({"wildcard": format!("*b{n}*")})).collect::<Vec<_>>()}),
            format!("{{\"x\":\"{long}\"}}"),
        ),
        (
            "two fields, never in one element of 5,000",
            json!({"x": {"a": any, "b": any, "c": any}}),
            pairs.replace("\"b\":1}", "\"b\":1,\"c\":[]}"),
        ),
        (
            "four lists of 1,000 objects, never all",
            json!({"a": {"v": any}, "b": {"v": any}, "c": {"v": any}, "d": {"v": [{"anything-but": "x"}], "w": any}}),
            several(&["a", "b", "c", "d"]),
        ),
        (
            "200 fields of 200 objects, never in one",
            json!({"x": (0..200).map(|n| (format!("f{n:03}"), any.clone())).collect::<serde_json::Map<_, _>>()}),
            wide,
        ),
        ("the last element must lack what all have", json!({"x": {"a": any, "b": [{"exists": false}]}}), pairs),
    ];
    let mut scratch = Scratch::new();
    let mut worst = Vec::new();
    for (what, pattern, event) in cases {
        let plain = families::matcher([(0, &json!({"x": ["never"]}))])?;
        let hostile = families::matcher([(0, &pattern)])?;
        let mut time = |matcher: &RuleMatcher| per_call(|| found(matcher, event.as_bytes(), &mut scratch), 200);
        let (base, us) = (time(&plain), time(&hostile));
        worst.push(Worst { what: what.to_owned(), event_bytes: event.len(), us_per_event: us, factor: us / base });
    }
    Ok(worst)
}

fn found(matcher: &RuleMatcher, event: &[u8], scratch: &mut Scratch) {
    let _ = black_box(matcher.matches_json(black_box(event), scratch));
}

fn per_call(mut work: impl FnMut(), calls: usize) -> f64 {
    let mut all = || (0..calls).for_each(|_| work());
    let [time] = spent::turns([&mut all]);
    time / calls as f64
}

/// Anonymous memory of this process.
fn held_bytes() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("no RssAnon in /proc/self/status")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}
