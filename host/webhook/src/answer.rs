//! What an answer means: Standard Webhooks' list of statuses, and `Retry-After` (RFC 9110, section 10.2.3).
//!
//! Invariant: only 2xx is a delivery. A redirect is never followed; what is no status of HTTP is a failure as any other.

use std::time::{Duration, SystemTime};

use wharf_event::Code;

use crate::limits::RETRY_AFTER_MS_MAX;

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It was taken.
    Delivered,
    /// The receiver wants nothing from here any more, neither this nor anything else.
    Gone,
    /// It was not taken, and may be another time.
    Failed {
        /// Why.
        code: Code,
        /// How long the receiver asks to be left alone, in milliseconds.
        retry_after_ms: Option<u64>,
    },
}

/// What an answer means that came at a time, in milliseconds since 1970.
#[must_use]
pub fn meaning(status: u16, retry_after: Option<&str>, now_ms: u64) -> Meaning {
    match status {
        200..=299 => Meaning::Delivered,
        410 => Meaning::Gone,
        300..=399 => Meaning::Failed { code: Code::WebhookRedirect, retry_after_ms: None },
        _ => {
            let retry_after_ms = retry_after.and_then(|text| wait_ms(text.trim(), now_ms));
            Meaning::Failed { code: Code::WebhookStatus, retry_after_ms }
        }
    }
}

/// Seconds, or a date. What is neither says nothing, and neither does a date that has passed.
fn wait_ms(text: &str, now_ms: u64) -> Option<u64> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds: u64 = text.parse().unwrap_or(u64::MAX);
        // Nothing asks for nothing: the sender's own pauses go on.
        return (seconds > 0).then_some(seconds.saturating_mul(1_000).min(RETRY_AFTER_MS_MAX));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    let wait = at.duration_since(SystemTime::UNIX_EPOCH + Duration::from_millis(now_ms)).ok()?;
    Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).min(RETRY_AFTER_MS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT.
    const NOW_MS: u64 = 784_111_777_000;

    #[test]
    fn a_status_says_what_it_says() {
        for status in [200, 202, 204, 299] {
            assert_eq!(meaning(status, Some("5"), 0), Meaning::Delivered);
        }
        assert_eq!(meaning(410, Some("5"), 0), Meaning::Gone);
        let failed = |code| Meaning::Failed { code, retry_after_ms: None };
        for status in [300, 301, 302, 307, 308, 399] {
            assert_eq!(meaning(status, Some("5"), 0), failed(Code::WebhookRedirect));
        }
        for status in [100, 199, 400, 404, 409, 429, 500, 502, 503, 599, 999] {
            assert_eq!(meaning(status, None, 0), failed(Code::WebhookStatus));
        }
    }

    #[test]
    fn a_receiver_can_ask_to_be_left_alone_for_a_while() {
        let wait = |text: &str| match meaning(503, Some(text), NOW_MS) {
            Meaning::Failed { retry_after_ms, .. } => retry_after_ms,
            other => panic!("{other:?}"),
        };
        assert_eq!(wait("120"), Some(120_000));
        assert_eq!(wait(" 1 "), Some(1_000));
        assert_eq!(wait("99999999999999999999999"), Some(RETRY_AFTER_MS_MAX));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60_000));
        assert_eq!(wait("Sunday, 06-Nov-94 08:50:37 GMT"), Some(60_000), "the date of RFC 850");
        assert_eq!(wait("Sun Nov  6 08:50:37 1994"), Some(60_000), "the date of asctime");
        assert_eq!(wait("Tue, 06 Nov 2035 08:49:37 GMT"), Some(RETRY_AFTER_MS_MAX));
        for nothing in ["Sun, 06 Nov 1994 08:48:37 GMT", "", "0", "-1", "1.5", "soon"] {
            assert_eq!(wait(nothing), None, "{nothing}");
        }
    }
}
