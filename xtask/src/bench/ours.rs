//! Our side: a host of its own for each run, with the counting plugin, and clients that post batches over HTTP.
//!
//! Invariant: a run counts only if every event was settled once: the sum of the counters is the number of events.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::cpu;
use super::load::PRODUCERS;
use super::redis::Run;
use crate::guests::Guest;
use crate::host::api::Batch;
use crate::host::{Api, Host, Stage};
use crate::interrupt::Interrupt;
use crate::poll;

/// What the host runs. The plugin has the defaults of any plugin: a fresh instance for every event, 32 at a time.
pub(super) const CONFIG: &str = r#"
[tenants.demo.buses.default]

[tenants.demo.plugins.counter]
component = "counter.wasm"
grants = { kv = ["counter"] }

[tenants.demo.rules.orders]
bus = "default"
pattern = { type = ["order.placed"] }
[[tenants.demo.rules.orders.targets]]
plugin = "counter"
"#;

/// How long a run may take.
const RUN_S_MAX: Duration = Duration::from_secs(300);

/// Before a batch is sent again to a host that was busy.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// Sends all batches and waits until every event is settled.
pub fn run(binary: &Path, folder: &Path, guest: &Guest, batches: &[Vec<u8>], interrupt: &Interrupt) -> Result<Run> {
    let stage = Stage::lay_out(folder, "ours-", CONFIG, std::slice::from_ref(guest))?;
    let host = Host::start(binary, &stage, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))?;
    let url = host.ready().url.clone();
    let api = Api::new(&url);
    let (start, cpu) = (Instant::now(), cpu::used(host.pid())?);
    let sent = send(&url, batches, interrupt)?;
    poll::until("the events to be settled", RUN_S_MAX, interrupt, || {
        let stats = api.stats()?;
        Ok((stats.pending == 0 && stats.events == sent).then_some(()))
    })?;
    let run = Run::new(sent, start.elapsed(), cpu::used(host.pid())?.saturating_sub(cpu));
    check(&api, sent)?;
    host.stop()?;
    Ok(run)
}

/// Sends the batches from all clients, each the next that nobody has sent. Gives the number of events.
pub(super) fn send(url: &str, batches: &[Vec<u8>], interrupt: &Interrupt) -> Result<u64> {
    let next = AtomicUsize::new(0);
    let client = || -> Result<usize> {
        let (api, mut sent) = (Api::new(url), 0);
        while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
            interrupt.check()?;
            let start = Instant::now();
            sent += loop {
                match api.post_batch(batch)? {
                    Batch::Accepted(events) => break events,
                    Batch::Busy if start.elapsed() < RUN_S_MAX => poll::pause(BUSY_PAUSE),
                    Batch::Busy => bail!("the host was busy for {} s", RUN_S_MAX.as_secs()),
                }
            };
        }
        Ok(sent)
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..PRODUCERS).map(|_| scope.spawn(client)).collect();
        let mut sent = 0;
        for client in clients {
            sent += client.join().ok().context("a client ended in a panic")?? as u64;
        }
        Ok(sent)
    })
}

/// Whether every event was counted once.
fn check(api: &Api, sent: u64) -> Result<()> {
    let stats = api.stats()?;
    ensure!(
        stats.events == sent && stats.attempts == sent && stats.dead_letters == 0 && stats.retries == 0,
        "{sent} events were sent, and the host has {stats:?}"
    );
    let counted: i64 = api.counters()?.values().flat_map(|keys| keys.values()).sum();
    ensure!(u64::try_from(counted) == Ok(sent), "{sent} events were sent, and {counted} counted");
    Ok(())
}
