//! Webhooks as JSON. Invariant: a secret is shown once, in the answer to whoever had it made; values of headers never.

use serde::{Deserialize, Serialize};
use wharf_event::{Code, Position, WebhookName};

use super::RuleOrigin;

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookView {
    /// Its name.
    pub webhook: WebhookName,
    /// Where its settings were made.
    pub origin: RuleOrigin,
    /// The version of what is kept of it, as it is in its ETag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Position>,
    /// The address that events are sent to.
    pub url: String,
    /// How an event is put into a request: `structured` or `binary`.
    pub mode: String,
    /// The names of further headers.
    pub headers: Vec<String>,
    /// How long an attempt may take.
    pub timeout: String,
    /// Attempts at a time.
    pub concurrency: u32,
    /// Attempts that may begin in a second, where that is bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts_per_s: Option<u32>,
    /// Deliveries to it that may wait, where that is bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog: Option<u32>,
    /// Networks that it may reach though they are not public.
    pub networks: Vec<String>,
    /// How long nothing but failures may come until it is disabled.
    pub disable_after: String,
    /// Its circuit breaker.
    pub breaker: super::BreakerView,
    /// Where that stands; absent where nothing was sent since the host started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker_state: Option<super::BreakerStanding>,
    /// Whether it sends.
    pub enabled: bool,
    /// Why it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<DisabledView>,
    /// Since when nothing but failures came, where that is long already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<String>,
    /// What it signs with, the newest first.
    pub secrets: Vec<SecretView>,
    /// The secret that was made just now: it is told this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// Why a webhook does not send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisabledView {
    /// Since when, in RFC 3339.
    pub since: String,
    /// What its last attempt ended with; absent where somebody disabled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Why, in words.
    pub reason: String,
}

/// What is told of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretView {
    /// How it signs: `v1` or `v1a`.
    pub scheme: String,
    /// Since when, in RFC 3339.
    pub since: String,
    /// Until when, where another one followed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The public key that receivers verify with, of `v1a`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<String>,
}

/// The wish for another secret.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookRotation {
    /// How it is to sign: `v1` (the default) or `v1a`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// The secret, where it is not to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// How long the one before signs on; a day by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<String>,
}

impl std::fmt::Debug for WebhookRotation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookRotation").field("scheme", &self.scheme).field("overlap", &self.overlap).finish()
    }
}
