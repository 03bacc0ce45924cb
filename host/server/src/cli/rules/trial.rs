//! `wharf rules test`: how many events of a file match a pattern, and how fast. No host is asked.
//!
//! Invariant: every line that is not blank is counted once, as a match, a miss or broken. A CloudEvent is read as on a bus, any
//! other object as it stands. The time is that of matching alone, which includes checking every byte as JSON; reading the file
//! is not in it.

use std::{
    io::{BufRead, Read as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde::Serialize;
use wharf_event::Event;
use wharf_gateway::view::FieldView;
use wharf_pattern::{JsonError, Mismatch, Pattern, RuleMatcher, Scratch, Subject};

use super::{
    super::{
        error::{CommandError, Exit},
        input,
        limits::{INPUT_BYTES_MAX, TRIAL_BYTES},
        output::Output,
        words::{bad, counted, faint, lasted, printable},
    },
    explain,
};

/// What came of a file.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// Lines that are not blank.
    events: u64,
    matched: u64,
    /// Lines that are no JSON object.
    broken: u64,
    seconds: f64,
    events_per_second: Option<f64>,
    first_miss: Option<Miss>,
    first_broken: Option<Broken>,
}

/// An event that does not match.
#[derive(Debug, Serialize)]
struct Miss {
    line: u64,
    #[serde(flatten)]
    field: FieldView,
}

/// A line that is no event.
#[derive(Debug, Serialize)]
struct Broken {
    line: u64,
    detail: String,
}

/// Tries a pattern on the events of a file.
pub fn run(pattern: &str, events: &Path, out: &mut Output) -> Result<Exit, CommandError> {
    if pattern == "-" && input::is_stdin(events) {
        return Err(CommandError::StdinTwice);
    }
    let pattern = Pattern::from_json(&input::said(pattern)?)?;
    let report = Trial::of(pattern)?.read(&mut *input::open(events)?, events)?;
    if out.is_json() {
        out.document(&report)?;
    } else {
        print(&report, out)?;
    }
    Ok(if report.broken == 0 { Exit::Success } else { Exit::Failure })
}

fn print(report: &Report, out: &mut Output) -> Result<(), CommandError> {
    let Report { events, matched, broken, seconds, events_per_second, first_miss, first_broken } = report;
    let spent = lasted(Duration::from_secs_f64(*seconds).as_micros().try_into().unwrap_or(u64::MAX));
    let rate = events_per_second.map_or_else(String::new, |rate| format!("  {rate:.0} events/s"));
    out.line(&format!("{matched} of {events} events match  {}", faint(&format!("in {spent}{rate}"))))?;
    if let Some(Miss { line, field }) = first_miss {
        out.line(&format!("the first that does not: line {line}: {}", explain::mismatch(field)))?;
    }
    if let Some(Broken { line, detail }) = first_broken {
        let lines = counted(usize::try_from(*broken).unwrap_or(usize::MAX), "line is", "lines are");
        out.line(&format!("{}: {lines} no JSON object; the first: line {line}: {}", bad("broken"), printable(detail)))?;
    }
    Ok(())
}

/// A pattern on trial.
struct Trial {
    pattern: Pattern,
    /// Whether it names what a CloudEvent has only on a bus. All else it has as it stands, too, and needs no second reading.
    names_envelope: bool,
    matcher: RuleMatcher,
    scratch: Scratch,
    spent: Duration,
    report: Report,
}

impl Trial {
    fn of(pattern: Pattern) -> Result<Self, CommandError> {
        let mut matcher = RuleMatcher::new();
        matcher.insert(0, &pattern)?;
        let names_envelope = pattern.names_envelope();
        let scratch = Scratch::new();
        Ok(Self { pattern, names_envelope, matcher, scratch, spent: Duration::ZERO, report: Report::default() })
    }

    /// The event of a line, where it makes a difference that it is one.
    fn event(&self, line: &[u8]) -> Option<Event> {
        self.names_envelope.then(|| Event::from_json(&Bytes::copy_from_slice(line.trim_ascii())).ok()).flatten()
    }

    fn matches(&mut self, line: &[u8]) -> Result<bool, JsonError> {
        let found = match self.event(line) {
            Some(event) => self.matcher.matches_event(&event, &mut self.scratch),
            None => self.matcher.matches_json(line, &mut self.scratch)?,
        };
        Ok(!found.is_empty())
    }

    /// Why a line does not match.
    fn miss(&self, number: u64, line: &[u8]) -> Option<Miss> {
        let subject = match self.event(line) {
            Some(event) => Subject::of(&event),
            None => Subject::from_json(line).ok()?,
        };
        let Mismatch { pointer, wanted, saw } = self.pattern.explain(&subject)?;
        Some(Miss { line: number, field: FieldView { pointer, wanted, saw } })
    }

    fn read(mut self, file: &mut dyn BufRead, path: &Path) -> Result<Report, CommandError> {
        let (mut block, mut lines) = (Vec::new(), Vec::new());
        for number in 1.. {
            let start = block.len();
            let bounded = &mut (&mut *file).take(INPUT_BYTES_MAX + 1);
            let length =
                bounded.read_until(b'\n', &mut block).map_err(|source| input::unreadable(path, source))? as u64;
            if length > INPUT_BYTES_MAX {
                let path = PathBuf::from(format!("line {number}"));
                return Err(CommandError::InputTooLarge { path, bytes_max: INPUT_BYTES_MAX });
            }
            if block.get(start..).is_some_and(|line| !line.trim_ascii().is_empty()) {
                lines.push((number, start..block.len()));
            }
            if length == 0 || block.len() >= TRIAL_BYTES {
                self.try_on(&block, &lines);
                block.clear();
                lines.clear();
            }
            if length == 0 {
                break;
            }
        }
        let (events, seconds) = (self.report.events, self.spent.as_secs_f64());
        // Beyond 2^52 events digits are lost, which nobody minds.
        #[allow(clippy::cast_precision_loss)]
        let events_per_second = (seconds > 0.0 && events > 0).then(|| events as f64 / seconds);
        Ok(Report { seconds, events_per_second, ..self.report })
    }

    /// Counts the lines of a block, and looks afterwards at what there is to tell of them.
    fn try_on(&mut self, block: &[u8], lines: &[(u64, std::ops::Range<usize>)]) {
        let (mut miss, mut broken) = (None, None);
        let began = Instant::now();
        for (number, place) in lines {
            let line = block.get(place.clone()).unwrap_or_default();
            match self.matches(line) {
                Ok(true) => self.report.matched += 1,
                Ok(false) => {
                    miss.get_or_insert((*number, line));
                }
                Err(error) => {
                    self.report.broken += 1;
                    broken.get_or_insert((*number, error));
                }
            }
        }
        self.spent += began.elapsed();
        self.report.events += lines.len() as u64;
        if let (None, Some((number, line))) = (&self.report.first_miss, miss) {
            self.report.first_miss = self.miss(number, line);
        }
        if let (None, Some((line, error))) = (&self.report.first_broken, broken) {
            self.report.first_broken = Some(Broken { line, detail: error.to_string() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(pattern: &str, events: &[u8]) -> Report {
        let trial = Trial::of(Pattern::from_json(pattern.as_bytes()).unwrap()).unwrap();
        trial.read(&mut &*events, Path::new("events.ndjson")).unwrap()
    }

    #[test]
    fn every_line_that_is_not_blank_is_counted_once() {
        let events = b"{\"n\": 300}\n\n{\"n\": 1}\r\n  \nbroken\n{\"n\": 3e2}\n[]\n{\"n\": 2}";
        let report = tried("{\"n\": [300.0]}", events);
        assert_eq!((report.events, report.matched, report.broken), (6, 2, 2));
        let Miss { line, field } = report.first_miss.unwrap();
        assert_eq!((line, field.pointer.as_str(), field.saw.as_str()), (3, "/n", "1"));
        assert_eq!(report.first_broken.unwrap().line, 5);
        let none = tried("{\"n\": [1]}", b"\n");
        assert_eq!((none.events, none.events_per_second), (0, None));
    }

    #[test]
    fn a_cloudevent_has_the_names_that_it_has_on_a_bus() {
        let event = r#"{"specversion": "1.0", "id": "e", "source": "s", "type": "t", "data": {"n": 3e2}}"#;
        let lines = format!("{event}\n{{\"detail\": {{\"n\": 300}}}}\n{{\"data\": {{\"n\": 300}}}}\n");
        let report = tried(r#"{"detail": {"n": [300]}}"#, lines.as_bytes());
        assert_eq!((report.events, report.matched), (3, 2));
        let Miss { line, field } = report.first_miss.unwrap();
        assert_eq!((line, field.pointer.as_str(), field.saw.as_str()), (3, "/detail/n", "absent"));
        let report = tried(r#"{"detail-type": ["t"], "detail": {"n": [1]}}"#, event.as_bytes());
        let field = report.first_miss.unwrap().field;
        assert_eq!((field.pointer.as_str(), field.saw.as_str()), ("/data/n", "3e2"));
    }

    #[test]
    fn blocks_have_no_seams() {
        let line = format!("{{\"n\": 1, \"pad\": \"{}\"}}\n", "x".repeat(1_000));
        let many = line.repeat(2 * TRIAL_BYTES / line.len() + 7);
        let report = tried("{\"n\": [1]}", many.as_bytes());
        assert_eq!((report.events, report.matched), (report.matched, (many.len() / line.len()) as u64));
    }
}
