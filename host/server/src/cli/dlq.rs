//! `wharf dlq`: dead-letter queues, read and sent again.
//!
//! Invariant: a redrive says which letters, by their ids, since when, or all of them; there is no default. Letters are never deleted.

use serde::Serialize;
use wharf_dispatch::{Clock as _, SystemClock, rfc3339};
use wharf_gateway::view::{DeadLetterView, QueueView, RedriveView};

use super::{
    args::{DlqCommand, Global},
    attributes::Attributes,
    error::{CommandError, Exit, talk},
    events::{about, fact},
    output::Output,
    pages,
    session::Session,
    words::{clipped, printable},
};
use crate::{client::ClientError, config::parse_duration};

/// The body of a redrive: one of the three.
#[derive(Debug, Serialize)]
struct Redrive {
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ids: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
}

impl Redrive {
    fn of(ids: Vec<String>, all: bool, since: Option<String>) -> Self {
        let ids = (!all && since.is_none()).then_some(ids);
        Self { all: all.then_some(true), ids, since: since.map(|text| time(text, SystemClock::default().wall_ms())) }
    }
}

/// A length of time before now as a time; anything else is one already, as far as can be told here.
fn time(text: String, now_ms: u64) -> String {
    match parse_duration(&text) {
        Ok(ago) => rfc3339(now_ms.saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX))),
        Err(_) => text,
    }
}

/// Lists, shows or redrives.
pub async fn run(command: DlqCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let session = Session::open(global).await?;
    let dlq = session.own().at("dlq");
    match command {
        DlqCommand::Ls { queue: None, .. } => {
            let queues: Vec<QueueView> = session.client.get(&dlq).await?;
            if out.is_json() {
                out.document(&queues)?;
            } else {
                let rows = queues.iter().map(|it| [it.queue.to_string(), it.depth.to_string()]).collect();
                out.table(["QUEUE", "LETTERS"], rows)?;
            }
        }
        DlqCommand::Ls { queue: Some(queue), after, limit } => {
            let of = dlq.at(queue);
            let page = |rows, after| of.clone().ask("limit", rows).ask_some("after", after);
            let id = |letter: &DeadLetterView| letter.id.clone();
            let letters = pages::gather(&session.client, limit, after, page, id).await?;
            if out.is_json() {
                out.document(&letters)?;
            } else {
                list(&letters, limit, out)?;
            }
        }
        DlqCommand::Show { queue, id } => {
            let letter: DeadLetterView = session.client.get(&dlq.at(queue).at(id)).await?;
            if out.is_json() {
                out.document(&letter)?;
            } else {
                show(&letter).iter().try_for_each(|line| out.line(line))?;
            }
        }
        DlqCommand::Redrive { queue, ids, all, since } => {
            let body = serde_json::to_vec(&Redrive::of(ids, all, since)).map_err(ClientError::NotUnderstood)?;
            let redrive = dlq.at(queue).at("redrive");
            let done: RedriveView = session.client.post(&redrive, "application/json", body).await?;
            if out.is_json() {
                out.document(&done)?;
            } else {
                out.line(&format!("redriven {}", done.redriven))?;
            }
        }
    }
    Ok(Exit::Success)
}

fn list(letters: &[DeadLetterView], limit: u32, out: &mut Output) -> Result<(), CommandError> {
    let row = |letter: &DeadLetterView| {
        let Attributes { kind, .. } = Attributes::of(&letter.event.event);
        let target = format!("{} → {}", letter.rule, letter.to);
        // The last error says more than the title of the code, which the reason may be.
        let words = if letter.error.is_empty() { &letter.reason } else { &letter.error };
        let why = format!("{}: {}", letter.code, clipped(words));
        let time = printable(&letter.time).into_owned();
        [printable(&letter.id).into_owned(), time, clipped(&kind), target, letter.attempts.to_string(), why]
    };
    out.table(["ID", "TIME", "TYPE", "TARGET", "ATTEMPTS", "REASON"], letters.iter().map(row).collect())?;
    if let Some(last) = letters.last().filter(|_| u32::try_from(letters.len()).is_ok_and(|rows| rows == limit)) {
        talk(&format!("more: --after {}", printable(&last.id)));
    }
    Ok(())
}

fn show(letter: &DeadLetterView) -> Vec<String> {
    let facts = [
        ("letter", letter.id.clone()),
        ("queue", letter.queue.to_string()),
        ("given up", letter.time.clone()),
        ("target", format!("{} → {}", letter.rule, letter.to)),
        ("attempts", letter.attempts.to_string()),
        ("reason", format!("{}: {}", letter.code, letter.reason)),
        ("last error", letter.error.clone()),
    ];
    let mut lines: Vec<_> = facts.iter().map(|(name, value)| fact(name, value)).collect();
    lines.push(String::new());
    lines.extend(about(&letter.event));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redrive_says_either_all_or_which() {
        assert_eq!(serde_json::to_string(&Redrive::of(vec![], true, None)).unwrap(), r#"{"all":true}"#);
        assert_eq!(
            serde_json::to_string(&Redrive::of(vec!["1-0.0".to_owned()], false, None)).unwrap(),
            r#"{"ids":["1-0.0"]}"#
        );
        assert_eq!(time("2h".to_owned(), 7_200_000), "1970-01-01T00:00:00.000Z");
        let said = Redrive::of(vec![], false, Some("2026-01-02T03:04:05Z".to_owned()));
        assert_eq!(serde_json::to_string(&said).unwrap(), r#"{"since":"2026-01-02T03:04:05Z"}"#);
    }
}
