//! Goal: `wharf dev` runs each of the example plugins that reach outside without any account anywhere: models are `echo` or a file, and where a service is not
//! granted the author reads the line that would grant it.
//! Method: a host for each, with its event; nothing leaves the machine.

use serde_json::{Value, json};

use crate::{
    egress::{calls, lines},
    host::{Host, Site, guest, wharf},
    secrets::secret,
    services::{SIGNING, now_s, of_stripe, signed, stripes},
};

/// A site with a plugin under its own name, and what follows it.
fn site(plugin: &str, more: &str) -> Site {
    Site::new(&format!(
        "default_tenant = \"acme\"\n[tenants.acme.llm.routes.triage]\nmodels = [\"echo\"]\n[tenants.acme.plugins.{plugin}]\n\
         component = \"{}\"\nlimits = {{ wall_ms = 60000 }}\n{more}",
        guest(plugin).display()
    ))
}

/// A rule that gives the plugin the events of a type, once.
fn rule(plugin: &str, kind: &str) -> String {
    format!(
        "[tenants.acme.rules.its]\npattern = {{ type = [\"{kind}\"] }}\n\
         targets = [{{ plugin = \"{plugin}\", retry = {{ attempts = 1 }} }}]\n"
    )
}

/// The payload of the only event of a type.
fn published(host: &Host, kind: &str) -> Value {
    let (_, events) = host.get(&format!("/v1/tenants/acme/events?type_prefix={kind}"));
    assert_eq!(events.as_array().unwrap().len(), 1, "{events}");
    events[0]["event"]["data"].clone()
}

/// What `wharf events show` prints.
fn shown(host: &Host, id: &str) -> String {
    let output = wharf().args(["--url", &host.url, "events", "show", id]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn dev_runs_support_triage_with_echo() {
    let plugin = "support-triage";
    let grants = "grants = { publish = [\"ticket.triaged\"], kv = [\"customers:read\"], llm = [\"triage\"] }\n";
    let site = site(plugin, &format!("{grants}{}", rule(plugin, "ticket.opened")));
    let host = site.start("dev");
    let ticket = json!({"number": 7, "customer": "c1", "subject": "Paid twice", "text": "The invoice was paid twice."});
    let attempts = calls(&host, "one", "ticket.opened", &ticket);
    assert_eq!(attempts[0]["outcome"]["outcome"], "ack", "{attempts:?}");
    // `echo` asked for the tool, and then filled the schema.
    assert_eq!(lines(&attempts[0]).matches("triage, chat: echo, ").count(), 2, "{}", lines(&attempts[0]));
    let triaged = published(&host, "ticket.triaged");
    assert_eq!((&triaged["number"], &triaged["category"]), (&json!(7), &json!("bug")), "{triaged}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn dev_runs_fraud_score_with_a_model_of_a_file() {
    let plugin = "fraud-score";
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/fraud-score/model/fraud.onnx");
    let more = format!(
        "grants = {{ publish = [\"payment.scored\"], infer = [\"fraud\"] }}\n[tenants.acme.models.fraud]\nfile = \"{model}\"\n{}",
        rule(plugin, "payment.made")
    );
    let site = site(plugin, &more);
    let host = site.start("dev");
    let payment =
        json!({"id": "p1", "amount": 20.0, "age_days": 900.0, "distance_km": 3.0, "hour": 12.0, "foreign": false});
    let attempts = calls(&host, "one", "payment.made", &payment);
    assert_eq!(attempts[0]["outcome"]["outcome"], "ack", "{attempts:?}");
    let scored = published(&host, "payment.scored");
    assert!(scored["risk"].as_f64().is_some_and(|risk| (0.0..=1.0).contains(&risk)), "{scored}");
    assert!(scored["model"].as_str().unwrap().starts_with("sha256:"), "{scored}");
    assert_eq!(host.stop(), Some(0));
}

/// Looks at an attempt that was not granted its service: its code, and both ways to grant it, in the API and on the command line.
fn is_told(attempt: &Value, shown: &str, (plugin, request): (&str, &str)) {
    assert_eq!(attempt["limits"], json!(["http-denied"]), "{attempt}");
    for said in [lines(attempt).as_str(), shown] {
        assert!(said.contains("http-denied: POST https://") && said.contains(" is not granted"), "{said}");
        assert!(said.contains(&format!("http = [\"{request}\"]")), "{said}");
        assert!(said.contains(&format!("wharf grant approve {plugin} --http '{request}'")), "{said}");
    }
}

#[test]
fn dev_says_what_would_grant_a_service_to_sendgrid_email_and_twilio_sms() {
    let sms = json!({"to": "+49171", "body": "hi"});
    let mail = json!({"to": "ada@example.com", "subject": "hi", "text": "hi"});
    for (plugin, config, published, kind, event, request) in [
        (
            "sendgrid-email",
            "from = \"shop@example.com\"",
            "email.sent",
            "email.wanted",
            mail,
            "POST https://api.sendgrid.com/v3/mail/send",
        ),
        (
            "twilio-sms",
            "account = \"AC1\", from = \"+4930\"",
            "sms.sent",
            "sms.wanted",
            sms,
            "POST https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json",
        ),
    ] {
        let more =
            format!("config = {{ {config} }}\ngrants = {{ publish = [\"{published}\"] }}\n{}", rule(plugin, kind));
        let site = site(plugin, &more);
        let host = site.start("dev");
        let attempts = calls(&host, "one", kind, &event);
        assert_ne!(attempts[0]["outcome"]["outcome"], "ack", "{attempts:?}");
        is_told(&attempts[0], &shown(&host, "one"), (plugin, request));
        assert_eq!(host.get(&format!("/v1/tenants/acme/events?type_prefix={published}")).1, json!([]));
        assert_eq!(host.stop(), Some(0));
    }
}

#[test]
fn dev_says_what_would_grant_a_service_to_mixpanel_track() {
    let plugin = "mixpanel-track";
    let more = format!(
        "config = {{ project = \"7\" }}\n[tenants.acme.queues.tracked]\nmax_receives = 1\n\
         consumer = {{ plugin = \"{plugin}\", batch = 10, window = \"10ms\" }}\n\
         [tenants.acme.rules.its]\npattern = {{ type = [\"order.placed\"] }}\ntargets = [{{ queue = \"tracked\" }}]\n"
    );
    let site = site(plugin, &more);
    let host = site.start("dev");
    let event = json!({"specversion": "1.0", "id": "one", "source": "shop", "type": "order.placed", "subject": "ada",
        "time": "2026-11-28T10:00:00Z", "data": {"price": 1}});
    assert_eq!(host.post("/events", "application/cloudevents+json", event.to_string()).0, 202);
    host.settled("acme");
    let dead = host.dead("tracked");
    assert_eq!(dead.len(), 1, "{dead:?}");
    let (_, letter) = host.get(&format!("/v1/tenants/acme/dlq/tracked/{}", dead[0]["id"].as_str().unwrap()));
    let attempt = &letter["history"][0];
    is_told(attempt, &shown(&host, "one"), (plugin, "POST https://api.mixpanel.com/import"));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn dev_runs_stripe_webhook_and_says_what_would_grant_its_secret() {
    let plugin = "stripe-webhook";
    let of = |grants: &str| {
        format!(
            "grants = {{ {grants} }}\n[tenants.acme.routes.\"/hooks/stripe\"]\nplugin = \"{plugin}\"\nmethods = [\"POST\"]\n"
        )
    };
    let site = site(plugin, &of("publish = [\"stripe.*\"]"));
    let host = site.start("dev");
    assert_eq!(secret(&host, &["set", "stripe-signing"], &format!("{SIGNING}\n")).0, 0);
    let paid = of_stripe("evt_1", "payment_intent.succeeded", 990);
    assert_eq!(signed(&host, now_s(), SIGNING, &paid).status, 500, "it may not hold its secret");
    let said = host.wait_for_log("hold-denied");
    assert!(said.contains("wharf grant approve stripe-webhook --hold stripe-signing"), "{said}");
    // The file is changed as it says, and followed.
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    let granted = of("publish = [\"stripe.*\"], hold = [\"stripe-signing\"]");
    site.write("wharf.toml", config.replace(&of("publish = [\"stripe.*\"]"), &granted));
    host.wait_for_log("reloaded rules");
    assert_eq!(signed(&host, now_s(), SIGNING, &paid).status, 200);
    let events = stripes(&host);
    assert_eq!((events.len(), &events[0]["type"]), (1, &json!("stripe.payment_intent.succeeded")));
    assert_eq!(signed(&host, now_s(), "whsec_another", &paid).status, 400);
    assert_eq!(host.stop(), Some(0));
}
