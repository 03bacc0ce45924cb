//! Port: schemas, read and changed.

use std::future::Future;

use bytes::Bytes;
use serde::Deserialize;
use wharf_event::{SchemaName, TenantName};

use super::{Expected, Refusal};
use crate::view::{SchemaVersionView, SchemaView};

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
    /// The schemas by name, without what they say, those behind `after` only, at most `limit`. Only an empty page is the end.
    fn schemas(
        &self,
        tenant: &TenantName,
        after: Option<SchemaName>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<SchemaView>, Refusal>> + Send;

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
