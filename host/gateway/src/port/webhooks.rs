//! Port: webhooks, read and changed.

use std::future::Future;

use bytes::Bytes;
use wharf_event::{TenantName, WebhookName};

use super::{Expected, Put, Refusal};
use crate::view::{WebhookRotation, WebhookView};

/// One webhook by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRef {
    /// Whose webhook.
    pub tenant: TenantName,
    /// The webhook.
    pub webhook: WebhookName,
}

/// Reads and changes a tenant's webhooks.
pub trait Webhooks: Clone + Send + Sync + 'static {
    /// The webhooks by name, those behind `after` only, at most `limit`. Only an empty page is the end.
    fn webhooks(
        &self,
        tenant: &TenantName,
        after: Option<WebhookName>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<WebhookView>, Refusal>> + Send;

    /// One webhook.
    fn webhook(&self, of: WebhookRef) -> impl Future<Output = Result<WebhookView, Refusal>> + Send;

    /// Makes a webhook, which gets a secret, or changes where it leads: `document` is JSON as it was sent.
    fn put_webhook(
        &self,
        of: WebhookRef,
        document: Bytes,
        expected: Expected,
    ) -> impl Future<Output = Result<Put<WebhookView>, Refusal>> + Send;

    /// Removes a webhook with its secrets.
    fn remove_webhook(&self, of: WebhookRef, expected: Expected) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Gives it another secret, which is told this once.
    fn rotate_webhook(
        &self,
        of: WebhookRef,
        rotation: WebhookRotation,
    ) -> impl Future<Output = Result<WebhookView, Refusal>> + Send;

    /// Enables it, or disables it: then its deliveries wait.
    fn turn_webhook(&self, of: WebhookRef, on: bool) -> impl Future<Output = Result<WebhookView, Refusal>> + Send;
}
