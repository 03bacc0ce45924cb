//! Rates and times as they are said on a command line.

use jiff::Timestamp;
use wharf_dispatch::{Clock as _, SystemClock, rfc3339};

use crate::config::parse_duration;

/// So many a second.
pub fn rate(text: &str) -> Result<u32, String> {
    match text.strip_suffix("/s").unwrap_or(text).parse() {
        Ok(0) | Err(_) => Err("write it as 10/s, from 1/s on".to_owned()),
        Ok(rate) => Ok(rate),
    }
}

/// A length of time before now as a time; anything else is one already, as far as can be told here.
pub fn time(text: String, now_ms: u64) -> String {
    match parse_duration(&text) {
        Ok(ago) => rfc3339(now_ms.saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX))),
        Err(_) => text,
    }
}

/// A time, or a length of time before now.
pub fn when(text: &str) -> Result<Timestamp, String> {
    let time = time(text.to_owned(), SystemClock::default().wall_ms());
    time.parse().map_err(|_| format!("`{text}` is no time: write it as 2026-12-01T09:00:00Z, or as 2h for as long ago"))
}

/// A time as the API takes it: what [`when`] understands, but as it is said.
pub fn moment(text: &str) -> Result<String, String> {
    when(text).map(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_so_many_a_second() {
        assert_eq!([rate("10/s"), rate("7")], [Ok(10), Ok(7)]);
        for text in ["0", "0/s", "10/m", "x", ""] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_is_an_age_or_stands_as_it_is() {
        let now_ms = 1_767_225_600_000;
        assert_eq!(time("2h".to_owned(), now_ms), "2025-12-31T22:00:00.000Z");
        assert_eq!(time("2026-01-01T00:00:00Z".to_owned(), now_ms), "2026-01-01T00:00:00Z");
        assert!(when("2026-01-01T00:00:00Z").is_ok() && when("2h").is_ok() && when("yesterday").is_err());
        assert_eq!(moment("2h"), Ok("2h".to_owned()));
        assert_eq!(
            moment("1x").unwrap_err(),
            "`1x` is no time: write it as 2026-12-01T09:00:00Z, or as 2h for as long ago"
        );
    }
}
