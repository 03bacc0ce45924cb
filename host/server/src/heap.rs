//! The allocator, in pages of the usual size, and giving back what a start needed once.

use mimalloc::MiMalloc;

/// What one thread allocates another frees, all day: requests, records, answers. The system's allocator pays for that with locks.
#[global_allocator]
static HEAP: MiMalloc = MiMalloc;

/// Keeps the kernel from putting two megabytes where the allocator touches a page: it asks for that itself, and so each burst of
/// requests left tens of megabytes resident of which a few were in use (docs/benchmarks.md). For the whole process, so a guest's
/// memory takes what the guest touched.
pub fn keep_pages_small() {
    // An older kernel does not have it; then the host takes more memory.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Gives memory that is free back to the kernel. The allocator does so by itself only where it is asked for more: measured, a
/// host that rests after its start kept twice of what it used. It costs milliseconds: call it after what is done seldom, where no
/// request waits.
pub fn give_back() {
    // SAFETY: it takes no pointer and may be called at any time, on any thread.
    #[allow(unsafe_code, reason = "the allocator's own crate has no safe door to this")]
    unsafe {
        libmimalloc_sys::mi_collect(true);
    }
}
