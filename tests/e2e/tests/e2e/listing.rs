//! Goal: lists by name come in pages, to their end, and the command line follows them.

use serde_json::{Value, json};

use crate::host::{Host, Site, wharf};

/// The names that pages of so many rows tell, to the empty one.
fn paged(host: &Host, list: &str, name: &str, limit: usize) -> Vec<String> {
    let (mut names, mut after): (Vec<String>, String) = (Vec::new(), String::new());
    loop {
        let (status, page) = host.get(&format!("/v1/tenants/acme/{list}?limit={limit}{after}"));
        assert_eq!(status, 200, "{page}");
        let page: Vec<String> =
            page.as_array().unwrap().iter().map(|one| one[name].as_str().unwrap().to_owned()).collect();
        assert!(page.len() <= limit, "{list} has a page of {}", page.len());
        let Some(last) = page.last() else { return names };
        after = format!("&after={}", last.replace('/', "%2F"));
        names.extend(page);
    }
}

#[test]
fn lists_by_name_come_in_pages_and_the_command_line_follows_them() {
    const MADE: usize = 60;
    let site = Site::with_probe("");
    let host = site.start("serve");
    let document = |list: &str, n: usize| match list {
        "webhooks" => json!({"url": format!("https://example.com/{n}")}),
        "schemas" => json!({"type": format!("order.{n}"), "schema": {"type": "object"}}),
        "routes" => json!({"plugin": "probe"}),
        _ => json!({}),
    };
    for (list, name, command) in [
        ("queues", "queue", "queue ls"),
        ("topics", "topic", "topic ls"),
        ("webhooks", "webhook", "webhook ls"),
        ("schemas", "schema", "schema ls"),
        ("routes", "route", "route ls"),
        ("buses", "bus", "bus ls"),
    ] {
        let mut wanted: Vec<String> = Vec::new();
        for n in 0..MADE {
            let (made, path) = if list == "routes" {
                (format!("/r{n:02}"), format!("%2Fr{n:02}"))
            } else {
                (format!("n{n:02}"), format!("n{n:02}"))
            };
            let (status, _, put) =
                host.put(&format!("/v1/tenants/acme/{list}/{path}"), None, document(list, n).to_string());
            assert_eq!(status, 201, "{list}: {put}");
            wanted.push(made);
        }
        if list == "buses" {
            wanted.insert(0, "default".to_owned());
        }
        assert_eq!(
            (paged(&host, list, name, 7), paged(&host, list, name, 1_000)),
            (wanted.clone(), wanted.clone()),
            "{list}"
        );
        let first = host.get(&format!("/v1/tenants/acme/{list}")).1.as_array().unwrap().len();
        assert_eq!(first, 50, "{list}");
        let output = wharf().args(["--url", &host.url, "-o", "json"]).args(command.split(' ')).output().unwrap();
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let said: Vec<_> = said.as_array().unwrap().iter().map(|one| one[name].as_str().unwrap()).collect();
        assert_eq!(said, wanted, "{command}");
    }
}
