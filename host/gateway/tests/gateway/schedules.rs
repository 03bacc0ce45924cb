//! Schedules over HTTP: put under conditions, read in pages, removed. And the schedules of the made-up host: `of-file`, and those that were put
//! on a server of the same test.

use bytes::Bytes;
use serde_json::value::RawValue;
use wharf_event::{CatchUp, Code, ScheduleName, TenantName};
use wharf_gateway::view::{RuleOrigin, ScheduleView};
use wharf_gateway::{Expected, Put, Refusal, ScheduleRef, Schedules};

use crate::client::{delete, get, put};
use crate::host::{FakeHost, position, tenant_is_known};
use crate::server::Server;

fn view(schedule: &ScheduleName) -> ScheduleView {
    let of_file = schedule.as_str() == "of-file";
    ScheduleView {
        schedule: schedule.clone(),
        origin: if of_file { RuleOrigin::File } else { RuleOrigin::Api },
        version: (!of_file).then(|| position(6)),
        next: Some("2026-12-01T00:00:00.000Z".to_owned()),
        last: None,
        expression: "rate(1 hour)".to_owned(),
        timezone: "UTC".to_owned(),
        start: None,
        end: None,
        flexible_window: "0s".to_owned(),
        catch_up: CatchUp::Last,
        after: None,
        enabled: true,
        bus: Some("default".parse().unwrap()),
        targets: Vec::new(),
        kind: "tick".to_owned(),
        source: None,
        subject: None,
        data: None,
    }
}

impl Schedules for FakeHost {
    async fn schedules(
        &self,
        tenant: &TenantName,
        after: Option<ScheduleName>,
        limit: u32,
    ) -> Result<Vec<ScheduleView>, Refusal> {
        tenant_is_known(tenant)?;
        let schedules = self.schedules.lock().unwrap();
        let behind = schedules.values().filter(|one| after.as_ref().is_none_or(|after| one.schedule > *after));
        Ok(behind.take(limit.try_into().unwrap()).cloned().collect())
    }

    async fn schedule(&self, of: ScheduleRef) -> Result<ScheduleView, Refusal> {
        tenant_is_known(&of.tenant)?;
        if of.schedule.as_str() == "of-file" {
            return Ok(view(&of.schedule));
        }
        let found = self.schedules.lock().unwrap().get(&of.schedule).cloned();
        found.ok_or_else(|| Refusal::new(Code::ScheduleUnknown, "there is none"))
    }

    async fn put_schedule(
        &self,
        of: ScheduleRef,
        document: Bytes,
        expected: Expected,
    ) -> Result<Put<ScheduleView>, Refusal> {
        tenant_is_known(&of.tenant)?;
        if of.schedule.as_str() == "of-file" {
            return Err(Refusal::new(Code::ScheduleOfFile, "it stands in the file"));
        }
        let data = String::from_utf8(document.to_vec()).unwrap();
        let data = RawValue::from_string(data).map_err(|_| Refusal::new(Code::ScheduleInvalid, "no JSON"))?;
        let mut schedules = self.schedules.lock().unwrap();
        let created = !schedules.contains_key(&of.schedule);
        if !created && expected == Expected::Absent {
            return Err(Refusal::new(Code::VersionConflict, "there is one"));
        }
        let now = ScheduleView { data: Some(data), ..view(&of.schedule) };
        schedules.insert(of.schedule, now.clone());
        Ok(Put { now, created })
    }

    async fn remove_schedule(&self, of: ScheduleRef, _: Expected) -> Result<(), Refusal> {
        let schedule = self.schedule(of).await?.schedule;
        if self.schedules.lock().unwrap().remove(&schedule).is_some() {
            return Ok(());
        }
        Err(Refusal::new(Code::ScheduleOfFile, "it stands in the file"))
    }
}

#[tokio::test]
async fn schedules_are_read_put_and_removed() {
    const SCHEDULES: &str = "/v1/tenants/acme/schedules";
    let server = Server::start().await;
    get(format!("{SCHEDULES}/nightly")).send(server.addr).await.refused(Code::ScheduleUnknown);
    get(format!("{SCHEDULES}/No")).send(server.addr).await.refused(Code::ScheduleUnknown);
    get("/v1/tenants/other/schedules").send(server.addr).await.refused(Code::TenantUnknown);
    get(format!("{SCHEDULES}?limit=0")).send(server.addr).await.refused(Code::QueryInvalid);
    let document = r#"{"n": 1.50, "n": 2}"#;
    let made = put(format!("{SCHEDULES}/nightly"), document).with("if-none-match", "*").send(server.addr).await;
    assert_eq!(
        (made.status, made.header("etag"), made.header("location")),
        (201, Some("\"7-0\""), Some("/v1/tenants/acme/schedules/nightly"))
    );
    let schedule: ScheduleView = made.json(201);
    assert_eq!(schedule.data.unwrap().get(), document, "as it was sent");
    let again = put(format!("{SCHEDULES}/nightly"), "{}");
    again.with("if-none-match", "*").send(server.addr).await.refused(Code::VersionConflict);
    assert_eq!(put(format!("{SCHEDULES}/nightly"), "{}").send(server.addr).await.status, 200);
    assert_eq!(put(format!("{SCHEDULES}/a"), "{}").send(server.addr).await.status, 201);
    put(format!("{SCHEDULES}/No"), "{}").send(server.addr).await.refused(Code::ScheduleInvalid);
    put(format!("{SCHEDULES}/a"), "{").send(server.addr).await.refused(Code::ScheduleInvalid);
    put(format!("{SCHEDULES}/of-file"), "{}").send(server.addr).await.refused(Code::ScheduleOfFile);
    let large = format!("{}{{}}", " ".repeat(260 * 1024));
    put(format!("{SCHEDULES}/a"), large.as_str()).send(server.addr).await.refused(Code::ScheduleInvalid);
    let page: Vec<ScheduleView> = get(format!("{SCHEDULES}?limit=1")).send(server.addr).await.json(200);
    assert_eq!(page[0].schedule.as_str(), "a");
    let page: Vec<ScheduleView> = get(format!("{SCHEDULES}?after=a")).send(server.addr).await.json(200);
    assert_eq!((page.len(), page[0].schedule.as_str()), (1, "nightly"));
    let shown = get(format!("{SCHEDULES}/nightly")).with("if-none-match", "\"7-0\"").send(server.addr).await;
    assert_eq!((shown.status, shown.header("etag")), (200, Some("\"7-0\"")), "what is next changes without a version");
    delete(format!("{SCHEDULES}/of-file")).send(server.addr).await.refused(Code::ScheduleOfFile);
    assert_eq!(delete(format!("{SCHEDULES}/nightly")).send(server.addr).await.status, 204);
    delete(format!("{SCHEDULES}/nightly")).send(server.addr).await.refused(Code::ScheduleUnknown);
}
