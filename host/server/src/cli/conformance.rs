//! `wharf conformance`: whether a component keeps the contract, whatever language it is of and whatever it is for. No host is asked, nothing
//! is kept.
//!
//! Invariant: it fails where a call does not end by the component's own word; that it refuses an event, or wishes for a retry, is its right.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;
use wharf_event::{Code, Digest};
use wharf_inspect::{Kind, declared, limits::COMPONENT_BYTES_MAX};

use super::{
    error::{Exit, talk},
    output::Output,
    words::{bad, clipped, counted, faint, good},
};
use crate::{
    author::{Finding, Stage, conform, plugin_name},
    compile::read_bounded,
    failure::Failure,
};

/// The type of the events, where the component does not say which it is for.
const USUAL: &str = "wharf.conformance";

/// `wharf conformance`.
#[derive(Debug, Args)]
pub struct ConformanceArgs {
    /// The component
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// The type of the events that it is called with [default: the first that its handler declares]
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
}

#[derive(Serialize)]
struct Report {
    component: String,
    digest: Digest,
    world: &'static str,
    passed: usize,
    failed: usize,
    checks: Vec<Finding>,
}

/// Calls a component.
///
/// # Errors
/// When it is none that a host runs.
pub fn run(args: &ConformanceArgs, out: &mut Output) -> Result<Exit> {
    let wasm = read_bounded(&args.file, COMPONENT_BYTES_MAX as u64 + 1).map_err(|error| {
        let help = "build it, or correct the path";
        Failure::new(Code::ComponentMissing, format!("{}: {error}", args.file.display()), help)
    })?;
    let plugin = plugin_name(&args.file).context("the file's name is no plugin's")?;
    let stage = Stage::new(&wasm, plugin).map_err(|error| Failure::of(error.code(), &error))?;
    let declared = declared(&wasm).map_err(|error| Failure::of(error.code(), &error))?;
    let first = declared.on.first().map(|types| types.as_str().replace('*', "conformance"));
    let kind = args.kind.clone().or(first).unwrap_or_else(|| USUAL.to_owned());
    let checks = conform(&stage, &kind).map_err(|error| Failure::of(error.code(), &error))?;
    let failed = checks.iter().filter(|it| !it.passed).count();
    let report = Report {
        component: args.file.display().to_string(),
        digest: Digest::of(&wasm),
        world: Kind::world(stage.kind()),
        passed: checks.len() - failed,
        failed,
        checks,
    };
    if out.is_json() {
        out.document(&report)?;
    } else {
        lines(&report, out)?;
    }
    if let Some(code) = report.checks.iter().filter(|it| !it.passed).find_map(|it| it.code) {
        talk(&format!("`wharf explain {code}` says what to do"));
    }
    Ok(if failed == 0 { Exit::Success } else { Exit::CheckFailed })
}

fn lines(report: &Report, out: &mut Output) -> Result<()> {
    for Finding { check, passed, outcome, reason, .. } in &report.checks {
        let word = if *passed { good("pass") } else { bad("fail") };
        let reason = reason.as_ref().map_or_else(String::new, |reason| format!(": {}", clipped(reason)));
        out.line(&format!("{word}  {check}  {}", faint(&format!("{}{reason}", outcome.as_str()))))?;
    }
    let checks = counted(report.checks.len(), "check", "checks");
    out.line(&match report.failed {
        0 => format!("{checks} passed: it keeps the contract of {}", report.world),
        failed => format!("{failed} of {checks} failed"),
    })?;
    Ok(())
}
