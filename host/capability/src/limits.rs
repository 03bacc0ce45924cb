//! The bounds of one attempt on the host's side, each with its unit. What a plugin's own limits may be set to is `_SETTABLE_MAX`;
//! their defaults are those of `HostLimits`.

/// KiB of events that one attempt may publish at most: they are in one record.
pub const PUBLISH_KIB_SETTABLE_MAX: u32 = 4 << 10;

/// Key-value changes of one attempt at most: no record touches more rows.
pub const KV_WRITES_SETTABLE_MAX: u32 = 1_000;

/// KiB of key-value changes of one attempt at most: they are in one record.
pub const KV_WRITE_KIB_SETTABLE_MAX: u32 = 4 << 10;

/// Keys that one attempt may read at most: all of them are looked up again when it settles.
pub const KV_READS_SETTABLE_MAX: u32 = 10_000;

/// Bytes of the keys that one attempt may read.
pub const READ_BYTES_MAX: usize = 1 << 20;

/// Bytes of a key.
pub const KEY_BYTES_MAX: usize = 1_024;

/// Bytes of a value.
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// Keys in one page of a listing.
pub const LIST_PAGE: usize = 1_000;

/// Lines that one attempt may log at most.
pub const LOG_LINES_SETTABLE_MAX: u32 = 100_000;

/// KiB that one attempt may log at most.
pub const LOG_KIB_SETTABLE_MAX: u32 = 16 << 10;

/// Bytes of one line of the log; the rest of a longer one is dropped.
pub const LOG_LINE_BYTES_MAX: usize = 8 << 10;

/// Values of secrets that an instance was given and that goes on to another call: what it says is looked through for each of them.
pub const HELD_VALUES_MAX: usize = 256;

/// How many lines more than it may log an attempt may try to, as a multiple. They are dropped; after that it is ended.
pub const LOG_DROPPED_FACTOR: u32 = 10;

/// KiB of random bytes of one attempt at most.
pub const RANDOM_KIB_SETTABLE_MAX: u32 = 64 << 10;

/// KiB that one attempt may pass in one call at most.
pub const CALL_KIB_SETTABLE_MAX: u32 = 64 << 10;

/// Handles and resources of the host that one attempt may hold at most.
pub const HANDLES_SETTABLE_MAX: u32 = 65_536;

/// Requests that one attempt may send at most.
pub const HTTP_CALLS_SETTABLE_MAX: u32 = 1_000;

/// KiB that one attempt may send and get by HTTP at most.
pub const HTTP_KIB_SETTABLE_MAX: u32 = 64 << 10;

/// Milliseconds that one request may take at most, the attempt's own time aside.
pub const HTTP_MS_SETTABLE_MAX: u32 = 900_000;

/// Calls of models that one attempt may make at most.
pub const LLM_CALLS_SETTABLE_MAX: u32 = 100;

/// KiB that one attempt may send to models and get of them at most.
pub const LLM_KIB_SETTABLE_MAX: u32 = 64 << 10;

/// Milliseconds that one call of a model may take at most, the attempt's own time aside.
pub const LLM_MS_SETTABLE_MAX: u32 = 900_000;

/// Questions to models of its tenant that one attempt may ask at most.
pub const INFER_CALLS_SETTABLE_MAX: u32 = 1_000;

/// KiB of tensors that one attempt may give to models and get of them at most.
pub const INFER_KIB_SETTABLE_MAX: u32 = 64 << 10;

/// Milliseconds that one answer of a model may take at most, the attempt's own time aside.
pub const INFER_MS_SETTABLE_MAX: u32 = 60_000;

/// Requests of one attempt that are under way at a time: each may hold a whole answer.
pub const HTTP_OPEN_MAX: usize = 8;

/// Bytes of the fields of a request.
pub const HTTP_HEAD_BYTES_MAX: usize = 32 << 10;

/// Bytes of a request's body that are taken from the guest at a time.
pub const HTTP_BODY_CHUNK_BYTES: usize = 64 << 10;

/// Tables of one attempt.
pub const TABLES_MAX: usize = 32;

/// Elements of tables of one attempt at most; the pool has room for a table of so many.
pub const TABLE_ELEMENTS_SETTABLE_MAX: u32 = 65_536;

/// Core instances of one attempt.
pub const INSTANCES_MAX: usize = 64;

/// Pages of 64 KiB that a memory may grow by before it is more than it began with: as much as the SDK of Rust sets aside for its heap.
pub const MEMORY_ROOM_PAGES: u32 = 4;

/// Bytes of the fields of answers that an instance got and that goes on to another call.
pub const HEADS_HELD_BYTES_MAX: u64 = 1 << 20;

/// Linear memories of one attempt.
pub const MEMORIES_MAX: usize = 8;
