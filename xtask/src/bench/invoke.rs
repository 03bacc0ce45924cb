//! `cargo xtask bench invoke`: builds `tests/bench`'s second program, runs it with the example plugins and an event for each, and
//! prints what one attempt costs; and how much memory an idle host takes, with its plugins and with many more.
//!
//! Invariant: every time is the other program's, every size the kernel's; this one only shows them.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::machine::Machine;
use super::{Output, folder, print, say};
use crate::guests::js::OTHER_ENGINE;
use crate::guests::{self, Guest, cargo};
use crate::host::binary::{self, Profile};
use crate::host::{Host, Stage};
use crate::languages::ROWS;
use crate::payloads;
use crate::poll;

/// What a guest is given.
enum Given {
    /// The first of the real payloads that is of this kind.
    Real(&'static str),
    /// An event of this type with this payload.
    Own(&'static str, &'static str),
}

/// The guests, each with its event.
const EVENTS: [(&str, Given); 7] = [
    ("counter", Given::Own("order.placed", r#"{"key":"key-17"}"#)),
    ("label-stats", Given::Own("triage.labeled", r#"{"labels":["bug","crash"]}"#)),
    ("event-stats", Given::Real("push")),
    ("push-stats", Given::Real("push")),
    ("github-triage", Given::Real("issues.opened")),
    ("flaky", Given::Real("push")),
    ("pull-request-enrich", Given::Real("pull_request.opened")),
];

/// Plugins that do nothing, to see what one of them takes.
const IDLE_PLUGINS: usize = 200;

/// How long a host rests before its memory is looked at.
const REST: Duration = Duration::from_secs(3);

/// Options of `cargo xtask bench invoke`.
#[derive(clap::Args)]
pub struct Args {
    /// How to print the numbers.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Measure the handlers of `tests/languages` that are built instead, each with a small payload that it stores, as memory is reset here.
    #[arg(long)]
    languages: bool,
}

/// Builds, measures, prints.
pub fn run(args: &Args) -> Result<()> {
    if args.languages {
        let program = binary::build_of("wharf-bench-invoke", Profile::Release)?;
        return print(measured(&program, &languages()?, &["--chosen"])?, args.output, &folder()?, text);
    }
    let guests = guests::build()?;
    say("building the benchmark and the host (release)");
    let program = binary::build_of("wharf-bench-invoke", Profile::Release)?;
    let host = binary::build(Profile::Release)?;
    let folder = folder()?;
    let mut report = attempts(&program, &guests)?;
    report.insert("idle".to_owned(), idle(&host, &folder, &guests)?);
    print(report, args.output, &folder, text)
}

fn attempts(program: &Path, guests: &[Guest]) -> Result<Map<String, Value>> {
    let payloads = payloads::read(&cargo::repository())?;
    let mut given = Vec::new();
    for (name, event) in EVENTS {
        let guest = guests.iter().find(|guest| guest.name == name).with_context(|| format!("no guest {name}"))?;
        let (kind, data) = match event {
            Given::Real(kind) => {
                let payload = payloads.iter().find(|payload| payload.kind == kind);
                (format!("com.github.{kind}"), payload.with_context(|| format!("no payload {kind}"))?.value.to_string())
            }
            Given::Own(kind, data) => (kind.to_owned(), data.to_owned()),
        };
        given.push(json!({ "name": name, "path": guest.path, "kind": kind, "data": data }));
    }
    measured(program, &given, &[])
}

/// The handlers of the suite of languages that `cargo xtask guests --lang` and `--spidermonkey` left.
fn languages() -> Result<Vec<Value>> {
    let guests = cargo::workspace(&cargo::repository())?.target.join("guests");
    let mut given = Vec::new();
    for row in ROWS.into_iter().chain([OTHER_ENGINE]) {
        let path = guests.join(format!("languages-{row}-handler.wasm"));
        if path.is_file() {
            given.push(json!({ "name": row, "path": path, "kind": "probe.echo", "data": r#"{"key":"key-17"}"# }));
        }
    }
    Ok(given)
}

fn measured(program: &Path, given: &[Value], arguments: &[&str]) -> Result<Map<String, Value>> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    child.stdin.take().context("it takes no input")?.write_all(&serde_json::to_vec(given)?)?;
    let done = child.wait_with_output()?;
    if !done.status.success() {
        bail!("{}: {}", program.display(), done.status);
    }
    serde_json::from_slice(&done.stdout).context("reading what it measured")
}

/// KiB that an idle host has resident: with the demo's plugins, when it compiled them and when it found them compiled; and with
/// many more that are all different.
fn idle(binary: &Path, folder: &Path, guests: &[Guest]) -> Result<Value> {
    say("idle hosts");
    let demo = fs::read_to_string(cargo::repository().join("demo/wharf.toml"))?;
    let stage = Stage::lay_out(folder, "idle-", &demo, guests)?;
    let (compiled, cached) = (resident_kib(binary, &stage)?, resident_kib(binary, &stage)?);
    let copied = guests.iter().find(|guest| guest.name == "event-stats").context("no guest event-stats")?;
    let component = fs::read(&copied.path)?;
    let mut config = demo;
    for n in 0..IDLE_PLUGINS {
        let name = format!("idle-{n}");
        fs::write(stage.path().join(format!("{name}.wasm")), [component.as_slice(), &named(&name)].concat())?;
        config += &format!("\n[tenants.demo.plugins.{name}]\ncomponent = \"{name}.wasm\"\n");
    }
    fs::write(stage.config(), config)?;
    // The first start compiles them.
    resident_kib(binary, &stage)?;
    let with_many = resident_kib(binary, &stage)?;
    Ok(json!({
        "compiled_kib": compiled, "cached_kib": cached,
        "plugins": IDLE_PLUGINS, "with_plugins_kib": with_many,
        "plugin_kib": with_many.saturating_sub(cached) / IDLE_PLUGINS as u64,
    }))
}

/// A custom section with that name, which makes a component another one.
fn named(name: &str) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
    [&[0, length + 1, length], name.as_bytes()].concat()
}

fn resident_kib(binary: &Path, stage: &Stage) -> Result<u64> {
    let host = Host::start(binary, stage, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))?;
    poll::pause(REST);
    let resident = host.resident_kib()?;
    host.stop()?;
    Ok(resident)
}

fn text(report: &Map<String, Value>, machine: &Machine) -> Option<String> {
    let number = |value: &Value| value.as_f64().map_or_else(|| "-".to_owned(), |number| format!("{number:.1}"));
    let mut text = format!("machine  {}\n\nCPU microseconds, medians\n", machine.line());
    let columns = ["fresh", "store", "instantiate", "call", "drop", "warm"];
    for row in report.get("rows")?.as_array()? {
        let settings = row.get("settings")?;
        let scan = if settings.get("scan")?.as_bool()? { "scan" } else { "copy" };
        let of = |name: &str| settings.get(name)?.as_u64();
        let chosen = if Some(settings) == report.get("chosen") { "  (chosen)" } else { "" };
        text += &format!("\nmemories {scan} {} KiB, tables {} KiB{chosen}\n", of("memory_kib")?, of("table_kib")?);
        text += &format!("{:22}{:>8}", "", "payload");
        columns.iter().for_each(|column| text += &format!("{column:>13}"));
        text.push('\n');
        for guest in row.get("guests")?.as_array()? {
            text += &format!("{:22}{:>8}", guest.get("name")?.as_str()?, guest.get("payload_bytes")?.as_u64()?);
            columns
                .iter()
                .for_each(|column| text += &format!("{:>13}", guest.get(*column).map_or_else(String::new, number)));
            text.push('\n');
        }
    }
    let Some(idle) = report.get("idle") else { return Some(text) };
    let kib = |name: &str| idle.get(name)?.as_u64();
    text += &format!(
        "\nidle, KiB resident: {} after compiling five plugins, {} with them from the cache, {} with {} more: {} each\n",
        kib("compiled_kib")?,
        kib("cached_kib")?,
        kib("with_plugins_kib")?,
        kib("plugins")?,
        kib("plugin_kib")?
    );
    Some(text)
}
