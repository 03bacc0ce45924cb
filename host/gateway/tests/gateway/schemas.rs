//! Schemas are listed, shown and exported as the host says. The made-up host has one, `order`.

use serde_json::{Value, json};
use wharf_event::{Code, SchemaName, TenantName};
use wharf_gateway::view::{RuleOrigin, SchemaView};
use wharf_gateway::{Refusal, Schemas};

use crate::client::get;
use crate::host::{FakeHost, tenant_is_known};
use crate::server::Server;

impl Schemas for FakeHost {
    async fn schemas(&self, tenant: &TenantName) -> Result<Vec<SchemaView>, Refusal> {
        tenant_is_known(tenant)?;
        Ok(vec![SchemaView { document: None, ..self.schema(tenant, &"order".parse().unwrap()).await? }])
    }

    async fn schema(&self, tenant: &TenantName, schema: &SchemaName) -> Result<SchemaView, Refusal> {
        tenant_is_known(tenant)?;
        if schema.as_str() != "order" {
            return Err(Refusal::new(Code::SchemaUnknown, "the made-up host has none"));
        }
        Ok(SchemaView {
            schema: schema.clone(),
            origin: RuleOrigin::File,
            bus: "default".parse().unwrap(),
            kind: "order.created".to_owned(),
            mode: "warn".to_owned(),
            draft: "2020-12".to_owned(),
            document: Some(json!({"type": "object"})),
        })
    }

    async fn asyncapi(&self, tenant: &TenantName) -> Result<Value, Refusal> {
        tenant_is_known(tenant)?;
        Ok(json!({"asyncapi": "3.0.0", "channels": {}}))
    }
}

#[tokio::test]
async fn schemas_are_listed_without_and_shown_with_what_they_say() {
    let server = Server::start().await;
    let listed: Vec<SchemaView> = get("/v1/tenants/acme/schemas").send(server.addr).await.json(200);
    assert_eq!((listed[0].schema.as_str(), &listed[0].document), ("order", &None));
    let shown: Value = get("/v1/tenants/acme/schemas/order").send(server.addr).await.json(200);
    let wanted = json!({
        "schema": "order", "origin": "file", "bus": "default", "type": "order.created", "mode": "warn",
        "draft": "2020-12", "document": {"type": "object"},
    });
    assert_eq!(shown, wanted);
    for unknown in ["other", "No-Name"] {
        get(format!("/v1/tenants/acme/schemas/{unknown}")).send(server.addr).await.refused(Code::SchemaUnknown);
    }
    let exported: Value = get("/v1/tenants/acme/asyncapi.json").send(server.addr).await.json(200);
    assert_eq!(exported["asyncapi"], "3.0.0");
}
