//! The crate `quamina`, as its documentation says to use it for matching: built for speed, all patterns added before the first
//! event. Invariant: it gets every rule that it takes, as the same text.

use anyhow::Result;
use quamina::{MatcherBuildMode, Quamina, QuaminaBuilder};
use serde_json::Value;

/// The peer, and the rules that it takes.
pub struct Peer {
    pub quamina: Quamina<u64>,
    pub takes: Vec<u64>,
}

/// Gives the peer the rules.
pub fn with(rules: &[Value]) -> Result<Peer> {
    let mut quamina = QuaminaBuilder::<u64>::new().build()?;
    quamina.set_matcher_build_mode(MatcherBuildMode::BuiltForSpeed);
    let mut takes = Vec::new();
    for (id, rule) in (0..).zip(rules) {
        if quamina.add_pattern(id, &rule.to_string()).is_ok() {
            takes.push(id);
        }
    }
    quamina.maybe_rebuild();
    Ok(Peer { quamina, takes })
}
