//! Who may release: a tenant's keys, its policy, and what vouches for a release.
//!
//! Method: the command line makes keys and signs files as people do; the component is the probe, with a few bytes more for each release.

use serde_json::{Value, json};

use crate::host::{Host, Site, guest, told, wharf};

const TENANT: &str = "/v1/tenants/north";

/// Runs a command of the tenant in the site's folder: exit status, what it printed as JSON, what it said.
fn run(site: &Site, host: &Host, line: &str) -> (i32, Value, String) {
    let mut command = wharf();
    command.args(["-o", "json", "-t", "north"]).args(line.split(' ')).env("WHARF_URL", &host.url);
    let output = command.current_dir(site.folder.path()).output().unwrap();
    let printed = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), printed, told(output.stderr))
}

/// The exit status of a command that is refused, and the code that it told.
fn refused(site: &Site, host: &Host, line: &str) -> (i32, String) {
    let (exit, _, said) = run(site, host, line);
    let code = said.split_once("error[").and_then(|(_, rest)| rest.split_once(']')).map_or(&*said, |(code, _)| code);
    (exit, code.to_owned())
}

/// A component that is a release of its own.
fn component(site: &Site, name: &str, number: u8) {
    let mut wasm = std::fs::read(guest("probe")).unwrap();
    wasm.extend_from_slice(&[0, 4, 2, b'v', b'n', number]);
    site.write(name, wasm);
}

/// A host with a tenant of the API that asks for signatures and has a key.
fn strict(site: &Site) -> Host {
    let host = site.start("serve");
    assert_eq!(run(site, &host, "tenant create north").0, 0);
    let (_, tenant, _) = run(site, &host, "tenant set north --signatures require");
    assert_eq!(tenant["signatures"], "require");
    for (name, file) in [("key", "release"), ("stranger", "stranger")] {
        let (exit, made, _) = run(site, &host, &format!("key generate --out {file}.pem"));
        assert_eq!(exit, 0, "{name}");
        site.write(&format!("{file}.pub"), made["public"].as_str().unwrap());
    }
    let (exit, key, _) = run(site, &host, "key add ci release.pub");
    assert_eq!((exit, &key["name"]), (0, &json!("ci")), "{key}");
    host
}

#[test]
fn a_tenant_that_asks_for_signatures_takes_no_release_without_a_good_one() {
    let site = Site::new("[tenants.acme]\n");
    let host = strict(&site);
    component(&site, "one.wasm", 1);
    component(&site, "two.wasm", 2);
    assert_eq!(refused(&site, &host, "plugin upload made one.wasm"), (4, "signature-missing".into()));
    assert_eq!(run(&site, &host, "sign one.wasm --key stranger.pem").0, 0);
    assert_eq!(refused(&site, &host, "plugin upload made one.wasm"), (4, "signing-key-unknown".into()));
    assert_eq!(run(&site, &host, "sign two.wasm --key release.pem").0, 0);
    let of_another = "plugin upload made one.wasm --signature two.wasm.sig";
    assert_eq!(refused(&site, &host, of_another), (4, "signature-wrong".into()));
    site.write("none.sig", "no signature at all\n");
    assert_eq!(refused(&site, &host, "plugin upload made one.wasm --signature none.sig").1, "signature-invalid");
    assert_eq!(host.get(&format!("{TENANT}/plugins/made")).0, 404, "nothing was made");
    assert_eq!(std::fs::read_dir(site.folder.path().join("data/components")).unwrap().count(), 0);

    let (exit, release, said) = run(&site, &host, "plugin upload made two.wasm");
    assert_eq!((exit, &release["signed_by"]), (0, &json!("ci")), "{release} {said}");
    assert_eq!(run(&site, &host, "grant approve made --kv made --publish probe.*").0, 0);
    assert_eq!(run(&site, &host, "promote made").0, 0);

    // A key that was revoked vouches for nothing any more; what has the traffic keeps it, over a kill too.
    assert_eq!(run(&site, &host, "sign one.wasm --key release.pem").0, 0);
    let (exit, revoked, _) = run(&site, &host, "key revoke ci");
    assert!(exit == 0 && revoked["revoked_at"].is_string(), "{revoked}");
    assert_eq!(refused(&site, &host, "plugin upload made one.wasm"), (4, "signing-key-revoked".into()));
    assert_eq!(refused(&site, &host, "key revoke nobody"), (3, "signer-unknown".into()));
    assert_eq!(refused(&site, &host, "key add again release.pub").1, "signing-key-invalid");
    host.kill();
    let host = site.start("serve");
    let (_, keys, _) = run(&site, &host, "key ls");
    assert_eq!((keys.as_array().unwrap().len(), &keys[0]["revoked_at"]), (1, &revoked["revoked_at"]));
    assert_eq!(refused(&site, &host, "plugin upload made one.wasm"), (4, "signing-key-revoked".into()));
    let plugin = host.get(&format!("{TENANT}/plugins/made")).1;
    assert_eq!(plugin["stable"], release["release"]);
    assert_eq!(host.get(&format!("{TENANT}/plugins/made/releases")).1[0].get("signed_by"), None);

    // The same release is vouched for again by another key, and its bytes are not sent again.
    let (_, made, _) = run(&site, &host, "key generate --out new.pem");
    assert_eq!(run(&site, &host, &format!("key add ci-2 {}", made["public"].as_str().unwrap())).0, 0);
    assert_eq!(run(&site, &host, "sign two.wasm --key new.pem").0, 0);
    assert_eq!(run(&site, &host, "plugin upload made two.wasm").1["signed_by"], "ci-2");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_release_from_before_the_policy_is_promoted_once_it_is_signed() {
    let site = Site::new("[tenants.acme]\n");
    let host = strict(&site);
    assert_eq!(run(&site, &host, "tenant set north --signatures none").1["signatures"], "none");
    component(&site, "one.wasm", 1);
    let (exit, release, said) = run(&site, &host, "plugin upload made one.wasm");
    assert_eq!((exit, release.get("signed_by")), (0, None), "{said}");
    assert_eq!(run(&site, &host, "grant approve made --kv made --publish probe.*").0, 0);
    assert_eq!(run(&site, &host, "tenant set north --signatures require").0, 0);
    assert_eq!(refused(&site, &host, "promote made"), (4, "signature-missing".into()));
    assert_eq!(run(&site, &host, "sign one.wasm --key release.pem").0, 0);
    let (exit, signed, said) = run(&site, &host, "plugin upload made one.wasm");
    assert_eq!((exit, &signed["signed_by"], &signed["at"]), (0, &json!("ci"), &release["at"]), "{said}");
    assert_eq!(run(&site, &host, "promote made").0, 0);
    assert_eq!(host.stop(), Some(0));
}
