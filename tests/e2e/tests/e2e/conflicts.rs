//! Key-value effects are transactions: attempts that read the same keys conflict, run again, and lose nothing.

use crate::host::Site;

#[test]
fn increments_of_one_key_by_many_attempts_at_a_time_are_all_counted() {
    let site = Site::probe("concurrency = 32", "attempts = 1");
    let host = site.start("serve");
    let batch: Vec<_> = (0..200)
        .map(|n| serde_json::json!({"specversion": "1.0", "id": n.to_string(), "source": "t", "type": "probe.increment"}))
        .collect();
    host.post("/events", "application/cloudevents-batch+json", serde_json::to_vec(&batch).unwrap());
    let stats = host.settled("acme");
    assert_eq!(host.value("probe", "shared").as_deref(), Some("200"));
    assert_eq!(host.value("probe", "added").as_deref(), Some("200"));
    assert_eq!((&stats["attempts"], &stats["retries"], &stats["dead_letters"]), (&200.into(), &0.into(), &0.into()));
}

#[test]
fn a_read_of_two_keys_and_a_listing_sees_one_moment() {
    let site = Site::probe("concurrency = 16", "attempts = 1");
    let host = site.start("serve");
    let batch: Vec<_> = (0..400)
        .map(|n| serde_json::json!({"specversion": "1.0", "id": n.to_string(), "source": "t", "type": "probe.read-modify-write"}))
        .collect();
    host.post("/events", "application/cloudevents-batch+json", serde_json::to_vec(&batch).unwrap());
    let stats = host.settled("acme");
    assert_eq!(host.value("probe", "pair").as_deref(), Some("400"), "{stats}");
    assert_eq!(stats["dead_letters"], 0, "{:?}", host.dead("dead"));
    assert!(stats["conflicts"].as_u64().unwrap() > 0, "sixteen at a time on two cores must have met: {stats}");
    // Those that saw two moments failed, and ran again: nobody is told of that.
    host.ask_to_stop();
    assert_eq!(host.lines_before("an attempt failed", "a second signal stops at once"), 0);
}

#[test]
fn a_reader_gets_its_turn_on_a_key_that_others_add_to_all_the_time() {
    let site = Site::probe("concurrency = 16", "attempts = 1");
    let host = site.start("serve");
    let kind = |n: u32| if n.is_multiple_of(20) { "probe.read-hot" } else { "probe.add-hot" };
    let batch: Vec<_> = (0..400)
        .map(|n| serde_json::json!({"specversion": "1.0", "id": n.to_string(), "source": "t", "type": kind(n)}))
        .collect();
    host.post("/events", "application/cloudevents-batch+json", serde_json::to_vec(&batch).unwrap());
    let stats = host.settled("acme");
    assert_eq!(stats["dead_letters"], 0, "{stats}: {:?}", host.dead("dead").first());
    assert_eq!(host.value("probe", "hot").as_deref(), Some("380"));
}

#[test]
fn a_failed_attempt_leaves_nothing_behind() {
    let site = Site::probe("", "attempts = 1");
    let host = site.start("serve");
    host.send("a", "probe.half");
    let stats = host.settled("acme");
    assert_eq!((&stats["published"], &stats["dead_letters"]), (&0.into(), &1.into()));
    assert_eq!((host.value("probe", "ghost"), host.value("probe", "ghosts")), (None, None));
    assert_eq!(host.dead("dead")[0]["code"], "handler-reject");
}
