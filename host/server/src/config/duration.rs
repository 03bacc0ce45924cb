//! Lengths of time as people write them: `50ms`, `1s`, `5m`, `24h`, `7d`.

use std::time::Duration;

/// Reads a length of time.
///
/// # Errors
/// When it is none; the text says what one looks like.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let ms_each = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => {
            return Err(format!(
                "`{text}` is no length of time: write a number and ms, s, m, h or d, as in 50ms or 24h"
            ));
        }
    };
    let number: u64 =
        number.parse().map_err(|_| format!("`{text}` is no length of time: the number is missing or too large"))?;
    let ms = number.checked_mul(ms_each).ok_or_else(|| format!("`{text}` is too long"))?;
    Ok(Duration::from_millis(ms))
}

/// A length of time as one would write it: in the largest unit that leaves nothing over.
#[must_use]
pub fn duration_text(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    match units.into_iter().find(|(ms_each, _)| ms > 0 && ms.is_multiple_of(*ms_each)) {
        Some((ms_each, unit)) => format!("{}{unit}", ms / ms_each),
        None => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_a_number_and_a_unit() {
        let cases = [
            ("50ms", Some(50)),
            ("1s", Some(1_000)),
            ("5m", Some(300_000)),
            ("24h", Some(86_400_000)),
            ("7d", Some(604_800_000)),
            ("", None),
            ("5", None),
            ("s", None),
            ("1.5s", None),
            ("-1s", None),
            ("1 s", None),
            ("99999999999999999999s", None),
            ("999999999999999d", None),
        ];
        for (text, ms) in cases {
            assert_eq!(parse_duration(text).ok().map(|duration| duration.as_millis()), ms, "{text}");
        }
    }

    #[test]
    fn a_length_of_time_is_written_in_its_largest_whole_unit() {
        for text in ["0ms", "50ms", "1s", "90s", "5m", "23h", "1d", "7d"] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(duration_text(duration.as_millis().try_into().unwrap()), text);
        }
    }
}
