//! CPU time of one attempt: the thread's CPU clock around every poll, and inside it at every epoch tick.
//!
//! Waiting costs nothing and a busy neighbour costs nothing, so a budget means the same on a loaded machine.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

/// CPU time that this thread has used.
pub(crate) fn thread_cpu() -> Duration {
    Duration::from_nanos(thread_cpu_ns())
}

fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// What an attempt has used so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct CpuMeter(Arc<Used>);

#[derive(Debug, Default)]
struct Used {
    /// In polls that are over.
    done_ns: AtomicU64,
    /// The thread's clock when the running poll began.
    began_ns: AtomicU64,
}

impl CpuMeter {
    /// All polls that are over.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.0.done_ns.load(Ordering::Relaxed))
    }

    /// All polls that are over and the one that this is called from.
    pub(crate) fn used_in_poll(&self) -> Duration {
        let running = thread_cpu_ns().saturating_sub(self.0.began_ns.load(Ordering::Relaxed));
        self.used() + Duration::from_nanos(running)
    }
}

/// A future whose polls are metered.
pub(crate) struct Metered<F> {
    future: Pin<Box<F>>,
    meter: CpuMeter,
}

impl<F> Metered<F> {
    pub(crate) fn new(future: F, meter: CpuMeter) -> Self {
        Self { future: Box::pin(future), meter }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let began = thread_cpu_ns();
        self.meter.0.began_ns.store(began, Ordering::Relaxed);
        let poll = self.future.as_mut().poll(cx);
        self.meter.0.done_ns.fetch_add(thread_cpu_ns().saturating_sub(began), Ordering::Relaxed);
        poll
    }
}
