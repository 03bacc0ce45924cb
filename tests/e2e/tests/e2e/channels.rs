//! Rules that call a channel of a plugin: what it names is what they call, apart from the plain name and from canaries.

use serde_json::json;

use crate::{
    host::Site,
    registry::{handled_by, made, run, upload, variant},
};

const RULE: &str = "/v1/tenants/acme/buses/default/rules/made";
const PLUGIN: &str = "/v1/tenants/acme/plugins/made";

#[test]
fn a_rule_calls_the_release_that_its_channel_names() {
    let site = Site::new("default_tenant = \"acme\"\n[tenants.acme]\n");
    let (host, [first, second]) = made(&site);
    let third = upload(&host, &variant(&site, 3));
    let pattern = r#"{"type": [{"prefix": "probe."}]}"#;
    let to = |target: &str| run(&host, &["rules", "add", "made", "--pattern", pattern, "--target", target]);
    assert_eq!(to("made@next").0, 1, "there is no such channel yet");
    assert_eq!(run(&host, &["rollback", "made@next"]).0, 3);
    assert_eq!(run(&host, &["promote", "made@next", &second, "-m", "for tests"]).0, 0);
    assert_eq!(run(&host, &["rules", "rm", "made"]).0, 0);
    let (exit, rule) = to("made@next");
    assert_eq!((exit, &rule["targets"][0]["plugin"]), (0, &json!("made@next")), "{rule}");
    assert_eq!(handled_by(&host, "one", "probe.increment"), second);

    // What happens to the plain name is nothing to the channel.
    assert_eq!(run(&host, &["promote", "made", &third]).0, 0);
    assert_eq!(run(&host, &["promote", "made", &first, "--canary", "99.99%"]).0, 0);
    assert_eq!(handled_by(&host, "two", "probe.increment"), second);
    assert_eq!(host.get(PLUGIN).1["canary"]["attempts"], json!(0), "it is no attempt of the canary's time");
    assert_eq!(run(&host, &["promote", "made@next", &third]).0, 0);
    assert_eq!(handled_by(&host, "three", "probe.increment"), third);
    assert_eq!(run(&host, &["promote", "made@next", &first, "--canary", "5%"]).0, 1, "a canary is of the plain name");
    assert_eq!(run(&host, &["promote", "made@canary", &first]).0, 5, "that name stands for something");

    host.kill();
    let host = site.start("serve");
    assert_eq!(host.get(RULE).1["targets"][0]["plugin"], json!("made@next"));
    assert_eq!(handled_by(&host, "four", "probe.increment"), third);
    assert_eq!(run(&host, &["rollback", "made@next"]).1["channels"]["next"], json!(second));
    assert_eq!(handled_by(&host, "five", "probe.increment"), second);
    let (_, history) = run(&host, &["plugin", "history", "made"]);
    let of_it: Vec<_> = history.as_array().unwrap().iter().filter(|entry| entry["channel"] == json!("next")).collect();
    assert_eq!(of_it.len(), 3, "{history}");

    assert_eq!(run(&host, &["plugin", "rm", "made@next"]).0, 5, "a rule calls it");
    assert_eq!(host.delete("/v1/tenants/acme/plugins/made/channels/next"), 409);
    assert_eq!(run(&host, &["rules", "rm", "made"]).0, 0);
    assert_eq!(run(&host, &["plugin", "rm", "made@next"]).0, 0);
    assert_eq!(run(&host, &["plugin", "rm", "made@next"]).0, 3);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_plugin_of_the_configuration_file_has_no_channels() {
    let site = Site::probe("", "attempts = 2");
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    let wrong = config.replacen("plugin = \"probe\"", "plugin = \"probe@next\"", 1);
    assert_ne!(wrong, config);
    site.write("wrong.toml", wrong);
    let check = crate::host::wharf().args(["check", "-c"]).arg(site.folder.path().join("wrong.toml")).output().unwrap();
    let said = String::from_utf8_lossy(&check.stderr).into_owned() + &String::from_utf8_lossy(&check.stdout);
    assert!(said.contains("has one release and no channel `next`"), "{said}");
    site.write("wharf.toml", config.replacen("plugin = \"probe\"", "plugin = \"probe@stable\"", 1));
    let host = site.start("serve");
    host.send("one", "probe.tell");
    assert_eq!(host.settled("acme")["dead_letters"], json!(0));
    assert_eq!(host.stop(), Some(0));
}
