//! Port: what happened to events.

use std::future::Future;

use futures_util::Stream;
use wharf_event::{BusName, Event, Position, RuleName, TenantName};

use super::Refusal;
use crate::view::{CallsView, EventDetail, EventView, FeedItem, RuleVerdict, StatsView, TraceCursor, TraceView};

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

/// Which deliveries of an event to tell, and which attempts of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveriesQuery {
    /// Deliveries at most, from 1 to [`crate::limits::PAGE_ROWS_MAX`].
    pub limit: u32,
    /// Only those behind the one of this number.
    pub after: Option<u16>,
    /// Only the one of this number.
    pub only: Option<u16>,
    /// Only attempts before this position.
    pub attempts_before: Option<Position>,
}

/// Which attempt of an event's deliveries to tell more of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttemptQuery {
    /// The delivery of this number; absent, the only one.
    pub delivery: Option<u16>,
    /// The newest attempt of this number; absent, the newest.
    pub attempt: Option<u32>,
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

    /// One event with a page of its deliveries, each with its newest attempts.
    fn event(
        &self,
        tenant: &TenantName,
        event: EventRef,
        query: DeliveriesQuery,
    ) -> impl Future<Output = Result<EventDetail, Refusal>> + Send;

    /// What an attempt asked the outside and was told, if that is recorded.
    fn calls(
        &self,
        tenant: &TenantName,
        event: EventRef,
        query: AttemptQuery,
    ) -> impl Future<Output = Result<CallsView, Refusal>> + Send;

    /// An event and everything that came of it, in the order of the log: at most `limit` events, and what is behind `after`.
    fn trace(
        &self,
        tenant: &TenantName,
        event: EventRef,
        limit: u32,
        after: Option<TraceCursor>,
    ) -> impl Future<Output = Result<TraceView, Refusal>> + Send;

    /// What happens to a tenant's events, in log order: from a position on (itself included; that of a published event stands
    /// for the attempt that published it), or from now on.
    ///
    /// The stream ends when the host cannot go on; it has no item for an error.
    fn feed(
        &self,
        tenant: &TenantName,
        from: Option<Position>,
    ) -> impl Future<Output = Result<Self::Feed, Refusal>> + Send;

    /// What a page of the enabled rules of the bus says to this event, which is not accepted: those behind a name, so many at most. Empty at the
    /// end.
    fn explain(
        &self,
        tenant: &TenantName,
        bus: &BusName,
        event: Event,
        page: (Option<RuleName>, u32),
    ) -> impl Future<Output = Result<Vec<RuleVerdict>, Refusal>> + Send;

    /// The tenant's totals since the host started.
    fn stats(&self, tenant: &TenantName) -> impl Future<Output = Result<StatsView, Refusal>> + Send;
}
