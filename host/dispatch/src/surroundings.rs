//! What comes in from outside the core: time, randomness, threads, and the place where a partition lives.
//!
//! Invariant: nothing in this crate takes a clock, a random number, a thread or a file from anywhere else. So the whole of it
//! runs under virtual time, on a disk that fails, one step after the other, and does the same again under the same seed.

use std::{io, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use wharf_log::{AnyDisk, SegmentSizes};
use wharf_recording::Recordings;
use wharf_state::StateFile;

use crate::{clock::Clock, limits::BALLAST_BYTES, outgoing::Outgoing};

/// A job that may block.
pub type Job = Box<dyn FnOnce() + Send>;

/// Random bits that nobody can foresee.
pub trait Random: Send + Sync + 'static {
    /// The next 64 of them.
    fn bits(&self) -> u64;
}

/// Threads for what must not run on those that serve I/O.
pub trait Threads: Send + Sync + 'static {
    /// Runs a job that may block.
    fn blocking(&self, job: Job);

    /// Runs a job that may block and can wait, behind what cannot where processors are few. It may hold no lock for long that others wait for.
    fn blocking_behind(&self, job: Job) {
        self.blocking(job);
    }

    /// Lets time pass on the partition's thread, which has nothing else to do then. Where time is not real there is nothing to
    /// wait for.
    fn pause(&self, time: Duration) {
        let _ = time;
    }

    /// Runs the partition's task to its end. It blocks on the disk, so it has a thread for itself.
    ///
    /// # Errors
    /// When there is no thread to be had.
    fn partition(&self, task: BoxFuture<'static, ()>) -> io::Result<()>;
}

/// Where a partition lives: one folder for its log, one file for its state.
pub trait Home: Send + Sync + 'static {
    /// The folder of the log, made where it is not there.
    ///
    /// # Errors
    /// When it cannot be made or opened.
    fn log(&self) -> io::Result<AnyDisk>;

    /// The file of the state, made where it is not there.
    ///
    /// # Errors
    /// When it cannot be made or opened.
    fn state(&self) -> io::Result<Box<dyn StateFile>>;

    /// How large the segments of the log are made.
    fn segment_sizes(&self) -> SegmentSizes {
        SegmentSizes::default()
    }

    /// The room on its disk; absent where nothing bounds it.
    ///
    /// # Errors
    /// When nothing can be known of it.
    fn room(&self) -> io::Result<Option<Box<dyn Room>>> {
        Ok(None)
    }

    /// Gives the state file another name, which it returns: an empty one takes its place, and the log fills it.
    ///
    /// # Errors
    /// When it cannot be renamed.
    fn set_state_aside(&self) -> io::Result<String>;
}

/// The room on the disk of a home: what is free, and a file that holds some of it for bad times.
pub trait Room: Send + Sync + 'static {
    /// Bytes that are free.
    ///
    /// # Errors
    /// When the disk does not say.
    fn free(&self) -> io::Result<u64>;

    /// Bytes that the ballast holds.
    ///
    /// # Errors
    /// When its file cannot be looked at.
    fn ballast(&self) -> io::Result<u64>;

    /// Lets the ballast hold so many bytes, all of them really allocated.
    ///
    /// # Errors
    /// When there is no room for it, or its file cannot be written; it then holds what it held.
    fn set_ballast(&self, bytes: u64) -> io::Result<()>;

    /// Bytes that the ballast holds where there is room.
    fn ballast_bytes_max(&self) -> u64 {
        BALLAST_BYTES
    }
}

/// Everything that comes in from outside.
#[derive(Clone)]
pub struct Surroundings {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Threads.
    pub threads: Arc<dyn Threads>,
    /// What is outside of the host.
    pub outgoing: Arc<dyn Outgoing>,
    /// Whoever keeps recordings of attempts.
    pub recordings: Arc<dyn Recordings>,
}

/// Runs `read` on a thread that may block, and gives what it returned; absent when the thread did not come to its end.
/// It begins at once, and not only when somebody waits for it.
pub(crate) fn blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
    threads: &dyn Threads,
    read: F,
) -> impl Future<Output = Option<T>> + use<T, F> {
    let (job, done) = told_by(read);
    threads.blocking(job);
    done
}

/// The same of what can wait ([`Threads::blocking_behind`]).
pub(crate) fn blocking_behind<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
    threads: &dyn Threads,
    read: F,
) -> impl Future<Output = Option<T>> + use<T, F> {
    let (job, done) = told_by(read);
    threads.blocking_behind(job);
    done
}

/// A job that runs `read`, and what tells of its end.
fn told_by<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
    read: F,
) -> (Job, impl Future<Output = Option<T>> + use<T, F>) {
    let (sender, done) = tokio::sync::oneshot::channel();
    let job = Box::new(move || {
        // Whoever asked may have gone away.
        let _ = sender.send(read());
    });
    (job, async move { done.await.ok() })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Threads for Counted {
        fn blocking(&self, _: Job) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn partition(&self, _: BoxFuture<'static, ()>) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_may_block_begins_before_anybody_waits_for_it() {
        let threads = Counted::default();
        let waits = blocking(&threads, || ());
        assert_eq!(threads.0.load(Ordering::Relaxed), 1);
        drop(waits);
    }
}
