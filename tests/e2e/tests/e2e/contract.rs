//! What handlers are promised about publishing, grants, and chains; and what people see of it.

use crate::host::Site;

#[test]
fn a_chain_of_events_ends_at_the_hop_limit_and_tells_its_ancestry() {
    let site = Site::probe("", "attempts = 1");
    let host = site.start("serve");
    host.send("first", "probe.chain");
    let stats = host.settled("acme");
    assert_eq!((&stats["events"], &stats["published"], &stats["dead_letters"]), (&1.into(), &17.into(), &1.into()));
    let events = host.get("/v1/tenants/acme/events?limit=100").1;
    let events = events.as_array().unwrap();
    assert_eq!(events.len(), 18);
    let (last, before) = (&events[0]["event"], &events[1]["event"]);
    assert_eq!((&last["correlationid"], &last["wharfhops"]), (&"first".into(), &17.into()));
    assert_eq!(last["causationid"], before["id"]);
    assert_eq!(host.dead("dead")[0]["code"], "hop-limit");
}

#[test]
fn what_was_not_granted_is_denied_with_the_line_that_grants_it() {
    let site = Site::probe("", "attempts = 1");
    let host = site.start("serve");
    host.send("a", "probe.ungranted");
    host.settled("acme");
    let error = host.dead("dead")[0]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("grants = { publish = [\"probe.*\", \"elsewhere.event\"], kv = [\"probe\"] }"), "{error}");
    host.send("b", "probe.other-bucket");
    host.settled("acme");
    host.wait_for_log("grants = { publish = [\\\"probe.*\\\"], kv = [\\\"probe\\\", \\\"not-mine\\\"] }");
    assert_eq!(host.get("/v1/tenants/acme/kv/not-mine").0, 404);
}

#[test]
fn an_event_tells_its_deliveries_and_attempts_and_dead_letters_go_out_again() {
    let site = Site::probe("", "first = \"1ms\", max = \"1ms\", attempts = 3");
    let host = site.start("serve");
    let position = host.send("a", "probe.panic")["position"].as_str().unwrap().to_owned();
    host.settled("acme");
    for name in [position.as_str(), "a"] {
        let detail = host.get(&format!("/v1/tenants/acme/events/{name}")).1;
        let delivery = &detail["deliveries"][0];
        assert_eq!((&delivery["state"], &delivery["plugin"]), (&"dead-lettered".into(), &"probe".into()));
        let attempts = delivery["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 3, "{detail}");
        assert_eq!(
            (&attempts[0]["outcome"]["outcome"], &attempts[0]["outcome"]["code"]),
            (&"retry".into(), &"handler-trap".into())
        );
    }
    host.wait_for_log("the probe panics as asked");
    let (status, answer) = host.post("/v1/tenants/acme/dlq/dead/redrive", "application/json", "{\"all\":true}");
    assert_eq!((status, &answer["redriven"]), (200, &1.into()));
    let stats = host.settled("acme");
    assert_eq!((&stats["dead_letters"], &stats["attempts"]), (&2.into(), &6.into()));
    assert_eq!(host.dead("dead").len(), 1);
}
