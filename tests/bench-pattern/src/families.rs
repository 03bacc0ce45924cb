//! One family of rules at a time: ours, the peer's, and that both find the same.

use std::hint::black_box;

use anyhow::{Context, Result, ensure};
use serde::{Serialize, de::IgnoredAny};
use serde_json::Value;
use wharf_pattern::{Pattern, RuleMatcher, Scratch};

use crate::{peer, spent};

/// What one family costs.
#[derive(Serialize)]
pub struct Family {
    family: String,
    rules: usize,
    /// Ours, an event: reading it, checking every byte, finding the rules.
    us_per_event: f64,
    /// Rules found in all events.
    matches: usize,
    /// The peer's time by ours; none if it takes none of the rules.
    vs_quamina: Option<f64>,
    /// The time of `serde_json` to a `Value`, without any matching, by ours.
    vs_serde_value: f64,
    /// How many of the rules the peer takes. Its time is for those, ours is for all.
    quamina_rules: usize,
}

/// Microseconds an event for reading JSON alone: to a tree, and to nothing.
pub fn serde(events: &[&[u8]]) -> Result<(f64, f64)> {
    for event in events {
        serde_json::from_slice::<IgnoredAny>(event).context("an event is not JSON")?;
    }
    let mut value = || {
        for event in events {
            let _ = black_box(serde_json::from_slice::<Value>(black_box(event)));
        }
    };
    let mut ignored = || {
        for event in events {
            let _ = black_box(serde_json::from_slice::<IgnoredAny>(black_box(event)));
        }
    };
    let [value, ignored] = spent::turns([&mut value, &mut ignored]);
    Ok((an_event(value, events), an_event(ignored, events)))
}

/// A matcher with these rules, numbered as they stand.
pub fn matcher<'a>(rules: impl IntoIterator<Item = (u64, &'a Value)>) -> Result<RuleMatcher> {
    let mut matcher = RuleMatcher::new();
    for (id, rule) in rules {
        let pattern = Pattern::from_json(rule.to_string().as_bytes()).with_context(|| rule.to_string())?;
        matcher.insert(id, &pattern)?;
    }
    Ok(matcher)
}

/// Measures one family.
pub fn measure(name: &str, rules: &Value, events: &[&[u8]], serde_us: f64) -> Result<Family> {
    let rules = rules.as_array().with_context(|| format!("{name} is no list of patterns"))?;
    let ours = matcher((0..).zip(rules))?;
    let peer = peer::with(rules)?;
    let known = (0..).zip(rules).filter(|(id, _)| peer.takes.binary_search(id).is_ok());
    same(name, &matcher(known)?, &peer, events)?;
    let (mut scratch, mut matches) = (Scratch::new(), 0);
    let mut match_ours = || {
        matches = 0;
        for event in events {
            matches += ours.matches_json(black_box(event), &mut scratch).map_or(0, <[u64]>::len);
        }
    };
    let mut match_theirs = || {
        for event in events {
            let _ = black_box(peer.quamina.matches_for_event(black_box(event)));
        }
    };
    let [own, theirs] = spent::turns([&mut match_ours, &mut match_theirs]);
    let round = |number: f64| (number * 1e3).round() / 1e3;
    Ok(Family {
        family: name.to_owned(),
        rules: rules.len(),
        us_per_event: round(an_event(own, events)),
        matches,
        vs_quamina: (!peer.takes.is_empty()).then(|| round(theirs / own)),
        vs_serde_value: round(serde_us / an_event(own, events)),
        quamina_rules: peer.takes.len(),
    })
}

/// That both say the same of every event, with the rules that both know.
fn same(name: &str, ours: &RuleMatcher, peer: &peer::Peer, events: &[&[u8]]) -> Result<()> {
    let mut scratch = Scratch::new();
    for event in events {
        let mut own = ours.matches_json(event, &mut scratch)?.to_vec();
        let mut theirs = peer.quamina.matches_for_event(event)?;
        own.sort_unstable();
        theirs.sort_unstable();
        theirs.dedup();
        let event = String::from_utf8_lossy(event);
        ensure!(own == theirs, "{name}: we find {own:?}, quamina {theirs:?} in {event}");
    }
    Ok(())
}

fn an_event(time_us: f64, events: &[&[u8]]) -> f64 {
    time_us / events.len().max(1) as f64
}
