//! What `wharf compile` does: takes its limits on, reads, compiles, answers.
//!
//! Invariant: it opens no file, and has no network where the kernel lets it be cut off.

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, Result};
use rustix::{
    process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit},
    thread::{UnshareFlags, unshare_unsafe},
};
use wharf_runtime::{Knowing, limits::COMPONENT_BYTES_MAX};

use super::{KNOWN_BYTES_MAX, child::Haste, parts};
use crate::pace::{LAST, step_back};

/// Seconds of CPU time that compiling one component may take, over all cores.
pub(super) const CPU_S_MAX: u64 = 120;

/// Bytes of address space.
pub(super) const MEMORY_BYTES_MAX: u64 = 8 << 30;

/// Open files.
const FILES_MAX: u64 = 16;

/// What an answer begins with: whether the kernel cut this process off from the network.
pub(super) const CUT_OFF: &[u8] = b"-";
const CONNECTED: &[u8] = b"+";

/// Compiles what it is given and gives the artifact. Given nothing it only says whether it is cut off from the network.
///
/// # Errors
/// When the component is unfit, or a pipe is closed.
pub fn run() -> Result<()> {
    // The thread that waits for it is there as long as the host is.
    set_parent_process_death_signal(Some(Signal::KILL)).context("it cannot be tied to its host")?;
    let network = if cut_off() { CUT_OFF } else { CONNECTED };
    let haste = Haste::of_this_process();
    if haste == Haste::None {
        step_back(LAST);
    }
    let limits = [
        (Resource::Cpu, CPU_S_MAX),
        (Resource::As, MEMORY_BYTES_MAX),
        (Resource::Nofile, FILES_MAX),
        (Resource::Core, 0),
    ];
    for (resource, most) in limits {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).context("the limits cannot be set")?;
    }
    let (mut stdin, mut stdout) = (std::io::stdin().lock(), std::io::stdout().lock());
    let (knowing, wasm) = match haste {
        Haste::Again => {
            let knowing = parts::read(&mut stdin, KNOWN_BYTES_MAX)?.map(Knowing::new).transpose()?;
            (knowing, parts::read(&mut stdin, COMPONENT_BYTES_MAX)?)
        }
        // As somebody may give it by hand.
        Haste::None | Haste::Once => {
            let mut wasm = Vec::new();
            stdin.take(COMPONENT_BYTES_MAX as u64 + 1).read_to_end(&mut wasm)?;
            (None, Some(wasm).filter(|wasm| !wasm.is_empty()))
        }
    };
    let artifact = match (&wasm, &knowing) {
        (Some(wasm), Some(knowing)) => Some(knowing.compile(wasm)?),
        (Some(wasm), None) => Some(wharf_runtime::compile(wasm)?),
        (None, _) => None,
    };
    parts::write(&mut stdout, network)?;
    if let Some(artifact) = artifact {
        parts::write(&mut stdout, &artifact)?;
        stdout.flush()?;
        if let Some(knowing) = knowing {
            parts::write(&mut stdout, &knowing.learnt())?;
        }
    }
    Ok(stdout.flush()?)
}

/// Takes this process out of the machine's network; false when the kernel does not let it.
pub fn cut_off() -> bool {
    // SAFETY: no file descriptors are unshared, and this process has one thread, so nothing else sees the change.
    #[allow(unsafe_code, reason = "namespaces have no other door")]
    let cut = |flags| unsafe { unshare_unsafe(flags) };
    // Alone it needs privileges; within a user namespace of its own it mostly does not.
    cut(UnshareFlags::NEWNET).is_ok() || cut(UnshareFlags::NEWUSER | UnshareFlags::NEWNET).is_ok()
}
