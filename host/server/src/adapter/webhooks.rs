//! Port: a tenant's webhooks.
//!
//! Invariant: a secret is told once, to whoever had it made. What stands in the configuration file is never changed here; the secrets of
//! such a webhook, and whether it is on, are.

use std::time::Duration;

use bytes::Bytes;
use wharf_delivery::{
    Object, ObjectFate, ObjectKind, ObjectName, ObjectWish, WebhookDisabled, WebhookObject, WebhookSecret,
};
use wharf_dispatch::{Dispatcher, Origin, WebhookEditError, WebhookInForce, rfc3339};
use wharf_event::{Code, Position, Target, TenantName, WebhookName};
use wharf_gateway::{
    Expected, Put, Refusal, WebhookRef, Webhooks,
    view::{DisabledView, SecretView, WebhookRotation, WebhookView},
};
use wharf_vault::SealError;
use wharf_webhook::{Scheme, Secret, SecretError, limits::SHARED_BYTES_MADE};

use super::{
    HostAdapter,
    page::is_behind,
    registry_view, rules,
    tenants::{made, must_hold, not_changed},
    was_read,
};
use crate::{
    config::{duration_text, parse_duration, read_webhook},
    outside::Outside,
    signing::{kept, resealed},
};

/// How long a secret signs on beside its successor, where nothing is said, and at most.
const OVERLAP: Duration = Duration::from_hours(24);
const OVERLAP_MAX: Duration = Duration::from_hours(30 * 24);

impl Webhooks for HostAdapter {
    async fn webhooks(
        &self,
        tenant: &TenantName,
        after: Option<WebhookName>,
        limit: u32,
    ) -> Result<Vec<WebhookView>, Refusal> {
        self.known(tenant)?;
        let set = self.dispatcher.rules();
        let behind = set.webhooks(tenant).filter(|(name, _)| is_behind(*name, after.as_ref()));
        Ok(behind.take(limit as usize).map(|(name, webhook)| view(name, webhook, None)).collect())
    }

    async fn webhook(&self, of: WebhookRef) -> Result<WebhookView, Refusal> {
        self.known(&of.tenant)?;
        let held = self.held_webhook(&of).await?;
        self.now(&of, held.map(|held| held.version))
    }

    async fn put_webhook(
        &self,
        of: WebhookRef,
        document: Bytes,
        expected: Expected,
    ) -> Result<Put<WebhookView>, Refusal> {
        self.known(&of.tenant)?;
        let settings = read_webhook(&document, &of.webhook, &self.outside.granted()).map_err(rules::wrong)?;
        let name = ObjectName::from(&of.webhook);
        loop {
            let set = self.dispatcher.rules();
            let there = set.webhook(&of.tenant, &of.webhook);
            if there.is_some_and(|webhook| webhook.origin == Origin::File) {
                let detail = format!(
                    "webhook `{}` stands in the configuration file: change it there, and start the host again",
                    of.webhook
                );
                return Err(Refusal::new(Code::WebhookOfFile, detail));
            }
            let (held, created) = (self.held_webhook(&of).await?, there.is_none());
            must_hold(expected, held.as_ref().filter(|_| !created), &format!("webhook `{}`", of.webhook))?;
            let mut object = held.as_ref().map(read).transpose()?.unwrap_or_default();
            // Somebody else has failed nothing yet.
            let leads_elsewhere = object.settings.as_ref().is_none_or(|before| before.url != settings.url);
            object.failing_since_ms = object.failing_since_ms.filter(|_| !leads_elsewhere);
            object.settings = Some(settings.clone());
            let secret = object.secrets.is_empty().then(|| new_secret(Scheme::V1)).transpose()?;
            if let Some(secret) = &secret {
                object.rotate(self.sealed(&of, secret)?, 0);
            }
            let held =
                held.map_or(wharf_delivery::Expected::Absent, |it| wharf_delivery::Expected::Version(it.version));
            match self.put_object(&of.tenant, (ObjectKind::Webhook, name.clone()), &object, held).await {
                Ok(fate) => {
                    if leads_elsewhere {
                        self.dispatcher.forget_webhook(&of.tenant, &of.webhook);
                    }
                    let mut now = self.now(&of, fate.version())?;
                    now.secret = secret.map(|secret| secret.reveal().to_string());
                    return Ok(Put { now, created });
                }
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(not_changed(&error)),
            }
        }
    }

    async fn remove_webhook(&self, of: WebhookRef, expected: Expected) -> Result<(), Refusal> {
        self.known(&of.tenant)?;
        self.now(&of, None)?;
        let (name, expected) = (ObjectName::from(&of.webhook), rules::taken(expected));
        let wish = ObjectWish { kind: ObjectKind::Webhook, name, document: None, expected };
        let changed = self.dispatcher.change(&of.tenant, vec![wish]).await;
        match changed.map_err(|error| not_changed(&error))?.objects.first() {
            Some(ObjectFate::Absent) => Err(unknown(&of.webhook)),
            _ => Ok(()),
        }
    }

    async fn rotate_webhook(&self, of: WebhookRef, rotation: WebhookRotation) -> Result<WebhookView, Refusal> {
        self.known(&of.tenant)?;
        let secret = wanted(&rotation)?;
        let overlap = rotation.overlap.as_deref().map(parse_duration).transpose();
        let overlap = overlap.map_err(|error| invalid("/overlap", error))?.unwrap_or(OVERLAP);
        if overlap > OVERLAP_MAX {
            return Err(invalid("/overlap", format!("at most {} days", OVERLAP_MAX.as_secs() / 86_400)));
        }
        let overlap_ms = u64::try_from(overlap.as_millis()).unwrap_or(u64::MAX);
        let sealed = self.sealed(&of, &secret)?;
        let edit = |object: &mut WebhookObject| object.rotate(sealed.clone(), overlap_ms);
        let edited = self.dispatcher.edit_webhook(&of.tenant, &of.webhook, None, edit).await;
        let (_, version) = edited.map_err(|error| not_edited(&error))?;
        // Whoever brought it has it; and of a pair of keys the receiver needs the public one.
        let is_told = rotation.secret.is_none() && secret.public().is_none();
        let secret = is_told.then(|| secret.reveal().to_string());
        Ok(WebhookView { secret, ..self.now(&of, Some(version))? })
    }

    async fn turn_webhook(&self, of: WebhookRef, on: bool) -> Result<WebhookView, Refusal> {
        self.known(&of.tenant)?;
        let (at_ms, reason) = (self.dispatcher.now_ms(), "somebody disabled it".to_owned());
        let disabled = (!on).then_some(WebhookDisabled { at_ms, code: None, reason });
        let turned = self.dispatcher.turn_webhook(&of.tenant, &of.webhook, disabled).await;
        let (_, version) = turned.map_err(|error| not_edited(&error))?;
        self.now(&of, Some(version))
    }
}

impl HostAdapter {
    /// A secret as it is kept, from now on.
    fn sealed(&self, of: &WebhookRef, secret: &Secret) -> Result<WebhookSecret, Refusal> {
        let now_ms = self.dispatcher.now_ms();
        let sealed = self.outside.key().and_then(|key| kept(key, (&of.tenant, &of.webhook), secret, now_ms));
        sealed.map_err(|error| Refusal::new(Code::SecretClosed, error.to_string()))
    }

    async fn held_webhook(&self, of: &WebhookRef) -> Result<Option<Object>, Refusal> {
        let name = ObjectName::from(&of.webhook);
        was_read(self.dispatcher.read(|state| Object::get(state, &of.tenant, ObjectKind::Webhook, &name)).await)
    }

    fn now(&self, of: &WebhookRef, version: Option<Position>) -> Result<WebhookView, Refusal> {
        let set = self.dispatcher.rules();
        let webhook = set.webhook(&of.tenant, &of.webhook).ok_or_else(|| unknown(&of.webhook))?;
        let standing = self.breaker_standing(&of.tenant, &Target::Webhook(of.webhook.clone()));
        Ok(WebhookView { breaker_state: standing, ..view(&of.webhook, webhook, version) })
    }
}

/// Gives a secret to each webhook of the configuration file that has none, since none sends without a signature, and seals those that a host of
/// before kept in the clear.
///
/// # Errors
/// When the log failed, or nothing can be sealed.
pub async fn furnish(dispatcher: &Dispatcher, outside: &Outside) -> anyhow::Result<()> {
    let set = dispatcher.rules();
    for tenant in set.tenants() {
        for (name, webhook) in set.webhooks(&tenant) {
            let of = (&tenant, name);
            if webhook.object.secrets.is_empty() {
                let secret = Secret::signing(&rand::random());
                let sealed = kept(outside.key()?, of, &secret, dispatcher.now_ms())?;
                let edit = |object: &mut WebhookObject| {
                    if object.secrets.is_empty() {
                        object.rotate(sealed.clone(), 0);
                    }
                };
                dispatcher.edit_webhook(&tenant, name, None, edit).await?;
                let public = secret.public().unwrap_or_default();
                tracing::info!(%tenant, webhook = %name, "the webhook has a secret, and receivers verify with {public}");
            } else if webhook.object.secrets.iter().any(|it| it.scheme.is_none()) {
                let key = outside.key()?;
                let both = webhook.object.secrets.iter().map(|it| Ok((it.clone(), resealed(key, of, it)?)));
                let both = both.collect::<Result<Vec<_>, SealError>>()?;
                let edit = |object: &mut WebhookObject| {
                    for it in &mut object.secrets {
                        let sealed =
                            both.iter().find(|(before, _)| before == it).and_then(|(_, sealed)| sealed.clone());
                        *it = sealed.unwrap_or_else(|| it.clone());
                    }
                };
                dispatcher.edit_webhook(&tenant, name, None, edit).await?;
                tracing::info!(%tenant, webhook = %name, "the webhook's secrets, which a host of before kept in the clear, are sealed");
            }
        }
    }
    Ok(())
}

/// The secret that a rotation is for.
fn wanted(rotation: &WebhookRotation) -> Result<Secret, Refusal> {
    match (&rotation.secret, rotation.scheme.as_deref()) {
        (Some(text), None) => text.parse().map_err(|error: SecretError| invalid("/secret", error)),
        (Some(_), Some(_)) => Err(invalid("/scheme", "a secret that is given says itself how it signs: leave it out")),
        (None, None | Some("v1")) => new_secret(Scheme::V1),
        (None, Some("v1a")) => new_secret(Scheme::V1a),
        (None, Some(_)) => Err(invalid("/scheme", "a scheme is `v1` (HMAC-SHA256) or `v1a` (Ed25519)")),
    }
}

fn new_secret(scheme: Scheme) -> Result<Secret, Refusal> {
    match scheme {
        Scheme::V1a => Ok(Secret::signing(&rand::random())),
        Scheme::V1 => {
            let bytes: [u8; SHARED_BYTES_MADE] = rand::random();
            Secret::shared(bytes.to_vec().into()).map_err(|error| Refusal::new(Code::Internal, error.to_string()))
        }
    }
}

fn invalid(pointer: &str, detail: impl std::fmt::Display) -> Refusal {
    let mistake = wharf_gateway::Mistake { pointer: pointer.to_owned(), detail: detail.to_string() };
    Refusal::new(Code::WebhookInvalid, format!("{pointer}: {detail}")).errors(vec![mistake])
}

fn unknown(webhook: &WebhookName) -> Refusal {
    Refusal::new(Code::WebhookUnknown, format!("there is no webhook `{webhook}`"))
}

fn not_edited(error: &WebhookEditError) -> Refusal {
    match error {
        WebhookEditError::Unknown(webhook) => unknown(webhook),
        WebhookEditError::Change(error) => not_changed(error),
        WebhookEditError::Damaged(_) => {
            tracing::error!("{error}");
            Refusal::new(Code::Internal, "a webhook in the state cannot be read")
        }
    }
}

fn read(object: &Object) -> Result<WebhookObject, Refusal> {
    let damaged = |error: serde_json::Error| not_edited(&WebhookEditError::Damaged(error.to_string()));
    serde_json::from_slice(&object.document).map_err(damaged)
}

fn view(name: &WebhookName, webhook: &WebhookInForce, version: Option<Position>) -> WebhookView {
    let (settings, object) = (&webhook.settings, &webhook.object);
    let secret = |kept: &WebhookSecret| SecretView {
        scheme: kept.scheme.clone().unwrap_or_default(),
        since: rfc3339(kept.since_ms),
        until: kept.until_ms.map(rfc3339),
        public: kept.public.clone(),
    };
    WebhookView {
        webhook: name.clone(),
        origin: made(webhook.origin),
        version,
        url: settings.url.clone(),
        mode: settings.mode.to_string(),
        headers: settings.headers.keys().cloned().collect(),
        timeout: duration_text(settings.timeout_ms.into()),
        concurrency: settings.concurrency,
        attempts_per_s: settings.per_s,
        backlog: settings.backlog,
        networks: settings.networks.clone(),
        disable_after: duration_text(settings.disable_after_ms),
        breaker: registry_view::breaker(&settings.breaker.unwrap_or_default()),
        breaker_state: None,
        enabled: object.disabled.is_none(),
        disabled: object.disabled.clone().map(|off| DisabledView {
            since: rfc3339(off.at_ms),
            code: off.code,
            reason: off.reason,
        }),
        failing_since: object.failing_since_ms.map(rfc3339),
        secrets: object.secrets.iter().map(secret).collect(),
        secret: None,
    }
}
