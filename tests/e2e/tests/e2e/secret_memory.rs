//! Goal: a guest that calls out with a secret finds nothing of it in its own memory afterwards, whoever put it into the field, and though the other side
//! repeats it.
//! Method: the guest `searcher` looks at every byte of its memory; a secret that it holds is found by the same search.

use serde_json::{Value, json};

use crate::{
    egress::{calls, server},
    host::{Host, Site, guest},
    secrets::secret,
};

const BOUND: &str = "sk_live_Vw40SoughtEverywhere";

const HELD: &str = "whsec_Kq77HeldByTheGuest";

fn site(port: u16, reuse: u32) -> Site {
    Site::new(&format!(
        "default_tenant = \"acme\"\n[egress]\nnetworks = [\"127.0.0.0/8\"]\n[tenants.acme.plugins.searcher]\n\
         component = \"{}\"\nlimits = {{ reuse = {reuse}, cpu_ms = 20000, wall_ms = 60000 }}\n[tenants.acme.plugins.searcher.grants]\n\
         publish = [\"searched\"]\nhold = [\"held\"]\nhttp = [\"http://127.0.0.1:{port} private\"]\n\
         secrets = [\"http://127.0.0.1:{port} x-key: Key {{secret:bound}}\", \"http://127.0.0.1:{port} x-held: {{secret:held}}\"]\n\
         [tenants.acme.rules.searches]\npattern = {{ type = [\"search\"] }}\n\
         targets = [{{ plugin = \"searcher\", retry = {{ attempts = 1 }} }}]\n",
        guest("searcher").display()
    ))
}

/// What the guest is to look for: the end of a value, as it is compared.
fn masked(value: &str) -> Vec<u8> {
    value.bytes().skip(8).map(|byte| byte ^ 0x5a).collect()
}

fn searches(host: &Host, id: &str, wish: &Value) -> Value {
    let attempts = calls(host, id, "search", wish);
    assert_eq!(attempts[0]["outcome"]["outcome"], "ack", "{attempts:?}");
    let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=searched");
    events[0]["event"]["data"].clone()
}

#[test]
fn a_secret_that_left_with_a_request_is_nowhere_in_the_guests_memory() {
    let (port, server) = server();
    let url = format!("http://127.0.0.1:{port}/x");
    for reuse in [1, 100] {
        let site = site(port, reuse);
        let host = site.start("serve");
        assert_eq!(secret(&host, &["set", "bound"], BOUND).0, 0);
        assert_eq!(secret(&host, &["set", "held"], HELD).0, 0);
        // The host puts the field there; the guest says where the value goes; the guest has a field of that name already.
        let asked = [json!([]), json!([["x-key", "Key {secret:bound}"]]), json!([["x-key", "mine"]])];
        let list: Vec<_> = asked.iter().map(|fields| json!([url, fields])).collect();
        for (id, value, other) in [("bound", BOUND, HELD), ("not held", HELD, BOUND)] {
            let told = searches(&host, id, &json!({"calls": list, "sought": masked(value)}));
            assert_eq!(told["found"], 0, "{told}");
            assert!(told["bytes"].as_u64().unwrap() >= 5 * 65_536, "{told}");
            for answer in told["answers"].as_array().unwrap() {
                let answer = answer.as_str().unwrap();
                assert!(answer.contains("x-key: Key [secret:bound]\r\n"), "{answer}");
                assert!(!answer.contains(value) && !answer.contains(other), "{answer}");
                let heard = server.recv().unwrap();
                assert!(heard.contains(&format!("x-key: Key {BOUND}\r\n")) && heard.contains(HELD), "{heard}");
            }
        }
        // The search finds what is there: a value that the guest was handed. What it was not handed it does not find then either.
        let told = searches(&host, "held", &json!({"hold": "held", "calls": list, "sought": masked(HELD)}));
        assert!(told["found"].as_u64().unwrap() >= 1, "{told}");
        let told = searches(&host, "both", &json!({"hold": "held", "calls": list, "sought": masked(BOUND)}));
        assert_eq!(told["found"], 0, "{told}");
        server.try_iter().for_each(drop);
        assert_eq!(host.stop(), Some(0));
    }
}
