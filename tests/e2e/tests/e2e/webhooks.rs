//! Goal: an event reaches an address outside, signed and once; a receiver that is down is waited for; one that wants nothing is left alone and
//! its tenant told; nothing is sent to where nobody granted it; a secret is told once, and a restart forgets nothing.
//!
//! How receivers misbehave in other ways is `cargo xtask bench webhook`.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use serde_json::{Value, json};

use crate::{
    formats::unpack,
    host::{Host, Site, wharf},
    secrets::found,
};

/// A request that came: its headers, and its body.
pub struct Came {
    headers: HashMap<String, String>,
    pub body: Value,
}

/// A receiver that answers with these statuses, the last one again and again. What came is given on.
pub fn receiver(statuses: &'static [u16]) -> (u16, Receiver<Came>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (came, coming) = channel();
    thread::spawn(move || {
        let mut statuses = statuses.iter().copied().chain(std::iter::repeat(*statuses.last().unwrap()));
        for stream in listener.incoming() {
            // A host that is killed breaks off.
            let Ok(request) = answer(stream.unwrap(), statuses.next().unwrap()) else { continue };
            if came.send(request).is_err() {
                return;
            }
        }
    });
    (port, coming)
}

fn answer(mut stream: TcpStream, status: u16) -> std::io::Result<Came> {
    let mut reading = BufReader::new(stream.try_clone()?);
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reading.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.insert(name.to_lowercase(), value.to_owned()),
            None if line.trim_end().is_empty() => break,
            None => None,
        };
    }
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    reading.read_exact(&mut body)?;
    let more = if status == 429 { "retry-after: 3\r\n" } else { "" };
    write!(stream, "HTTP/1.1 {status} X\r\n{more}connection: close\r\ncontent-length: 4\r\n\r\nwhy?")?;
    Ok(Came { headers, body: serde_json::from_slice(&body)? })
}

/// A site with the rule `orders` that sends to the webhook `crm`, which leads to a port of this machine.
fn site(port: u16, webhook: &str, retry: &str) -> Site {
    Site::new(&format!(
        "default_tenant = \"acme\"\n[egress]\nnetworks = [\"127.0.0.1\"]\n[tenants.acme.webhooks.crm]\n\
         url = \"http://127.0.0.1:{port}/hook\"\nnetworks = [\"127.0.0.1\"]\n{webhook}\n\
         [tenants.acme.rules.orders]\npattern = {{ type = [\"order\"] }}\ntargets = [{{ webhook = \"crm\", retry = {{ {retry} }} }}]\n"
    ))
}

const SOON: &str = r#"first = "10ms", max = "20ms", attempts = 1000"#;

fn attempts(host: &Host, position: &Value) -> Vec<Value> {
    let (status, detail) = host.get(&format!("/v1/tenants/acme/events/{}", position.as_str().unwrap()));
    assert_eq!(status, 200, "{detail}");
    detail["deliveries"][0]["attempts"].as_array().unwrap().clone()
}

fn webhook(host: &Host) -> Value {
    host.get("/v1/tenants/acme/webhooks/crm").1
}

#[test]
fn an_event_arrives_signed_under_one_id_and_what_the_receiver_said_is_kept() {
    let (port, came) = receiver(&[503, 200]);
    let site = site(port, "headers = { x-key = \"k\" }", SOON);
    let host = site.start("serve");
    let sent = host.send("one", "order");
    let [first, second] = [came.recv().unwrap(), came.recv().unwrap()];
    assert_eq!(
        (&first.body["id"], &first.headers["content-type"]),
        (&json!("one"), &"application/cloudevents+json".to_owned())
    );
    assert_eq!(first.headers["x-key"], "k");
    let id = sent["position"].as_str().unwrap().to_owned() + "-0";
    assert_eq!([&first, &second].map(|it| it.headers["webhook-id"].clone()), [id.clone(), id]);
    // The one of the file has a key from its first start, and only its public half is told.
    assert!(first.headers["webhook-signature"].starts_with("v1a,"), "{:?}", first.headers);
    let shown = webhook(&host);
    assert!(shown["secrets"][0]["public"].as_str().unwrap().starts_with("whpk_"), "{shown}");
    assert_eq!(host.settled("acme")["deliveries"], 1);
    let tried = attempts(&host, &sent["position"]);
    assert_eq!(
        (&tried[0]["outcome"]["code"], &tried[1]["outcome"]["outcome"]),
        (&json!("webhook-status"), &json!("ack"))
    );
    assert_eq!((&tried[0]["log"][0]["message"], &tried[0]["log"][1]["message"]), (&json!("503"), &json!("why?")));
    // A rotation: both sign, and the new one is told this once.
    let rotated = wharf().args(["--url", &host.url, "-o", "json", "webhook", "rotate", "crm"]).output().unwrap();
    let rotated: Value = serde_json::from_slice(&rotated.stdout).unwrap();
    let secret = rotated["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_") && !webhook(&host).to_string().contains(secret));
    host.kill();
    let host = site.start("serve");
    host.send("two", "order");
    let signature = came.recv().unwrap().headers["webhook-signature"].clone();
    let versions: Vec<_> = signature.split(' ').map(|one| one.split(',').next().unwrap()).collect();
    assert_eq!(versions, ["v1", "v1a"], "the newest first, after a crash too");
    assert_eq!(host.stop(), Some(0));
    let found = found(site.folder.path(), secret.as_bytes());
    assert!(found.is_empty(), "no secret is in a file of the site, its data folder included: {found:?}");
}

#[test]
fn one_that_wants_nothing_is_disabled_and_told_of_and_what_waits_is_sent_when_it_is_enabled() {
    let (port, came) = receiver(&[410, 200]);
    // At the only attempt, and where no more may wait of the tenant: neither keeps anything from waiting, or from being told.
    let site = site(port, "concurrency = 1", "attempts = 1");
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    let told = "[tenants.acme.queues.told]\n[tenants.acme.rules.told]\npattern = { type = [{ prefix = \"dev.wharf.\" }] }\n\
                targets = [{ queue = \"told\" }]\n[tenants.acme]\nbacklog = 1\n";
    site.write("wharf.toml", format!("{config}{told}"));
    let host = site.start("serve");
    host.send("one", "order");
    came.recv().unwrap();
    let alert = loop {
        let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=dev.wharf.webhook.disabled");
        if let Some(alert) = events.get(0) {
            break alert["event"].clone();
        }
    };
    let data = &alert["data"];
    assert_eq!(
        (&data["webhook"], &data["code"], &data["sample"]["id"], &data["rule"], &data["topic"]),
        (&json!("crm"), &json!("webhook-gone"), &json!("one"), &json!("orders"), &Value::Null)
    );
    assert_eq!(
        (&webhook(&host)["enabled"], &webhook(&host)["disabled"]["code"]),
        (&json!(false), &json!("webhook-gone"))
    );
    assert_eq!(host.get("/v1/tenants/acme/queues/told").1["depth"], 1, "it is told whatever waits");
    site.write("wharf.toml", format!("{config}{told}").replace("backlog = 1", "backlog = 9"));
    host.kill();
    let host = site.start("serve");
    host.send("two", "order");
    let stats = host.stats("acme");
    assert_eq!((&stats["pending"], &stats["dead_letters"]), (&json!(3), &json!(0)), "{stats}");
    let enabled = wharf().args(["--url", &host.url, "webhook", "enable", "crm"]).output().unwrap();
    assert_eq!(enabled.status.code(), Some(0), "{enabled:?}");
    let mut ids = [came.recv().unwrap(), came.recv().unwrap()].map(|it| it.body["id"].as_str().unwrap().to_owned());
    ids.sort();
    assert_eq!(ids, ["one", "two"]);
    assert_eq!(host.stats_until("acme", |stats| stats["pending"] == 1)["deliveries"], 3);
}

#[test]
fn one_that_only_fails_is_disabled_in_the_end_and_what_waits_too_long_is_given_up() {
    let (port, came) = receiver(&[500]);
    let retry = r#"first = "10ms", max = "20ms", attempts = 1000, age = "4s""#;
    let often = "disable_after = \"1s\"\nbreaker = { open = \"100ms\", open_max = \"100ms\" }";
    let site = site(port, often, retry);
    let host = site.start("serve");
    host.send("one", "order");
    // Whoever hears nothing blocks nobody.
    thread::spawn(move || came.iter().for_each(drop));
    host.stats_until("acme", |_| webhook(&host)["enabled"] == false);
    assert_eq!(webhook(&host)["disabled"]["code"], "webhook-status");
    let stats = host.stats_until("acme", |stats| stats["dead_letters"] == 1);
    assert_eq!(stats["pending"], 0, "{stats}");
    let letter = &host.dead("crm")[0];
    assert_eq!(letter["code"], "retries-spent");
    assert!(letter["error"].as_str().unwrap().contains("webhook-disabled"), "{letter}");
}

#[test]
fn one_that_asks_to_be_left_alone_gets_nothing_else_until_then() {
    let (port, came) = receiver(&[429, 200]);
    let site = site(port, "", SOON);
    let host = site.start("serve");
    host.send("one", "order");
    let at = |request: &Came| request.headers["webhook-timestamp"].parse::<u64>().unwrap();
    let first = at(&came.recv().unwrap());
    host.stats_until("acme", |stats| stats["retries"] == 1);
    for id in ["two", "three"] {
        host.send(id, "order");
    }
    let later = [came.recv().unwrap(), came.recv().unwrap(), came.recv().unwrap()];
    let mut ids = later.each_ref().map(|it| it.body["id"].as_str().unwrap());
    ids.sort_unstable();
    assert_eq!(ids, ["one", "three", "two"]);
    // The answer asked for three seconds.
    assert!(later.iter().all(|it| at(it) >= first + 3), "{first}: {:?}", later.each_ref().map(at));
    assert_eq!(host.settled("acme")["deliveries"], 3);
}

#[test]
fn one_of_a_project_is_deployed_before_the_rule_that_sends_to_it() {
    let site = Site::new("default_tenant = \"acme\"\n[tenants.acme.buses.default]\n");
    let project = "[tenants.shop.webhooks.crm]\nurl = \"https://example.com/hook\"\nheaders = { x-key = \"k\" }\n\
        [tenants.shop.rules.orders]\npattern = { type = [\"order\"] }\ntargets = [{ webhook = \"crm\" }]\n";
    site.write("project.toml", project);
    let host = site.start("serve");
    let deploy = || {
        let mut command = wharf();
        command.current_dir(site.folder.path());
        let output = command.args(["--url", &host.url, "-o", "json", "deploy", "-c", "project.toml", "--yes"]).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let first = deploy();
    let (webhook, rule) = (first.find("\"webhook\"").unwrap(), first.find("\"rule\"").unwrap());
    assert!(webhook < rule, "{first}");
    let (status, shown) = host.get("/v1/tenants/shop/webhooks/crm");
    assert_eq!((status, &shown["headers"], &shown["secrets"][0]["scheme"]), (200, &json!(["x-key"]), &json!("v1")));
    assert!(!deploy().contains("\"crm\""), "what is as the file says is left alone");
    site.write("project.toml", project.replace("/hook", "/other"));
    assert!(deploy().contains("\"crm\""));
    assert_eq!(host.get("/v1/tenants/shop/webhooks/crm").1["url"], "https://example.com/other");
}

#[test]
fn what_was_given_up_is_sent_again_under_its_id_when_it_was_given_up_since() {
    let (port, came) = receiver(&[500, 500, 200]);
    let site = site(port, "concurrency = 1", "attempts = 1");
    let host = site.start("serve");
    host.send("one", "order");
    host.send("two", "order");
    let before = [came.recv().unwrap(), came.recv().unwrap()].map(|it| it.headers["webhook-id"].clone());
    host.stats_until("acme", |stats| stats["dead_letters"] == 2);
    let redrive = |since: &str| {
        let words = ["--url", &host.url, "-o", "json", "dlq", "redrive", "crm", "--since", since];
        let output = wharf().args(words).output().unwrap();
        (output.status.code().unwrap(), serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default())
    };
    let letters = host.dead("crm");
    let last = letters.iter().map(|letter| letter["time"].as_str().unwrap()).max().unwrap();
    assert_eq!(redrive("2100-01-01T00:00:00Z"), (0, json!({"redriven": 0})));
    assert_ne!(redrive("yesterday").0, 0);
    let some = redrive(last).1["redriven"].as_u64().unwrap();
    assert!(some >= 1, "{letters:?}");
    assert_eq!(redrive("1h").1["redriven"], 2 - some);
    let mut after = [came.recv().unwrap(), came.recv().unwrap()].map(|it| it.headers["webhook-id"].clone());
    after.sort();
    assert_eq!(after, before);
    assert_eq!((host.settled("acme")["pending"].clone(), host.dead("crm").len()), (json!(0), 0));
    // One that was taken goes once more: the same event, as another delivery.
    let resent = wharf().args(["--url", &host.url, "webhook", "resend", "crm", "one"]).output().unwrap();
    assert_eq!(resent.status.code(), Some(0), "{resent:?}");
    let again = came.recv().unwrap();
    assert_eq!((&again.body["id"], before.contains(&again.headers["webhook-id"])), (&json!("one"), false));
    assert_eq!(host.get("/v1/tenants/acme/replays").1, json!([]));
}

#[test]
fn nothing_is_sent_to_where_nobody_granted_it() {
    let (port, came) = receiver(&[200]);
    let site = site(port, "", r#"attempts = 1"#);
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    // The webhook asks for nothing; what it asked for would be refused without the operator's grant.
    let asks = "networks = [\"127.0.0.1\"]\n";
    site.write("wharf.toml", config.replacen(asks, "", 1));
    let (status, said) = site.refuse("serve");
    assert!(status != 0 && said.contains("lies beyond what the operator grants"), "{said}");
    site.write("wharf.toml", config.replace(&format!("/hook\"\n{asks}"), "/hook\"\n"));
    let host = site.start("serve");
    host.send("one", "order");
    assert_eq!(host.settled("acme")["dead_letters"], 1);
    let letter = &host.dead("crm")[0];
    assert!(letter["error"].as_str().unwrap().contains("address-denied: 127.0.0.1 is a loopback address"), "{letter}");
    assert!(came.try_recv().is_err());
    let beyond = json!({"url": "https://example.com/", "networks": ["10.0.0.0/8"]});
    let (status, _, problem) = host.put("/v1/tenants/acme/webhooks/other", None, beyond.to_string());
    assert_eq!(
        (status, &problem["code"], &problem["errors"][0]["pointer"]),
        (422, &json!("webhook-invalid"), &json!("/networks"))
    );
}

/// A DNS server for whom every name has this address at its n-th look, from 0 on. It says what it was asked: each label behind its length.
pub fn names(address: impl Fn(usize) -> [u8; 4] + Send + 'static) -> (u16, Receiver<Vec<u8>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (port, (asked, questions)) = (socket.local_addr().unwrap().port(), channel());
    thread::spawn(move || {
        let (mut buffer, mut looks) = ([0; 512], 0);
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let end = 12 + buffer[12..length].iter().position(|byte| *byte == 0).unwrap() + 5;
            let is_v4 = buffer[end - 3] == 1;
            let mut answer = buffer[..end].to_vec();
            // An answer, to what was asked, with one address or with none (RFC 1035, 4.1.1).
            answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_v4), 0, 0, 0, 0]);
            if is_v4 {
                // It is good for this once.
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
                answer.extend(address(looks));
                looks += 1;
            }
            // Whoever asked may have gone.
            let _ = socket.send_to(&answer, from);
            let _ = asked.send(buffer[12..end - 5].to_vec());
        }
    });
    (port, questions)
}

#[test]
fn a_name_is_asked_of_the_servers_that_the_file_names() {
    let ((port, came), (dns, asked)) = (receiver(&[200]), names(|_| [127, 0, 0, 1]));
    let site = site(port, "", "attempts = 1");
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    let config = config.replace("[egress]\n", &format!("[egress]\ndns = [\"127.0.0.1:{dns}\"]\n"));
    site.write("wharf.toml", config.replace("http://127.0.0.1:", "http://crm.test:"));
    let host = site.start("serve");
    host.send("one", "order");
    assert_eq!(came.recv().unwrap().body["id"], "one");
    assert_eq!(asked.recv().unwrap(), b"\x03crm\x04test");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_webhook_is_made_by_the_api_used_by_a_rule_and_goes_when_no_rule_needs_it() {
    let (port, came) = receiver(&[200]);
    let site =
        Site::new("default_tenant = \"acme\"\n[egress]\nnetworks = [\"127.0.0.1\"]\n[tenants.acme.buses.default]\n");
    let host = site.start("serve");
    let cli = |words: &[&str]| {
        let output = wharf().args(["--url", &host.url, "-o", "json"]).args(words).output().unwrap();
        (
            output.status.code().unwrap(),
            serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default(),
            output.stderr,
        )
    };
    let url = format!("http://127.0.0.1:{port}/");
    let (_, made, _) = cli(&["webhook", "put", "crm", &url, "--network", "127.0.0.1", "--mode", "binary"]);
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"), "{made}");
    let pattern = r#"{"type": ["order"]}"#;
    let (exit, _, said) = cli(&["rules", "add", "orders", "--pattern", pattern, "--webhook", "crm"]);
    assert_eq!(exit, 0, "{}", String::from_utf8_lossy(&said));
    assert_ne!(cli(&["rules", "add", "more", "--pattern", pattern, "--webhook", "none"]).0, 0);
    host.send("one", "order");
    let request = came.recv().unwrap();
    assert_eq!((request.headers["ce-id"].as_str(), request.body), ("one", json!({})));
    host.settled("acme");
    let (status, problem) = {
        let (exit, _, said) = cli(&["webhook", "rm", "crm"]);
        (exit, String::from_utf8(said).unwrap())
    };
    assert_eq!(status, 5);
    assert!(problem.contains("webhook-in-use") && problem.contains("rule `orders` sends to it"), "{problem}");
    assert_eq!(cli(&["rules", "rm", "orders"]).0, 0);
    assert_eq!(cli(&["webhook", "rm", "crm"]).0, 0);
    assert_eq!(cli(&["webhook", "show", "crm"]).0, 3);
    assert_eq!(cli(&["webhook", "ls"]).1, json!([]));
}

#[test]
fn a_webhook_is_seen_at_the_top_while_it_sends_and_a_mistyped_one_is_told() {
    let (port, came) = receiver(&[200]);
    let site = site(port, "", SOON);
    let host = site.start("serve");
    let mut top = wharf();
    top.args(["--url", &host.url, "-o", "json", "top", "--interval", "100ms"]).stdout(Stdio::piped());
    let mut top = top.spawn().unwrap();
    let looks = BufReader::new(top.stdout.take().unwrap()).lines();
    let seen = looks.enumerate().find_map(|(n, line)| {
        host.send(&n.to_string(), "order");
        came.recv().unwrap();
        let look: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let webhook = look["webhooks"].get(0).cloned()?;
        (webhook["ack"].as_u64()? > 0).then_some(webhook)
    });
    top.kill().unwrap();
    top.wait().unwrap();
    let seen = seen.unwrap();
    assert_eq!((&seen["webhook"], &seen["attempts"]), (&json!("crm"), &seen["ack"]), "{seen}");

    let mistyped = wharf().args(["--url", &host.url, "webhook", "show", "crn"]).output().unwrap();
    let told = String::from_utf8(mistyped.stderr).unwrap();
    assert!(mistyped.status.code() == Some(3) && told.contains("did you mean `crm`?"), "{told}");
}

#[test]
fn a_receiver_that_is_down_is_given_a_rest_and_what_waits_burns_no_attempts() {
    let (port, came) = receiver(&[500, 500, 500, 200]);
    let site = site(port, "breaker = { failures = 3, open = \"2s\" }", SOON);
    let host = site.start("serve");
    host.send("one", "order");
    let standing = |host: &Host| webhook(host)["breaker_state"].clone();
    host.stats_until("acme", |_| standing(&host)["state"] == "open");
    let two = host.send("two", "order");
    let detail = |host: &Host| host.get(&format!("/v1/tenants/acme/events/{}", two["position"].as_str().unwrap())).1;
    host.stats_until("acme", |_| detail(&host)["deliveries"][0]["held_by"] == "held-breaker");
    assert_eq!(detail(&host)["deliveries"][0]["attempts"], json!([]));
    assert_eq!((&standing(&host)["openings"], &standing(&host)["code"]), (&json!(1), &json!("webhook-status")));
    assert_eq!(host.settled("acme")["deliveries"], 2);
    assert_eq!(detail(&host)["deliveries"][0]["attempts"].as_array().map(Vec::len), Some(1));
    assert_eq!(standing(&host)["state"], "closed");
    assert_eq!(came.try_iter().count(), 5, "three failures, the probe, and the one that waited");
    let (_, told) = host.get("/v1/tenants/acme/events?type_prefix=dev.wharf.target.");
    let kinds: Vec<_> = told.as_array().unwrap().iter().map(|event| event["event"]["type"].clone()).collect();
    assert!(kinds.contains(&json!("dev.wharf.target.open")), "{told}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn as_many_deliveries_wait_for_a_webhook_and_a_queue_as_may_and_others_go_on() {
    let (port, came) = receiver(&[500]);
    let site = site(
        port,
        "backlog = 2\nbreaker = { failures = 1, open = \"1h\", open_max = \"1h\" }\n[tenants.acme.queues.jobs]\nbacklog = 1\n\
         [tenants.acme.rules.jobs]\npattern = { type = [\"job\"] }\ntargets = [{ queue = \"jobs\" }]",
        SOON,
    );
    let host = site.start("serve");
    let send = |kind: &str, id: &str| {
        let event = json!({"specversion": "1.0", "id": id, "source": "test", "type": kind}).to_string();
        let (status, answer) = host.post("/events", "application/cloudevents+json", event);
        (status, answer["code"].as_str().unwrap_or_default().to_owned())
    };
    let refused = (429, "quota-backlog".to_owned());
    assert_eq!([send("order", "1").0, send("order", "2").0], [202, 202]);
    assert_eq!(send("order", "3"), refused);
    assert_eq!(send("job", "4").0, 202);
    assert_eq!(send("job", "5"), refused);
    assert_eq!(send("nobody", "6").0, 202, "who is owed nothing waits for nobody");
    came.recv().unwrap();
    host.kill();
}

#[test]
fn a_secret_that_a_host_of_before_kept_in_the_clear_is_sealed_and_signs_on() {
    let (port, came) = receiver(&[200]);
    let site = site(port, "", "first = \"10ms\", max = \"10ms\", attempts = 2");
    unpack("webhook-secrets.tar.gz", site.folder.path());
    let host = site.start("serve");
    let secrets = webhook(&host)["secrets"].clone();
    let public = json!("whpk_G02b3Zwmvsdl4g60FDV0r5Q1NiPg3/R7EUrtaOx8hgo=");
    assert_eq!((&secrets[0]["public"], &secrets[0]["scheme"], &secrets[1]), (&public, &json!("v1a"), &Value::Null));
    host.send("one", "order");
    assert!(came.recv().unwrap().headers["webhook-signature"].starts_with("v1a,"));
    assert_eq!(host.settled("acme")["dead_letters"], 0);
    assert_eq!(host.stop(), Some(0));
    // It is sealed under the key that the host made for that: without it nothing leaves.
    std::fs::remove_file(site.folder.path().join("data/secret.key")).unwrap();
    let host = site.start("serve");
    host.send("two", "order");
    assert_eq!(host.settled("acme")["dead_letters"], 1);
    assert!(host.dead("crm")[0]["error"].as_str().unwrap().contains("secret-closed"));
    assert!(came.try_recv().is_err());
}

/// A receiver that answers when it is told to, and counts who waits for that.
fn gate() -> (u16, Arc<AtomicUsize>, Receiver<()>, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (open, (came, coming), (opens, opened)) = (Arc::new(AtomicUsize::new(0)), channel(), channel::<()>());
    let (most, opened) = (Arc::clone(&open), Arc::new(Mutex::new(opened)));
    let waiting = Arc::new(AtomicUsize::new(0));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (most, opened, waiting, came) =
                (Arc::clone(&most), Arc::clone(&opened), Arc::clone(&waiting), came.clone());
            thread::spawn(move || {
                most.fetch_max(waiting.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let _ = came.send(());
                let _ = opened.lock().unwrap().recv();
                waiting.fetch_sub(1, Ordering::SeqCst);
                // A host that is stopped breaks off.
                let _ = answer(stream.unwrap(), 200);
            });
        }
    });
    (port, open, coming, opens)
}

#[test]
fn a_receiver_has_so_many_requests_at_a_time_and_so_many_begin_in_a_second() {
    let (port, most, came, opens) = gate();
    let host_site = site(port, "concurrency = 2", SOON);
    let host = host_site.start("serve");
    for id in ["one", "two", "three", "four", "five"] {
        host.send(id, "order");
    }
    let held = |code: &'static str| {
        move |stats: &Value| {
            stats["load"]["webhooks"][0]["held_by"] == code && stats["load"]["webhooks"][0]["webhook"] == "crm"
        }
    };
    came.recv().unwrap();
    came.recv().unwrap();
    host.stats_until("acme", held("held-plugin"));
    for _ in 0..5 {
        opens.send(()).unwrap();
    }
    assert_eq!(host.settled("acme")["attempts"], 5);
    assert_eq!(most.load(Ordering::SeqCst), 2);
    assert_eq!(host.stop(), Some(0));

    let (port, came) = receiver(&[200]);
    let site = site(port, "attempts_per_s = 1", SOON);
    let host = site.start("serve");
    for id in ["one", "two", "three"] {
        host.send(id, "order");
    }
    let stats = host.stats_until("acme", held("held-rate"));
    assert!(stats["attempts"].as_u64() < Some(3), "{stats}");
    assert_eq!(host.settled("acme")["attempts"], 3);
    assert_eq!(came.try_iter().count(), 3);
    assert_eq!(host.stop(), Some(0));
}
