//! One event as a JSON object.

use bytes::Bytes;
use expect_test::{Expect, expect};
use serde_json::json;
use wharf_event::{
    AttributeValue, Data, Event, EventBuilder, EventError,
    limits::{EVENT_BYTES_MAX, EXTENSIONS_MAX},
};

use crate::{read, told, with};

fn refused(json: impl Into<Bytes>, wanted: Expect) {
    wanted.assert_eq(&told(&read(json).unwrap_err()));
}

#[test]
fn an_event_with_everything_is_read_and_written_again() {
    let json = Bytes::from_static(
        br#" {"specversion":"1.0", "type":"com.example.sold", "source":"/shop?x=1#y", "subject":"order \u20ac",
              "id":"A-1", "time":"2026-01-31T23:59:59.123+01:00", "datacontenttype":"application/json; charset=utf-8",
              "dataschema":"https://example.com/s.json", "weight":-7, "urgent":true, "note":"", "gone":null,
              "data": { "b":1.50,  "a":[1 ,2], "b": 2 } } "#,
    );
    let event = Event::from_json(&json).unwrap();
    assert_eq!((event.id(), event.source(), event.kind()), ("A-1", "/shop?x=1#y", "com.example.sold"));
    assert_eq!((event.subject(), event.time()), (Some("order \u{20ac}"), Some("2026-01-31T23:59:59.123+01:00")));
    assert_eq!(event.extension("weight"), Some(&AttributeValue::Integer(-7)));
    assert_eq!(event.extension("urgent"), Some(&AttributeValue::Boolean(true)));
    assert_eq!(event.extension("note"), Some(&AttributeValue::String(String::new())));
    assert_eq!(event.extension("gone"), None);
    // The payload is the very bytes, spaces and all, and shares them with the input.
    let payload = event.data().unwrap().bytes();
    assert_eq!(&payload[..], br#"{ "b":1.50,  "a":[1 ,2], "b": 2 }"#);
    assert!(json.as_ptr_range().contains(&payload.as_ptr()));
    expect![[r#"{"specversion":"1.0","id":"A-1","source":"/shop?x=1#y","type":"com.example.sold","subject":"order €","time":"2026-01-31T23:59:59.123+01:00","datacontenttype":"application/json; charset=utf-8","dataschema":"https://example.com/s.json","note":"","urgent":true,"weight":-7,"data":{ "b":1.50,  "a":[1 ,2], "b": 2 }}"#]].assert_eq(&String::from_utf8(event.to_json()).unwrap());
    expect![[r#"{"data":{"a":[1,2],"b":2},"datacontenttype":"application/json; charset=utf-8","dataschema":"https://example.com/s.json","id":"A-1","note":"","source":"/shop?x=1#y","specversion":"1.0","subject":"order €","time":"2026-01-31T23:59:59.123+01:00","type":"com.example.sold","urgent":true,"weight":-7}"#]].assert_eq(&event.to_value().to_string());
    assert_eq!(read(event.to_json()), Ok(event));
}

#[test]
fn a_payload_is_json_text_or_bytes_by_its_media_type() {
    let json = |text: &'static str| Some(Data::Json(Bytes::from_static(text.as_bytes())));
    let text = |text: &'static str| Some(Data::Text(Bytes::from_static(text.as_bytes())));
    let binary = |bytes: &'static [u8]| Some(Data::Binary(Bytes::from_static(bytes)));
    let cases = [
        (json!({}), None),
        (json!({"data": null}), None),
        (json!({"data": null, "data_base64": null}), None),
        (json!({"data": "x"}), json("\"x\"")),
        (json!({"data": false}), json("false")),
        (json!({"datacontenttype": "text/json", "data": [1]}), json("[1]")),
        (json!({"datacontenttype": "application/geo+JSON", "data": "x"}), json("\"x\"")),
        (json!({"datacontenttype": "application/xml", "data": "<a x=\"\u{e9}\"/>\n"}), text("<a x=\"\u{e9}\"/>\n")),
        (json!({"datacontenttype": "text/plain", "data": ""}), text("")),
        (json!({"data_base64": "AP8="}), binary(b"\x00\xff")),
        (json!({"data_base64": ""}), binary(b"")),
        (json!({"data_base64": "e30="}), binary(b"{}")),
        (json!({"datacontenttype": "image/png", "data_base64": "iVA="}), binary(b"\x89P")),
        (json!({"datacontenttype": "application/json", "data_base64": "e30="}), json("{}")),
        (json!({"datacontenttype": "application/json", "data_base64": "e30"}), None),
    ];
    for (members, wanted) in cases {
        match read(with(&members)) {
            Ok(event) => {
                assert_eq!(event.data(), wanted.as_ref(), "{members}");
                assert_eq!(read(event.to_json()), Ok(event), "{members}");
            }
            Err(error) => assert_eq!((error, wanted), (EventError::DataBase64, None), "{members}"),
        }
    }
}

#[test]
fn what_is_no_json_object_is_refused() {
    refused("", expect!["event-json: the event is not a JSON object: EOF while parsing a value at line 1 column 0"]);
    refused(
        "[]",
        expect![
            "event-json: the event is not a JSON object: invalid type: sequence, expected a JSON object at line 1 column 0"
        ],
    );
    refused(
        r#"{"specversion":"1.0","id":"1","#,
        expect!["event-json: the event is not a JSON object: EOF while parsing a value at line 1 column 30"],
    );
    refused(
        r#"{"specversion":"1.0"} x"#,
        expect!["event-json: the event is not a JSON object: trailing characters at line 1 column 23"],
    );
    refused(
        &b"{\"id\":\"\xff\"}"[..],
        expect!["event-json: the event is not a JSON object: invalid unicode code point at line 1 column 8"],
    );
    refused(r#"{"id":"1","id":"2"}"#, expect!["event-json: the event has the member `id` more than once"]);
    refused(r#"{"i\u0064":"1","id":"1"}"#, expect!["event-json: the event has the member `id` more than once"]);
}

#[test]
fn required_attributes_that_are_missing_or_wrong_are_refused() {
    assert!(read(r#"{"specversion":"1\u002e0","id":"1","source":"/s","type":"t"}"#).is_ok());
    refused(
        with(&json!({"specversion": null})),
        expect![[r#"event-specversion: `specversion` must be the string "1.0", it is missing"#]],
    );
    refused(
        with(&json!({"specversion": "0.3"})),
        expect![[r#"event-specversion: `specversion` must be the string "1.0", it is `0.3`"#]],
    );
    refused(
        with(&json!({"specversion": 1.0})),
        expect![[r#"event-specversion: `specversion` must be the string "1.0", it is `1.0`"#]],
    );
    refused(with(&json!({"id": null})), expect!["event-attribute: the required attribute `id` is missing"]);
    refused(with(&json!({"source": null})), expect!["event-attribute: the required attribute `source` is missing"]);
    refused(with(&json!({"type": null})), expect!["event-attribute: the required attribute `type` is missing"]);
    refused(with(&json!({"id": 7})), expect!["event-attribute: the attribute `id` must be a JSON string"]);
    refused(with(&json!({"id": ""})), expect!["event-attribute: the attribute `id` must not be empty"]);
    refused(
        r#"{"specversion":"1.0","id":"\ud800","source":"/s","type":"t"}"#,
        expect!["event-attribute: the attribute `id` has an escape that is no Unicode character"],
    );
    refused(
        with(&json!({"subject": "a\nb"})),
        expect!["event-attribute: the attribute `subject` must not have control characters (U+000A)"],
    );
}

#[test]
fn payloads_and_extensions_of_the_wrong_type_are_refused() {
    refused(
        with(&json!({"data": 1, "data_base64": "AA=="})),
        expect!["event-json: the event has both `data` and `data_base64`; send one of them"],
    );
    refused(
        with(&json!({"data_base64": 7})),
        expect!["event-json: `data_base64` is not a string of padded standard base64 (RFC 4648, section 4)"],
    );
    refused(
        with(&json!({"datacontenttype": "text/plain", "data": {"a": 1}})),
        expect![
            "event-json: `data` must be a JSON string because `datacontenttype` is `text/plain`; send bytes in `data_base64`"
        ],
    );
    refused(
        with(&json!({"ext": 1.5})),
        expect![
            "event-attribute: the attribute `ext` must be a string, a boolean or an integer; JSON objects, arrays and fractions are not attribute values"
        ],
    );
    refused(
        with(&json!({"ext": [1]})),
        expect![
            "event-attribute: the attribute `ext` must be a string, a boolean or an integer; JSON objects, arrays and fractions are not attribute values"
        ],
    );
    refused(
        with(&json!({"ext": 2_147_483_648_u32})),
        expect!["event-attribute: the attribute `ext` must be an integer from -2147483648 to 2147483647, or a string"],
    );
    refused(
        with(&json!({"data_base65": "x"})),
        expect![
            "event-attribute: the attribute `data_base65` has a name that is not 1 to 20 lower-case letters and digits"
        ],
    );
}

#[test]
fn a_json_payload_is_what_can_be_read_into_a_value() {
    let event = |data: &str| format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{data}}}"#);
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    refused(
        event(r#""\ud800""#),
        expect![
            "event-json: the payload is not JSON, which an absent `datacontenttype` says it is: unexpected end of hex escape at line 1 column 8"
        ],
    );
    refused(
        event("1e999"),
        expect![
            "event-json: the payload is not JSON, which an absent `datacontenttype` says it is: number out of range at line 1 column 5"
        ],
    );
    refused(
        event(&deep(129)),
        expect![
            "event-json: the payload is not JSON, which an absent `datacontenttype` says it is: recursion limit exceeded at line 1 column 128"
        ],
    );
    for data in ["\"\\ud83d\\ude00\"", "-0.0", "123456789012345678901234567890", &deep(120)] {
        let event = read(event(data)).unwrap();
        assert_ne!(event.to_value()["data"], json!(null), "{data}");
        assert_eq!(event.data().unwrap().bytes(), data.as_bytes());
    }
}

#[test]
fn an_event_may_be_as_large_as_the_limit_and_no_larger() {
    let build = |bytes: usize| EventBuilder::new("1", "/s", "t").datacontenttype("x/y").data(vec![b'x'; bytes]).build();
    let overhead = build(0).unwrap().size();
    assert_eq!(build(EVENT_BYTES_MAX - overhead).unwrap().size(), EVENT_BYTES_MAX);
    let error = build(EVENT_BYTES_MAX - overhead + 1).unwrap_err();
    expect!["event-too-large: the event has 1048577 bytes, at most 1048576 are allowed; keep large data elsewhere and send a reference"].assert_eq(&told(&error));
    refused(
        with(&json!({"data": "x".repeat(2 * EVENT_BYTES_MAX)})),
        expect![
            "event-too-large: the event has 2097184 bytes, at most 1048576 are allowed; keep large data elsewhere and send a reference"
        ],
    );
    refused(
        with(&json!({"subject": "x".repeat(8193)})),
        expect![
            "event-too-large: the attribute `subject` has 8193 bytes, at most 8192 are allowed; keep large data elsewhere and send a reference"
        ],
    );
}

#[test]
fn an_event_may_have_so_many_extensions_and_no_more() {
    let many = |count: usize| {
        let mut members = json!({});
        for n in 0..count {
            members[format!("x{n}")] = json!(n);
        }
        with(&members)
    };
    assert_eq!(read(many(EXTENSIONS_MAX)).unwrap().extensions().len(), EXTENSIONS_MAX);
    refused(
        many(EXTENSIONS_MAX + 1),
        expect![
            "event-too-large: the event has 65 extension attributes, at most 64 are allowed; put them into the payload"
        ],
    );
    refused(
        many(10_000),
        expect![
            "event-too-large: the event has 10004 extension attributes, at most 64 are allowed; put them into the payload"
        ],
    );
}
