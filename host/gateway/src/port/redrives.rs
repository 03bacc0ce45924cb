//! Port: redrives at a rate, begun, cancelled and read.

use std::future::Future;

use wharf_event::{QueueName, TenantName};

use super::Refusal;
use crate::view::{LetterFilter, PacedRedriveView};

/// Sends letters of dead-letter queues again at a rate, also behind the answer and over restarts. A queue has one such redrive.
pub trait Redrives: Clone + Send + Sync + 'static {
    /// Begins to send those letters again that lie there now and that `filter` leaves, at most `letters_per_s` a second.
    fn begin_redrive(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        filter: LetterFilter,
        letters_per_s: u32,
    ) -> impl Future<Output = Result<PacedRedriveView, Refusal>> + Send;

    /// How the redrive of a queue stands, or how the last one ended.
    fn paced_redrive(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
    ) -> impl Future<Output = Result<PacedRedriveView, Refusal>> + Send;

    /// Ends the redrive of a queue where it is. One that is over stays as it is.
    fn cancel_redrive(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
    ) -> impl Future<Output = Result<PacedRedriveView, Refusal>> + Send;
}
