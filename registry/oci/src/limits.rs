//! The bounds of talking with a registry, each with its unit.

use std::time::Duration;

/// Bytes of a component: what a host takes.
pub const COMPONENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How long a connection may take to come about.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a registry may say nothing in the middle of an answer.
pub const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Characters of a registry's own words that are told.
pub const WORDS_CHARS_MAX: usize = 300;
