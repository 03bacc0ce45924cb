//! What came of a call, for people.
//!
//! Invariant: what a guest wrote is made harmless. The outcome comes first, what it used last.

use wharf_event::Event;
use wharf_gateway::view::{ValueView, event_json};

use super::ended::{Change, Ended, Outcome, Word, Write, log};
use crate::cli::words::{bad, clipped, counted, faint, good, lasted, later, printable, strong};

/// The lines of a call; those that only tell how it went, with `trace`.
///
/// # Errors
/// When an event has no JSON form, which none that was built has.
pub fn lines(ended: &Ended, trace: bool) -> Result<Vec<String>, serde_json::Error> {
    let mut lines: Vec<_> = match ended.outcomes.as_slice() {
        [one] => vec![outcome(one)],
        all => all.iter().enumerate().map(|(n, it)| format!("{}  {}", faint(&n.to_string()), outcome(it))).collect(),
    };
    if let Some(event) = &ended.event {
        lines.extend(published("event", event)?);
    }
    for event in &ended.published {
        lines.extend(published("publish", event)?);
    }
    lines.extend(ended.writes.iter().map(|write| self::write(&Write::of(write))));
    if ended.dropped > 0 {
        let effects = counted(ended.dropped, "effect", "effects");
        lines.push(faint(&format!("dropped  {effects}: an attempt that does not end well leaves nothing")));
    }
    for line in log(&ended.details) {
        let level = match line.level.as_str() {
            "error" => bad("error"),
            "warn" => later("warn"),
            other => faint(other),
        };
        let context = if line.context.is_empty() { String::new() } else { format!("{}: ", printable(&line.context)) };
        lines.push(format!("log      {level}  {context}{}", printable(&line.message)));
    }
    if ended.details.log.dropped() > 0 {
        lines.push(faint(&format!("log      {} lines before these are not kept", ended.details.log.dropped())));
    }
    if trace {
        lines.extend(ended.seen.iter().map(|seen| match &seen.key {
            Some(key) => {
                let found = if seen.found == 0 { "absent" } else { "found" };
                format!("read     {}/{}  {found}", seen.bucket, printable(key))
            }
            None => format!("list     {}  {}", seen.bucket, counted(seen.found, "key", "keys")),
        }));
        let used = ended.details.used.unwrap_or_default();
        lines.push(format!(
            "host     {}, {} bytes in, {} bytes out",
            counted(usize::try_from(used.host_calls).unwrap_or(usize::MAX), "call", "calls"),
            used.bytes_in,
            used.bytes_out,
        ));
    }
    let wall = lasted(u64::try_from(ended.duration.as_micros()).unwrap_or(u64::MAX));
    let (cpu, memory) = (lasted(ended.details.cpu_us), ended.details.memory_bytes >> 10);
    lines.push(faint(&format!("used     {wall}, cpu {cpu}, memory {memory} KiB")));
    Ok(lines)
}

fn outcome(it: &Outcome) -> String {
    let word = it.outcome.as_str();
    let word = match it.outcome {
        Word::Ok | Word::Filtered => good(word),
        Word::Retry => later(word),
        _ => bad(word),
    };
    let after = it.retry_after_ms.map(|ms| format!("  after {}", lasted(ms.saturating_mul(1_000))));
    // What the handler said needs no code; a trap and a limit have a page.
    let code = it.code.filter(|_| !matches!(it.outcome, Word::Retry | Word::Reject)).map(|code| format!("  {code}"));
    let mut reason = it.reason.as_deref().unwrap_or_default().lines();
    let first = reason.next().map(|line| format!("  {}", printable(line))).unwrap_or_default();
    let mut text = format!("{word}{}{}{first}", code.unwrap_or_default(), after.unwrap_or_default());
    for line in reason {
        text.push_str(&format!("\n         {}", printable(line)));
    }
    text
}

fn published(what: &str, event: &Event) -> Result<Vec<String>, serde_json::Error> {
    let subject = event.subject().map(|subject| format!("  {}", clipped(subject))).unwrap_or_default();
    let head = format!("{what:<8} {}{subject}", strong(&clipped(event.kind())));
    let attributes = crate::cli::Attributes::of(&event_json(event)?);
    let data =
        attributes.data.map(|(name, json)| format!("         {} {}", faint(&printable(&name)), printable(&json)));
    Ok(std::iter::once(head).chain(data).collect())
}

fn write(write: &Write) -> String {
    let place = format!("{}/{}", write.bucket, printable(&write.key));
    match &write.change {
        Change::Set(ValueView::Text(text)) => format!("set      {place}  {}", printable(text)),
        Change::Set(ValueView::Base64(text)) => format!("set      {place}  base64:{}", printable(text)),
        Change::Add(delta) => format!("add      {place}  {delta:+}"),
        Change::Delete => format!("delete   {place}"),
    }
}
