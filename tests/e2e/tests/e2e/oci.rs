//! Components in OCI registries: pushed, deployed from there, and every way in which that does not go.

use serde_json::{Value, json};

use crate::{
    host::{Host, Site, guest, told, wharf},
    oci_registry::OciRegistry,
};

const PLUGIN: &str = "/v1/tenants/acme/plugins/probe";

/// Runs a command: exit status, what it printed as JSON, and what it said.
fn run(site: &Site, host: Option<&Host>, words: &[&str]) -> (i32, Value, String) {
    let mut command = wharf();
    // Nobody's own docker is asked.
    command.current_dir(site.folder.path()).args(["-o", "json"]).args(words).env("DOCKER_CONFIG", site.folder.path());
    let output = command.envs(host.map(|host| ("WHARF_URL", &host.url))).output().unwrap();
    let printed = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), printed, told(output.stderr))
}

fn site() -> Site {
    let site = Site::new("default_tenant = \"acme\"\n[tenants.acme]\n");
    // It asks for nothing, so no grant is in its way.
    site.write("probe.wasm", std::fs::read(guest("flaky")).unwrap());
    site
}

fn push(site: &Site, to: &str) -> Value {
    let (exit, pushed, said) = run(site, None, &["plugin", "push", "probe.wasm", to]);
    assert_eq!((exit, said.as_str()), (0, ""), "{pushed}");
    pushed
}

#[test]
fn a_component_is_pushed_and_deployed_from_there_by_its_tag_its_digest_and_a_project() {
    let (site, registry) = (site(), OciRegistry::start());
    let tag = registry.reference("1");
    let pushed = push(&site, &tag);
    assert_eq!(push(&site, &tag), pushed, "the same component is the same artifact");
    let uploads = registry.kept.lock().unwrap().asked.iter().filter(|asked| asked.starts_with("POST")).count();
    assert_eq!(uploads, 2, "what is there is not sent again");
    let manifest = registry.kept.lock().unwrap().manifests["1"].clone();
    let layout: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(layout["config"]["mediaType"], json!("application/vnd.wasm.config.v0+json"));
    assert_eq!(layout["layers"][0]["mediaType"], json!("application/wasm"));
    assert_eq!(layout["layers"][0]["digest"], pushed["release"]);

    let host = site.start("serve");
    let (exit, plan, _) = run(&site, Some(&host), &["deploy", &tag, "--plugin", "probe", "--dry-run"]);
    assert_eq!((exit, &plan["changes"][0]["release"]), (0, &pushed["release"]), "{plan}");
    let blob = |line: &String| line.starts_with("GET") && line.contains("/blobs/");
    assert!(!registry.kept.lock().unwrap().asked.iter().any(blob), "a plan reads the manifest only");
    let (exit, done, said) = run(&site, Some(&host), &["deploy", &tag, "--plugin", "probe", "--yes"]);
    assert_eq!((exit, &done["ok"], said.as_str()), (0, &json!(true), ""));
    assert_eq!(host.get(PLUGIN).1["stable"], pushed["release"]);

    let digest = format!("oci://{}/team/probe@{}", registry.address, pushed["manifest"].as_str().unwrap());
    let by_digest = pushed["manifest"].as_str().unwrap().to_owned();
    registry.kept.lock().unwrap().manifests.insert(by_digest, manifest);
    let project = format!("[tenants.acme.plugins.probe]\ncomponent = \"{digest}\"\nlimits = {{ wall_ms = 70 }}\n");
    site.write("project.toml", project);
    let (exit, done, said) = run(&site, Some(&host), &["deploy", "-c", "project.toml", "--yes"]);
    assert_eq!((exit, done["changes"].as_array().map(Vec::len), said.as_str()), (0, Some(1), ""), "{done}");
    // A host itself does not take it from there, and neither does what checks for it.
    let (exit, checked, _) = run(&site, None, &["check", "-c", "project.toml"]);
    assert_eq!(
        (exit, &checked["problems"][0]["code"], &checked["problems"][0]["line"]),
        (10, &json!("config-invalid"), &json!(2))
    );
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_deployment_may_push_what_it_deploys() {
    let (site, registry) = (site(), OciRegistry::start());
    let host = site.start("serve");
    let words = ["deploy", "probe.wasm", "--plugin", "probe", "--push", &registry.reference("2")];
    let (exit, plan, _) = run(&site, Some(&host), &[&words[..], &["--dry-run"]].concat());
    assert_eq!((exit, &plan["pushed"], registry.kept.lock().unwrap().asked.len()), (0, &Value::Null, 0));
    for changes in [2, 0] {
        let (exit, done, said) = run(&site, Some(&host), &[&words[..], &["--yes"]].concat());
        assert_eq!((exit, done["changes"].as_array().map(Vec::len), said.as_str()), (0, Some(changes), ""));
        assert_eq!(done["pushed"]["release"], host.get(PLUGIN).1["stable"], "{done}");
    }
    assert!(registry.kept.lock().unwrap().manifests.contains_key("2"));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_a_registry_does_not_give_is_told_by_its_code_and_changes_nothing() {
    let (site, registry) = (site(), OciRegistry::start());
    let tag = registry.reference("1");
    let pushed = push(&site, &tag);
    let host = site.start("serve");
    let deploy = |named: &str, code: &str| {
        let (_, printed, said) = run(&site, Some(&host), &["deploy", named, "--plugin", "probe", "--yes"]);
        assert!(said.starts_with(&format!("error[{code}]: ")), "{named}: {printed} {said}");
        assert_eq!(host.get(PLUGIN).1["stable"], Value::Null, "{code}");
    };
    deploy("oci://team/probe:1", "oci-reference");
    deploy(&tag.replace(":1", ""), "oci-reference");
    deploy(&registry.reference("3"), "oci-unknown");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    deploy(&format!("oci://{nobody}/team/probe:1"), "oci-unavailable");
    let with = |change: &dyn Fn(&str) -> String| {
        let mut kept = registry.kept.lock().unwrap();
        let manifest = String::from_utf8(kept.manifests["1"].clone()).unwrap();
        kept.manifests.insert("other".to_owned(), change(&manifest).into_bytes());
    };
    with(&|manifest| manifest.replace("application/wasm", "application/x-tar"));
    deploy(&registry.reference("other"), "oci-foreign");
    with(&|_| r#"{"schemaVersion": 2, "manifests": []}"#.to_owned());
    deploy(&registry.reference("other"), "oci-foreign");
    with(&|manifest| {
        let (head, tail) = manifest.rsplit_once("\"size\":").unwrap();
        format!("{head}\"size\":67108865}}{}", tail.split_once('}').unwrap().1)
    });
    deploy(&registry.reference("other"), "component-too-large");
    deploy(&format!("oci://{}/team/probe@sha256:{}", registry.address, "0".repeat(64)), "oci-unknown");
    // Another manifest under a digest than that digest says, then other bytes than the manifest says, as many and more.
    let zeros = format!("sha256:{}", "0".repeat(64));
    let manifest = registry.kept.lock().unwrap().manifests["1"].clone();
    registry.kept.lock().unwrap().manifests.insert(zeros.clone(), manifest);
    deploy(&format!("oci://{}/team/probe@{zeros}", registry.address), "oci-digest");
    let release = pushed["release"].as_str().unwrap().to_owned();
    let good = registry.kept.lock().unwrap().blobs[&release].clone();
    for change in [
        |bytes: &mut Vec<u8>| bytes[100] ^= 1,
        |bytes: &mut Vec<u8>| bytes.push(0),
        |bytes: &mut Vec<u8>| bytes.truncate(9),
    ] {
        let mut bad = good.clone();
        change(&mut bad);
        registry.kept.lock().unwrap().blobs.insert(release.clone(), bad);
        deploy(&tag, "oci-digest");
    }
    registry.kept.lock().unwrap().blobs.insert(release, good);

    registry.kept.lock().unwrap().wants = Some("Basic bWU6c2VjcmV0".to_owned());
    deploy(&tag, "oci-denied");
    assert_eq!(run(&site, None, &["plugin", "push", "probe.wasm", &tag]).0, 4);
    let project = format!("[tenants.acme.plugins.probe]\ncomponent = \"{tag}\"\n");
    site.write("project.toml", project);
    let (exit, told, _) = run(&site, Some(&host), &["deploy", "-c", "project.toml", "--yes"]);
    let mistake = &told["mistakes"][0];
    assert_eq!((exit, &mistake["code"], &mistake["line"]), (4, &json!("oci-denied"), &json!(2)), "{told}");
    // One that is away is what a push to it would say too.
    for words in [
        &["deploy", "oci://127.0.0.1:9/team/probe:1", "--plugin", "probe", "--yes"][..],
        &["plugin", "push", "probe.wasm", "oci://127.0.0.1:9/team/probe:1"],
    ] {
        let (exit, _, said) = run(&site, Some(&host), words);
        assert!(exit == 7 && said.starts_with("error[oci-unavailable]: "), "{exit} {said}");
    }
    // me:secret, as `docker login` writes it. Nothing that is told has it.
    let login = json!({"auths": {&registry.address: {"auth": "bWU6c2VjcmV0"}}});
    site.write("config.json", login.to_string());
    let (exit, done, said) = run(&site, Some(&host), &["deploy", &tag, "--plugin", "probe", "--yes"]);
    assert_eq!((exit, &done["ok"]), (0, &json!(true)), "{said}");
    assert!(!format!("{done}{said}").contains("secret"));
    site.write("config.json", json!({"credHelpers": {&registry.address: "that-is-not-there"}}).to_string());
    let (exit, _, said) = run(&site, Some(&host), &["deploy", &tag, "--plugin", "probe", "--yes"]);
    assert!(exit == 4 && said.starts_with("error[oci-denied]: "), "{said}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_no_host_runs_is_not_pushed() {
    let (site, registry) = (site(), OciRegistry::start());
    site.write("text.wasm", "no wasm");
    let (exit, _, said) = run(&site, None, &["plugin", "push", "text.wasm", &registry.reference("1")]);
    assert!(exit == 10 && said.starts_with("error[component-not-wasm]: "), "{exit} {said}");
    assert_eq!(registry.kept.lock().unwrap().asked.len(), 0);
}
