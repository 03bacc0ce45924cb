//! Goal: a model's versions are taken, promoted and told of, and what is refused has its code.

use serde_json::json;
use wharf_event::{Code, Digest};
use wharf_gateway::view::{BaselineView, DriftView, ModelDetail, ModelVersionView, ModelView};

use crate::client::{delete, get, post, put};
use crate::server::Server;

const MODELS: &str = "/v1/tenants/acme/models";

#[tokio::test]
async fn a_version_is_taken_promoted_and_told_of() {
    let server = Server::start().await;
    let (digest, other) = (Digest::of(b"fit"), Digest::of(b"other"));
    let version = |model: &str, digest: &Digest| format!("{MODELS}/{model}/versions/{}", digest.hex());
    let path = version("fraud", &digest) + "?version=1&message=first";
    let made = put(path.clone(), "fit").send(server.addr).await.json::<ModelVersionView>(201);
    assert_eq!((made.digest, made.bytes, made.message.as_deref()), (digest, 3, Some("first")));
    put(path, "fit").send(server.addr).await.json::<ModelVersionView>(200);
    let at = |what: &str| format!("{MODELS}/fraud{what}");
    let wish = json!({"version": digest, "reason": "why"}).to_string();
    let promoted =
        post(at("/promote"), "application/json", wish.as_str()).send(server.addr).await.json::<ModelDetail>(200);
    assert_eq!(promoted.model.stable, Some(digest));
    assert_eq!(get(at("")).send(server.addr).await.json::<ModelDetail>(200), promoted);
    assert_eq!(get(MODELS).send(server.addr).await.json::<Vec<ModelView>>(200), std::slice::from_ref(&promoted.model));
    assert!(get(format!("{MODELS}?after=fraud")).send(server.addr).await.json::<Vec<ModelView>>(200).is_empty());
    for (path, body, code) in [
        (version("fraud", &other), "fit", Code::ReleaseMismatch),
        (version("fraud", &other), "other", Code::ModelUnfit),
        (version("of-file", &digest), "fit", Code::ModelOfFile),
        (version("No", &digest), "fit", Code::ModelUnknown),
        (format!("{MODELS}/fraud/versions/7"), "fit", Code::ModelVersionUnknown),
        (version("fraud", &digest) + "?name=x", "fit", Code::QueryInvalid),
    ] {
        put(path, body).send(server.addr).await.refused(code);
    }
    let wish = json!({"version": other}).to_string();
    post(at("/promote"), "application/json", wish.as_str()).send(server.addr).await.refused(Code::ModelVersionUnknown);
    post(at("/rollback"), "application/json", "{}").send(server.addr).await.refused(Code::ChannelInvalid);
    for body in [r#"{"release": "sha256:00"}"#, r#"{"canary": {"share": "10%", "until": "1h"}}"#, &" ".repeat(1 << 20)]
    {
        post(at("/promote"), "application/json", body).send(server.addr).await.refused(Code::QueryInvalid);
        post(at("/rollback"), "application/json", body).send(server.addr).await.refused(Code::QueryInvalid);
    }
    post(at("/promote"), "text/plain", "{}").send(server.addr).await.refused(Code::ContentTypeUnsupported);
    assert_eq!(
        post(at("/promote"), "application/json", "{}").send(server.addr).await.json::<ModelDetail>(200),
        promoted
    );
    let batch = r#"{"batch": 32, "batch_wait_ms": 2}"#;
    let batched = post(at("/batch"), "application/json", batch).send(server.addr).await.json::<ModelDetail>(200);
    assert_eq!((batched.model.batch, batched.model.batch_wait_ms), (Some(32), Some(2)));
    for body in ["", r#"{"batch": -1}"#, r#"{"rows": 7}"#] {
        post(at("/batch"), "application/json", body).send(server.addr).await.refused(Code::QueryInvalid);
    }
    let of_file = post(format!("{MODELS}/of-file/batch"), "application/json", batch);
    of_file.send(server.addr).await.refused(Code::ModelOfFile);
    assert_eq!(delete(at("")).send(server.addr).await.status, 204);
    get(at("")).send(server.addr).await.refused(Code::ModelUnknown);
    delete(at("")).send(server.addr).await.refused(Code::ModelUnknown);
}

#[tokio::test]
async fn the_baseline_of_drift_is_set_told_of_and_removed() {
    let server = Server::start().await;
    put(format!("{MODELS}/fraud/versions/{}", Digest::of(b"fit").hex()), "fit").send(server.addr).await;
    let at = |what: &str| format!("{MODELS}/fraud{what}");
    let column = json!({"name": "amount", "quantiles": [1.0, 2.0]});
    let draft = json!({"rows": 500, "psi": 0.3, "inputs": {"x": [column]}}).to_string();
    let kept = put(at("/baseline"), draft.as_str()).send(server.addr).await.json::<BaselineView>(200);
    assert_eq!((kept.rows, kept.window, kept.psi, &kept.inputs["x"]), (500, 1_000, 0.3, &vec!["amount".to_owned()]));
    let drift = get(at("/drift")).send(server.addr).await.json::<DriftView>(200);
    assert_eq!((drift.model.as_str(), drift.baseline), ("fraud", Some(kept)));
    for body in ["", "{}", r#"{"rows": 500, "inputs": {}, "other": 1}"#, r#"{"rows": -1, "inputs": {}}"#] {
        put(at("/baseline"), body).send(server.addr).await.refused(Code::BaselineInvalid);
    }
    put(at("/baseline"), " ".repeat(1 << 20)).send(server.addr).await.refused(Code::BaselineInvalid);
    put(format!("{MODELS}/of-file/baseline"), draft.as_str()).send(server.addr).await.refused(Code::ModelOfFile);
    put(format!("{MODELS}/lost/baseline"), draft).send(server.addr).await.refused(Code::ModelUnknown);
    assert_eq!(delete(at("/baseline")).send(server.addr).await.status, 204);
    assert_eq!(get(at("/drift")).send(server.addr).await.json::<DriftView>(200).baseline, None);
    get(format!("{MODELS}/lost/drift")).send(server.addr).await.refused(Code::ModelUnknown);
}
