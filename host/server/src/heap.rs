//! The allocator, and giving back what a start needed once.
//!
//! Invariant: whoever calls this has just done what is done seldom; it costs milliseconds, and no request waits for it.

use mimalloc::MiMalloc;

/// What one thread allocates another frees, all day: requests, records, answers. The system's allocator pays for that with locks.
#[global_allocator]
static HEAP: MiMalloc = MiMalloc;

/// Gives memory that is free back to the kernel. The allocator does so by itself only where it is asked for more: measured, a
/// host that rests after its start kept twice of what it used.
pub fn give_back() {
    // SAFETY: it takes no pointer and may be called at any time, on any thread.
    #[allow(unsafe_code, reason = "the allocator's own crate has no safe door to this")]
    unsafe {
        libmimalloc_sys::mi_collect(true);
    }
}
