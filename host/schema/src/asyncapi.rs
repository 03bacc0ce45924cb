//! The schemas of a tenant as an AsyncAPI 3 document: what a host receives, on which bus. Invariant: every reference within the
//! document is resolved in it, so it can be read without a network. It says nothing of rules or plugins.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::{document::Document, pointer::below, schema::Schema};

/// A schema and what it is bound to.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    /// Its name.
    pub name: &'a str,
    /// The bus.
    pub bus: &'a str,
    /// The events' `type`.
    pub kind: &'a str,
    /// The schema.
    pub schema: &'a Schema,
}

/// The document of a tenant that has these buses and these schemas.
#[must_use]
pub fn asyncapi(tenant: &str, buses: &[&str], bound: &[Bound<'_>]) -> Value {
    let used: BTreeSet<&str> = buses.iter().copied().chain(bound.iter().map(|it| it.bus)).collect();
    let reference = |place: &str, name: &str| json!({ "$ref": below(&format!("#/{place}"), name) });
    let (mut channels, mut operations) = (Map::new(), Map::new());
    for bus in used {
        let on_bus: Vec<_> = bound.iter().filter(|it| it.bus == bus).collect();
        let messages = on_bus.iter().map(|it| (it.name.to_owned(), reference("components/messages", it.name)));
        let channel = json!({
            "address": format!("/v1/tenants/{tenant}/buses/{bus}/events"),
            "title": bus,
            "description": format!("The event bus {bus}: events are sent to it by POST."),
            "messages": messages.collect::<Map<_, _>>(),
        });
        channels.insert(bus.to_owned(), channel);
        let of_channel = format!("channels/{}/messages", below("", bus).trim_start_matches('/'));
        let messages: Vec<_> = on_bus.iter().map(|it| reference(&of_channel, it.name)).collect();
        let operation = json!({
            "action": "receive",
            "channel": reference("channels", bus),
            "summary": format!("Receives CloudEvents on the bus {bus}."),
            "messages": messages,
        });
        operations.insert(format!("receive-{bus}"), operation);
    }
    let messages = bound.iter().map(|it| (it.name.to_owned(), message(it))).collect::<Map<_, _>>();
    let schemas = bound.iter().map(|it| (it.name.to_owned(), payload(it))).collect::<Map<_, _>>();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": format!("Events of {tenant}"),
            "version": "1",
            "description": "What the tenant's event buses receive, as its schemas say. An event is a CloudEvent; the payload here is its data.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": schemas },
    })
}

fn message(bound: &Bound<'_>) -> Value {
    let text = |name: &str| bound.schema.json().get(name).and_then(Value::as_str).map(str::to_owned);
    let mut message = json!({
        "name": bound.kind,
        "title": text("title").unwrap_or_else(|| bound.kind.to_owned()),
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "description": "Attributes of the CloudEvent.",
            "required": ["type"],
            "properties": { "type": { "type": "string", "const": bound.kind } },
        },
        "payload": { "$ref": below("#/components/schemas", bound.name) },
    });
    if let (Some(description), Some(members)) = (text("description"), message.as_object_mut()) {
        members.insert("description".to_owned(), Value::String(description));
    }
    message
}

/// The schema as a part of the document: its references lead from the root of that.
fn payload(bound: &Bound<'_>) -> Value {
    let document = &bound.schema.document;
    let root = below("#/components/schemas", bound.name);
    let mut schema = moved(&document.root, document, &root);
    match &mut schema {
        Value::Object(members) => {
            // An identity of its own would have its references lead elsewhere.
            members.remove("$id");
            members.remove("$schema");
            members.insert("x-json-schema-draft".to_owned(), json!(document.draft));
            schema
        }
        // AsyncAPI's schemas may be booleans, but not where they are named.
        Value::Bool(true) => json!({}),
        _ => json!({ "not": {} }),
    }
}

fn moved(value: &Value, document: &Document, root: &str) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| moved(item, document, root)).collect(),
        Value::Object(members) => {
            let one = |(name, value): (&String, &Value)| {
                let target = match (name.as_str(), value) {
                    ("$ref", Value::String(reference)) => document.named(reference),
                    _ => None,
                };
                let value =
                    target.map_or_else(|| moved(value, document, root), |to| json!(format!("{root}{}", encoded(&to))));
                (name.clone(), value)
            };
            members.iter().map(one).collect()
        }
        other => other.clone(),
    }
}

/// A pointer as it may stand in a reference (RFC 3986): what is not plain is escaped.
fn encoded(pointer: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~$!'()*+,;=:@".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    pointer.bytes().map(one).collect()
}
