//! A webhook as the log keeps it: where it leads, its secrets, and whether it is on. What a secret or an address means is not known here.
//!
//! Invariant: a webhook of the configuration file has its settings there and everything else in its control object, so that a secret never
//! stands in a file, and what happened to it outlives a restart.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use wharf_event::{Code, WebhookMode};

use crate::BreakerDocument;

/// Where a webhook leads, and how it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookDocument {
    /// The address that events are sent to.
    pub url: String,
    /// How an event is put into a request.
    pub mode: WebhookMode,
    /// Fields that are sent beside those of the event.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// How long an attempt may take, in milliseconds.
    pub timeout_ms: u32,
    /// Attempts at a time.
    pub concurrency: u32,
    /// Attempts that may begin in a second, where that is bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_s: Option<u32>,
    /// Networks that it may reach though they are not public, as far as the operator grants them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<String>,
    /// How long nothing but failures may come until it is disabled, in milliseconds.
    pub disable_after_ms: u64,
    /// Deliveries to it that may wait, where that is bounded by more than its tenant's backlog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog: Option<u32>,
    /// Its circuit breaker, where that is another one than the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerDocument>,
}

/// The document of a control object: a webhook, or what is kept of one whose settings stand in the configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookObject {
    /// Where it leads; absent where that stands in the configuration file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<WebhookDocument>,
    /// What it signs with: the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<WebhookSecret>,
    /// Why it is off; absent where it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<WebhookDisabled>,
    /// Since when nothing but failures came, in milliseconds since 1970. It is only written where that is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since_ms: Option<u64>,
}

/// A secret of a webhook.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSecret {
    /// The secret, sealed. (Hosts of before kept it as Standard Webhooks writes it, in the clear.)
    pub secret: String,
    /// How it signs: `v1` or `v1a`. Absent only where the secret is in the clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// What others verify with, if that is another key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<String>,
    /// When it came, in milliseconds since 1970.
    pub since_ms: u64,
    /// Until when it signs, in milliseconds since 1970; absent for the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSecret").field("since_ms", &self.since_ms).field("until_ms", &self.until_ms).finish()
    }
}

/// Why a webhook is off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookDisabled {
    /// Since when, in milliseconds since 1970.
    pub at_ms: u64,
    /// What the last attempt ended with; absent where somebody disabled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Why, in words.
    pub reason: String,
}

impl WebhookObject {
    /// The secrets that sign at a time, in milliseconds since 1970, the newest first.
    pub fn secrets_at(&self, now_ms: u64) -> impl Iterator<Item = &WebhookSecret> {
        self.secrets.iter().filter(move |secret| secret.until_ms.is_none_or(|until_ms| now_ms < until_ms))
    }

    /// Gives it another secret. The one that it had signs on for `overlap_ms` from then on; older ones go.
    pub fn rotate(&mut self, secret: WebhookSecret, overlap_ms: u64) {
        self.secrets.truncate(1);
        for before in &mut self.secrets {
            before.until_ms = Some(secret.since_ms.saturating_add(overlap_ms));
        }
        self.secrets.insert(0, secret);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_secrets_sign_while_one_follows_the_other() {
        let mut webhook = WebhookObject::default();
        let signing = |webhook: &WebhookObject, now_ms| -> Vec<String> {
            webhook.secrets_at(now_ms).map(|it| it.secret.clone()).collect()
        };
        let secret = |text: &str, since_ms| WebhookSecret {
            secret: text.to_owned(),
            scheme: None,
            public: None,
            since_ms,
            until_ms: None,
        };
        webhook.rotate(secret("one", 1_000), 500);
        assert_eq!(signing(&webhook, 1_000_000), ["one"]);
        webhook.rotate(secret("two", 2_000), 500);
        assert_eq!(
            (signing(&webhook, 2_499), signing(&webhook, 2_500)),
            (vec!["two".into(), "one".into()], vec!["two".into()])
        );
        webhook.rotate(secret("three", 2_100), 500);
        assert_eq!(signing(&webhook, 2_200), ["three", "two"], "never more than two");
        webhook.rotate(secret("four", 2_300), 0);
        assert_eq!(signing(&webhook, 2_300), ["four"], "one that is known to others is gone at once");
        assert!(!format!("{webhook:?}").contains("four"));
    }
}
