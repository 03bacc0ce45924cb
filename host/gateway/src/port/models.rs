//! Port: models of a tenant, their versions, and which of those answers.

use std::future::Future;

use bytes::Bytes;
use futures_util::Stream;
use wharf_event::{Digest, ModelName, TenantName};

use super::{Expected, Put, Refusal};
use crate::view::{ModelBatching, ModelDetail, ModelPromotion, ModelRollBack, ModelVersionView, ModelView};

/// One model by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRef {
    /// Whose model.
    pub tenant: TenantName,
    /// The model.
    pub model: ModelName,
}

/// What is said about a version when it is uploaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelNote {
    /// What it is called.
    pub version: Option<String>,
    /// A message.
    pub message: Option<String>,
}

/// Reads and changes a tenant's models. A change holds for every question that is asked behind its answer.
pub trait Models: Clone + Send + Sync + 'static {
    /// The models by name, those behind `after` only, at most `limit`. Only an empty page is the end.
    fn models(
        &self,
        tenant: &TenantName,
        after: Option<ModelName>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<ModelView>, Refusal>> + Send;

    /// One model with its versions.
    fn model(&self, of: ModelRef) -> impl Future<Output = Result<ModelDetail, Refusal>> + Send;

    /// Takes the file of a version. It answers when the bytes are durable and the model was found fit; a model that there is not is made. Of a version
    /// that is there nothing is read.
    fn put_model(
        &self,
        of: ModelRef,
        version: Digest,
        note: ModelNote,
        bytes: impl Stream<Item = Result<Bytes, Refusal>> + Send + Unpin + 'static,
    ) -> impl Future<Output = Result<Put<ModelVersionView>, Refusal>> + Send;

    /// Has a version answer all questions, or those of a part of the deliveries; or be asked in the shadow.
    fn promote_model(
        &self,
        of: ModelRef,
        wish: ModelPromotion,
    ) -> impl Future<Output = Result<ModelDetail, Refusal>> + Send;

    /// Ends a canary or a shadow, or has the version answer that did before.
    fn roll_back_model(
        &self,
        of: ModelRef,
        wish: ModelRollBack,
    ) -> impl Future<Output = Result<ModelDetail, Refusal>> + Send;

    /// Has questions to a model asked together, or each alone.
    fn batch_model(
        &self,
        of: ModelRef,
        wish: ModelBatching,
    ) -> impl Future<Output = Result<ModelDetail, Refusal>> + Send;

    /// Removes a model with its versions.
    fn remove_model(&self, of: ModelRef, expected: Expected) -> impl Future<Output = Result<(), Refusal>> + Send;
}
