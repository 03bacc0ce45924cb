//! Events for the properties: any that the rules allow.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use wharf_event::{AttributeValue, Event, EventBuilder};

use crate::read;

/// Text that attributes may have.
fn text() -> impl Strategy<Value = String> {
    "[ -~\u{e9}\u{20ac}\u{1f600}]{1,20}"
}

fn extension() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        any::<bool>().prop_map(AttributeValue::from),
        any::<i32>().prop_map(AttributeValue::from),
        text().prop_map(AttributeValue::from),
        Just(AttributeValue::from("")),
    ]
}

fn payload() -> impl Strategy<Value = (Option<&'static str>, Bytes)> {
    let json = prop_oneof![
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
        Just(json!({"a": [1, 2.5, null, {"b": "\u{1f600}\n"}]})),
    ];
    prop_oneof![
        json.prop_map(|value| (None, Bytes::from(format!(" {value:#}\n")))),
        Just((Some("application/json"), Bytes::from_static(b"{}"))),
        prop::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| (Some("application/x; y=z"), bytes.into())),
    ]
}

/// Events of the builder and, with text payloads, of the structured mode.
pub(crate) fn event() -> impl Strategy<Value = Event> {
    let required = (text(), "[a-z:/?#.0-9]{1,20}", text());
    let optional = (
        prop::option::of(text()),
        prop::option::of(Just("2026-01-31T23:59:59.5Z")),
        prop::option::of(Just("https://example.com/s.json")),
    );
    let extensions = prop::collection::btree_map("x[a-z0-9]{0,19}", extension(), 0..5);
    let data = prop_oneof![
        payload().prop_map(|data| (Some(data), None)),
        text().prop_map(|text| (None, Some(text))),
        Just((None, None)),
    ];
    (required, optional, extensions, data).prop_map(
        |((id, source, kind), (subject, time, schema), extensions, data)| {
            let mut builder = EventBuilder::new(id, source, kind);
            if let Some(subject) = subject {
                builder = builder.subject(subject);
            }
            if let Some(time) = time {
                builder = builder.time(time);
            }
            if let Some(schema) = schema {
                builder = builder.dataschema(schema);
            }
            for (name, value) in extensions {
                builder = builder.extension(name, value);
            }
            match data {
                (Some((media_type, bytes)), _) => {
                    let builder = builder.data(bytes);
                    media_type
                        .map_or(builder.clone(), |media_type| builder.datacontenttype(media_type))
                        .build()
                        .unwrap()
                }
                // Only the structured mode has text payloads.
                (None, Some(text)) => {
                    let mut value = builder.datacontenttype("text/plain").build().unwrap().to_value();
                    value["data"] = text.into();
                    read(value.to_string()).unwrap()
                }
                (None, None) => builder.build().unwrap(),
            }
        },
    )
}
