//! Goal: a plugin has the value of a secret where a grant lets it hold it, as it is kept when its attempt asks, and nowhere else; what the host shows
//! of an attempt never has it, however the plugin loses it.
//! Method: the guest `holder` loses it on purpose; the value is then sought in all that is shown and in every file of the host.

use serde_json::{Value, json};

use crate::{
    egress::{calls, lines},
    host::{Host, Site, guest, wharf},
    secrets::{found_in_data, secret},
};

const VALUE: &str = "whsec_Qq27NobodyElseHoldsThis";

fn site(grants: &str, rest: &str) -> Site {
    Site::new(&format!(
        "default_tenant = \"acme\"\n[tenants.acme.plugins.holder]\ncomponent = \"{}\"\ngrants = {{ publish = [\"held\"]{grants} }}\n{rest}\
         [tenants.acme.rules.holds]\npattern = {{ type = [\"hold\"] }}\n\
         targets = [{{ plugin = \"holder\", retry = {{ attempts = 1 }} }}]\n",
        guest("holder").display()
    ))
}

/// The attempts of an event that has the plugin do this with a secret.
fn does(host: &Host, id: &str, secret: &str, does: &str) -> Vec<Value> {
    calls(host, id, "hold", &json!({"secret": secret, "does": does}))
}

#[test]
fn a_secret_is_held_by_grant_only_and_read_anew_by_each_attempt() {
    let site = site(", hold = [\"signing\", \"lost\"]", "");
    let host = site.start_with("serve", &["--log", "trace"]);
    let attempts = does(&host, "none", "lost", "tell");
    assert_eq!(attempts[0]["limits"], json!(["secret-unknown"]), "{attempts:?}");
    assert!(lines(&attempts[0]).contains("wharf secret set lost"), "{}", lines(&attempts[0]));
    assert_eq!(secret(&host, &["set", "signing"], &format!("{VALUE}\n")).0, 0);
    assert_eq!(secret(&host, &["set", "other"], "not for it, whatever it asks\n").0, 0);

    let attempts = does(&host, "other", "other", "tell");
    assert_eq!(attempts[0]["limits"], json!(["hold-denied"]), "{attempts:?}");
    let said = lines(&attempts[0]);
    assert!(said.contains("hold = [\"signing\", \"lost\", \"other\"]"), "{said}");
    assert!(said.contains("wharf grant approve holder --hold other"), "{said}");

    let told = |host: &Host, id: &str| {
        let attempts = does(host, id, "signing", "tell");
        assert_eq!(attempts[0]["outcome"]["outcome"], "ack", "{attempts:?}");
        let (_, held) = host.get("/v1/tenants/acme/events?type_prefix=held");
        held[0]["event"]["data"].clone()
    };
    assert_eq!(told(&host, "one"), json!({"bytes": VALUE.len(), "end": "his"}));
    let mut shown = String::new();
    for (id, way) in [("log", "log"), ("retry", "retry"), ("reject", "reject"), ("abort", "abort")] {
        let attempts = does(&host, id, "signing", way);
        let all = format!("{attempts:?}");
        assert!(all.contains("[secret:sign"), "{way}: {all}");
        assert!(!all.contains("whsec_Qq27"), "{way}: {all}");
        shown += &all;
    }
    for path in
        ["events", "usage", "plugins/holder", "plugins/holder/grants", "secrets", "stats", "dead-letters/holder"]
    {
        shown += &host.get(&format!("/v1/tenants/acme/{path}")).1.to_string();
    }
    let listed = wharf().args(["--url", &host.url, "-o", "json", "events", "ls"]).output().unwrap();
    shown += &String::from_utf8_lossy(&listed.stdout);
    assert!(!shown.contains(VALUE), "{shown}");
    // Whoever changes it changes what the next attempt gets.
    assert_eq!(secret(&host, &["set", "signing"], "another value now\n").0, 0);
    assert_eq!(told(&host, "two"), json!({"bytes": 17, "end": "now"}));
    does(&host, "mark", "marker", "tell");
    assert_eq!(host.lines_before(VALUE, "secret `marker`"), 0);
    host.kill();
    assert_eq!(found_in_data(&site, VALUE.as_bytes()), Vec::<String>::new());
}

#[test]
fn a_secret_that_is_put_into_a_field_is_not_held_and_a_ceiling_is_the_most() {
    let field = ", http = [\"https://a.example\"], secrets = [\"https://a.example x: {secret:signing}\"]";
    let of_field = site(field, "");
    let host = of_field.start("serve");
    assert_eq!(secret(&host, &["set", "signing"], VALUE).0, 0);
    let attempts = does(&host, "one", "signing", "tell");
    assert_eq!(attempts[0]["limits"], json!(["hold-denied"]), "{attempts:?}");
    assert_eq!(host.stop(), Some(0));
    let (status, said) = site(", hold = [\"signing\"]", "[tenants.acme.ceiling]\nhold = [\"other\"]\n").refuse("serve");
    assert!(status == 1 && said.contains("hold signing"), "{said}");
}

#[test]
fn a_secret_to_hold_is_granted_and_revoked_for_what_was_uploaded() {
    let site = Site::new("default_tenant = \"acme\"\n[tenants.acme]\n");
    let host = site.start("serve");
    let run = |words: &[&str]| {
        let output = wharf().args(["--url", &host.url, "-o", "json"]).args(words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap(), serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default(), said)
    };
    let wasm = guest("holder");
    let (_, _, said) = run(&["plugin", "upload", "holder", wasm.to_str().unwrap()]);
    let (exit, _, unsaid) = run(&["grant", "approve", "holder"]);
    assert!(exit != 0 && unsaid.contains("--hold SECRET"), "{said} {unsaid}");
    let (exit, granted, said) = run(&["grant", "approve", "holder", "--publish", "held", "--hold", "signing"]);
    assert_eq!((exit, &granted["granted"]["hold"]), (0, &json!(["signing"])), "{said}");
    let (exit, granted, said) = run(&["grant", "revoke", "holder", "--hold", "signing"]);
    assert_eq!((exit, &granted["granted"]["hold"]), (0, &Value::Null), "{said}");
    assert_eq!(run(&["grant", "revoke", "holder"]).0, 2);
    assert_eq!(host.stop(), Some(0));
}
