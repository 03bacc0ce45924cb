//! Port: the keys that sign a tenant's releases, and who vouches for a release.
//!
//! Invariant: that somebody vouches for a release is never stored. It follows from its signatures, the tenant's keys and its policy, each as
//! it is when somebody asks; so a key that is revoked vouches for nothing from then on, whenever it signed.

use wharf_delivery::{Expected as Taken, Object, ObjectKind, ObjectName, ObjectWish};
use wharf_dispatch::rfc3339;
use wharf_event::{Code, Digest, Position, TenantName};
use wharf_gateway::{
    Put, Refusal, ReleaseRef, SigningKeyRef,
    view::{SigningKeyDraft, SigningKeyView},
};
use wharf_signature::{
    KeyError, Keys, PublicKey, RegisteredKey, Signature, SignatureError, check, limits::SIGNATURES_MAX,
};

use super::{HostAdapter, registry::damaged, tenants::not_changed, was_read};

impl wharf_gateway::Signing for HostAdapter {
    async fn keys(&self, tenant: &TenantName) -> Result<Vec<SigningKeyView>, Refusal> {
        self.known(tenant)?;
        Ok(self.signers(tenant).await?.0.iter().map(view).collect())
    }

    async fn add_key(&self, of: SigningKeyRef, draft: SigningKeyDraft) -> Result<Put<SigningKeyView>, Refusal> {
        self.known(&of.tenant)?;
        wharf_gateway::Intake::ready(self)?;
        let key: PublicKey = draft.key.parse().map_err(|error| unusable(&error))?;
        self.changed_signers(&of, |keys, now_ms| {
            let same =
                |known: &RegisteredKey| known.name == of.key && known.key == key && known.revoked_at_ms.is_none();
            if keys.iter().any(same) {
                return Ok(false);
            }
            keys.register(of.key.clone(), key, now_ms).map(|()| true).map_err(|error| unusable(&error))
        })
        .await
    }

    async fn revoke_key(&self, of: SigningKeyRef) -> Result<SigningKeyView, Refusal> {
        self.known(&of.tenant)?;
        wharf_gateway::Intake::ready(self)?;
        let revoked = self.changed_signers(&of, |keys, now_ms| match keys.revoke(&of.key, now_ms) {
            true => Ok(true),
            false => Err(no_such_key(&of)),
        });
        Ok(revoked.await?.now)
    }
}

impl HostAdapter {
    /// The keys of a tenant, and the version of their document; none where there never was a key.
    pub(super) async fn signers(&self, tenant: &TenantName) -> Result<(Keys, Option<Position>), Refusal> {
        let name = ObjectName::from(tenant);
        let read = |state: &_| Object::get(state, tenant, ObjectKind::Keys, &name);
        match was_read(self.dispatcher.read(read).await)? {
            None => Ok((Keys::default(), None)),
            Some(held) => {
                let keys = serde_json::from_slice(&held.document).map_err(|error| damaged(&error))?;
                Ok((keys, Some(held.version)))
            }
        }
    }

    /// Changes the keys of a tenant: `change` says whether it did anything.
    async fn changed_signers(
        &self,
        of: &SigningKeyRef,
        change: impl Fn(&mut Keys, u64) -> Result<bool, Refusal>,
    ) -> Result<Put<SigningKeyView>, Refusal> {
        // Another change of them may come between: then they are looked at again.
        loop {
            let (mut keys, held) = self.signers(&of.tenant).await?;
            let created = change(&mut keys, self.dispatcher.now_ms())?;
            if created {
                let named = (ObjectKind::Keys, ObjectName::from(&of.tenant));
                let there = held.map_or(Taken::Absent, Taken::Version);
                match self.put_object(&of.tenant, named, &keys, there).await {
                    Ok(_) => {}
                    Err(error) if error.is_conflict() => continue,
                    Err(error) => return Err(not_changed(&error)),
                }
            }
            let now = keys.iter().find(|key| key.name == of.key).map(view).ok_or_else(|| no_such_key(of))?;
            return Ok(Put { now, created });
        }
    }

    /// All that vouches for a release, with what comes now. Refuses one that the tenant does not take.
    pub(super) async fn signatures(&self, of: &ReleaseRef, given: Vec<String>) -> Result<Vec<String>, Refusal> {
        let known = self.recorded(&of.of, of.release).await?.map(|release| release.signatures).unwrap_or_default();
        let key = |text: &String| text.parse::<Signature>().map(|signature| signature.key).ok();
        // One of a key is enough, and the newest ones stay.
        let mut all: Vec<String> = Vec::new();
        for text in given.into_iter().chain(known) {
            if all.len() < SIGNATURES_MAX && all.iter().all(|other| key(other).is_none() || key(other) != key(&text)) {
                all.push(text);
            }
        }
        self.must_be_vouched_for(&of.of.tenant, &of.release, &all).await?;
        Ok(all)
    }

    /// Refuses a release that its tenant does not take, as far as its signatures go.
    pub(super) async fn must_be_vouched_for(
        &self,
        tenant: &TenantName,
        release: &Digest,
        signatures: &[String],
    ) -> Result<(), Refusal> {
        let signatures = Signature::list(&signatures.join("\n")).map_err(|error| refused(&error))?;
        let policy = self.dispatcher.rules().settings(tenant).signatures;
        if policy.is_none() {
            return Ok(());
        }
        let (keys, _) = self.signers(tenant).await?;
        check(policy, &keys, release, &signatures).map(drop).map_err(|error| refused(&error))
    }

    /// Adds signatures to a release that is in the log.
    pub(super) async fn add_signatures(&self, of: &ReleaseRef, signatures: &[String]) -> Result<(), Refusal> {
        let (tenant, name) = (&of.of.tenant, ObjectName::of_release(&of.of.plugin, &of.release));
        loop {
            let read = |state: &_| Object::get(state, tenant, ObjectKind::Release, &name);
            let Some(held) = was_read(self.dispatcher.read(read).await)? else {
                let whose = (tenant.clone(), of.of.plugin.clone(), of.release);
                if self.registry.preparing.sign(&whose, signatures) {
                    return Ok(());
                }
                let detail = "the release is neither on its way any more nor there: send it again";
                return Err(Refusal::new(Code::ReleaseUnready, detail).retry_after_s(1));
            };
            let mut release: wharf_catalog::ReleaseObject =
                serde_json::from_slice(&held.document).map_err(|error| damaged(&error))?;
            if signatures.iter().all(|text| release.signatures.contains(text)) {
                return Ok(());
            }
            release.signatures = signatures.to_vec();
            let document = serde_json::to_vec(&release).map_err(|error| damaged(&error))?;
            let (kind, name, document) = (ObjectKind::Release, name.clone(), Some(document.into()));
            let wish = ObjectWish { kind, name, document, expected: Taken::Version(held.version) };
            match self.dispatcher.change(tenant, vec![wish]).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(not_changed(&error)),
            }
        }
    }
}

fn view(key: &RegisteredKey) -> SigningKeyView {
    let RegisteredKey { name, key, since_ms, revoked_at_ms } = key;
    let (id, revoked_at) = (key.id().to_string(), revoked_at_ms.map(rfc3339));
    SigningKeyView { name: name.clone(), id, key: key.to_string(), at: rfc3339(*since_ms), revoked_at }
}

fn no_such_key(of: &SigningKeyRef) -> Refusal {
    Refusal::new(Code::SignerUnknown, format!("tenant `{}` has no key `{}`", of.tenant, of.key))
}

fn unusable(error: &KeyError) -> Refusal {
    Refusal::new(error.code(), error.to_string())
}

fn refused(error: &SignatureError) -> Refusal {
    Refusal::new(error.code(), error.to_string())
}
