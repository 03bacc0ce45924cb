//! Goal: which version of a model answers follows its channels, and people see each version by itself: how often it answered, and what it failed at, through a
//! promotion, a canary and what ends it, a rollback, and a version in the shadow. A canary that fails more than it may is taken back by itself, and one that
//! kept its bounds answers all.
//! Method: tiny models whose answers tell them apart; what `/metrics` says of each version is held against the answers that came.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wharf_models::onnx;

use crate::{
    egress::calls,
    host::{Host, Site, guest},
    infer::{PATIENT, asks, model, question, site},
    killed::until,
};

/// What was counted of each version: answers, and questions that do not fit it.
type Counted = BTreeMap<String, (u64, u64)>;

/// Puts a file as the newest version, and gives the digits that it is known by.
fn put(site: &Site, host: &Host, bytes: &[u8]) -> String {
    site.write("next.onnx", bytes);
    let path = site.folder.path().join("next.onnx").display().to_string();
    let (status, put) = model(host, &["put", "fraud", &path]);
    assert_eq!(status, Some(0), "{put}");
    let (_, shown) = model(host, &["show", "fraud"]);
    short(&shown["versions"][0]["digest"])
}

fn short(version: &Value) -> String {
    version.as_str().unwrap()["sha256:".len()..][..12].to_owned()
}

fn does(host: &Host, words: &[&str]) -> Value {
    let (status, said) = model(host, words);
    assert_eq!(status, Some(0), "{words:?}: {said}");
    said
}

/// Has deliveries ask once each, and counts what came by the version that said so; and by the one that is known to fail, since a refusal names none.
fn ask(host: &Host, round: &str, times: usize, failing: &str, counted: &mut Counted) -> Vec<Value> {
    let mut came = Vec::new();
    for n in 0..times {
        let list = json!([question("fraud", &[1, 2], &json!({"f32": [1, 1]}))]);
        let (_, mut told) = asks(host, &format!("{round}-{n}"), "asks", &list);
        let told = told.remove(0);
        if told["answer"].is_object() {
            counted.entry(short(&told["answer"]["version"])).or_default().0 += 1;
        } else {
            counted.entry(failing.to_owned()).or_default().1 += 1;
        }
        came.push(told);
    }
    came
}

/// What `/metrics` says of all versions.
fn measured(host: &Host) -> Counted {
    let (_, page) = host.get("/metrics");
    let mut counted = Counted::new();
    for line in page.as_str().unwrap().lines() {
        let of = "wharf_infer_duration_seconds_count{tenant=\"acme\",model=\"fraud\",version=\"";
        let Some((version, rest)) = line.strip_prefix(of).and_then(|rest| rest.split_once('"')) else { continue };
        let (labels, count) = rest.rsplit_once(' ').unwrap();
        let entry = counted.entry(version.to_owned()).or_default();
        match labels {
            ",error_type=\"\"}" => entry.0 = count.parse().unwrap(),
            ",error_type=\"invalid\"}" => entry.1 = count.parse().unwrap(),
            other => panic!("{other}: {line}"),
        }
    }
    counted
}

fn first(came: &Value) -> &Value {
    &came["answer"]["outputs"][0][2]["f32"][0]
}

#[test]
fn each_version_of_a_model_is_counted_by_itself_through_all_its_channels() {
    let site = site(&[], &[("asks", &["fraud"], PATIENT)]);
    let host = site.start("serve");
    let mut counted = Counted::new();
    let one = put(&site, &host, &onnx::sum());
    does(&host, &["promote", "fraud"]);
    ask(&host, "stable", 2, "", &mut counted);
    assert_eq!(measured(&host), BTreeMap::from([(one.clone(), (2, 0))]));

    // Some deliveries have the canary, and nobody else.
    let two = put(&site, &host, &onnx::product(3.0));
    does(&host, &["promote", "fraud", "--canary", "50%"]);
    let came = ask(&host, "canary", 24, "", &mut counted);
    assert!(came.iter().all(|came| *first(came) == if short(&came["answer"]["version"]) == one { 3.0 } else { 6.0 }));
    assert!(counted[&one].0 > 2 && counted.get(&two).is_some_and(|(answers, _)| *answers > 0), "{counted:?}");
    assert_eq!(measured(&host), counted);
    // It ends without having become the stable one.
    let ended = does(&host, &["rollback", "fraud"]);
    assert_eq!((&ended["canary"], short(&ended["stable"])), (&Value::Null, one.clone()), "{ended}");
    let came = ask(&host, "ended", 4, "", &mut counted);
    assert!(came.iter().all(|came| *first(came) == 3.0), "{came:?}");
    assert_eq!(measured(&host), counted);

    // A version that takes something else fails by its own name, and the one before comes back.
    let bad = put(&site, &host, &onnx::same(onnx::FLOAT));
    does(&host, &["promote", "fraud"]);
    let came = ask(&host, "bad", 3, &bad, &mut counted);
    assert!(
        came.iter().all(|came| came["refused"].as_str().is_some_and(|why| why.starts_with("Invalid("))),
        "{came:?}"
    );
    assert_eq!((counted[&bad], measured(&host)), ((0, 3), counted.clone()));
    let back = does(&host, &["rollback", "fraud"]);
    assert_eq!(short(&back["stable"]), one, "{back}");
    let came = ask(&host, "back", 2, &bad, &mut counted);
    assert!(came.iter().all(|came| *first(came) == 3.0), "{came:?}");

    // In the shadow a version is asked what the other is, and its answers are nobody's.
    does(&host, &["promote", "fraud", &two, "--shadow"]);
    let came = ask(&host, "shadow", 1, "", &mut counted);
    assert_eq!(*first(&came[0]), json!(3.0));
    counted.get_mut(&two).unwrap().0 += 1;
    until("that the shadow is counted", || measured(&host) == counted);
    // All that it was asked is told by its history, too.
    let (_, shown) = model(&host, &["show", "fraud"]);
    let channels: Vec<_> =
        shown["history"].as_array().unwrap().iter().map(|change| change["channel"].clone()).collect();
    assert_eq!(channels.len(), 6, "{shown}");
    assert_eq!(channels.last(), Some(&json!("shadow")), "{shown}");
    assert_eq!(host.stop(), Some(0));
}

/// Asks until no version is on trial any more, and gives the model as it is then.
fn until_judged(host: &Host, round: &str) -> Value {
    let mut counted = Counted::new();
    for n in 0..100 {
        ask(host, &format!("{round}-{n}"), 10, "", &mut counted);
        let (_, shown) = model(host, &["show", "fraud"]);
        if shown["canary"].is_null() {
            return shown;
        }
    }
    panic!("nobody judged it: {}", model(host, &["show", "fraud"]).1);
}

#[test]
fn a_version_on_trial_is_taken_back_where_it_fails_more_than_it_may_and_else_answers_all() {
    let site = site(&[], &[("asks", &["fraud"], PATIENT)]);
    let host = site.start("serve");
    let one = put(&site, &host, &onnx::sum());
    does(&host, &["promote", "fraud"]);
    let bad = put(&site, &host, &onnx::same(onnx::FLOAT));
    let tried = does(&host, &["promote", "fraud", "--canary", "50%", "--abort-on", "error_rate>20%"]);
    assert_eq!(tried["canary"]["abort_on"], json!(["error_rate>20%"]), "{tried}");
    // A larger part with another bound has that, and the time that is said; without one it keeps both.
    let wider = does(&host, &["promote", "fraud", "--canary", "60%", "--for", "24h", "--abort-on", "error_rate>30%"]);
    assert!(wider["canary"]["until"].is_string(), "{wider}");
    let widest = does(&host, &["promote", "fraud", "--canary", "70%"]);
    let of = |shown: &Value| ["since", "until", "abort_on"].map(|name| shown["canary"][name].clone());
    assert_eq!((of(&widest), &widest["canary"]["share"]), (of(&wider), &json!("70%")));
    assert_eq!((&wider["canary"]["since"], &tried["canary"]["until"]), (&tried["canary"]["since"], &Value::Null));
    let shown = until_judged(&host, "bad");
    assert_eq!(short(&shown["stable"]), one, "{shown}");
    let last = shown["history"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["action"], &last["cause"]), (&json!("canary-ended"), &json!("judgement")), "{last}");
    let reason = last["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("error_rate>30%: error_rate was 100.00 %, after ") && reason.ends_with(" questions"),
        "{last}"
    );
    let told = || host.get("/v1/tenants/acme/events?type_prefix=dev.wharf.model").1;
    until("the event about it", || told().as_array().is_some_and(|told| !told.is_empty()));
    let told = told();
    let (event, data) = (&told[0]["event"], &told[0]["event"]["data"]);
    assert_eq!((&event["type"], &event["subject"]), (&json!("dev.wharf.model.rolled-back"), &json!("fraud")));
    assert_eq!((short(&data["version"]), short(&data["stable"]), &data["reason"]), (bad, one, &last["reason"]));

    // What keeps its bounds answers all questions when its time is over and enough were asked.
    let two = put(&site, &host, &onnx::product(3.0));
    does(&host, &["promote", "fraud", "--canary", "50%", "--for", "1ms", "--abort-on", "error_rate>20%"]);
    let shown = until_judged(&host, "good");
    assert_eq!(short(&shown["stable"]), two, "{shown}");
    let last = shown["history"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["action"], &last["cause"]), (&json!("promoted"), &json!("judgement")), "{last}");
    let wrong = json!({"canary": {"share": "10%", "abort_on": "luck>2"}}).to_string();
    let (status, refused) = host.post("/v1/tenants/acme/models/fraud/promote", "application/json", wrong);
    assert_eq!((status, &refused["code"]), (400, &json!("query-invalid")), "{refused}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_an_attempt_asks_again_and_what_no_model_is_asked_is_not_held_against_a_version_on_trial() {
    let site = site(&[], &[("asks", &["fraud"], PATIENT)]);
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    // It may not publish what came of its questions, so it asks them in each of its attempts.
    let failing = format!(
        "[tenants.acme.plugins.failing]\ncomponent = '{}'\ngrants = {{ infer = ['fraud'] }}\nlimits = {{ wall_ms = 60000, {PATIENT} }}\n\
         [tenants.acme.rules.failing]\npattern = {{ type = ['failing'] }}\n\
         targets = [{{ plugin = 'failing', retry = {{ attempts = 3, first = '1ms' }} }}]\n",
        guest("estimator").display()
    );
    site.write("wharf.toml", config + &failing);
    let host = site.start("serve");
    put(&site, &host, &onnx::sum());
    does(&host, &["promote", "fraud"]);
    put(&site, &host, &onnx::same(onnx::FLOAT));
    does(&host, &["promote", "fraud", "--canary", "50%", "--abort-on", "error_rate>99%"]);
    for n in 0..8 {
        let list = json!([question("fraud", &[1, 2], &json!({"f32": [1, 1]}))]);
        assert_eq!(calls(&host, &format!("failing-{n}"), "failing", &list).len(), 3);
    }
    let asked: u64 = measured(&host).values().map(|(answers, failed)| answers + failed).sum();
    // A question that breaks bounds of any model comes to none.
    for n in 0..8 {
        let list = json!([question("fraud", &[1, 3], &json!({"f32": [1, 1]}))]);
        let (_, came) = asks(&host, &format!("malformed-{n}"), "asks", &list);
        let why = "Invalid(\"the tensor has 2 values, and its shape [1, 3] has 3\")";
        assert_eq!(came[0]["refused"], json!(why), "{came:?}");
    }
    let canary = &model(&host, &["show", "fraud"]).1["canary"];
    let [questions, stable] = ["questions", "stable_questions"].map(|name| canary[name].as_u64().unwrap());
    assert_eq!((asked, questions + stable, &canary["failures"]), (24, 8, &json!(questions)), "{canary}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_trial_ends_whose_model_comes_into_the_configuration_file() {
    let site = site(&[], &[("asks", &["fraud"], PATIENT)]);
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    let host = site.start("dev");
    put(&site, &host, &onnx::sum());
    does(&host, &["promote", "fraud"]);
    put(&site, &host, &onnx::same(onnx::FLOAT));
    does(&host, &["promote", "fraud", "--canary", "50%", "--for", "24h"]);
    ask(&host, "trial", 4, "", &mut Counted::new());
    let shown = || model(&host, &["show", "fraud"]).1;
    let counted = || ["questions", "stable_questions"].map(|name| shown()["canary"][name].as_u64().unwrap());
    assert_eq!(counted().iter().sum::<u64>(), 4);
    site.write("fraud.onnx", onnx::sum());
    let in_file = format!("{config}[tenants.acme.models.fraud]\nfile = 'fraud.onnx'\n");
    // It is looked twice a second, and may be in the file for less than that.
    until("the end of the trial", || {
        for (origin, text) in [("file", &in_file), ("api", &config)] {
            site.write("wharf.toml", text);
            until("the other configuration", || shown()["origin"] == origin);
        }
        counted() == [0, 0]
    });
    assert_eq!(host.stop(), Some(0));
}
