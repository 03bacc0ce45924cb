//! `cargo xtask bench languages`: what a handler costs in each language, with its SDK: size, compiling, loading, an attempt, memory.
//!
//! Method: the probes of `tests/languages`, each in hosts of its own. Compiling is `wharf compile`, the process that a host starts for each
//! component, from its start to its end. Loading is of a host that may keep no idle code, so that each attempt loads its own again; the host's
//! own figure. An attempt stores 16 bytes in a fresh instance, one at a time, and again in one that made others (`reuse`); times are the
//! host's, of each attempt. Memory is what the host
//! grew by, for each, when eight more instances live at once: attempts that never end, until their CPU time is spent.
//!
//! Invariant: an attempt that ends otherwise than it must is an error. A language whose probe is not built has no row.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use super::machine::Machine;
use super::median::median;
use super::starts::start;
use super::{Output, folder, say};
use crate::guests::js::OTHER_ENGINE;
use crate::guests::{Guest, Lang, cargo};
use crate::host::api::Answer;
use crate::host::binary::{self, Profile};
use crate::host::{Api, Host, Stage};
use crate::interrupt::Interrupt;
use crate::poll;

/// Times that a component is compiled.
const COMPILES: usize = 3;

/// Attempts that are timed, and those before them that are not.
const ATTEMPTS: usize = 200;
const WARM_UP: usize = 20;

/// Attempts of one instance where it makes more than one: all of those.
const REUSE: usize = WARM_UP + ATTEMPTS;

/// Attempts that load their code.
const LOADS: usize = 20;

/// Instances that live at once beside one that does so anyway.
const INSTANCES: u64 = 8;

/// How long anything may take to be settled.
const SETTLED_S_MAX: Duration = Duration::from_secs(60);

/// The tenant, and its plugin.
const TENANT: &str = "demo";
const PLUGIN: &str = "probe";

/// Options of `cargo xtask bench languages`.
#[derive(clap::Args)]
pub struct Args {
    /// Another component that does what the probe does, with a name for its row; may be repeated.
    #[arg(long, value_name = "NAME=FILE", value_parser = also)]
    also: Vec<(String, PathBuf)>,
    /// Run this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// How to print the numbers.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// What a handler in one language costs. Times are medians but for loading, which is the mean.
#[derive(Serialize)]
struct Row {
    language: String,
    component_bytes: u64,
    artifact_bytes: u64,
    compile_ms: f64,
    load_ms: f64,
    /// Wall and CPU time of an attempt.
    attempt_us: f64,
    attempt_cpu_us: f64,
    /// The same in an instance that made attempts before.
    again_us: f64,
    again_cpu_us: f64,
    /// Linear memory of an attempt.
    memory_kib: u64,
    /// What the host grew by for an instance.
    resident_kib: u64,
}

#[derive(Serialize)]
struct Report {
    machine: Machine,
    rows: Vec<Row>,
}

/// Measures the probes that are built.
pub fn run(args: &Args) -> Result<()> {
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Release)?;
    let (folder, interrupt) = (folder()?, Interrupt::catch()?);
    let guests = cargo::workspace(&cargo::repository())?.target.join("guests");
    let mut rows = Vec::new();
    let of = |name: &str| (name.to_owned(), guests.join(format!("languages-{name}-handler.wasm")));
    let mut given: Vec<_> = Lang::ALL.into_iter().map(|lang| of(lang.name())).collect();
    // The other engine is measured where somebody built it.
    given.extend(Some(of(OTHER_ENGINE)).filter(|(_, path)| path.is_file()));
    for (name, path) in given.into_iter().chain(args.also.clone()) {
        if path.is_file() {
            say(&format!("{name} ..."));
            let guest = Guest { name: PLUGIN.to_owned(), path };
            rows.push(row(name.clone(), &binary, &folder, &guest, &interrupt).context(name)?);
        } else {
            say(&format!(
                "{name} is left out: there is no {}; `cargo xtask guests --lang L` builds those",
                path.display()
            ));
        }
    }
    ensure!(!rows.is_empty(), "there was nothing to measure");
    let report = Report { machine: Machine::here(&folder), rows };
    let text = match args.output {
        Output::Text => text(&report),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// A component and a name for its row.
fn also(said: &str) -> Result<(String, PathBuf), String> {
    let (name, file) = said.split_once('=').ok_or("it is NAME=FILE")?;
    Ok((name.to_owned(), PathBuf::from(file)))
}

fn row(language: String, binary: &Path, folder: &Path, guest: &Guest, interrupt: &Interrupt) -> Result<Row> {
    let component_bytes = fs::metadata(&guest.path)?.len();
    let (compile_ms, artifact_bytes) = compiled(binary, folder, &guest.path)?;
    let load_ms = loaded(binary, folder, guest, interrupt)?;
    let of = |attempts: &[Value], member: &str| median(attempts.iter().filter_map(|it| it.get(member)?.as_f64()));
    let bench = Bench::start(binary, folder, guest, ("", REUSE), interrupt)?;
    let again = bench.attempts()?;
    bench.host.stop()?;
    let bench = Bench::start(binary, folder, guest, ("", 1), interrupt)?;
    let attempts = bench.attempts()?;
    let memory_kib = attempts.iter().filter_map(|it| it.get("memory_bytes")?.as_u64()).max().unwrap_or(0) >> 10;
    let (one, more) = (bench.peak(1)?, bench.peak(1 + INSTANCES)?);
    bench.host.stop()?;
    Ok(Row {
        language,
        component_bytes,
        artifact_bytes,
        compile_ms,
        load_ms,
        attempt_us: of(&attempts, "duration_us"),
        attempt_cpu_us: of(&attempts, "cpu_us"),
        again_us: of(&again, "duration_us"),
        again_cpu_us: of(&again, "cpu_us"),
        memory_kib,
        resident_kib: more.saturating_sub(one) / INSTANCES,
    })
}

/// Milliseconds of the process that compiles, and what it gives, in bytes.
fn compiled(binary: &Path, folder: &Path, component: &Path) -> Result<(f64, u64)> {
    let artifact = folder.join("artifact");
    let mut times = Vec::new();
    for _ in 0..COMPILES {
        let mut command = Command::new(binary);
        command.arg("compile").stdin(File::open(component)?).stdout(File::create(&artifact)?).stderr(Stdio::inherit());
        let began = Instant::now();
        let status = command.status().with_context(|| format!("starting {command:?}"))?;
        ensure!(status.success(), "{command:?}: {status}");
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    let bytes = fs::metadata(&artifact)?.len();
    fs::remove_file(&artifact)?;
    Ok((median(times), bytes))
}

/// Milliseconds that a host takes to load what it compiled before, on average.
fn loaded(binary: &Path, folder: &Path, guest: &Guest, interrupt: &Interrupt) -> Result<f64> {
    let bench = Bench::start(binary, folder, guest, ("[host]\nloaded_code = \"1B\"\n", 1), interrupt)?;
    for n in 0..=LOADS {
        bench.attempt("probe.echo", &format!("l{n}"), "ack")?;
    }
    let metric = |end: &str| bench.api.metric(&format!("wharf_release_load_seconds_{end}"));
    let (sum, count) = (metric("sum")?, metric("count")?);
    bench.host.stop()?;
    #[allow(clippy::cast_precision_loss, reason = "a small count")]
    let enough = count >= LOADS as f64;
    ensure!(enough, "code was loaded {count} times only");
    Ok(sum / count * 1_000.0)
}

/// A host with a probe.
struct Bench<'a> {
    // Its folder goes when this does.
    _stage: Stage,
    host: Host,
    api: Api,
    interrupt: &'a Interrupt,
}

impl<'a> Bench<'a> {
    fn start(
        binary: &Path,
        within: &Path,
        guest: &Guest,
        (more, reuse): (&str, usize),
        interrupt: &'a Interrupt,
    ) -> Result<Self> {
        let config = format!(
            "{more}[tenants.{TENANT}.plugins.{PLUGIN}]\ncomponent = \"{PLUGIN}.wasm\"\n\
             limits = {{ wall_ms = 60000, cpu_ms = 2000, reuse = {reuse} }}\n\
             grants = {{ publish = [\"probe.*\"], kv = [\"{PLUGIN}\", \"ledger\"] }}\n\
             [tenants.{TENANT}.rules.all]\npattern = {{ type = [{{ prefix = \"probe.\" }}] }}\n\
             targets = [{{ plugin = \"{PLUGIN}\", retry = {{ attempts = 1 }}, dead_letter = \"dead\" }}]\n"
        );
        let stage = Stage::lay_out(within, "languages-", &config, std::slice::from_ref(guest))?;
        let host = start(binary, &stage)?;
        let api = Api::of(&host.ready().url, TENANT);
        Ok(Self { _stage: stage, host, api, interrupt })
    }

    fn send(&self, kind: &str, id: &str) -> Result<()> {
        let event =
            json!({ "specversion": "1.0", "id": id, "source": "bench", "type": kind, "data": { "key": "key-17" } });
        match self.api.post(&event.to_string())? {
            Answer::Accepted(_) => Ok(()),
            Answer::Busy => bail!("the host was busy"),
            Answer::Refused(why) => bail!("the event was refused: {why}"),
        }
    }

    /// Those that are timed.
    fn attempts(&self) -> Result<Vec<Value>> {
        let one = |n: usize| self.attempt("probe.echo", &format!("a{n}"), "ack");
        let all: Vec<_> = (0..WARM_UP + ATTEMPTS).map(one).collect::<Result<_>>()?;
        Ok(all.into_iter().skip(WARM_UP).collect())
    }

    /// Sends an event, and gives the attempt that it came to.
    fn attempt(&self, kind: &str, id: &str, outcome: &str) -> Result<Value> {
        self.send(kind, id)?;
        self.settled()?;
        let event = self.api.read(&format!("/events/{id}"))?;
        let attempt = event.pointer("/deliveries/0/attempts/0").cloned().context("there was no attempt")?;
        let ended = attempt.pointer("/outcome/outcome").and_then(Value::as_str).unwrap_or_default();
        ensure!(ended == outcome, "the attempt is {attempt}");
        Ok(attempt)
    }

    fn settled(&self) -> Result<()> {
        poll::until("it to be settled", SETTLED_S_MAX, self.interrupt, || Ok((self.api.pending()? == 0).then_some(())))
    }

    /// The most KiB that are resident while so many attempts go on without end.
    fn peak(&self, instances: u64) -> Result<u64> {
        for n in 0..instances {
            self.send("probe.loop", &format!("loop-{instances}-{n}"))?;
        }
        let mut peak = 0;
        poll::until("the loops to be ended", SETTLED_S_MAX, self.interrupt, || {
            peak = peak.max(self.host.resident_kib()?);
            Ok((self.api.pending()? == 0).then_some(()))
        })?;
        Ok(peak)
    }
}

fn text(report: &Report) -> String {
    let mut text = format!("machine  {}\n\n", report.machine.line());
    let head = [
        "component",
        "compiled",
        "compile ms",
        "load ms",
        "attempt us",
        "cpu us",
        "again us",
        "cpu us",
        "memory",
        "resident",
    ];
    text += &format!("{:20}", "");
    head.iter().for_each(|column| text += &format!("{column:>12}"));
    for row in &report.rows {
        let kib = |bytes: u64| format!("{} KiB", bytes.div_ceil(1 << 10));
        let cells = [
            kib(row.component_bytes),
            kib(row.artifact_bytes),
            format!("{:.0}", row.compile_ms),
            format!("{:.2}", row.load_ms),
            format!("{:.0}", row.attempt_us),
            format!("{:.0}", row.attempt_cpu_us),
            format!("{:.0}", row.again_us),
            format!("{:.0}", row.again_cpu_us),
            format!("{} KiB", row.memory_kib),
            format!("{} KiB", row.resident_kib),
        ];
        text += &format!("\n{:20}", row.language);
        cells.iter().for_each(|cell| text += &format!("{cell:>12}"));
    }
    text + "\n"
}
