//! Port: dead-letter queues.

use std::future::Future;

use wharf_event::{QueueName, TenantName};

use super::Refusal;
use crate::view::{DeadLetterView, QueueView, RedriveView};

/// Which dead letters to send again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redrive {
    /// Every one that is in the queue now.
    All,
    /// Every one that was given up at that time or later, in RFC 3339.
    Since(String),
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
