//! Tenants and event buses over HTTP: put under conditions, read, deleted when confirmed. And the tenants of the made-up host: `acme`,
//! which stands in its file, and those that were put.

use bytes::Bytes;
use wharf_event::{BusName, Code, TenantName};
use wharf_gateway::view::{BusView, RetentionView, RuleOrigin, TenantSettingsView, TenantView, TenantsView};
use wharf_gateway::{BusRef, Expected, Put, Refusal, Tenants};

use crate::client::{delete, get, put};
use crate::host::{FakeHost, paged, position};
use crate::server::Server;

fn none(tenant: &TenantName) -> Refusal {
    Refusal::new(Code::TenantUnknown, format!("there is no {tenant}"))
}

fn view(tenant: &TenantName) -> TenantView {
    let of_file = tenant.as_str() == "acme";
    let origin = if of_file { RuleOrigin::File } else { RuleOrigin::Api };
    let settings = TenantSettingsView::default();
    TenantView { tenant: tenant.clone(), origin, version: (!of_file).then(|| position(6)), settings }
}

fn bus(of: &BusRef) -> BusView {
    let retention = RetentionView { age: "7d".to_owned(), size: "10GiB".to_owned() };
    BusView { bus: of.bus.clone(), origin: RuleOrigin::File, version: None, retention, backlog: None, waiting: 3 }
}

impl Tenants for FakeHost {
    fn tenants(&self) -> TenantsView {
        let made = self.made.lock().unwrap().clone();
        let acme: TenantName = "acme".parse().unwrap();
        let default = (!self.no_default_tenant).then(|| acme.clone());
        let tenants = std::iter::once(acme).chain(made).collect();
        TenantsView { default, tenants, ..TenantsView::default() }
    }

    async fn tenant(&self, tenant: &TenantName) -> Result<TenantView, Refusal> {
        if self.tenants().tenants.contains(tenant) { Ok(view(tenant)) } else { Err(none(tenant)) }
    }

    async fn put_tenant(&self, tenant: TenantName, _: Bytes, expected: Expected) -> Result<Put<TenantView>, Refusal> {
        let created = !self.tenants().tenants.contains(&tenant);
        if !created && expected == Expected::Absent {
            return Err(Refusal::new(Code::VersionConflict, "there is one"));
        }
        self.made.lock().unwrap().insert(tenant.clone());
        Ok(Put { now: view(&tenant), created })
    }

    async fn delete_tenant(&self, tenant: TenantName, _: Expected) -> Result<(), Refusal> {
        if self.made.lock().unwrap().remove(&tenant) {
            return Ok(());
        }
        Err(Refusal::new(Code::TenantOfFile, "it stands in the file"))
    }

    async fn buses(&self, tenant: &TenantName, after: Option<BusName>, limit: u32) -> Result<Vec<BusView>, Refusal> {
        self.tenant(tenant).await?;
        let all = vec![bus(&BusRef { tenant: tenant.clone(), bus: "default".parse().unwrap() })];
        Ok(paged(all, |one| &one.bus, after.as_ref(), limit))
    }

    async fn bus(&self, of: BusRef) -> Result<BusView, Refusal> {
        let found = self.buses(&of.tenant, None, 1).await?.into_iter().find(|bus| bus.bus == of.bus);
        found.ok_or_else(|| Refusal::new(Code::BusUnknown, "there is none"))
    }

    async fn put_bus(&self, of: BusRef, _: Bytes, _: Expected) -> Result<Put<BusView>, Refusal> {
        self.tenant(&of.tenant).await?;
        let created = self.bus(of.clone()).await.is_err();
        Ok(Put { now: BusView { version: Some(position(2)), ..bus(&of) }, created })
    }

    async fn remove_bus(&self, of: BusRef, _: Expected) -> Result<(), Refusal> {
        self.bus(of).await?;
        Err(Refusal::new(Code::BusOfFile, "it stands in the file"))
    }
}

#[tokio::test]
async fn a_tenant_is_made_and_deleted_when_its_name_is_said_twice() {
    let server = Server::start().await;
    get("/v1/tenants/other").send(server.addr).await.refused(Code::TenantUnknown);
    let made = put("/v1/tenants/other", "{}").with("if-none-match", "*").send(server.addr).await;
    let tenant: TenantView = made.json(201);
    assert_eq!((tenant.tenant.as_str(), tenant.origin), ("other", RuleOrigin::Api));
    assert_eq!((made.header("location"), made.header("etag")), (Some("/v1/tenants/other"), Some("\"7-0\"")));
    put("/v1/tenants/other", "{}").with("if-none-match", "*").send(server.addr).await.refused(Code::VersionConflict);
    assert_eq!(put("/v1/tenants/other", "{}").send(server.addr).await.status, 200);
    put("/v1/tenants/No", "{}").send(server.addr).await.refused(Code::TenantInvalid);
    let names: TenantsView = get("/v1/tenants").send(server.addr).await.json(200);
    assert_eq!(names.tenants.len(), 2);
    for query in ["", "?confirm=acme", "?confirm="] {
        delete(format!("/v1/tenants/other{query}")).send(server.addr).await.refused(Code::Unconfirmed);
    }
    delete("/v1/tenants/nobody").send(server.addr).await.refused(Code::TenantUnknown);
    delete("/v1/tenants/acme?confirm=acme").send(server.addr).await.refused(Code::TenantOfFile);
    assert_eq!(delete("/v1/tenants/other?confirm=other").send(server.addr).await.status, 202);
    get("/v1/tenants/other").send(server.addr).await.refused(Code::TenantUnknown);
}

#[tokio::test]
async fn buses_are_read_put_and_removed() {
    const BUSES: &str = "/v1/tenants/acme/buses";
    let server = Server::start().await;
    let all: Vec<BusView> = get(BUSES).send(server.addr).await.json(200);
    assert_eq!((all.len(), all[0].retention.age.as_str()), (1, "7d"));
    get("/v1/tenants/other/buses").send(server.addr).await.refused(Code::TenantUnknown);
    assert_eq!(get(format!("{BUSES}/default")).send(server.addr).await.json::<BusView>(200).bus.as_str(), "default");
    get(format!("{BUSES}/orders")).send(server.addr).await.refused(Code::BusUnknown);
    let made = put(format!("{BUSES}/orders"), "{}").send(server.addr).await;
    assert_eq!(
        (made.status, made.header("etag"), made.header("location")),
        (201, Some("\"3-0\""), Some("/v1/tenants/acme/buses/orders"))
    );
    put(format!("{BUSES}/No"), "{}").send(server.addr).await.refused(Code::BusInvalid);
    delete(format!("{BUSES}/default")).send(server.addr).await.refused(Code::BusOfFile);
    delete(format!("{BUSES}/orders")).send(server.addr).await.refused(Code::BusUnknown);
}
