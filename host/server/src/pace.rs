//! How a thread steps back behind others, as the kernel's scheduler is told.
//!
//! Being nice says how much a thread has of a processor that others want too. It does not say when: whoever runs is let finish its slice of some
//! milliseconds, while a thread that woke up to answer somebody waits. One that asked for longer slices is not, by any that has
//! shorter ones (Linux 6.12; older kernels weigh it by niceness alone). So those that step back do both.
//!
//! Invariant: it holds for the thread that says it and those that it starts, and they cannot step forward again. None steps back all the way
//! (`SCHED_IDLE`): what it holds for a moment, a lock of the allocator's or the kernel's over this process's memory, others wait for, however
//! busy the machine is.

use std::mem::size_of;

use rustix::process::{getpriority_process, nice};

/// How far work of the host's own that nobody waits for steps back, and guests of tenants that use more than their share: beside a thread that
/// did not it has about a tenth of a processor.
pub const BEHIND: i32 = 10;

/// How far as far as there is goes: beside a thread that did not step back it has about a seventieth of a processor.
pub const LAST: i32 = 19;

/// Nanoseconds that a thread that stepped back asks to run on end: the most that the kernel gives, so that any other goes first.
const SLICE_NS: u64 = 100_000_000;

/// Lets this thread step back so far. Where the kernel does not take it the work is done all the same.
pub fn step_back(by: i32) {
    let niceness = getpriority_process(None).unwrap_or(0).saturating_add(by).min(LAST);
    if !ask(niceness) {
        // What is missing then is told by no one, and costs others some milliseconds.
        let _ = nice(by);
    }
}

fn ask(niceness: i32) -> bool {
    let attributes = libc::sched_attr {
        size: u32::try_from(size_of::<libc::sched_attr>()).unwrap_or(0),
        sched_policy: libc::SCHED_OTHER.cast_unsigned(),
        sched_flags: 0,
        sched_nice: niceness,
        sched_priority: 0,
        sched_runtime: SLICE_NS,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: it reads `attributes`, which has the size that it says and outlives the call, and changes only how this thread is
    // scheduled, and those that it starts.
    #[allow(unsafe_code, reason = "this has no safe door")]
    let refused = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    refused == 0
}
