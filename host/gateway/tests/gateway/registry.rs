//! Plugins over HTTP: uploaded, set, promoted, listed, removed.

use wharf_event::{Code, Digest};
use wharf_gateway::view::{GrantsDetail, PluginDetail, PluginView, ReleaseState, ReleaseView};

use crate::client::{delete, get, post, put, put_as};
use crate::server::Server;

const PLUGINS: &str = "/v1/tenants/acme/plugins";

fn release(plugin: &str, bytes: &[u8]) -> String {
    format!("{PLUGINS}/{plugin}/releases/{}", Digest::of(bytes).hex())
}

#[tokio::test]
async fn a_release_is_taken_with_what_is_said_about_it() {
    let server = Server::start().await;
    let bytes = b"ready ".repeat(100_000);
    let path = format!("{}?version=1.2&message=fewer%20alarms", release("triage", &bytes));
    let view: ReleaseView = put_as(path, "application/wasm", bytes.clone()).send(server.addr).await.json(200);
    assert_eq!((view.state, view.bytes), (ReleaseState::Ready, 600_000));
    assert_eq!((view.version.as_deref(), view.message.as_deref()), (Some("1.2"), Some("fewer alarms")));
    let again: ReleaseView = get(release("triage", &bytes)).send(server.addr).await.json(200);
    assert_eq!(again, view);
    let unfit: ReleaseView = put_as(release("triage", b"no"), "", b"no".to_vec()).send(server.addr).await.json(202);
    assert_eq!(unfit.failure.unwrap().code, Code::ComponentNotWasm);
    let all: Vec<ReleaseView> = get(format!("{PLUGINS}/triage/releases")).send(server.addr).await.json(200);
    assert_eq!(all.len(), 2);
    put_as(release("triage", b"other"), "", b"ready".to_vec()).send(server.addr).await.refused(Code::ReleaseMismatch);
    put_as(format!("{PLUGINS}/triage/releases/abc"), "", b"ready".to_vec())
        .send(server.addr)
        .await
        .refused(Code::ReleaseUnknown);
    let long = format!("{}?message={}", release("triage", b"ready"), "m".repeat(501));
    put_as(long, "", b"ready".to_vec()).send(server.addr).await.refused(Code::QueryInvalid);
    let odd = format!("{}?comment=x", release("triage", b"ready"));
    put_as(odd, "", b"ready".to_vec()).send(server.addr).await.refused(Code::QueryInvalid);
}

#[tokio::test]
async fn a_plugin_is_set_promoted_and_removed() {
    let server = Server::start().await;
    let at = format!("{PLUGINS}/triage");
    let made: PluginDetail = put(&at, "{}").send(server.addr).await.json(201);
    assert_eq!(made.plugin.stable, None);
    assert_eq!(put(&at, "{}").send(server.addr).await.header("etag"), Some("\"1-0\""));
    put(&at, r#"{"x": 1}"#).send(server.addr).await.refused(Code::PluginInvalid);
    put_as(&at, "text/plain", "{}").send(server.addr).await.refused(Code::ContentTypeUnsupported);
    put(format!("{PLUGINS}/of-file"), "{}").send(server.addr).await.refused(Code::PluginOfFile);
    put(format!("{PLUGINS}/No"), "{}").send(server.addr).await.refused(Code::PluginInvalid);
    put_as(release("triage", b"ready"), "", b"ready".to_vec()).send(server.addr).await;
    put_as(release("triage", b"no"), "", b"no".to_vec()).send(server.addr).await;
    let promote = |bytes: &[u8], more: &str| {
        let body = format!(r#"{{"release":"{}"{more}}}"#, Digest::of(bytes));
        post(format!("{PLUGINS}/triage/promote"), "application/json", body)
    };
    let promoted: PluginDetail = promote(b"ready", "").send(server.addr).await.json(200);
    assert_eq!(promoted.plugin.stable, Some(Digest::of(b"ready")));
    let canary = r#","canary":{"share":"10%","for":"10m","abort_on":"error_rate>2%"},"reason":"try""#;
    promote(b"ready", canary).send(server.addr).await.json::<PluginDetail>(200);
    promote(b"no", "").send(server.addr).await.refused(Code::ReleaseUnready);
    promote(b"nobody", "").send(server.addr).await.refused(Code::ReleaseUnknown);
    promote(b"ready", r#","x":1"#).send(server.addr).await.refused(Code::QueryInvalid);
    post(format!("{PLUGINS}/triage/rollback"), "application/json", "{}")
        .send(server.addr)
        .await
        .refused(Code::ChannelInvalid);
    let all: Vec<PluginView> = get(format!("{PLUGINS}?limit=10")).send(server.addr).await.json(200);
    assert_eq!(all.len(), 1);
    let behind: Vec<PluginView> = get(format!("{PLUGINS}?after=triage")).send(server.addr).await.json(200);
    assert!(behind.is_empty());
    assert_eq!(delete(&at).send(server.addr).await.status, 204);
    get(&at).send(server.addr).await.refused(Code::PluginUnknown);
}

#[tokio::test]
async fn grants_are_shown_approved_and_revoked() {
    let server = Server::start().await;
    put(format!("{PLUGINS}/triage"), "{}").send(server.addr).await;
    let at = format!("{PLUGINS}/triage/grants");
    let say = |what: &str, body: &str| post(format!("{at}/{what}"), "application/json", body.to_owned());
    let named = r#"{"publish": ["order.*"], "kv": ["orders", "prices:read"]}"#;
    let approved: GrantsDetail = say("approve", named).send(server.addr).await.json(200);
    assert_eq!(approved.granted.told(), ["publish order.*", "kv orders (write)", "kv prices (read)"]);
    assert_eq!(get(&at).send(server.addr).await.header("etag"), Some("\"1-0\""));
    assert_eq!(get(&at).send(server.addr).await.json::<GrantsDetail>(200), approved);
    let revoked: GrantsDetail =
        say("revoke", r#"{"publish": ["*"], "kv": ["orders"]}"#).send(server.addr).await.json(200);
    assert_eq!(revoked.granted.told(), ["kv prices (read)"]);
    let release = format!(r#"{{"release": "{}"}}"#, Digest::of(b"ready"));
    for (body, code) in [
        ("{}", Code::ReleaseUnknown),
        (release.as_str(), Code::GrantUnsaid),
        (r#"{"publish": ["operator.*"]}"#, Code::GrantCeiling),
        (r#"{"publish": ["*.a"]}"#, Code::QueryInvalid),
        (r#"{"kv": ["orders:write"]}"#, Code::QueryInvalid),
        (r#"{"ai": []}"#, Code::QueryInvalid),
    ] {
        say("approve", body).send(server.addr).await.refused(code);
    }
    get(format!("{PLUGINS}/nobody/grants")).send(server.addr).await.refused(Code::PluginUnknown);
}

#[tokio::test]
async fn a_release_is_followed_by_whoever_accepts_a_stream_of_events() {
    let server = Server::start().await;
    let path = release("triage", b"ready");
    get(&path).with("accept", "text/event-stream").send(server.addr).await.refused(Code::PluginUnknown);
    put_as(&path, "application/wasm", b"ready".to_vec()).send(server.addr).await;
    let told = get(&path).with("accept", "text/html, text/event-stream;q=0.9").send(server.addr).await;
    assert_eq!((told.status, told.header("content-type")), (200, Some("text/event-stream")));
    let body = String::from_utf8(told.body.to_vec()).unwrap();
    let events: Vec<_> = body.split_terminator("\n\n").collect();
    assert_eq!(events.len(), 2, "{body}");
    for (event, state) in events.iter().zip([ReleaseState::Compiling, ReleaseState::Ready]) {
        let data = event.strip_prefix("event: release\ndata: ").unwrap();
        assert_eq!(serde_json::from_str::<ReleaseView>(data).unwrap().state, state);
    }
    assert_eq!(
        get(&path).with("accept", "application/json").send(server.addr).await.header("content-type"),
        Some("application/json")
    );
}

#[tokio::test]
async fn a_quarantine_is_lifted_and_what_ran_no_more_is_named() {
    let server = Server::start().await;
    let lift = |plugin: &str| post(format!("{PLUGINS}/{plugin}/lift"), "application/json", "{}");
    lift("triage").send(server.addr).await.refused(Code::PluginUnknown);
    put(format!("{PLUGINS}/triage"), "{}").send(server.addr).await.json::<PluginDetail>(201);
    let told: serde_json::Value = lift("triage").send(server.addr).await.json(200);
    assert_eq!(told, serde_json::json!({"lifted": [Digest::of(b"quarantined")]}));
}
