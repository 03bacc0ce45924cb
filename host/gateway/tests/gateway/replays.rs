//! Replays over HTTP: begun once, read, cancelled, let go of. And the replays of the made-up host: those that were begun on a server of the same
//! test.

use wharf_event::{Code, ReplayName, TenantName};
use wharf_gateway::view::{ReplayView, ReplayWishView};
use wharf_gateway::{Put, Refusal, ReplayRef, Replays};

use crate::client::{delete, get, post, put};
use crate::host::{FakeHost, position, tenant_is_known};
use crate::server::Server;

fn view(replay: &ReplayName, wish: ReplayWishView) -> ReplayView {
    ReplayView {
        replay: replay.clone(),
        phase: "running".to_owned(),
        reason: None,
        replayed: 3,
        left: Some(3),
        progress: 0.5,
        position: position(6),
        until: position(12),
        begun: "2026-12-01T00:00:00.000Z".to_owned(),
        wish,
    }
}

impl Replays for FakeHost {
    async fn replays(
        &self,
        tenant: &TenantName,
        after: Option<ReplayName>,
        limit: u32,
    ) -> Result<Vec<ReplayView>, Refusal> {
        tenant_is_known(tenant)?;
        let all = self.replays.lock().unwrap();
        let behind = all.iter().filter(|(name, _)| after.as_ref().is_none_or(|after| *name > after));
        Ok(behind.take(limit as usize).map(|(_, replay)| replay.clone()).collect())
    }

    async fn replay(&self, of: ReplayRef) -> Result<ReplayView, Refusal> {
        tenant_is_known(&of.tenant)?;
        let found = self.replays.lock().unwrap().get(&of.replay).cloned();
        found.ok_or_else(|| Refusal::new(Code::ReplayUnknown, "there is none"))
    }

    async fn begin_replay(&self, of: ReplayRef, wish: ReplayWishView) -> Result<Put<ReplayView>, Refusal> {
        tenant_is_known(&of.tenant)?;
        let mut replays = self.replays.lock().unwrap();
        if let Some(there) = replays.get(&of.replay) {
            let same = there.wish.bus == wish.bus;
            let put = Put { now: there.clone(), created: false };
            return if same { Ok(put) } else { Err(Refusal::new(Code::ReplayExists, "it brings something else")) };
        }
        let now = view(&of.replay, wish);
        replays.insert(of.replay, now.clone());
        Ok(Put { now, created: true })
    }

    async fn cancel_replay(&self, of: ReplayRef) -> Result<ReplayView, Refusal> {
        let cancelled = ReplayView { phase: "cancelled".to_owned(), ..self.replay(of).await? };
        self.replays.lock().unwrap().insert(cancelled.replay.clone(), cancelled.clone());
        Ok(cancelled)
    }

    async fn remove_replay(&self, of: ReplayRef) -> Result<(), Refusal> {
        let replay = self.replay(of).await?;
        if replay.phase == "running" {
            return Err(Refusal::new(Code::ReplayRunning, "cancel it first"));
        }
        self.replays.lock().unwrap().remove(&replay.replay);
        Ok(())
    }
}

#[tokio::test]
async fn replays_are_begun_once_read_cancelled_and_let_go_of() {
    const REPLAYS: &str = "/v1/tenants/acme/replays";
    let server = Server::start().await;
    let again = format!("{REPLAYS}/again");
    get(again.as_str()).send(server.addr).await.refused(Code::ReplayUnknown);
    get(format!("{REPLAYS}/No")).send(server.addr).await.refused(Code::ReplayUnknown);
    get("/v1/tenants/other/replays").send(server.addr).await.refused(Code::TenantUnknown);
    let wish = r#"{"bus": "orders", "pattern": {"data": {"n": [1.50]}}, "events_per_s": 9}"#;
    let made = put(again.as_str(), wish).send(server.addr).await;
    assert_eq!((made.status, made.header("location")), (201, Some(again.as_str())));
    let made: ReplayView = made.json(201);
    assert_eq!(made.wish.pattern.unwrap().get(), r#"{"data": {"n": [1.50]}}"#, "as it was sent");
    assert_eq!(put(again.as_str(), wish).send(server.addr).await.status, 200);
    put(again.as_str(), r#"{"bus": "audit"}"#).send(server.addr).await.refused(Code::ReplayExists);
    for wrong in [r#"{"buses": 1}"#, "{", r#"{"bus": "No"}"#, r#"{"events_per_s": -1}"#] {
        put(again.as_str(), wrong).send(server.addr).await.refused(Code::ReplayInvalid);
    }
    put(format!("{REPLAYS}/No"), "{}").send(server.addr).await.refused(Code::ReplayInvalid);
    let all: Vec<ReplayView> = get(REPLAYS).send(server.addr).await.json(200);
    assert_eq!(all.len(), 1);
    delete(again.as_str()).send(server.addr).await.refused(Code::ReplayRunning);
    let cancelled: ReplayView = post(format!("{again}/cancel"), "", "").send(server.addr).await.json(200);
    assert_eq!((cancelled.phase.as_str(), cancelled.replayed), ("cancelled", 3));
    assert_eq!(delete(again.as_str()).send(server.addr).await.status, 204);
    delete(again.as_str()).send(server.addr).await.refused(Code::ReplayUnknown);
    post(format!("{again}/cancel"), "", "").send(server.addr).await.refused(Code::ReplayUnknown);
}
