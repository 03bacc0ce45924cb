//! Ports: queues, read and changed; and their messages.

use std::future::Future;

use bytes::Bytes;
use wharf_event::{Event, QueueName, TenantName};

use super::{Expected, Put, Refusal};
use crate::view::{
    Accepted, MessageQueueView, PeekedView, PurgedView, ReceiptsView, ReceiptsWish, ReceiveWish, ReceivedView,
};

/// One queue by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRef {
    /// Whose queue.
    pub tenant: TenantName,
    /// The queue.
    pub queue: QueueName,
}

/// What becomes of messages that somebody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// They are done.
    Ack,
    /// They are to be received again.
    Release,
    /// They stay with who has them for longer.
    Extend,
}

/// Reads and changes a tenant's queues. (Its dead-letter queues are another port's.)
pub trait Queues: Clone + Send + Sync + 'static {
    /// The queues by name, those behind `after` only, at most `limit`. Only an empty page is the end.
    fn message_queues(
        &self,
        tenant: &TenantName,
        after: Option<QueueName>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<MessageQueueView>, Refusal>> + Send;

    /// One queue.
    fn message_queue(&self, of: QueueRef) -> impl Future<Output = Result<MessageQueueView, Refusal>> + Send;

    /// Makes a queue, or changes it: `document` is JSON as it was sent.
    fn put_queue(
        &self,
        of: QueueRef,
        document: Bytes,
        expected: Expected,
    ) -> impl Future<Output = Result<Put<MessageQueueView>, Refusal>> + Send;

    /// Removes a queue. What is in it goes to the dead letters soon.
    fn remove_queue(&self, of: QueueRef, expected: Expected) -> impl Future<Output = Result<(), Refusal>> + Send;
}

/// Sends, receives and ends the messages of a queue.
pub trait Messages: Clone + Send + Sync + 'static {
    /// Takes messages, as events are accepted; an empty list only asks whether tenant and queue exist. `delay` is as it was written.
    ///
    /// # Errors
    /// All of them are refused.
    fn send_messages(
        &self,
        of: &QueueRef,
        events: Vec<Event>,
        delay: Option<String>,
    ) -> impl Future<Output = Result<Vec<Result<Accepted, Refusal>>, Refusal>> + Send;

    /// Lets somebody have the next messages for a while.
    fn receive(&self, of: QueueRef, wish: ReceiveWish) -> impl Future<Output = Result<ReceivedView, Refusal>> + Send;

    /// Ends leases, or makes them longer; one result for each receipt.
    fn end(
        &self,
        of: QueueRef,
        ending: Ending,
        wish: ReceiptsWish,
    ) -> impl Future<Output = Result<ReceiptsView, Refusal>> + Send;

    /// Messages, the oldest first, those after the id `after` only, at most `limit`; nobody receives them. Only an empty page is the end. Of an
    /// ordered queue these are the first of each key, or with a `key` those of that key, who wait behind others too.
    fn peek(
        &self,
        of: QueueRef,
        key: Option<String>,
        after: Option<String>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<PeekedView>, Refusal>> + Send;

    /// Empties a queue of all that is in it now, whoever has it.
    fn purge(&self, of: QueueRef) -> impl Future<Output = Result<PurgedView, Refusal>> + Send;
}
