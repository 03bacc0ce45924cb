//! Any text as a path, a template, and the payload of an event. Invariants: what comes out is an event with the same attributes,
//! and JSON where it says so; a path finds what is at its place in the value that serde_json reads.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use wharf_event::{Data, Event, EventBuilder};
use wharf_input::{Input, Occasion, Unmade};

const OCCASION: Occasion<'_> = Occasion { tenant: "t", bus: "b", rule: "r", accepted: "2026-01-01T00:00:00.000Z" };

fuzz_target!(|input: &str| {
    let mut parts = input.splitn(3, '\u{1}');
    let (path, template) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let payload = parts.next().unwrap_or_default();
    let event = EventBuilder::new("1", "s", "t").subject("x").extension("detail", 3);
    let Ok(event) = event.data(payload.as_bytes().to_vec()).build() else { return };
    if let Ok(input) = Input::path(path) {
        let Some(made) = apply(&input, &event) else { return };
        // Pointers are spelled otherwise, but for paths of plain names.
        let plain = path.strip_prefix("$.").filter(|rest| rest.bytes().all(|b| b.is_ascii_alphabetic() || b == b'.'));
        let pointer = plain.map(|rest| format!("/{}", rest.replace('.', "/")));
        if let Some(pointer) = pointer.filter(|pointer| !pointer.starts_with("/resources")) {
            let found = made.data().map(|data| serde_json::from_slice::<Value>(data.bytes()).expect("it is JSON"));
            assert_eq!(found.as_ref(), event.to_value().pointer(&pointer), "{path}");
        }
    }
    let paths = [("p", path), ("d", "$.data"), ("n", "$.nothing"), ("e", "$.data[*].a")];
    let paths = paths.map(|(name, path)| (name.to_owned(), path.to_owned())).into();
    let Ok(input) = Input::template(&paths, template) else { return };
    if let Some(made) = apply(&input, &event) {
        assert_eq!((made.id(), made.source(), made.kind(), made.subject()), ("1", "s", "t", Some("x")));
        assert!(matches!(made.data(), Some(Data::Json(_) | Data::Text(_))));
    }
});

/// The event that comes out. Making it checks that what says that it is JSON is; so the only errors are those of too much.
fn apply(input: &Input, event: &Event) -> Option<Event> {
    match input.apply(event, &OCCASION) {
        Ok(made) => return Some(made),
        Err(Unmade::TooLarge) => {}
        Err(Unmade::Event(error)) => {
            let said = error.to_string();
            assert!(said.contains("recursion limit") || said.contains("the event has "), "{said}");
        }
    }
    None
}
