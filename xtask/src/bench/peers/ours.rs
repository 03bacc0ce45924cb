//! Our side: a host without anything in it, and `wharf bench` of the same binary.
//!
//! Invariant: nothing is asked of the host but by that command, which sends what it measures over HTTP as any client would.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::super::told;
use super::WAITING_MAX;
use super::rows::{Cell, Row, Scenario};
use super::systems::WARM_UP;
use crate::host::{Host, Stage};

/// What we are called in the table.
pub const NAME: &str = "wharf";

/// A host that runs.
pub struct Ours {
    binary: PathBuf,
    host: Host,
    _stage: Stage,
}

/// What `wharf bench` says, as far as it matters here.
#[derive(Deserialize)]
struct Report {
    events: u64,
    per_s: f64,
    cpu_us: Option<f64>,
    settled_ms: Option<Times>,
}

#[derive(Deserialize)]
struct Times {
    p99: Option<f64>,
}

impl Ours {
    /// Starts one.
    pub fn start(binary: &Path, folder: &Path) -> Result<Self> {
        let stage = Stage::lay_out(folder, "peers-wharf-", "", &[])?;
        let host = Host::start(binary, &stage, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))?;
        Ok(Self { binary: binary.to_owned(), host, _stage: stage })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.host.pid()
    }

    /// One run at a rate: how many events it sent.
    pub fn at(&self, scenario: Scenario, time: Duration, per_s: u64) -> Result<u64> {
        Ok(self.bench(scenario, time, &["--rate", &per_s.max(1).to_string()])?.events)
    }

    /// One run as fast as it goes.
    pub fn cell(&self, scenario: Scenario, time: Duration) -> Result<Cell> {
        let Report { per_s, cpu_us, .. } = self.bench(scenario, time, &["--waiting", &WAITING_MAX.to_string()])?;
        Ok(Cell { per_s, cpu_us: cpu_us.context("the host did not tell what it used")? })
    }

    /// Within how many milliseconds 99 of 100 messages are settled at half of a row's rate.
    pub fn p99_at_half(&self, row: &Row, time: Duration) -> Result<f64> {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is a few hundred thousand")]
        let half = (row.per_s / 2.0) as u64;
        let report = self.bench(row.scenario, time, &["--rate", &half.max(1).to_string()])?;
        report.settled_ms.and_then(|times| times.p99).context("the bench told no times")
    }

    fn bench(&self, scenario: Scenario, time: Duration, also: &[&str]) -> Result<Report> {
        let (time, warm_up) = (format!("{}ms", time.as_millis()), format!("{}ms", WARM_UP.as_millis()));
        let name = if scenario == Scenario::Single { "pull" } else { scenario.name() };
        let mut command = Command::new(&self.binary);
        command.args(["bench", name, "--url", &self.host.ready().url, "-o", "json", "--for", &time]);
        command.args(["--warm-up", &warm_up, "--batch", &scenario.batch().to_string()]).args(also);
        command.env_remove("WHARF_TENANT");
        told(&mut command)
    }
}
