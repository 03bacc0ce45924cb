//! Port: baselines of models, and how far their inputs are from them.

use std::future::Future;

use super::{ModelRef, Refusal};
use crate::view::{BaselineDraft, BaselineView, DriftView};

/// Sets baselines, and tells of what drifts from them.
pub trait ModelDrift: Clone + Send + Sync + 'static {
    /// Holds what a model is asked from now on against a baseline, in place of the one that it had.
    fn put_baseline(
        &self,
        of: ModelRef,
        draft: BaselineDraft,
    ) -> impl Future<Output = Result<BaselineView, Refusal>> + Send;

    /// Holds it against none any more.
    fn remove_baseline(&self, of: ModelRef) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// How far a model's inputs are from its baseline.
    fn drift(&self, of: ModelRef) -> impl Future<Output = Result<DriftView, Refusal>> + Send;
}
