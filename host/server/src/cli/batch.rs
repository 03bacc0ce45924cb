//! `wharf send --batch`: a file of CloudEvents, one JSON object a line, sent in batches.
//!
//! Invariant: every line that is not blank is counted once, as accepted, duplicate or refused, and a refused one is told with
//! its number. A batch may be sent again, since the host accepts an event once. Whether a line is an event is for the host
//! to say; here it is only kept from spoiling its batch.

use std::{
    io::{self, BufRead, Read as _},
    path::Path,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use wharf_event::Code;
use wharf_gateway::view::Accepted;

use super::{
    error::{CommandError, Exit, chain, talk},
    input,
    limits::{
        BATCH_BYTES, BATCH_EVENTS, BATCH_PAUSE_MAX, BATCH_RETRIES_MAX, RECONNECT_PAUSE, RECONNECT_PAUSE_MAX,
        REFUSALS_LISTED_MAX,
    },
    output::Output,
    session::Session,
    words::{bad, printable},
};
use crate::{
    client::{ClientError, Reply, Resource},
    progress::Progress,
};

/// A batch in the JSON format.
const BATCH: &str = "application/cloudevents-batch+json";

/// The host's answer about one event of a batch.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Answered {
    Accepted(Accepted),
    Refused(Reply),
}

/// What became of a file.
#[derive(Debug, Default, Serialize)]
struct Report {
    accepted: u64,
    duplicates: u64,
    refused: u64,
    refusals: Vec<Refusal>,
}

/// A line that was refused.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Refusal {
    line: u64,
    code: String,
    detail: String,
}

impl Report {
    fn refuse(&mut self, line: u64, code: &str, detail: String) {
        self.refused += 1;
        if self.refusals.len() < REFUSALS_LISTED_MAX {
            self.refusals.push(Refusal { line, code: code.to_owned(), detail });
        }
    }

    fn take(&mut self, line: u64, answered: Answered) {
        match answered {
            Answered::Accepted(Accepted { duplicate: true, .. }) => self.duplicates += 1,
            Answered::Accepted(_) => self.accepted += 1,
            Answered::Refused(reply) => self.refuse(line, &reply.code, reply.detail),
        }
    }

    fn total(&self) -> u64 {
        self.accepted + self.duplicates + self.refused
    }
}

/// Lines that are sent together.
#[derive(Debug, Default)]
struct Batch {
    lines: Vec<u64>,
    body: Vec<u8>,
}

impl Batch {
    fn has_room_for(&self, event: &[u8]) -> bool {
        self.lines.is_empty() || (self.lines.len() < BATCH_EVENTS && self.body.len() + event.len() + 2 <= BATCH_BYTES)
    }

    fn push(&mut self, line: u64, event: &[u8]) {
        self.body.push(if self.lines.is_empty() { b'[' } else { b',' });
        self.body.extend_from_slice(event);
        self.lines.push(line);
    }
}

/// Sends the events of a file to a bus, or to a queue.
pub async fn run(path: &Path, session: Session, to: Resource, out: &mut Output) -> Result<Exit, CommandError> {
    let mut file = input::open(path)?;
    let mut sender = Sender { resource: to, session, report: Report::default(), progress: Progress::on_terminal() };
    let sent = sender.send_all(&mut file, path).await;
    sender.progress.clear();
    let report = sender.report;
    if let Err(error) = sent {
        talk(&format!(
            "{} events were accepted, {} were duplicates, {} refused; what was accepted is a duplicate when the file is \
             sent again",
            report.accepted, report.duplicates, report.refused
        ));
        return Err(error);
    }
    if out.is_json() {
        out.document(&report)?;
    } else {
        out.line(&format!(
            "accepted {}  duplicates {}  refused {}",
            report.accepted, report.duplicates, report.refused
        ))?;
        for Refusal { line, code, detail } in &report.refusals {
            out.line(&format!("line {line}: {}: {}", bad(&printable(code)), printable(detail)))?;
        }
    }
    Ok(if report.refused == 0 { Exit::Success } else { Exit::Failure })
}

struct Sender {
    session: Session,
    resource: Resource,
    report: Report,
    progress: Progress,
}

impl Sender {
    async fn send_all(&mut self, file: &mut dyn BufRead, path: &Path) -> Result<(), CommandError> {
        let mut batch = Batch::default();
        let mut number = 0;
        while let Some(line) = read_line(file).map_err(|source| input::unreadable(path, source))? {
            number += 1;
            match fit(&line) {
                Ok([]) => {}
                Ok(event) => {
                    if !batch.has_room_for(event) {
                        self.send(std::mem::take(&mut batch)).await?;
                    }
                    batch.push(number, event);
                }
                Err((code, detail)) => self.report.refuse(number, code.as_str(), detail),
            }
        }
        self.send(batch).await
    }

    async fn send(&mut self, Batch { lines, mut body }: Batch) -> Result<(), CommandError> {
        if lines.is_empty() {
            return Ok(());
        }
        body.push(b']');
        let answered: Vec<Answered> = self.post(body).await?;
        if answered.len() != lines.len() {
            return Err(CommandError::BatchMisanswered { sent: lines.len(), answered: answered.len() });
        }
        lines.into_iter().zip(answered).for_each(|(line, answered)| self.report.take(line, answered));
        self.progress.show(&format!("{} events", self.report.total()));
        Ok(())
    }

    async fn post(&self, body: Vec<u8>) -> Result<Vec<Answered>, ClientError> {
        let body = bytes::Bytes::from(body);
        let mut retries = 0;
        loop {
            let error = match self.session.client.post(&self.resource, BATCH, body.clone()).await {
                Ok(answered) => return Ok(answered),
                Err(error) => error,
            };
            // A host that was never there is not waited for.
            let was_there = self.report.total() > 0 || matches!(error, ClientError::Refused(_));
            if !error.is_passing() || !was_there || retries == BATCH_RETRIES_MAX {
                return Err(error);
            }
            let pause = pause(&error, retries);
            self.progress.clear();
            talk(&format!("{}; the batch is sent again in {} ms", printable(&chain(&error)), pause.as_millis()));
            tokio::time::sleep(pause).await;
            retries += 1;
        }
    }
}

/// What the host asks for, else twice the pause before.
fn pause(error: &ClientError, retries: u32) -> Duration {
    match error {
        ClientError::Refused(Reply { retry_after_s: Some(seconds), .. }) => {
            Duration::from_secs(u64::from(*seconds)).min(BATCH_PAUSE_MAX)
        }
        _ => (RECONNECT_PAUSE * 2_u32.saturating_pow(retries)).min(RECONNECT_PAUSE_MAX),
    }
}

/// The next line, at most one byte longer than a batch: that byte shows that it is too long.
pub fn read_line(file: &mut dyn BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let bound = u64::try_from(BATCH_BYTES).unwrap_or(u64::MAX);
    if file.take(bound + 1).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.len() > BATCH_BYTES && !line.ends_with(b"\n") {
        file.skip_until(b'\n')?;
    }
    Ok(Some(line))
}

/// A line as an element of a batch; nothing if it is blank.
fn fit(line: &[u8]) -> Result<&[u8], (Code, String)> {
    let event = line.trim_ascii();
    if event.len() + 2 > BATCH_BYTES {
        return Err((Code::EventTooLarge, format!("the line is longer than {BATCH_BYTES} bytes")));
    }
    if event.is_empty() {
        return Ok(event);
    }
    let text = std::str::from_utf8(event).map_err(|error| (Code::EventJson, error.to_string()))?;
    serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|error| (Code::EventJson, error.to_string()))?;
    Ok(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_whole_and_a_too_long_one_spoils_no_other() {
        let long = "x".repeat(BATCH_BYTES + 10);
        let text = format!("{{}}\n\n{long}\n[1]\r\nnot json\n\"last\"");
        let mut file = text.as_bytes();
        let mut seen = Vec::new();
        while let Some(line) = read_line(&mut file).unwrap() {
            seen.push(fit(&line).map(<[u8]>::to_vec).map_err(|(code, _)| code));
        }
        let ok = |text: &str| Ok(text.as_bytes().to_vec());
        let wanted = [ok("{}"), ok(""), Err(Code::EventTooLarge), ok("[1]"), Err(Code::EventJson), ok("\"last\"")];
        assert_eq!(seen, wanted);
        assert_eq!(fit(b"\"\xff\"").unwrap_err().0, Code::EventJson);
    }

    #[test]
    fn a_batch_is_bounded_in_events_and_in_bytes() {
        let mut batch = Batch::default();
        assert!(batch.has_room_for(&vec![b' '; BATCH_BYTES]), "an empty one takes any line that fits");
        for line in 0..BATCH_EVENTS {
            assert!(batch.has_room_for(b"{}"));
            batch.push(u64::try_from(line).unwrap(), b"{}");
        }
        assert!(!batch.has_room_for(b"{}"));
        assert!(batch.body.starts_with(b"[{},{},"));
        let mut large = Batch::default();
        large.push(1, &vec![b'1'; BATCH_BYTES / 2]);
        assert!(!large.has_room_for(&vec![b'1'; BATCH_BYTES / 2]));
    }

    #[test]
    fn every_answer_is_counted_once_and_refusals_keep_their_line() {
        let mut report = Report::default();
        for (line, json) in (1..).zip([
            r#"{"id":"a","position":"1-0","duplicate":false}"#,
            r#"{"id":"a","position":"1-0","duplicate":true}"#,
            r#"{"type":"/errors/x","title":"t","status":400,"detail":"d","code":"of-a-newer-host"}"#,
        ]) {
            report.take(line, serde_json::from_str(json).unwrap());
        }
        assert_eq!((report.accepted, report.duplicates, report.refused, report.total()), (1, 1, 1, 3));
        let refusal = Refusal { line: 3, code: "of-a-newer-host".to_owned(), detail: "d".to_owned() };
        assert_eq!(report.refusals, [refusal]);
    }

    #[test]
    fn pauses_follow_the_host_or_double() {
        let refused = |retry_after_s| {
            ClientError::Refused(Reply { status: 503, code: String::new(), detail: String::new(), retry_after_s })
        };
        assert_eq!(pause(&refused(Some(3)), 5), Duration::from_secs(3));
        assert_eq!(pause(&refused(Some(9999)), 0), BATCH_PAUSE_MAX);
        assert_eq!(pause(&refused(None), 0), RECONNECT_PAUSE);
        assert_eq!(pause(&refused(None), 1), RECONNECT_PAUSE * 2);
        assert_eq!(pause(&refused(None), 31), RECONNECT_PAUSE_MAX);
    }
}
