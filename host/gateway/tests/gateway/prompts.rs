//! Prompts over HTTP, and those of the made-up host: it has one, of two versions, and one of its file.

use wharf_event::{Code, PromptName, TenantName};
use wharf_gateway::view::{
    PromptCanaryView, PromptDraft, PromptPromotion, PromptRollBack, PromptVersionView, PromptView, RuleOrigin,
};
use wharf_gateway::{PromptRef, Prompts, Put, Refusal};

use crate::client::{delete, get, post, put};
use crate::host::{FakeHost, TIME, tenant_is_known};
use crate::server::Server;

const PROMPTS: &str = "/v1/tenants/acme/prompts";

fn shown(canary: Option<(u32, &str)>, stable: u32) -> PromptView {
    let version = |version: u32| PromptVersionView {
        version,
        at: Some(TIME.into()),
        route: "triage".parse().unwrap(),
        system: None,
        user: "{{ text }}".into(),
    };
    PromptView {
        prompt: "classify".parse().unwrap(),
        route: "triage".parse().unwrap(),
        origin: RuleOrigin::Api,
        stable,
        canary: canary.map(|(version, share)| PromptCanaryView { version, share: share.to_owned() }),
        newest: 2,
        versions: vec![version(2), version(1)],
    }
}

/// What is wrong with a wish about that prompt.
fn wrong(of: &PromptRef) -> Result<(), Refusal> {
    tenant_is_known(&of.tenant)?;
    match of.prompt.as_str() {
        "classify" => Ok(()),
        "filed" => Err(Refusal::new(Code::PromptOfFile, "it is of the file")),
        _ => Err(Refusal::new(Code::PromptUnknown, "there is none")),
    }
}

impl Prompts for FakeHost {
    async fn prompts(
        &self,
        tenant: &TenantName,
        after: Option<PromptName>,
        limit: u32,
    ) -> Result<Vec<PromptView>, Refusal> {
        tenant_is_known(tenant)?;
        let behind = after.is_none_or(|after| after.as_str() < "classify");
        Ok(if behind && limit > 0 { vec![PromptView { versions: Vec::new(), ..shown(None, 1) }] } else { Vec::new() })
    }

    async fn prompt(&self, of: PromptRef) -> Result<PromptView, Refusal> {
        wrong(&of)?;
        Ok(shown(None, 1))
    }

    async fn put_prompt(&self, of: PromptRef, draft: PromptDraft) -> Result<Put<PromptView>, Refusal> {
        tenant_is_known(&of.tenant)?;
        match (of.prompt.as_str(), draft.user.as_str()) {
            ("full", _) => Err(Refusal::new(Code::PromptsTooMany, "there are enough")),
            ("filed", _) => Err(Refusal::new(Code::PromptOfFile, "it is of the file")),
            (_, "{{") => Err(Refusal::new(Code::PromptInvalid, "it is no template")),
            (name, _) => Ok(Put { now: shown(None, 1), created: name != "classify" }),
        }
    }

    async fn promote_prompt(&self, of: PromptRef, wish: PromptPromotion) -> Result<PromptView, Refusal> {
        wrong(&of)?;
        let version = wish.version.unwrap_or(2);
        Ok(match wish.canary {
            Some(canary) => shown(Some((version, &canary.share)), 1),
            None => shown(None, version),
        })
    }

    async fn roll_back_prompt(&self, of: PromptRef, wish: PromptRollBack) -> Result<PromptView, Refusal> {
        wrong(&of)?;
        Ok(shown(None, wish.version.unwrap_or(1)))
    }

    async fn remove_prompt(&self, of: PromptRef) -> Result<(), Refusal> {
        wrong(&of)
    }
}

#[tokio::test]
async fn prompts_are_read_put_given_to_some_and_to_all_and_taken_back() {
    let server = Server::start().await;
    let at = |name: &str| format!("{PROMPTS}/{name}");
    let posted = |path: &str, body: &str| post(at(path), "application/json", body);
    let draft = r#"{"route": "triage", "user": "{{ text }}"}"#;
    assert_eq!(get(PROMPTS).send(server.addr).await.json::<Vec<PromptView>>(200)[0].versions, []);
    assert_eq!(get(format!("{PROMPTS}?after=x")).send(server.addr).await.json::<Vec<PromptView>>(200), []);
    assert_eq!(get(at("classify")).send(server.addr).await.json::<PromptView>(200), shown(None, 1));
    assert_eq!(put(at("classify"), draft).send(server.addr).await.json::<PromptView>(200), shown(None, 1));
    let made = put(at("other"), draft).send(server.addr).await;
    assert_eq!((made.status, made.header("location")), (201, Some("/v1/tenants/acme/prompts/other")));
    for (path, body, now) in [
        ("classify/promote", r#"{"canary": {"share": "10%"}}"#, shown(Some((2, "10%")), 1)),
        ("classify/promote", "{}", shown(None, 2)),
        ("classify/rollback", "{}", shown(None, 1)),
        ("classify/rollback", r#"{"version": 2}"#, shown(None, 2)),
    ] {
        assert_eq!(posted(path, body).send(server.addr).await.json::<PromptView>(200), now, "{path} {body}");
    }
    for (name, body, code) in [
        ("full", draft, Code::PromptsTooMany),
        ("filed", draft, Code::PromptOfFile),
        ("other", r#"{"route": "triage", "user": "{{"}"#, Code::PromptInvalid),
        ("other", r#"{"user": "x"}"#, Code::PromptInvalid),
        ("other", r#"{"route": "triage", "user": "x", "more": 1}"#, Code::PromptInvalid),
        ("No", draft, Code::PromptInvalid),
    ] {
        put(at(name), body).send(server.addr).await.refused(code);
    }
    posted("nobody/promote", "{}").send(server.addr).await.refused(Code::PromptUnknown);
    posted("filed/rollback", "{}").send(server.addr).await.refused(Code::PromptOfFile);
    posted("classify/promote", r#"{"canary": {"share": "10%", "for": "1m"}}"#)
        .send(server.addr)
        .await
        .refused(Code::QueryInvalid);
    assert_eq!(delete(at("classify")).send(server.addr).await.status, 204);
    delete(at("nobody")).send(server.addr).await.refused(Code::PromptUnknown);
}
