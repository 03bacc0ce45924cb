//! The limits of looking for credentials, each with its unit.

use std::time::Duration;

/// How long one look at a source may take, with all that it asks.
pub const LOOK_WAIT: Duration = Duration::from_secs(10);

/// How long a source is left alone when it gave nothing; twice as long each time that it does so again. Whoever asks meanwhile is told what it said.
pub const REST: Duration = Duration::from_secs(5);

/// How long at most.
pub const REST_MAX: Duration = Duration::from_secs(60);

/// How long before their end credentials are given no more, since a request takes its time; a quarter of the time that they last where that is less.
pub const LEFT_MIN: Duration = Duration::from_secs(10);

/// How long before their end credentials are renewed; half of the time that they last where that is less.
pub const RENEWED_BEFORE: Duration = Duration::from_secs(300);

/// How long credentials without an end are kept: a file of them may be written anew.
pub const ENDLESS_KEPT: Duration = Duration::from_secs(60);

/// How long credentials are kept at most, whatever end they say.
pub const LASTS_MAX: Duration = Duration::from_secs(7 * 86_400);

/// An answer of whoever gives credentials, in bytes.
pub const ANSWER_BYTES_MAX: usize = 65_536;

/// What is told of why there are none, in characters.
pub const WHY_CHARS_MAX: usize = 600;
