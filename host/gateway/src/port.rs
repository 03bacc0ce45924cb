//! What the gateway needs of a host, as eight small ports: one to write events, seven to read, repair or change.
//!
//! Invariant: a method that names a tenant answers for that tenant only; what belongs to another is unknown to it. An
//! answer is given only when what it says is durable. The gateway does not say how a host keeps any of this, and its
//! ports carry no type of the log or the state.

use std::future::Future;

use bytes::Bytes;
use futures_util::Stream;
use serde::Deserialize;
use wharf_event::{
    BucketName, BusName, Code, Digest, Event, PluginName, Position, QueueName, RuleName, SchemaName, TenantName,
};

use crate::measure::Family;
use crate::problem::Mistake;
use crate::view::{
    Accepted, BucketView, DeadLetterView, EventDetail, EventView, FeedItem, KeyView, PatternVerdict, PluginDetail,
    PluginView, Promotion, QueueView, RedriveView, ReleaseView, RollBack, RuleVerdict, RuleView, SchemaVersionView,
    SchemaView, StatsView,
};

/// Why a host did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Refusal {
    /// The stable code, which also decides the HTTP status.
    pub code: Code,
    /// One sentence for the caller about this very refusal.
    pub detail: String,
    /// Seconds after which the same request may succeed.
    pub retry_after_s: Option<u32>,
    /// Every place that is wrong in what was sent, where there may be several.
    pub errors: Vec<Mistake>,
}

impl Refusal {
    /// A refusal for which no waiting time is known.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), retry_after_s: None, errors: Vec::new() }
    }

    /// The same refusal with the seconds after which to try again.
    #[must_use]
    pub fn retry_after_s(self, seconds: u32) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// The same refusal with every place that is wrong.
    #[must_use]
    pub fn errors(self, errors: Vec<Mistake>) -> Self {
        Self { errors, ..self }
    }
}

/// The attributes that the host gives to an event posted as plain JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainIdentity {
    /// A new id, unique on this host.
    pub id: String,
    /// Now, in RFC 3339.
    pub time: String,
}

/// Takes events in.
pub trait Intake: Clone + Send + Sync + 'static {
    /// The tenant of `POST /events`, if the configuration names one.
    fn default_tenant(&self) -> Option<TenantName>;

    /// All tenants, by name.
    fn tenants(&self) -> Vec<TenantName>;

    /// Accepts events in their order and answers once each is durable or refused, in the same order and number.
    ///
    /// An empty list only asks whether the tenant and the bus exist.
    ///
    /// # Errors
    /// All of them are refused: the tenant or the bus is unknown, the host is overloaded, or its log failed.
    fn accept(
        &self,
        tenant: &TenantName,
        bus: &BusName,
        events: Vec<Event>,
    ) -> impl Future<Output = Result<Vec<Result<Accepted, Refusal>>, Refusal>> + Send;

    /// An id and a time for an event that was posted without them.
    fn plain_identity(&self) -> PlainIdentity;

    /// Whether the host takes events now.
    ///
    /// # Errors
    /// Why it does not.
    fn ready(&self) -> Result<(), Refusal>;

    /// What an operator should know though the host takes events.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Which events of a tenant to list, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventQuery {
    /// Rows at most, from 1 to [`crate::limits::PAGE_ROWS_MAX`].
    pub limit: u32,
    /// Only events before this position.
    pub before: Option<Position>,
    /// Only events whose `type` begins so.
    pub kind_prefix: Option<String>,
}

/// How a caller names one event. A name that reads as a position is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventRef {
    /// Its place in the log.
    Position(Position),
    /// Its `id` attribute; the newest event if several sources used it.
    Id(String),
}

/// Reads what happened.
pub trait Archive: Clone + Send + Sync + 'static {
    /// What [`Archive::feed`] gives.
    type Feed: Stream<Item = FeedItem> + Send + 'static;

    /// A page of events, newest first. As every page it may be shorter than asked for; only an empty one is the end.
    fn events(
        &self,
        tenant: &TenantName,
        query: EventQuery,
    ) -> impl Future<Output = Result<Vec<EventView>, Refusal>> + Send;

    /// One event with its deliveries and their attempts.
    fn event(&self, tenant: &TenantName, event: EventRef) -> impl Future<Output = Result<EventDetail, Refusal>> + Send;

    /// What happens to a tenant's events, in log order: from a position on (itself included; that of a published event stands
    /// for the attempt that published it), or from now on.
    ///
    /// The stream ends when the host cannot go on; it has no item for an error.
    fn feed(
        &self,
        tenant: &TenantName,
        from: Option<Position>,
    ) -> impl Future<Output = Result<Self::Feed, Refusal>> + Send;

    /// What every rule of the bus says to this event, which is not accepted.
    fn explain(
        &self,
        tenant: &TenantName,
        bus: &BusName,
        event: Event,
    ) -> impl Future<Output = Result<Vec<RuleVerdict>, Refusal>> + Send;

    /// The tenant's totals since the host started.
    fn stats(&self, tenant: &TenantName) -> impl Future<Output = Result<StatsView, Refusal>> + Send;
}

/// Reads a tenant's key-value buckets, as committed.
pub trait KeyValue: Clone + Send + Sync + 'static {
    /// Every bucket that has a key, by name.
    fn buckets(&self, tenant: &TenantName) -> impl Future<Output = Result<Vec<BucketView>, Refusal>> + Send;

    /// The keys of a bucket in byte order, those after `after` only, at most `limit`. Only an empty page is the end.
    fn list(
        &self,
        tenant: &TenantName,
        bucket: &BucketName,
        after: Option<String>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<KeyView>, Refusal>> + Send;

    /// One key.
    fn get(
        &self,
        tenant: &TenantName,
        bucket: &BucketName,
        key: &str,
    ) -> impl Future<Output = Result<KeyView, Refusal>> + Send;
}

/// Which dead letters to send again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redrive {
    /// Every one that is in the queue now.
    All,
    /// These, by id.
    Ids(Vec<String>),
}

/// Reads a tenant's dead-letter queues and sends letters again.
pub trait DeadLetters: Clone + Send + Sync + 'static {
    /// Every dead-letter queue of the tenant, by name.
    fn queues(&self, tenant: &TenantName) -> impl Future<Output = Result<Vec<QueueView>, Refusal>> + Send;

    /// The letters of a queue, oldest first, those after the id `after` only, at most `limit`. Only an empty page is the end. A
    /// letter that cannot be read is left out.
    fn letters(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        after: Option<String>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<DeadLetterView>, Refusal>> + Send;

    /// One letter.
    fn letter(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        id: &str,
    ) -> impl Future<Output = Result<DeadLetterView, Refusal>> + Send;

    /// Makes letters due again, with their attempts counted from zero. All of them, or none if one id is unknown.
    fn redrive(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        which: Redrive,
    ) -> impl Future<Output = Result<RedriveView, Refusal>> + Send;
}

/// One rule by its names. The name of a rule is unique among all of its tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRef {
    /// Whose rule.
    pub tenant: TenantName,
    /// The bus that it listens on.
    pub bus: BusName,
    /// The rule.
    pub rule: RuleName,
}

/// What a request takes an object to be before it is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It does not matter.
    Any,
    /// There is none.
    Absent,
    /// There is one.
    Present,
    /// It has this version.
    Version(Position),
}

/// A rule that was put.
#[derive(Clone, Debug)]
pub struct RulePut {
    /// The rule as it is from now on.
    pub rule: RuleView,
    /// Whether there was none of that name.
    pub created: bool,
}

/// Asks, reads and changes a tenant's rules. A change holds for every event that is accepted after its answer.
pub trait Rules: Clone + Send + Sync + 'static {
    /// Whether a pattern matches an event, and why: `question` is `{"pattern": …, "event": …}` as it was sent, so that both
    /// count as they are spelled.
    fn test(
        &self,
        tenant: &TenantName,
        question: Bytes,
    ) -> impl Future<Output = Result<PatternVerdict, Refusal>> + Send;

    /// The rules of a bus by name, those behind `after` only, at most `limit`. Only an empty page is the end.
    fn rules(
        &self,
        tenant: &TenantName,
        bus: &BusName,
        after: Option<RuleName>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<RuleView>, Refusal>> + Send;

    /// One rule.
    fn rule(&self, of: RuleRef) -> impl Future<Output = Result<RuleView, Refusal>> + Send;

    /// Puts a rule in the place of the one that has its name: `document` is JSON as it was sent. An equal one changes nothing.
    fn put_rule(
        &self,
        of: RuleRef,
        document: Bytes,
        expected: Expected,
    ) -> impl Future<Output = Result<RulePut, Refusal>> + Send;

    /// Removes a rule.
    fn remove_rule(&self, of: RuleRef, expected: Expected) -> impl Future<Output = Result<(), Refusal>> + Send;
}

/// One plugin by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginRef {
    /// Whose plugin.
    pub tenant: TenantName,
    /// The plugin.
    pub plugin: PluginName,
}

/// One release of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRef {
    /// Of which plugin.
    pub of: PluginRef,
    /// Its digest.
    pub release: Digest,
}

/// What is said about a release when it is uploaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadNote {
    /// Its version.
    pub version: Option<String>,
    /// A message.
    pub message: Option<String>,
}

/// A plugin whose settings were put.
#[derive(Clone, Debug)]
pub struct PluginPut {
    /// The plugin as it is from now on.
    pub plugin: PluginDetail,
    /// Whether there was none of that name.
    pub created: bool,
}

/// A wish about which release gets which traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelWish {
    /// A release gets all of it, or a part.
    Promote(Promotion),
    /// Back to what was before.
    RollBack(RollBack),
}

/// Reads and changes a tenant's plugins, and takes their releases. A change holds for every attempt that begins after its answer.
pub trait Registry: Clone + Send + Sync + 'static {
    /// The plugins by name, those behind `after` only, at most `limit`. Only an empty page is the end.
    fn plugins(
        &self,
        tenant: &TenantName,
        after: Option<PluginName>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<PluginView>, Refusal>> + Send;

    /// One plugin.
    fn plugin(&self, of: PluginRef) -> impl Future<Output = Result<PluginDetail, Refusal>> + Send;

    /// Puts the settings of a plugin: `settings` is JSON as it was sent. Its releases and channels stay.
    fn put_plugin(
        &self,
        of: PluginRef,
        settings: Bytes,
        expected: Expected,
    ) -> impl Future<Output = Result<PluginPut, Refusal>> + Send;

    /// Removes a plugin with its releases.
    fn remove_plugin(&self, of: PluginRef, expected: Expected) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// All releases of a plugin, the newest first.
    fn releases(&self, of: PluginRef) -> impl Future<Output = Result<Vec<ReleaseView>, Refusal>> + Send;

    /// One release.
    fn release(&self, of: ReleaseRef) -> impl Future<Output = Result<ReleaseView, Refusal>> + Send;

    /// Takes a release's component. Of one that is known nothing is read. It answers when the bytes are durable; whether they can run is found
    /// out behind that.
    fn upload(
        &self,
        of: ReleaseRef,
        note: UploadNote,
        bytes: impl Stream<Item = Result<Bytes, Refusal>> + Send + Unpin + 'static,
    ) -> impl Future<Output = Result<ReleaseView, Refusal>> + Send;

    /// Changes which release gets which traffic.
    fn change_channels(
        &self,
        of: PluginRef,
        wish: ChannelWish,
    ) -> impl Future<Output = Result<PluginDetail, Refusal>> + Send;
}

/// One schema by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaRef {
    /// Whose schema.
    pub tenant: TenantName,
    /// The schema.
    pub schema: SchemaName,
}

/// What has to hold between a version of a schema and the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compatibility {
    /// What was valid stays valid.
    #[default]
    Backward,
    /// What is valid now was valid before.
    Forward,
    /// Both.
    Full,
    /// Nothing.
    None,
}

/// A schema that was put.
#[derive(Clone, Debug)]
pub struct SchemaPut {
    /// The schema as it is from now on.
    pub schema: SchemaView,
    /// Whether there was none of that name.
    pub created: bool,
}

/// Reads and changes a tenant's schemas: those that received events are held against from now on.
pub trait Schemas: Clone + Send + Sync + 'static {
    /// All of them by name, without what they say.
    fn schemas(&self, tenant: &TenantName) -> impl Future<Output = Result<Vec<SchemaView>, Refusal>> + Send;

    /// One schema.
    fn schema(&self, of: SchemaRef) -> impl Future<Output = Result<SchemaView, Refusal>> + Send;

    /// Puts a version of a schema into force: `document` is JSON as it was sent. One that says the same changes nothing.
    fn put_schema(
        &self,
        of: SchemaRef,
        document: Bytes,
        compatibility: Compatibility,
        expected: Expected,
    ) -> impl Future<Output = Result<SchemaPut, Refusal>> + Send;

    /// Removes a schema with its versions.
    fn remove_schema(&self, of: SchemaRef, expected: Expected) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// The versions of a schema that are kept, the newest first, with what they say. One of the configuration file has none.
    fn schema_versions(&self, of: SchemaRef) -> impl Future<Output = Result<Vec<SchemaVersionView>, Refusal>> + Send;

    /// What the tenant's buses receive, as an AsyncAPI 3 document.
    fn asyncapi(&self, tenant: &TenantName) -> impl Future<Output = Result<serde_json::Value, Refusal>> + Send;
}

/// Tells what a host measures of itself.
pub trait Measures: Clone + Send + Sync + 'static {
    /// What it measures. Families that cannot be told now are left out.
    fn measures(&self) -> impl Future<Output = Vec<Family>> + Send;
}

/// All eight ports, which is what [`crate::serve`] asks of its host.
pub trait Host: Intake + Archive + KeyValue + DeadLetters + Rules + Registry + Schemas + Measures {}

impl<H: Intake + Archive + KeyValue + DeadLetters + Rules + Registry + Schemas + Measures> Host for H {}
