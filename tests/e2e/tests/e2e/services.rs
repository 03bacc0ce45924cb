//! Goal: an example plugin uses a service outside as that service documents it, with a key that it never has, and what the service refuses ends as it
//! should: what is wrong for good is rejected, by itself, and what may go away is tried again.
//! Method: the server of `egress.rs` answers under the services' own paths as their documentation says; it does not know them any better.

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    egress::{calls, lines, server},
    host::{Host, Site, guest},
    routes::{Got, asked_with},
    secrets::{found, secret},
};

/// How long a request may take to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Status, more fields, and body of an answer.
type Answer = (&'static str, &'static str, String);

/// What a service answers, if it is one of theirs that is asked.
pub fn answer(path: &str, text: &str) -> Option<Answer> {
    match path.split_once('?').unwrap_or((path, "")) {
        (path, "") if path.ends_with("/Messages.json") => Some(twilio(text)),
        ("/v3/mail/send", "") => Some(sendgrid(text)),
        ("/import", query) => Some(mixpanel(query, text)),
        _ => None,
    }
}

/// What came as JSON behind the fields.
fn sent(text: &str) -> Value {
    text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok()).unwrap_or_default()
}

fn twilio(text: &str) -> Answer {
    let (status, body) = if !text.contains(&format!("authorization: Basic {TWILIO}\r\n")) {
        ("401 Unauthorized", json!({"code": 20003, "message": "Authenticate", "status": 401}))
    } else if text.contains("To=%2B15005550001&") {
        ("400 Bad Request", json!({"code": 21211, "message": "Invalid 'To' Phone Number", "status": 400}))
    } else {
        ("201 Created", json!({"sid": "SM1", "status": "queued", "direction": "outbound-api"}))
    };
    (status, "", body.to_string())
}

fn sendgrid(text: &str) -> Answer {
    let mistake =
        |message, field: Value| json!({"errors": [{"message": message, "field": field, "help": null}]}).to_string();
    if !text.contains(&format!("authorization: Bearer {SENDGRID}\r\n")) {
        return ("401 Unauthorized", "", mistake("authorization required", Value::Null));
    }
    let mail = sent(text);
    let to = mail["personalizations"][0]["to"][0]["email"].as_str().unwrap_or_default();
    if to.contains('@') && mail["from"]["email"] == "shop@example.com" && !mail["content"][0]["value"].is_null() {
        return ("202 Accepted", "x-message-id: m1\r\n", String::new());
    }
    ("400 Bad Request", "", mistake("Does not contain a valid address.", json!("personalizations.0.to.0.email")))
}

/// An event whose property `price` is no number is one that it does not take.
fn mixpanel(query: &str, text: &str) -> Answer {
    if query != "strict=1&project_id=7" || !text.contains(&format!("authorization: Basic {MIXPANEL}\r\n")) {
        return (
            "401 Unauthorized",
            "",
            json!({"code": 401, "error": "Unauthorized", "status": "Unauthorized"}).to_string(),
        );
    }
    let events = sent(text);
    let events = events.as_array().map_or(&[][..], Vec::as_slice);
    let is_taken = |event: &Value| {
        let properties = &event["properties"];
        let id = properties["$insert_id"].as_str().unwrap_or_default();
        let is_id = (1..=36).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        is_id && properties["time"].is_i64() && properties["distinct_id"].is_string() && properties["price"].is_number()
    };
    let failed: Vec<_> = events.iter().enumerate().filter(|(_, event)| !is_taken(event)).collect();
    let imported = events.len() - failed.len();
    let failed: Vec<_> = failed
        .into_iter()
        .map(|(index, event)| {
            let id = &event["properties"]["$insert_id"];
            json!({"index": index, "insert_id": id, "field": "properties.price", "message": "must be a number"})
        })
        .collect();
    if failed.is_empty() {
        return ("200 OK", "", json!({"code": 200, "num_records_imported": imported, "status": "OK"}).to_string());
    }
    let error = "some data points in the request failed validation";
    let said = json!({"code": 400, "error": error, "failed_records": failed, "num_records_imported": imported});
    ("400 Bad Request", "", said.to_string())
}

/// Base64 of `AC1:token`, as Twilio wants it in `Authorization`.
const TWILIO: &str = "QUMxOnRva2Vu";

#[test]
fn a_plugin_sends_by_twilio_with_a_secret_that_it_never_has() {
    let (port, server) = server();
    let site = Site::new(&format!(
        "default_tenant = \"acme\"\n[egress]\nnetworks = [\"127.0.0.1\"]\n[tenants.acme.plugins.sms]\n\
         component = \"{}\"\nconfig = {{ account = \"AC1\", from = \"+4930\", api = \"http://127.0.0.1:{port}\" }}\n\
         [tenants.acme.plugins.sms.grants]\npublish = [\"sms.sent\"]\n\
         http = [\"POST http://127.0.0.1:{port}/2010-04-01/* private\"]\n\
         secrets = [\"http://127.0.0.1:{port} authorization: Basic {{secret:twilio}}\"]\n\
         [tenants.acme.rules.sms]\npattern = {{ type = [\"sms.wanted\"] }}\n\
         targets = [{{ plugin = \"sms\", retry = {{ attempts = 1 }} }}]\n",
        guest("twilio-sms").display()
    ));
    let host = site.start("serve");
    assert_eq!(secret(&host, &["set", "twilio"], TWILIO).0, 0);
    let attempts = calls(&host, "one", "sms.wanted", &json!({"to": "+49 171", "body": "hällo & bye"}));
    assert_eq!(attempts[0]["outcome"]["outcome"], "ack", "{attempts:?}");
    let said = lines(&attempts[0]);
    assert!(said.contains("SM1 is queued") && !said.contains("+49"), "whose it is does not belong in a log: {said}");
    let heard = server.recv_timeout(PATIENCE).unwrap();
    assert!(heard.starts_with("POST /2010-04-01/Accounts/AC1/Messages.json HTTP/1.1\r\n"), "{heard}");
    assert!(heard.ends_with("To=%2B49+171&From=%2B4930&Body=h%C3%A4llo+%26+bye"), "{heard}");
    let (_, sent) = host.get("/v1/tenants/acme/events?type_prefix=sms.sent");
    assert_eq!(sent[0]["event"]["data"], json!({"to": "+49 171", "sid": "SM1", "status": "queued"}));
    // What is no number is rejected at once.
    let attempts = calls(&host, "two", "sms.wanted", &json!({"to": "+15005550001", "body": "x"}));
    let said = attempts[0].to_string();
    assert!(said.contains("handler-reject") && said.contains("Twilio says 400, 21211"), "{said}");
    assert_eq!(host.stop(), Some(0));
}

const SENDGRID: &str = "SG.nobody-else-has-this";

#[test]
fn a_plugin_sends_mail_by_sendgrid_with_a_secret_that_it_never_has() {
    let (port, server) = server();
    let site = Site::new(&format!(
        "default_tenant = \"acme\"\n[egress]\nnetworks = [\"127.0.0.1\"]\n[tenants.acme.plugins.mail]\n\
         component = \"{}\"\nconfig = {{ from = \"shop@example.com\", from_name = \"Shop\", api = \"http://127.0.0.1:{port}\" }}\n\
         [tenants.acme.plugins.mail.grants]\npublish = [\"email.sent\"]\n\
         http = [\"POST http://127.0.0.1:{port}/v3/mail/send private\"]\n\
         secrets = [\"http://127.0.0.1:{port} authorization: Bearer {{secret:sendgrid}}\"]\n\
         [tenants.acme.rules.mail]\npattern = {{ type = [\"email.wanted\"] }}\n\
         targets = [{{ plugin = \"mail\", retry = {{ attempts = 1 }} }}]\n",
        guest("sendgrid-email").display()
    ));
    let host = site.start("serve");
    assert_eq!(secret(&host, &["set", "sendgrid"], SENDGRID).0, 0);
    let wanted = |to: &str| json!({"to": to, "subject": "Hellö", "text": "hi", "html": "<p>hi</p>"});
    let attempts = calls(&host, "one", "email.wanted", &wanted("ada@example.com"));
    assert_eq!(attempts[0]["outcome"]["outcome"], "ack", "{attempts:?}");
    let said = lines(&attempts[0]);
    assert!(said.contains("m1 is taken") && !said.contains("ada"), "whose it is does not belong in a log: {said}");
    let mail = sent(&server.recv_timeout(PATIENCE).unwrap());
    assert_eq!((&mail["subject"], &mail["from"]["name"]), (&json!("Hellö"), &json!("Shop")), "{mail}");
    let kinds: Vec<_> = mail["content"].as_array().unwrap().iter().map(|part| part["type"].clone()).collect();
    assert_eq!(kinds, ["text/plain", "text/html"], "in the order that it asks for");
    let (_, published) = host.get("/v1/tenants/acme/events?type_prefix=email.sent");
    assert_eq!(published[0]["event"]["data"], json!({"to": "ada@example.com", "id": "m1"}));
    // What is no address is rejected at once.
    let attempts = calls(&host, "two", "email.wanted", &wanted("nobody"));
    let said = attempts[0].to_string();
    assert!(
        said.contains("handler-reject") && said.contains("SendGrid says 400: Does not contain a valid address."),
        "{said}"
    );
    assert_eq!(host.stop(), Some(0));
}

/// Base64 of `account:token`.
const MIXPANEL: &str = "YWNjb3VudDp0b2tlbg==";

#[test]
fn a_plugin_gives_batches_to_mixpanel_with_a_secret_that_it_never_has_and_a_bad_event_is_rejected_by_itself() {
    let (port, server) = server();
    let site = Site::new(&format!(
        "default_tenant = \"acme\"\n[egress]\nnetworks = [\"127.0.0.1\"]\n[tenants.acme.plugins.track]\n\
         component = \"{}\"\nconfig = {{ project = \"7\", api = \"http://127.0.0.1:{port}\" }}\n\
         [tenants.acme.plugins.track.grants]\n\
         http = [\"POST http://127.0.0.1:{port}/import private\"]\n\
         secrets = [\"http://127.0.0.1:{port} authorization: Basic {{secret:mixpanel}}\"]\n\
         [tenants.acme.queues.tracked]\nconsumer = {{ plugin = \"track\", batch = 10, window = \"5s\" }}\n",
        guest("mixpanel-track").display()
    ));
    let host = site.start("serve");
    assert_eq!(secret(&host, &["set", "mixpanel"], MIXPANEL).0, 0);
    let event = |n: usize| {
        let price = if n == 4 { json!("nine") } else { json!(n) };
        json!({"specversion": "1.0", "id": n.to_string(), "source": "shop", "type": "order.placed", "subject": "ada",
            "time": "2026-11-28T10:00:00Z", "data": {"price": price}})
    };
    let events: Vec<_> = (0..10).map(event).collect();
    let path = "/v1/tenants/acme/queues/tracked/messages";
    let (status, answer) = host.post(path, "application/cloudevents-batch+json", Value::from(events).to_string());
    assert_eq!(status, 200, "{answer}");
    host.settled("acme");
    let came = server.recv_timeout(PATIENCE).unwrap();
    assert!(came.starts_with("POST /import?strict=1&project_id=7 HTTP/1.1\r\n"), "{came}");
    let came = sent(&came);
    assert_eq!(came.as_array().unwrap().len(), 10, "one request has them all");
    let (first, properties) = (&came[0]["event"], &came[0]["properties"]);
    assert_eq!(
        (first, &properties["distinct_id"], &properties["price"]),
        (&json!("order.placed"), &json!("ada"), &json!(0))
    );
    assert_eq!(properties["time"], 1_795_860_000_000_u64);
    // Those beside the bad one are handed over again, and go again as they went: Mixpanel knows them by all of this.
    let again = sent(&server.recv_timeout(PATIENCE).unwrap());
    let again = again.as_array().unwrap();
    assert_eq!(again.len(), 9, "{again:?}");
    assert!(again.iter().all(|event| came.as_array().unwrap().contains(event)), "{again:?}");
    let dead = host.dead("tracked");
    let [letter] = dead.as_slice() else { panic!("{dead:?}") };
    assert_eq!((&letter["event"]["event"]["id"], &letter["code"]), (&json!("4"), &json!("handler-reject")));
    assert!(letter["error"].as_str().unwrap().contains("must be a number (properties.price)"), "{letter}");
    assert_eq!(host.stop(), Some(0));
}

/// What Stripe shows as the signing secret of an endpoint.
pub const SIGNING: &str = "whsec_5bVa0NobodyElseSignsWithThis";

/// HMAC-SHA256 of a text, in hex (RFC 2104).
fn hmac(key: &str, text: &str) -> String {
    let padded = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key.bytes()).for_each(|(byte, of_key)| *byte ^= of_key);
        block
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(text).finalize();
    let outer = Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An event as Stripe's reference shows one.
pub fn of_stripe(id: &str, kind: &str, cents: u32) -> String {
    let object =
        json!({"id": "pi_3MtwBwLkdIwHu7ix28a3tqPa", "object": "payment_intent", "amount": cents, "currency": "usd"});
    let event = json!({
        "id": id, "object": "event", "api_version": "2024-04-10", "created": 1_680_064_028, "type": kind,
        "data": {"object": object}, "livemode": false, "pending_webhooks": 1,
        "request": {"id": null, "idempotency_key": null},
    });
    // As it comes: signed are the bytes, whatever they say.
    serde_json::to_string_pretty(&event).unwrap()
}

pub fn now_s() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// Sends what Stripe would, with this in `Stripe-Signature`.
fn posted(host: &Host, signature: &str, body: &str) -> Got {
    let fields = format!("content-type: application/json; charset=utf-8\r\nstripe-signature: {signature}\r\n");
    asked_with(host, "POST /t/acme/hooks/stripe", &fields, body.as_bytes())
}

pub fn signed(host: &Host, at_s: u64, key: &str, body: &str) -> Got {
    posted(host, &format!("t={at_s},v1={},v0={}", hmac(key, &format!("{at_s}.{body}")), "0".repeat(64)), body)
}

pub fn stripes(host: &Host) -> Vec<Value> {
    let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=stripe.");
    events.as_array().unwrap().iter().map(|one| one["event"].clone()).collect()
}

#[test]
fn events_of_stripe_are_taken_in_once_where_the_secret_that_the_plugin_holds_signed_them() {
    let site = Site::new(&format!(
        "default_tenant = \"acme\"\n[tenants.acme.plugins.stripe]\ncomponent = \"{}\"\n\
         grants = {{ publish = [\"stripe.*\"], hold = [\"stripe-signing\"] }}\n\
         [tenants.acme.routes.\"/hooks/stripe\"]\nplugin = \"stripe\"\nmethods = [\"POST\"]\n",
        guest("stripe-webhook").display()
    ));
    let host = site.start_with("serve", &["--log", "trace"]);
    let paid = of_stripe("evt_1", "payment_intent.succeeded", 990);
    // Without its secret nothing is taken, and Stripe sends it again.
    assert_eq!(signed(&host, now_s(), SIGNING, &paid).status, 500);
    assert_eq!(secret(&host, &["set", "stripe-signing"], &format!("{SIGNING}\n")).0, 0);
    assert_eq!(signed(&host, now_s(), SIGNING, &paid).status, 200);
    host.kill();
    let host = site.start("serve");
    assert_eq!(signed(&host, now_s(), SIGNING, &paid).status, 200, "it is sent once more");
    let events = stripes(&host);
    assert_eq!(events.len(), 1, "{events:?}");
    let event = &events[0];
    assert_eq!((&event["id"], &event["source"]), (&json!("evt_1"), &json!("stripe")));
    assert_eq!(
        (&event["type"], &event["subject"]),
        (&json!("stripe.payment_intent.succeeded"), &json!("pi_3MtwBwLkdIwHu7ix28a3tqPa"))
    );
    assert_eq!(event["data"], serde_json::from_str::<Value>(&paid).unwrap());

    // What is not signed so, or not now, is refused.
    let refund = of_stripe("evt_2", "charge.refunded", 100);
    for (at_s, key) in [(now_s(), "whsec_another"), (now_s() - 310, SIGNING), (now_s() + 310, SIGNING)] {
        assert_eq!(signed(&host, at_s, key, &refund).status, 400, "{at_s} {key}");
    }
    let at_s = now_s();
    let other = hmac(SIGNING, &format!("{at_s}.{paid}"));
    for wrong in [format!("t={at_s},v1={other}"), format!("t={at_s}"), "nonsense".to_owned(), String::new()] {
        assert_eq!(posted(&host, &wrong, &refund).status, 400, "{wrong}");
    }
    assert_eq!(asked_with(&host, "POST /t/acme/hooks/stripe", "", refund.as_bytes()).status, 400);
    // While the secret changes Stripe signs with both.
    let right = hmac(SIGNING, &format!("{at_s}.{refund}"));
    assert_eq!(posted(&host, &format!("t={at_s},v1={},v1={right}", "0".repeat(64)), &refund).status, 200);
    assert_eq!(signed(&host, now_s(), SIGNING, "{}").status, 400, "it is signed, and no event");
    // A thin event names what it is about and has none of it.
    let related = json!({"id": "mtr_test_61", "type": "billing.meter", "url": "/v1/billing/meters/mtr_test_61"});
    let thin = json!({"id": "evt_test_65", "object": "v2.core.event", "type": "v1.billing.meter.error_report_triggered", "related_object": related});
    assert_eq!(signed(&host, now_s(), SIGNING, &thin.to_string()).status, 200);
    let told: Vec<_> = stripes(&host)
        .iter()
        .map(|event| [&event["type"], &event["subject"]].map(|it| it.as_str().unwrap().to_owned()))
        .collect();
    let of = |kind: &str, subject: &str| [format!("stripe.{kind}"), subject.to_owned()];
    let intent = "pi_3MtwBwLkdIwHu7ix28a3tqPa";
    let thin = of("v1.billing.meter.error_report_triggered", "mtr_test_61");
    assert_eq!(told, [thin, of("charge.refunded", intent), of("payment_intent.succeeded", intent)]);
    assert_eq!(host.stop(), Some(0));
    assert_eq!(found(&site.folder.path().join("data"), SIGNING.as_bytes()), Vec::<String>::new());
}
