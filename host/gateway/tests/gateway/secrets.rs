//! Secrets over HTTP, and those of the made-up host: it keeps one, and none that is called `full`.

use wharf_event::{Code, TenantName};
use wharf_gateway::view::{KeptSecretView, SecretDraft};
use wharf_gateway::{Put, Refusal, SecretRef, Secrets};

use crate::client::{delete, get, put};
use crate::host::{FakeHost, TIME, tenant_is_known};
use crate::server::Server;

const SECRETS: &str = "/v1/tenants/acme/secrets";

fn kept() -> KeptSecretView {
    KeptSecretView { secret: "stripe".parse().unwrap(), version: 2, at: TIME.into() }
}

impl Secrets for FakeHost {
    async fn secrets(&self, tenant: &TenantName) -> Result<Vec<KeptSecretView>, Refusal> {
        tenant_is_known(tenant)?;
        Ok(vec![kept()])
    }

    async fn put_secret(&self, of: SecretRef, draft: SecretDraft) -> Result<Put<KeptSecretView>, Refusal> {
        tenant_is_known(&of.tenant)?;
        match (of.secret.as_str(), draft.value.as_str()) {
            ("full", _) => Err(Refusal::new(Code::SecretsTooMany, "there are enough")),
            ("closed", _) => Err(Refusal::new(Code::SecretClosed, "there is no key")),
            (_, "") => Err(Refusal::new(Code::SecretInvalid, "it is empty")),
            (name, _) => Ok(Put { now: kept(), created: name != "stripe" }),
        }
    }

    async fn remove_secret(&self, of: SecretRef) -> Result<(), Refusal> {
        tenant_is_known(&of.tenant)?;
        if of.secret.as_str() == "stripe" { Ok(()) } else { Err(Refusal::new(Code::SecretUnknown, "there is none")) }
    }
}

#[tokio::test]
async fn a_secret_goes_in_and_never_comes_out() {
    let server = Server::start().await;
    let at = |name: &str| format!("{SECRETS}/{name}");
    let value = r#"{"value": "sk_live_1"}"#;
    assert_eq!(put(at("stripe"), value).send(server.addr).await.json::<KeptSecretView>(200), kept());
    assert_eq!(put(at("other"), value).send(server.addr).await.json::<KeptSecretView>(201), kept());
    assert_eq!(get(SECRETS).send(server.addr).await.json::<Vec<KeptSecretView>>(200), [kept()]);
    for (name, body, code) in [
        ("full", value, Code::SecretsTooMany),
        ("closed", value, Code::SecretClosed),
        ("stripe", r#"{"value": ""}"#, Code::SecretInvalid),
        ("stripe", r#"{"value": 123456}"#, Code::SecretInvalid),
        ("stripe", r#"{"wrong": "sk_live_1"}"#, Code::SecretInvalid),
        ("No", value, Code::SecretInvalid),
    ] {
        let refused = put(at(name), body).send(server.addr).await.refused(code);
        let said = format!("{refused:?}");
        assert!(!said.contains("sk_live_1") && !said.contains("123456"), "{said}");
    }
    assert_eq!(delete(at("stripe")).send(server.addr).await.status, 204);
    delete(at("nobody")).send(server.addr).await.refused(Code::SecretUnknown);
}
