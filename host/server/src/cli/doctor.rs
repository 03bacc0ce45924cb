//! `wharf doctor` and `wharf log verify`: a data folder that no host uses, examined and repaired.
//!
//! Invariant: the folder is locked for as long as it is looked at, nothing is made where there is none, and nothing is changed
//! but by `--repair`. What is found is the core's; here it becomes lines, or a JSON document, and an exit status.

use std::path::Path;

use anyhow::Context as _;
use wharf_dispatch::doctor::{self, DoctorError, Finding, Lost, Report, Severity};

use super::{
    args::{DoctorArgs, LogCommand},
    error::{Exit, talk},
    events::fact,
    limits::PROGRESS_BYTES,
    output::Output,
    words::{bad, clipped, counted, faint, good, help_style, later, printable, sized, strong},
};
use crate::{failure::Failure, folder::DataFolder};

/// `wharf doctor`.
pub fn run(args: &DoctorArgs, out: &mut Output) -> anyhow::Result<Exit> {
    leave_out_what_is_expected();
    let folder = open(&args.data.data)?;
    let mut report = doctor::examine(&folder.dir, &mut Progress::default().teller()).map_err(refused)?;
    if args.repair {
        doctor::repair(&folder.dir, &mut report).context("what was found cannot be repaired")?;
    }
    tell(&report, out)
}

/// `wharf log`.
pub fn log(command: &LogCommand, out: &mut Output) -> anyhow::Result<Exit> {
    let LogCommand::Verify(args) = command;
    let folder = open(&args.data)?;
    let report = doctor::verify_log(&folder.dir, &mut Progress::default().teller()).map_err(refused)?;
    tell(&report, out)
}

/// Says nothing of a panic on the thread where one is part of the examination: what it means is in the report.
fn leave_out_what_is_expected() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() != Some(doctor::UNCHECKED_THREAD) {
            before(panic);
        }
    }));
}

fn open(path: &Path) -> anyhow::Result<DataFolder> {
    Ok(DataFolder::existing(path).map_err(|error| Failure::of(error.code(), &error))?)
}

fn refused(error: DoctorError) -> anyhow::Error {
    Failure::of(error.code(), &error).into()
}

/// Says now and then how far reading has come.
#[derive(Default)]
struct Progress {
    read: u64,
    said: u64,
}

impl Progress {
    fn teller(mut self) -> impl FnMut(&str, u64) {
        move |name, bytes| {
            if self.read - self.said >= PROGRESS_BYTES {
                talk(&faint(&format!("{} read, now {name}", sized(self.read))));
                self.said = self.read;
            }
            self.read += bytes;
        }
    }
}

fn tell(report: &Report, out: &mut Output) -> anyhow::Result<Exit> {
    if out.is_json() {
        out.document(report)?;
    } else {
        lines(report).iter().try_for_each(|line| out.line(line))?;
    }
    Ok(if report.ok { Exit::Success } else { Exit::CheckFailed })
}

fn lines(report: &Report) -> Vec<String> {
    let mut lines = totals(report);
    for finding in &report.findings {
        lines.push(String::new());
        lines.extend(of_finding(finding));
    }
    lines.push(String::new());
    lines.push(verdict(report));
    lines
}

fn totals(report: &Report) -> Vec<String> {
    let log = &report.log;
    let frames = match log.frames {
        0 => "no frames".to_owned(),
        frames => format!("{frames} frames, {} to {}", log.first_k, log.last_k),
    };
    let segments = counted(usize::try_from(log.segments).unwrap_or(usize::MAX), "segment", "segments");
    let log = format!("{segments}, {}; {frames}; {} records", sized(log.bytes), log.records);
    let mut lines = vec![fact("log", &log)];
    if let Some(state) = &report.state {
        let rows = match state.rows {
            Some(rows) => format!("{rows} rows compared with the log"),
            None => "not compared with the log".to_owned(),
        };
        let checkpoint = format!("{}; checkpoint at frame {}; {rows}", sized(state.bytes), state.checkpoint_k);
        lines.push(fact("state", &checkpoint));
    }
    if let Some(whole) = report.components {
        lines.push(fact("components", &format!("{whole} whole")));
    }
    if let Some(whole) = report.artifacts {
        lines.push(fact("cache", &format!("{whole} compiled artifacts whole")));
    }
    lines
}

fn of_finding(finding: &Finding) -> Vec<String> {
    let how_bad = match finding.severity {
        _ if finding.repaired => good("repaired"),
        Severity::Harmless => later("harmless"),
        Severity::Damage => bad("damage"),
        Severity::Loss => bad("loss"),
    };
    let frames = match finding.frames {
        Some((first, last)) if first == last => format!(", frame {first}"),
        Some((first, last)) => format!(", frames {first} to {last}"),
        None => String::new(),
    };
    let at = finding.offset.map(|offset| format!(", byte {offset}")).unwrap_or_default();
    let place = format!("{}{at}{frames}", printable(&finding.file));
    let mut lines = vec![
        format!("{how_bad}  {}  {}", strong(&place), faint(&finding.structure)),
        format!("  {}", printable(&finding.problem)),
    ];
    lines.extend(finding.lost.iter().flat_map(of_lost));
    if finding.lost_unlisted > 0 {
        lines.push(format!("  and {} more records", finding.lost_unlisted));
    }
    if let Some(help) = &finding.help {
        lines.push(format!("  {}: {}", help_style("help"), printable(help)));
    }
    lines
}

fn of_lost(lost: &Lost) -> Vec<String> {
    let record = lost.record.as_deref().unwrap_or("record");
    let tenant = lost.tenant.as_ref().map(|tenant| format!(" of tenant {tenant}")).unwrap_or_default();
    let detail = lost.detail.as_deref().map(|detail| format!(", {}", clipped(detail))).unwrap_or_default();
    let sure = if lost.proven { "as written" } else { "as far as it can be told" };
    let mut lines = vec![format!("  lost  {}  {record}{tenant}{detail}  {}", lost.position, faint(sure))];
    for event in &lost.events {
        let id = event.id.as_deref().map_or("id unknown".into(), clipped);
        let kind = event.kind.as_deref().map_or("type unknown".into(), clipped);
        lines.push(format!("        event {}  {}  {kind}", event.position, strong(&id)));
    }
    lines.extend(lost.named_by.iter().map(|by| format!("        named by {}", printable(by))));
    lines
}

fn verdict(report: &Report) -> String {
    let count =
        |severity| report.findings.iter().filter(|finding| finding.severity == severity && !finding.repaired).count();
    let (loss, damage, harmless) = (count(Severity::Loss), count(Severity::Damage), count(Severity::Harmless));
    let repaired = report.findings.iter().filter(|finding| finding.repaired).count();
    let mut parts = Vec::new();
    if repaired > 0 {
        parts.push(good(&format!("{repaired} repaired")));
    }
    if loss > 0 {
        parts.push(bad(&format!("{loss} with data lost")));
    }
    if damage > 0 {
        parts.push(bad(&format!("{damage} damaged")));
    }
    if harmless > 0 {
        parts.push(later(&format!("{harmless} harmless")));
    }
    if parts.is_empty() { good("everything is as it was written") } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let cases = [
            (0, "0 bytes"),
            (9_999, "9999 bytes"),
            (143_360, "140 KiB"),
            (4 << 20, "4.0 MiB"),
            (1_600 << 20, "1600.0 MiB"),
        ];
        for (bytes, wanted) in cases {
            assert_eq!(sized(bytes), wanted);
        }
    }
}
