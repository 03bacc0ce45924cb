//! What the clients were promised, over all rounds.
//!
//! Invariant: an event stands here once it was acknowledged; an unanswered one is sent again, under the same id, until it is.
//!
//! It does not know what plugins do with events.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::traffic::Sent;
use crate::host::Api;
use crate::host::api::Answer;
use crate::payloads::Payload;

/// Of the acknowledged events of a round, how many of the last ones are also asked for one by one.
const ASKED_BY_POSITION: usize = 16;

/// Acknowledged events: id, and where it is.
#[derive(Default)]
pub struct Ledger {
    /// By id.
    pub acknowledged: BTreeMap<String, Entry>,
}

/// One acknowledged event.
pub struct Entry {
    /// Where the host said that it is.
    pub position: String,
    /// The line of its payload.
    pub line: u64,
}

impl Ledger {
    /// Takes down what was acknowledged.
    pub fn acknowledge(&mut self, sent: &Sent, position: String) {
        self.acknowledged.insert(sent.id.clone(), Entry { position, line: sent.line });
    }

    /// Sends what was not answered again, and says how many of these the host had kept.
    pub fn send_again(&mut self, api: &Api, payloads: &[Payload], unanswered: &[Sent]) -> Result<usize> {
        let mut kept = 0;
        for sent in unanswered {
            let Some(payload) = payloads.iter().find(|payload| payload.line == sent.line) else { continue };
            match api.post(&payload.event(&sent.id)?)? {
                Answer::Accepted(admission) => {
                    kept += usize::from(admission.duplicate);
                    self.acknowledge(sent, admission.position);
                }
                Answer::Busy => bail!("the host is too busy for {} right after its start", sent.id),
                Answer::Refused(why) => bail!("{} was refused when it was sent again: {why}", sent.id),
            }
        }
        Ok(kept)
    }

    /// Looks for the events of one round in the archive, and gives a sentence for each that is not there.
    pub fn missing(&self, api: &Api, round: &[(Sent, String)]) -> Result<Vec<String>> {
        let mut wanted: BTreeMap<&str, &str> =
            round.iter().map(|(sent, position)| (position.as_str(), sent.id.as_str())).collect();
        let mut violations = Vec::new();
        for (sent, position) in round.iter().rev().take(ASKED_BY_POSITION) {
            match api.event(position) {
                Ok(event) if event.event.id == sent.id => {}
                Ok(event) => violations.push(format!("at {position} is {}, not {}", event.event.id, sent.id)),
                Err(error) => violations.push(format!("{} was acknowledged at {position}: {error:#}", sent.id)),
            }
        }
        let mut before: Option<String> = None;
        while !wanted.is_empty() {
            let page = api.events_before(before.as_deref())?;
            let Some(last) = page.last() else { break };
            before = Some(last.position.clone());
            for event in &page {
                if wanted.get(event.position.as_str()) == Some(&event.event.id.as_str()) {
                    wanted.remove(event.position.as_str());
                }
            }
        }
        violations.extend(
            wanted.iter().map(|(position, id)| format!("{id} was acknowledged at {position} and is not there")),
        );
        Ok(violations)
    }
}
