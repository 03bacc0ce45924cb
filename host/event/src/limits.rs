//! The limits of events and names, each with its unit. They are checked when a value is made, so nothing that exists is
//! larger. Bodies are bounded while they are read, by whoever reads them: not here.

/// An event: the names and values of its attributes plus its payload, in bytes.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Events in one batch.
pub const BATCH_EVENTS_MAX: usize = 1_000;

/// Events of a batch that are read, or matched, before others have their turn on the same thread.
pub const EVENTS_PER_TURN: usize = 16;

/// A batch as it is sent, in bytes.
pub const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Extension attributes of one event.
pub const EXTENSIONS_MAX: usize = 64;

/// The value of one attribute, in bytes of its canonical string form.
pub const ATTRIBUTE_BYTES_MAX: usize = 8 * 1024;

/// The name of an attribute, in bytes. CloudEvents says "should not exceed 20 characters"; here it must not.
pub const ATTRIBUTE_NAME_BYTES_MAX: usize = 20;

/// The name of a tenant, bus, rule, plugin, bucket or queue, in bytes.
pub const NAME_BYTES_MAX: usize = 63;

/// How much of a refused value an error message repeats, in characters.
pub const ERROR_VALUE_CHARS_MAX: usize = 64;

/// An event type in a grant, in bytes.
pub const GRANT_BYTES_MAX: usize = 1_024;

/// What a component says of its needs, over all sections that say it, in bytes.
pub const NEEDS_BYTES_MAX: usize = 16 * 1024;

/// Event types and buckets that it names there.
pub const NEEDS_MAX: usize = 256;

/// What a component says of its handler, over all sections that say it, in bytes.
pub const DECLARED_BYTES_MAX: usize = 16 * 1024;

/// Event types that it names there.
pub const DECLARED_TYPES_MAX: usize = 100;

/// Bytes of a path or of a time there.
pub const DECLARED_TEXT_BYTES_MAX: usize = 1_024;

/// Bytes of an ordering key; what is longer goes by its digest.
pub const ORDERING_KEY_BYTES_MAX: usize = 128;

/// The path of a route, in bytes.
pub const ROUTE_PATH_BYTES_MAX: usize = 256;
