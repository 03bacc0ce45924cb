//! How a thread steps back behind others, or comes soon when it wakes, as the kernel's scheduler is told.
//!
//! Being nice says how much a thread has of a processor that others want too. It does not say when: whoever runs is let finish its slice of some
//! milliseconds, while a thread that woke up to answer somebody waits. One that asked for longer slices is not, by any that has
//! shorter ones, and where one that waits has short ones nobody is let finish a long one (Linux 6.12; older kernels weigh it by niceness alone).
//! So those that step back do both, and those that work for moments ask for short slices (docs/decisions/018).
//!
//! Invariant: who steps back does so with those that it starts, and they cannot step forward again. None steps back all the way
//! (`SCHED_IDLE`): what it holds for a moment, a lock of the allocator's or the kernel's over this process's memory, others wait for, however
//! busy the machine is.

use std::mem::size_of;

use rustix::process::{getpid, getpriority_process, nice};

/// How far work of the host's own that nobody waits for steps back, and guests of tenants that use more than their share: beside a thread that
/// did not it has about a tenth of a processor.
pub const BEHIND: i32 = 10;

/// How far as far as there is goes: beside a thread that did not step back it has about a seventieth of a processor.
pub const LAST: i32 = 19;

/// Nanoseconds that a thread that stepped back asks to run on end: the most that the kernel gives, so that any other goes first.
const SLICE_NS: u64 = 100_000_000;

/// The same of one that works for moments and is waited for: the least that the kernel gives.
const SHORT_SLICE_NS: u64 = 100_000;

/// Lets this thread come soon when it wakes, but not what it starts. Where the kernel does not take it all goes on as before, and so it does where an
/// operator made the host less than nice.
pub fn come_soon() {
    let niceness = getpriority_process(None).unwrap_or(0);
    // Those that it starts would lose what makes it less than nice.
    if niceness >= 0 {
        let _ = ask(niceness, SHORT_SLICE_NS, libc::SCHED_FLAG_RESET_ON_FORK);
    }
}

/// Lets this thread step back so far behind the thread that its process began with, and no further where one that did has started it. Where the kernel
/// does not take it the work is done all the same.
pub fn step_back(by: i32) {
    let now = getpriority_process(None).unwrap_or(0);
    let niceness = getpriority_process(Some(getpid())).unwrap_or(now).saturating_add(by).clamp(now, LAST.max(now));
    if !ask(niceness, SLICE_NS, 0) {
        // What is missing then is told by no one, and costs others some milliseconds.
        let _ = nice(niceness - now);
    }
}

fn ask(niceness: i32, slice_ns: u64, flags: libc::c_int) -> bool {
    let attributes = libc::sched_attr {
        size: u32::try_from(size_of::<libc::sched_attr>()).unwrap_or(0),
        sched_policy: libc::SCHED_OTHER.cast_unsigned(),
        sched_flags: u64::from(flags.cast_unsigned()),
        sched_nice: niceness,
        sched_priority: 0,
        sched_runtime: slice_ns,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: it reads `attributes`, which has the size that it says and outlives the call, and changes only how this thread and those that it
    // starts are scheduled.
    #[allow(unsafe_code, reason = "this has no safe door")]
    let refused = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    refused == 0
}

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use super::*;

    /// Nanoseconds of this thread's slices, where the kernel lets it choose them.
    fn slice_ns() -> Option<u64> {
        let told = fs::read_to_string("/proc/thread-self/sched").ok()?;
        told.lines().find(|line| line.starts_with("se.slice"))?.split(':').nth(1)?.trim().parse().ok()
    }

    #[test]
    fn a_thread_that_comes_soon_has_short_slices_and_what_it_starts_has_not() {
        let Some(usual) = slice_ns() else { return };
        let slices = thread::spawn(|| {
            come_soon();
            (slice_ns(), thread::spawn(slice_ns).join().unwrap())
        });
        let (own, of_another) = slices.join().unwrap();
        assert_eq!((own, of_another), (Some(SHORT_SLICE_NS), Some(usual)));
    }

    #[test]
    fn who_is_started_by_one_that_stepped_back_steps_back_as_far() {
        let niceness = || {
            step_back(BEHIND);
            getpriority_process(None).unwrap()
        };
        let both = thread::spawn(move || (niceness(), thread::spawn(niceness).join().unwrap()));
        let (first, second) = both.join().unwrap();
        let expected = LAST.min(getpriority_process(Some(getpid())).unwrap() + BEHIND);
        assert_eq!((first, second), (expected, expected));
    }
}
