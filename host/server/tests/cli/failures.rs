//! Exit statuses and what is said beside them.

use crate::scripted::Host;

#[test]
fn every_refusal_ends_with_its_exit_status_and_its_code() {
    let cases = [
        (400, "query-invalid", 1),
        (403, "host-foreign", 4),
        (404, "tenant-unknown", 3),
        (409, "folder-locked", 5),
        (413, "batch-too-large", 6),
        (500, "internal", 1),
        (503, "overloaded", 7),
    ];
    for (status, code, exit) in cases {
        let ran = Host::start().refuses("GET stats", status, code).run("stats");
        assert_eq!((ran.exit, ran.stdout.as_str()), (exit, ""), "{code}");
        let wanted = format!("error[{code}]: no {code}\nhelp: `wharf explain {code}` says what to do\n");
        assert_eq!(ran.stderr, wanted);
    }
}

#[test]
fn a_host_that_is_not_there_is_unavailable_and_the_help_says_how_to_start_one() {
    let ran = Host::start().run("stats --url http://127.0.0.1:1");
    assert_eq!((ran.exit, ran.stdout.as_str()), (7, ""));
    assert!(ran.stderr.starts_with("error: no host answers at http://127.0.0.1:1: "), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("help: is the host running? start it with `wharf serve` or `wharf dev`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn an_answer_that_is_not_of_a_host_is_a_failure() {
    for (status, body) in [(502, "<html>"), (200, "<html>"), (200, "[]")] {
        let ran = Host::start().answers("GET stats", status, body).run("stats");
        assert_eq!((ran.exit, ran.stdout.as_str()), (1, ""), "{body}");
        assert!(ran.stderr.contains("help: is it a Wharf host of this version?"), "{}", ran.stderr);
    }
    let ran = Host::start().breaks_after("GET stats", "{").run("stats");
    assert_eq!((ran.exit, ran.stdout.as_str()), (7, ""));
}

#[test]
fn without_a_tenant_the_default_is_asked_for_and_a_choice_is_never_guessed() {
    let cases = [
        (r#"{"default":"acme","tenants":["acme","b"]}"#, 0),
        (r#"{"default":null,"tenants":["acme"]}"#, 0),
        (r#"{"default":null,"tenants":["acme","b"]}"#, 2),
        (r#"{"default":null,"tenants":[]}"#, 2),
    ];
    for (tenants, exit) in cases {
        let ran = Host::silent()
            .answers("GET /v1/tenants", 200, tenants)
            .answers("GET kv?limit=1000", 200, "[]")
            .run("kv ls");
        assert_eq!(ran.exit, exit, "{tenants}");
        assert_eq!(ran.stderr.contains("help: pass --tenant"), exit == 2, "{}", ran.stderr);
    }
    let ran = Host::silent().run("kv ls");
    assert_eq!(ran.exit, 2);
    assert!(ran.stderr.contains("the host does not list its tenants\nhelp: pass --tenant"), "{}", ran.stderr);
    assert_eq!(
        Host::silent().answers("GET kv?limit=1000", 200, "[]").run("kv ls -t acme").exit,
        0,
        "nobody needs to be asked"
    );
}

#[test]
fn a_command_line_that_makes_no_sense_is_told_on_stderr() {
    let host = Host::start();
    for line in
        ["", "dlq redrive q", "dlq rm q", "send", "send x -d {", "send - --id 1", "stats --url https://x", "nonsense"]
    {
        let ran = host.run(line);
        assert_eq!((ran.exit, ran.stdout.as_str()), (2, ""), "{line}");
        assert!(!ran.stderr.is_empty(), "{line}");
    }
    let help = host.run("--help");
    assert_eq!((help.exit, help.stderr.as_str()), (0, ""));
    let groups: Vec<_> = ["\nRun:\n", "\nInspect:\n", "\nRepair:\n"].iter().map(|it| help.stdout.find(it)).collect();
    assert!(groups.iter().all(Option::is_some) && groups.is_sorted(), "{}", help.stdout);
}

#[test]
fn a_code_is_explained_without_any_host() {
    let host = Host::start();
    let page = host.run("explain error[limit-cpu] --url http://127.0.0.1:1");
    assert!(page.exit == 0 && page.stdout.starts_with("# limit-cpu\n"), "{page:?}");
    let json: serde_json::Value = serde_json::from_str(&host.run("explain event-json -o json").stdout).unwrap();
    assert_eq!((json["code"].as_str(), json["status"].as_u64()), (Some("event-json"), Some(400)));
    assert_eq!(host.run("explain no-such-code").exit, 3);
    assert!(host.run("explain").stdout.contains("\nevent-json "));
}

#[test]
fn lines_are_matched_without_any_host() {
    let asked = concat!(
        r#"{"pattern": "{\"a\": [300]}", "event": "{\"a\": 3.0e2}"}"#,
        "\n",
        r#"{"pattern": {"a": [{"prefix": "x"}]}, "event": {"a": "y"}}"#,
        "\nbroken\n",
        r#"{"pattern": {"a": []}, "event": {}}"#,
    );
    let ran = Host::start().run_with("match --url http://127.0.0.1:1", asked);
    let answers: Vec<_> = ran.stdout.lines().collect();
    assert_eq!((ran.exit, &answers[..2]), (0, &["{\"match\":true}", "{\"match\":false}"][..]));
    assert!(answers.len() == 4 && answers[2..].iter().all(|answer| answer.starts_with("{\"error\":")), "{answers:?}");
}

#[test]
fn a_pattern_is_tried_on_a_file_without_any_host() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).display().to_string()
    };
    let events = place("events.ndjson", "{\"n\":300}\n{\"n\":1}\n\n{\"n\":3e2}\n");
    let pattern = place("pattern.json", r#"{"n": [300.0]}"#);
    let host = Host::silent();
    let ran = host.run(&format!("rules test @{pattern} --events {events}"));
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert!(ran.stdout.starts_with("2 of 3 events match  in "), "{}", ran.stdout);
    assert!(ran.stdout.contains("the first that does not: line 2: /n: wanted [300.0], saw 1\n"), "{}", ran.stdout);
    let ran = host.run_with(&format!("rules test - -e {events} -o json"), r#"{"n": [{"numeric": [">", 0]}]}"#);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&report["events"], &report["matched"], &report["first_miss"]), (&3.into(), &3.into(), &().into()));
    let ran = host.run_with("rules test '{\"n\": [1]}' --events -", "{\"n\":1}\nbroken\n");
    assert!(ran.exit == 1 && ran.stdout.contains("1 line is no JSON object; the first: line 2: not JSON"), "{ran:?}");
    let ran = host.run(&format!("rules test '{{\"a\": 1, \"b\": []}}' --events {events}"));
    assert!(
        ran.exit == 1 && ran.stderr.starts_with("error[pattern-invalid]: the pattern cannot be used: /a: "),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("; /b: "), "every mistake is told: {ran:?}");
    assert_eq!(host.run("rules test - --events -").exit, 2);
    assert_eq!(host.run("rules test {} --events /no/such/file").exit, 1);
}

#[test]
fn a_slip_in_a_name_is_understood() {
    const TENANTS: &str = r#"{"default":"acme","tenants":["acme","other"]}"#;
    // Which names there are is asked for afterwards, and whose they are with it.
    let start = || Host::start().answers("GET /v1/tenants", 200, TENANTS);
    let host = || start().refuses("GET kv/event-stat?limit=100", 404, "bucket-unknown");
    let ran =
        host().answers("GET kv?limit=1000", 200, r#"[{"bucket":"other","keys":1},{"bucket":"event-stats","keys":2}]"#);
    let ran = ran.run("kv ls event-stat");
    assert_eq!((ran.exit, ran.stdout.as_str()), (3, ""));
    assert_eq!(ran.stderr, "error[bucket-unknown]: no bucket-unknown\nhelp: did you mean `event-stats`?\n");
    // What is like nothing, or cannot be compared, is told as ever.
    for host in [host().answers("GET kv?limit=1000", 200, "[]"), host()] {
        let ran = host.run("kv ls event-stat");
        assert_eq!(ran.exit, 3);
        assert!(ran.stderr.ends_with("help: `wharf explain bucket-unknown` says what to do\n"), "{}", ran.stderr);
    }
    let queues = r#"[{"queue":"flaky-failed","depth":2}]"#;
    let host = start().refuses("GET dlq/flaky/1-0.0", 404, "queue-unknown").answers("GET dlq?limit=1000", 200, queues);
    assert!(host.run("dlq show flaky 1-0.0").stderr.contains("did you mean `flaky-failed`?"));
    let host = Host::start().refuses("GET /v1/tenants/acmee/stats", 404, "tenant-unknown").answers(
        "GET /v1/tenants?limit=1000",
        200,
        TENANTS,
    );
    assert!(host.run("stats -t acmee").stderr.contains("did you mean `acme`?"));
    let verdicts = r#"[{"rule":"issues-opened","matched":true,"plugins":["p"]}]"#;
    let whole = r#"{"specversion":"1.0","id":"1","source":"s","type":"t"}"#;
    let explain = "POST buses/default/explain?limit=1000";
    let host = Host::start().answers(explain, 200, verdicts);
    let host = host.answers(&format!("{explain}&after=issues-opened"), 200, "[]");
    let ran = host.run_with("rules explain issue-opened -e -", whole);
    assert!(ran.exit == 3 && ran.stderr.contains("did you mean `issues-opened`?"), "{}", ran.stderr);
    let host = Host::start();
    for (line, said) in [
        ("explain event-jsn", "did you mean `event-json`?"),
        ("rollbak", "a similar subcommand exists: 'rollback'"),
        ("tail --outcom ack", "a similar argument exists: '--outcome'"),
        ("tail --outcome dead-lettr", "a similar value exists: 'dead-letter'"),
    ] {
        let ran = host.run(line);
        assert!(ran.exit != 0 && ran.stderr.contains(said), "{line}: {}", ran.stderr);
    }
}

#[test]
fn colours_are_for_terminals_and_never_for_those_who_want_none() {
    let coloured = |variables: &[(&str, &str)]| {
        let mut command = Host::start().command("explain nonsense");
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").envs(variables.iter().copied());
        command.output().unwrap().stderr.contains(&0x1b)
    };
    assert!(!coloured(&[]), "a pipe is no terminal");
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}
