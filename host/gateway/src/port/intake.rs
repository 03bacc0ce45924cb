//! Port: events in, and whether they are taken.

use std::future::Future;

use wharf_event::{BusName, Event, TenantName};

use super::Refusal;
use crate::view::Accepted;

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
