//! How values look to people: times, lengths of time, sizes, colours, and text of others made harmless.
//!
//! Invariant: nothing that a guest, a sender or a host wrote reaches a terminal with a control character in it, so it cannot
//! move the cursor or forge a line. Colours are escape codes here and removed by the stream if it is no terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

use clap::builder::styling::{AnsiColor, Style};

use super::limits::CELL_CHARS_MAX;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HELP: Style = AnsiColor::Cyan.on_default();
const GOOD: Style = AnsiColor::Green.on_default();
const LATER: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const STRONG: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// The word before an error.
pub fn error_style(text: &str) -> String {
    styled(ERROR, text)
}

/// The word before advice.
pub fn help_style(text: &str) -> String {
    styled(HELP, text)
}

/// What went well.
pub fn good(text: &str) -> String {
    styled(GOOD, text)
}

/// What is tried again.
pub fn later(text: &str) -> String {
    styled(LATER, text)
}

/// What went wrong for good.
pub fn bad(text: &str) -> String {
    styled(BAD, text)
}

/// What a line is about.
pub fn strong(text: &str) -> String {
    styled(STRONG, text)
}

/// What may be overlooked.
pub fn faint(text: &str) -> String {
    styled(FAINT, text)
}

/// Whether a terminal would do something else with it than show it.
fn is_unprintable(c: char) -> bool {
    // Besides control characters: marks that reorder a line and those that end it.
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Text of others on one line.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_unprintable(c) => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Text of others on one line, cut where a table or a sentence would break.
pub fn clipped(text: &str) -> String {
    let head: String = text.chars().take(CELL_CHARS_MAX).collect();
    let cut = if head.len() < text.len() { "…" } else { "" };
    format!("{}{cut}", printable(&head))
}

/// The time of day in a time of RFC 3339, in the zone that it is written in.
pub fn time_of_day(time: &str) -> Cow<'_, str> {
    match time.split_once('T') {
        Some((_, day)) => printable(day),
        None => printable(time),
    }
}

/// A length of time in three digits or so.
pub fn lasted(us: u64) -> String {
    // Beyond 2^52 microseconds (142 years) digits may be lost, which nobody minds.
    #[allow(clippy::cast_precision_loss)]
    let us_f = us as f64;
    match us {
        0..1_000 => format!("{us} us"),
        1_000..1_000_000 => format!("{:.1} ms", us_f / 1e3),
        1_000_000..60_000_000 => format!("{:.1} s", us_f / 1e6),
        60_000_000..3_600_000_000 => format!("{:.1} min", us_f / 6e7),
        _ => format!("{:.1} h", us_f / 3.6e9),
    }
}

/// `1 key`, `2 keys`.
pub fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Bytes, as people read them.
pub fn sized(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..MIB => format!("{} KiB", bytes >> 10),
        _ => format!("{}.{} MiB", bytes / MIB, bytes % MIB * 10 / MIB),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_cannot_steer_a_terminal() {
        let cases = [
            ("plain é →", "plain é →"),
            ("a\nb\tc", "a\\nb\\tc"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("abc\u{202e}fed", "abc\\u{202e}fed"),
        ];
        for (text, wanted) in cases {
            assert_eq!(printable(text), wanted);
        }
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(clipped("short"), "short");
        assert_eq!(clipped(&"é".repeat(CELL_CHARS_MAX)), "é".repeat(CELL_CHARS_MAX));
        assert_eq!(clipped(&"é".repeat(CELL_CHARS_MAX + 1)), format!("{}…", "é".repeat(CELL_CHARS_MAX)));
    }

    #[test]
    fn lengths_of_time_are_short() {
        let cases = [
            (0, "0 us"),
            (999, "999 us"),
            (1_240, "1.2 ms"),
            (1_500_000, "1.5 s"),
            (90_000_000, "1.5 min"),
            (7_200_000_000, "2.0 h"),
        ];
        for (us, wanted) in cases {
            assert_eq!(lasted(us), wanted);
        }
        assert_eq!(time_of_day("2026-01-31T23:59:59.123Z"), "23:59:59.123Z");
        assert_eq!(time_of_day("soon"), "soon");
    }
}
