//! Port: rules, asked and changed.

use std::future::Future;

use bytes::Bytes;
use wharf_event::{BusName, RuleName, TenantName};

use super::{Expected, Refusal};
use crate::view::{PatternVerdict, RuleView};

/// One rule by its names. The name of a rule is unique among all of its tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRef {
    /// Whose rule.
    pub tenant: TenantName,
    /// The bus that it listens on.
    pub bus: BusName,
    /// The rule.
    pub rule: RuleName,
}

/// A rule that was put.
#[derive(Clone, Debug)]
pub struct RulePut {
    /// The rule as it is from now on.
    pub rule: RuleView,
    /// Whether there was none of that name.
    pub created: bool,
}

/// Asks, reads and changes a tenant's rules. A change holds for every event that is accepted after its answer.
pub trait Rules: Clone + Send + Sync + 'static {
    /// Whether a pattern matches an event, and why: `question` is `{"pattern": …, "event": …}` as it was sent, so that both
    /// count as they are spelled.
    fn test(
        &self,
        tenant: &TenantName,
        question: Bytes,
    ) -> impl Future<Output = Result<PatternVerdict, Refusal>> + Send;

    /// The rules of a bus by name, those behind `after` only, at most `limit`. Only an empty page is the end.
    fn rules(
        &self,
        tenant: &TenantName,
        bus: &BusName,
        after: Option<RuleName>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<RuleView>, Refusal>> + Send;

    /// One rule.
    fn rule(&self, of: RuleRef) -> impl Future<Output = Result<RuleView, Refusal>> + Send;

    /// Puts a rule in the place of the one that has its name: `document` is JSON as it was sent. An equal one changes nothing.
    fn put_rule(
        &self,
        of: RuleRef,
        document: Bytes,
        expected: Expected,
    ) -> impl Future<Output = Result<RulePut, Refusal>> + Send;

    /// Removes a rule.
    fn remove_rule(&self, of: RuleRef, expected: Expected) -> impl Future<Output = Result<(), Refusal>> + Send;
}
