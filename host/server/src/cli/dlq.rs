//! `wharf dlq`: dead-letter queues, read and sent again.
//!
//! Invariant: a redrive says which letters, by their ids or all of them; there is no default. Letters are never deleted.

use serde::Serialize;
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
use crate::client::ClientError;

/// The body of a redrive: one of the two.
#[derive(Debug, Serialize)]
struct Redrive {
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ids: Option<Vec<String>>,
}

impl Redrive {
    fn of(ids: Vec<String>, all: bool) -> Self {
        if all { Self { all: Some(true), ids: None } } else { Self { all: None, ids: Some(ids) } }
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
        DlqCommand::Redrive { queue, ids, all } => {
            let body = serde_json::to_vec(&Redrive::of(ids, all)).map_err(ClientError::NotUnderstood)?;
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
        assert_eq!(serde_json::to_string(&Redrive::of(vec![], true)).unwrap(), r#"{"all":true}"#);
        assert_eq!(
            serde_json::to_string(&Redrive::of(vec!["1-0.0".to_owned()], false)).unwrap(),
            r#"{"ids":["1-0.0"]}"#
        );
    }
}
