//! One row: its components in a host of their own, each scenario in turn.
//!
//! Invariant: a scenario ends before the next one begins, so none sees another's attempts.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::answers::Answers;
use super::check;
use super::scenario::{Scenario, World};
use super::site::{self, PLUGINS, TENANT};
use crate::guests::Guest;
use crate::host::api::Answer;
use crate::host::{Api, Host, Stage};
use crate::interrupt::Interrupt;
use crate::poll;

/// How long the attempts of one scenario may take.
const SCENARIO_S_MAX: Duration = Duration::from_secs(60);

/// Whether any component of a row was built.
pub fn has_any(guests: &Path, row: &str) -> bool {
    !there(guests, row).is_empty()
}

fn there(guests: &Path, row: &str) -> Vec<(World, Guest)> {
    let guest = |(world, file, _): (World, &str, &str)| {
        let name = format!("languages-{row}-{file}");
        let path = guests.join(format!("{name}.wasm"));
        path.is_file().then_some((world, Guest { name, path }))
    };
    PLUGINS.into_iter().filter_map(guest).collect()
}

/// Runs scenarios, and gives each one's cell.
pub fn run(
    binary: &Path,
    guests: &Path,
    (row, reuse): (&str, u32),
    scenarios: &[&Scenario],
) -> Result<BTreeMap<String, String>> {
    let (worlds, components): (Vec<_>, Vec<_>) = there(guests, row).into_iter().unzip();
    let stage = Stage::lay_out(&std::env::temp_dir(), "languages-", &site::config((row, reuse), &worlds), &components)?;
    let host = Host::start(binary, &stage, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))?;
    let api = Api::of(&host.ready().url, TENANT);
    let interrupt = Interrupt::catch()?;
    let mut cells = BTreeMap::new();
    for scenario in scenarios {
        interrupt.check()?;
        let needed = match scenario.world {
            World::Transform => vec![World::Transform, World::Handler],
            world => vec![world],
        };
        let cell = match scenario.not_for.get(row) {
            Some(reason) => format!("n/a: {reason}"),
            None if needed.iter().any(|world| !worlds.contains(world)) => {
                "fail: its component was not built".to_owned()
            }
            None => match judged(&api, row, scenario, &interrupt) {
                Ok(()) => "pass".to_owned(),
                Err(wrong) => format!("fail: {wrong:#}"),
            },
        };
        cells.insert(scenario.name.clone(), cell);
    }
    host.stop()?;
    Ok(cells)
}

/// Sends a scenario's events, waits until they are settled, and looks at what became of them.
fn judged(api: &Api, row: &str, scenario: &Scenario, interrupt: &Interrupt) -> Result<()> {
    let events = scenario.sent();
    if scenario.world == World::Batch {
        let queue = if scenario.ordered { "line" } else { "jobs" };
        let batch = serde_json::to_vec(&events)?;
        api.post_to(&format!("/queues/{queue}/messages"), "application/cloudevents-batch+json", &batch)?;
    } else {
        for event in &events {
            match api.post(&event.to_string())? {
                Answer::Accepted(_) => {}
                Answer::Busy => bail!("the host was busy"),
                Answer::Refused(why) => bail!("the event was refused: {why}"),
            }
        }
    }
    poll::until("its attempts to end", SCENARIO_S_MAX, interrupt, || Ok((api.pending()? == 0).then_some(())))?;
    let ids: Vec<&str> = events.iter().filter_map(|event| event.get("id").and_then(Value::as_str)).collect();
    let answers = Answers::read(api, scenario, &ids).context("asking what became of it")?;
    check::check(row, scenario, &answers)
}
