//! Every key is read, every mistake is told with its place.

use std::path::Path;

use serde_json::json;

use super::{Config, Problems};

const FULL: &str = r#"
default_tenant = "acme"

[tenants.acme.buses.audit]
retention = { age = "2d", size = "64MiB" }

[tenants.acme.plugins.triage]
component = "triage.wasm"
config = { bug_words = "crash,panic", limit = 3, strict = true }
grants = { publish = ["triage.*"], kv = ["triage", "shared"] }
limits = { wall_ms = 1000, cpu_ms = 200, memory_mib = 32, concurrency = 4 }

[tenants.acme.plugins.enrich]
component = "enrich.wasm"

[tenants.acme.rules.opened]
bus = "audit"
pattern = { type = ["opened"], data = { issue = { n = [{ numeric = [">", 1.5] }] } } }
transforms = ["enrich", "enrich"]
[[tenants.acme.rules.opened.targets]]
plugin = "triage"
retry = { first = "2s", max = "1m", attempts = 7, age = "2h" }
dead_letter = "triage-failed"
"#;

/// The transforms of [`FULL`].
const TRANSFORMS: &str = r#"transforms = ["enrich", "enrich"]"#;

/// The retry policy of the target of [`FULL`].
const RETRY: &str = r#"retry = { first = "2s", max = "1m", attempts = 7, age = "2h" }"#;

/// The target of [`FULL`].
const TARGET: &str = r#"[[tenants.acme.rules.opened.targets]]
plugin = "triage"
retry = { first = "2s", max = "1m", attempts = 7, age = "2h" }
dead_letter = "triage-failed""#;

fn load(text: &str) -> Result<Config, Problems> {
    let (config, list) = super::read(text);
    let failed = |list| Problems { path: Path::new("wharf.toml").to_owned(), text: text.to_owned(), list };
    if list.is_empty() { Ok(config) } else { Err(failed(list)) }
}

fn read(text: &str) -> Config {
    load(text).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn every_key_is_read() {
    let config = read(FULL);
    assert_eq!(config.default_tenant.as_ref().map(|tenant| tenant.as_str()), Some("acme"));
    let tenant = &config.tenants["acme"];
    assert_eq!(tenant.buses.iter().map(|bus| bus.as_str()).collect::<Vec<_>>(), ["audit", "default"]);
    assert_eq!(
        serde_json::to_value(&tenant.retention).unwrap(),
        json!({"audit": {"age_ms": 172_800_000, "size_bytes": 67_108_864}})
    );
    let plugin = &tenant.plugins["triage"];
    assert_eq!(plugin.component, "triage.wasm");
    let entries: Vec<_> = plugin.config.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(entries, [("bug_words", "crash,panic"), ("limit", "3"), ("strict", "true")]);
    assert_eq!(
        serde_json::to_value(&plugin.grants).unwrap(),
        json!({"publish": ["triage.*"], "kv": ["triage", "shared"]})
    );
    assert_eq!(
        serde_json::to_value(plugin.limits).unwrap(),
        json!({"wall_ms": 1000, "cpu_ms": 200, "memory_mib": 32, "concurrency": 4})
    );
    let rule = &tenant.rules["opened"];
    assert_eq!(
        serde_json::to_value(rule).unwrap(),
        json!({
            "bus": "audit",
            "pattern": {"type": ["opened"], "data": {"issue": {"n": [{"numeric": [">", 1.5]}]}}},
            "transforms": ["enrich", "enrich"],
            "targets": [{
                "plugin": "triage",
                "retry": {"first_ms": 2000, "max_ms": 60_000, "attempts": 7, "age_ms": 7_200_000},
                "dead_letter": "triage-failed",
            }],
        })
    );
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let config = read(
        "[tenants.a.plugins.p]\ncomponent = \"p.wasm\"\n[tenants.a.rules.r]\npattern = { type = [\"t\"] }\ntargets = [{ plugin = \"p\" }]",
    );
    assert_eq!(config.default_tenant, None);
    let tenant = &config.tenants["a"];
    assert_eq!(
        serde_json::to_value(tenant.plugins["p"].limits).unwrap(),
        json!({"wall_ms": 10_000, "cpu_ms": 1_000, "memory_mib": 64, "concurrency": 32})
    );
    let rule = serde_json::to_value(&tenant.rules["r"]).unwrap();
    assert_eq!(rule["bus"], "default");
    assert_eq!(
        rule["targets"][0],
        json!({
            "plugin": "p",
            "retry": {"first_ms": 1_000, "max_ms": 300_000, "attempts": 185, "age_ms": 86_400_000},
            "dead_letter": "p",
        })
    );
}

#[test]
fn a_pattern_may_be_json_in_a_string_since_toml_has_no_null() {
    let text = FULL.replace(
        "pattern = { type = [\"opened\"], data = { issue = { n = [{ numeric = [\">\", 1.5] }] } } }",
        "pattern = '{\"data\": {\"closed_at\": [null]}}'",
    );
    assert_ne!(text, FULL);
    assert_eq!(read(&text).tenants["acme"].rules["opened"].pattern.as_str(), r#"{"data": {"closed_at": [null]}}"#);
}

/// Puts each mistake in and looks for what is said where.
fn each_is_told(cases: &[(&str, &str, &str, &str)]) {
    for (from, to, place, said) in cases {
        let text = FULL.replacen(from, to, 1);
        assert_ne!(text, FULL, "{from}");
        let problems = match load(&text) {
            Ok(_) => panic!("{to:?} is no mistake"),
            Err(problems) => problems.to_string(),
        };
        assert!(problems.contains(&format!("wharf.toml:{place}")) && problems.contains(said), "{to:?}:\n{problems}");
    }
}

#[test]
fn each_mistake_is_told_with_its_place() {
    let cases = [
        (
            "default_tenant = \"acme\"",
            "default_tenant = 7",
            "2:18",
            "`default_tenant` of the configuration is of type integer",
        ),
        ("default_tenant = \"acme\"", "default_tenant = \"Acme\"", "2:18", "is not a tenant name"),
        ("[tenants.acme.buses.audit]", "[tenants.acme.buses.\"no bus\"]", "4:21", "is not a bus name"),
        ("[tenants.acme.buses.audit]", "[tenants.acme.buses.audit]\nkeep = 3", "5:1", "has no key `keep`"),
        ("age = \"2d\"", "age = \"2 days\"", "5:21", "is no length of time"),
        ("size = \"64MiB\"", "size = \"64MB\"", "5:", "is no amount of bytes"),
        ("size = \"64MiB\"", "bytes = \"64MiB\"", "5:", "`retention` of bus `audit` has no key `bytes`"),
        ("component = \"triage.wasm\"", "", "7:", "plugin `triage` has no `component`"),
        ("strict = true", "strict = []", "9:", "`strict` of `config` of plugin `triage` is of type array"),
        ("[\"triage.*\"]", "\"triage.*\"", "10:22", "give a list of strings"),
        ("[\"triage.*\"]", "[\"*.labeled\"]", "10:23", "in `*.labeled` a `*` stands before the end"),
        ("[\"triage.*\"]", "[\"triage.**\"]", "10:23", "in `triage.**` a `*` stands before the end"),
        ("\"shared\"", "\"Not A Bucket\"", "10:", "is not a bucket name"),
        ("wall_ms = 1000", "wall_ms = 0", "11:", "`wall_ms` of `limits` of plugin `triage` is out of range"),
        ("memory_mib = 32", "memory_mib = 100000", "11:", "is out of range"),
        ("bus = \"audit\"", "bus = \"nowhere\"", "17:7", "there is no event bus `nowhere`"),
        ("pattern = {", "pattern = \"{\" # {", "18:11", "the pattern is no JSON"),
        ("numeric", "numerik", "18:", "wrong event pattern at `/data/issue/n/0"),
        ("plugin = \"triage\"", "plugin = \"other\"", "21:10", "there is no plugin `other`"),
        ("plugin = \"triage\"", "", "20:", "a target of rule `opened` has no `plugin`"),
        (TARGET, "targets = []", "20:11", "rule `opened` has no target"),
        (
            TARGET,
            &format!("{TARGET}\n[[tenants.acme.rules.opened.targets]]\nplugin = \"triage\""),
            "25:10",
            "plugin `triage` is a target of this rule already",
        ),
        (TRANSFORMS, "transforms = [\"enrich\", \"nobody\"]", "19:25", "there is no plugin `nobody`"),
        (TRANSFORMS, "transforms = \"enrich\"", "19:14", "give a list of strings"),
        (TRANSFORMS, &format!("transforms = [{}]", "\"enrich\", ".repeat(17)), "19:175", "has more than 16 transforms"),
        ("first = \"2s\"", "first = \"2m\"", "22:", "`first` is longer than `max`"),
        ("max = \"1m\"", "max = \"1 minute\"", "22:", "is no length of time"),
        ("attempts = 7", "attempts = 1.5", "22:", "is of type float"),
        ("dead_letter = \"triage-failed\"", "dead_letters = \"x\"", "23:1", "has no key `dead_letters`"),
        ("bus = \"audit\"\n", "bus = \"audit\n", "17:", "error[config-invalid]"),
    ];
    each_is_told(&cases);
}

#[test]
fn each_mistake_of_an_input_is_told_with_its_place() {
    each_is_told(&[
        (RETRY, "input_path = \"data.n\"", "22:14", "error[input-invalid]: the path: a path begins with `$`"),
        (RETRY, "input = '{'", "22:9", "error[input-invalid]: the constant: it is not JSON"),
        (RETRY, "input = 1.5", "22:9", "`input` of a target of rule `opened` is of type float"),
        (RETRY, "input = '1'\ninput_path = '$'", "22:9", "has `input` beside `input_path`"),
        (
            RETRY,
            "input_transformer = {}",
            "22:21",
            "`input_transformer` of a target of rule `opened` has no `template`",
        ),
        (RETRY, "input_transformer = { template = '<n>' }", "22:34", "the template at 1:1: there is no path `n`"),
        (
            RETRY,
            "input_transformer = { template = '1', paths = { n = '$..a' } }",
            "22:53",
            "the path `n`: from `..a` on",
        ),
        (
            RETRY,
            "input_transformer = { template = '1', paths = { n = 1 } }",
            "22:53",
            "`n` of `input_transformer` of a target",
        ),
        (RETRY, "input_transformer = { template = '1', path = {} }", "22:39", "did you mean `paths`?"),
    ]);
}
