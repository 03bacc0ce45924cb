//! `cargo xtask bench schedule`: each due time fires once, over kills, a clock that jumps, and changes of daylight saving.
//!
//! Method: schedules publish events while the host is killed and started again, and while its wall clock jumps under Debian's faketime (its
//! monotonic clock is the machine's); afterwards every event that there is is read, and its due times are held against the grid that they are
//! of: from the first that came behind the schedule's beginning, as its own view of it said then, to the one before the next that it names. For
//! daylight saving the wall clock is set shortly before a change of Berlin's clocks, in a folder of its own.
//!
//! Invariant: it fails when a due time is missing, or is there twice. `--break` shows that it can: then what was missed is passed over.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{Output, folder, say};
use crate::faketime;
use crate::guests::cargo;
use crate::host::binary::{self, Profile};
use crate::host::{Api, Host, Stage};
use crate::interrupt::Interrupt;
use crate::poll;

/// How long a host goes on behind the time at which half past two was there, or was not.
const BEHIND: Duration = Duration::from_secs(6);

/// How far a schedule may be behind the clock when all that was due is held to have fired, in seconds.
const SLACK_S: i64 = 2;

/// How long a due time may be waited for.
const FIRES_S_MAX: Duration = Duration::from_secs(60);

/// Options of `cargo xtask bench schedule`.
#[derive(clap::Args)]
pub struct Args {
    /// Kills and starts.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    kills: u32,
    /// Pass over what was missed, to see that this fails.
    #[arg(long = "break")]
    breaks: bool,
    /// Run this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// How to print the numbers.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// What a part came to.
#[derive(Default, Serialize)]
struct Part {
    /// Due times from the schedule's first to the last that has come.
    due: u64,
    fired: u64,
    missing: u64,
    twice: u64,
}

#[derive(Default, Serialize)]
struct Report {
    kills: Part,
    jumps: Part,
    clocks_go_forward: Part,
    clocks_go_back: Part,
    /// What ended it before its end.
    error: Option<String>,
    ok: bool,
}

/// What hosts are started with.
struct Bench<'a> {
    binary: PathBuf,
    folder: PathBuf,
    faketime: PathBuf,
    interrupt: Interrupt,
    args: &'a Args,
}

/// Builds what is needed, measures, prints. It fails when a due time did not fire once.
pub fn run(args: &Args) -> Result<()> {
    let target = cargo::workspace(&cargo::repository())?.target;
    let bench = Bench {
        binary: binary::given_or_built(args.binary.as_deref(), Profile::Release)?,
        folder: folder()?,
        faketime: faketime::library(&target)?,
        interrupt: Interrupt::catch()?,
        args,
    };
    let mut report = Report::default();
    report.error = bench.measure(&mut report).err().map(|error| format!("{error:#}"));
    let parts = [&report.kills, &report.jumps, &report.clocks_go_forward, &report.clocks_go_back];
    let all_once = parts.iter().all(|part| part.missing + part.twice == 0 && part.fired > 0);
    report.ok = all_once && report.error.is_none();
    let text = match args.output {
        Output::Text => report.text(),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    ensure!(
        report.ok,
        "a due time did not fire once{}",
        report.error.map_or(String::new(), |error| format!(": {error}"))
    );
    Ok(())
}

impl Report {
    fn text(&self) -> String {
        let line = |name: &str, Part { due, fired, missing, twice }: &Part| {
            format!("{name:<18} {fired} of {due} due times fired, {missing} are missing, {twice} fired twice\n")
        };
        [
            line("kills", &self.kills),
            line("jumps", &self.jumps),
            line("clocks go forward", &self.clocks_go_forward),
            line("clocks go back", &self.clocks_go_back),
        ]
        .concat()
    }
}

impl Bench<'_> {
    fn measure(&self, report: &mut Report) -> Result<()> {
        report.kills = self.kills()?;
        report.jumps = self.jumps()?;
        report.clocks_go_forward = self.change("2026-03-29T00:59:57Z", &["2026-03-29T01:00:00Z"], None)?;
        report.clocks_go_back =
            self.change("2026-10-25T00:29:57Z", &["2026-10-25T00:30:00Z"], Some("2026-10-25T01:29:57Z"))?;
        Ok(())
    }

    /// A stage with a schedule of the file.
    fn stage(&self, name: &str, expression: &str) -> Result<Stage> {
        let catch_up = if self.args.breaks { "none" } else { "all" };
        let config = format!(
            "[tenants.demo.schedules.s]\nexpression = \"{expression}\"\ntimezone = \"Europe/Berlin\"\ntype = \"tick\"\n\
             catch_up = \"{catch_up}\"\n"
        );
        Stage::lay_out(&self.folder, name, &config, &[])
    }

    /// Kills amid a schedule of every second.
    fn kills(&self) -> Result<Part> {
        say("a due time a second, and kills");
        let stage = self.stage("schedule-kills-", "rate(1 second)")?;
        let (mut first, mut part) = (None, Part::default());
        for life in 0..=self.args.kills {
            let host = Host::start(&self.binary, &stage, any())?;
            first = first.or(Some(begun(&host)?));
            self.fired_after(&host, 3 * (life as usize + 1))?;
            if life == self.args.kills {
                part = self.caught_up(&host, first.unwrap_or_default(), 1, 0)?;
            }
            host.kill()?;
        }
        Ok(part)
    }

    /// The wall clock jumps amid a schedule of every ten seconds: a little, back, and hours ahead over a start.
    fn jumps(&self) -> Result<Part> {
        say("a due time in ten seconds, and a wall clock that jumps");
        let stage = self.stage("schedule-jumps-", "rate(10 seconds)")?;
        set(&stage, 0)?;
        let host = self.under_faketime(&stage)?;
        let first = begun(&host)?;
        let before = self.fired_after(&host, 1)?.len();
        set(&stage, 240)?;
        let before = self.fired_after(&host, before + self.many(20))?.len();
        set(&stage, 235)?;
        self.fired_after(&host, before + 1)?;
        host.kill()?;
        set(&stage, 3 * 3_600)?;
        let host = self.under_faketime(&stage)?;
        // Three hours of due times come at once.
        self.fired_after(&host, before + self.many(1_000))?;
        let part = self.caught_up(&host, first, 10, 3 * 3_600)?;
        host.kill()?;
        Ok(part)
    }

    /// Berlin's clocks change: what is due at half past two fires at these times, and not again where two o'clock comes again.
    fn change(&self, from: &str, wanted: &[&str], again: Option<&str>) -> Result<Part> {
        say(&format!("the clocks of Berlin change, from {from} on"));
        let stage = self.stage("schedule-clocks-", "cron(30 2 * * ? *)")?;
        set(&stage, ahead_s(from)?)?;
        let mut host = self.under_faketime(&stage)?;
        self.fired_after(&host, 1)?;
        if let Some(again) = again {
            host.kill()?;
            set(&stage, ahead_s(again)?)?;
            host = self.under_faketime(&stage)?;
        }
        // Well behind half past two that does not come, or comes again.
        poll::pause(BEHIND);
        let fired = fires(&host)?;
        host.kill()?;
        let wanted: Vec<i64> = wanted.iter().map(|time| second(time)).collect::<Result<_>>()?;
        let missing = wanted.iter().filter(|due| !fired.contains_key(*due)).count() as u64;
        let twice = fired.values().map(|count| count - 1).sum::<u64>()
            + (fired.len() as u64).saturating_sub(wanted.len() as u64);
        Ok(Part { due: wanted.len() as u64, fired: fired.values().sum(), missing, twice })
    }

    /// How many due times a jump brings, where they are not passed over.
    fn many(&self, many: usize) -> usize {
        if self.args.breaks { 1 } else { many }
    }

    fn under_faketime(&self, stage: &Stage) -> Result<Host> {
        let (library, file) = (self.faketime.clone(), stage.path().join("faketime"));
        Host::start_as(&self.binary, stage, any(), |command| {
            command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", file).env("FAKETIME_NO_CACHE", "1");
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1").arg("--follow-clock");
        })
    }

    /// What fired from the first due time on, once the schedule has nothing before `ahead_s` from now to fire.
    fn caught_up(&self, host: &Host, first: i64, period: i64, ahead_s: i64) -> Result<Part> {
        poll::until("a schedule to catch up", FIRES_S_MAX, &self.interrupt, || {
            let (_, next) = standing(host)?;
            let next = next.context("the schedule has no next due time")?;
            Ok((next > Timestamp::now().as_second() + ahead_s - SLACK_S).then_some(()))
        })?;
        // It stands at `next` when all before that is durable; what fires meanwhile is behind it.
        let (_, next) = standing(host)?;
        Ok(of_grid(&fires(host)?, first, next.context("the schedule has no next due time")?, period))
    }

    /// How often each due time fired, once there are so many.
    fn fired_after(&self, host: &Host, many: usize) -> Result<BTreeMap<i64, u64>> {
        poll::until("a schedule to fire", FIRES_S_MAX, &self.interrupt, || {
            let fired = fires(host)?;
            Ok((fired.len() >= many).then_some(fired))
        })
    }
}

/// How often each due time fired, in seconds since 1970.
fn fires(host: &Host) -> Result<BTreeMap<i64, u64>> {
    let (api, mut before, mut fired) = (Api::new(&host.ready().url), None, BTreeMap::new());
    loop {
        let page =
            api.read(&format!("/events?limit=1000{}", before.map_or(String::new(), |at| format!("&before={at}"))))?;
        let events = page.as_array().context("events are no list")?;
        let Some(last) = events.last() else { return Ok(fired) };
        before = Some(last.get("position").and_then(Value::as_str).context("an event has no position")?.to_owned());
        for event in events
            .iter()
            .filter_map(|view| view.get("event"))
            .filter(|event| event.get("type") == Some(&Value::from("tick")))
        {
            *fired
                .entry(second(event.get("time").and_then(Value::as_str).context("an event has no time")?)?)
                .or_default() += 1;
        }
    }
}

/// The due time that fired last, and the one that is next.
fn standing(host: &Host) -> Result<(Option<i64>, Option<i64>)> {
    let view = Api::new(&host.ready().url).read("/schedules/s")?;
    let of = |name: &str| view.get(name).and_then(Value::as_str).map(second).transpose();
    Ok((of("last")?, of("next")?))
}

/// The first due time of a schedule that begins with this host.
fn begun(host: &Host) -> Result<i64> {
    let fired = fires(host)?;
    let (last, next) = standing(host)?;
    // It may have fired since it was ready.
    let first = fired.first_key_value().map(|(first, _)| *first).or(last).or(next);
    first.context("the schedule has no due time")
}

/// Due times held against all of them, so many seconds apart, from the first to the last before `next`.
fn of_grid(fired: &BTreeMap<i64, u64>, first: i64, next: i64, period: i64) -> Part {
    let of_grid = || (first..next).step_by(usize::try_from(period).unwrap_or(1));
    // What fired before the first, or beside the grid, is one too many.
    let beside = fired.range(..next).filter(|(due, _)| **due < first || (**due - first) % period != 0).count();
    Part {
        due: of_grid().count() as u64,
        fired: fired.values().sum(),
        missing: of_grid().filter(|due| !fired.contains_key(due)).count() as u64,
        twice: fired.values().map(|count| count - 1).sum::<u64>() + beside as u64,
    }
}

fn any() -> SocketAddr {
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)
}

fn second(time: &str) -> Result<i64> {
    Ok(time.parse::<Timestamp>().with_context(|| format!("{time} is no time"))?.as_second())
}

/// How far a time is ahead of now, in seconds.
fn ahead_s(time: &str) -> Result<i64> {
    Ok(second(time)? - Timestamp::now().as_second())
}

/// The wall clock of hosts on this stage is so many seconds ahead from now on.
fn set(stage: &Stage, ahead_s: i64) -> Result<()> {
    let to: &Path = &stage.path().join("faketime");
    // A file that is renamed is never read half.
    fs::write(to.with_extension("new"), format!("{ahead_s:+}\n"))?;
    fs::rename(to.with_extension("new"), to).context("setting the clock")
}
