//! The probe's transform in Rust, from `wit/` alone; what it does is in tests/languages/README.md.

wit_bindgen::generate!({ path: "../../../../wit", world: "event-transform", generate_all });

use exports::wharf::plugin::transformer::{Event, Failure, Guest};
use wharf::plugin::types::{Attribute, RetryRequest};

struct Probe;

impl Guest for Probe {
    fn transform(mut event: Event) -> Result<Option<Event>, Failure> {
        let bend = event.extensions.iter().find(|it| it.name == "bend").map(|it| it.value.clone());
        match bend.as_deref() {
            Some("change") => {
                event.subject = Some("bent".to_owned());
                event.datacontenttype = Some("text/plain".to_owned());
                event.extensions.push(Attribute { name: "mark".to_owned(), value: "yes".to_owned() });
                event.data.get_or_insert_default().extend_from_slice(b" bent");
            }
            Some("drop") => return Ok(None),
            Some("retry") => {
                return Err(Failure::Retry(RetryRequest { after_ms: None, reason: "bent as asked".to_owned() }));
            }
            Some("reject") => return Err(Failure::Reject("bent as asked".to_owned())),
            Some("uncaught") => panic!("uncaught as asked"),
            _ => {}
        }
        Ok(Some(event))
    }
}

export!(Probe);
