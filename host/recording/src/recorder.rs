//! Recordings of a host: which are kept, where each stands, and how they are found again.
//!
//! Invariant: a place is given out before anything is written there, in the order of writing, and never twice. Nobody who hands over a recording waits for the
//! disk: where too many wait, it is left out.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use cap_std::fs::Dir;
use wharf_delivery::RecordingAt;
use wharf_event::{Digest, PluginName, TenantName};

use crate::{
    Policy, Recording, Recordings, Tape,
    codec::DecodeError,
    limits::{WAIT_MAX, WAITING_MAX},
    segments::{FIRST, LENGTH, Segments},
    writing::{Order, Writing},
};

const HOUR_MS: u64 = 3_600_000;

/// Tells the time in milliseconds since 1970.
type Now = Box<dyn Fn() -> u64 + Send + Sync>;

/// Keeps recordings in a folder.
pub struct Recorder {
    allotting: Arc<Allotting>,
    segments: Segments,
    /// Absent only while it is dropped.
    orders: Option<SyncSender<Order>>,
    writing: Option<JoinHandle<()>>,
}

/// What is where a place leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// The recording.
    Recording(Box<Recording>),
    /// Nothing any more: its segment was deleted, as the bounds say.
    Gone,
    /// Nothing: a crash took it before the disk had it, or the disk was full.
    Lost,
    /// A recording that a later release made.
    Unreadable(DecodeError),
}

/// What is counted of recordings since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Those that were handed over and got a place.
    pub kept: u64,
    /// Those that were left out, since too many waited for the disk.
    pub left_out: u64,
    /// Those that the disk did not take.
    pub unwritten: u64,
    /// Bytes that all take on the disk.
    pub bytes: u64,
}

/// What is given out.
pub(crate) struct Allotting {
    now: Now,
    state: Mutex<Given>,
    /// Told when the thread is done with an order.
    done: Condvar,
}

struct Given {
    policy: Policy,
    /// The segment that is written to.
    open: Option<Open>,
    /// The number of the last one.
    last: u64,
    /// Attempts that succeeded and were kept in this hour.
    hour: u64,
    samples: HashMap<TenantName, HashMap<PluginName, u32>>,
    /// Whether recordings are left out since too many wait.
    is_late: bool,
    counted: Counted,
    /// Orders that were given to the thread.
    ordered: u64,
    /// Those of them that it is done with.
    done: u64,
}

#[derive(Clone, Copy)]
struct Open {
    number: u64,
    began_ms: u64,
    end: u64,
}

impl Allotting {
    fn given(&self) -> MutexGuard<'_, Given> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now_ms(&self) -> u64 {
        (self.now)()
    }

    /// The thread is done with an order.
    pub(crate) fn is_done(&self) {
        self.given().done += 1;
        self.done.notify_all();
    }

    pub(crate) fn count(&self, with: impl FnOnce(&mut Counted)) {
        with(&mut self.given().counted);
    }

    pub(crate) fn policy(&self) -> Policy {
        self.given().policy
    }

    /// The segment that is written to; it is closed here when it is old enough.
    pub(crate) fn open_segment(&self) -> Option<u64> {
        let now_ms = self.now_ms();
        let mut given = self.given();
        let before = given.open.map(|open| open.number);
        let age_ms = given.policy.segment_age_ms();
        given.open = given.open.filter(|open| now_ms.saturating_sub(open.began_ms) <= age_ms);
        // What waits may be for it still: it is deleted the next time at the earliest.
        before
    }
}

impl Given {
    /// Where a recording of so many bytes will stand.
    fn place(&self, bytes: u64, now_ms: u64) -> Open {
        let fits = |open: &Open| {
            open.end + LENGTH + bytes <= self.policy.segment_bytes()
                && now_ms.saturating_sub(open.began_ms) <= self.policy.segment_age_ms()
        };
        match self.open.filter(fits) {
            Some(open) => open,
            None => Open { number: now_ms.max(self.last + 1), began_ms: now_ms, end: FIRST },
        }
    }

    /// Whether another attempt of a plugin that succeeded is kept, of so many in this hour.
    fn samples(&mut self, (tenant, plugin): (&TenantName, &PluginName), most: u32, hour: u64) -> bool {
        if self.hour != hour {
            (self.hour, self.samples) = (hour, HashMap::new());
        }
        // Nearly always there are as many already.
        let so_far = self.samples.get(tenant).and_then(|plugins| plugins.get(plugin)).copied().unwrap_or(0);
        if so_far >= most {
            return false;
        }
        self.samples.entry(tenant.clone()).or_default().insert(plugin.clone(), so_far + 1);
        true
    }
}

impl Recorder {
    /// Keeps them in `folder`, which holds nothing else, on a thread of its own. `now` tells the time in milliseconds since 1970.
    ///
    /// # Errors
    /// When the folder cannot be read, or there is no thread to be had.
    pub fn open(folder: Dir, policy: Policy, now: impl Fn() -> u64 + Send + Sync + 'static) -> io::Result<Self> {
        let segments = Segments(folder);
        let last = segments.list()?.last().map_or(0, |last| last.number);
        let given = Given {
            policy,
            open: None,
            last,
            hour: 0,
            samples: HashMap::new(),
            is_late: false,
            counted: Counted::default(),
            ordered: 0,
            done: 0,
        };
        let allotting = Arc::new(Allotting { now: Box::new(now), state: Mutex::new(given), done: Condvar::new() });
        let (orders, waiting): (_, Receiver<Order>) = sync_channel(WAITING_MAX);
        let own = Writing::new(segments.try_clone()?, Arc::clone(&allotting));
        let thread = std::thread::Builder::new().name("wharf-record".into());
        let writing = thread.spawn(move || own.run(&waiting))?;
        Ok(Self { allotting, segments, orders: Some(orders), writing: Some(writing) })
    }

    /// What is counted since the start.
    #[must_use]
    pub fn counted(&self) -> Counted {
        self.allotting.given().counted
    }

    /// From now on this is kept.
    pub fn set(&self, policy: Policy) {
        self.allotting.given().policy = policy;
        self.order(Order::Look);
    }

    /// Waits until what was handed over so far is written, or cannot be, and no longer than this. It blocks.
    pub fn settle(&self, most: Duration) {
        let given = self.allotting.given();
        let wanted = given.ordered;
        // Where the thread is gone nothing is written any more, and whoever waits has waited long enough.
        let _ = self.allotting.done.wait_timeout_while(given, most, |given| given.done < wanted);
    }

    /// Gives an order, unless there are too many already: then the thread looks at its bounds by itself soon enough.
    fn order(&self, order: Order) {
        let mut given = self.allotting.given();
        if self.orders.as_ref().is_some_and(|orders| orders.try_send(order).is_ok()) {
            given.ordered += 1;
        }
    }

    /// What is at a place. It blocks.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn read(&self, at: &RecordingAt) -> io::Result<Found> {
        self.settle(WAIT_MAX);
        match self.segments.read(at) {
            Ok(Some(bytes)) => Ok(match Recording::decode(&bytes) {
                Ok(recording) => Found::Recording(Box::new(recording)),
                Err(error) => Found::Unreadable(error),
            }),
            Ok(None) => Ok(Found::Lost),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // The oldest go first.
                let older = self.segments.list()?.iter().any(|there| there.number < at.segment);
                Ok(if older { Found::Lost } else { Found::Gone })
            }
            Err(error) => Err(error),
        }
    }
}

impl Recordings for Recorder {
    fn tape(&self) -> Tape {
        if self.allotting.policy().wants_any() { Tape::blank() } else { Tape::default() }
    }

    fn wants(&self, tenant: &TenantName, plugin: &PluginName, failed: bool) -> bool {
        let hour = self.allotting.now_ms() / HOUR_MS;
        let mut given = self.allotting.given();
        match (failed, given.policy.hourly) {
            (true, _) => given.policy.failures,
            (false, None) => true,
            (false, Some(most)) => given.samples((tenant, plugin), most, hour),
        }
    }

    fn spare(&self) {
        self.order(Order::Spare);
    }

    fn keep(&self, recording: &Recording) -> Option<RecordingAt> {
        let bytes = recording.encode();
        let (digest, length) = (Digest::of(&bytes), u32::try_from(bytes.len()).ok()?);
        let now_ms = self.allotting.now_ms();
        let mut given = self.allotting.given();
        let open = given.place(length.into(), now_ms);
        let at = RecordingAt { segment: open.number, offset: open.end + LENGTH, bytes: length, digest };
        let order = Order::Write { segment: at.segment, offset: at.offset, bytes };
        match self.orders.as_ref()?.try_send(order) {
            Ok(()) => {
                given.open = Some(Open { end: at.offset + u64::from(length), ..open });
                (given.last, given.is_late) = (open.number, false);
                given.counted.kept += 1;
                given.ordered += 1;
                Some(at)
            }
            Err(TrySendError::Full(_)) => {
                if !given.is_late {
                    tracing::warn!("the disk is too busy for recordings of attempts: some are left out");
                }
                given.is_late = true;
                given.counted.left_out += 1;
                None
            }
            Err(TrySendError::Disconnected(_)) => None,
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(writing) = self.writing.take() {
            // It writes what waits and ends; a panic of it is no more to be said.
            let _ = writing.join();
        }
    }
}

#[cfg(test)]
mod tests;
