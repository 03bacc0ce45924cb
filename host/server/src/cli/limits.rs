//! The bounds of the command line, each with its unit.
//!
//! Invariant: nothing that a command gathers, repeats or waits for is without one. The bounds of events are those of
//! `wharf_event::limits`; the bounds of requests are beside the client.

use std::time::Duration;

/// Events of one batch that `send --batch` posts.
pub const BATCH_EVENTS: usize = 100;

/// One batch that `send --batch` posts, in bytes.
pub const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Refused lines that `send --batch` lists; further ones are counted.
pub const REFUSALS_LISTED_MAX: usize = 1_000;

/// Times that one batch is sent again while the host is busy.
pub const BATCH_RETRIES_MAX: u32 = 8;

/// The longest pause that a host may ask for before a batch is sent again.
pub const BATCH_PAUSE_MAX: Duration = Duration::from_secs(30);

/// What is read of a file or of stdin as an event or as its data, in bytes: the largest event in base64, with room.
pub const INPUT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What `rules test` reads of a file before it matches that much and looks at the clock, in bytes.
pub const TRIAL_BYTES: usize = 1024 * 1024;

/// Rules, or schedules, that a mistyped name is compared with.
pub const NAMES_COMPARED_MAX: u32 = 1_000;

/// Events of one tree; what those beyond it lead to is not followed.
pub const TREE_EVENTS_MAX: usize = 10_000;

/// Events that are read one by one to show what became of an event.
pub const TREE_EVENTS_READ_MAX: usize = 200;

/// The first pause before a broken feed is followed again; it doubles up to [`RECONNECT_PAUSE_MAX`].
pub const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause before a broken feed is followed again.
pub const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(5);

/// Types of events that `tail --type` remembers, so that it can tell whose attempt it sees.
pub const TYPES_REMEMBERED_MAX: usize = 10_000;

/// Durations of one plugin's attempts that one look of `top` keeps.
pub const DURATIONS_MAX: usize = 100_000;

/// A value in a table or in a sentence, in characters.
pub const CELL_CHARS_MAX: usize = 80;

/// Bytes of a data folder after whose reading a line says how far it has come.
pub const PROGRESS_BYTES: u64 = 256 << 20;
