//! Goal: a version of a model that is asked in the shadow sees what the one that answers is asked, nobody gets its answers, and people see how they
//! compare.
//! Method: two tiny models, one of which gives the sum of a row and the other that times three; the guest `estimator` asks.

use serde_json::{Value, json};
use wharf_models::onnx;

use crate::{
    host::{Host, Site},
    infer::{PATIENT, asks, model, question, site},
    killed::until,
};

fn promoted() -> (Site, Host) {
    let site = site(&[], &[("asks", &["fraud"], PATIENT)]);
    site.write("one.onnx", onnx::sum());
    site.write("two.onnx", onnx::product(3.0));
    let host = site.start("serve");
    put(&site, &host, "one.onnx", &["--promote"]);
    put(&site, &host, "two.onnx", &[]);
    (site, host)
}

fn put(site: &Site, host: &Host, file: &str, more: &[&str]) {
    let path = site.folder.path().join(file).display().to_string();
    let arguments = [&["put", "fraud", &path][..], more].concat();
    assert_eq!(model(host, &arguments).0, Some(0));
}

/// A model whose newest version was asked in the shadow once, and answered otherwise.
pub fn asked_once() -> (Site, Host) {
    let (site, host) = promoted();
    assert_eq!(model(&host, &["promote", "fraud", "--shadow"]).0, Some(0));
    given(&host, "one", [1.0, 1.0]);
    until("that the other answer differs", || shadow(&host)["differing"] == 1);
    (site, host)
}

/// What the model gives to a row, as the plugin has it.
fn given(host: &Host, id: &str, values: [f32; 2]) -> Value {
    let row = question("fraud", &[1, 2], &json!({ "f32": values }));
    asks(host, id, "asks", &json!([row])).1[0]["answer"]["outputs"][0][2]["f32"][0].clone()
}

fn shadow(host: &Host) -> Value {
    host.get("/v1/tenants/acme/models/fraud").1["shadow"].clone()
}

#[test]
fn a_version_in_the_shadow_is_asked_too_and_its_answers_are_only_compared() {
    let (site, host) = promoted();
    let (status, begun) = model(&host, &["promote", "fraud", "--shadow", "-m", "what would it say"]);
    let newest = begun["versions"][0]["digest"].clone();
    let none = json!({"version": newest, "same": 0, "differing": 0, "failed": 0, "left_out": 0});
    assert_eq!((status, &begun["shadow"]), (Some(0), &none), "{begun}");
    assert_eq!(begun["history"].as_array().unwrap().last().unwrap()["channel"], "shadow", "{begun}");
    assert_eq!(given(&host, "one", [1.0, 1.0]), json!(3.0));
    until("that the other answer differs", || shadow(&host)["differing"] == 1);
    assert_eq!(given(&host, "two", [0.0, 0.0]), json!(0.0));
    until("that the other answer is the same", || shadow(&host)["same"] == 1);
    let counted = json!({"version": newest, "same": 1, "differing": 1, "failed": 0, "left_out": 0});
    assert_eq!(shadow(&host), counted);
    let metrics = host.get("/metrics").1.as_str().unwrap().to_owned();
    let short = &newest.as_str().unwrap()["sha256:".len()..][..12];
    let labels = format!("tenant=\"acme\",model=\"fraud\",version=\"{short}\"");
    for line in [
        format!("wharf_infer_shadow_total{{{labels},result=\"differing\"}} 1"),
        format!("wharf_infer_duration_seconds_count{{{labels},error_type=\"\"}} 2"),
    ] {
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    // It is asked behind a kill too, and what came of it begins anew.
    host.kill();
    let host = site.start("serve");
    assert_eq!(shadow(&host), none);
    // Once it answers all questions, there is nobody in whose shadow it is.
    assert_eq!(model(&host, &["promote", "fraud"]).0, Some(0));
    assert_eq!(given(&host, "three", [1.0, 1.0]), json!(6.0));
    assert_eq!(shadow(&host), none);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_shadow_ends_and_is_refused_where_it_would_be_none() {
    let (_site, host) = promoted();
    let refused = |arguments: &[&str], wanted: &str| {
        let (status, said) = model(&host, arguments);
        assert!(status != Some(0) && said.to_string().contains(wanted), "{arguments:?}: {said}");
    };
    refused(&["rollback", "fraud", "--shadow"], "no version is asked in the shadow");
    let stable = model(&host, &["show", "fraud"]).1["stable"].as_str().unwrap().to_owned();
    refused(&["promote", "fraud", &stable, "--shadow"], "answers all questions already");
    let both = json!({"canary": {"share": "10%"}, "shadow": true}).to_string();
    let (status, said) = host.post("/v1/tenants/acme/models/fraud/promote", "application/json", both);
    assert_eq!((status, &said["code"]), (400, &json!("query-invalid")), "{said}");
    for _ in 0..2 {
        assert_eq!(model(&host, &["promote", "fraud", "--shadow"]).0, Some(0), "also once more");
    }
    let (status, ended) = model(&host, &["rollback", "fraud", "--shadow"]);
    assert_eq!((status, &ended["shadow"], &ended["stable"]), (Some(0), &Value::Null, &json!(stable)), "{ended}");
    assert_eq!(given(&host, "one", [1.0, 1.0]), json!(3.0));
    assert_eq!(host.stop(), Some(0));
}
