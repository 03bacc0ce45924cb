//! `wharf rules explain`: what the rules of a bus say to an event, which is not sent. `send` tells the same afterwards.
//!
//! Invariant: the verdicts are the host's; nothing is matched here.

use wharf_event::{BusName, Event};
use wharf_gateway::view::RuleVerdict;

use super::{
    args::{Global, RulesCommand},
    draft,
    error::{CommandError, Exit},
    output::Output,
    session::Session,
    words::{clipped, faint, good},
};
use crate::{client::ClientError, nearest::nearest};

/// Asks rules.
pub async fn run(command: RulesCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let RulesCommand::Explain { rule, event, bus } = command;
    let event = draft::read(&event)?;
    let session = Session::open(global).await?;
    let mut verdicts = ask(&session, &bus, &event).await?;
    if let Some(rule) = rule {
        if !verdicts.iter().any(|verdict| verdict.rule == rule) {
            let meant = nearest(rule.as_str(), verdicts.iter().map(|verdict| verdict.rule.as_str()));
            return Err(CommandError::RuleUnknown { meant: meant.map(ToOwned::to_owned), name: rule });
        }
        verdicts.retain(|verdict| verdict.rule == rule);
    }
    if out.is_json() {
        out.document(&verdicts)?;
        return Ok(Exit::Success);
    }
    for verdict in verdicts.iter().filter(|verdict| verdict.matched) {
        let plugins: Vec<_> = verdict.plugins.iter().map(ToString::to_string).collect();
        out.line(&format!("{}  {} → {}", good("matches"), verdict.rule, plugins.join(", ")))?;
    }
    for line in unmatched(&verdicts) {
        out.line(&line)?;
    }
    Ok(Exit::Success)
}

/// What every rule of the bus says to the event.
pub async fn ask(session: &Session, bus: &BusName, event: &Event) -> Result<Vec<RuleVerdict>, ClientError> {
    let resource = session.own().at("buses").at(bus).at("explain");
    session.client.post(&resource, "application/cloudevents+json", event.to_json()).await
}

/// The rules that did not match, each with the first field that failed.
pub fn unmatched(verdicts: &[RuleVerdict]) -> Vec<String> {
    verdicts.iter().filter(|verdict| !verdict.matched).map(line).collect()
}

fn line(verdict: &RuleVerdict) -> String {
    let why = match &verdict.mismatch {
        Some(mismatch) => {
            let (pointer, wanted, saw) = (&mismatch.pointer, clipped(&mismatch.wanted), clipped(&mismatch.saw));
            format!("{}: wanted {wanted}, saw {saw}", clipped(if pointer.is_empty() { "the event" } else { pointer }))
        }
        None => "the host does not say why".to_owned(),
    };
    format!("{}  {}  {why}", faint("no match"), verdict.rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_did_not_match_names_the_first_field_that_failed() {
        let verdicts: Vec<RuleVerdict> = serde_json::from_value(serde_json::json!([
            {"rule": "yes", "matched": true, "plugins": ["p"]},
            {"rule": "no", "matched": false, "plugins": ["p"],
             "mismatch": {"pointer": "/data/state", "wanted": "[\"open\"]", "saw": "\"a\nb\""}},
            {"rule": "mute", "matched": false, "plugins": []},
        ]))
        .unwrap();
        let lines: Vec<_> =
            unmatched(&verdicts).iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
        assert_eq!(
            lines,
            [
                "no match  no  /data/state: wanted [\"open\"], saw \"a\\nb\"",
                "no match  mute  the host does not say why"
            ]
        );
    }
}
