//! How a webhook gets its events. What a webhook is, `wharf-webhook` knows.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// How an event is put into a request (CloudEvents 1.0.2, HTTP protocol binding).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookMode {
    /// All of it is the body, as JSON.
    #[default]
    Structured,
    /// Its payload is the body, its attributes are headers.
    Binary,
}

/// A word that is no mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a webhook's mode is `structured` or `binary`")]
pub struct NoWebhookMode;

impl WebhookMode {
    /// All modes.
    pub const ALL: [Self; 2] = [Self::Structured, Self::Binary];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Structured => "structured",
            Self::Binary => "binary",
        }
    }
}

impl FromStr for WebhookMode {
    type Err = NoWebhookMode;

    fn from_str(text: &str) -> Result<Self, NoWebhookMode> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text).ok_or(NoWebhookMode)
    }
}

impl fmt::Display for WebhookMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
