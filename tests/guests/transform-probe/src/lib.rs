//! A transform that does what the event's type says, good or bad, so that a test can watch the host take it.
//!
//! It is no example: plugins/pull-request-enrich is one.

use std::hint::black_box;

use wharf::{Event, Failure, Transformed};

#[wharf::transform]
fn transform(mut event: Event<Vec<u8>>) -> Transformed<Vec<u8>> {
    match event.kind.as_str() {
        // Everything that a handler can see becomes another.
        "probe.tell" => {
            event.id = format!("{}-changed", event.id);
            event.source = "transform".to_owned();
            event.subject = Some("changed".to_owned());
            // A later one of the same kind adds to what an earlier one left.
            let rounds = event.extension("rounds").unwrap_or_default().len();
            let extensions = [("rounds", "x".repeat(rounds + 1)), ("correlationid", "forged".to_owned())];
            event = extensions.into_iter().fold(event, |event, (name, value)| event.with_extension(name, value));
            event.data.extend_from_slice(b" changed");
            event.datacontenttype = Some("text/plain".to_owned());
        }
        "probe.drop" => return Ok(None),
        "probe.retry" => return Err(Failure::retry("the transform asks for another attempt")),
        "probe.reject" => return Err(Failure::reject("the transform rejects as asked")),
        #[allow(clippy::panic, reason = "that is the test")]
        "probe.panic" => panic!("nobody hears this"),
        "probe.loop" => loop {
            black_box(0);
        },
        "probe.memory" => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(black_box(vec![1; 1 << 20]));
            }
        }
        "probe.no-id" => event.id.clear(),
        "probe.bad-extension" => event.extensions.push(("Not A Name".to_owned(), "x".to_owned())),
        "probe.twice" => event.extensions.extend([("a", "1"), ("a", "2")].map(|(n, v)| (n.to_owned(), v.to_owned()))),
        "probe.no-json" => event.data = b"{".to_vec(),
        "probe.too-large" => {
            event.datacontenttype = Some("text/plain".to_owned());
            event.data = vec![b'x'; (1 << 20) + 1];
        }
        _ => {}
    }
    Ok(Some(event))
}
