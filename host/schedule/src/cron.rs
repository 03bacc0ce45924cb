//! `cron(...)` as EventBridge has it: minutes, hours, day of month, month, day of week, year.
//!
//! Invariant: it knows local times only. What a time zone does to them is `zone.rs`'s: the crate that reads the fields is asked as if
//! there were no zones, since it would let some expressions fire twice where a local time comes twice.

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::civil::DateTime;

use crate::error::{TimingError, quoted};

/// The years that EventBridge has.
const YEARS: &str = "1970-2199";

/// The fields in their order, with the letters that may stand in them beside digits and `*,-/`.
const FIELDS: [(&str, Letters); 6] = [
    ("minutes", Letters::None),
    ("hours", Letters::None),
    ("day of month", Letters::These("LW")),
    ("month", Letters::Names(&["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"])),
    ("day of week", Letters::Names(&["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"])),
    ("year", Letters::None),
];

enum Letters {
    None,
    These(&'static str),
    Names(&'static [&'static str]),
}

/// Local times of whole minutes.
#[derive(Clone, Debug)]
pub(crate) struct LocalCron(Box<Cron>);

impl LocalCron {
    /// Reads what stands in the parentheses.
    pub(crate) fn parse(text: &str) -> Result<Self, TimingError> {
        let text = text.to_ascii_uppercase();
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, day, month, weekday, year] = fields[..] else {
            return Err(TimingError::Fields(fields.len()));
        };
        for ((name, letters), value) in FIELDS.iter().zip(&fields) {
            check(name, letters, value)?;
        }
        if (day == "?") == (weekday == "?") {
            return Err(TimingError::Days);
        }
        // `L` is the last day of the week too, as EventBridge has it.
        let weekday = if weekday == "L" { "7" } else { weekday };
        let year = year.strip_prefix('*').map_or_else(|| year.to_owned(), |rest| format!("{YEARS}{rest}"));
        let parser = CronParser::builder()
            .seconds(Seconds::Required)
            .year(Year::Required)
            .alternative_weekdays(true)
            .sloppy_ranges(true)
            .build();
        let parsed = parser.parse(&format!("0 {minutes} {hours} {day} {month} {weekday} {year}"));
        Ok(Self(Box::new(parsed.map_err(|error| TimingError::Cron(error.to_string()))?)))
    }

    /// The first time after `local`; none when there is none any more.
    pub(crate) fn next_after(&self, local: DateTime) -> Option<DateTime> {
        self.0.find_next_occurrence(&local, false).ok()
    }
}

/// Whether a field has what such a field may have. How its parts go together is looked at later.
fn check(field: &'static str, letters: &Letters, value: &str) -> Result<(), TimingError> {
    let wrong = || TimingError::Field { field, value: quoted(value) };
    let is_day = matches!(field, "day of month" | "day of week");
    let part = |part: &str| -> bool {
        let words = part.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty());
        let mut words = words.map(|word| match letters {
            Letters::None => false,
            Letters::These(these) => word.chars().all(|c| these.contains(c)),
            Letters::Names(names) => names.contains(&word) || (field == "day of week" && matches!(word, "L")),
        });
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '*' | '-' | '/');
        let is_nth = field == "day of week" && part.matches('#').count() == 1;
        !part.is_empty() && part.chars().all(|c| plain(c) || (is_nth && c == '#')) && words.all(|fine| fine)
    };
    if (is_day && value == "?") || value.split(',').all(part) { Ok(()) } else { Err(wrong()) }
}
