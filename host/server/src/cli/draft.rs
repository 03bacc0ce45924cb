//! The event that `send` posts, made of the command line or read whole.
//!
//! Invariant: an event that breaks a rule of CloudEvents is refused here, before anything is sent. Ids that are made here
//! sort by time and are unique by 74 random bits.

use std::path::Path;

use wharf_dispatch::{Clock as _, SystemClock, rfc3339};
use wharf_event::{Event, EventBuilder};

use super::{args::EventArgs, error::CommandError, input};

/// The source of an event for which none was said.
const SOURCE_DEFAULT: &str = "cli";

/// The event of a command line.
pub fn event(args: &EventArgs) -> Result<Event, CommandError> {
    let kind = args.kind.as_deref().unwrap_or_default();
    if kind == "-" {
        unchanged(args)?;
        return read(Path::new("-"));
    }
    let now_ms = SystemClock::default().wall_ms();
    let id = args.id.clone().unwrap_or_else(|| new_id(now_ms, rand::random()));
    let source = args.source.as_deref().unwrap_or(SOURCE_DEFAULT);
    let mut builder = EventBuilder::new(id, source, kind).time(rfc3339(now_ms));
    if let Some(subject) = &args.subject {
        builder = builder.subject(subject);
    }
    for (name, value) in &args.extensions {
        builder = builder.extension(name, value.as_str());
    }
    if let Some(data) = &args.data {
        let data = input::said(data)?;
        serde_json::from_slice::<serde::de::IgnoredAny>(&data).map_err(CommandError::PayloadNotJson)?;
        builder = builder.datacontenttype("application/json").data(data);
    }
    Ok(builder.build()?)
}

/// A CloudEvent in JSON, from a file or from stdin.
pub fn read(path: &Path) -> Result<Event, CommandError> {
    Ok(Event::from_json(&input::whole(path)?.into())?)
}

fn unchanged(args: &EventArgs) -> Result<(), CommandError> {
    let said = [
        ("--source", args.source.is_some()),
        ("--data", args.data.is_some()),
        ("--subject", args.subject.is_some()),
        ("--id", args.id.is_some()),
        ("--set", !args.extensions.is_empty()),
    ];
    match said.into_iter().find(|(_, said)| *said) {
        Some((option, _)) => Err(CommandError::WholeEvent(option)),
        None => Ok(()),
    }
}

/// A UUID of version 7 (RFC 9562): 48 bits of milliseconds, then random ones.
fn new_id(now_ms: u64, random: u128) -> String {
    const VERSION: u128 = 0xf << 76;
    const VARIANT: u128 = 0b11 << 62;
    let random_bits = random & ((1 << 80) - 1) & !VERSION & !VARIANT;
    let bits = u128::from(now_ms) << 80 | random_bits | 7 << 76 | 0b10 << 62;
    let hex = format!("{bits:032x}");
    let parts: Vec<_> = [0..8, 8..12, 12..16, 16..20, 20..32].into_iter().filter_map(|part| hex.get(part)).collect();
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::args::{Cli, Command};
    use super::*;

    fn made(line: &[&str]) -> Result<Event, CommandError> {
        let words = ["wharf", "send"].iter().chain(line);
        match Cli::try_parse_from(words).unwrap().command {
            Command::Send(args) => event(&args.event),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_becomes_an_event() {
        let event = made(&[
            "a.b",
            "-d",
            "{\"n\": 123456789012345678901234567890}",
            "--id",
            "7",
            "--subject",
            "s",
            "-s",
            "tenantid=x",
        ])
        .unwrap();
        assert_eq!((event.id(), event.source(), event.kind(), event.subject()), ("7", "cli", "a.b", Some("s")));
        assert_eq!(event.data().unwrap().bytes().as_ref(), b"{\"n\": 123456789012345678901234567890}");
        assert!(event.time().is_some_and(|time| time.ends_with('Z')));
        assert_eq!(event.extensions().len(), 1);
        assert!(made(&["a.b"]).unwrap().data().is_none());
    }

    #[test]
    fn mistakes_are_found_before_anything_is_sent() {
        assert!(matches!(made(&["a", "-d", "{"]), Err(CommandError::PayloadNotJson(_))));
        assert!(matches!(made(&["a", "-d", "@/no/such/file"]), Err(CommandError::Unreadable { .. })));
        assert!(matches!(made(&["a", "-s", "Bad=1"]), Err(CommandError::Event(_))));
        assert!(matches!(made(&[""]), Err(CommandError::Event(_))));
        assert!(matches!(made(&["-", "--id", "1"]), Err(CommandError::WholeEvent("--id"))));
    }

    #[test]
    fn ids_are_uuids_that_sort_by_time() {
        assert_eq!(new_id(0x0123_4567_89ab, 0), "01234567-89ab-7000-8000-000000000000");
        assert_eq!(new_id(0x0123_4567_89ab, u128::MAX), "01234567-89ab-7fff-bfff-ffffffffffff");
        assert!(new_id(1, u128::MAX) < new_id(2, 0));
    }
}
