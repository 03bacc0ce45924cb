//! The bounds of the tasks, each with its unit.

use std::time::Duration;

use wharf_runtime::limits::ATTEMPTS_AT_A_TIME;

/// KiB of requests that may wait for the sequencer; more wait to be taken in.
pub const WAITING_REQUESTS_KIB: u32 = 64 << 10;

/// Bytes of records that one request may make. A larger one is refused.
pub const REQUEST_BYTES_MAX: usize = 11 << 20;

/// Bytes of requests after which a frame is closed. With the largest request on top a frame stays below the log's limit.
pub const FRAME_GATHER_BYTES: usize = 4 << 20;

/// Requests after which a frame is closed.
pub const FRAME_GATHER_REQUESTS: usize = 4_096;

/// Idle time after which the last frame is followed by a mark.
pub const MARK_AFTER: Duration = Duration::from_millis(100);

/// Time after which changes are checkpointed, however few.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);

/// How long a stop waits for a checkpoint that is under way.
pub const LAST_CHECKPOINT_WAIT: Duration = Duration::from_secs(30);

/// Attempts of one tenant at a time: a quarter of the machine is always left to the others.
pub const TENANT_ATTEMPTS_AT_A_TIME: u32 = ATTEMPTS_AT_A_TIME / 4 * 3;

/// Bytes of events that wait in memory for their first attempt; others are read from the log when their turn comes.
pub const HELD_EVENT_BYTES: usize = 64 << 20;

/// How often a request is matched anew because the rules changed under it.
pub const MATCHES_MAX: u32 = 3;

/// How long a request waits for a rule set that was sequenced but is not in use yet.
pub const RULES_SWAP_WAIT: Duration = Duration::from_secs(5);

/// How often an attempt runs again because of conflicts. After that it counts as failed.
pub const CONFLICT_RUNS_MAX: u32 = 30;
