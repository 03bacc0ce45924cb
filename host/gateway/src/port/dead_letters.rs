//! Port: dead-letter queues.

use std::future::Future;

use bytes::Bytes;
use wharf_event::{QueueName, TenantName};

use super::Refusal;
use crate::view::{DeadLetterView, DiscardView, LetterFilter, LetterGroupsView, QueueView, RedriveView};

/// Which dead letters are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhichLetters {
    /// Every one that is in the queue now.
    All,
    /// Every one that this leaves.
    Where(LetterFilter),
    /// These, by id.
    Ids(Vec<String>),
}

/// Reads a tenant's dead-letter queues, edits letters, sends them again and lets them go.
pub trait DeadLetters: Clone + Send + Sync + 'static {
    /// The dead-letter queues of the tenant by name, those behind `after` only, at most `limit`. Only an empty page is the end.
    fn queues(
        &self,
        tenant: &TenantName,
        after: Option<QueueName>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<QueueView>, Refusal>> + Send;

    /// The letters of a queue, oldest first, those after the id `after` only and those that `filter` leaves, at most `limit`. Only an
    /// empty page is the end. A letter that cannot be read is left out.
    fn letters(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        filter: LetterFilter,
        after: Option<String>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<DeadLetterView>, Refusal>> + Send;

    /// The letters that `filter` leaves, counted by target and code: at most `limit` groups, those behind `after`, which is the `next` of the
    /// page before.
    fn groups(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        filter: LetterFilter,
        after: Option<String>,
        limit: u32,
    ) -> impl Future<Output = Result<LetterGroupsView, Refusal>> + Send;

    /// One letter, with its attempts.
    fn letter(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        id: &str,
    ) -> impl Future<Output = Result<DeadLetterView, Refusal>> + Send;

    /// Changes the event of a letter by a JSON object with members of it, and gives the letter as it is from now on.
    fn edit(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        id: &str,
        changes: Bytes,
    ) -> impl Future<Output = Result<DeadLetterView, Refusal>> + Send;

    /// Makes letters due again, with their attempts counted from zero; in a dry run, counts them. Of ids all of them, or none if one
    /// is unknown.
    fn redrive(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        which: WhichLetters,
        dry_run: bool,
    ) -> impl Future<Output = Result<RedriveView, Refusal>> + Send;

    /// Lets go of letters, which are there no more then; in a dry run, counts them. Of ids all of them, or none if one is unknown.
    fn discard(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        which: WhichLetters,
        dry_run: bool,
    ) -> impl Future<Output = Result<DiscardView, Refusal>> + Send;
}
