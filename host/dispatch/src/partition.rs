//! The way to the partition's thread: requests with room for them, and answers when they are durable.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc::UnboundedSender, oneshot};
use wharf_delivery::{
    AcceptRequest, Answer, CarriedEvent, CarryRequest, ConsumeRequest, Consumed, Due, KeepRequest, ObjectWish, Outcome,
    PublishRequest, RedriveWhich, Refused, Request, SettleRequest, TargetRef, WriteOp, WriteRequest,
    limits::{
        ERASED_BYTES_MAX, ERASED_ROWS_MAX, ERROR_TEXT_BYTES_MAX, REDRIVE_PAGE, SHARED_PER_MESSAGE_MAX, TARGETS_AT_ONCE,
    },
};
use wharf_event::Event;
use wharf_state::Snapshot;

use crate::{
    clock::Clock,
    committer::Unwritten,
    limits::{FRAME_GATHER_BYTES, PAID_PATIENCE, PATIENCE, REQUEST_BYTES_MAX, WAITING_REQUESTS_KIB},
    patience::Patience,
    slot::Slot,
};

/// Why a request got no answer of the machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It was refused. Nothing changed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The log or the state failed. What was asked may or may not become durable.
    #[error("the log failed: {0}")]
    Failed(String),
    /// It would make more bytes of records than fit into a frame. Nothing changed.
    #[error(
        "the request makes {bytes} bytes of records, and {REQUEST_BYTES_MAX} are allowed: send fewer events at a time"
    )]
    TooLarge {
        /// How many.
        bytes: usize,
    },
    /// The host is stopping.
    #[error("the host is stopping")]
    Stopping,
}

/// What comes of a request, when it is durable; nothing where the thread ended before.
pub(crate) type Coming = oneshot::Receiver<Result<Answer, AskError>>;

/// A request on its way to the thread.
pub(crate) struct Job {
    pub(crate) request: Request,
    /// When it was made, by the monotonic clock.
    pub(crate) asked: Duration,
    pub(crate) answer: oneshot::Sender<Result<Answer, AskError>>,
    /// The attempt's, which another may have as soon as this settlement is sequenced.
    pub(crate) slot: Option<Arc<Slot>>,
    pub(crate) _room: Option<OwnedSemaphorePermit>,
    /// How long it may wait for others, since hardly anybody waits for it.
    pub(crate) patience: Duration,
}

pub(crate) enum Message {
    Ask(Box<Job>),
    /// A checkpoint was written, or could not be.
    Checkpointed(Result<Snapshot, Unwritten>),
    /// Let frame time follow the wall clock now.
    FollowClock,
    /// Write a last checkpoint and end.
    Stop,
}

/// Deliveries that arose together.
pub(crate) struct Arisen {
    pub(crate) due: Vec<Due>,
    /// When the request that they come from was made, by the monotonic clock.
    pub(crate) asked: Duration,
}

/// The way to the thread.
#[derive(Clone)]
pub(crate) struct Partition {
    messages: UnboundedSender<Message>,
    room: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
    patience: Arc<Patience>,
    /// It rings when an event is in the log that is owed to more than arise with it.
    wide: Arc<Notify>,
}

impl Partition {
    pub(crate) fn new(messages: UnboundedSender<Message>, clock: Arc<dyn Clock>, patience: Arc<Patience>) -> Self {
        let room = Arc::new(Semaphore::new(WAITING_REQUESTS_KIB as usize));
        Self { messages, room, clock, patience, wide: Arc::default() }
    }

    /// Asks from outside, and gives the answer when it is durable. Such requests wait for room first.
    pub(crate) async fn ask(&self, request: Request) -> Result<Answer, AskError> {
        let bytes = size(&request);
        if bytes > REQUEST_BYTES_MAX {
            return Err(AskError::TooLarge { bytes });
        }
        let kib = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).saturating_add(1).min(WAITING_REQUESTS_KIB);
        let room = Arc::clone(&self.room).acquire_many_owned(kib).await.map_err(|_| AskError::Stopping)?;
        self.send(request, Some(room), None).await
    }

    /// Settles an attempt, and gives the answer when it is durable. It waits for no room: what it ends takes more.
    pub(crate) async fn settle(&self, request: SettleRequest, slot: &Arc<Slot>) -> Result<Answer, AskError> {
        let request = Request::Settle(Box::new(request));
        let bytes = size(&request);
        if bytes > REQUEST_BYTES_MAX {
            return Err(AskError::TooLarge { bytes });
        }
        self.send(request, None, Some(Arc::clone(slot))).await
    }

    /// Ends messages that a plugin received. As with a settle it waits for no room.
    pub(crate) async fn consume(&self, request: ConsumeRequest) -> Result<Answer, AskError> {
        let request = Request::Consume(Box::new(request));
        let bytes = size(&request);
        if bytes > REQUEST_BYTES_MAX {
            return Err(AskError::TooLarge { bytes });
        }
        self.send(request, None, None).await
    }

    /// Keeps what a model answered, which is on its way when this returns: it waits for no room, since it may be paid for.
    pub(crate) fn keep(&self, request: KeepRequest) -> Result<Coming, AskError> {
        let request = Request::Keep(request);
        let bytes = size(&request);
        if bytes > REQUEST_BYTES_MAX {
            return Err(AskError::TooLarge { bytes });
        }
        self.hand_over(request, None, None)
    }

    async fn send(
        &self,
        request: Request,
        room: Option<OwnedSemaphorePermit>,
        slot: Option<Arc<Slot>>,
    ) -> Result<Answer, AskError> {
        let is_wide = is_wide(&request);
        let answer = self.hand_over(request, room, slot)?.await.map_err(|_| AskError::Stopping)?;
        if is_wide {
            self.wide.notify_one();
        }
        answer
    }

    fn hand_over(
        &self,
        request: Request,
        room: Option<OwnedSemaphorePermit>,
        slot: Option<Arc<Slot>>,
    ) -> Result<Coming, AskError> {
        let (answer, coming) = oneshot::channel();
        let of_replay = slot.as_ref().is_some_and(|slot| slot.is_of_replay());
        let patience = match &request {
            Request::Replay(_) | Request::Redriving(_) => PATIENCE,
            _ if of_replay => PATIENCE,
            Request::Keep(_) | Request::Spend(_) => PAID_PATIENCE,
            _ => Duration::ZERO,
        };
        let job = Job { request, patience, asked: self.clock.monotonic(), answer, slot, _room: room };
        if let Err(job) = self.patience.put(Box::new(job)) {
            self.messages.send(Message::Ask(job)).map_err(|_| AskError::Stopping)?;
        }
        Ok(coming)
    }

    /// What rings when an event is in the log that is owed to more than arise with it.
    pub(crate) fn wide(&self) -> Arc<Notify> {
        Arc::clone(&self.wide)
    }

    /// Tells what needs no answer. It is on its way when this returns.
    pub(crate) fn tell(&self, request: Request) {
        // Without a thread there is nobody to be told.
        let _ = self.hand_over(request, None, None);
    }

    pub(crate) fn follow_clock(&self) {
        // As with a stop: without a thread there is nothing to follow.
        let _ = self.messages.send(Message::FollowClock);
    }

    pub(crate) fn stop(&self) {
        // The thread may have ended by itself; then there is nothing to stop.
        let _ = self.messages.send(Message::Stop);
    }
}

/// Whether a request brings an event that is owed to more than arise with it.
fn is_wide(request: &Request) -> bool {
    let accepts = |accept: &AcceptRequest| accept.events.iter().any(|one| one.targets.len() > TARGETS_AT_ONCE);
    match request {
        Request::Accept(accept) => accepts(accept),
        Request::Fire(fire) => fire.event.as_ref().is_some_and(accepts),
        Request::Replay(replay) => replay.events.as_ref().is_some_and(accepts),
        Request::Serve(serve) => accepts(&serve.accept),
        Request::Settle(settle) => settle.published.iter().any(|one| one.targets.len() > TARGETS_AT_ONCE),
        Request::Consume(consume) => consume.published.iter().any(|one| one.targets.len() > TARGETS_AT_ONCE),
        _ => false,
    }
}

/// Adds an event and whom it is owed to to the bytes of a request that is being put together.
///
/// # Errors
/// When they are more than a request may have: what will be refused need not be held first, and one event may be owed to thousands.
pub(crate) fn weigh(bytes: &mut usize, event: &Event, targets: &[TargetRef]) -> Result<(), AskError> {
    *bytes += event.size() + targets.iter().map(TargetRef::room).sum::<usize>();
    if *bytes > REQUEST_BYTES_MAX { Err(AskError::TooLarge { bytes: *bytes }) } else { Ok(()) }
}

/// Every field of a record that is not counted below, and its entry in the frame's directory.
const RECORD: usize = 512;

/// The lengths around a target's names, or a write's.
const LENGTHS: usize = 16;

/// What became of a message: the most is that it was given up, with a reason.
const MOVE: usize = 256;

/// A record by which a delivery takes the place of one that leaves: names, a key, and its entry in the directory.
const ORDERED: usize = 512;

/// A record by which the answers of a delivery go that ends, and those that it shares, and its entry in the directory.
const ANSWERS: usize = 32 * SHARED_PER_MESSAGE_MAX;

/// Bytes that a request will take in a frame at most.
pub(crate) fn size(request: &Request) -> usize {
    let event = |event: &Event, targets: &[TargetRef]| {
        let target = |target: &TargetRef| target.room() + LENGTHS;
        event.size() + targets.iter().map(target).sum::<usize>() + RECORD
    };
    let accepted = |accept: Option<&AcceptRequest>| {
        let events = accept.into_iter().flat_map(|accept| &accept.events);
        events.map(|one| event(&one.event, &one.targets)).sum::<usize>()
    };
    let write = |write: &WriteRequest| {
        let value = if let WriteOp::Set(value) = &write.op { value.len() } else { LENGTHS };
        write.bucket.as_str().len() + write.key.len() + value + LENGTHS
    };
    let published = |one: &PublishRequest| {
        let queues = one.queues.iter().map(|queue| queue.as_str().len() + LENGTHS);
        event(&one.event, &one.targets) + queues.sum::<usize>()
    };
    let effects = |events: &[PublishRequest], writes: &[WriteRequest]| {
        events.iter().map(published).sum::<usize>() + writes.iter().map(write).sum::<usize>()
    };
    match request {
        Request::Configure(configure) => configure.document.len() + RECORD,
        Request::Change(change) => {
            let wish = |wish: &ObjectWish| {
                let document = wish.document.as_ref().map_or(0, |document| document.len());
                wish.name.as_str().len() + document + LENGTHS
            };
            change.wishes.iter().map(wish).sum::<usize>() + RECORD
        }
        Request::Erase(_) => 2 * ERASED_BYTES_MAX + ERASED_ROWS_MAX * LENGTHS + RECORD,
        Request::Fire(fire) => accepted(fire.event.as_ref()) + RECORD,
        Request::Replay(replay) => {
            let state = replay.state.as_ref().map_or(0, |state| state.document.len() + state.reason.len());
            accepted(replay.events.as_ref()) + state + LENGTHS + RECORD
        }
        Request::Accept(accept) => {
            let delayed = if accept.delayed.is_some() { accept.events.len() * 2 * LENGTHS + RECORD } else { 0 };
            delayed + accepted(Some(accept))
        }
        Request::Serve(serve) => accepted(Some(&serve.accept)) + effects(&[], &serve.writes) + RECORD,
        Request::Fan(fan) => fan.targets.iter().map(|target| target.room() + LENGTHS).sum::<usize>() + RECORD,
        Request::Queue(of) => of.op.most() * (MOVE + ORDERED + ANSWERS) + RECORD,
        Request::Settle(settle) => {
            let details = settle.attempt.details.as_ref().map_or(0, |details| details.bytes());
            details + effects(&settle.published, &settle.writes) + ERROR_TEXT_BYTES_MAX + ORDERED + ANSWERS + RECORD
        }
        Request::Consume(consume) => {
            let ended = |one: &Consumed| {
                let details = one.attempt.details.as_ref().map_or(0, |details| details.bytes());
                let reason = match &one.outcome {
                    Outcome::Retry { reason, .. } | Outcome::DeadLetter { reason, .. } => reason.len(),
                    Outcome::Ack | Outcome::Filtered { .. } => 0,
                };
                details + reason + ORDERED + ANSWERS + RECORD
            };
            consume.ended.iter().map(ended).sum::<usize>() + effects(&consume.published, &consume.writes)
        }
        Request::Redrive(redrive) => letters(&redrive.which) * (LENGTHS + ORDERED) + RECORD,
        Request::Discard(discard) => letters(&discard.which) * LENGTHS + RECORD,
        Request::Redriving(of) => of.letters.len() * (LENGTHS + ORDERED) + of.state.document.len() + 2 * RECORD,
        // The letter's row has what its last attempt said.
        Request::Edit(edit) => event(&edit.event, &[]) + ERROR_TEXT_BYTES_MAX + RECORD,
        Request::Carry(carry) => carried_size(carry),
        Request::Seal(facts) => facts.by_bus.len() * RECORD + RECORD,
        Request::Keep(keep) => keep.answer.len() + keep.batch.len() * LENGTHS + 2 * RECORD,
        Request::Forget(_) | Request::Reserve(_) | Request::Spend(_) | Request::Charge(_) | Request::Follow { .. } => {
            RECORD
        }
    }
}

/// How many letters are meant at most.
fn letters(which: &RedriveWhich) -> usize {
    if let RedriveWhich::Ids(ids) = which { ids.len() } else { REDRIVE_PAGE }
}

/// Bytes that a request of cleaning will take at most.
fn carried_size(request: &CarryRequest) -> usize {
    /// A row with its key: names, numbers, positions.
    const ROW: usize = 512;
    match request {
        // A dead letter has its error's text, and a row more.
        CarryRequest::Events { events, .. } => {
            let one = |event: &CarriedEvent| {
                event.event.size() + event.deliveries.len() * (ERROR_TEXT_BYTES_MAX + 2 * ROW) + ROW
            };
            events.iter().map(one).sum::<usize>() + ROW
        }
        CarryRequest::Held { held, bytes, .. } => bytes + held.len() * ROW + ROW,
        CarryRequest::Sums { buckets, queues, .. } => (buckets.len() + queues.len() + 2) * ROW,
        // What it was when it came into force, which fitted.
        CarryRequest::Rules { .. } => FRAME_GATHER_BYTES,
        CarryRequest::Usage { keys, .. } | CarryRequest::Spent { keys, .. } => (keys.len() + 1) * ROW,
        CarryRequest::Cleaned { .. } => ROW,
    }
}

/// An error with its causes in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
