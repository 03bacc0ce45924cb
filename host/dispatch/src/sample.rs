//! The sample of an alert: the event that was not taken, as much of it as an alert holds.
//!
//! Invariant: an alert holds a bounded part of a payload, and says where that is not all of it.

use serde_json::{Value, json};
use wharf_event::Event;

use crate::limits::WEBHOOK_SAMPLE_BYTES_MAX;

/// The event: whole, or without its payload where that is large.
pub(crate) fn sample(event: &Event) -> Value {
    if is_large(event) { event.attributes_to_value().into() } else { event.to_value() }
}

/// Of a large payload the beginning as text, and how many bytes it has; null where the sample has all of it.
pub(crate) fn cut(event: &Event) -> Value {
    let Some(data) = event.data().filter(|_| is_large(event)) else { return Value::Null };
    let bytes = data.bytes();
    let mut end = bytes.len().min(WEBHOOK_SAMPLE_BYTES_MAX);
    // No character is cut in two; what is no text at all is cut anywhere.
    while end > 0 && end < bytes.len() && bytes.get(end).is_some_and(|byte| byte & 0xC0 == 0x80) {
        end -= 1;
    }
    let begin = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default());
    json!({ "data": begin, "bytes": bytes.len() })
}

fn is_large(event: &Event) -> bool {
    event.size() > WEBHOOK_SAMPLE_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use wharf_event::EventBuilder;

    use super::*;

    #[test]
    fn of_a_large_payload_a_sample_has_the_beginning_and_says_how_large_it_is() {
        let event = |data: String| {
            let event = EventBuilder::new("1".to_owned(), "s".to_owned(), "t".to_owned());
            event.datacontenttype("application/json").data(data).build().unwrap()
        };
        let small = event("{\"a\":1}".to_owned());
        assert_eq!((sample(&small)["data"]["a"].as_u64(), cut(&small)), (Some(1), Value::Null));
        let large = event(format!("\"{}\"", "ü".repeat(WEBHOOK_SAMPLE_BYTES_MAX)));
        let cut = cut(&large);
        assert_eq!(sample(&large).get("data"), None);
        assert_eq!(cut["bytes"], 2 * WEBHOOK_SAMPLE_BYTES_MAX + 2);
        let data = cut["data"].as_str().unwrap();
        assert_eq!((data.len(), data.chars().last()), (WEBHOOK_SAMPLE_BYTES_MAX - 1, Some('ü')));
    }
}
