//! A plugin that misbehaves ends as a failed attempt with a reason, and the next event is served.

use crate::host::Site;

#[test]
fn every_limit_ends_the_attempt_with_its_code_and_the_next_event_is_served() {
    let site = Site::probe("wall_ms = 2000, cpu_ms = 100, memory_mib = 16", "attempts = 1");
    let host = site.start("serve");
    let cases = [
        ("probe.loop", "retries-spent", "limit-cpu"),
        ("probe.memory", "retries-spent", "limit-memory"),
        ("probe.recurse", "retries-spent", "handler-trap"),
        ("probe.panic", "retries-spent", "handler-trap"),
        ("probe.publish-flood", "retries-spent", "limit-publish: an attempt may publish 100 events"),
        ("probe.kv-flood", "retries-spent", "limit-kv: an attempt may change 1000 keys"),
        ("probe.reject", "handler-reject", "the probe rejects as asked"),
    ];
    for (n, (kind, code, said)) in (0..).zip(cases) {
        host.send(kind, kind);
        host.settled("acme");
        let letters = host.dead("dead");
        assert_eq!(letters.len(), n + 1, "{kind}");
        assert_eq!(letters[n]["code"], code, "{kind}");
        let error = letters[n]["error"].as_str().unwrap();
        assert!(error.contains(said), "{kind}: {error}");
        host.send(&format!("after-{kind}"), "probe.increment");
        host.settled("acme");
        assert_eq!(host.value("probe", "shared"), Some((n + 1).to_string()), "after {kind}");
    }
}

#[test]
fn an_attempt_that_takes_too_long_is_ended_by_the_wall_clock() {
    let site = Site::probe("wall_ms = 200, cpu_ms = 60000", "attempts = 1");
    let host = site.start("serve");
    host.send("a", "probe.loop");
    host.settled("acme");
    let error = host.dead("dead")[0]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("limit-wall"), "{error}");
}
