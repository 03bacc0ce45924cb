//! The threads of a host, and how they stand beside each other.
//!
//! Invariant: guests never run on threads that serve I/O or write the log.

use std::{io, sync::Arc, time::Duration};

use anyhow::Result;
use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::runtime;
use wharf_dispatch::{Guests, Job};

use crate::{
    pace,
    wire::{Host, Settings},
};

/// How long threads may take to end once the host has drained. What still blocks then is left behind: the process ends.
pub const THREADS_STOP: Duration = Duration::from_secs(2);

/// Polls of tasks after which a thread for I/O that is never idle looks for what came: a poll may take the time that reading a large request's next events
/// takes, and who sends little would wait for as many of those.
const EVENT_INTERVAL: u32 = 4;

/// Guests that run at a time.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The threads of a host: guests never run on those that serve I/O.
pub struct Threads {
    io: runtime::Runtime,
    /// Requests that leave, and what they are made of.
    outward: runtime::Runtime,
    guests: runtime::Runtime,
    /// Guests of tenants that use more than their share.
    behind: runtime::Runtime,
}

impl Threads {
    /// Starts them.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn start() -> Result<Self> {
        // One at least is free to answer while another makes the matchers of many rules.
        let io = runtime::Builder::new_multi_thread()
            .thread_name("wharf-io")
            .on_thread_start(pace::come_soon)
            .worker_threads(processors().max(2))
            .event_interval(EVENT_INTERVAL)
            .enable_all()
            .build()?;
        // A thread that is woken for a request wakes the next one to look for more: where there are few processors that costs as much as the request.
        let outward = runtime::Builder::new_multi_thread()
            .thread_name("wharf-out")
            .on_thread_start(pace::come_soon)
            .worker_threads((processors() / 2).max(1))
            .event_interval(EVENT_INTERVAL)
            .enable_all()
            .build()?;
        // One more than run at a time: what an attempt does beside its guest waits for no guest. They do not ask to come soon: whom they let in for that they would
        // interrupt for every request, and those that step back let them in without.
        let guests = runtime::Builder::new_multi_thread()
            .worker_threads(processors() + 1)
            .thread_name("wharf-guest")
            .enable_time()
            .build()?;
        let behind = runtime::Builder::new_multi_thread()
            .worker_threads(processors())
            .thread_name("wharf-over")
            .on_thread_start(|| pace::step_back(pace::BEHIND))
            .enable_time()
            .build()?;
        Ok(Self { io, outward, guests, behind })
    }

    /// Builds a host, runs `with` it to its end, and ends the threads, guests first.
    ///
    /// # Errors
    /// When it cannot be built, or `with` fails.
    pub fn run<F: Future<Output = Result<bool>>>(
        self,
        settings: Settings,
        with: impl FnOnce(Host) -> F,
    ) -> Result<bool> {
        let Self { io, outward, guests, behind } = self;
        let handles = Guests { front: guests.handle().clone(), behind: behind.handle().clone() };
        let ran = io.block_on(async { with(Host::build(settings, handles, outward.handle().clone()).await?).await });
        guests.shutdown_timeout(THREADS_STOP);
        behind.shutdown_timeout(THREADS_STOP);
        outward.shutdown_timeout(THREADS_STOP);
        io.shutdown_timeout(THREADS_STOP);
        ran
    }
}

/// Threads of the machine, of which the partition's comes soon when it wakes: every event waits for it. What can wait steps back.
pub struct Paced {
    /// Those of the machine.
    pub machine: Arc<dyn wharf_dispatch::Threads>,
    /// Those that step back.
    pub behind: runtime::Handle,
}

impl wharf_dispatch::Threads for Paced {
    fn blocking(&self, job: Job) {
        self.machine.blocking(job);
    }

    fn blocking_behind(&self, job: Job) {
        self.behind.spawn_blocking(job);
    }

    fn pause(&self, time: Duration) {
        self.machine.pause(time);
    }

    fn partition(&self, task: BoxFuture<'static, ()>) -> io::Result<()> {
        let comes_soon = async {
            pace::come_soon();
            task.await;
        };
        self.machine.partition(comes_soon.boxed())
    }
}
