//! Schemas are listed, shown, put, removed and exported as the host says. The made-up host has one in its file, `order`.

use bytes::Bytes;
use serde_json::{Value, json};
use wharf_event::{Code, SchemaName, TenantName};
use wharf_gateway::view::{RuleOrigin, SchemaVersionView, SchemaView};
use wharf_gateway::{Compatibility, Expected, Mistake, Problem, Refusal, SchemaPut, SchemaRef, Schemas};

use crate::client::{delete, get, put, put_as};
use crate::host::{FakeHost, paged, position, tenant_is_known};
use crate::server::Server;

fn view(schema: &SchemaName, origin: RuleOrigin, number: Option<u64>) -> SchemaView {
    SchemaView {
        schema: schema.clone(),
        origin,
        version: number.map(|number| position(usize::try_from(number).unwrap() - 1)),
        number,
        bus: "default".parse().unwrap(),
        kind: "order.created".to_owned(),
        mode: "warn".to_owned(),
        draft: "2020-12".to_owned(),
        document: Some(json!({"type": "object"})),
    }
}

fn wrong(code: Code, pointers: &[&str]) -> Refusal {
    let mistake = |pointer: &&str| Mistake { pointer: (*pointer).to_owned(), detail: "it is minded".to_owned() };
    Refusal::new(code, "the made-up host minds").errors(pointers.iter().map(mistake).collect())
}

impl FakeHost {
    /// A schema that may be changed, as it is.
    fn changeable(&self, of: &SchemaRef, expected: Expected) -> Result<Option<SchemaView>, Refusal> {
        tenant_is_known(&of.tenant)?;
        if of.schema.as_str() == "order" {
            return Err(Refusal::new(Code::SchemaOfFile, "it stands in the file"));
        }
        let held = self.schemas.lock().unwrap().get(&of.schema).cloned();
        let version = held.as_ref().and_then(|schema| schema.version);
        let holds = match expected {
            Expected::Any => true,
            Expected::Absent => version.is_none(),
            Expected::Present => version.is_some(),
            Expected::Version(expected) => version == Some(expected),
        };
        if holds { Ok(held) } else { Err(Refusal::new(Code::VersionConflict, format!("{version:?}"))) }
    }
}

impl Schemas for FakeHost {
    async fn schemas(
        &self,
        tenant: &TenantName,
        after: Option<SchemaName>,
        limit: u32,
    ) -> Result<Vec<SchemaView>, Refusal> {
        tenant_is_known(tenant)?;
        let of = SchemaRef { tenant: tenant.clone(), schema: "order".parse().unwrap() };
        let all = vec![SchemaView { document: None, ..self.schema(of).await? }];
        Ok(paged(all, |one| &one.schema, after.as_ref(), limit))
    }

    async fn schema(&self, of: SchemaRef) -> Result<SchemaView, Refusal> {
        tenant_is_known(&of.tenant)?;
        let held = self.schemas.lock().unwrap().get(&of.schema).cloned();
        match (held, of.schema.as_str()) {
            (Some(schema), _) => Ok(schema),
            (None, "order") => Ok(view(&of.schema, RuleOrigin::File, None)),
            (None, _) => Err(Refusal::new(Code::SchemaUnknown, "the made-up host has none")),
        }
    }

    /// The version that is made has the name of what it promises for its type.
    async fn put_schema(
        &self,
        of: SchemaRef,
        document: Bytes,
        compatibility: Compatibility,
        expected: Expected,
    ) -> Result<SchemaPut, Refusal> {
        let before = self.changeable(&of, expected)?;
        let document: Value = serde_json::from_slice(&document).map_err(|_| wrong(Code::SchemaInvalid, &[""]))?;
        let schema = document.get("schema").ok_or_else(|| wrong(Code::SchemaInvalid, &["/schema", "/mode"]))?;
        if schema == "incompatible" {
            return Err(wrong(Code::SchemaIncompatible, &["/schema/a", "/schema/b"]));
        }
        let number = before.as_ref().and_then(|before| before.number).unwrap_or(0) + 1;
        let put = SchemaView {
            kind: format!("{compatibility:?}"),
            document: Some(schema.clone()),
            ..view(&of.schema, RuleOrigin::Api, Some(number))
        };
        self.schemas.lock().unwrap().insert(of.schema, put.clone());
        Ok(SchemaPut { schema: put, created: before.is_none() })
    }

    async fn remove_schema(&self, of: SchemaRef, expected: Expected) -> Result<(), Refusal> {
        let gone = self.changeable(&of, expected)?.is_some();
        self.schemas.lock().unwrap().remove(&of.schema);
        if gone { Ok(()) } else { Err(Refusal::new(Code::SchemaUnknown, "there is none")) }
    }

    async fn schema_versions(&self, of: SchemaRef) -> Result<Vec<SchemaVersionView>, Refusal> {
        let schema = self.schema(of).await?;
        let (at, draft) = ("2026-01-02T03:04:05Z".to_owned(), schema.draft);
        Ok(schema
            .number
            .map(|number| SchemaVersionView { number, at, draft, document: schema.document })
            .into_iter()
            .collect())
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

const MADE: &str = "/v1/tenants/acme/schemas/made";

#[tokio::test]
async fn a_schema_is_put_under_a_condition_and_its_version_is_its_tag() {
    let server = Server::start().await;
    let body = r#"{"schema": {"type": "object"}}"#;
    put(MADE, body).with("if-match", "*").send(server.addr).await.refused(Code::VersionConflict);
    let made = put(MADE, body).with("if-none-match", "*").send(server.addr).await;
    let schema: SchemaView = made.json(201);
    assert_eq!((schema.kind.as_str(), schema.number), ("Backward", Some(1)));
    assert_eq!((made.header("etag"), made.header("location")), (Some("\"1-0\""), Some(MADE)));
    for (n, word) in [(2, "forward"), (3, "full"), (4, "none"), (5, "backward")] {
        let next = put(format!("{MADE}?compatibility={word}"), body).send(server.addr).await;
        assert_eq!(next.json::<SchemaView>(200).kind.to_lowercase(), word);
        assert_eq!((next.header("etag"), next.header("location")), (Some(format!("\"{n}-0\"").as_str()), None));
    }
    let known = get(MADE).with("if-none-match", "\"5-0\"").send(server.addr).await;
    assert_eq!((known.status, known.body.len(), known.header("etag")), (304, 0, Some("\"5-0\"")));
    let versions: Vec<SchemaVersionView> = get(format!("{MADE}/versions")).send(server.addr).await.json(200);
    assert_eq!((versions[0].number, &versions[0].document), (5, &None));
    let version: SchemaVersionView = get(format!("{MADE}/versions/5")).send(server.addr).await.json(200);
    assert_eq!((version.number, version.document), (5, Some(json!({"type": "object"}))));
    delete(MADE).with("if-match", "\"4-0\"").send(server.addr).await.refused(Code::VersionConflict);
    assert_eq!(delete(MADE).with("if-match", "\"5-0\"").send(server.addr).await.status, 204);
    get(MADE).send(server.addr).await.refused(Code::SchemaUnknown);
}

#[tokio::test]
async fn a_schema_that_cannot_be_put_is_refused_with_every_mistake() {
    let server = Server::start().await;
    let fine = r#"{"schema": true}"#;
    for (request, code) in [
        (put(MADE, ""), Code::SchemaInvalid),
        (put(MADE, " ".repeat(512 * 1024 + 1)), Code::SchemaInvalid),
        (put("/v1/tenants/acme/schemas/Not%20A%20Name", fine), Code::SchemaInvalid),
        (put("/v1/tenants/acme/schemas/order", fine), Code::SchemaOfFile),
        (put(format!("{MADE}?compatibility=some"), fine), Code::QueryInvalid),
        (put(format!("{MADE}?compatible=none"), fine), Code::QueryInvalid),
        (put_as(MADE, "text/plain", fine), Code::ContentTypeUnsupported),
        (delete(MADE), Code::SchemaUnknown),
        (delete("/v1/tenants/acme/schemas/Not%20A%20Name"), Code::SchemaUnknown),
        (delete("/v1/tenants/acme/schemas/order"), Code::SchemaOfFile),
        (get("/v1/tenants/acme/schemas/order/versions/1"), Code::SchemaUnknown),
        (get(format!("{MADE}/versions")), Code::SchemaUnknown),
    ] {
        request.send(server.addr).await.refused(code);
    }
    let answer = put(MADE, r#"{"schema": "incompatible"}"#).send(server.addr).await;
    answer.refused(Code::SchemaIncompatible);
    let pointers: Vec<_> = answer.json::<Problem>(409).errors.into_iter().map(|mistake| mistake.pointer).collect();
    assert_eq!(pointers, ["/schema/a", "/schema/b"]);
    assert!(server.host.schemas.lock().unwrap().is_empty());
}
