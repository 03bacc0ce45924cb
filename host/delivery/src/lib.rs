//! The delivery machine: what an event owes to its targets, and how each obligation ends.
//!
//! A request is decided against the state (`Sequencer::decide`), the decision becomes one record of the log, and the record
//! is applied to the state (`apply`). Both are pure: no clock, no randomness, no I/O, no threads; time, ids and results are
//! in the request and then in the record. Invariant: the same records from empty give the same tables.

mod accept;
mod answers;
mod apply;
mod behind;
mod breaker;
mod budgets;
mod carry;
mod change;
mod codec;
mod configure;
mod consume;
mod dedup;
mod details;
mod discard;
mod document;
mod edit;
mod erase;
mod fan;
mod fire;
mod ids;
pub mod keys;
mod layout;
pub mod limits;
mod models;
mod moves;
#[cfg(feature = "mutations")]
pub mod mutation;
mod policy;
mod queue;
mod quotas;
mod rates;
mod receipt;
mod receive;
mod record;
mod recording;
mod redrive;
mod redriving;
mod remains;
mod replay;
mod retry;
mod route;
mod rows;
mod schedule;
mod schema;
mod seal;
mod secrets;
mod sequencer;
mod serve;
mod settings;
mod settle;
mod sharing;
pub mod sizes;
mod tables;
mod target_ref;
mod usage;
mod values;
mod webhook;

pub use accept::{AcceptEvent, AcceptRequest, Accepted};
pub use answers::{KeepRequest, KeptAt, answers_are_full, answers_left, answers_of, kept_answer};
pub use apply::{Due, History, apply};
pub use behind::{BehindPage, LinePlace, behind, line};
pub use breaker::BreakerDocument;
pub use budgets::{
    Budget, BudgetOf, BudgetPer, BudgetSpent, BudgetUnit, Cost, ReserveRequest, Reserved, SpendRequest, SpentRow,
};
pub use carry::{CarriedEvent, CarriedRow, CarryRequest, Held};
pub use change::{
    ChangeRequest, Changed, Expected, Object, ObjectChange, ObjectFate, ObjectKind, ObjectName, ObjectWish,
};
pub use codec::DecodeError;
pub use configure::ConfigureRequest;
pub use consume::{ConsumeRequest, Consumed};
pub use details::{Details, LogLevel, LogLine, LogTail};
pub use discard::DiscardRequest;
pub use document::{
    BusDocument, Document, HostLimits, InputDocument, LimitsDocument, PatternText, PluginDocument, RetentionDocument,
    RuleDocument, TargetDocument, TenantDocument,
};
pub use edit::EditRequest;
pub use erase::{EraseRequest, ErasedRow};
pub use fan::{FanOut, FanRequest, is_too_wide};
pub use fire::{FireRequest, ScheduleState};
pub use ids::{DeliveryId, DeliveryIdError};
pub use models::ModelStep;
pub use moves::Move;
pub use policy::{
    Backoff, FINAL_CODES, Glob, Jitter, NotGlob, NotOneOf, NotStatuses, OutcomeRule, RetryPolicy, Statuses, Then,
};
pub use queue::{ConsumerDocument, QueueDocument};
pub use quotas::{Hourly, QuotaSpent, Quotas};
pub use receipt::{Receipt, ReceiptError};
pub use receive::{Lease, Moved, QueueOp, QueueRequest, Terms};
pub use record::{Attempt, Outcome, Published, Record, RecordKind, ValueWrite};
pub use recording::RecordingAt;
pub use redrive::{RedriveRequest, RedriveWhich, Redriven};
pub use redriving::{RedriveState, RedrivingRequest};
pub use remains::Remains;
pub use replay::{ReplayPhase, ReplayRequest, ReplayState};
pub use retry::{Failure, Standing, Verdict, clipped, disposition};
pub use route::RouteDocument;
pub use rows::{BucketRow, DeadLetterRow, DeliveryRow, RulesRow, StatsRow, ValueRow};
pub use schedule::{AfterLast, NotAfterLast, ScheduleDocument};
pub use schema::{NoMode, SchemaDocument, SchemaMode, SchemaObject, SchemaVersion};
pub use seal::SegmentFacts;
pub use secrets::{KeptSecret, SecretsObject};
pub use sequencer::{Answer, Decision, Refused, Request, Sequencer};
pub use serve::ServeRequest;
pub use settings::{NotOnQuarantine, OnQuarantine, TenantLife, TenantObject, TenantSettings};
pub use settle::{
    HOPS_ATTRIBUTE, PublishRequest, Read, ReadKey, SettleRequest, Settled, WriteOp, WriteRequest, hops, published_on,
};
pub use sharing::shared_by;
pub use tables::{Table, TableError, Tables};
pub use target_ref::TargetRef;
pub use usage::{ChargeRequest, ForgetRequest, Usage, UsageRow, Used, hour_of};
pub use webhook::{WebhookDisabled, WebhookDocument, WebhookObject, WebhookSecret};
