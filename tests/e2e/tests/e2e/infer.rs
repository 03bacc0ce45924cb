//! Goal: a plugin's question reaches the model of its tenant that it is granted, with every kind of element, and the answer is that model's; and
//! whatever a model does, it does to its own process.
//! Method: tiny models that are made here; the guest `estimator` asks what an event has for it and publishes what came of it; and the
//! plugin `fraud-score` with a model of scikit-learn, whose own predictions lie beside it.

use std::{fmt::Write as _, thread::available_parallelism};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use wharf_models::onnx;

use crate::{
    egress::{calls, lines},
    host::{Host, Site, guest, sha256, wharf},
    killed::until,
    recordings::recorded,
};

/// Models, and what they are called.
type Models<'a> = [(&'a str, Vec<u8>)];

/// Who may ask which models, within which limits beside time.
type Asking<'a> = (&'a str, &'a [&'a str], &'a str);

/// A site with these models, and these plugins, each of which asks what an event of its name has for it.
pub fn site(models: &Models, plugins: &[Asking]) -> Site {
    let mut config = "default_tenant = \"acme\"\n".to_owned();
    for (model, _) in models {
        write!(config, "[tenants.acme.models.{model}]\nfile = \"{model}.onnx\"\n").unwrap();
    }
    for (plugin, granted, limits) in plugins {
        write!(
            config,
            "[tenants.acme.plugins.{plugin}]\ncomponent = \"{}\"\ngrants = {{ publish = [\"estimated\"], infer = {granted:?} }}\n\
             limits = {{ wall_ms = 60000, cpu_ms = 5000, {limits} }}\n[tenants.acme.rules.{plugin}]\n\
             pattern = {{ type = [\"{plugin}\"] }}\ntargets = [{{ plugin = \"{plugin}\", retry = {{ attempts = 1 }} }}]\n",
            guest("estimator").display()
        )
        .unwrap();
    }
    let site = Site::new(&config);
    models.iter().for_each(|(name, bytes)| site.write(&format!("{name}.onnx"), bytes));
    site
}

/// A limit behind which a machine that does much else has answered, too.
pub const PATIENT: &str = "infer_ms = 60000";

/// Has a plugin ask, and gives its attempt and what came of its questions.
pub fn asks(host: &Host, id: &str, plugin: &str, list: &Value) -> (Value, Vec<Value>) {
    let attempts = calls(host, id, plugin, list);
    let attempt = attempts.last().unwrap().clone();
    let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=estimated");
    let came = events.as_array().unwrap().iter().find(|event| event["event"]["causationid"] == json!(id));
    let came = came.unwrap_or_else(|| panic!("nothing came: {attempt}"));
    (attempt, came["event"]["data"].as_array().unwrap().clone())
}

/// Has a plugin ask, and does not wait: the event's position.
pub fn post(host: &Host, id: &str, plugin: &str, list: &Value) -> String {
    let event = json!({"specversion": "1.0", "id": id, "source": "test", "type": plugin, "data": list});
    let (status, answer) = host.post("/events", "application/cloudevents+json", event.to_string());
    assert_eq!(status, 202, "{answer}");
    answer["position"].as_str().unwrap().to_owned()
}

/// The processes in which models of a host run.
fn workers(host: &Host) -> Vec<u32> {
    // One may end while it is looked at.
    let line = |id: &u32| std::fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
    host.children().into_iter().filter(|id| line(id).ends_with("\0infer\0")).collect()
}

/// Kills a worker, and waits until its host can tell: its memory, and its command line with it, is gone some time before.
fn kill(worker: u32) {
    kill_process(Pid::from_raw(worker.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
    until("that it is dead", || {
        let stat = std::fs::read_to_string(format!("/proc/{worker}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with(['Z', 'X']))
    });
}

pub fn question(model: &str, shape: &[u32], values: &Value) -> Value {
    json!({"model": model, "inputs": [{"shape": shape, "values": values}]})
}

fn outputs(came: &Value) -> &Value {
    &came["answer"]["outputs"]
}

#[test]
fn a_question_reaches_the_model_of_its_tenant_with_every_kind_of_element() {
    let kinds = [
        ("f32", onnx::FLOAT, json!({"f32": [1.5, -2.0]})),
        ("f64", onnx::DOUBLE, json!({"f64": [1e300, 0.1]})),
        ("i32", onnx::INT32, json!({"i32": [i32::MIN, 7]})),
        ("i64", onnx::INT64, json!({"i64": [i64::MAX, 7]})),
        ("bools", onnx::BOOL, json!({"bools": [true, false]})),
        ("strings", onnx::STRING, json!({"strings": ["a", "ö"]})),
        ("bytes", onnx::UINT8, json!({"i32": [0, 255]})),
    ];
    let mut models: Vec<_> = kinds.iter().map(|(name, kind, _)| (*name, onnx::same(*kind))).collect();
    models.push(("sum", onnx::sum()));
    let granted: Vec<_> = models.iter().map(|(name, _)| *name).collect();
    let site = site(&models, &[("asks", &granted, PATIENT)]);
    let host = site.start("serve");
    let mut list: Vec<_> = kinds.iter().map(|(name, _, values)| question(name, &[2], values)).collect();
    list.push(question("sum", &[3, 2], &json!({"f32": [1, 2, 3, 4, 5, 6]})));
    let (attempt, came) = asks(&host, "one", "asks", &json!(list));
    for ((name, _, values), came) in kinds.iter().zip(&came) {
        assert_eq!(outputs(came), &json!([["y", [2], values]]), "{name}");
    }
    assert_eq!(outputs(&came[7]), &json!([["y", [3, 1], {"f32": [5.0, 11.0, 17.0]}]]));
    let version = came[7]["answer"]["version"].as_str().unwrap();
    assert_eq!(version.len(), "sha256:".len() + 64);
    assert!(attempt["limits"].is_null(), "{attempt}");
    let recorded = recorded(&host, "one", 1);
    assert_eq!(recorded.len(), 8);
    assert_eq!((recorded[7].0.as_str(), &recorded[7].1[0]["text"]), ("wharf:infer/models.infer", &json!(version)));
    let short = &version["sha256:".len()..][..12];
    assert!(lines(&attempt).contains(&format!("sum@{short}, ")), "{}", lines(&attempt));
    let metrics = host.get("/metrics").1.as_str().unwrap().to_owned();
    let labels = format!("tenant=\"acme\",model=\"sum\",version=\"{short}\"");
    assert!(
        metrics.contains(&format!("wharf_infer_duration_seconds_count{{{labels},error_type=\"\"}} 1")),
        "{metrics}"
    );
    assert!(metrics.contains(&format!("wharf_infer_wait_seconds_count{{{labels}}} 1")));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_is_not_granted_not_there_or_does_not_fit_is_told() {
    let limits = "infer_calls = 4, infer_kib = 1, infer_ms = 60000";
    let site = site(&[("sum", onnx::sum()), ("secret", onnx::sum())], &[("asks", &["sum", "lost"], limits)]);
    let host = site.start("serve");
    let two = json!({"f32": [1, 2]});
    let list = json!([
        question("secret", &[1, 2], &two),
        question("lost", &[1, 2], &two),
        question("sum", &[2, 1], &two),
        question("sum", &[200, 2], &json!({"f32": vec![1; 400]})),
        question("sum", &[1, 2], &two),
        question("sum", &[1, 2], &two),
    ]);
    let (attempt, came) = asks(&host, "one", "asks", &list);
    let refused: Vec<_> = came.iter().map(|it| it["refused"].as_str().unwrap_or("").to_owned()).collect();
    for (refused, wanted) in refused.iter().zip(["Denied(", "Denied(", "Invalid(", "Limit(", "", "Limit("]) {
        assert!(refused.starts_with(wanted) && refused.is_empty() == wanted.is_empty(), "{wanted}: {refused}");
    }
    assert!(refused[2].contains("x: f32[N, 2] was given the shape [2, 1]"), "{}", refused[2]);
    let said = lines(&attempt);
    let line = "grants = { publish = [\"estimated\"], infer = [\"sum\", \"lost\", \"secret\"] }";
    assert!(said.contains(line) && said.contains("wharf grant approve asks --infer secret"), "{said}");
    assert_eq!(attempt["limits"], json!(["infer-denied", "model-unknown", "infer-invalid", "limit-infer"]));
    assert_eq!(host.stop(), Some(0));
}

/// Of a window with so many values there are as many more: that takes many minutes on any machine.
const FOR_EVER: u32 = 1 << 20;

/// The question that [`onnx::sum`] answers with 5, and whether it did.
fn sum() -> Value {
    question("sum", &[1, 2], &json!({"f32": [1, 2]}))
}

fn is_five(came: &Value) -> bool {
    *outputs(came) == json!([["y", [1, 1], {"f32": [5.0]}]])
}

#[test]
fn a_model_that_hurts_ends_its_own_process_and_nothing_else() {
    let models = [("sum", onnx::sum()), ("bomb", onnx::bomb()), ("slow", onnx::slow(FOR_EVER))];
    let site = site(&models, &[("asks", &["sum", "bomb"], PATIENT), ("hastes", &["slow"], "infer_ms = 300")]);
    let host = site.start("serve");
    let one = json!({"f32": [1]});
    let (attempt, came) = asks(&host, "one", "asks", &json!([question("bomb", &[1], &one), sum()]));
    let bomb = came[0]["refused"].as_str().unwrap();
    assert!(bomb.starts_with("Failed("), "{bomb}");
    assert!(is_five(&came[1]), "{}", came[1]);
    assert_eq!(attempt["limits"], json!(["infer-failed"]));
    let before = workers(&host);
    let (attempt, came) = asks(&host, "two", "hastes", &json!([question("slow", &[1], &one)]));
    assert_eq!(came, [json!({"refused": "Timeout"})]);
    assert_eq!(attempt["limits"], json!(["infer-timeout"]));
    until("that its process is ended", || workers(&host).iter().all(|worker| before.contains(worker)));
    let (_, came) = asks(&host, "three", "asks", &json!([sum()]));
    assert!(is_five(&came[0]), "the host lives and asks on: {}", came[0]);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_worker_that_is_killed_takes_its_question_with_it_and_no_other() {
    let models = [("sum", onnx::sum()), ("slow", onnx::slow(FOR_EVER))];
    let site = site(&models, &[("asks", &["sum", "slow"], PATIENT)]);
    let host = site.start("serve");
    let (_, came) = asks(&host, "one", "asks", &json!([sum()]));
    assert!(is_five(&came[0]), "{}", came[0]);
    // While it has nothing to do nobody is hurt: the next question has another.
    let at_rest = workers(&host);
    assert_eq!(at_rest.len(), 1);
    kill(at_rest[0]);
    until("that it is gone", || workers(&host).is_empty());
    let (attempt, came) = asks(&host, "two", "asks", &json!([sum()]));
    assert!(is_five(&came[0]) && attempt["limits"].is_null(), "{attempt} {}", came[0]);
    // In the middle of a question that question fails, and the one behind it is answered.
    let before = workers(&host);
    assert!(before.len() == 1 && before != at_rest, "{before:?}");
    let slow = question("slow", &[1], &json!({"f32": [1]}));
    let position = post(&host, "three", "asks", &json!([slow, sum()]));
    let other = || workers(&host).into_iter().find(|worker| !before.contains(worker));
    until("that the slow model runs", || other().is_some());
    kill(other().unwrap());
    host.settled("acme");
    let (_, event) = host.get(&format!("/v1/tenants/acme/events/{position}"));
    let attempt = &event["deliveries"][0]["attempts"][0];
    assert_eq!(attempt["limits"], json!(["infer-failed"]), "{attempt}");
    assert!(lines(attempt).contains("its worker was killed") && lines(attempt).contains("sum@"), "{attempt}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn there_are_never_more_workers_than_may_be_and_they_end_with_their_host() {
    // As many as there are processors, from two to eight.
    let most = available_parallelism().unwrap().get().clamp(2, 8);
    let names: Vec<_> = (0..most + 3).map(|n| format!("m{n}")).collect();
    // Files of different bytes are different models.
    let models: Vec<_> = names.iter().enumerate().map(|(n, name)| (&**name, onnx::slow(1 + n as u32))).collect();
    let granted: Vec<_> = names.iter().map(String::as_str).collect();
    let site = site(&models, &[("asks", &granted, PATIENT)]);
    let host = site.start("serve");
    let list: Vec<_> = names.iter().map(|name| question(name, &[1], &json!({"f32": [1]}))).collect();
    let (attempt, came) = asks(&host, "one", "asks", &json!(list));
    assert!(came.iter().all(|came| outputs(came).is_array()), "{came:?} {attempt}");
    let workers = workers(&host);
    assert_eq!(workers.len(), most, "each question took another model");
    host.kill();
    for worker in workers {
        until("that a worker ends with its host", || !std::path::Path::new(&format!("/proc/{worker}")).exists());
    }
}

#[test]
fn a_host_does_not_start_with_a_file_that_is_no_model() {
    let site = site(&[("sum", b"x = 1".to_vec())], &[]);
    let checked = wharf().current_dir(site.folder.path()).args(["check", "--config", "wharf.toml"]).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(!checked.status.success() && said.contains("model-unfit") && said.contains("no ONNX model"), "{said}");
    let started = site.command("serve").output().unwrap();
    assert!(!started.status.success() && String::from_utf8_lossy(&started.stderr).contains("sum.onnx"));
}

#[test]
fn whoever_finds_no_place_in_time_is_told_so() {
    let models = [("sum", onnx::sum()), ("slow", onnx::slow(FOR_EVER))];
    let site = site(&models, &[("asks", &["slow"], PATIENT), ("hastes", &["sum"], "infer_ms = 100")]);
    let host = site.start("serve");
    // A tenant has half of the places, of which there are as many as processors, from two to eight.
    let places = available_parallelism().unwrap().get().clamp(2, 8) / 2;
    let slow = json!([question("slow", &[1], &json!({"f32": [1]}))]);
    for n in 0..places {
        post(&host, &format!("slow-{n}"), "asks", &slow);
    }
    until("that slow models run in all places", || workers(&host).len() == places);
    let position = post(&host, "hasty", "hastes", &json!([sum()]));
    let attempts = || {
        let (_, event) = host.get(&format!("/v1/tenants/acme/events/{position}"));
        event["deliveries"][0]["attempts"].as_array().cloned().unwrap_or_default()
    };
    until("that the other question is answered", || !attempts().is_empty());
    assert_eq!(attempts()[0]["limits"], json!(["infer-busy"]), "{:?}", attempts());
    // The slow ones are let go with it.
    host.kill();
}

#[test]
fn fraud_score_scores_payments_as_scikit_learn_does() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/fraud-score/model/");
    let told: Value = serde_json::from_slice(&std::fs::read(format!("{folder}predictions.json")).unwrap()).unwrap();
    let site = Site::new(&format!(
        r#"
default_tenant = "acme"
[tenants.acme.models.fraud]
file = "{folder}fraud.onnx"
[tenants.acme.plugins.fraud-score]
component = "{}"
grants = {{ publish = ["payment.scored"], infer = ["fraud"] }}
config = {{ hold_above = 0.4 }}
[tenants.acme.rules.payments]
pattern = {{ type = ["payment.made"] }}
targets = [{{ plugin = "fraud-score" }}]
"#,
        guest("fraud-score").display()
    ));
    let host = site.start("dev");
    let rows: Vec<_> = told["rows"].as_array().unwrap().iter().take(12).collect();
    for (n, row) in rows.iter().enumerate() {
        let payment = json!({
            "id": n.to_string(), "amount": row[0], "age_days": row[1], "distance_km": row[2], "hour": row[3],
            "foreign": row[4] == json!(1.0)
        });
        let attempts = calls(&host, &format!("p{n}"), "payment.made", &payment);
        assert_eq!(attempts.last().unwrap()["outcome"]["outcome"], "ack", "{attempts:?}");
    }
    let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=payment.scored");
    let scored: Vec<_> = events.as_array().unwrap().iter().map(|event| event["event"]["data"].clone()).collect();
    assert_eq!(scored.len(), rows.len());
    for scored in &scored {
        let n: usize = scored["id"].as_str().unwrap().parse().unwrap();
        let theirs = told["probabilities"][n][1].as_f64().unwrap();
        let ours = scored["risk"].as_f64().unwrap();
        assert!((ours - theirs).abs() < 1e-5, "{ours} and {theirs}");
        assert_eq!(scored["hold"], json!(theirs > 0.4));
    }
    assert_eq!(host.stop(), Some(0));
}

/// Runs `wharf model …` against a host: its exit status and what it said, as JSON.
pub fn model(host: &Host, arguments: &[&str]) -> (Option<i32>, Value) {
    let ran = wharf().args(["--url", &host.url, "-o", "json", "model"]).args(arguments).output().unwrap();
    let said = if ran.stdout.is_empty() { ran.stderr } else { ran.stdout };
    (ran.status.code(), serde_json::from_slice(&said).unwrap_or(Value::String(String::from_utf8_lossy(&said).into())))
}

fn code(said: &(Option<i32>, Value)) -> String {
    said.1.to_string()
}

#[test]
fn models_come_by_the_api_and_are_promoted_tried_and_gone_back_from() {
    let site = site(&[("of-file", onnx::sum())], &[("asks", &["fraud", "of-file"], PATIENT)]);
    site.write("one.onnx", onnx::sum());
    site.write("two.onnx", onnx::product(3.0));
    let path = |name: &str| site.folder.path().join(name).display().to_string();
    let host = site.start("serve");
    let ones = question("fraud", &[1, 2], &json!({"f32": [1, 1]}));
    let answers = |id: &str| {
        let (attempt, came) = asks(&host, id, "asks", &json!([ones]));
        (came[0]["answer"]["outputs"][0][2]["f32"][0].clone(), attempt)
    };
    let (status, put) = model(&host, &["put", "fraud", &path("one.onnx"), "-m", "first"]);
    assert_eq!(
        (status, &put["inputs"], &put["message"]),
        (Some(0), &json!(["x: f32[N, 2]"]), &json!("first")),
        "{put}"
    );
    assert_eq!(answers("unpromoted").1["limits"], json!(["model-unknown"]));
    assert_eq!(model(&host, &["promote", "fraud"]).0, Some(0));
    assert_eq!(answers("one").0, json!(3.0));
    assert_eq!(model(&host, &["put", "fraud", &path("two.onnx"), "--promote"]).0, Some(0));
    assert_eq!(answers("two").0, json!(6.0));
    assert_eq!(model(&host, &["put", "fraud", &path("two.onnx"), "--promote"]).1["promoted"], json!(true), "again");
    assert_eq!(model(&host, &["rollback", "fraud"]).0, Some(0));
    assert_eq!(answers("three").0, json!(3.0));
    let (_, shown) = model(&host, &["show", "fraud"]);
    let (newest, first) = (shown["versions"][0]["digest"].as_str().unwrap(), shown["versions"][1]["digest"].clone());
    assert_eq!(shown["stable"], first);
    let (status, tried) = model(&host, &["promote", "fraud", &newest["sha256:".len()..][..8], "--canary", "50%"]);
    assert_eq!((status, &tried["canary"]["share"]), (Some(0), &json!("50%")), "{tried}");
    let drawn: Vec<_> = (0..24).map(|n| answers(&format!("drawn-{n}")).0).collect();
    assert!(drawn.contains(&json!(3.0)) && drawn.contains(&json!(6.0)), "{drawn:?}");
    // What a host keeps it has behind a kill too.
    host.kill();
    let host = site.start("serve");
    assert_eq!(model(&host, &["show", "fraud"]).1["canary"]["share"], json!("50%"));
    assert_eq!(asks(&host, "again", "asks", &json!([ones])).1[0]["answer"]["outputs"][0][0], json!("y"));
    for (arguments, wanted) in [
        (vec!["put", "of-file", &path("one.onnx")], "model-of-file"),
        (vec!["put", "fraud", &path("wharf.toml")], "model-unfit"),
        (vec!["promote", "fraud", &"7".repeat(64)], "model-version-unknown"),
        (vec!["promote", "lost", &"7".repeat(64)], "model-unknown"),
    ] {
        let said = model(&host, &arguments);
        assert!(said.0 != Some(0) && code(&said).contains(wanted), "{arguments:?}: {said:?}");
    }
    let (_, all) = model(&host, &["ls"]);
    assert_eq!((&all[0]["model"], &all[1]["origin"]), (&json!("fraud"), &json!("file")), "{all}");
    assert_eq!(kept(&site), 2, "what was unfit left nothing");
    let refused = model(&host, &["promote", "fraud", &newest["sha256:".len()..], "--canary", "20%"]);
    assert!(refused.0 != Some(0) && refused.1.to_string().contains("only grows"), "{refused:?}");
    let (_, wider) = model(&host, &["promote", "fraud", "--canary", "60%"]);
    assert_eq!((&wider["canary"]["share"], &wider["stable"]), (&json!("60%"), &first), "{wider}");
    let (_, ended) = model(&host, &["promote", "fraud"]);
    assert_eq!((&ended["canary"], &ended["stable"]), (&Value::Null, &json!(newest)), "{ended}");
    assert_eq!(model(&host, &["rm", "fraud"]).0, Some(0));
    assert_eq!(kept(&site), 0);
    assert_eq!(asks(&host, "gone", "asks", &json!([ones])).0["limits"], json!(["model-unknown"]));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_tenant_has_a_hundred_models_and_no_more() {
    let site = site(&[("of-file", onnx::sum())], &[]);
    let host = site.start("serve");
    let bytes = onnx::sum();
    let digest = sha256(&bytes);
    let put = |n: u32| host.put(&format!("/v1/tenants/acme/models/m{n}/versions/{digest}"), None, &bytes);
    for n in 0..100 {
        assert_eq!(put(n).0, 201);
    }
    let refused = put(100);
    assert_eq!((refused.0, &refused.2["code"]), (409, &json!("models-too-many")));
    assert_eq!(host.delete("/v1/tenants/acme/models/m7"), 204);
    assert_eq!(put(100).0, 201);
    assert_eq!(host.stop(), Some(0));
}

/// The files of models that a host made by the API keeps.
fn kept(site: &Site) -> usize {
    let all = std::fs::read_dir(site.folder.path().join("data/components")).unwrap();
    all.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().ends_with(".onnx")).count()
}

#[test]
fn a_host_that_is_made_of_a_backup_answers_by_the_models_of_the_first() {
    let site = site(&[], &[("asks", &["fraud"], PATIENT)]);
    site.write("one.onnx", onnx::sum());
    let host = site.start("serve");
    assert_eq!(model(&host, &["put", "fraud", &site.folder.path().join("one.onnx").display().to_string()]).0, Some(0));
    assert_eq!(model(&host, &["promote", "fraud"]).0, Some(0));
    let run = |site: &Site, arguments: &[&str]| {
        let ran = wharf().current_dir(site.folder.path()).args(arguments).args(["-o", "json"]).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        serde_json::from_slice::<Value>(&ran.stdout).unwrap()
    };
    let taken = run(&site, &["backup", "backup", "--data", "data"]);
    assert_eq!((&taken["models"], &taken["models_copied"]), (&json!(1), &json!(1)), "{taken}");
    host.kill();
    let second = Site::new(&std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap());
    run(&second, &["restore", &site.folder.path().join("backup").display().to_string(), "--data", "data"]);
    let host = second.start("serve");
    let (_, came) = asks(&host, "one", "asks", &json!([question("fraud", &[1, 2], &json!({"f32": [1, 1]}))]));
    assert_eq!(outputs(&came[0]), &json!([["y", [1, 1], {"f32": [3.0]}]]));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_a_tenant_had_of_models_goes_with_it_but_for_what_another_has_too() {
    let site = site(&[("of-file", onnx::sum())], &[]);
    let host = site.start("serve");
    let send = |tenant: &str, bytes: &[u8]| {
        let path = format!("/v1/tenants/{tenant}/models/m/versions/{}", sha256(bytes));
        assert_eq!(host.put(&path, None, bytes).0, 201);
    };
    assert_eq!(host.put("/v1/tenants/other", None, "{}").0, 201);
    send("acme", &onnx::sum());
    send("other", &onnx::sum());
    send("other", &onnx::product(3.0));
    assert_eq!(kept(&site), 2);
    assert_eq!(host.delete("/v1/tenants/other?confirm=other"), 202);
    until("its model goes", || kept(&site) == 1);
    assert_eq!(host.stop(), Some(0));
}
