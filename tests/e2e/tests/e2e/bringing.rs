//! Goal: what a plugin publishes and stores for a request is there when its answer leaves, all of it or nothing, and survives a crash behind it; what
//! comes twice is there once, and what changed meanwhile is told.
//! Method: the guest `bringer` does something and ends as a path says; requests come by plain sockets, two at a time where they are to meet.

use serde_json::{Value, json};

use crate::{
    host::{Host, Site, guest},
    routes::{asked, begun, got},
};

const GRANTS: &str = "publish = [\"brought\"], kv = [\"bringer\"]";

fn site(grants: &str, rest: &str) -> Site {
    Site::new(&format!(
        "default_tenant = \"acme\"\n[tenants.acme]\n{rest}\n[tenants.acme.plugins.bringer]\ncomponent = \"{}\"\ngrants = {{ {grants} }}\n\
         [tenants.acme.routes.\"/do/*\"]\nplugin = \"bringer\"\n\
         [tenants.acme.plugins.probe]\ncomponent = \"{}\"\ngrants = {{ publish = [\"probe.*\"], kv = [\"probe\"] }}\n\
         [tenants.acme.rules.brought]\npattern = {{ type = [\"brought\"] }}\ntargets = [{{ plugin = \"probe\", retry = {{ attempts = 1 }} }}]\n",
        guest("bringer").display(),
        guest("probe").display()
    ))
}

/// What was brought, the last first.
fn brought(host: &Host) -> Vec<Value> {
    let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=brought&limit=200");
    events.as_array().unwrap().iter().map(|one| one["event"].clone()).collect()
}

fn posts(host: &Host, path: &str, body: &str) -> (u16, String) {
    let answer = asked(host, &format!("POST /t/acme/do/{path}"), body.as_bytes());
    let text = if answer.status >= 500 && answer.head.contains("problem+json") { answer.code() } else { answer.text() };
    (answer.status, text)
}

#[test]
fn what_a_request_publishes_and_stores_is_there_when_its_answer_leaves_or_nothing_of_it() {
    let site = site(GRANTS, "");
    let host = site.start("serve");
    assert_eq!(posts(&host, "done", "one"), (200, "done".to_owned()));
    // It is durable now, and not soon.
    host.kill();
    let host = site.start("serve");
    assert_eq!(host.value("bringer", "count").as_deref(), Some("1"));
    let events = brought(&host);
    assert_eq!((events.len(), &events[0]["subject"], &events[0]["data"]), (1, &json!("done"), &json!("one")));
    assert_eq!(events[0]["source"], "plugin/bringer");
    assert_eq!(events[0]["correlationid"], events[0]["causationid"], "it descends from the request");
    // A rule has it as any other event.
    assert!(host.settled("acme")["attempts"].as_u64().unwrap() >= 1);

    // Whatever says that it failed, or fails, leaves nothing.
    assert_eq!(posts(&host, "fail", "").0, 500);
    assert_eq!(posts(&host, "trap", ""), (502, "route-failed".to_owned()));
    assert_eq!(posts(&host, "larger", ""), (502, "route-failed".to_owned()), "it waits in memory");
    assert_eq!((host.value("bringer", "count").as_deref(), brought(&host).len()), (Some("1"), 1));
    // What refuses a request, and says so well, keeps what it did.
    assert_eq!(posts(&host, "refuse", ""), (422, "refused, and kept".to_owned()));
    let large = posts(&host, "large", "");
    assert_eq!((large.0, large.1.len()), (200, 100_000));
    assert_eq!(host.value("bringer", "count").as_deref(), Some("3"));
    assert_eq!(posts(&host, "look", ""), (200, "3".to_owned()));

    // The bounds of one attempt hold.
    assert_eq!(posts(&host, "many?100", ""), (200, "published".to_owned()));
    assert_eq!(posts(&host, "many?101", ""), (502, "route-failed".to_owned()));
    assert_eq!(brought(&host).len(), 103);
    // A handler that meets a value that is no number is told, and may answer that: what it did before is kept.
    assert_eq!(posts(&host, "number", "").0, 200);
    let (status, said) = posts(&host, "done", "");
    assert!(status == 400 && said.contains("no decimal integer"), "{status} {said}");
    assert_eq!(brought(&host).len(), 105);
    assert_eq!(host.stop(), Some(0));
    let (status, verified, said) = site.examine(&["log", "verify"]);
    assert_eq!(status, 0, "{verified} {said}");
}

#[test]
fn an_event_that_a_request_brings_twice_is_there_once() {
    let site = site(GRANTS, "");
    let host = site.start("serve");
    for _ in 0..2 {
        assert_eq!(posts(&host, "receive?evt_1", "first"), (200, "received".to_owned()));
    }
    host.kill();
    let host = site.start("serve");
    assert_eq!(posts(&host, "receive?evt_1", "again"), (200, "received".to_owned()));
    assert_eq!(posts(&host, "receive?evt_2", "second"), (200, "received".to_owned()));
    let events = brought(&host);
    let told: Vec<_> =
        events.iter().map(|event| (event["id"].as_str().unwrap(), event["data"].as_str().unwrap())).collect();
    assert_eq!(told, [("evt_2", "second"), ("evt_1", "first")]);
    assert_eq!((&events[0]["source"], host.value("bringer", "received").as_deref()), (&json!("outside"), Some("4")));
    // Another event of that id and source, sent by the API, is the same one.
    assert_eq!(posts(&host, "receive?", "no id").0, 400);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_request_whose_reads_were_changed_meanwhile_is_told_to_come_again() {
    let site = site(GRANTS, "");
    let host = site.start("serve");
    // Each reads the same number, waits, and writes the next. Where one is late they do not meet, and it is tried again.
    let (mut kept, mut refused) = (0, 0);
    for _ in 0..20 {
        let mut both = [(); 2].map(|()| begun(&host, "POST /t/acme/do/next"));
        for one in both.each_mut().map(got) {
            if one.status == 200 {
                kept += 1;
                continue;
            }
            assert_eq!((one.status, one.code().as_str()), (503, "route-conflict"));
            assert!(one.head.contains("retry-after: 1"), "{}", one.head);
            refused += 1;
        }
        // The number is how often it was kept.
        assert_eq!(host.value("bringer", "next"), Some(u64::to_string(&kept)));
        if refused > 0 {
            break;
        }
    }
    assert!(kept >= 1 && refused >= 1, "{kept} kept, {refused} refused");
    assert_eq!(posts(&host, "next", ""), (200, (kept + 1).to_string()));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_a_request_may_not_keep_is_refused_with_a_code_and_is_not_there() {
    let host = site("", "").start("serve");
    let (status, said) = posts(&host, "done", "");
    assert!(status == 400 && said.contains("is not granted"), "{status} {said}");
    assert_eq!(brought(&host).len(), 0);
    assert_eq!(host.stop(), Some(0));
    let host = site(GRANTS, "publish_per_s = 1\n").start("serve");
    // More than a second's worth is taken where there was none before, and paid for then.
    assert_eq!(posts(&host, "many?50", ""), (200, "published".to_owned()));
    let refused = asked(&host, "POST /t/acme/do/done", b"");
    assert_eq!((refused.status, refused.code().as_str()), (503, "route-unkept"));
    assert!(refused.head.contains("retry-after: "), "{}", refused.head);
    assert_eq!((brought(&host).len(), host.value("bringer", "count")), (50, None));
    assert_eq!(host.stop(), Some(0));
}
