//! Every bound of the gateway, by name and with its unit.
//!
//! Invariant: nothing in this crate waits, buffers or counts without one of these. The bounds of an event itself are those
//! of `wharf_event::limits`; this file does not repeat them.

use std::time::Duration;

/// What the request of a single event may weigh above [`wharf_event::limits::EVENT_BYTES_MAX`], in bytes: room for the names,
/// quotes and escapes of the JSON format. Base64 needs more than that for a large payload; binary mode needs none.
pub const ENVELOPE_BYTES_MAX: usize = 64 * 1024;

/// The body of a redrive request, or of one that shows receipts, in bytes: 1,000 of them fit with room.
pub const REDRIVE_BYTES_MAX: usize = 256 * 1024;

/// Dead letters that one redrive request may name.
pub const REDRIVE_IDS_MAX: usize = 1_000;

/// Letters a second that a redrive may ask for at most.
pub const REDRIVE_PER_S_MAX: u32 = 100_000;

/// Events of a trace when the request does not say.
pub const TRACED_EVENTS_DEFAULT: u32 = 200;

/// Events of a trace at most.
pub const TRACED_EVENTS_MAX: u32 = 1_000;

/// Attempts that are told of a delivery in one answer.
pub const ATTEMPTS_TOLD_MAX: usize = 100;

/// Deliveries of one event that a page of a trace tells, with what came of them.
pub const TRACED_DELIVERIES_MAX: usize = 100;

/// What happened to all deliveries of a page of a trace, in steps.
pub const TRACED_STEPS_MAX: usize = 10_000;

/// Deliveries of a trace that are followed at a time, beside those of one event.
pub const TRACED_OPEN_MAX: usize = 50_000;

/// Receipts that one request may show.
pub const RECEIPTS_MAX: usize = 1_000;

/// A pattern and an event to be tested with each other, in bytes: an event of the largest size and the largest pattern, both
/// in strings, where quotes and backslashes are two bytes each.
pub const QUESTION_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The document of a rule, in bytes: the largest pattern in a string, and all that stands beside it.
pub const RULE_BYTES_MAX: usize = 1024 * 1024;

/// The document of a schedule, in bytes: a payload of 256 KiB, and all that stands beside it.
pub const SCHEDULE_BYTES_MAX: usize = 260 * 1024;

/// A schema and what it is bound to, in bytes: the largest one, and room for what stands beside it and for how it is written.
pub const SCHEMA_BYTES_MAX: usize = 512 * 1024;

/// The settings of a plugin, or a wish about its channels, in bytes.
pub const PLUGIN_BYTES_MAX: usize = 256 * 1024;

/// How long the bytes of a release may take from the first to the last.
pub const UPLOAD_TIMEOUT: Duration = Duration::from_secs(600);

/// Characters of what is said about a release when it is uploaded.
pub const UPLOAD_NOTE_CHARS_MAX: usize = 500;

/// What is read and thrown away of a body that is too large, in bytes, so that its sender sees the answer instead of a reset
/// connection.
pub const DRAIN_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long the rest of a body that nobody took is waited for, piece by piece, before its sender is told why.
pub const DRAIN_PAUSE_MAX: Duration = Duration::from_millis(500);

/// Rows of a page when the request does not say.
pub const PAGE_ROWS_DEFAULT: u32 = 50;

/// Rows of a page at most.
pub const PAGE_ROWS_MAX: u32 = 1_000;

/// The head of a request (request line and headers), in bytes.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What one connection may buffer of what it reads, in bytes. It is above [`HEAD_BYTES_MAX`], since a head is parsed whole.
pub const READ_BUFFER_BYTES_MAX: usize = 128 * 1024;

/// Header lines of a request: 64 extensions, the attributes of the specification and what HTTP clients add.
pub const HEADER_LINES_MAX: usize = 128;

/// How long the head of a request may take, counted from when the connection waits for one; so it also ends idle connections.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The same for connections that come when more than half of [`CONNECTIONS_MAX`] are open, so that those who say nothing do not keep
/// others out for long.
pub const HEADER_READ_TIMEOUT_CROWDED: Duration = Duration::from_secs(5);

/// What bodies of requests may hold in memory at once beyond the first [`BODY_FREE_BYTES`] of each, in bytes, where the configuration
/// says nothing. One body may go on without room, so it is a body more than that. Uploads go to the disk as they come and are not of these.
pub const BODIES_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// What each body may hold without having room, in bytes: with [`CONNECTIONS_MAX`] that is bounded too.
pub const BODY_FREE_BYTES: usize = 64 * 1024;

/// How long a body waits for room. Then its request is refused.
pub const BODY_ROOM_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a body may take from its first byte to its last, what it waits for room aside.
pub const BODY_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may take nothing of what is written to it.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may still send after it was told that its request cannot be read. Then its connection is closed.
pub const LINGER: Duration = Duration::from_secs(5);

/// Open connections; further ones wait in the kernel's backlog.
pub const CONNECTIONS_MAX: usize = 1_024;

/// Feeds that are followed at once, a quarter of them by one tenant; each holds a connection for as long as its reader likes.
pub const FEEDS_MAX: usize = 256;

/// How long requests in flight may take to finish once shutdown has begun. Then their connections are dropped.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause after an `accept` that failed because the process or the machine is out of something (such as descriptors).
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The `Retry-After` of a 503 for which the host named no time, in seconds.
pub const RETRY_AFTER_S_DEFAULT: u32 = 1;

/// Lines that one name may have on the page of metrics; what is beyond them is added up.
pub const SERIES_PER_FAMILY_MAX: usize = 2_000;
