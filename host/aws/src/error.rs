//! Why there are no credentials.
//!
//! Invariant: what it says to whoever asked, who may be a tenant's plugin, is what to do; what the source said of the host's roles, files and accounts
//! is for the operator only, and of what was answered there are the words of an error and no more.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;

use crate::{limits::WHY_CHARS_MAX, source::Source};

/// Why there are no credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// Nothing says that it would have any.
    #[error("there are no credentials for AWS in {}; {}", .of.place(), .of.help())]
    Absent {
        /// Where.
        of: Source,
        /// What it says.
        why: String,
    },
    /// What says where they are cannot be used.
    #[error("what is said of credentials for AWS in {} cannot be used; the host's log says why", .of.place())]
    Wrong {
        /// Where.
        of: Source,
        /// What it says.
        why: String,
    },
    /// It was asked, and gave none.
    #[error("no credentials for AWS were given by {}; the host's log says why", .of.place())]
    Failed {
        /// Where.
        of: Source,
        /// What it says.
        why: String,
    },
    /// It took too long.
    #[error("no credentials for AWS were given by {} within {ms} ms; {}", .of.place(), .of.help())]
    Late {
        /// Where.
        of: Source,
        /// How long was waited.
        ms: u128,
    },
}

impl NotFound {
    /// What the source said: for the operator.
    pub(crate) fn why(&self) -> &str {
        match self {
            Self::Absent { why, .. } | Self::Wrong { why, .. } | Self::Failed { why, .. } => why,
            Self::Late { .. } => "",
        }
    }

    pub(crate) fn new(of: Source, error: &CredentialsError) -> Self {
        let why = why(error);
        match error {
            CredentialsError::CredentialsNotLoaded(_) => Self::Absent { of, why },
            CredentialsError::InvalidConfiguration(_) => Self::Wrong { of, why },
            CredentialsError::ProviderTimedOut(after) => Self::Late { of, ms: after.timeout_duration().as_millis() },
            _ => Self::Failed { of, why },
        }
    }
}

/// What an error says, with what lies behind it. What it would say in its `Debug` is told nowhere: answers stand there as they came.
fn why(error: &CredentialsError) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next: Option<&dyn Error> = error.source();
    while let Some(error) = next {
        let said = error.to_string();
        // Some of them repeat what lies behind them.
        if !parts.iter().any(|part| part.contains(&said)) {
            parts.push(said);
        }
        next = error.source();
    }
    let whole = if parts.is_empty() { error.to_string() } else { parts.join(": ") };
    whole.chars().take(WHY_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_says_what_to_do_and_why_is_for_the_operator() {
        let of = Source::Environment;
        let absent = NotFound::new(of, &CredentialsError::not_loaded("environment variable not set"));
        assert_eq!(
            absent.to_string(),
            "there are no credentials for AWS in the host's variables; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        );
        assert_eq!(absent.why(), "environment variable not set");
        let inner = CredentialsError::provider_error("status 500");
        let failed = NotFound::new(Source::Container, &CredentialsError::provider_error(inner));
        assert_eq!(
            failed.to_string(),
            "no credentials for AWS were given by the host's container; the host's log says why"
        );
        assert_eq!(failed.why(), "an error occurred while loading credentials: status 500");
        let long = NotFound::new(of, &CredentialsError::unhandled("x".repeat(WHY_CHARS_MAX + 1)));
        assert_eq!(long, NotFound::Failed { of, why: "x".repeat(WHY_CHARS_MAX) });
    }
}
