//! What is left of a state whose checksums do not hold: which of its rows are not what the log gives.
//!
//! Invariant: it says more about damage that was found already, and decides nothing. redb may panic on what it reads here, so it
//! runs on a thread of its own, which then ends without an answer; whoever prints what panics say leaves that thread out.

use std::fs::File;

use wharf_delivery::{History, apply};
use wharf_log::FolderDisk;
use wharf_state::State;

use super::{
    comparing::{Compared, compare},
    log,
};

/// The name of the thread that may panic.
pub const UNCHECKED_THREAD: &str = "wharf-unchecked";

/// Compares what can be read of the state in `file` with `anew`, which the whole log of `disk` gives.
pub(super) fn compare_unchecked(file: File, disk: &FolderDisk, anew: &State, last_k: u64) -> Option<Compared> {
    let look = move || {
        let (mut state, checkpointed) = State::inspect_unchecked(Box::new(file)).ok()?;
        if checkpointed.k > last_k {
            return None;
        }
        let mut is_readable = true;
        let replayed = log::examine(disk, &mut |_, _| (), &mut |read| {
            if is_readable && read.position.k > checkpointed.k {
                is_readable = apply(read.record, read.position, read.time_ms, History::Whole, &mut state).is_ok();
            }
            Ok(())
        });
        replayed.ok().filter(|_| is_readable)?;
        compare(&state, anew).ok()
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(UNCHECKED_THREAD.to_owned());
        thread.spawn_scoped(scope, look).ok()?.join().ok().flatten()
    })
}
