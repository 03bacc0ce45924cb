//! What `-o json` prints, command by command, as shapes: the keys and the kinds of their values.
//!
//! Goal: a program that reads them breaks only when shapes.json changes. Method: every command runs on the same small history, and
//! the commands are those that have a page in the manual. `UPDATE_EXPECT=1` writes the file again.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Write as _},
    process::Stdio,
};

use expect_test::expect_file;
use serde_json::{Map, Value, json};
use wharf_models::onnx;

use crate::{
    authoring::core_transform,
    host::{Host, Site, guest, wharf},
    oci_registry::OciRegistry,
};

/// Commands whose stdout is no JSON document of a shape of their own: scripts, pages of the manual, the schema.
const OTHERS: [&str; 3] = ["completions", "man", "config schema"];

/// A key that signs releases, of 32 bytes that are 1.
const KEY_PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB\n\
    -----END PRIVATE KEY-----\n";

/// Its public part.
const KEY_PUBLIC: &str = "ed25519:iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=";

/// The kind of a value; of what is in it too.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Number(number) => if number.is_f64() { "number" } else { "integer" }.into(),
        Value::String(_) => "string".into(),
        Value::Array(items) => items.iter().map(shape).reduce(merged).map_or(json!([]), |item| json!([item])),
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
    }
}

/// A shape that has both. A key that only one of them has ends in `?`.
fn merged(one: Value, other: Value) -> Value {
    match (one, other) {
        (one, other) if one == other => one,
        (Value::Object(one), Value::Object(other)) => {
            let bare = |members: Map<String, Value>| -> Vec<(String, bool, Value)> {
                let bare = |(key, value): (String, Value)| match key.strip_suffix('?') {
                    Some(bare) => (bare.to_owned(), true, value),
                    None => (key, false, value),
                };
                members.into_iter().map(bare).collect()
            };
            let (mut both, mut left) = (Map::new(), bare(other));
            for (key, optional, value) in bare(one) {
                match left.iter().position(|(name, ..)| *name == key) {
                    Some(at) => {
                        let (_, also, other) = left.remove(at);
                        both.insert(if optional || also { format!("{key}?") } else { key }, merged(value, other));
                    }
                    None => drop(both.insert(format!("{key}?"), value)),
                }
            }
            both.extend(left.into_iter().map(|(key, _, value)| (format!("{key}?"), value)));
            Value::Object(both)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.into_iter().chain(other).reduce(merged).map_or(json!([]), |item| json!([item]))
        }
        (one, other) => {
            let words = |shape: &Value| shape.as_str().map_or_else(|| shape.to_string(), ToOwned::to_owned);
            let kinds: BTreeSet<_> = [words(&one), words(&other)]
                .iter()
                .flat_map(|it| it.split(" | ").map(str::to_owned).collect::<Vec<_>>())
                .collect();
            kinds.into_iter().collect::<Vec<_>>().join(" | ").into()
        }
    }
}

/// Runs a command with `-o json` and gives its one document, or the merged shape of its lines.
fn printed(site: &Site, host: &Host, line: &str, stdin: &str) -> Value {
    let mut command = wharf();
    command
        .current_dir(site.folder.path())
        .args(line.split_whitespace())
        .args(["-o", "json"])
        .env("WHARF_URL", &host.url);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let shapes = lines.lines().map(|line| shape(&serde_json::from_str(line).unwrap()));
    shapes.reduce(merged).unwrap_or_else(|| panic!("{line}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// The lines of `tail` up to the first that tells of a redriven letter.
fn tailed(site: &Site, host: &Host) -> Value {
    let mut command = wharf();
    command.current_dir(site.folder.path()).args(["tail", "--from", "1-0", "-o", "json"]).env("WHARF_URL", &host.url);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut shapes = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let item: Value = serde_json::from_str(&line.unwrap()).unwrap();
        shapes.push(shape(&item));
        if item.get("redriven").is_some() {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    shapes.into_iter().reduce(merged).unwrap()
}

/// A look of `top` that saw a plugin at work: events are sent until there is one.
fn looked(site: &Site, host: &Host) -> Value {
    let mut command = wharf();
    command
        .current_dir(site.folder.path())
        .args(["top", "--interval", "50ms", "-o", "json"])
        .env("WHARF_URL", &host.url);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let looks = BufReader::new(child.stdout.take().unwrap()).lines();
    let seen = looks.enumerate().find_map(|(n, line)| {
        let look: Value = serde_json::from_str(&line.unwrap()).unwrap();
        host.send(&format!("look-{n}"), "probe.increment");
        (look["plugins"] != json!([])).then(|| shape(&look))
    });
    child.kill().unwrap();
    child.wait().unwrap();
    seen.unwrap()
}

/// Every command that the manual has a page for, those that only have commands below them left out.
fn commands() -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    assert!(wharf().arg("man").arg(folder.path()).output().unwrap().status.success());
    let pages = std::fs::read_dir(folder.path()).unwrap();
    let names: Vec<_> = pages.map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    let names: Vec<_> = names.iter().filter_map(|name| name.strip_prefix("wharf-")?.strip_suffix(".1")).collect();
    let is_leaf = |name: &&&str| !names.iter().any(|other| other.starts_with(&format!("{name}-")));
    names.iter().filter(is_leaf).map(|name| name.replace('-', " ")).collect()
}

/// `kv ls BUCKET` is a way to say `kv ls`.
fn command(name: &str) -> String {
    let is_command = |word: &&str| word.starts_with(|first: char| first.is_ascii_lowercase());
    name.split(' ').take_while(is_command).collect::<Vec<_>>().join(" ")
}

/// What is said of schedules, from the first to the end.
const SCHEDULES: [&str; 10] = [
    "schedule put nightly at(2100-01-01T00:00:00) --type nightly --subject s --source /n -d {} --end 2101-01-01T00:00:00Z",
    "schedule ls",
    "schedule pause nightly",
    "schedule show nightly",
    "schedule resume nightly",
    "schedule put weekly at(2100-01-01T00:00:00) --type weekly --to probe",
    "schedule ls",
    "schedule rm weekly",
    "schedule rm nightly",
    "schedule next at(2100-01-01T00:00:00)",
];

/// What is said of replays, from the first to the end: of a time at which nothing came.
const REPLAYS: [&str; 6] = [
    "replay start made --to-bus default --rule probe --target probe --start 2100-01-01T00:00:00Z --end 2101-01-01T00:00:00Z --type a --pattern {\"type\":[\"a\"]} --rate 7",
    // Whether one that goes on knows what is before it is a matter of moments.
    "replay show made --wait",
    "replay ls",
    "replay cancel made",
    "replay show made",
    "replay rm made",
];

/// What is said of rules, from the first to the end.
const RULES: [&str; 6] = [
    "rules add made --pattern {\"type\":[\"made\"]} --target probe",
    "rules disable made",
    "rules enable made",
    "rules ls",
    "rules show made",
    "rules rm made",
];

/// What is said of tenants and buses that are made and go.
const TENANTS: [&str; 12] = [
    "tenant create made",
    "tenant set made backlog=7 kv_size=1MiB upload_size=1GiB receive_per_s=7 publish_per_s=7 cpu_per_hour=1h bytes_per_hour=1GiB host_calls_per_hour=7",
    "tenant suspend made",
    "tenant ls",
    "tenant show made",
    "tenant resume made",
    "tenant set made --signatures none",
    "tenant delete made --yes",
    "tenant show acme",
    "bus add made --age 1d",
    "bus ls",
    "bus rm made",
];

/// What is said of plugins of the API, from the first upload to the end.
fn of_plugins(site: &Site, registry: &OciRegistry) -> [String; 22] {
    let (probe, flaky) = (guest("probe").display().to_string(), guest("flaky").display().to_string());
    site.write("no.wasm", "no");
    let plugin = format!("[tenants.acme.plugins.made]\ncomponent = {flaky:?}\n");
    site.write("project.toml", plugin);
    site.write("trouble.toml", "[tenants.acme]\nsuspended = true\n");
    site.write("less.toml", "[tenants.acme]\n");
    site.write("wrong.toml", "tenant = 1");
    site.write("settings.json", r#"{"config": {"a": 1}, "grants": {"kv": ["made"]}}"#);
    let file = |name: &str| site.folder.path().join(name).display().to_string();
    [
        format!("plugin push {probe} {}", registry.reference("1")),
        format!("plugin upload made {probe} --version 1 -m first"),
        format!("plugin upload made {}", file("no.wasm")),
        "grant ls made".to_owned(),
        "grant approve made --publish probe.* --kv made --kv prices:read".to_owned(),
        "grant revoke made --kv prices".to_owned(),
        "promote made -m first".to_owned(),
        format!("plugin upload made {flaky}"),
        "promote made --canary 10% --for 10m --abort-on error_rate>2%".to_owned(),
        format!("plugin set made --file {}", file("settings.json")),
        "plugin ls".to_owned(),
        "plugin show made".to_owned(),
        "plugin releases made".to_owned(),
        "rollback made".to_owned(),
        "plugin history made".to_owned(),
        "deploy -c trouble.toml".to_owned(),
        "deploy -c project.toml --dry-run".to_owned(),
        "deploy -c project.toml -t acme --yes".to_owned(),
        "deploy -c less.toml --dry-run".to_owned(),
        "deploy -c wrong.toml".to_owned(),
        "plugin lift made".to_owned(),
        "plugin rm made".to_owned(),
    ]
}

/// A site that has a schema, and a route to a model.
fn with_schema() -> Site {
    let site = Site::probe("", "first = \"1ms\", max = \"1ms\", attempts = 2");
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    let schema = "[tenants.acme.schemas.probe]\nfile = \"probe.json\"\n";
    let route = "[tenants.acme.llm.routes.triage]\nmodels = [\"echo\"]\n";
    site.write("wharf.toml", format!("{config}{schema}{route}"));
    site.write("probe.json", "{}");
    site
}

/// `wharf webhook …`: one that is new, one that is off, one that has another secret.
const WEBHOOKS: [&str; 13] = [
    "webhook ls",
    "webhook put crm https://example.com/hook --header x=y",
    "webhook put crm https://example.com/hook --attempts-per-s 5",
    "webhook disable crm",
    "webhook ls",
    "webhook enable crm",
    "webhook rotate crm --scheme v1a",
    "webhook show crm",
    // Off, since nobody is there.
    "webhook disable crm",
    "rules add hooked --pattern {\"type\":[\"probe.tell\"]} --webhook crm",
    "webhook resend crm probe.tell",
    "rules rm hooked",
    "webhook rm crm",
];

/// `wharf route …`.
const ROUTES: [&str; 4] = ["route put /web/* web --method GET", "route ls", "route show /web/*", "route rm /web/*"];

/// `wharf queue …`: a queue that is empty, then full, then gone. Receipts are told by the host, so here is one that is stale.
const QUEUES: [&str; 17] = [
    "queue ls",
    "queue create jobs --visibility 1h --max-receives 5",
    "queue create jobs --visibility 1h --replace",
    "queue show jobs",
    "queue send jobs job -d {}",
    "queue send jobs job -d {} --delay 15m",
    "queue peek jobs",
    "queue receive jobs",
    "queue receive jobs",
    "queue show jobs",
    "queue ls",
    "queue ack jobs 1-0.0@1-0 none",
    "queue release jobs 1-0.0@1-0",
    "queue extend jobs 1-0.0@1-0",
    "queue pause jobs",
    "queue resume jobs",
    "queue purge jobs",
];

/// `wharf topic …`: a topic that is made, subscribed to, and gone. The queue `jobs` is there.
const TOPICS: [&str; 12] = [
    "topic ls",
    "topic create orders --age 30d",
    "topic create orders --replace",
    "topic subscribe orders jobs --queue jobs --envelope",
    "topic subscribe orders audit --to-bus default --pattern {\"type\":[\"none\"]}",
    "topic explain orders audit -e event.json",
    "topic subscriptions orders",
    "topic ls",
    "topic show orders",
    "topic publish orders job -d {}",
    "topic unsubscribe orders jobs",
    "topic rm orders",
];

/// `wharf bench …`: those whose figures differ.
const BENCHES: [&str; 5] = [
    "bench ingest --events 20 --batch 10 --warm-up 0s",
    "bench pull --events 20 --batch 10 --warm-up 0s",
    "bench plugin --events 20 --batch 10 --warm-up 0s --rate 1000/s",
    "bench fanout --events 20 --batch 10 --warm-up 0s --subscriptions 2",
    "bench backlog --events 20 --batch 10 --warm-up 0s --backlog 100",
];

/// `wharf schema …`.
fn schemas(site: &Site, say: &mut impl FnMut(&str, &str, &str), event: &str) {
    site.write("old.json", r#"{"required": ["a"]}"#);
    site.write("new.json", r#"{"required": ["a", "b"], "type": "object"}"#);
    site.write("none.json", r#"{"type": 1}"#);
    for line in [
        "schema ls",
        "schema show probe",
        "schema asyncapi",
        "schema infer --type probe.tell",
        "schema add made old.json",
        "schema add made old.json --mode off",
        "schema ls",
        "schema show made",
        "schema versions made",
        "schema rm made",
        "schema check old.json",
        "schema check none.json",
        "schema diff old.json new.json",
    ] {
        say(&line.split(' ').take(2).collect::<Vec<_>>().join(" "), line, "");
    }
    say("schema validate", "schema validate old.json -", &format!("{event}\nbroken\n"));
}

/// A file is signed by a key, and is not before.
fn signed(site: &Site, say: &mut impl FnMut(&str, &str, &str)) {
    site.write("p.wasm", b"\0asm");
    site.write("key.pem", KEY_PEM);
    say("key generate", "key generate --out made.pem", "");
    let verify = format!("verify p.wasm --key {KEY_PUBLIC}");
    for (name, line) in [("verify", verify.as_str()), ("sign", "sign p.wasm --key key.pem"), ("verify", &verify)] {
        say(name, line, "");
    }
    let add = format!("key add ci {KEY_PUBLIC}");
    for (name, line) in
        [("key add", add.as_str()), ("key ls", "key ls"), ("key revoke", "key revoke ci"), ("key ls", "key ls")]
    {
        say(name, line, "");
    }
}

/// `wharf secret …`.
const SECRETS: [&str; 3] = ["secret set stripe --file value.txt", "secret ls", "secret rm stripe"];

/// `wharf prompt …`.
const PROMPTS: [&str; 7] = [
    "prompt put classify --route triage --user value.txt",
    "prompt put classify --route triage --user value.txt --system value.txt",
    "prompt promote classify --canary 10%",
    "prompt show classify",
    "prompt ls",
    "prompt rollback classify",
    "prompt rm classify",
];

/// `wharf model …`.
const MODELS: [&str; 11] = [
    "model put fraud one.onnx --version 1 -m first --promote",
    "model put fraud two.onnx --version 2 -m second",
    "model promote fraud --canary 10%",
    "model show fraud",
    "model ls",
    "model batch fraud 32 --wait 2ms",
    "model baseline fraud rows.csv",
    "model drift fraud",
    "model baseline fraud --none",
    "model rollback fraud",
    "model rm fraud",
];

/// Lines that change something.
fn changing(site: &Site, registry: &OciRegistry) -> impl Iterator<Item = String> {
    site.write("value.txt", "sk_123");
    site.write("one.onnx", onnx::sum());
    site.write("rows.csv", "a,b\n".to_owned() + &"1,2\n".repeat(100));
    site.write("two.onnx", onnx::product(3.0));
    let fixed = RULES
        .into_iter()
        .chain(SCHEDULES)
        .chain(REPLAYS)
        .chain(TENANTS)
        .chain(WEBHOOKS)
        .chain(ROUTES)
        .chain(QUEUES)
        .chain(TOPICS)
        .chain(["queue rm jobs"])
        .chain(SECRETS)
        .chain(PROMPTS)
        .chain(MODELS)
        .chain(BENCHES)
        .map(ToOwned::to_owned);
    fixed.chain(of_plugins(site, registry))
}

/// The command of a line: its first word, or two where the first is a group.
fn named(line: &str) -> String {
    let groups = [
        "plugin ",
        "grant ",
        "replay ",
        "rules ",
        "schedule ",
        "tenant ",
        "bus ",
        "webhook ",
        "route ",
        "queue ",
        "topic ",
        "secret ",
        "prompt ",
        "model ",
    ];
    let words = if groups.iter().any(|group| line.starts_with(group)) { 2 } else { 1 };
    line.split(' ').take(words).collect::<Vec<_>>().join(" ")
}

/// What an author does without a host.
fn authored(site: &Site, say: &mut impl FnMut(&str, &str, &str), event: &str) {
    let probe = guest("probe").display().to_string();
    for kind in ["probe.tell", "probe.increment", "probe.reject", "probe.loop"] {
        site.write("called.json", event.replace("probe.increment", kind));
        say("invoke", &format!("invoke {probe} -e called.json --publish probe.* --bucket probe --cpu 50ms"), "");
    }
    std::fs::create_dir(site.folder.path().join("fixtures")).unwrap();
    site.write("fixtures/a.toml", "[event]\ntype = \"probe.increment\"\n");
    site.write("fixtures/b.json", r#"{"event": {"type": "probe.reject"}, "expect": {"outcome": "reject"}}"#);
    site.write("fixtures/c.toml", "evnt = 1");
    say("test", "test", "");
    say("conformance", &format!("conformance {probe}"), "");
    say("new", "new made --lang rust", "");
    let build = format!("build = \"cp {probe} built.wasm\"\n");
    site.write("built.toml", format!("[tenants.acme.plugins.built]\ncomponent = \"built.wasm\"\n{build}"));
    say("build", "build -c built.toml", "");
    site.write("made.core", core_transform());
    say("componentize", "componentize made.core --to made.wasm --world event-transform", "");
    site.write("called.json", event.replace("probe.increment", "probe.tell"));
    say("invoke", &format!("invoke {} -e called.json", guest("transform-probe").display()), "");
}

/// A letter, shown, edited, and sent again; and letters that are let go of.
fn letters(say: &mut impl FnMut(&str, &str, &str), letter: &str) {
    say("dlq redrive", "dlq redrive dead --code retries-spent --dry-run", "");
    say("dlq show", &format!("dlq show dead {letter}"), "");
    say("dlq edit", &format!("dlq edit dead {letter} -d [1]"), "");
    say("dlq show", &format!("dlq show dead {letter}"), "");
    say("dlq redrive", "dlq redrive dead --type none. --rate 5/s", "");
    say("dlq progress", "dlq progress dead", "");
    say("dlq cancel", "dlq cancel dead", "");
    say("dlq redrive", &format!("dlq redrive dead {letter}"), "");
    say("dlq rm", "dlq rm dead --all --dry-run", "");
    say("dlq rm", "dlq rm dead --type none.", "");
}

/// Commands on the data folder that no host uses now. What follows goes on in one that was restored.
fn folders(site: &Site, shapes: &mut Map<String, Value>) {
    for (name, arguments) in [("doctor", &["doctor"][..]), ("log verify", &["log", "verify"])] {
        shapes.insert(name.to_owned(), shape(&site.examine(arguments).1));
    }
    shapes.insert("backup".to_owned(), shape(&site.examine(&["backup", "backup"]).1));
    std::fs::rename(site.folder.path().join("data"), site.folder.path().join("moved")).unwrap();
    shapes.insert("restore".to_owned(), shape(&site.examine(&["restore", "backup"]).1));
}

#[test]
fn what_commands_print_for_programs_has_the_shape_that_it_had() {
    let site = with_schema();
    let host = site.start("serve");
    let mut shapes = Map::from_iter([("serve".to_owned(), shape(&host.ready))]);
    let mut say = |name: &str, line: &str, stdin: &str| {
        let said = printed(&site, &host, line, stdin);
        let both = match shapes.remove(name) {
            Some(before) => merged(before, said),
            None => said,
        };
        shapes.insert(name.to_owned(), both);
    };
    let event = json!({"specversion": "1.0", "id": "e", "source": "s", "type": "probe.increment"}).to_string();
    for kind in ["probe.tell", "probe.half", "probe.panic", "unmatched"] {
        say("send", &format!("send {kind} --id {kind} -d {{}}"), "");
    }
    say("send --no-wait", "send probe.increment --no-wait", "");
    say("send --batch", "send --batch -", &format!("{event}\n{event}\nbroken\n"));
    host.settled("acme");
    let letter = host.dead("dead")[0]["id"].as_str().unwrap().to_owned();
    for (name, line) in [
        ("events ls", "events ls"),
        ("events show", "events show probe.tell"),
        ("events show", "events show probe.panic"),
        ("events show --calls", "events show probe.tell --calls"),
        ("trace", "trace probe.tell"),
        ("trace", "trace probe.panic"),
        ("kv ls", "kv ls"),
        ("kv ls BUCKET", "kv ls probe"),
        ("kv get", "kv get probe told"),
        ("stats", "stats"),
        ("usage", "usage"),
        ("usage", "usage --by hour"),
        ("dlq ls", "dlq ls"),
        ("dlq ls QUEUE", "dlq ls dead"),
        ("dlq groups", "dlq groups dead"),
        ("explain", "explain"),
        ("explain CODE", "explain event-json"),
        ("config show", "config show"),
        ("check", "check"),
    ] {
        say(name, line, "");
    }
    letters(&mut say, &letter);
    ["probe", "impure-transform"].iter().for_each(|of| say("inspect", &format!("inspect {}", guest(of).display()), ""));
    authored(&site, &mut say, &event);
    signed(&site, &mut say);
    say("rules explain", "rules explain -e -", &event);
    let asked = format!(r#"{{"pattern": {{"type": ["probe.increment"]}}, "event": {event}}}"#);
    say("match", "match", &format!("{asked}\nbroken\n"));
    say("rules explain", "rules explain -e -", &event.replace("probe.", "other."));
    for events in [&event, "{}\nbroken\n"] {
        say("rules test", "rules test {\"type\":[\"probe.increment\"]} --events -", events);
    }
    let registry = OciRegistry::start();
    site.write("event.json", &event);
    for line in changing(&site, &registry) {
        say(&named(&line), &line, "");
    }
    schemas(&site, &mut say, &event);
    say("check", "check -c wrong.toml", "");
    shapes.insert("tail".to_owned(), tailed(&site, &host));
    shapes.insert("top".to_owned(), looked(&site, &host));
    assert_eq!(host.stop(), Some(0));
    folders(&site, &mut shapes);
    let host = site.start("dev");
    shapes.insert("dev".to_owned(), shape(&host.ready));

    let known: BTreeSet<_> = shapes.keys().map(|name| command(name)).chain(OTHERS.map(ToOwned::to_owned)).collect();
    assert_eq!(known, commands(), "every command is here");
    expect_file!["shapes.json"].assert_eq(&format!("{:#}\n", Value::Object(shapes)));
}

#[test]
fn a_shape_has_all_that_its_values_have() {
    let value = json!([{"a": 1, "b": null}, {"a": 1.5, "c": [true]}, {"a": 2, "b": "x", "c": []}]);
    assert_eq!(shape(&value), json!([{"a": "integer | number", "b?": "null | string", "c?": ["boolean"]}]));
}
