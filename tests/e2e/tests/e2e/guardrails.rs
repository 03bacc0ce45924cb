//! Goal: a route's guardrails reach what a model tells a tool and what the tool gives, by both protocols: what is masked is seen by neither side, and what is
//! denied ends the call.
//! Method: the stand-ins fill a tool's schema, so that the test says what the model tells it; the guest `asker` publishes what it was told, and answers with
//! what the event has for it.

use serde_json::{Value, json};
use wharf_models::{ACCESS_KEY, Heard, SECRET_KEY, Server};

use crate::{
    egress::{calls, lines},
    host::{Host, Site},
    models::{asker, provided, with_key},
};

/// What two of the routes mask.
const MASKS: &str = r#"mask = ["email", "card"], patterns = { staff = "E-[0-9]{6}" }"#;

fn site(port: u16) -> Site {
    Site::new(&format!(
        r#"
{}[llm.providers.aws]
kind = "bedrock"
region = "eu-central-1"
endpoint = "http://127.0.0.1:{port}"
secret = "aws"
[llm.models.claude]
provider = "aws"
model = "anthropic.claude-x"
input_price = "0.15"
output_price = "0.60"
[tenants.acme.llm.routes]
openai = {{ models = ["small"], tries = 1, guardrails = {{ {MASKS} }} }}
bedrock = {{ models = ["claude"], tries = 1, guardrails = {{ {MASKS} }} }}
strict = {{ models = ["small", "claude"], tries = 1, guardrails = {{ deny = ["the model says", "project zephyr"] }} }}
{}"#,
        provided(port),
        asker(&["openai", "bedrock", "strict"])
    ))
}

fn start(site: &Site) -> Host {
    let host = with_key(site.start("serve"));
    let secret = json!({"value": format!("{ACCESS_KEY}:{SECRET_KEY}")}).to_string();
    assert_eq!(host.put("/v1/tenants/acme/secrets/aws", None, &secret).0, 201);
    host
}

/// What came of the questions of the last event that was handled.
fn came(host: &Host) -> Vec<Value> {
    let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=asked");
    events[0]["event"]["data"].as_array().unwrap().clone()
}

/// A schema whose only filling is this.
fn filled(input: &Value) -> Value {
    let members = input.as_object().unwrap().iter();
    let members = members.map(|(name, value)| (name.clone(), json!({"type": "string", "enum": [value]})));
    json!({"type": "object", "properties": members.collect::<serde_json::Map<_, _>>()})
}

/// What a request says that the tool was told before, and what it says that it gave.
fn of_tool(heard: &Heard) -> (Value, Value) {
    let read = |text: &Value| serde_json::from_str(text.as_str().unwrap()).unwrap();
    let body = heard.json();
    let messages = body["messages"].as_array().unwrap();
    let [.., wanted, gave] = messages.as_slice() else { panic!("{body}") };
    if heard.target.starts_with("/model/") {
        let gave = &gave["content"][0]["toolResult"]["content"][0];
        let gave = if gave["json"].is_null() { read(&gave["text"]) } else { gave["json"].clone() };
        return (wanted["content"][0]["toolUse"]["input"].clone(), gave);
    }
    (read(&wanted["tool_calls"][0]["function"]["arguments"]), read(&gave["content"]))
}

#[test]
fn guardrails_mask_what_a_model_tells_a_tool_and_what_the_tool_gives() {
    let server = Server::start();
    let site = site(server.port);
    let host = start(&site);
    let schema =
        filled(&json!({"who": "ada@example.com", "paid": "by 4111 1111 1111 1111", "note": "E-123456 \"said\" so"}));
    let gives = json!({
        "of": ["bob@example.com", {"by": "E-654321", "card": 4_111_111_111_111_111_u64}], "count": 2, "fine": true,
    });
    for route in ["openai", "bedrock"] {
        let attempts = calls(&host, route, "ask", &json!([{"route": route, "text": "x", "tool": [schema, gives]}]));
        let came = came(&host);
        // What the model wanted the tool to be told, as the plugin has it.
        let told: Value = serde_json::from_str(came[0]["tool"][0][0].as_str().unwrap()).unwrap();
        assert_eq!(told, json!({"who": "[email]", "paid": "by [card]", "note": "[staff] \"said\" so"}), "{came:?}");
        assert!(came[0]["tool"][1]["text"].is_array(), "{came:?}");
        // What the provider was asked with then: the schema is as it is, and all else is masked.
        server.heard.try_recv().unwrap();
        let second = server.heard.try_recv().unwrap();
        let (wanted, gave) = of_tool(&second);
        assert_eq!(wanted, told);
        let masked = json!({"of": ["[email]", {"by": "[staff]", "card": "[card]"}], "count": 2, "fine": true});
        assert_eq!(gave, masked, "{}", second.json());
        assert!(server.heard.try_recv().is_err());
        let said = lines(&attempts[0]);
        // Three in what the model said; three in what the tool gave.
        assert_eq!(said.matches("; 3 masked").count(), 2, "{said}");
        for clear in ["ada@", "bob@", "4111", "E-123456", "E-654321"] {
            assert!(!said.contains(clear), "{clear}: {said}");
        }
    }
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn guardrails_block_what_is_denied_where_a_model_tells_it_to_a_tool_or_the_tool_gives_it() {
    let server = Server::start();
    let site = site(server.port);
    let host = start(&site);
    let text = |of: &str| json!({"type": "object", "properties": {of: {"type": "string"}}});
    let fine = filled(&json!({"q": "fine"}));
    let list = json!([
        // The stand-in fills in what this route denies: it was answered, and paid.
        {"route": "strict", "text": "x", "tool": [text("q"), {"a": 1}]},
        {"route": "strict", "text": "x", "tool": [fine, {"about": "the Project\u{a0}ZEPHYR"}]},
        {"route": "strict", "text": "x", "tool": [fine, {"about": "another one"}]},
    ]);
    let attempts = calls(&host, "one", "ask", &list);
    let came = came(&host);
    let blocked = |came: &Value| came.as_str().is_some_and(|why| why.starts_with("GuardrailBlocked("));
    assert!(blocked(&came[0]["refused"]), "{came:?}");
    assert!(blocked(&came[1]["tool"][1]["refused"]), "{came:?}");
    assert!(came[2]["tool"][1]["text"].is_array(), "{came:?}");
    assert_eq!(attempts[0]["limits"], json!(["llm-guardrail"]));
    let said = lines(&attempts[0]);
    assert!(said.contains("entry 1 of `deny`") && said.contains("entry 2 of `deny`"), "{said}");
    assert!(!said.to_lowercase().contains("zephyr") && !said.contains("the model says"), "{said}");
    // What the tool gave did not leave, and no other model was asked.
    let heard: Vec<_> = server.heard.try_iter().collect();
    assert_eq!(heard.len(), 4);
    assert!(heard.iter().all(|heard| !String::from_utf8_lossy(&heard.body).to_lowercase().contains("zephyr")));
    assert_eq!(server.billed().answers, 4);
    assert_eq!(host.stop(), Some(0));
}
