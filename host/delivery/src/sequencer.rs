//! The sequencer: checks each request against the state including every record decided before it, and decides.
//!
//! There is one per partition and it is never called from two threads. It keeps what is cheaper to keep than to read: the
//! deduplication index, the number of unsettled deliveries, the version of the rules.

use std::collections::HashMap;

use wharf_event::{Code, Position, TenantName};

use crate::{
    AcceptRequest, Accepted, BudgetSpent, CarryRequest, ChangeRequest, Changed, ChargeRequest, ConfigureRequest,
    ConsumeRequest, DeliveryId, DiscardRequest, EditRequest, EraseRequest, FanRequest, FireRequest, ForgetRequest,
    KeepRequest, Moved, ObjectKind, ObjectName, QueueRequest, QuotaSpent, ReadKey, Record, RedriveRequest, Redriven,
    RedrivingRequest, ReplayRequest, ReserveRequest, Reserved, RulesRow, SegmentFacts, ServeRequest, SettleRequest,
    Settled, SpendRequest, StatsRow, accept, answers, budgets, carry, change, consume,
    dedup::{Dedup, Fingerprint},
    discard, edit,
    erase::{self, ErasedRow},
    fan, fire,
    quotas::Hours,
    rates::Rates,
    receive, redrive, redriving, replay,
    rows::Row,
    serve, settle,
    sharing::Answered,
    tables::{Table, TableError, Tables},
    usage,
};

/// What can be asked of a partition.
#[derive(Clone, Debug)]
pub enum Request {
    /// Put a rule set into force.
    Configure(ConfigureRequest),
    /// Change control objects.
    Change(ChangeRequest),
    /// Let the next page of what there is of a tenant go.
    Erase(EraseRequest),
    /// Take events.
    Accept(AcceptRequest),
    /// End an attempt.
    Settle(Box<SettleRequest>),
    /// Keep what a plugin did for a request that it answered.
    Serve(Box<ServeRequest>),
    /// Try dead letters again.
    Redrive(RedriveRequest),
    /// Let go of dead letters.
    Discard(DiscardRequest),
    /// Start a redrive at a rate, let it go on, or end it.
    Redriving(Box<RedrivingRequest>),
    /// Give a dead letter another event.
    Edit(Box<EditRequest>),
    /// Write again what is still needed of old segments.
    Carry(CarryRequest),
    /// Let go of what a tenant used long ago.
    Forget(ForgetRequest),
    /// Charge calls that are of no delivery.
    Charge(ChargeRequest),
    /// Keep what a model answered until a delivery is settled.
    Keep(KeepRequest),
    /// Take what a model may cost out of budgets.
    Reserve(Box<ReserveRequest>),
    /// Put what it cost in its place.
    Spend(Box<SpendRequest>),
    /// Let a schedule fire, or be due at another time.
    Fire(Box<FireRequest>),
    /// Start a replay, let it go on, or end it.
    Replay(Box<ReplayRequest>),
    /// Let the next deliveries of an event arise that is owed to very many.
    Fan(FanRequest),
    /// Receive messages of a queue, or end what was received.
    Queue(QueueRequest),
    /// End messages that a plugin received, with what it did.
    Consume(Box<ConsumeRequest>),
    /// Keep what a full segment holds.
    Seal(SegmentFacts),
    /// Frame time follows a step of the wall clock, so many milliseconds.
    Follow {
        /// How far it jumps.
        by_ms: u64,
    },
}

/// What was decided: records for the log, and the answer that leaves once they are durable.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The records; they take one record index each.
    pub records: Vec<Record>,
    /// The answer.
    pub answer: Answer,
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The rule set of this version is in force.
    Configured {
        /// The k of its frame.
        version: u64,
    },
    /// The control objects are as they were wished.
    Changed(Changed),
    /// A page of a tenant's rows is gone.
    Erased {
        /// The row that the page ended with, where it was full before it came to the end of all that there may be.
        behind: Option<ErasedRow>,
        /// Whether there was something. When pages from the first to the last have nothing, nothing of the tenant is left.
        left: bool,
    },
    /// An answer for each event, in order.
    Accepted(Vec<Result<Accepted, Refused>>),
    /// The attempt is settled.
    Settled(Settled),
    /// Dead letters were moved.
    Redriven(Redriven),
    /// Dead letters are gone.
    Discarded(Redriven),
    /// What became of messages of a queue.
    Moved(Moved),
    /// What was still needed is written again.
    Carried,
    /// Calls are charged.
    Charged {
        /// The quota that the tenant has used up by now, if it has.
        spent: Option<QuotaSpent>,
    },
    /// What a model may cost is taken out of budgets.
    Reserved(Reserved),
    /// It is in the log.
    Noted,
}

/// Why a request, or one event of it, was not taken. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The request was matched with a rule set that is no longer in force: match again.
    #[error("the rule set changed meanwhile")]
    StaleRules,
    /// Too many deliveries wait.
    #[error("too many deliveries wait; try again later")]
    Overloaded,
    /// The tenant, or one of its plugins, has or does as much as it may.
    #[error(transparent)]
    Quota(QuotaSpent),
    /// The disk has only its reserve left, which is for what waits already.
    #[error("the disk has only its reserve left; try again later")]
    DiskFull,
    /// The deduplication index is full.
    #[error("the deduplication index is full; try again later")]
    DedupFull,
    /// The event matches too many targets.
    #[error(
        "the event matches {targets} targets, and {} are allowed, {} of them in an order",
        crate::limits::TARGETS_PER_EVENT_MAX,
        crate::limits::TARGETS_AT_ONCE
    )]
    TooManyTargets {
        /// How many.
        targets: usize,
    },
    /// What the attempt read changed meanwhile: run it again.
    #[error("what the attempt read changed meanwhile")]
    Conflict {
        /// What changed.
        keys: Vec<ReadKey>,
    },
    /// The delivery is settled, or another attempt has its turn.
    #[error("the delivery is not waiting for this attempt")]
    Gone,
    /// A control object is not what it was taken to be.
    #[error("{}", match version {
        Some(version) => format!("there is a `{name}` of version {version}"),
        None => format!("there is no `{name}`"),
    })]
    ObjectChanged {
        /// Its kind.
        kind: ObjectKind,
        /// Its name.
        name: ObjectName,
        /// The version that it has; absent when there is none.
        version: Option<Position>,
    },
    /// Clients have as many messages of the queue as they may.
    #[error(
        "clients have {} messages of the queue, and may have no more at a time",
        crate::limits::LEASED_PER_QUEUE_MAX
    )]
    TooManyLeased,
    /// Messages that a plugin received are not its own any more.
    #[error("the leases of {} messages are over", deliveries.len())]
    LeaseOver {
        /// Which ones.
        deliveries: Vec<DeliveryId>,
    },
    /// The answers that are kept for a delivery, or for those of its tenant, take all their room.
    #[error("{bytes} bytes of models' answers would be kept, and {most} may")]
    AnswersFull {
        /// How many there would be.
        bytes: u64,
        /// How many there may be.
        most: u64,
    },
    /// A budget has not enough left for a call of a model.
    #[error(transparent)]
    Budget(Box<BudgetSpent>),
    /// There is no such dead-letter queue.
    #[error("there is no such dead-letter queue")]
    UnknownQueue,
    /// There is no such dead letter.
    #[error("there is no dead letter {id} in the queue")]
    UnknownDeadLetter {
        /// The id asked for.
        id: DeliveryId,
    },
}

impl Refused {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Refused::StaleRules | Refused::Overloaded => Code::Overloaded,
            Refused::Quota(spent) => spent.code(),
            Refused::DiskFull => Code::DiskFull,
            Refused::DedupFull => Code::DedupFull,
            Refused::TooManyTargets { .. } => Code::TargetsTooMany,
            Refused::Conflict { .. } => Code::Conflict,
            Refused::Gone | Refused::UnknownDeadLetter { .. } => Code::DeadLetterUnknown,
            Refused::TooManyLeased => Code::QueueInFlight,
            Refused::LeaseOver { .. } => Code::ReceiptStale,
            Refused::AnswersFull { .. } => Code::LimitLlm,
            Refused::Budget(_) => Code::BudgetExceeded,
            Refused::UnknownQueue => Code::QueueUnknown,
            Refused::ObjectChanged { .. } => Code::VersionConflict,
        }
    }
}

/// The sequencer of one partition.
pub struct Sequencer {
    pub(crate) dedup: Dedup,
    pub(crate) pending: u64,
    pub(crate) rules: RulesVersions,
    pub(crate) rates: Rates,
    pub(crate) hours: Hours,
    pub(crate) heads: receive::Heads,
    pub(crate) answered: Answered,
}

/// The versions of the rules in force.
#[derive(Default)]
pub(crate) struct RulesVersions {
    configured: u64,
    changed: HashMap<TenantName, u64>,
}

impl RulesVersions {
    /// That of a tenant's rules: changes of others leave it as it is.
    pub(crate) fn of(&self, tenant: &TenantName) -> u64 {
        self.changed.get(tenant).copied().unwrap_or(self.configured)
    }

    pub(crate) fn change(&mut self, tenant: &TenantName, version: u64) {
        self.changed.insert(tenant.clone(), version);
    }

    fn configure(&mut self, version: u64) {
        (self.configured, self.changed) = (version, HashMap::new());
    }
}

impl Sequencer {
    /// A sequencer that has seen nothing yet: `remember` the window's records, then `resume`.
    #[must_use]
    pub fn new(dedup_window_ms: u64) -> Self {
        Self {
            dedup: Dedup::new(dedup_window_ms),
            pending: 0,
            rules: RulesVersions::default(),
            rates: Rates::default(),
            hours: Hours::default(),
            heads: receive::Heads::default(),
            answered: Answered::default(),
        }
    }

    /// Goes on from the state as it is.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn resume(&mut self, tables: &impl Tables) -> Result<(), TableError> {
        self.rules.configure(RulesRow::get(tables, &[])?.map_or(0, |row| row.version));
        self.pending = 0;
        for (_, row) in tables.scan(Table::Stats, &[], std::ops::Bound::Unbounded, usize::MAX)? {
            self.pending += StatsRow::decode(&row)?.pending;
        }
        self.answered = Answered::read(tables)?;
        Ok(())
    }

    /// Unsettled deliveries.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.pending
    }

    /// The version of a tenant's rules in force; 0 before the first.
    #[must_use]
    pub fn rules_version(&self, tenant: &TenantName) -> u64 {
        self.rules.of(tenant)
    }

    /// Frame time was brought forward by so many milliseconds: what is remembered is not older for it.
    pub fn stepped(&mut self, by_ms: u64) {
        self.dedup.jump(by_ms);
    }

    /// Remembers a record that was decided before a restart, for deduplication. Records come in log order.
    pub fn remember(&mut self, record: &Record, position: Position, time_ms: u64) {
        match record {
            Record::Accept { tenant, bus, event, .. } => {
                self.dedup.expire(time_ms);
                self.dedup.insert(tenant, Fingerprint::of(tenant, bus, event.source(), event.id()), position, time_ms);
            }
            Record::Follow { by_ms } => self.dedup.jump(*by_ms),
            _ => {}
        }
    }

    /// Decides a request at frame time `now_ms`. The decision's records will stand at `base`, `base` + 256, …
    ///
    /// # Errors
    /// When the state cannot be read. The inner error says why the request was not taken.
    pub fn decide<T: Tables>(
        &mut self,
        request: Request,
        now_ms: u64,
        base: Position,
        tables: &T,
    ) -> Result<Result<Decision, Refused>, TableError> {
        if !matches!(request, Request::Follow { .. }) {
            self.dedup.expire(now_ms);
        }
        match request {
            Request::Configure(ConfigureRequest { document }) => {
                self.rules.configure(base.k);
                let answer = Answer::Configured { version: base.k };
                Ok(Ok(Decision { records: vec![Record::Configure { document }], answer }))
            }
            Request::Change(request) => change::decide(self, request, base, tables),
            Request::Erase(request) => Ok(Ok(erase::decide(self, request, tables)?)),
            Request::Accept(request) => accept::decide(self, request, now_ms, base, tables),
            Request::Settle(request) => settle::decide(self, *request, now_ms, base, tables),
            Request::Serve(request) => serve::decide(self, *request, now_ms, base, tables),
            Request::Redrive(request) => redrive::decide(self, request, tables),
            Request::Discard(request) => discard::decide(request, tables),
            Request::Redriving(request) => redriving::decide(self, *request, tables),
            Request::Edit(request) => edit::decide(*request, base, tables),
            Request::Carry(request) => Ok(Ok(carry::decide(request, base, tables)?)),
            Request::Forget(request) => Ok(Ok(usage::decide(request, tables)?)),
            Request::Charge(request) => Ok(Ok(usage::decide_charge(self, request, now_ms, tables)?)),
            Request::Keep(request) => answers::decide(self, request, tables),
            Request::Reserve(request) => budgets::reserve(*request, now_ms, tables),
            Request::Spend(request) => Ok(Ok(budgets::spend(*request, now_ms, tables)?)),
            Request::Queue(request) => receive::decide(self, request, now_ms, base, tables),
            Request::Consume(request) => consume::decide(self, *request, now_ms, base, tables),
            Request::Fire(request) => fire::decide(self, *request, now_ms, base, tables),
            Request::Fan(request) => fan::decide(request, tables),
            Request::Replay(request) => replay::decide(self, *request, now_ms, base, tables),
            Request::Seal(facts) => Ok(Ok(Decision { records: vec![Record::Sealed(facts)], answer: Answer::Noted })),
            Request::Follow { by_ms } => {
                self.dedup.jump(by_ms);
                Ok(Ok(Decision { records: vec![Record::Follow { by_ms }], answer: Answer::Noted }))
            }
        }
    }
}
