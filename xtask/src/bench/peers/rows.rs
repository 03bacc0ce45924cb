//! The table: a row for each scenario and system.
//!
//! Invariant: there is exactly one row for each pair that was measured; its rate is the median of its runs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::load::BATCH;
use super::super::median::median;
use super::ours;
use super::systems::System;

/// How messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// In batches.
    Pull,
    /// One a request.
    Single,
    /// Ours only: each through a plugin's sandbox of its own.
    Plugin,
    /// Ours only: batches through a plugin's sandbox.
    Batch,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pull, Self::Single, Self::Plugin, Self::Batch];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Single => "single",
            Self::Plugin => "plugin",
            Self::Batch => "batch",
        }
    }

    /// Messages of one request.
    pub fn batch(self) -> usize {
        if self == Self::Single { 1 } else { BATCH }
    }

    /// What of a peer it stands beside.
    fn beside(self) -> Self {
        if self == Self::Single { Self::Single } else { Self::Pull }
    }
}

/// What one run gave.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    /// Messages a second, from the first request to the last settlement.
    pub per_s: f64,
    /// CPU time of the server, in microseconds a message.
    pub cpu_us: f64,
}

impl Cell {
    /// For whoever waits.
    pub fn line(&self) -> String {
        format!("{:8.0}/s {:7.1} us CPU", self.per_s, self.cpu_us)
    }
}

/// A row.
#[derive(Debug, Serialize)]
pub struct Row {
    #[serde(serialize_with = "name")]
    pub scenario: Scenario,
    pub system: &'static str,
    /// Whether what was acknowledged is synced.
    pub fsync: bool,
    pub batch: usize,
    /// Messages a second: the median of the runs.
    pub per_s: f64,
    /// CPU time of the server, in microseconds a message.
    pub cpu_us: f64,
    /// Ours / that. In a row of ours, beside the best peer that syncs; null where there is none.
    pub ratio: Option<f64>,
    /// The runs.
    pub runs: Vec<f64>,
    /// Of ours only: 99 of 100 messages were settled within so long after they were acknowledged, at half of that rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn name<S: serde::Serializer>(scenario: &Scenario, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(scenario.name())
}

impl Row {
    /// A line of the table.
    pub fn line(&self) -> String {
        let Self { scenario, system, fsync, batch, per_s, cpu_us, ratio, p99_ms, .. } = self;
        let fsync = if *fsync { "yes" } else { "no" };
        let number = |number: &Option<f64>| number.map(|number| format!("{number:.2}")).unwrap_or_default();
        let line = format!(
            "{:10}{system:21}{fsync:>6}{batch:>7}{per_s:>12.0}{cpu_us:>14.1}{:>8}{:>16}",
            scenario.name(),
            number(ratio),
            number(p99_ms)
        );
        line.trim_end().to_owned() + "\n"
    }
}

/// The rows of all that was measured.
pub fn rows(cells: &BTreeMap<(Scenario, &'static str), Vec<Cell>>, systems: &[System]) -> Vec<Row> {
    let syncs = |name: &str| systems.iter().find(|system| system.name() == name).is_none_or(System::syncs);
    let median_of =
        |of: &(Scenario, &'static str)| cells.get(of).map(|cells| median(cells.iter().map(|cell| cell.per_s)));
    let best = |scenario: Scenario| {
        let peers = systems.iter().filter(|system| system.syncs());
        peers.filter_map(|system| median_of(&(scenario.beside(), system.name()))).reduce(f64::max)
    };
    let row = |(&(scenario, system), cells): (&(Scenario, &'static str), &Vec<Cell>)| {
        let per_s = median(cells.iter().map(|cell| cell.per_s));
        let ratio = match system {
            ours::NAME => best(scenario).map(|best| per_s / best),
            _ => median_of(&(scenario, ours::NAME)).map(|ours| ours / per_s),
        };
        Row {
            scenario,
            system,
            fsync: syncs(system),
            batch: scenario.batch(),
            per_s: per_s.round(),
            cpu_us: rounded(median(cells.iter().map(|cell| cell.cpu_us))),
            ratio: ratio.filter(|ratio| ratio.is_finite()).map(rounded),
            runs: cells.iter().map(|cell| cell.per_s.round()).collect(),
            p99_ms: None,
        }
    };
    cells.iter().map(row).collect()
}

/// To two digits behind the point.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn ours_stands_beside_the_best_that_syncs() {
        let cell = |per_s| vec![Cell { per_s, cpu_us: 1.0 }];
        let systems = [System::Redis(PathBuf::new()), System::JetStream { program: PathBuf::new(), syncs: false }];
        let cells = BTreeMap::from([
            ((Scenario::Pull, ours::NAME), cell(300.0)),
            ((Scenario::Plugin, ours::NAME), cell(150.0)),
            ((Scenario::Pull, systems[0].name()), cell(100.0)),
            ((Scenario::Pull, systems[1].name()), cell(600.0)),
        ]);
        let ratios: Vec<_> = rows(&cells, &systems).iter().map(|row| (row.system, row.fsync, row.ratio)).collect();
        let wanted = [
            ("jetstream-default", false, Some(0.5)),
            ("redis", true, Some(3.0)),
            (ours::NAME, true, Some(3.0)),
            (ours::NAME, true, Some(1.5)),
        ];
        assert_eq!(ratios, wanted);
    }
}
