//! Killed, stopped, reloaded: what was acknowledged stays, and plugins change while events flow.

use crate::host::{Site, guest, try_send, wharf};

#[test]
fn what_was_acknowledged_is_there_after_a_kill_and_settles_once() {
    let site = Site::probe("", "first = \"20ms\", max = \"20ms\", attempts = 2");
    let mut positions = Vec::new();
    for round in 0..4 {
        let host = site.start("serve");
        for n in 0..50 {
            let kind = if n % 10 == 0 { "probe.panic" } else { "probe.increment" };
            let answer = host.send(&format!("{round}-{n}"), kind);
            positions.push((answer["position"].as_str().unwrap().to_owned(), format!("{round}-{n}")));
        }
        host.kill();
    }
    let host = site.start("serve");
    let stats = host.settled("acme");
    assert_eq!((&stats["events"], &stats["dead_letters"]), (&200.into(), &20.into()));
    assert_eq!(host.value("probe", "shared").as_deref(), Some("180"));
    for (position, id) in &positions {
        let (status, detail) = host.get(&format!("/v1/tenants/acme/events/{position}"));
        assert_eq!((status, &detail["event"]["event"]["id"]), (200, &id.as_str().into()));
    }
    // The deduplication window survives as well.
    assert_eq!(host.send("0-1", "probe.increment")["duplicate"], true);
}

#[test]
fn a_stop_leaves_nothing_to_replay_and_a_second_host_on_the_folder_is_refused() {
    let site = Site::probe("", "attempts = 1");
    let host = site.start("serve");
    host.send("a", "probe.increment");
    host.settled("acme");
    let (status, said) = site.refuse("serve");
    assert!(status != 0 && said.contains("error[folder-locked]"), "{status} {said}");
    host.send("b", "probe.increment");
    host.settled("acme");
    assert_eq!(host.stop(), Some(0));
    let host = site.start("serve");
    assert_eq!(host.ready["frames_replayed"], 0);
    assert_eq!(host.value("probe", "shared").as_deref(), Some("2"));
}

#[test]
fn the_state_file_is_a_projection_that_the_log_rebuilds() {
    let site = Site::probe("", "attempts = 1");
    let host = site.start("serve");
    (0..20).for_each(|n| drop(host.send(&n.to_string(), "probe.increment")));
    let before = host.settled("acme");
    assert_eq!(host.stop(), Some(0));
    for damage in ["remove", "garble"] {
        let file = site.folder.path().join("data/state.redb");
        match damage {
            "remove" => std::fs::remove_file(&file).unwrap(),
            _ => std::fs::write(&file, vec![7; 100_000]).unwrap(),
        }
        let host = site.start("serve");
        assert!(host.ready["frames_replayed"].as_u64().unwrap() > 0);
        assert_eq!(host.value("probe", "shared").as_deref(), Some("20"), "{damage}");
        assert_eq!(host.stats("acme")["attempts"], before["attempts"]);
        assert_eq!(host.stop(), Some(0));
    }
}

#[test]
fn dev_swaps_a_changed_plugin_in_and_keeps_the_old_one_when_the_new_one_is_broken() {
    let site = Site::new("");
    let config = "default_tenant = \"acme\"\n[tenants.acme.plugins.probe]\ncomponent = \"handler.wasm\"\ngrants = { kv = [\"probe\"] }\n\
                  [tenants.acme.rules.all]\npattern = { type = [\"probe.increment\"] }\ntargets = [{ plugin = \"probe\" }]\n";
    site.write("handler.wasm", std::fs::read(guest("flaky")).unwrap());
    site.write("wharf.toml", config);
    let host = site.start("dev");
    host.send("a", "probe.increment");
    host.settled("acme");
    assert_eq!(host.value("probe", "shared"), None, "flaky does not count");
    site.write("handler.wasm", b"no component");
    host.wait_for_log("component-not-wasm");
    host.send("b", "probe.increment");
    assert_eq!(host.settled("acme")["dead_letters"], 0);
    site.write("handler.wasm", std::fs::read(guest("probe")).unwrap());
    let reloaded = host.wait_for_log("reloaded probe ");
    assert!(reloaded.contains(" → ") && reloaded.contains(" in ") && reloaded.contains(" ms"), "{reloaded}");
    host.send("c", "probe.increment");
    host.settled("acme");
    assert_eq!(host.value("probe", "shared").as_deref(), Some("1"));
}

#[test]
fn an_attempt_that_runs_while_its_plugin_is_swapped_ends_on_the_release_that_it_began_with() {
    let site = Site::probe("wall_ms = 120000, cpu_ms = 12000", "attempts = 1");
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    site.write("wharf.toml", config.replace(&guest("probe").display().to_string(), "handler.wasm"));
    site.write("handler.wasm", std::fs::read(guest("probe")).unwrap());
    let host = site.start("dev");
    let event = |id: &str| host.get(&format!("/v1/tenants/acme/events/{id}")).1;
    host.send("old", "probe.loop");
    // Attempts of a target begin in the order of its events, so once this one has ended the other runs.
    host.send("after", "probe.increment");
    host.stats_until("acme", |stats| stats["attempts"] == 1);
    site.write("handler.wasm", std::fs::read(guest("flaky")).unwrap());
    host.wait_for_log("reloaded probe ");
    assert_eq!(
        event("old")["deliveries"][0]["attempts"].as_array().map(Vec::len),
        Some(0),
        "it has twelve seconds of a CPU"
    );
    host.send("new", "probe.increment");
    host.settled("acme");
    let release = |id: &str| event(id)["deliveries"][0]["attempts"][0]["release"].as_str().unwrap().to_owned();
    assert_eq!((release("old"), release("new")), (digest("probe"), digest("flaky")));
    assert_eq!(event("old")["deliveries"][0]["attempts"].as_array().unwrap().len(), 1);
}

/// The digest of a component, as `wharf inspect` says it.
fn digest(name: &str) -> String {
    let output = wharf().args(["inspect", "-o", "json"]).arg(guest(name)).output().unwrap();
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    found["digest"].as_str().unwrap().to_owned()
}

#[test]
fn a_second_signal_ends_a_host_that_drains_and_what_was_running_runs_again() {
    let site = Site::probe("wall_ms = 60000, cpu_ms = 60000", "attempts = 1");
    let host = site.start("serve");
    host.send("a", "probe.loop");
    assert_eq!(host.stop_at_once(), Some(1));
    let host = site.start("serve");
    assert_eq!(host.ready["pending"], 1);
    assert_eq!(host.stop_at_once(), Some(1));
}

#[test]
fn a_data_folder_that_others_could_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::probe("", "attempts = 1");
    assert_eq!(site.start("serve").stop(), Some(0));
    let mode = |folder: &str, mode| {
        let folder = site.folder.path().join(folder);
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for (folder, writable) in [("data", 0o770), ("data/cache", 0o702), ("data/components", 0o777)] {
        mode(folder, writable);
        let (status, said) = site.refuse("serve");
        assert!(status != 0 && said.contains("error[folder-damaged]"), "{folder}: {said}");
        assert!(said.contains(&format!("chmod go-w {folder}")), "{folder}: {said}");
        mode(folder, 0o700);
    }
    assert_eq!(site.start("serve").stop(), Some(0));
    let found = std::fs::read_dir(site.folder.path().join("data")).unwrap().chain(
        ["log", "components", "cache"]
            .iter()
            .flat_map(|name| std::fs::read_dir(site.folder.path().join("data").join(name)).unwrap()),
    );
    for entry in found {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", entry.path().display());
    }
}

#[test]
fn a_stop_under_load_leaves_nothing_to_replay_and_everything_that_was_acknowledged() {
    let site = Site::probe("", "first = \"20ms\", max = \"20ms\", attempts = 3");
    let host = site.start("serve");
    let taken: usize = std::thread::scope(|scope| {
        let client = |of: usize| {
            let url = &host.url;
            // Slow handlers that conflict, retries, dead letters: until the host takes no more.
            move || {
                let kinds = ["probe.read-modify-write", "probe.increment", "probe.panic"];
                let sent = |n: &usize| try_send(url, &format!("{of}-{n}"), kinds[n % 3]) == Some(202);
                (0..).take_while(sent).count()
            }
        };
        let clients: Vec<_> = (0..4).map(|of| scope.spawn(client(of))).collect();
        host.stats_until("acme", |stats| stats["events"].as_u64().unwrap() >= 200);
        host.ask_to_stop();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert_eq!(host.ended(), Some(0));
    let host = site.start("serve");
    assert_eq!(host.ready["frames_replayed"], 0);
    let events = host.settled("acme")["events"].as_u64().unwrap();
    // Of each client one more may have been on its way when its connection ended.
    assert!((taken as u64..=taken as u64 + 4).contains(&events), "{taken} acknowledged, {events} there");
}

#[test]
fn attempts_that_run_beyond_the_deadline_of_a_stop_are_left_to_the_next_start() {
    let site = Site::probe("wall_ms = 60000, cpu_ms = 60000", "attempts = 1");
    let host = site.start_with("serve", &["--drain", "200ms"]);
    host.send("a", "probe.loop");
    // First attempts are taken in log order: once this one has ended, the other runs.
    host.send("b", "probe.increment");
    host.until("that the other one has ended", || host.value("probe", "shared").is_some());
    assert_eq!(host.stop(), Some(1), "not drained");
    let host = site.start_with("serve", &["--drain", "200ms"]);
    assert_eq!((&host.ready["frames_replayed"], &host.ready["pending"]), (&0.into(), &1.into()));
}

#[test]
fn what_waits_for_a_target_that_is_gone_is_given_up_and_kept() {
    let site = Site::probe("", "first = \"100ms\", max = \"100ms\", attempts = 1000");
    let host = site.start("serve");
    host.send("a", "probe.panic");
    host.stats_until("acme", |stats| stats["retries"].as_u64() > Some(0));
    assert_eq!(host.stop(), Some(0));
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    site.write("wharf.toml", config.split_once("[tenants.acme.rules.probe]").unwrap().0);
    let host = site.start("serve");
    assert_eq!(host.settled("acme")["dead_letters"], 1);
    let letters = host.dead("dead");
    assert_eq!(letters[0]["code"], "target-gone", "in the queue that the rule had: {letters:?}");
}

#[test]
fn what_waits_for_a_rule_that_is_removed_goes_to_the_queue_that_the_rule_had() {
    let site = Site::with_probe("");
    let host = site.start("serve");
    let rule = r#"{"pattern": {"type": ["probe.panic"]}, "targets": [{"plugin": "probe", "dead_letter": "kept",
        "retry": {"first": "100ms", "max": "100ms", "attempts": 1000}}]}"#;
    let path = "/v1/tenants/acme/buses/default/rules/made";
    assert_eq!(host.put(path, None, rule).0, 201);
    host.send("a", "probe.panic");
    host.stats_until("acme", |stats| stats["retries"].as_u64() > Some(0));
    assert!(wharf().args(["rules", "rm", "made"]).env("WHARF_URL", &host.url).status().unwrap().success());
    assert_eq!(host.settled("acme")["dead_letters"], 1);
    assert_eq!(host.dead("kept")[0]["code"], "target-gone");
}
