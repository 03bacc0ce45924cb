//! The probe's transform in Rust; what it does is in tests/languages/README.md.
//!
//! It is no example: plugins/pull-request-enrich is one.

use wharf::{Event, Failure, Transformed};

#[wharf::transform]
fn bend(mut event: Event<Vec<u8>>) -> Transformed<Vec<u8>> {
    match event.extension("bend") {
        Some("change") => {
            event.subject = Some("bent".to_owned());
            event.datacontenttype = Some("text/plain".to_owned());
            event.data.extend_from_slice(b" bent");
            Ok(Some(event.with_extension("mark", "yes")))
        }
        Some("drop") => Ok(None),
        Some("retry") => Err(Failure::retry("bent as asked")),
        Some("reject") => Err(Failure::reject("bent as asked")),
        #[allow(clippy::panic, reason = "that is the test")]
        Some("uncaught") => panic!("uncaught as asked"),
        _ => Ok(Some(event)),
    }
}
