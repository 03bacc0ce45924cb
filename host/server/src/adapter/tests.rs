//! Goal: an operator and a client see by HTTP that the disk failed, and what to do; what is there can still be read.
//! Method: the gateway as it ships, over the core as it ships, over a disk in memory whose syncs are told to fail.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use cap_std::{ambient_authority, fs::Dir};
use serde_json::json;
use wharf_dispatch::{Dispatcher, Options, RuleSet, Surroundings};
use wharf_faults::{Fault, FaultyDisk, SimHome};
use wharf_gateway::ServeOptions;
use wharf_runtime::Runtime;

use super::HostAdapter;
use crate::registry::{Components, Registry};

/// A request on a connection of its own; the whole answer.
fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    write!(
        connection,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_disk_that_fails_to_sync_is_told_of_with_what_to_do_and_what_is_there_can_be_read() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let disk = FaultyDisk::default();
    let home = SimHome { disk: disk.clone(), segment_sizes: Default::default() };
    let here = runtime.handle().clone();
    let address = runtime.block_on(async {
        let surroundings = Surroundings::of_this_machine(here.clone());
        let dispatcher = Dispatcher::open(&home, Options::default(), surroundings, here.clone()).unwrap();
        let document =
            json!({"default_tenant": "acme", "tenants": {"acme": {"buses": ["default"], "plugins": {}, "rules": {}}}});
        let document = serde_json::from_value(document).unwrap();
        let rules = RuleSet::new(document, &Default::default(), &Default::default()).unwrap();
        dispatcher.configure(rules).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let options = ServeOptions::loopback(address.port());
        let (sandbox, folder) = (Arc::new(Runtime::new().unwrap()), tempfile::tempdir().unwrap());
        let kept = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        let key = crate::secret_key::SecretKey::find(kept.try_clone().unwrap()).unwrap();
        let outside = crate::outside::Outside::new(here.clone(), Default::default(), Default::default(), key);
        let kept = (Components::new(kept.try_clone().unwrap()), Components::of_models(kept));
        let registry = Registry::new(dispatcher.clone(), Arc::clone(&sandbox), kept, here.clone());
        let adapter = HostAdapter::new(dispatcher, sandbox, registry, outside);
        here.spawn(wharf_gateway::serve(listener, std::future::ready(adapter), options, std::future::pending::<()>()));
        address
    });
    let send = || ask(address, "POST", "/events?type=t&source=test", "{}");
    assert!(send().starts_with("HTTP/1.1 202 "));
    assert!(ask(address, "GET", "/readyz", "").starts_with("HTTP/1.1 200 "));
    disk.watch(|operation| (operation.is_sync() && operation.name.starts_with("log/")).then_some(Fault::Error));
    let refused = send();
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("log-failed"), "{refused}");
    // The disk says that it is well again, and nobody believes it.
    disk.watch(|_| None);
    for answer in [send(), ask(address, "GET", "/readyz", "")] {
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("log-failed"), "{answer}");
        assert!(answer.contains("start the host again"), "it says what to do: {answer}");
    }
    assert!(ask(address, "GET", "/livez", "").starts_with("HTTP/1.1 200 "));
    let page = ask(address, "GET", "/v1/tenants/acme/events", "");
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("\"type\":\"t\""), "{page}");
    // What the state says may be more than what is durable; it is refused alike.
    for path in ["plugins", "plugins/p", "stats", "kv", "dlq", "schemas/s", "feed"] {
        let answer = ask(address, "GET", &format!("/v1/tenants/acme/{path}"), "");
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("log-failed"), "{path}: {answer}");
    }
    // What the state would say is left out of the metrics; that the log failed is not.
    let metrics = ask(address, "GET", "/metrics", "");
    assert!(metrics.contains("wharf_log_failed 1\n") && metrics.contains("wharf_ready 0\n"), "{metrics}");
    assert!(metrics.contains("wharf_http_problems_total{code=\"log-failed\"} 10\n"), "{metrics}");
    runtime.shutdown_background();
}
