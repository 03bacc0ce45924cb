//! Amounts of bytes as people write them: `512KiB`, `64MiB`, `10GiB`.

/// Reads an amount of bytes.
///
/// # Errors
/// When it is none; the text says what one looks like.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => {
            return Err(format!(
                "`{text}` is no amount of bytes: write a number and B, KiB, MiB, GiB or TiB, as in 64MiB or 10GiB"
            ));
        }
    };
    let number: u64 =
        number.parse().map_err(|_| format!("`{text}` is no amount of bytes: the number is missing or too large"))?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("`{text}` is too much"))
}

/// An amount of bytes as one would write it: in the largest unit that leaves nothing over.
#[must_use]
pub fn size_text(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_of_bytes_is_a_number_and_a_unit() {
        let cases = [
            ("0B", Some(0)),
            ("512KiB", Some(524_288)),
            ("64MiB", Some(67_108_864)),
            ("10GiB", Some(10_737_418_240)),
            ("1TiB", Some(1_099_511_627_776)),
            ("", None),
            ("10", None),
            ("GiB", None),
            ("10GB", None),
            ("1.5GiB", None),
            ("-1GiB", None),
            ("1 GiB", None),
            ("99999999999999999999B", None),
            ("99999999TiB", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_size(text).ok(), bytes, "{text}");
        }
    }

    #[test]
    fn an_amount_of_bytes_is_written_in_its_largest_whole_unit() {
        for text in ["0B", "1000B", "512KiB", "64MiB", "1025MiB", "10GiB", "1TiB"] {
            assert_eq!(size_text(parse_size(text).unwrap()), text);
        }
    }
}
