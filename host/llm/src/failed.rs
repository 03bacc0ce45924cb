//! Why there is no answer, and what to do about that.
//!
//! Invariant: what to do follows from the variant alone, so that every provider's errors lead to the same retries and fallbacks.

use std::time::Duration;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// No grant, or no route.
    #[error("{0}")]
    Denied(String),
    /// Too many calls.
    #[error("too many calls of the model at this time{}", after(.0))]
    RateLimited(Option<Duration>),
    /// Too much to do, or not to be reached.
    #[error("the model has too much to do: {0}")]
    Overloaded(String),
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// More than the model can read.
    #[error("it is more than the model can read: {0}")]
    ContextTooLong(String),
    /// The provider would not let it be answered.
    #[error("the provider does not let the model answer: {0}")]
    ContentFiltered(String),
    /// A guardrail stopped it.
    #[error("a guardrail stopped it: {0}")]
    GuardrailBlocked(String),
    /// Nothing is left.
    #[error("{0}")]
    BudgetExceeded(String),
    /// It has no price.
    #[error("{0}")]
    Unpriced(String),
    /// A bound of the attempt.
    #[error("{0}")]
    Limit(String),
    /// It cannot be asked like this.
    #[error("{0}")]
    Invalid(String),
    /// The provider cannot do it.
    #[error("{0}")]
    Unsupported(String),
    /// Anything else that the provider said.
    #[error("{0}")]
    Provider(String),
}

fn after(wait: &Option<Duration>) -> String {
    wait.map_or_else(String::new, |wait| format!(", another may do in {} ms", wait.as_millis()))
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The same model once more, after a while; then another one.
    Retry(Option<Duration>),
    /// Another model: this one will say the same.
    Fallback,
    /// Nothing: no model would do, or none should.
    Stop,
}

impl Failed {
    /// Its name, as the contract has it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::RateLimited(_) => "rate-limited",
            Self::Overloaded(_) => "overloaded",
            Self::Timeout => "timeout",
            Self::ContextTooLong(_) => "context-too-long",
            Self::ContentFiltered(_) => "content-filtered",
            Self::GuardrailBlocked(_) => "guardrail-blocked",
            Self::BudgetExceeded(_) => "budget-exceeded",
            Self::Unpriced(_) => "unpriced",
            Self::Limit(_) => "limit",
            Self::Invalid(_) => "invalid",
            Self::Unsupported(_) => "unsupported",
            Self::Provider(_) => "provider",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn next(&self) -> Next {
        match self {
            Self::RateLimited(after) => Next::Retry(*after),
            Self::Overloaded(_) => Next::Retry(None),
            // The time of one model is spent; another may be faster.
            Self::Timeout | Self::ContextTooLong(_) | Self::Unsupported(_) | Self::Provider(_) => Next::Fallback,
            Self::Denied(_)
            | Self::ContentFiltered(_)
            | Self::GuardrailBlocked(_)
            | Self::BudgetExceeded(_)
            | Self::Unpriced(_)
            | Self::Limit(_)
            | Self::Invalid(_) => Next::Stop,
        }
    }
}
