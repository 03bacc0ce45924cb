//! The bounds of the delivery machine, each with its unit.

/// Deliveries that may wait in one partition at a time. Above it admission answers `overloaded`. They are on disk, and cost no memory.
pub const PENDING_DELIVERIES_MAX: u64 = 20_000_000;

/// How many of those are kept for tenants of whom little waits: others, however many they are, make the host `overloaded` before.
pub const PENDING_RESERVED: u64 = 200_000;

/// Deliveries that wait of a tenant of whom little does.
pub const TENANT_PENDING_FEW: u64 = 10_000;

/// Deliveries that may wait of one tenant where nothing else is said, so that one cannot use up the room of all.
pub const TENANT_PENDING_MAX: u32 = 500_000;

/// Bytes of the keys and values of one tenant where nothing else is said.
pub const VALUE_BYTES_PER_TENANT: u64 = 10 << 30;

/// Bytes of the components and models that a tenant keeps, unless its settings say otherwise.
pub const UPLOAD_BYTES_PER_TENANT: u64 = 10 << 30;

/// Deliveries that may wait before handlers may publish no more to anyone: what is under way has some room above admission.
pub const PUBLISHING_PENDING_MAX: u64 = 24_000_000;

/// Targets that one event may have. (They are numbered in two bytes.)
pub const TARGETS_PER_EVENT_MAX: usize = 10_000;

/// Deliveries of one event that one record lets arise; the rest arise by further ones.
pub const TARGETS_AT_ONCE: usize = 256;

/// Events that one attempt may publish. Their position's low byte numbers them, so this can never exceed 255.
pub const PUBLISHES_PER_ATTEMPT_MAX: u32 = 100;

/// How often an event may cause another before its deliveries are dead-lettered.
pub const HOPS_MAX: u32 = 16;

/// Entries of the deduplication index. At 5 minutes this is 26,000 events a second.
pub const DEDUP_ENTRIES_MAX: usize = 8_000_000;

/// How many times what is free of them one tenant may have: 7.5 million where it is alone, each half of that where there are two.
pub const DEDUP_SHARE: usize = 16;

/// Generations that the deduplication window is cut into; one is dropped at a time.
pub const DEDUP_GENERATIONS: u64 = 10;

/// Dead letters that one redrive record moves.
pub const REDRIVE_PAGE: usize = 500;

/// What a retry policy may say of how many kinds of outcomes.
pub const OUTCOME_RULES_MAX: usize = 32;

/// Bytes of a text that an outcome's code or reason is compared with.
pub const OUTCOME_TEXT_BYTES_MAX: usize = 256;

/// Bytes of an attempt's error text that are kept.
pub const ERROR_TEXT_BYTES_MAX: usize = 4_096;

/// Events that one record carries. Their position's low byte numbers them, from 1.
pub const CARRIED_EVENTS_MAX: usize = 200;

/// Control objects that one request changes.
pub const CHANGES_MAX: usize = 1_000;

/// Rows of a tenant that one record erases.
pub const ERASED_ROWS_MAX: usize = 1_000;

/// Bytes of their keys after which a record takes no further one.
pub const ERASED_BYTES_MAX: usize = 256 << 10;

/// Bytes of rows that are read for one record of them, and how many rows are read at once: a value has up to 1 MiB.
pub const ERASED_READ_BYTES_MAX: usize = 4 << 20;
/// See [`ERASED_READ_BYTES_MAX`].
pub const ERASED_READ_ROWS: usize = 16;

/// Versions of a schema that are kept, the newest among them.
pub const SCHEMA_VERSIONS_MAX: usize = 20;

/// Bytes of those beside the newest.
pub const SCHEMA_VERSIONS_BYTES_MAX: usize = 1 << 20;

/// Hours for which it is kept what tenants used: 400 days, so that a bill can be looked at a year later.
pub const USAGE_KEPT_HOURS: u32 = 400 * 24;

/// Rows of usage that one record lets go of.
pub const USAGE_FORGOTTEN_MAX: usize = 500;

/// Messages of a queue that one request receives, ends or drops.
pub const QUEUE_MOVES_MAX: usize = 1_000;

/// Messages of one queue that clients have at a time.
pub const LEASED_PER_QUEUE_MAX: u64 = 20_000;

/// Calls of an attempt whose answers are kept: as many as it may make.
pub const ANSWERS_PER_DELIVERY_MAX: u32 = 100;

/// Deliveries whose answers one message shares. Each call that has it, and that asks beside others than before, may come to one more.
pub const SHARED_PER_MESSAGE_MAX: usize = 16;

/// Bytes of what models answered for one delivery that are kept: so much an attempt gets of them where nothing is said.
pub const ANSWERS_PER_DELIVERY_BYTES_MAX: u64 = 4 << 20;

/// Bytes of what models answered for the deliveries of one tenant.
pub const ANSWERS_PER_TENANT_BYTES_MAX: u64 = 256 << 20;

/// Answers that are read of the state at a time.
pub const ANSWERS_PAGE: usize = 16;

/// Rows that one record carries.
pub const CARRIED_ROWS_MAX: usize = 1_000;

/// Lines of an attempt's log that are kept with it: the last ones.
pub const LOG_LINES_KEPT_MAX: usize = 100;

/// Bytes of those lines.
pub const LOG_BYTES_KEPT_MAX: usize = 8 << 10;

/// What a tenant, or a plugin of it, weighs beside others where nothing is said.
pub const WEIGHT: u32 = 100;

/// What it may be said to weigh at most.
pub const WEIGHT_MAX: u32 = 10_000;

/// Attempts of one tenant at a time where nothing is said. How many others leave to it is another matter.
pub const TENANT_CONCURRENCY: u32 = 256;

/// MiB that attempts of one tenant at a time may use together where nothing is said: so much have 128 of the default.
pub const TENANT_MEMORY_MIB: u32 = 8 << 10;
