//! Port: a tenant's prompts, read, changed, and given to all or to some.

use std::future::Future;

use wharf_event::{PromptName, TenantName};

use super::{Put, Refusal};
use crate::view::{PromptDraft, PromptPromotion, PromptRollBack, PromptView};

/// One prompt by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptRef {
    /// Whose prompt.
    pub tenant: TenantName,
    /// The prompt.
    pub prompt: PromptName,
}

/// Reads and changes a tenant's prompts. A change holds for every prompt that is filled after its answer.
pub trait Prompts: Clone + Send + Sync + 'static {
    /// The prompts by name, those behind `after` only, at most `limit`, without what their versions say.
    fn prompts(
        &self,
        tenant: &TenantName,
        after: Option<PromptName>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<PromptView>, Refusal>> + Send;

    /// One prompt with its versions.
    fn prompt(&self, of: PromptRef) -> impl Future<Output = Result<PromptView, Refusal>> + Send;

    /// Makes a prompt, or adds a version that nobody gets yet.
    fn put_prompt(
        &self,
        of: PromptRef,
        draft: PromptDraft,
    ) -> impl Future<Output = Result<Put<PromptView>, Refusal>> + Send;

    /// Gives a version to all, or to some.
    fn promote_prompt(
        &self,
        of: PromptRef,
        wish: PromptPromotion,
    ) -> impl Future<Output = Result<PromptView, Refusal>> + Send;

    /// Ends a canary, or goes back to a version.
    fn roll_back_prompt(
        &self,
        of: PromptRef,
        wish: PromptRollBack,
    ) -> impl Future<Output = Result<PromptView, Refusal>> + Send;

    /// Removes a prompt with its versions.
    fn remove_prompt(&self, of: PromptRef) -> impl Future<Output = Result<(), Refusal>> + Send;
}
