//! Port: key-value buckets, as committed.

use std::future::Future;

use wharf_event::{BucketName, TenantName};

use super::Refusal;
use crate::view::{BucketView, KeyView};

/// Reads a tenant's key-value buckets, as committed.
pub trait KeyValue: Clone + Send + Sync + 'static {
    /// The buckets that have a key by name, those behind `after` only, at most `limit`. Only an empty page is the end.
    fn buckets(
        &self,
        tenant: &TenantName,
        after: Option<BucketName>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<BucketView>, Refusal>> + Send;

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
