//! Goal: questions that several attempts have at the same time are answered by one run of their model, and each as if it had been asked alone.
//! Method: several events at once, each of which has the guest `estimator` ask; metrics tell how many questions a run answered.

use serde_json::{Value, json};
use wharf_models::onnx;

use crate::{
    host::{Host, Site, wharf},
    infer::{PATIENT, model, post, question, site},
    killed::until,
};

/// Has the file say more of a model.
fn say(site: &Site, model: &str, more: &str) {
    let text = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    let file = format!("file = \"{model}.onnx\"\n");
    assert!(text.contains(&file));
    site.write("wharf.toml", text.replace(&file, &format!("{file}{more}\n")));
}

/// Has an attempt for each of these lists ask what is in it, all at once; gives what came of each.
fn at_once(host: &Host, named: &str, lists: &[Value]) -> Vec<Vec<Value>> {
    let ids: Vec<String> = (0..lists.len()).map(|n| format!("{named}-{n}")).collect();
    for (id, list) in ids.iter().zip(lists) {
        post(host, id, "asks", list);
    }
    host.settled("acme");
    let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=estimated");
    let came = |id: &String| {
        let of = events.as_array().unwrap().iter().find(|event| event["event"]["causationid"] == json!(id));
        of.unwrap_or_else(|| panic!("nothing came of {id}"))["event"]["data"].as_array().unwrap().clone()
    };
    ids.iter().map(came).collect()
}

/// How many runs of a model there were, and how many questions they answered.
fn runs(host: &Host, model: &str) -> (u64, u64) {
    let metrics = host.get("/metrics").1.as_str().unwrap().to_owned();
    let value = |what: &str| {
        let name = format!("wharf_infer_batch_questions_{what}{{tenant=\"acme\",model=\"{model}\",");
        let line = metrics.lines().find(|line| line.starts_with(&name));
        line.map_or(0, |line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
    };
    (value("count"), value("sum"))
}

fn outputs(came: &Value) -> &Value {
    &came["answer"]["outputs"]
}

#[test]
fn questions_at_the_same_time_have_one_run_and_each_its_own_answer() {
    let models = [("sum", onnx::sum()), ("alone", onnx::sum()), ("bytes", onnx::same(onnx::UINT8))];
    let site = site(&models, &[("asks", &["sum", "alone", "bytes"], PATIENT)]);
    say(&site, "sum", "batch = 8\nbatch_wait = \"1s\"");
    say(&site, "bytes", "batch = 4\nbatch_wait = \"1s\"");
    let host = site.start("serve");
    let row = |n: u32| json!({"f32": [n, f64::from(n) / 3.0]});
    let mut lists: Vec<_> =
        (0..8).map(|n| json!([question("sum", &[1, 2], &row(n)), question("alone", &[1, 2], &row(n))])).collect();
    // One has another form, and is no matter of the others.
    lists.push(json!([question("sum", &[1, 3], &json!({"f32": [1, 2, 3]})), question("alone", &[1, 2], &row(0))]));
    let came = at_once(&host, "rows", &lists);
    for came in &came[..8] {
        assert!(outputs(&came[0]).is_array());
        assert_eq!(outputs(&came[0]), outputs(&came[1]), "as if it had been asked alone");
    }
    let refused = came[8][0]["refused"].as_str().unwrap();
    assert!(refused.contains("was given the shape [1, 3]"), "{refused}");
    let (count, questions) = runs(&host, "sum");
    assert!(questions == 8 && count < 8, "{count} runs of {questions} questions");
    assert_eq!(runs(&host, "alone"), (0, 0));
    let metrics = host.get("/metrics").1.as_str().unwrap().to_owned();
    let answered = |line: &&str| {
        line.starts_with("wharf_infer_duration_seconds_count{tenant=\"acme\",model=\"sum\",")
            && line.ends_with("error_type=\"\"} 8")
    };
    assert!(metrics.lines().any(|line| answered(&line)), "each question is counted: {metrics}");
    assert_eq!(model(&host, &["show", "sum"]).1["batch_wait_ms"], json!(1_000));
    host.kill();
    // Bytes are joined, too. A value that does not fit the bits of the model fails its run, and then its own question only.
    let host = site.start("serve");
    for (named, values, refused) in [("bytes", [1, 2, 3, 4], None), ("more", [5, 256, 7, 8], Some(1))] {
        let before = runs(&host, "bytes");
        let lists = values.map(|n| json!([question("bytes", &[1], &json!({"i32": [n]}))]));
        for (at, (came, value)) in at_once(&host, named, &lists).iter().zip(values).enumerate() {
            if refused == Some(at) {
                assert!(came[0]["refused"].as_str().unwrap().contains("does not fit"), "{came:?}");
            } else {
                assert_eq!(outputs(&came[0]), &json!([["y", [1], {"i32": [value]}]]));
            }
        }
        let (count, questions) = runs(&host, "bytes");
        let (count, questions) = (count - before.0, questions - before.1);
        match refused {
            None => assert!(questions == 4 && count < 4, "{count} runs of {questions} questions"),
            Some(_) => assert_eq!(questions, 3, "what failed is not counted"),
        }
    }
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_model_of_scikit_learn_says_the_same_in_one_run_of_many() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/fraud-score/model/");
    let read = |name: &str| std::fs::read(format!("{folder}{name}")).unwrap();
    let told: Value = serde_json::from_slice(&read("predictions.json")).unwrap();
    let models = [("fraud", read("fraud.onnx")), ("alone", read("fraud.onnx"))];
    let site = site(&models, &[("asks", &["fraud", "alone"], PATIENT)]);
    say(&site, "fraud", "batch = 16\nbatch_wait = \"1s\"");
    let host = site.start("serve");
    let rows: Vec<_> = told["rows"].as_array().unwrap().iter().take(12).collect();
    let of = |row: &&Value| ["fraud", "alone"].map(|model| question(model, &[1, 5], &json!({ "f32": row })));
    let lists: Vec<_> = rows.iter().map(|row| json!(of(row))).collect();
    for (n, came) in at_once(&host, "rows", &lists).iter().enumerate() {
        assert_eq!(outputs(&came[0]), outputs(&came[1]), "bit for bit");
        let ours = outputs(&came[0])[1][2]["f32"][1].as_f64().unwrap();
        let theirs = told["probabilities"][n][1].as_f64().unwrap();
        assert!((ours - theirs).abs() < 1e-5, "{ours} and {theirs}");
    }
    let (count, questions) = runs(&host, "fraud");
    assert!(questions == 12 && count < 12, "{count} runs of {questions} questions");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn models_of_the_api_are_set_to_it_and_shadows_and_drift_are_of_each_question() {
    let site = site(&[], &[("asks", &["fraud", "fixed"], PATIENT)]);
    site.write("one.onnx", onnx::sum());
    site.write("two.onnx", onnx::product(3.0));
    site.write("fixed.onnx", onnx::slow(1));
    let rows: String = (0..200).map(|n| format!("{},{}\n", n % 10, n % 7)).collect();
    site.write("rows.csv", format!("a,b\n{rows}"));
    let path = |name: &str| site.folder.path().join(name).display().to_string();
    let host = site.start("serve");
    let done = |arguments: &[&str]| {
        let (status, said) = model(&host, arguments);
        assert_eq!(status, Some(0), "{arguments:?}: {said}");
        said
    };
    done(&["put", "fraud", &path("one.onnx"), "--promote"]);
    done(&["put", "fraud", &path("two.onnx")]);
    done(&["baseline", "fraud", &path("rows.csv"), "--window", "1000"]);
    done(&["promote", "fraud", "--shadow"]);
    let set = done(&["batch", "fraud", "8", "--wait", "1s"]);
    assert_eq!((&set["batch"], &set["batch_wait_ms"]), (&json!(8), &json!(1_000)), "{set}");
    let row = |n: u32| json!([question("fraud", &[1, 2], &json!({"f32": [n, n % 7]}))]);
    let came = at_once(&host, "rows", &(1..9).map(row).collect::<Vec<_>>());
    for (n, came) in (1..9).zip(&came) {
        assert_eq!(outputs(&came[0]), &json!([["y", [1, 1], {"f32": [f64::from(n + n % 7 * 2)]}]]));
    }
    let (count, questions) = runs(&host, "fraud");
    assert!(questions == 8 && count < 8, "{count} runs of {questions} questions");
    assert_eq!(done(&["drift", "fraud"])["versions"][0]["rows"], json!(8));
    let counted = || {
        let (_, shown) = host.get("/v1/tenants/acme/models/fraud");
        ["same", "differing", "failed", "left_out"]
            .map(|what| shown["shadow"][what].as_u64().unwrap())
            .iter()
            .sum::<u64>()
    };
    until("that each is counted in the shadow", || counted() == 8);
    // One whose first dimension is fixed is asked one question at a time, and says so.
    let put = done(&["put", "fixed", &path("fixed.onnx"), "--promote"]);
    assert_eq!(put["alone"], Value::Null, "without a batch it is no matter: {put}");
    let fixed = json!("the first dimension of x: f32[1] is fixed");
    assert_eq!(done(&["batch", "fixed", "8"])["versions"][0]["alone"], fixed);
    let again = done(&["put", "fixed", &path("one.onnx")]);
    assert_eq!(again["alone"], Value::Null, "each version for itself: {again}");
    let shown = done(&["show", "fixed"]);
    let alone = |n: usize| &shown["versions"][n]["alone"];
    assert_eq!([alone(0), alone(1)], [&Value::Null, &fixed], "{shown}");
    let one = json!([question("fixed", &[1], &json!({"f32": [7]}))]);
    for came in at_once(&host, "fixed", &[one.clone(), one]) {
        assert_eq!(outputs(&came[0]), &json!([["y", [1, 1, 2], {"f32": [7.0, 7.0]}]]));
    }
    assert_eq!(runs(&host, "fixed"), (0, 0));
    // What is set holds behind a kill, and ends.
    host.kill();
    let host = site.start("serve");
    assert_eq!(model(&host, &["show", "fraud"]).1["batch"], json!(8));
    let (status, ended) = model(&host, &["batch", "fraud", "--none"]);
    assert_eq!((status, &ended["batch"], &ended["batch_wait_ms"]), (Some(0), &Value::Null, &Value::Null), "{ended}");
    for body in
        [r#"{"batch": 1}"#, r#"{"batch": 1025}"#, r#"{"batch": 2, "batch_wait_ms": 1001}"#, r#"{"batch_wait_ms": 2}"#]
    {
        let (status, said) = host.post("/v1/tenants/acme/models/fraud/batch", "application/json", body);
        assert_eq!((status, &said["code"]), (400, &json!("query-invalid")), "{body}");
    }
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_file_sets_no_model_to_it_that_cannot_be() {
    let site = site(&[("slow", onnx::slow(1)), ("sum", onnx::sum())], &[]);
    say(&site, "slow", "batch = 8");
    say(&site, "sum", "batch_wait = \"2ms\"");
    let checked = wharf().current_dir(site.folder.path()).args(["check", "--config", "wharf.toml"]).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(!checked.status.success() && said.contains("a `batch_wait` without a `batch`"), "{said}");
    site.write("wharf.toml", "[tenants.acme.models.slow]\nfile = \"slow.onnx\"\nbatch = 8\n");
    let checked = wharf().current_dir(site.folder.path()).args(["check", "--config", "wharf.toml"]).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(!checked.status.success() && said.contains("config-invalid"), "{said}");
    assert!(said.contains("cannot be joined to batches: the first dimension of x: f32[1] is fixed"), "{said}");
}
