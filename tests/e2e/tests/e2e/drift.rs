//! Goal: what a model is asked about is held against the rows that it was trained with, and a tenant is told once where that drifted.
//! Method: the guest `estimator` asks a tiny model with rows that are made here.

use serde_json::{Value, json};
use wharf_models::onnx;

use crate::{
    host::{Host, Site},
    infer::{PATIENT, asks, model, question, site},
    killed::until,
};

/// Rows of the baseline: two columns, evenly spread.
const ROWS: u32 = 2_000;

/// A site with a model whose inputs are held against a baseline.
pub fn watched(window: &str) -> (Site, Host) {
    let site = site(&[], &[("asks", &["fraud"], PATIENT)]);
    site.write("one.onnx", onnx::sum());
    let row = |n: u32| format!("{},{}\n", f64::from(n) / 1_000.0, n % 10);
    site.write("rows.csv", "amount,kind\n".to_owned() + &(0..ROWS).map(row).collect::<String>());
    let host = site.start("serve");
    let path = |name: &str| site.folder.path().join(name).display().to_string();
    assert_eq!(model(&host, &["put", "fraud", &path("one.onnx"), "--promote"]).0, Some(0));
    let (status, kept) = model(&host, &["baseline", "fraud", &path("rows.csv"), "--window", window]);
    assert_eq!((status, &kept["inputs"]), (Some(0), &json!({"x": ["amount", "kind"]})), "{kept}");
    (site, host)
}

/// Has a window's rows asked about, in questions of 50 rows: spread as the baseline is, and moved.
pub fn ask(host: &Host, id: &str, rows: u32, moved: f64) {
    let row = |n: u32| [json!(f64::from(n * (ROWS / rows)) / 1_000.0 + moved), json!(n % 10)];
    let values: Vec<Value> = (0..rows).flat_map(row).collect();
    let of = |part: &[Value]| question("fraud", &[50, 2], &json!({"f32": part}));
    let list: Vec<Value> = values.chunks(100).map(of).collect();
    assert!(asks(host, id, "asks", &json!(list)).1.iter().all(|came| came["answer"].is_object()));
}

fn told(host: &Host) -> Vec<Value> {
    let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=dev.wharf.model");
    events.as_array().unwrap().iter().map(|event| event["event"].clone()).collect()
}

#[test]
fn a_model_that_is_asked_about_something_else_is_told_of_once() {
    let (site, host) = watched("200");
    ask(&host, "same", 200, 0.0);
    let (_, drift) = model(&host, &["drift", "fraud"]);
    let last = &drift["versions"][0]["last"];
    assert_eq!((&last["rows"], &last["drifted"]), (&json!(200), &json!(false)), "{drift}");
    ask(&host, "half", 100, 0.5);
    assert_eq!(model(&host, &["drift", "fraud"]).1["versions"][0]["rows"], json!(100));
    assert!(told(&host).is_empty());
    ask(&host, "moved", 200, 0.5);
    until("the event about it", || !told(&host).is_empty());
    ask(&host, "on", 200, 0.5);
    let (_, drift) = model(&host, &["drift", "fraud"]);
    let columns = &drift["versions"][0]["last"]["columns"];
    assert_eq!((&columns[0]["drifted"], &columns[1]["drifted"]), (&json!(true), &json!(false)), "{drift}");
    assert!((columns[0]["ks"].as_f64().unwrap() - 0.25).abs() < 0.02, "{drift}");
    // Notices come in their order: when it is told again, whatever was told of before is there.
    // The first half of a window was moved already.
    ask(&host, "rest", 100, 0.5);
    ask(&host, "back", 200, 0.0);
    ask(&host, "again", 200, 0.5);
    until("the event about its second time", || told(&host).len() > 1);
    let told = told(&host);
    assert_eq!(told.len(), 2, "it went on, and was told once: {told:?}");
    let event = &told[0];
    assert_eq!((&event["type"], &event["subject"]), (&json!("dev.wharf.model.drifted"), &json!("fraud")));
    let data = &event["data"];
    assert_eq!(
        (&data["rows"], &data["drifted"], &data["columns"][0]["column"]),
        (&json!(200), &json!(1), &json!("amount"))
    );
    let metrics = host.get("/metrics").1.as_str().unwrap().to_owned();
    assert!(metrics.contains("wharf_infer_drift_psi{tenant=\"acme\",model=\"fraud\",version=\""), "{metrics}");
    // Questions of other columns are answered as ever, or refused by the model; what is no baseline is told with its code.
    let path = site.folder.path().join("rows.csv").display().to_string();
    let refused = model(&host, &["baseline", "fraud", &path, "--window", "10"]);
    assert!(refused.0 != Some(0) && refused.1.to_string().contains("baseline-invalid"), "{refused:?}");
    let refused = model(&host, &["baseline", "fraud", &path, "--input", "y"]);
    assert!(
        refused.0 != Some(0) && refused.1.to_string().contains("no version of model `fraud` has an input `y`"),
        "{refused:?}"
    );
    // The baseline is there behind a kill, and what was counted is not.
    host.kill();
    let host = site.start("serve");
    let (_, drift) = model(&host, &["drift", "fraud"]);
    assert_eq!((&drift["baseline"]["rows"], &drift["versions"]), (&json!(ROWS), &json!([])), "{drift}");
    assert_eq!(model(&host, &["baseline", "fraud", "--none"]).0, Some(0));
    ask(&host, "unwatched", 200, 0.5);
    assert_eq!(model(&host, &["drift", "fraud"]).1, json!({"model": "fraud", "versions": []}));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn drift_of_a_version_that_answers_no_more_is_no_measure() {
    let (site, host) = watched("200");
    ask(&host, "same", 200, 0.0);
    let measured = || host.get("/metrics").1.as_str().unwrap().contains("wharf_infer_drift_psi{tenant=\"acme\"");
    assert!(measured());
    site.write("two.onnx", onnx::product(3.0));
    let path = site.folder.path().join("two.onnx").display().to_string();
    assert_eq!(model(&host, &["put", "fraud", &path]).0, Some(0));
    assert!(measured(), "it answers still");
    assert_eq!(model(&host, &["promote", "fraud"]).0, Some(0));
    assert!(!measured());
    assert_eq!(host.stop(), Some(0));
}
