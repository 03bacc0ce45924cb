//! What the gateway needs of a host, as small ports: one to write events, the others to read, repair or change.
//!
//! Invariant: a method that names a tenant answers for that tenant only; what belongs to another is unknown to it. An
//! answer is given only when what it says is durable. The gateway does not say how a host keeps any of this, and its
//! ports carry no type of the log or the state.

mod archive;
mod dead_letters;
mod drift;
mod endpoints;
mod grants;
mod intake;
mod key_value;
mod models;
mod prompts;
mod queues;
mod redrives;
mod registry;
mod replays;
mod rules;
mod schedules;
mod schemas;
mod secrets;
mod signing;
mod tenant_routes;
mod tenants;
mod topics;
mod usage;
mod webhooks;

use std::future::Future;

use wharf_event::{Code, Position};

use crate::measure::Family;
use crate::problem::Mistake;

pub use archive::{Archive, AttemptQuery, DeliveriesQuery, EventQuery, EventRef};
pub use dead_letters::{DeadLetters, WhichLetters};
pub use drift::ModelDrift;
pub use endpoints::{Endpoints, Pieces, Served, Unserved};
pub use grants::Granting;
pub use intake::{Intake, PlainIdentity};
pub use key_value::KeyValue;
pub use models::{ModelNote, ModelRef, Models};
pub use prompts::{PromptRef, Prompts};
pub use queues::{Ending, Messages, QueueRef, Queues};
pub use redrives::Redrives;
pub use registry::{ChannelWish, PluginPut, PluginRef, Registry, ReleaseRef, UploadNote};
pub use replays::{ReplayRef, Replays};
pub use rules::{RulePut, RuleRef, Rules};
pub use schedules::{ScheduleRef, Schedules};
pub use schemas::{Compatibility, SchemaPut, SchemaRef, Schemas};
pub use secrets::{SecretRef, Secrets};
pub use signing::{Signing, SigningKeyRef};
pub use tenant_routes::{RouteRef, TenantRoutes};
pub use tenants::{BusRef, Put, Tenants};
pub use topics::{SubscriptionRef, TopicRef, Topics};
pub use usage::{Usage, UsageBy, UsageQuery};
pub use webhooks::{WebhookRef, Webhooks};

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

/// Tells what a host measures of itself.
pub trait Measures: Clone + Send + Sync + 'static {
    /// What it measures. Families that cannot be told now are left out.
    fn measures(&self) -> impl Future<Output = Vec<Family>> + Send;
}

/// All ports, which is what [`crate::serve`] asks of its host.
pub trait Host:
    Intake
    + Archive
    + KeyValue
    + DeadLetters
    + Queues
    + Messages
    + Redrives
    + Replays
    + Rules
    + Registry
    + Models
    + ModelDrift
    + Granting
    + Signing
    + Secrets
    + Prompts
    + Schemas
    + Schedules
    + Tenants
    + Topics
    + Usage
    + Webhooks
    + Endpoints
    + TenantRoutes
    + Measures
{
}

impl<H> Host for H where
    H: Intake
        + Archive
        + KeyValue
        + DeadLetters
        + Queues
        + Messages
        + Redrives
        + Replays
        + Rules
        + Registry
        + Models
        + ModelDrift
        + Granting
        + Signing
        + Secrets
        + Prompts
        + Schemas
        + Schedules
        + Tenants
        + Topics
        + Usage
        + Webhooks
        + Endpoints
        + TenantRoutes
        + Measures
{
}
