//! `wharf rules explain`: what the rules of a bus say to an event, which is not sent. `send` tells the same afterwards.
//!
//! Invariant: the verdicts are the host's; nothing is matched here.

use std::path::Path;

use wharf_event::{BusName, Event, RuleName};
use wharf_gateway::view::{FieldView, RuleVerdict};

use super::super::{
    args::Global,
    draft,
    error::{CommandError, Exit},
    output::Output,
    pages::PAGE,
    session::Session,
    words::{clipped, faint, good},
};
use crate::{client::ClientError, nearest::nearest};

/// Asks one rule or all of a bus about the event in a file.
pub async fn run(
    rule: Option<RuleName>,
    event: &Path,
    bus: &BusName,
    global: &Global,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let event = draft::read(event)?;
    let session = Session::open(global).await?;
    let mut verdicts = ask(&session, bus, &event).await?;
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
    tell(&verdicts, out)?;
    Ok(Exit::Success)
}

/// Says what rules say, those that match first.
pub fn tell(verdicts: &[RuleVerdict], out: &mut Output) -> Result<(), CommandError> {
    matched(verdicts).into_iter().chain(unmatched(verdicts)).try_for_each(|line| out.line(&line))
}

/// What every rule of the bus says to the event.
pub async fn ask(session: &Session, bus: &BusName, event: &Event) -> Result<Vec<RuleVerdict>, ClientError> {
    let (event, mut verdicts) = (event.to_json(), Vec::<RuleVerdict>::new());
    loop {
        let after = verdicts.last().map(|last| last.rule.clone());
        let page = session.own().at("buses").at(bus).at("explain").ask("limit", PAGE).ask_some("after", after);
        let more: Vec<_> = session.client.post(&page, "application/cloudevents+json", event.clone()).await?;
        if more.is_empty() {
            return Ok(verdicts);
        }
        verdicts.extend(more);
    }
}

/// The rules that did not match, each with the first field that failed.
pub fn unmatched(verdicts: &[RuleVerdict]) -> Vec<String> {
    let line = |verdict: &RuleVerdict| {
        let why = verdict.mismatch.as_ref().map_or_else(|| "the host does not say why".to_owned(), mismatch);
        format!("{}  {}  {why}", faint("no match"), verdict.rule)
    };
    verdicts.iter().filter(|verdict| !verdict.matched).map(line).collect()
}

/// A field that failed, in words.
pub fn mismatch(FieldView { pointer, wanted, saw }: &FieldView) -> String {
    let field = if pointer.is_empty() { "the event" } else { pointer };
    format!("{}: wanted {}, saw {}", clipped(field), clipped(wanted), clipped(saw))
}

/// The rules that matched, each with its targets and, a line each, the values that it matched.
fn matched(verdicts: &[RuleVerdict]) -> Vec<String> {
    let mut lines = Vec::new();
    for RuleVerdict { rule, evidence: held, plugins, webhooks, queues, buses, topics, .. } in
        verdicts.iter().filter(|verdict| verdict.matched)
    {
        let webhooks = webhooks.iter().map(|webhook| format!("webhook/{webhook}"));
        let queues = queues.iter().map(|queue| format!("queue/{queue}"));
        let buses = buses.iter().map(|bus| format!("bus/{bus}"));
        let buses = buses.chain(topics.iter().map(|topic| format!("topic/{topic}")));
        let targets = plugins.iter().map(ToString::to_string).chain(webhooks).chain(queues).chain(buses);
        let targets: Vec<_> = targets.collect();
        lines.push(format!("{}  {rule} → {}", good("matches"), targets.join(", ")));
        lines.extend(held.iter().map(|held| format!("         {}", evidence(held))));
    }
    lines
}

/// A field that matched, in words. What must be there is not repeated where it is the very value.
fn evidence(FieldView { pointer, wanted, saw }: &FieldView) -> String {
    let (field, seen) = (clipped(pointer), clipped(saw));
    match saw.as_str() {
        "absent" => format!("{field} is absent"),
        saw if saw == wanted => format!("{field} is {seen}"),
        _ => format!("{field} is {seen}, as {} wants", clipped(wanted)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts() -> Vec<RuleVerdict> {
        serde_json::from_value(serde_json::json!([
            {"rule": "yes", "matched": true, "plugins": ["p", "q"], "evidence": [
                {"pointer": "/type", "wanted": "\"a\"", "saw": "\"a\""},
                {"pointer": "/data/n/0", "wanted": "{\"numeric\":[\">\",1]}", "saw": "2"},
                {"pointer": "/data/m", "wanted": "{\"exists\":false}", "saw": "absent"},
            ]},
            {"rule": "no", "matched": false, "plugins": ["p"],
             "mismatch": {"pointer": "/data/state", "wanted": "[\"open\"]", "saw": "\"a\nb\""}},
            {"rule": "mute", "matched": false, "plugins": []},
        ]))
        .unwrap()
    }

    fn plain(lines: &[String]) -> Vec<String> {
        lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect()
    }

    #[test]
    fn a_rule_that_did_not_match_names_the_first_field_that_failed() {
        assert_eq!(
            plain(&unmatched(&verdicts())),
            [
                "no match  no  /data/state: wanted [\"open\"], saw \"a\\nb\"",
                "no match  mute  the host does not say why"
            ]
        );
    }

    #[test]
    fn a_rule_that_matched_names_the_values() {
        assert_eq!(
            plain(&matched(&verdicts())),
            [
                "matches  yes → p, q",
                "         /type is \"a\"",
                "         /data/n/0 is 2, as {\"numeric\":[\">\",1]} wants",
                "         /data/m is absent",
            ]
        );
    }
}
