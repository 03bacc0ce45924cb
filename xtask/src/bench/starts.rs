//! How long a host takes to start whose plugins are compiled already, from exec to the line that says that it serves.
//!
//! Invariant: a host before has compiled whatever a timed start needs. Nothing is posted here, and no memory looked at.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use super::median::median;
use crate::host::{Host, Stage};

/// Starts that are timed.
pub const STARTS: usize = 5;

/// Plugins of a configuration file.
pub const OF_A_FILE: u32 = 100;

/// Starts a host on a stage's folder.
pub fn start(binary: &Path, stage: &Stage) -> Result<Host> {
    Host::start(binary, stage, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))
}

/// Starts a host a few times: the last one, and the median in milliseconds.
pub fn timed(binary: &Path, stage: &Stage) -> Result<(Host, f64)> {
    let mut starts = Vec::new();
    loop {
        let began = Instant::now();
        let host = start(binary, stage)?;
        starts.push(began.elapsed().as_secs_f64() * 1_000.0);
        if starts.len() == STARTS {
            return Ok((host, median(starts)));
        }
        host.stop()?;
    }
}

/// The start with plugins that a configuration file names, all of them different: their components are read and checked each time.
pub fn of_a_file(binary: &Path, within: &Path, wasm: &[u8]) -> Result<f64> {
    let plugin = |n: u32| {
        format!(
            "[tenants.demo.plugins.p{n}]\ncomponent = \"p{n}.wasm\"\n[tenants.demo.rules.r{n}]\n\
             pattern = {{ type = [\"order.placed\"], subject = [\"{n}\"] }}\ntargets = [{{ plugin = \"p{n}\" }}]\n"
        )
    };
    let config = (0..OF_A_FILE).map(plugin).collect::<String>();
    let stage = Stage::lay_out(within, "starts-", &config, &[])?;
    for n in 0..OF_A_FILE {
        fs::write(stage.path().join(format!("p{n}.wasm")), other(wasm, n))?;
    }
    // This one compiles them.
    start(binary, &stage)?.stop()?;
    let (host, start_ms) = timed(binary, &stage)?;
    host.stop()?;
    Ok(start_ms)
}

/// The component with a custom section, which makes it another one: its number, its length, the length of its name, its name, its content.
pub fn other(wasm: &[u8], n: u32) -> Vec<u8> {
    [wasm, &[0, 6, 1, b'n'], n.to_le_bytes().as_slice()].concat()
}
