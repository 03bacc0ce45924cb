//! Goal: a plugin asks a model of its tenant with tensors and does not know that somebody else runs it: the request is signed, the answer is that
//! endpoint's, and errors are those that a model of a file has.
//! Method: a stand-in for SageMaker's runtime, which `boto3` talks to as well (`cargo xtask strangers`); the guest `estimator` asks.

use std::fmt::Write as _;

use serde_json::{Value, json};
use wharf_models::{ACCESS_KEY, SECRET_KEY, Server};

use crate::{
    egress::lines,
    host::{Host, Site, guest, wharf},
    infer::{asks, question},
};

/// Models of the tenant, by the endpoints that run them.
const MODELS: [(&str, &str, &str); 8] = [
    ("triton", "triton-sum", "v2"),
    ("rows", "xgb-sum", "csv"),
    ("gone", "gone", "v2"),
    ("busy", "busy", "v2"),
    ("broken", "fails-500", "csv"),
    ("picky", "fails-422", "csv"),
    ("slow", "slow", "csv"),
    ("secret", "triton-sum", "v2"),
];

fn site(port: u16) -> Site {
    let mut config = format!(
        r#"
default_tenant = "acme"
[egress]
networks = ["127.0.0.0/8"]
[llm.providers.aws]
kind = "sagemaker"
region = "eu-central-1"
endpoint = "http://127.0.0.1:{port}"
secret = "aws"
[tenants.acme.plugins.asks]
component = "{}"
grants = {{ publish = ["estimated"], infer = ["triton", "rows", "gone", "busy", "broken", "picky", "slow"] }}
limits = {{ wall_ms = 60000, infer_ms = 2000 }}
[tenants.acme.rules.asks]
pattern = {{ type = ["asks"] }}
targets = [{{ plugin = "asks", retry = {{ attempts = 1 }} }}]
"#,
        guest("estimator").display()
    );
    for (name, endpoint, payload) in MODELS {
        write!(
            config,
            "[tenants.acme.models.{name}]\nprovider = \"aws\"\nendpoint = \"{endpoint}\"\npayload = \"{payload}\"\n"
        )
        .unwrap();
    }
    Site::new(&config)
}

fn start(site: &Site) -> Host {
    let host = site.start("serve");
    let secret = json!({"value": format!("{ACCESS_KEY}:{SECRET_KEY}")}).to_string();
    assert_eq!(host.put("/v1/tenants/acme/secrets/aws", None, secret).0, 201);
    host
}

fn named(model: &str, shape: &[u32], values: &Value) -> Value {
    json!({"model": model, "inputs": [{"name": "x", "shape": shape, "values": values}]})
}

#[test]
fn a_question_reaches_the_endpoint_of_its_model_and_costs_the_host_no_time() {
    let server = Server::start();
    let site = site(server.port);
    let host = start(&site);
    let list = json!([
        named("triton", &[2, 2], &json!({"f32": [1, 2.5, 3, 4]})),
        named("triton", &[1, 2], &json!({"i64": [7, 8]})),
        question("rows", &[2, 2], &json!({"f64": [1, 2.5, 3, 4]})),
    ]);
    let (attempt, came) = asks(&host, "one", "asks", &list);
    assert_eq!(came[0]["answer"]["outputs"], json!([["y", [2, 1], {"f32": [3.5, 7.0]}]]), "{came:?}");
    assert_eq!(came[1]["answer"]["outputs"], json!([["y", [1, 1], {"i64": [15]}]]));
    assert_eq!(came[2]["answer"]["outputs"], json!([["predictions", [2, 1], {"f64": [3.5, 7.0]}]]));
    assert!(attempt["limits"].is_null(), "{attempt}");
    let heard: Vec<_> = server.heard.try_iter().collect();
    let asked: Vec<_> =
        heard.iter().map(|heard| (heard.target.as_str(), heard.header("content-type").unwrap())).collect();
    let (triton, json) = ("/endpoints/triton-sum/invocations", "application/json");
    assert_eq!(asked, [(triton, json), (triton, json), ("/endpoints/xgb-sum/invocations", "text/csv")]);
    assert!(heard[0].header("authorization").unwrap().contains("/eu-central-1/sagemaker/aws4_request"), "{heard:?}");
    assert!(heard[0].header("traceparent").unwrap().contains("0af7651916cd43dd8448eb211c80319c"), "{heard:?}");
    // What is counted is the question and how long it took, and no processor of the host.
    let version = came[0]["answer"]["version"].as_str().unwrap()["sha256:".len()..][..12].to_owned();
    let said = lines(&attempt);
    assert!(said.contains(&format!("triton@{version}, ")) && said.contains(" outside of the host"), "{said}");
    let metrics = host.get("/metrics").1.as_str().unwrap().to_owned();
    let labels = format!("tenant=\"acme\",model=\"triton\",version=\"{version}\"");
    let line = format!("wharf_infer_duration_seconds_count{{{labels},error_type=\"\"}} 2");
    assert!(metrics.contains(&line), "{metrics}");
    let (_, shown) = host.get("/v1/tenants/acme/models/triton");
    assert_eq!(shown["versions"][0]["producer"], "the endpoint triton-sum of Amazon SageMaker", "{shown}");
    assert!(!attempt.to_string().contains(SECRET_KEY));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_an_endpoint_does_not_answer_is_told_as_of_any_model() {
    let server = Server::start();
    let site = site(server.port);
    let host = start(&site);
    let row = json!({"f32": [1, 2]});
    let list = json!([
        named("secret", &[1, 2], &row),
        question("triton", &[1, 2], &row),
        named("triton", &[2], &row),
        named("rows", &[1, 1], &json!({"strings": ["a"]})),
        named("gone", &[1, 2], &row),
        named("busy", &[1, 2], &row),
        named("broken", &[1, 2], &row),
        named("picky", &[1, 2], &row),
        named("slow", &[1, 2], &row),
    ]);
    let (attempt, came) = asks(&host, "one", "asks", &list);
    let refused: Vec<_> = came.iter().map(|it| it["refused"].as_str().unwrap_or("").to_owned()).collect();
    let wanted =
        ["Denied(", "Invalid(", "Invalid(", "Invalid(", "Unavailable(", "Busy", "Failed(", "Invalid(", "Timeout"];
    for (refused, wanted) in refused.iter().zip(wanted) {
        assert!(refused.starts_with(wanted), "{wanted}: {refused}");
    }
    let codes = ["infer-denied", "infer-invalid", "infer-failed", "infer-busy", "infer-timeout"];
    assert_eq!(attempt["limits"], json!(codes), "{}", lines(&attempt));
    // Those that have too much to do, or fail, are asked once more.
    let asked: Vec<_> = server.heard.try_iter().map(|heard| heard.target).collect();
    let times = |endpoint: &str| asked.iter().filter(|target| target.contains(&format!("/{endpoint}/"))).count();
    assert_eq!(["gone", "busy", "fails-500", "fails-422", "slow"].map(times), [1, 2, 2, 1, 1], "{asked:?}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_model_has_a_file_or_a_provider_that_takes_tensors() {
    for (table, wanted) in [
        ("file = \"x.onnx\"\nprovider = \"aws\"", "has both a `file` and a `provider`"),
        ("provider = \"aws\"", "endpoint = \"fraud\""),
        ("endpoint = \"e\"", "name a table below `llm.providers`"),
        ("provider = \"chat\"\nendpoint = \"e\"", "runs no models that are asked with tensors"),
        ("provider = \"awz\"\nendpoint = \"e\"", "did you mean `aws`?"),
        ("provider = \"aws\"\nendpoint = \"a/b\"", "is no name of an endpoint"),
    ] {
        let site = Site::new(&format!(
            "[llm.providers.aws]\nkind = \"sagemaker\"\nregion = \"eu-central-1\"\n[llm.providers.chat]\nkind = \"echo\"\n\
             [tenants.acme.models.fraud]\n{table}\n"
        ));
        let checked =
            wharf().current_dir(site.folder.path()).args(["check", "--config", "wharf.toml"]).output().unwrap();
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(!checked.status.success() && said.contains(wanted), "{table}: {said}");
    }
}
