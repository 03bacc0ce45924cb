//! The rules of attributes, one table for each, through the builder that all ways in share.

use wharf_event::{AttributeReason, Event, EventBuilder, EventError};

fn reason(built: Result<Event, EventError>) -> Option<AttributeReason> {
    match built {
        Ok(_) => None,
        Err(EventError::Attribute { reason, .. }) => Some(reason),
        Err(other) => panic!("{other}"),
    }
}

fn event() -> EventBuilder {
    EventBuilder::new("1", "/s", "t")
}

/// Checks one attribute: these values are taken, those are refused.
fn check(set: impl Fn(&str) -> EventBuilder, good: &[&str], bad: &[&str], wanted: AttributeReason) {
    for value in good {
        assert_eq!(reason(set(value).build()), None, "{value:?}");
    }
    for value in bad {
        assert_eq!(reason(set(value).build()), Some(wanted), "{value:?}");
    }
}

#[test]
fn times_are_rfc_3339() {
    check(
        |time| event().time(time),
        &[
            "2026-01-31T23:59:59Z",
            "2026-01-31t23:59:59z",
            "2026-01-31T23:59:59.1Z",
            "2026-01-31T23:59:59.123456789012Z",
            "2024-02-29T00:00:00+14:00",
            "2016-12-31T23:59:60Z",
            "0000-01-01T00:00:00-00:00",
            "9999-12-31T23:59:59-23:59",
        ],
        &[
            "now",
            "2026-01-31",
            "2026-01-31T23:59:59",
            "2026-01-31 23:59:59Z",
            "2026-01-31T23:59Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31T23:60:00Z",
            "2026-01-31T23:59:61Z",
            "2026-01-31T23:59:59.Z",
            "2026-01-31T23:59:59,5Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-1-31T23:59:59Z",
            "+2026-01-31T23:59:59Z",
            "2026-01-31T23:59:59+1:00",
            "2026-01-31T23:59:59+0100",
            "2026-01-31T23:59:59+24:00",
            "2026-01-31T23:59:59+01:60",
            "2026-01-31T23:59:59Z[UTC]",
            "2026-01-31T23:59:59ZZ",
            "2026-W05-6T23:59:59Z",
            "20\u{661}6-01-31T23:59:59Z",
            "2026-01-3\u{e9}T23:59:59Z",
        ],
        AttributeReason::Time,
    );
}

#[test]
fn sources_are_uri_references_and_schemas_absolute_uris() {
    check(
        |source| EventBuilder::new("1", source, "t"),
        &[
            "/s",
            "s",
            "urn:uuid:1",
            "https://e.com/a?b=c#d",
            "github/octo/repo",
            "a%20b",
            "\u{e9}",
            "[::1]",
            "1-555-123-4567",
        ],
        &["a b", "<s>", "\"s\"", "{s}", "a|b", "a\\b", "a^b", "a`b", "\u{a0}", "a\u{2028}b"],
        AttributeReason::UriReference,
    );
    check(
        |uri| event().dataschema(uri),
        &["https://e.com/s.json", "urn:x:y", "a+b-c.1:z"],
        &["/s.json", "s.json", "https:", ":x", "1a:b", "a b:c", "https://e.com/ s"],
        AttributeReason::Uri,
    );
}

#[test]
fn content_types_are_media_types() {
    check(
        |media_type| event().datacontenttype(media_type),
        &["application/json", "text/plain; charset=utf-8", "application/vnd.x.v1+json", "x/y"],
        &["json", "a/", "/b", "a b/c", "a/b/c", ";"],
        AttributeReason::MediaType,
    );
}

#[test]
fn required_attributes_and_present_ones_are_not_empty() {
    let empty = [
        EventBuilder::new("", "/s", "t"),
        EventBuilder::new("1", "", "t"),
        EventBuilder::new("1", "/s", ""),
        event().subject(""),
        event().time(""),
        event().datacontenttype(""),
        event().dataschema(""),
    ];
    for builder in empty {
        assert_eq!(reason(builder.clone().build()), Some(AttributeReason::Empty), "{builder:?}");
    }
    assert_eq!(reason(event().extension("x", "").build()), None);
}

#[test]
fn strings_have_no_control_characters_and_no_noncharacters() {
    for found in ['\0', '\t', '\n', '\r', '\u{1f}', '\u{7f}', '\u{85}', '\u{9f}'] {
        let wanted = Some(AttributeReason::Control { found: found.into() });
        let value = format!("a{found}b");
        assert_eq!(reason(EventBuilder::new(&value, "/s", "t").build()), wanted, "{found:?}");
        assert_eq!(reason(EventBuilder::new("1", &value, "t").build()), wanted, "{found:?}");
        assert_eq!(reason(event().extension("x", value.as_str()).build()), wanted, "{found:?}");
    }
    for found in ['\u{fdd0}', '\u{fdef}', '\u{fffe}', '\u{ffff}', '\u{1fffe}', '\u{10ffff}'] {
        let wanted = Some(AttributeReason::Noncharacter { found: found.into() });
        assert_eq!(reason(event().subject(found).build()), wanted, "{found:?}");
    }
    assert_eq!(reason(event().subject(" \u{a0}\u{fdcf}\u{fffd}\u{1f600}\"").build()), None);
}

#[test]
fn extensions_have_names_of_their_own() {
    check(
        |name| event().extension(name, 1),
        &["x", "0", "traceparent", "abcdefghij0123456789"],
        &["", "X", "a_b", "a-b", "a.b", "\u{e9}", "abcdefghij01234567890"],
        AttributeReason::Name,
    );
    check(
        |name| event().extension(name, 1),
        &["datax"],
        &["id", "source", "type", "specversion", "subject", "time", "datacontenttype", "dataschema", "data"],
        AttributeReason::Reserved,
    );
}

#[test]
fn an_extension_is_added_or_replaced_and_checked() {
    let event = event().extension("hops", 1).extension("b", true).build().unwrap();
    let copy = event.clone();
    let event = event.with_extension("hops", 2).unwrap().with_extension("a", "x").unwrap();
    let shown: Vec<_> = event.extensions().iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(shown, ["a=x", "b=true", "hops=2"]);
    assert_eq!(copy.extension("hops").map(ToString::to_string), Some("1".to_owned()));
    assert_eq!(reason(copy.with_extension("ID", 1)), Some(AttributeReason::Name));
}
