//! The bounds of the engine, each with its unit.

use std::time::Duration;

/// What the limits of a plugin may be set to at most.
pub use wharf_capability::limits as most;

/// What a component may have at most, which is looked at before it comes here.
pub use wharf_inspect::limits::{
    COMPONENT_BYTES_MAX, CORE_INSTANCES_MAX as CORE_INSTANCES_PER_COMPONENT, MEMORIES_MAX as MEMORIES_PER_COMPONENT,
    TABLES_MAX as TABLES_PER_COMPONENT,
};

/// Bytes of compiled artifacts in the cache; beyond that those go that were loaded longest ago.
pub const CACHE_BYTES_MAX: u64 = 1 << 30;

/// So much of a large file is written before it is synced, and then more of it: the syncs of the log wait behind what the disk has to
/// write at once.
pub const SYNC_EVERY_BYTES: usize = 1 << 20;

/// Bytes of compiled code that may be in memory, unless the operator says otherwise.
pub const LOADED_BYTES: u64 = 256 << 20;

/// Artifacts that are loaded at a time, each on a thread of its own.
pub const LOADS_AT_A_TIME: usize = 4;

/// How long attempts of a release fail at once that could not be loaded, before that is tried again.
pub const UNLOADABLE_FOR: Duration = Duration::from_secs(30);

/// Attempts at a time, over all plugins. The pool below has a slot for each.
pub const ATTEMPTS_AT_A_TIME: u32 = 256;

/// Bytes of one linear memory that the pool reserves room for; a plugin's own limit lies below it.
pub const MEMORY_BYTES_MAX: usize = 256 << 20;

/// Instances that wait for their next request, over all plugins. The pool has a slot for each beside those of attempts.
pub const IDLE_INSTANCES_MAX: u32 = 64;

/// MiB that those may have in all, each by what it may have at most.
pub const IDLE_MEMORY_MIB_MAX: u32 = 2_048;

/// How long an instance waits for its next request.
pub const IDLE_FOR: Duration = Duration::from_secs(30);

/// Milliseconds between two looks at the CPU budget of running guests.
pub const EPOCH_MS: u64 = 1;

/// Bytes of a guest's stack.
pub const STACK_BYTES: usize = 512 << 10;

/// Bytes of the lowest part of a memory that are reset by copying. It is more than an instance of a small Rust guest has in all, and no more than a plugin's places may
/// keep resident.
pub const KEEP_RESIDENT_BYTES: usize = 512 << 10;

/// Bytes of tables that are reset by copying.
pub const TABLE_KEEP_RESIDENT_BYTES: usize = 16 << 10;

/// Frames of a guest's stack in a trap's reason.
pub const BACKTRACE_FRAMES: usize = 16;

/// Bytes of an answer's body that are gathered before it leaves, where the guest writes them without waiting for anything else.
pub const ANSWER_GATHERED_BYTES: usize = 64 << 10;

/// Bytes of the body of an answer that waits until its call is over and what it did is durable.
pub const ANSWER_HELD_BYTES_MAX: usize = 1 << 20;

/// Bytes of the fields of a plugin's answer.
pub const ANSWER_HEAD_BYTES_MAX: usize = 32 << 10;

/// Fields of a plugin's answer.
pub const ANSWER_FIELDS_MAX: usize = 100;
