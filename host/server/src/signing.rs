//! The signing secrets of webhooks: sealed on their way in, opened where a request leaves.
//!
//! Invariant: a secret is in the clear from its opening to the signature, and in the one answer that tells it to whoever had it made. What hosts
//! of before kept in the clear is sealed by [`resealed`] before anything is sent.

use wharf_delivery::WebhookSecret;
use wharf_dispatch::{NoAnswer, OutgoingRequest};
use wharf_event::{Code, TenantName, WebhookName};
use wharf_vault::{Key, SealError, Sealer as _, Value};
use wharf_webhook::Secret;

/// What a secret of a webhook is sealed for: no name of a secret has a `/`.
fn place(tenant: &TenantName, webhook: &WebhookName) -> String {
    format!("{tenant}/webhook/{webhook}")
}

/// A secret as the log keeps it, from a time on, in milliseconds since 1970.
///
/// # Errors
/// When it cannot be sealed.
pub fn kept(
    key: &Key,
    (tenant, webhook): (&TenantName, &WebhookName),
    secret: &Secret,
    since_ms: u64,
) -> Result<WebhookSecret, SealError> {
    let value = Value::new(secret.reveal().as_bytes().to_vec());
    Ok(WebhookSecret {
        secret: key.seal(&place(tenant, webhook), &value)?,
        scheme: Some(secret.scheme().as_str().to_owned()),
        public: secret.public(),
        since_ms,
        until_ms: None,
    })
}

/// The same secret sealed, where a host of before kept it in the clear; absent where it is sealed.
///
/// # Errors
/// When it cannot be sealed.
pub fn resealed(
    key: &Key,
    of: (&TenantName, &WebhookName),
    before: &WebhookSecret,
) -> Result<Option<WebhookSecret>, SealError> {
    let Ok(secret) = before.secret.parse::<Secret>() else { return Ok(None) };
    let sealed = kept(key, of, &secret, before.since_ms)?;
    Ok(Some(WebhookSecret { until_ms: before.until_ms, ..sealed }))
}

/// Opens the secrets of a request and signs it with them.
///
/// # Errors
/// When one does not open: then nothing is sent.
pub fn sign(request: &mut OutgoingRequest, key: Result<&Key, SealError>) -> Result<(), NoAnswer> {
    let closed = |why: String| NoAnswer {
        code: Code::SecretClosed,
        reason: format!("the webhook's secret cannot be used: {why}"),
    };
    let key = key.map_err(|error| closed(error.to_string()))?;
    let place = place(&request.tenant, &request.webhook);
    let opened = |sealed: &String| {
        let value = key.open(&place, sealed).map_err(|error| closed(error.to_string()))?;
        let text = str::from_utf8(value.reveal()).map_err(|_| closed("it is no text".to_owned()))?;
        text.parse::<Secret>().map_err(|error| closed(error.to_string()))
    };
    let secrets = request.secrets.iter().map(opened).collect::<Result<Vec<_>, _>>()?;
    request.message.sign(&secrets);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use wharf_event::{Event, WebhookMode};
    use wharf_webhook::Message;

    use super::*;

    fn names() -> (TenantName, WebhookName) {
        ("acme".parse().unwrap(), "crm".parse().unwrap())
    }

    fn request(secrets: Vec<String>) -> OutgoingRequest {
        let event = json!({"specversion": "1.0", "id": "1", "source": "/a", "type": "t"}).to_string();
        let event = Event::from_json(&event.into()).unwrap();
        let (tenant, webhook) = names();
        OutgoingRequest {
            tenant,
            webhook,
            url: "https://a.test/".to_owned(),
            message: Message::of(&event, WebhookMode::Structured, "1-2-0".to_owned(), 1_700_000_000),
            secrets,
            networks: Vec::new(),
            timeout: Duration::from_secs(1),
            keep_bytes: 1,
        }
    }

    #[test]
    fn a_secret_signs_for_its_webhook_under_its_key_only() {
        let (tenant, webhook) = names();
        let (key, other) = (Key::random().unwrap(), Key::random().unwrap());
        let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let sealed = kept(&key, (&tenant, &webhook), &secret, 7).unwrap();
        assert!(!sealed.secret.contains("MfKQ9r8G") && sealed.scheme.as_deref() == Some("v1"));
        let (mut signed, mut expected) = (request(vec![sealed.secret.clone()]), request(Vec::new()));
        sign(&mut signed, Ok(&key)).unwrap();
        expected.message.sign([&secret]);
        assert_eq!(signed.message, expected.message);
        let closed = |mut request: OutgoingRequest, key: Result<&Key, SealError>| {
            let before = request.message.clone();
            let failed = sign(&mut request, key).unwrap_err();
            assert_eq!(request.message, before, "what is not signed by all is not signed");
            failed.code
        };
        assert_eq!(closed(request(vec![sealed.secret.clone()]), Ok(&other)), Code::SecretClosed);
        assert_eq!(closed(request(vec![sealed.secret.clone()]), Err(SealError::NoKey)), Code::SecretClosed);
        let elsewhere = kept(&key, (&tenant, &"erp".parse().unwrap()), &secret, 7).unwrap();
        assert_eq!(closed(request(vec![sealed.secret, elsewhere.secret]), Ok(&key)), Code::SecretClosed);
    }

    #[test]
    fn what_was_kept_in_the_clear_is_sealed_once() {
        let (tenant, webhook) = names();
        let key = Key::random().unwrap();
        let secret = Secret::signing(&[3; 32]);
        let before = WebhookSecret {
            secret: secret.reveal().to_string(),
            scheme: None,
            public: None,
            since_ms: 5,
            until_ms: Some(9),
        };
        let sealed = resealed(&key, (&tenant, &webhook), &before).unwrap().unwrap();
        assert_eq!((sealed.since_ms, sealed.until_ms, &sealed.public), (5, Some(9), &secret.public()));
        assert!(!sealed.secret.contains("whsk_"));
        assert_eq!(resealed(&key, (&tenant, &webhook), &sealed).unwrap(), None);
    }
}
