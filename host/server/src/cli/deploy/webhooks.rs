//! Webhooks of a file beside those of a host.
//!
//! Invariant: secrets are in neither. Values of headers are not told by a host, so those with the same names count as equal.

use std::collections::BTreeMap;

use serde::Serialize;
use wharf_delivery::WebhookDocument;
use wharf_event::{Code, WebhookName};
use wharf_gateway::view::{BreakerView, RuleOrigin, WebhookView};

use super::{
    super::{error::CommandError, words::printable},
    compare::{Comparison, json},
    plan::{Action, Kind, Work},
};
use crate::{adapter::shown, config::duration_text};

/// A webhook as it is put.
#[derive(Serialize)]
struct Body<'a> {
    url: &'a str,
    mode: &'static str,
    headers: &'a BTreeMap<String, String>,
    timeout: String,
    concurrency: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts_per_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backlog: Option<u32>,
    networks: &'a [String],
    disable_after: String,
    breaker: BreakerView,
}

impl<'a> From<&'a WebhookDocument> for Body<'a> {
    fn from(from: &'a WebhookDocument) -> Self {
        Self {
            url: &from.url,
            mode: from.mode.as_str(),
            headers: &from.headers,
            timeout: duration_text(from.timeout_ms.into()),
            concurrency: from.concurrency,
            attempts_per_s: from.per_s,
            backlog: from.backlog,
            networks: &from.networks,
            disable_after: duration_text(from.disable_after_ms),
            breaker: shown::breaker(&from.breaker.unwrap_or_default()),
        }
    }
}

impl Comparison<'_> {
    /// Compares one webhook.
    pub(super) fn webhook(&mut self, name: &WebhookName, wanted: &WebhookDocument) -> Result<(), CommandError> {
        let body = Body::from(wanted);
        let Some(there) = self.there.webhooks.get(name) else {
            let detail = format!("{}; `wharf webhook rotate {name}` tells a secret", printable(&wanted.url));
            let work = Work::Webhook { webhook: name.clone(), body: json(&body)?, seen: None };
            self.step(Kind::Webhook, name, Action::Add, detail, work);
            return Ok(());
        };
        let parts = between(there, &body);
        if parts.is_empty() {
            self.plan.unchanged += 1;
        } else if there.origin == RuleOrigin::File {
            self.of_file(Kind::Webhook, name, Code::WebhookOfFile, &parts.join(", "));
        } else {
            let work = Work::Webhook { webhook: name.clone(), body: json(&body)?, seen: there.version };
            self.step(Kind::Webhook, name, Action::Change, parts.join(", "), work);
        }
        Ok(())
    }
}

/// What becomes different.
fn between(there: &WebhookView, wanted: &Body<'_>) -> Vec<&'static str> {
    let parts = [
        ("url", there.url == wanted.url),
        ("mode", there.mode == wanted.mode),
        ("headers", there.headers.iter().eq(wanted.headers.keys())),
        ("timeout", there.timeout == wanted.timeout),
        ("concurrency", there.concurrency == wanted.concurrency),
        ("attempts_per_s", there.attempts_per_s == wanted.attempts_per_s),
        ("backlog", there.backlog == wanted.backlog),
        ("networks", there.networks == wanted.networks),
        ("disable_after", there.disable_after == wanted.disable_after),
        ("breaker", there.breaker == wanted.breaker),
    ];
    parts.into_iter().filter(|(_, same)| !same).map(|(part, _)| part).collect()
}
