//! Does about webhooks what their health asks for: disables one that does nothing but fail, and writes since when one fails.
//!
//! Invariant: what is done is done to the webhook as it is at that moment; somebody who changes it meanwhile wins, and it is looked at again. A
//! webhook is disabled before anybody is told.

use tokio::sync::mpsc;
use wharf_delivery::{Expected, Object, ObjectKind, ObjectName, ObjectWish, WebhookDisabled, WebhookObject};
use wharf_event::{Position, TenantName, WebhookName};

use crate::{
    configuring::ChangeError,
    dispatcher::Dispatcher,
    health::{Due, News},
    limits::EDITS_MAX,
    notices::Notice,
    partition::{AskError, chain},
    watched as watch,
};

/// Why a webhook stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum WebhookEditError {
    /// There is none of that name.
    #[error("there is no webhook `{0}`")]
    Unknown(WebhookName),
    /// It did not change.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// Its document cannot be read, which no change of this host writes.
    #[error("the webhook's document is damaged: {0}")]
    Damaged(String),
}

impl From<AskError> for WebhookEditError {
    fn from(error: AskError) -> Self {
        ChangeError::from(error).into()
    }
}

/// The task that does it.
pub(crate) struct Warden {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) news: mpsc::UnboundedReceiver<News>,
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Warden {
    /// Does one after the other until the host stops.
    pub(crate) async fn run(mut self) {
        loop {
            let stopped = self.stopping.wait_for(|stopping| *stopping);
            let news = tokio::select! {
                biased;
                _ = stopped => return,
                news = self.news.recv() => news,
            };
            let Some(News { webhook: (tenant, name), due, rule, sample }) = news else { return };
            if let Err(error) = self.act(&tenant, &name, &due).await {
                tracing::warn!(%tenant, webhook = %name, "a webhook stays as it is: {}", chain(&error));
                // So it is asked for again, and what waits for it is tried.
                self.dispatcher.attempts.health.forget(&(tenant, name));
                self.dispatcher.attempts.places().again();
                continue;
            }
            self.dispatcher.attempts.health.done(&(tenant.clone(), name.clone()));
            let Due::Disable { since_ms, code, reason } = due else { continue };
            tracing::warn!(%tenant, webhook = %name, %code, "a webhook is disabled: {reason}");
            let sample = Box::new(sample);
            let notice = Notice::WebhookDisabled { tenant, webhook: name, since_ms, code, reason, rule, sample };
            // A host that stops tells nobody any more.
            let _ = self.dispatcher.attempts.notices.send(notice);
        }
    }

    async fn act(&self, tenant: &TenantName, name: &WebhookName, due: &Due) -> Result<(), WebhookEditError> {
        let at_ms = self.dispatcher.now_ms();
        let edit = |object: &mut WebhookObject| match due {
            Due::Disable { since_ms, code, reason } => {
                let disabled = WebhookDisabled { at_ms, code: Some(*code), reason: reason.clone() };
                object.disabled.get_or_insert(disabled);
                object.failing_since_ms = Some(*since_ms);
            }
            Due::Remember { since_ms } => object.failing_since_ms = Some(*since_ms),
            Due::Recover => object.failing_since_ms = None,
        };
        self.dispatcher.edit_webhook(tenant, name, None, edit).await.map(drop)
    }
}

impl Dispatcher {
    /// Changes what is kept of a webhook, on what it is at that moment, and gives its version. With `expected` it has to be what it is taken to be.
    ///
    /// # Errors
    /// When there is no such webhook, or it cannot be put to use.
    pub async fn edit_webhook(
        &self,
        tenant: &TenantName,
        webhook: &WebhookName,
        expected: Option<Expected>,
        edit: impl Fn(&mut WebhookObject),
    ) -> Result<(WebhookObject, Position), WebhookEditError> {
        let name = ObjectName::from(webhook);
        let mut tries = 0;
        loop {
            let found = self.read(|state| Object::get(state, tenant, ObjectKind::Webhook, &name)).await?;
            let found = found.map_err(|error| WebhookEditError::Damaged(chain(&error)))?;
            if found.is_none() && self.rules().webhook(tenant, webhook).is_none() {
                return Err(WebhookEditError::Unknown(webhook.clone()));
            }
            let damaged = |error: serde_json::Error| WebhookEditError::Damaged(error.to_string());
            let mut object: WebhookObject = match &found {
                Some(found) => serde_json::from_slice(&found.document).map_err(damaged)?,
                None => WebhookObject::default(),
            };
            edit(&mut object);
            let document = Some(serde_json::to_vec(&object).map_err(damaged)?.into());
            let version = found.as_ref().map(|found| found.version);
            let now = version.map_or(Expected::Absent, Expected::Version);
            let wish = ObjectWish {
                kind: ObjectKind::Webhook,
                name: name.clone(),
                document,
                expected: expected.unwrap_or(now),
            };
            match self.change(tenant, vec![wish]).await {
                Ok(changed) => {
                    let fate = changed.objects.first().and_then(|fate| fate.version());
                    return Ok((object, fate.or(version).unwrap_or_default()));
                }
                // Somebody else was faster.
                Err(error) if tries < EDITS_MAX && expected.is_none() && error.is_conflict() => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Forgets how a webhook did: it leads elsewhere from now on.
    pub fn forget_webhook(&self, tenant: &TenantName, webhook: &WebhookName) {
        self.attempts.health.forget(&(tenant.clone(), webhook.clone()));
    }

    /// Disables a webhook, or enables it: what waits for it is sent then.
    ///
    /// # Errors
    /// When there is no such webhook, or the log failed.
    pub async fn turn_webhook(
        &self,
        tenant: &TenantName,
        webhook: &WebhookName,
        disabled: Option<WebhookDisabled>,
    ) -> Result<(WebhookObject, Position), WebhookEditError> {
        // Before it is on, or what it waits for would be held by what is over.
        self.attempts.health.forget(&(tenant.clone(), webhook.clone()));
        self.edit_webhook(tenant, webhook, None, |object| {
            object.failing_since_ms = object.failing_since_ms.filter(|_| disabled.is_some());
            object.disabled = disabled.clone();
        })
        .await
    }
}
