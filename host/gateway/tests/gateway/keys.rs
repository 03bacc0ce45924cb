//! Keys that sign releases, over HTTP, and those of the made-up host: a key is one that begins with `ed25519:`.

use wharf_event::{Code, Digest, TenantName};
use wharf_gateway::view::{ReleaseView, SigningKeyDraft, SigningKeyView};
use wharf_gateway::{Put, Refusal, Signing, SigningKeyRef};

use crate::client::{delete, get, put, put_as};
use crate::host::{FakeHost, TIME, tenant_is_known};
use crate::server::Server;

const KEYS: &str = "/v1/tenants/acme/keys";

impl Signing for FakeHost {
    async fn keys(&self, tenant: &TenantName) -> Result<Vec<SigningKeyView>, Refusal> {
        tenant_is_known(tenant)?;
        Ok(self.keys.lock().unwrap().clone())
    }

    async fn add_key(&self, of: SigningKeyRef, draft: SigningKeyDraft) -> Result<Put<SigningKeyView>, Refusal> {
        let mut keys = self.keys(&of.tenant).await?;
        if !draft.key.starts_with("ed25519:") {
            return Err(Refusal::new(Code::SigningKeyInvalid, "it is none"));
        }
        let now = SigningKeyView { name: of.key, id: "0011".into(), key: draft.key, at: TIME.into(), revoked_at: None };
        let created = !keys.contains(&now);
        if created {
            keys.push(now.clone());
            *self.keys.lock().unwrap() = keys;
        }
        Ok(Put { now, created })
    }

    async fn revoke_key(&self, of: SigningKeyRef) -> Result<SigningKeyView, Refusal> {
        tenant_is_known(&of.tenant)?;
        let mut keys = self.keys.lock().unwrap();
        let found = keys.iter_mut().find(|key| key.name == of.key);
        let found = found.ok_or_else(|| Refusal::new(Code::SignerUnknown, "there is none"))?;
        found.revoked_at = Some(TIME.to_owned());
        Ok(found.clone())
    }
}

#[tokio::test]
async fn keys_are_registered_listed_and_revoked() {
    let server = Server::start().await;
    let ci = format!("{KEYS}/ci");
    let key: SigningKeyView = put(&ci, r#"{"key": "ed25519:abc"}"#).send(server.addr).await.json(201);
    assert_eq!((key.name.as_str(), key.key.as_str()), ("ci", "ed25519:abc"));
    assert_eq!(put(&ci, r#"{"key": "ed25519:abc"}"#).send(server.addr).await.json::<SigningKeyView>(200), key);
    for (path, body, code) in [
        (&ci, r#"{"key": "rsa"}"#, Code::SigningKeyInvalid),
        (&ci, r#"{"key": 1}"#, Code::QueryInvalid),
        (&ci, r#"{"key": "ed25519:abc", "more": 1}"#, Code::QueryInvalid),
        (&format!("{KEYS}/No"), r#"{"key": "ed25519:abc"}"#, Code::SigningKeyInvalid),
    ] {
        put(path, body).send(server.addr).await.refused(code);
    }
    let revoked: SigningKeyView = delete(&ci).send(server.addr).await.json(200);
    assert_eq!(revoked.revoked_at.as_deref(), Some(TIME));
    assert_eq!(get(KEYS).send(server.addr).await.json::<Vec<SigningKeyView>>(200), [revoked]);
    for nobody in ["nobody", "No"] {
        delete(format!("{KEYS}/{nobody}")).send(server.addr).await.refused(Code::SignerUnknown);
    }
}

#[tokio::test]
async fn signatures_come_in_headers_one_or_several_in_each() {
    let server = Server::start().await;
    let at = format!("/v1/tenants/acme/plugins/triage/releases/{}", Digest::of(b"ready").hex());
    let sent =
        put_as(&at, "application/wasm", "ready").with("wharf-signature", "one, two").with("wharf-signature", "3");
    let _: ReleaseView = sent.send(server.addr).await.json(200);
    assert_eq!(*server.host.signatures.lock().unwrap(), ["one", "two", "3"]);
}
