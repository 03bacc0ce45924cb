//! Goal: however little compiled code may be in memory, every plugin answers, and what was idle has left. Code that is lost is made again
//! while its deliveries wait, and what cannot be made again is said.

use std::path::PathBuf;

use serde_json::Value;

use crate::host::{Host, Site, guest};

/// Plugins that are all different and do the same, each with a rule of its own.
const PLUGINS: u8 = 6;

/// A site that may have so much code in memory; each of its plugins handles the events of its own number.
fn site(loaded_code: &str) -> Site {
    let mut config = format!("default_tenant = \"acme\"\n[host]\nloaded_code = \"{loaded_code}\"\n");
    for n in 0..PLUGINS {
        config += &format!(
            "[tenants.acme.plugins.p{n}]\ncomponent = \"p{n}.wasm\"\ngrants = {{ kv = [\"p{n}\"] }}\n\
             [tenants.acme.rules.r{n}]\npattern = {{ type = [\"probe.increment\"], subject = [\"{n}\"] }}\n\
             targets = [{{ plugin = \"p{n}\", retry = {{ attempts = 1 }} }}]\n"
        );
    }
    let site = Site::new(&config);
    let probe = std::fs::read(guest("probe")).unwrap();
    for n in 0..PLUGINS {
        // A custom section: its length, the length of its name, its name, its content.
        site.write(&format!("p{n}.wasm"), [probe.as_slice(), &[0, 4, 2, b'v', b'n', n]].concat());
    }
    site
}

/// An event for a plugin.
fn send(host: &Host, id: &str, plugin: u8) {
    let event =
        format!(r#"{{"specversion":"1.0","id":"{id}","source":"test","type":"probe.increment","subject":"{plugin}"}}"#);
    let (status, answer) = host.post("/events", "application/cloudevents+json", event);
    assert_eq!(status, 202, "{answer}");
}

fn count(host: &Host, plugin: u8) -> Option<String> {
    host.value(&format!("p{plugin}"), "shared")
}

fn metric(host: &Host, name: &str) -> u64 {
    let page = host.get("/metrics").1;
    let line = page.as_str().unwrap().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
    line.parse().unwrap()
}

fn artifacts(site: &Site) -> Vec<PathBuf> {
    let files = std::fs::read_dir(site.folder.path().join("data/cache")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == "cwasm")).collect()
}

#[test]
fn many_plugins_answer_with_room_for_the_code_of_one() {
    let site = site("64KiB");
    assert_eq!(site.start("serve").stop(), Some(0));
    let host = site.start("serve");
    assert_eq!(metric(&host, "wharf_releases_loaded"), 0, "a start loads nothing that it finds compiled");
    for round in 1..=3 {
        for plugin in 0..PLUGINS {
            send(&host, &format!("{round}-{plugin}"), plugin);
        }
        host.settled("acme");
        for plugin in 0..PLUGINS {
            assert_eq!(count(&host, plugin), Some(round.to_string()));
        }
    }
    assert_eq!(metric(&host, "wharf_releases_loaded"), 0, "the code of each is more than there may be");
    assert_eq!(metric(&host, "wharf_releases_loaded_bytes"), 0);
    let (loads, unloads) =
        (metric(&host, "wharf_release_load_seconds_count"), metric(&host, "wharf_release_unloads_total"));
    assert!(loads == unloads && loads >= 3 * u64::from(PLUGINS), "{loads} loads, {unloads} unloads");
    host.kill();

    // With room for all, each is loaded once.
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    site.write("wharf.toml", config.replace("64KiB", "64MiB"));
    let host = site.start("serve");
    for round in 4..=6 {
        (0..PLUGINS).for_each(|plugin| send(&host, &format!("{round}-{plugin}"), plugin));
        host.settled("acme");
    }
    assert_eq!(metric(&host, "wharf_releases_loaded"), u64::from(PLUGINS));
    assert_eq!(metric(&host, "wharf_release_load_seconds_count"), u64::from(PLUGINS));
    assert_eq!(metric(&host, "wharf_release_unloads_total"), 0);
    assert_eq!((0..PLUGINS).map(|plugin| count(&host, plugin)).collect::<Vec<_>>(), vec![Some("6".to_owned()); 6]);
}

#[test]
fn an_artifact_that_is_lost_while_a_host_runs_is_made_again_and_costs_no_try() {
    let site = site("64KiB");
    let host = site.start("serve");
    artifacts(&site).iter().for_each(|artifact| std::fs::remove_file(artifact).unwrap());
    send(&host, "1", 0);
    let stats = host.settled("acme");
    assert_eq!((&stats["attempts"], &stats["dead_letters"]), (&Value::from(1), &Value::from(0)));
    assert_eq!(count(&host, 0).as_deref(), Some("1"));
    assert_eq!(artifacts(&site).len(), 1, "that of the plugin whose event came, and no other");
    host.wait_for_log("a compiled artifact is not in the cache: it is compiled again");

    // Where the component is lost too, nothing is left to be run.
    artifacts(&site).iter().for_each(|artifact| std::fs::remove_file(artifact).unwrap());
    for file in std::fs::read_dir(site.folder.path().join("data/components")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    send(&host, "2", 0);
    host.settled("acme");
    let letters = host.dead("p0");
    let error = letters[0]["error"].as_str().unwrap();
    assert!(error.contains("release-unready") && error.contains("its component cannot be read"), "{error}");
}
