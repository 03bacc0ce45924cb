//! Port: a tenant's secrets, sealed on their way in.
//!
//! Invariant: a value is sealed before anything keeps it, for its tenant and its name. It is opened where a request leaves
//! (`host/server/src/filling.rs`) and for a guest that may hold it (`host/server/src/outside.rs`), and nowhere else.

use wharf_delivery::{Expected as Taken, KeptSecret, Object, ObjectKind, ObjectName, SecretsObject};
use wharf_dispatch::rfc3339;
use wharf_event::{Code, Position, SecretName, TenantName};
use wharf_gateway::{
    Put, Refusal, SecretRef,
    view::{KeptSecretView, SecretDraft},
};
use wharf_vault::{SECRET_BYTES_MAX, Sealer as _, Value, sealed_under};

use super::{HostAdapter, registry::damaged, tenants::not_changed, was_read};
use crate::filling::{SECRETS_PER_TENANT_MAX, place};

/// Secrets that do not open and are told by name.
const CLOSED_TOLD_MAX: usize = 20;

impl wharf_gateway::Secrets for HostAdapter {
    async fn secrets(&self, tenant: &TenantName) -> Result<Vec<KeptSecretView>, Refusal> {
        self.known(tenant)?;
        Ok(self.kept_secrets(tenant).await?.0.secrets.iter().map(|(name, kept)| view(name, kept)).collect())
    }

    async fn put_secret(&self, of: SecretRef, draft: SecretDraft) -> Result<Put<KeptSecretView>, Refusal> {
        self.known(&of.tenant)?;
        wharf_gateway::Intake::ready(self)?;
        let value = usable(draft)?;
        let sealed = self.outside.key().and_then(|key| key.seal(&place(&of.tenant, &of.secret), &value));
        let sealed = sealed.map_err(|error| Refusal::new(Code::SecretClosed, error.to_string()))?;
        // Another change of them may come between: then they are looked at again.
        loop {
            let (mut object, held) = self.kept_secrets(&of.tenant).await?;
            let created = !object.secrets.contains_key(&of.secret);
            if created && object.secrets.len() >= SECRETS_PER_TENANT_MAX {
                let detail = format!("the tenant has {SECRETS_PER_TENANT_MAX} secrets already");
                return Err(Refusal::new(Code::SecretsTooMany, detail));
            }
            object.put(of.secret.clone(), sealed.clone(), self.dispatcher.now_ms());
            if self.keep_secrets(&of.tenant, &object, held).await? {
                let now = object.secrets.get(&of.secret).map(|kept| view(&of.secret, kept));
                return Ok(Put { now: now.ok_or_else(|| unknown(&of))?, created });
            }
        }
    }

    async fn remove_secret(&self, of: SecretRef) -> Result<(), Refusal> {
        self.known(&of.tenant)?;
        wharf_gateway::Intake::ready(self)?;
        loop {
            let (mut object, held) = self.kept_secrets(&of.tenant).await?;
            object.secrets.remove(&of.secret).ok_or_else(|| unknown(&of))?;
            if self.keep_secrets(&of.tenant, &object, held).await? {
                return Ok(());
            }
        }
    }
}

impl HostAdapter {
    /// The secrets of a tenant, and the version of their document; none where there never was one.
    async fn kept_secrets(&self, tenant: &TenantName) -> Result<(SecretsObject, Option<Position>), Refusal> {
        let name = ObjectName::from(tenant);
        let read = |state: &_| Object::get(state, tenant, ObjectKind::Secrets, &name);
        let Some(held) = was_read(self.dispatcher.read(read).await)? else {
            return Ok((SecretsObject::default(), None));
        };
        Ok((serde_json::from_slice(&held.document).map_err(|error| damaged(&error))?, Some(held.version)))
    }

    /// Keeps the secrets of a tenant; false where somebody changed them meanwhile.
    async fn keep_secrets(
        &self,
        tenant: &TenantName,
        object: &SecretsObject,
        held: Option<Position>,
    ) -> Result<bool, Refusal> {
        let named = (ObjectKind::Secrets, ObjectName::from(tenant));
        match self.put_object(tenant, named, object, held.map_or(Taken::Absent, Taken::Version)).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(not_changed(&error)),
        }
    }
}

impl HostAdapter {
    /// Says which secrets do not open here, since this host has another key than the one that sealed them, or none.
    pub async fn tell_closed_secrets(&self) {
        let (mut closed, mut others) = (Vec::new(), 0_u32);
        for tenant in self.dispatcher.rules().tenants() {
            // What cannot be read is told where it is asked for.
            let Ok((object, _)) = self.kept_secrets(&tenant).await else { continue };
            let is_closed = |kept: &KeptSecret| sealed_under(&kept.sealed) != self.outside.key_name();
            for (name, _) in object.secrets.iter().filter(|(_, kept)| is_closed(kept)) {
                if closed.len() < CLOSED_TOLD_MAX {
                    closed.push(place(&tenant, name));
                } else {
                    others += 1;
                }
            }
        }
        if closed.is_empty() {
            return;
        }
        let others = if others > 0 { format!(" and {others} others") } else { String::new() };
        let has = self.outside.key_name().map_or_else(|| "no key".to_owned(), |name| format!("key {name}"));
        tracing::warn!(
            code = Code::SecretClosed.as_str(),
            "secrets that do not open: {}{others}. They were sealed under another key, and this host has {has}: requests that need them fail. \
             Start it with the key that it had, or set them again: `wharf secret set`",
            closed.join(", ")
        );
    }
}

/// A value that can stand in a field of a request.
fn usable(draft: SecretDraft) -> Result<Value, Refusal> {
    let value = Value::new(draft.value.into_bytes());
    let bytes = value.reveal();
    if bytes.is_empty() || bytes.len() > SECRET_BYTES_MAX {
        let detail = format!("a secret has 1 to {SECRET_BYTES_MAX} bytes, this one has {}", bytes.len());
        return Err(Refusal::new(Code::SecretInvalid, detail));
    }
    if !bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        let detail =
            "a secret is visible ASCII, since it stands in a field of a request: no line break, nothing beyond";
        return Err(Refusal::new(Code::SecretInvalid, detail));
    }
    Ok(value)
}

fn view(name: &SecretName, kept: &KeptSecret) -> KeptSecretView {
    KeptSecretView { secret: name.clone(), version: kept.version, at: rfc3339(kept.at_ms) }
}

fn unknown(of: &SecretRef) -> Refusal {
    Refusal::new(Code::SecretUnknown, format!("there is no secret `{}`", of.secret))
}
