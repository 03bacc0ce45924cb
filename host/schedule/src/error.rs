//! What is wrong with a schedule's timing.

use crate::limits::{EXPRESSION_BYTES_MAX, PERIOD_MS_MAX, PERIOD_MS_MIN};

/// A timing that is none. Each says what would be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimingError {
    /// It is none of the three forms.
    #[error(
        "`{0}` is no schedule expression: there are at(2026-12-01T09:00:00), rate(5 minutes) and cron(0 9 ? * MON-FRI *)"
    )]
    Form(String),
    /// It is too long.
    #[error("a schedule expression has at most {EXPRESSION_BYTES_MAX} bytes")]
    TooLong,
    /// What `at` names is no time.
    #[error("`{0}` is no time: at(...) has a local time without an offset, as 2026-12-01T09:00:00")]
    At(String),
    /// What `rate` names is no period.
    #[error("`{0}` is no period: rate(...) has a number and seconds, minutes, hours or days, as rate(5 minutes)")]
    Rate(String),
    /// A period that is too short or too long.
    #[error("a period has {} second at least and {} days at most", PERIOD_MS_MIN / 1_000, PERIOD_MS_MAX / 86_400_000)]
    Period,
    /// It has not six fields.
    #[error(
        "cron(...) has six fields, minutes, hours, day of month, month, day of week and year, and {0} are given: \
         cron(0 9 ? * MON-FRI *) is nine o'clock from Monday to Friday"
    )]
    Fields(usize),
    /// Days are given both ways, or neither.
    #[error("of day of month and day of week one is `?`: the other one says which days")]
    Days,
    /// A field says nothing that it may.
    #[error("the field for the {field} cannot be `{value}`")]
    Field {
        /// Which field.
        field: &'static str,
        /// What it is.
        value: String,
    },
    /// The fields do not make a whole.
    #[error("the fields of cron(...) make no times: {0}")]
    Cron(String),
    /// It is never due.
    #[error("it is never due")]
    Never,
    /// There is no such zone.
    #[error("there is no time zone `{0}`: they are those of IANA, as Europe/Berlin or UTC")]
    Zone(String),
    /// It ends before it begins.
    #[error("it ends before it begins")]
    Span,
}

/// A text that a message quotes: not all of what somebody sent.
pub(crate) fn quoted(text: &str) -> String {
    text.chars().take(64).collect()
}
