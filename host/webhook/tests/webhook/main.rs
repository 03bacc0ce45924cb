//! Webhooks against those who read them: events of any kind come back as they were, and every signature verifies.

#![cfg(test)]

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use wharf_event::Event;
use wharf_webhook::{Message, Mode, Secret};

/// The signature of a message by `standardwebhooks` needs a time near now: that is looked at by programs of others (tests/strangers). Here
/// it is made a second time from what was sent.
fn is_signed(message: &Message, secret: &Secret) -> bool {
    let headers: BTreeMap<_, _> = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let at_s = headers["webhook-timestamp"].parse().unwrap();
    let signed = secret.sign(headers["webhook-id"], at_s, str::from_utf8(&message.body).unwrap());
    headers["webhook-signature"].split(' ').any(|signature| signature == signed)
}

fn value(message: &Message, name: &str) -> Option<String> {
    message.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
}

fn event(subject: &str, media_type: &str, payload: &[u8]) -> Event {
    let encoded: String = subject.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/a"),
        ("ce-type", "t"),
        ("ce-number", "5"),
        ("ce-subject", &encoded),
        ("content-type", media_type),
    ];
    let headers = headers.map(|(name, value)| (name, value.as_bytes()));
    Event::from_binary_mode(headers.into_iter(), Bytes::copy_from_slice(payload)).unwrap()
}

proptest! {
    #[test]
    fn an_event_comes_back_as_it_was(
        subject in "[^\\p{C}]{1,20}",
        json in any::<bool>(),
        text in any::<String>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..20),
        binary in any::<bool>(),
    ) {
        let (media_type, payload) = match json {
            true => ("application/json", serde_json::to_vec(&text).unwrap()),
            false => ("application/x-thing", bytes),
        };
        let event = event(&subject, media_type, &payload);
        let mode = if binary { Mode::Binary } else { Mode::Structured };
        let secrets = [Secret::signing(&[3; 32]), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap()];
        let mut message = Message::of(&event, mode, "del_1".to_owned(), 1_700_000_000);
        message.sign(&secrets);
        let back = if value(&message, "content-type").as_deref() == Some("application/cloudevents+json") {
            Event::from_json(&message.body).unwrap()
        } else {
            let headers = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            let back = Event::from_binary_mode(headers, message.body.clone()).unwrap();
            // A number is a text in a header.
            prop_assert_eq!(back.extension("number").map(ToString::to_string), Some("5".to_owned()));
            back
        };
        prop_assert_eq!((back.subject(), back.datacontenttype()), (event.subject(), event.datacontenttype()));
        prop_assert_eq!(back.data().map(|it| it.bytes()), event.data().map(|it| it.bytes()));
        prop_assert!(message.headers.iter().all(|(_, value)| value.bytes().all(|byte| (0x20..0x7f).contains(&byte))));
        prop_assert!(secrets.iter().all(|secret| is_signed(&message, secret)));
    }
}

#[test]
fn each_secret_signs_and_another_one_does_not() {
    let [old, new, other] = [[1; 32], [2; 32], [3; 32]].map(|seed| Secret::signing(&seed));
    let unsigned = Message::of(&event("s", "application/json", b"{}"), Mode::Binary, "del_1".to_owned(), 1_700_000_000);
    let mut message = unsigned.clone();
    message.sign([&old, &new]);
    assert!(is_signed(&message, &old) && is_signed(&message, &new) && !is_signed(&message, &other));
    assert_eq!(value(&unsigned, "webhook-signature"), None);
    assert_eq!(value(&unsigned, "webhook-id").as_deref(), Some("del_1"));
}
