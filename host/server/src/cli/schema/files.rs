//! `wharf schema check|validate|diff`: schemas in files.
//!
//! Invariant: every line of a file of events that is not blank is counted once, as valid, a violation, or broken. A message never
//! repeats a payload.

use std::path::Path;

use serde::Serialize;
use wharf_event::{Code, Data, Event};
use wharf_schema::{
    Change, Draft, Incompatibility, Mode, Schema, SchemaError, SchemaErrors, Violation, Violations, compatibility,
    diff as difference,
};

use super::{
    super::{
        batch,
        error::{CommandError, Exit},
        input,
        limits::REFUSALS_LISTED_MAX,
        output::Output,
        report,
        words::{bad, counted, faint, good, printable},
    },
    ValidateArgs,
};
use crate::failure::Failure;

#[derive(Serialize)]
struct Checked {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    draft: Option<Draft>,
    mistakes: Vec<Mistake>,
}

#[derive(Serialize)]
struct Mistake {
    pointer: String,
    detail: String,
}

/// Reads a file that may be a schema.
fn read(path: &Path) -> Result<Result<Schema, SchemaErrors>, CommandError> {
    let bytes = input::whole(path)?;
    let text = String::from_utf8(bytes)
        .map_err(|error| input::unreadable(path, std::io::Error::new(std::io::ErrorKind::InvalidData, error)))?;
    Ok(Schema::parse(&text))
}

/// Reads a file that has to be a schema.
pub(super) fn schema(path: &Path) -> Result<Schema, CommandError> {
    read(path)?.map_err(|source| CommandError::Schema { path: path.to_owned(), source })
}

/// Says whether a file is a schema.
pub fn check(path: &Path, out: &mut Output) -> Result<Exit, CommandError> {
    let read = read(path)?;
    let mistake = |SchemaError { pointer, reason }: &SchemaError| Mistake {
        pointer: pointer.clone(),
        detail: reason.to_string(),
    };
    let mistakes: Vec<_> = read.as_ref().err().into_iter().flat_map(SchemaErrors::iter).map(mistake).collect();
    let checked = Checked { ok: read.is_ok(), draft: read.as_ref().ok().map(Schema::draft), mistakes };
    if out.is_json() {
        out.document(&checked)?;
    } else {
        match &read {
            Ok(schema) => {
                let draft = if schema.draft() == Draft::Seven { "draft 7" } else { "2020-12" };
                out.line(&format!("{}  JSON Schema {draft}", good("ok")))?;
            }
            Err(errors) => {
                for error in errors.iter() {
                    out.line(&format!("{}: {}", bad("mistake"), printable(&error.to_string())))?;
                }
            }
        }
    }
    if checked.ok {
        return Ok(Exit::Success);
    }
    let many = counted(checked.mistakes.len(), "mistake", "mistakes");
    let failure = Failure::of_text(Code::SchemaInvalid, format!("{} has {many}", path.display()));
    Ok(report::tell(&failure, Exit::CheckFailed, out.is_json()))
}

/// What came of a file of events.
#[derive(Default, Serialize)]
struct Report {
    valid: u64,
    violations: u64,
    /// Lines that are no events.
    broken: u64,
    /// The first lines that are not valid.
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<Violation>,
}

/// Holds the payloads of a file against a schema.
pub fn validate(args: &ValidateArgs, out: &mut Output) -> Result<Exit, CommandError> {
    if input::is_stdin(&args.schema) && input::is_stdin(&args.events) {
        return Err(CommandError::StdinTwice);
    }
    let schema = schema(&args.schema)?;
    let mut file = input::open(&args.events)?;
    let (mut report, mut number) = (Report::default(), 0);
    while let Some(line) = batch::read_line(&mut *file).map_err(|source| input::unreadable(&args.events, source))? {
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let told = match payload(&schema, line, args.payloads) {
            Ok(Ok(())) => {
                report.valid += 1;
                continue;
            }
            Ok(Err(violations)) => {
                report.violations += 1;
                Line { line: number, broken: None, violations: violations.into_list() }
            }
            Err(broken) => {
                report.broken += 1;
                Line { line: number, broken: Some(broken), violations: Vec::new() }
            }
        };
        if report.lines.len() < REFUSALS_LISTED_MAX {
            report.lines.push(told);
        }
    }
    if out.is_json() {
        out.document(&report)?;
    } else {
        print(&report, out)?;
    }
    Ok(if report.violations + report.broken == 0 { Exit::Success } else { Exit::CheckFailed })
}

/// Validates one line; a text if it is no event.
fn payload(schema: &Schema, line: Vec<u8>, is_payload: bool) -> Result<Result<(), Violations>, String> {
    if is_payload {
        return Ok(schema.validate(&line));
    }
    let event = Event::from_json(&line.into()).map_err(|error| error.to_string())?;
    Ok(match event.data() {
        Some(Data::Json(bytes)) => schema.validate(bytes),
        Some(_) => Err(Violations::of_no_json("the payload is no JSON")),
        None => Err(Violations::of_no_json("there is no payload")),
    })
}

fn print(report: &Report, out: &mut Output) -> Result<(), CommandError> {
    for Line { line, broken, violations } in &report.lines {
        if let Some(broken) = broken {
            out.line(&format!("line {line}: {}: {}", bad("no event"), printable(broken)))?;
        }
        for Violation { pointer, message, .. } in violations {
            let place = if pointer.is_empty() { "the payload" } else { pointer.as_str() };
            out.line(&format!("line {line}: {}: {}", printable(place), printable(message)))?;
        }
    }
    let all = report.valid + report.violations + report.broken;
    out.line(&format!(
        "{} of {} valid",
        report.valid,
        counted(usize::try_from(all).unwrap_or(usize::MAX), "event is", "events are")
    ))
}

#[derive(Serialize)]
struct Verdict {
    compatible: bool,
    changes: Vec<Change>,
    incompatibilities: Vec<Incompatibility>,
}

/// Says what is different, and whether that is compatible.
pub fn diff(old: &Path, new: &Path, mode: Mode, out: &mut Output) -> Result<Exit, CommandError> {
    if input::is_stdin(old) && input::is_stdin(new) {
        return Err(CommandError::StdinTwice);
    }
    let (old, new) = (schema(old)?, schema(new)?);
    let changes = difference(old.json(), new.json());
    let incompatibilities = compatibility(&old, &new, mode);
    let verdict = Verdict { compatible: incompatibilities.is_empty(), changes, incompatibilities };
    if out.is_json() {
        out.document(&verdict)?;
    } else {
        for change in &verdict.changes {
            out.line(&printable(&change.to_string()))?;
        }
        for Incompatibility { breaks, pointer, why, certain } in &verdict.incompatibilities {
            let place = if pointer.is_empty() { "the schema" } else { pointer.as_str() };
            let unsure = if *certain { String::new() } else { faint(" (not certain)") };
            let way = format!("{breaks:?}").to_lowercase();
            out.line(&format!(
                "{}: {}: {}{unsure}",
                bad(&format!("not {way} compatible")),
                printable(place),
                printable(why)
            ))?;
        }
        if verdict.compatible {
            out.line(&good("compatible"))?;
        }
    }
    Ok(if verdict.compatible { Exit::Success } else { Exit::CheckFailed })
}
