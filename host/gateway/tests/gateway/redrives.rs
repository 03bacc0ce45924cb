//! Redrives at a rate over HTTP: begun, read, cancelled, and refused where they make no sense. And those of the made-up host, which has one queue.

use wharf_event::{Code, QueueName, TenantName};
use wharf_gateway::view::{LetterFilter, PacedRedriveView};
use wharf_gateway::{Redrives, Refusal};

use crate::client::{get, post};
use crate::host::{FakeHost, known, tenant_is_known};
use crate::server::Server;

fn redrive(queue: &QueueName, phase: &str, filter: Option<LetterFilter>, letters_per_s: u32) -> PacedRedriveView {
    PacedRedriveView {
        queue: queue.clone(),
        phase: phase.to_owned(),
        reason: None,
        redriven: 3,
        letters: 7,
        begun: "2026-12-01T00:00:00.000Z".to_owned(),
        letters_per_s,
        filter,
    }
}

fn is_there(tenant: &TenantName, queue: &QueueName, code: Code) -> Result<(), Refusal> {
    tenant_is_known(tenant)?;
    known((queue.as_str() == "failed").then_some(()), code)
}

impl Redrives for FakeHost {
    async fn begin_redrive(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        filter: LetterFilter,
        letters_per_s: u32,
    ) -> Result<PacedRedriveView, Refusal> {
        is_there(tenant, queue, Code::QueueUnknown)?;
        Ok(redrive(queue, "running", (!filter.is_empty()).then_some(filter), letters_per_s))
    }

    async fn paced_redrive(&self, tenant: &TenantName, queue: &QueueName) -> Result<PacedRedriveView, Refusal> {
        is_there(tenant, queue, Code::RedriveUnknown)?;
        Ok(redrive(queue, "running", None, 1))
    }

    async fn cancel_redrive(&self, tenant: &TenantName, queue: &QueueName) -> Result<PacedRedriveView, Refusal> {
        is_there(tenant, queue, Code::RedriveUnknown)?;
        Ok(redrive(queue, "cancelled", None, 1))
    }
}

#[tokio::test]
async fn a_redrive_with_a_rate_goes_on_behind_its_answer() {
    const REDRIVE: &str = "/v1/tenants/acme/dlq/failed/redrive";
    let server = Server::start().await;
    let addr = server.addr;
    let begin = async |body: &str| post(REDRIVE, "application/json", body).send(addr).await;
    for (body, filter) in [
        (r#"{"all": true, "letters_per_s": 5}"#, None),
        (r#"{"since": "2026-12-01T00:00:00Z", "letters_per_s": 5}"#, Some("2026-12-01T00:00:00Z")),
        (r#"{"where": {"since": "2026-12-01T00:00:00Z"}, "letters_per_s": 5}"#, Some("2026-12-01T00:00:00Z")),
    ] {
        let begun: PacedRedriveView = begin(body).await.json(202);
        let since = begun.filter.and_then(|filter| filter.since);
        assert_eq!((begun.letters_per_s, since.as_deref()), (5, filter), "{body}");
    }
    assert!(server.host.redriven.lock().unwrap().is_empty(), "none went before its answer");
    for body in [
        r#"{"all": true, "letters_per_s": 0}"#,
        r#"{"all": true, "letters_per_s": 100001}"#,
        r#"{"all": true, "letters_per_s": 5, "dry_run": true}"#,
        r#"{"ids": ["1-0.0"], "letters_per_s": 5}"#,
        r#"{"letters_per_s": 5}"#,
    ] {
        begin(body).await.refused(Code::QueryInvalid);
    }
    let shown: PacedRedriveView = get(REDRIVE).send(server.addr).await.json(200);
    assert_eq!((shown.phase.as_str(), shown.redriven, shown.letters), ("running", 3, 7));
    let cancelled: PacedRedriveView = post(format!("{REDRIVE}/cancel"), "", "").send(server.addr).await.json(200);
    assert_eq!(cancelled.phase, "cancelled");
    get("/v1/tenants/acme/dlq/other/redrive").send(server.addr).await.refused(Code::RedriveUnknown);
}
