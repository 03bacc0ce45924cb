//! Goal: whoever is at the other end of a plugin's request can break it and nothing else: a stream that is closed in its middle, by half or whole, is a failure
//! with a code, and no connection is anybody's but the tenant's and the plugin's that it was made for, whatever they are called.
//! Method: servers of the test's own, one that closes its half of the connection where a path tells it to, and one that keeps connections and numbers them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use crate::{
    egress::{calls, came, lines, site},
    host::{Host, Site, guest},
};

/// The head of a request; nothing where the connection ended.
fn head(reading: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reading.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(head))
}

/// What a path has the server say before it closes its half, and goes on to listen.
const HALVES: [(&str, &str); 9] = [
    ("/nothing", ""),
    ("/status", "HTTP/1.1 200 "),
    ("/head", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\nx-more: "),
    ("/none", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n"),
    ("/some", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome of it"),
    ("/chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10\r\nhalf"),
    ("/chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
    ("/last", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n"),
    // Only this is an end: its answer has no other.
    ("/whole", "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall of it"),
];

/// A server that closes its half of a connection behind what it says.
fn half_closing() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || -> std::io::Result<()> {
                let mut reading = BufReader::new(stream.try_clone()?);
                let Some(head) = head(&mut reading)? else { return Ok(()) };
                let path = head.split(' ').nth(1).unwrap_or_default();
                let said = HALVES.iter().find(|(of, _)| *of == path).map_or("", |(_, said)| said);
                stream.write_all(said.as_bytes())?;
                stream.shutdown(Shutdown::Write)?;
                // It listens on, until the other side has enough.
                reading.read_to_end(&mut Vec::new())?;
                Ok(())
            });
        }
    });
    port
}

#[test]
fn egress_to_a_peer_that_closes_its_half_in_the_middle_is_a_failure_with_a_code() {
    let port = half_closing();
    let site = site(&format!("\"http://127.0.0.1:{port} private\""), "http_calls = 100, wall_ms = 60000");
    let host = site.start("serve");
    let url = |path: &str| json!({"url": format!("http://127.0.0.1:{port}{path}")});
    // One that is whole in between: five failures in a row would give it a rest.
    let list: Vec<_> = HALVES.iter().flat_map(|(path, _)| [url(path), url("/whole")]).collect();
    let attempts = calls(&host, "one", "call", &json!(list));
    let came = came(&host);
    for ((path, _), came) in HALVES.iter().zip(came.chunks(2)) {
        assert_eq!(came[1]["status"], json!([200, "all of it"]), "{path}: {came:?}");
        if *path != "/whole" {
            assert!(came[0]["refused"].as_str().is_some_and(|why| why.starts_with("no answer")), "{path}: {came:?}");
        }
    }
    // The host waited for nothing: it was told at once.
    assert_eq!(attempts[0]["limits"], json!(["http-unreachable"]), "{}", lines(&attempts[0]));
    let said = lines(&attempts[0]);
    for (path, _) in HALVES.iter().filter(|(path, _)| *path != "/whole") {
        let line =
            said.lines().find(|line| line.contains(&format!("{path}: "))).unwrap_or_else(|| panic!("{path}: {said}"));
        assert!(line.starts_with("http-unreachable: ") && line.contains("the answer did not come"), "{line}");
    }
    assert_eq!(host.stop(), Some(0));
}

/// Who used which connection, by their numbers.
type Used = Arc<Mutex<BTreeMap<usize, Vec<String>>>>;

/// A server that keeps connections, and whose answers go on by them.
fn keeping() -> (u16, Used) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let used = Used::default();
    let noted = Arc::clone(&used);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (mut stream, noted) = (stream.unwrap(), Arc::clone(&noted));
            std::thread::spawn(move || -> std::io::Result<()> {
                let mut reading = BufReader::new(stream.try_clone()?);
                while let Some(head) = head(&mut reading)? {
                    let who = head.lines().find_map(|line| line.strip_prefix("x-who: ")).unwrap_or_default();
                    noted.lock().unwrap().entry(number).or_default().push(who.to_owned());
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")?;
                }
                Ok(())
            });
        }
    });
    (port, used)
}

/// Tenants and plugins whose names are the same one behind the other, with whatever stands between them.
const NAMES: [(&str, &str); 8] = [
    ("a", "b-c"),
    ("a-b", "c"),
    ("a-b-c", "d"),
    ("a-b", "c-d"),
    ("a", "b-c-d"),
    ("ab", "c"),
    ("a", "bc"),
    ("a", "llm"),
];

fn sends(host: &Host, (tenant, plugin): (&str, &str), round: usize, port: u16) {
    let call =
        json!({"url": format!("http://127.0.0.1:{port}/x"), "headers": [["x-who", format!("{tenant}/{plugin}")]]});
    let id = format!("{plugin}-{round}");
    let event = json!({"specversion": "1.0", "id": id, "source": "test", "type": plugin, "data": [call, call]});
    let path = format!("/v1/tenants/{tenant}/buses/default/events");
    let (status, answer) = host.post(&path, "application/cloudevents+json", event.to_string());
    assert_eq!(status, 202, "{answer}");
    let stats = host.settled(tenant);
    assert_eq!(stats["dead_letters"], 0, "{stats}");
}

#[test]
fn egress_shares_no_connection_between_tenants_and_plugins_whatever_they_are_called() {
    let (port, used) = keeping();
    let mut config = "[egress]\nnetworks = [\"127.0.0.0/8\"]\n".to_owned();
    for (tenant, plugin) in NAMES {
        config += &format!(
            "[tenants.{tenant}.plugins.{plugin}]\ncomponent = \"{}\"\n\
             grants = {{ publish = [\"called\"], http = [\"http://127.0.0.1:{port} private\"] }}\n\
             [tenants.{tenant}.rules.{plugin}]\npattern = {{ type = [\"{plugin}\"] }}\n\
             targets = [{{ plugin = \"{plugin}\", retry = {{ attempts = 1 }} }}]\n",
            guest("caller").display()
        );
    }
    let site = Site::new(&config);
    let host = site.start("serve");
    for round in 0..3 {
        for names in NAMES {
            sends(&host, names, round, port);
        }
    }
    let used = used.lock().unwrap().clone();
    for (number, who) in &used {
        assert_eq!(who.iter().collect::<BTreeSet<_>>().len(), 1, "connection {number} is of several: {used:?}");
    }
    // Connections are kept at all: all requests of one went by one.
    let all: Value = NAMES.iter().map(|(tenant, plugin)| json!(format!("{tenant}/{plugin}"))).collect();
    assert_eq!(used.len(), NAMES.len(), "{all}: {used:?}");
    assert!(used.values().all(|who| who.len() == 6), "{used:?}");
    assert_eq!(host.stop(), Some(0));
}
