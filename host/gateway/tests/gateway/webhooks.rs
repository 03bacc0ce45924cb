//! Webhooks are listed, shown, put, turned and removed as the host says. The made-up host has one in its file, `filed`.

use bytes::Bytes;
use serde_json::Value;
use wharf_event::{Code, TenantName, WebhookName};
use wharf_gateway::view::{BreakerView, RuleOrigin, SecretView, WebhookRotation, WebhookView};
use wharf_gateway::{Expected, Put, Refusal, WebhookRef, Webhooks};

use crate::client::{delete, get, post, put};
use crate::host::{FakeHost, paged, position, tenant_is_known};
use crate::server::Server;

fn view(webhook: &WebhookName, origin: RuleOrigin, version: usize) -> WebhookView {
    let since = "2026-01-02T03:04:05Z".to_owned();
    WebhookView {
        webhook: webhook.clone(),
        origin,
        version: Some(position(version)),
        url: "https://example.com/".to_owned(),
        mode: "structured".to_owned(),
        headers: vec!["x-key".to_owned()],
        timeout: "15s".to_owned(),
        concurrency: 8,
        attempts_per_s: None,
        backlog: None,
        networks: Vec::new(),
        disable_after: "5d".to_owned(),
        breaker: BreakerView {
            enabled: true,
            failures: 10,
            share: 50,
            calls: 20,
            within: "1m".to_owned(),
            open: "10s".to_owned(),
            open_max: "10m".to_owned(),
        },
        breaker_state: None,
        enabled: true,
        disabled: None,
        failing_since: None,
        secrets: vec![SecretView { scheme: "v1".to_owned(), since, until: None, public: None }],
        secret: None,
    }
}

fn known(of: &WebhookRef) -> Result<WebhookView, Refusal> {
    tenant_is_known(&of.tenant)?;
    match of.webhook.as_str() {
        "filed" => Ok(view(&of.webhook, RuleOrigin::File, 0)),
        "made" => Ok(view(&of.webhook, RuleOrigin::Api, 1)),
        _ => Err(Refusal::new(Code::WebhookUnknown, "the made-up host has none")),
    }
}

impl Webhooks for FakeHost {
    async fn webhooks(
        &self,
        tenant: &TenantName,
        after: Option<WebhookName>,
        limit: u32,
    ) -> Result<Vec<WebhookView>, Refusal> {
        tenant_is_known(tenant)?;
        let all = vec![view(&"filed".parse().unwrap(), RuleOrigin::File, 0)];
        Ok(paged(all, |one| &one.webhook, after.as_ref(), limit))
    }

    async fn webhook(&self, of: WebhookRef) -> Result<WebhookView, Refusal> {
        known(&of)
    }

    async fn put_webhook(
        &self,
        of: WebhookRef,
        document: Bytes,
        expected: Expected,
    ) -> Result<Put<WebhookView>, Refusal> {
        tenant_is_known(&of.tenant)?;
        if of.webhook.as_str() == "filed" {
            return Err(Refusal::new(Code::WebhookOfFile, "it stands in the file"));
        }
        let document: Value =
            serde_json::from_slice(&document).map_err(|error| Refusal::new(Code::WebhookInvalid, error.to_string()))?;
        if expected == Expected::Absent && of.webhook.as_str() == "made" {
            return Err(Refusal::new(Code::VersionConflict, "there is one"));
        }
        let created = of.webhook.as_str() != "made";
        let url = document["url"].as_str().unwrap_or_default().to_owned();
        let secret = created.then(|| "whsec_once".to_owned());
        Ok(Put { now: WebhookView { url, secret, ..view(&of.webhook, RuleOrigin::Api, 2) }, created })
    }

    async fn remove_webhook(&self, of: WebhookRef, _: Expected) -> Result<(), Refusal> {
        match known(&of)?.origin {
            RuleOrigin::File => Err(Refusal::new(Code::WebhookOfFile, "it stands in the file")),
            RuleOrigin::Api => Ok(()),
        }
    }

    async fn rotate_webhook(&self, of: WebhookRef, rotation: WebhookRotation) -> Result<WebhookView, Refusal> {
        let secret = rotation.secret.or(rotation.scheme);
        Ok(WebhookView { secret, ..known(&of)? })
    }

    async fn turn_webhook(&self, of: WebhookRef, on: bool) -> Result<WebhookView, Refusal> {
        Ok(WebhookView { enabled: on, ..known(&of)? })
    }
}

const ALL: &str = "/v1/tenants/acme/webhooks";

#[tokio::test]
async fn a_webhook_is_put_with_a_secret_that_is_told_once_and_kept_by_nobody() {
    let server = Server::start().await;
    let all: Vec<WebhookView> = get(ALL).send(server.addr).await.json(200);
    assert_eq!((all.len(), all[0].webhook.as_str()), (1, "filed"));
    let made = put(format!("{ALL}/new"), r#"{"url": "https://a.test/"}"#).send(server.addr).await;
    assert_eq!(made.json::<WebhookView>(201).secret.as_deref(), Some("whsec_once"));
    let heads = ["location", "cache-control", "etag"].map(|name| made.header(name).map(str::to_owned));
    let path = format!("{ALL}/new");
    assert_eq!(heads.each_ref().map(Option::as_deref), [Some(path.as_str()), Some("no-store"), Some("\"3-0\"")]);
    let again = put(format!("{ALL}/made"), r#"{"url": "https://b.test/"}"#).send(server.addr).await;
    let view: WebhookView = again.json(200);
    assert_eq!((view.url.as_str(), view.secret, again.header("cache-control")), ("https://b.test/", None, None));
    let rotated =
        post(format!("{ALL}/filed/rotate"), "application/json", r#"{"scheme": "v1a"}"#).send(server.addr).await;
    assert_eq!(rotated.json::<WebhookView>(200).secret.as_deref(), Some("v1a"));
    for (verb, enabled) in [("enable", true), ("disable", false)] {
        let turned = post(format!("{ALL}/filed/{verb}"), "application/json", "{}").send(server.addr).await;
        assert_eq!(turned.json::<WebhookView>(200).enabled, enabled);
    }
    assert_eq!(delete(format!("{ALL}/made")).send(server.addr).await.status, 204);
}

#[tokio::test]
async fn what_cannot_be_done_to_a_webhook_has_its_code() {
    let server = Server::start().await;
    let json = "application/json";
    for (request, code) in [
        (get(format!("{ALL}/none")), Code::WebhookUnknown),
        (get(format!("{ALL}/NONE")), Code::WebhookUnknown),
        (put(format!("{ALL}/NONE"), "{}"), Code::WebhookInvalid),
        (put(format!("{ALL}/new"), "no"), Code::WebhookInvalid),
        (put(format!("{ALL}/filed"), "{}"), Code::WebhookOfFile),
        (put(format!("{ALL}/made"), "{}").with("if-none-match", "*"), Code::VersionConflict),
        (delete(format!("{ALL}/filed")), Code::WebhookOfFile),
        (delete(format!("{ALL}/none")), Code::WebhookUnknown),
        (post(format!("{ALL}/made/rotate"), json, r#"{"more": 1}"#), Code::QueryInvalid),
        (post(format!("{ALL}/made/rotate"), "text/plain", "{}"), Code::ContentTypeUnsupported),
        (post(format!("{ALL}/none/enable"), json, "{}"), Code::WebhookUnknown),
    ] {
        request.send(server.addr).await.refused(code);
    }
}
