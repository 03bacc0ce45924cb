//! The allocator, in pages of the usual size, and giving back what a start needed once.

use std::time::Duration;

use mimalloc::MiMalloc;
use tokio::{task::spawn_blocking, time};

/// What one thread allocates another frees, all day: requests, records, answers. The system's allocator pays for that with locks.
#[global_allocator]
static HEAP: MiMalloc = MiMalloc;

/// How long nothing may have been written for a host to be at rest.
const REST: Duration = Duration::from_secs(1);

/// Gives back what is free whenever the host comes to rest, which shows in `done` standing still: it counts what was written and held. Without this a burst's memory
/// stays until the next one: the allocator lets go of it only while it is asked for more.
pub async fn give_back_at_rest(done: impl Fn() -> u64) {
    let (mut before, mut given_back) = (done(), true);
    loop {
        time::sleep(REST).await;
        let now = done();
        if now != before {
            (before, given_back) = (now, false);
        } else if !given_back {
            given_back = true;
            // It can only fail by ending with the host.
            let _ = spawn_blocking(give_back).await;
        }
    }
}

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
