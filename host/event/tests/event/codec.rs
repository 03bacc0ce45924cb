//! The log's form and the JSON form give back the event that they were given, and no bytes make them panic.

use bytes::Bytes;
use expect_test::expect;
use proptest::prelude::*;
use wharf_event::{AttributeValue, DecodeError, Event, EventBuilder, batch_from_json};

use crate::{generated, read};

fn encoded(event: &Event) -> Bytes {
    let mut out = Vec::new();
    event.encode(&mut out);
    out.into()
}

/// Every kind of field once, so that every byte of the layout is there.
fn sample() -> Event {
    EventBuilder::new("1", "/s", "t")
        .subject("x")
        .extension("a", false)
        .extension("b", true)
        .extension("c", -2)
        .extension("d", "y")
        .data("{}")
        .build()
        .unwrap()
}

#[test]
fn version_1_is_laid_out_as_it_is_described() {
    expect![[r#"\x01\x05\x04\x00\x01\x001\x02\x00/s\x01\x00t\x01\x00x\x01\x00a\x00\x01\x00b\x01\x01\x00c\x02\xfe\xff\xff\xff\x01\x00d\x03\x01\x00y{}"#]].assert_eq(&encoded(&sample()).escape_ascii().to_string());
}

#[test]
fn a_decoded_payload_is_a_slice_of_the_frame() {
    let bytes = encoded(&sample());
    let event = Event::decode(&bytes).unwrap();
    assert!(bytes.as_ptr_range().contains(&event.data().unwrap().bytes().as_ptr()));
}

#[test]
fn bytes_that_are_no_encoded_event_are_refused() {
    let good = encoded(&sample());
    let changed = |at: usize, to: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = to;
        Event::decode(&bytes.into())
    };
    assert_eq!(changed(0, 2), Err(DecodeError::Version { found: 2 }));
    assert_eq!(changed(1, 0xC5), Err(DecodeError::Mark { found: 0xC5, offset: 1 }));
    assert_eq!(changed(6, 0xFF), Err(DecodeError::Utf8 { offset: 6 }));
    assert_eq!(changed(1, 0x04), Err(DecodeError::Trailing { offset: good.len() - 2 }));
    assert_eq!(changed(20, 9), Err(DecodeError::Mark { found: 9, offset: 20 }));
    for end in 0..good.len() - 2 {
        assert_eq!(Event::decode(&good.slice(..end)), Err(DecodeError::Truncated { len: end }), "{end}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_event_survives_the_log(event in generated::event()) {
        prop_assert_eq!(Event::decode(&encoded(&event)).unwrap(), event);
    }

    #[test]
    fn an_event_survives_the_structured_mode(event in generated::event()) {
        let json = event.to_json();
        prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&json).unwrap(), event.to_value());
        // Space around a JSON payload is not the payload's in the structured mode.
        let again = read(json).unwrap();
        prop_assert_eq!(again.to_value(), event.to_value());
        prop_assert_eq!(read(again.to_json()).unwrap(), again);
    }

    #[test]
    fn an_event_survives_the_binary_mode(event in generated::event()) {
        let header = |(name, value): (&str, &str)| {
            let encoded: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
            (format!("ce-{name}"), encoded.into_bytes())
        };
        let own = [("specversion", "1.0"), ("id", event.id()), ("source", event.source()), ("type", event.kind())];
        let optional = [("subject", event.subject()), ("time", event.time()), ("dataschema", event.dataschema())];
        let mut headers: Vec<_> = own.into_iter().map(header).collect();
        headers.extend(optional.into_iter().filter_map(|(name, value)| Some(header((name, value?)))));
        headers.extend(event.extensions().iter().map(|(name, value)| header((name, &value.to_string()))));
        headers.extend(event.datacontenttype().map(|it| ("content-type".to_owned(), it.as_bytes().to_vec())));
        let body = event.data().map(|data| data.bytes().clone()).unwrap_or_default();
        let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let again = Event::from_binary_mode(pairs, body.clone()).unwrap();
        prop_assert_eq!((again.id(), again.source(), again.kind()), (event.id(), event.source(), event.kind()));
        prop_assert_eq!((again.subject(), again.time()), (event.subject(), event.time()));
        prop_assert_eq!(again.data().map(|data| data.bytes().clone()).unwrap_or_default(), body);
        for (name, value) in event.extensions() {
            prop_assert_eq!(again.extension(name), Some(&AttributeValue::from(value.to_string())));
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), flags in 0u8..64) {
        let mut framed = vec![1, flags];
        framed.extend_from_slice(&bytes);
        let framed = Bytes::from(framed);
        if let Ok(event) = Event::decode(&framed) {
            let (_, _) = (event.to_value(), event.to_json());
        }
        let bytes = Bytes::from(bytes);
        let _ = (Event::from_json(&bytes).is_ok(), batch_from_json(&bytes).is_ok());
        let _ = Event::from_binary_mode([("ce-id", &bytes[..]), ("ce-x", &bytes[..])].into_iter(), bytes.clone()).is_ok();
    }

    #[test]
    fn a_damaged_event_is_read_or_refused(event in generated::event(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = encoded(&event).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(event) = Event::decode(&bytes.into()) {
            let _ = (event.to_value(), event.size());
        }
    }
}
