//! HTTP: which mode a request is in, events of the binary mode, and plain JSON.

use bytes::Bytes;
use expect_test::{Expect, expect};
use wharf_event::{AttributeValue, Data, Event, EventError, Mode};

use crate::told;

const REQUIRED: [(&str, &[u8]); 4] =
    [("ce-specversion", b"1.0"), ("ce-id", b"1"), ("ce-source", b"/s"), ("ce-type", b"t")];

fn read(more: &[(&str, &[u8])], body: &'static [u8]) -> Result<Event, EventError> {
    let headers = REQUIRED.iter().filter(|(name, _)| !more.contains(&(*name, b"\0"))).chain(more);
    Event::from_binary_mode(headers.copied().filter(|(_, value)| *value != b"\0"), Bytes::from_static(body))
}

fn refused(more: &[(&str, &[u8])], body: &'static [u8], wanted: Expect) {
    wanted.assert_eq(&told(&read(more, body).unwrap_err()));
}

#[test]
fn the_mode_is_decided_by_content_type_then_by_headers() {
    use Mode::{Batched, Binary, Plain, Structured};
    let cases = [
        (Some("application/cloudevents+json"), false, Some(Structured)),
        (Some("application/cloudevents+json"), true, Some(Structured)),
        (Some("Application/CloudEvents+JSON; charset=UTF-8"), false, Some(Structured)),
        (Some("application/cloudevents-batch+json"), false, Some(Batched)),
        (Some("application/cloudevents"), true, None),
        (Some("application/cloudevents+avro"), true, None),
        (Some("application/cloudevents-batch+xml"), false, None),
        (Some("application/cloudevents+json; charset=utf-16"), false, None),
        (Some("application/json"), true, Some(Binary)),
        (Some("image/png"), true, Some(Binary)),
        (Some("nonsense"), true, Some(Binary)),
        (None, true, Some(Binary)),
        (Some("application/json"), false, Some(Plain)),
        (Some("application/vnd.github+json"), false, Some(Plain)),
        (None, false, Some(Plain)),
        (Some("application/x-www-form-urlencoded"), false, None),
        (Some("nonsense"), false, None),
        (Some(""), false, None),
    ];
    for (content_type, has_ce_headers, wanted) in cases {
        assert_eq!(Mode::of(content_type, has_ce_headers).ok(), wanted, "{content_type:?} {has_ce_headers}");
    }
    let error = Mode::of(Some("application/x-www-form-urlencoded"), false).unwrap_err();
    expect!["content-type-unsupported: no events are read from `application/x-www-form-urlencoded`; send application/cloudevents+json, application/cloudevents-batch+json, `ce-` headers with any content type, or plain application/json"].assert_eq(&told(&error));
}

#[test]
fn an_event_is_read_from_headers_and_body() {
    let event = read(
        &[
            ("host", b"127.0.0.1"),
            ("CE-Subject", b"Euro%20%E2%82%AC"),
            ("ce-time", b"2026-01-31T23:59:59Z"),
            ("ce-dataschema", b"https://e.com/s"),
            ("ce-priority", b"7"),
            ("ce-note", b"\"in \\\"quotes\\\"\""),
            ("Content-Type", b"application/json"),
            ("cookie", b"\xff"),
            ("cookie", b"twice"),
        ],
        b" {\"a\": 1 } ",
    )
    .unwrap();
    expect![[r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"Euro €","time":"2026-01-31T23:59:59Z","datacontenttype":"application/json","dataschema":"https://e.com/s","note":"in \"quotes\"","priority":"7","data": {"a": 1 } }"#]].assert_eq(&String::from_utf8(event.to_json()).unwrap());
    // Headers have no types, so an extension is a string here.
    assert_eq!(event.extension("priority"), Some(&AttributeValue::String("7".to_owned())));
}

#[test]
fn a_body_is_json_if_it_says_so_and_bytes_otherwise() {
    let json = |text: &'static str| Some(Data::Json(Bytes::from_static(text.as_bytes())));
    let binary = |text: &'static str| Some(Data::Binary(Bytes::from_static(text.as_bytes())));
    let cases = [
        (Some("application/json"), "", None),
        (Some("application/x+json"), "1", json("1")),
        (Some("text/plain"), "1", binary("1")),
        (None, "", None),
        (None, "[1]", json("[1]")),
        (None, "\0", binary("\0")),
    ];
    for (content_type, body, wanted) in cases {
        let headers: Vec<(&str, &[u8])> = content_type.iter().map(|value| ("content-type", value.as_bytes())).collect();
        assert_eq!(read(&headers, body.as_bytes()).unwrap().data(), wanted.as_ref(), "{content_type:?} {body:?}");
    }
}

#[test]
fn headers_that_are_missing_or_there_twice_are_refused() {
    refused(
        &[("ce-specversion", b"\0")],
        b"",
        expect![[r#"event-specversion: `specversion` must be the string "1.0", it is missing"#]],
    );
    refused(
        &[("ce-specversion", b"\0"), ("ce-specversion", b"0.3")],
        b"",
        expect![[r#"event-specversion: `specversion` must be the string "1.0", it is `0.3`"#]],
    );
    refused(&[("ce-id", b"\0")], b"", expect!["event-attribute: the required attribute `id` is missing"]);
    refused(&[("ce-id", b"2")], b"", expect!["event-header: the header `ce-id` is there more than once"]);
    refused(&[("ce-x", b"1"), ("CE-X", b"1")], b"", expect!["event-header: the header `ce-x` is there more than once"]);
}

#[test]
fn headers_that_cannot_be_read_are_refused() {
    refused(
        &[("ce-subject", b"\xff")],
        b"",
        expect!["event-header: the header `ce-subject` is not UTF-8; percent-encode what is not printable ASCII"],
    );
    refused(
        &[("ce-subject", b"%FF")],
        b"",
        expect!["event-header: the header `ce-subject` is not UTF-8; percent-encode what is not printable ASCII"],
    );
    refused(
        &[("ce-subject", b"100%")],
        b"",
        expect![
            "event-header: the header `ce-subject` has a `%` without two hex digits after it; write a percent sign as %25"
        ],
    );
    refused(
        &[("ce-subject", b"\"open")],
        b"",
        expect!["event-header: the header `ce-subject` begins with a quote that is not closed at its end"],
    );
    refused(&[("ce-subject", b"")], b"", expect!["event-attribute: the attribute `subject` must not be empty"]);
    refused(
        &[("ce-subject", b"a%0d%0aset-cookie:%20b")],
        b"",
        expect!["event-attribute: the attribute `subject` must not have control characters (U+000D)"],
    );
    refused(
        &[("ce-datacontenttype", b"text/plain")],
        b"",
        expect![
            "event-header: the header `ce-datacontenttype` is not allowed; the content type of the request is the event's `datacontenttype`"
        ],
    );
    refused(
        &[("content-type", b"text/plain"), ("content-type", b"text/plain")],
        b"",
        expect!["event-header: the header `content-type` is there more than once"],
    );
    refused(
        &[("content-type", b"text")],
        b"",
        expect!["event-attribute: the attribute `datacontenttype` must be a media type, such as application/json"],
    );
}

#[test]
fn names_that_are_none_and_payloads_that_do_not_parse_are_refused() {
    refused(
        &[("content-type", b"text/\xff")],
        b"",
        expect!["event-header: the header `content-type` is not UTF-8; percent-encode what is not printable ASCII"],
    );
    refused(
        &[("ce-data", b"1")],
        b"",
        expect!["event-attribute: the attribute `data` is no extension: its name belongs to CloudEvents itself"],
    );
    refused(
        &[("ce-my_key", b"1")],
        b"",
        expect!["event-attribute: the attribute `my_key` has a name that is not 1 to 20 lower-case letters and digits"],
    );
    refused(
        &[("ce-", b"1")],
        b"",
        expect!["event-attribute: the attribute `` has a name that is not 1 to 20 lower-case letters and digits"],
    );
    refused(
        &[("content-type", b"application/json")],
        b"{\"a\":",
        expect![
            "event-json: the payload is not JSON, which `application/json` says it is: EOF while parsing a value at line 1 column 5"
        ],
    );
    refused(
        &[("content-type", b"application/json")],
        b"\"\xff\"",
        expect![
            "event-json: the payload is not JSON, which `application/json` says it is: invalid unicode code point at line 1 column 2"
        ],
    );
}

#[test]
fn plain_json_becomes_an_event() {
    let plain = |content_type, body: &'static [u8]| {
        Event::plain("1", "2026-01-31T23:59:59Z", "t", "/s", content_type, Bytes::from_static(body))
    };
    let event = plain(None, b"{\"a\": 1}").unwrap();
    assert_eq!((event.datacontenttype(), event.time()), (Some("application/json"), Some("2026-01-31T23:59:59Z")));
    assert_eq!(event.data(), Some(&Data::Json(Bytes::from_static(b"{\"a\": 1}"))));
    assert_eq!(plain(Some("application/json"), b"").unwrap().data(), None);
    expect![
        "event-json: the payload is not JSON, which `application/json` says it is: expected value at line 1 column 1"
    ]
    .assert_eq(&told(&plain(None, b"a=b").unwrap_err()));
    expect!["content-type-unsupported: no events are read from `text/csv`; send application/cloudevents+json, application/cloudevents-batch+json, `ce-` headers with any content type, or plain application/json"].assert_eq(&told(&plain(Some("text/csv"), b"1").unwrap_err()));
}
