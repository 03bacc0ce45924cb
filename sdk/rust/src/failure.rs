//! How a handler says that an attempt did not succeed.
//!
//! Invariant: whatever goes wrong without a word about it, by `?`, is a wish to be tried again; only the author can say that an
//! event is hopeless.
//!
//! It does not decide what happens next: the target's retry policy does.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::bindings::wharf::plugin::types;

/// What a handler returns: nothing, or why not.
pub type Outcome = Result<(), Failure>;

/// Why an attempt did not succeed. Nothing that the attempt published or stored is kept.
///
/// Every error converts into a retry whose reason is the error's message with those of its sources, so `?` does what one wants
/// most of the time:
///
/// ```
/// use wharf::Failure;
///
/// fn parse(text: &str) -> Result<u32, Failure> {
///     Ok(text.parse()?)
/// }
///
/// assert_eq!(parse("twelve"), Err(Failure::retry("invalid digit found in string")));
/// ```
// It is no `std::error::Error`: that is what lets every error convert into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Try this event again, until the target's retry policy is spent.
    Retry {
        /// How long to wait at least; `None` leaves it to the retry policy.
        after: Option<Duration>,
        /// For the people who read the attempt's record.
        reason: String,
    },
    /// This event can never succeed here: it goes to the dead-letter queue now.
    Reject {
        /// For the people who read the dead-letter queue.
        reason: String,
    },
}

impl Failure {
    /// Try again, when the target's retry policy says.
    pub fn retry(reason: impl fmt::Display) -> Self {
        Self::Retry { after: None, reason: reason.to_string() }
    }

    /// Try again, but not before `after` has passed. The host counts in milliseconds and rounds up.
    pub fn retry_after(after: Duration, reason: impl fmt::Display) -> Self {
        Self::Retry { after: Some(after), reason: reason.to_string() }
    }

    /// Never try this event again: it cannot succeed here.
    pub fn reject(reason: impl fmt::Display) -> Self {
        Self::Reject { reason: reason.to_string() }
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            reason.push_str(": ");
            reason.push_str(&inner.to_string());
            source = inner.source();
        }
        Self::Retry { after: None, reason }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry { after: None, reason } => write!(f, "retry: {reason}"),
            Self::Retry { after: Some(after), reason } => write!(f, "retry after {after:?}: {reason}"),
            Self::Reject { reason } => write!(f, "reject: {reason}"),
        }
    }
}

/// The failure as the contract has it. (A plain function, since `From` is taken by every error.)
pub(crate) fn to_contract(failure: Failure) -> types::Failure {
    match failure {
        Failure::Retry { after, reason } => {
            types::Failure::Retry(types::RetryRequest { after_ms: after.map(whole_ms), reason })
        }
        Failure::Reject { reason } => types::Failure::Reject(reason),
    }
}

/// A length of time in milliseconds, rounded up: a wait is never shorter than what was asked for.
fn whole_ms(length: Duration) -> u64 {
    u64::try_from(length.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the order was not read")]
    struct Outer {
        source: std::num::ParseIntError,
    }

    #[test]
    fn an_error_becomes_a_retry_with_the_messages_of_its_sources() {
        let source = "x".parse::<u32>().unwrap_err();
        let failure = Failure::from(Outer { source });
        assert_eq!(failure, Failure::retry("the order was not read: invalid digit found in string"));
    }

    #[test]
    fn a_wait_is_rounded_up_to_whole_milliseconds() {
        for (length, ms) in [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_millis(50), 50),
            (Duration::from_micros(50_001), 51),
            (Duration::MAX, u64::MAX),
        ] {
            assert_eq!(whole_ms(length), ms, "{length:?}");
        }
    }

    #[test]
    fn failures_keep_their_kind_and_reason_on_the_way_to_the_host() {
        assert!(matches!(to_contract(Failure::reject("no")), types::Failure::Reject(reason) if reason == "no"));
        let types::Failure::Retry(wish) = to_contract(Failure::retry("later")) else { panic!("not a retry") };
        assert_eq!((wish.after_ms, wish.reason.as_str()), (None, "later"));
    }
}
