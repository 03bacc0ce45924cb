//! The limits of what goes out, each with its unit.

use std::time::Duration;

/// The head of an answer, in bytes.
pub const ANSWER_HEAD_BYTES_MAX: usize = 65_536;

/// Fields in the head of an answer.
pub const ANSWER_FIELDS_MAX: usize = 100;

/// What is read of an answer behind what is kept, in bytes, so that its connection can be used again. Behind that it is closed.
pub const DRAINED_BYTES_MAX: usize = 65_536;

/// Addresses of a name that are tried, one behind the other.
pub const ADDRESSES_TRIED_MAX: usize = 8;

/// How long one address may take to answer, where others are left.
pub const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// How long a connection by which nobody can send any more may take to say that it ends.
pub const END_WAIT: Duration = Duration::from_millis(100);

/// How long its peer may leave what was sent untaken, in milliseconds, before the kernel ends it.
pub const UNTAKEN_MS_MAX: u32 = 30_000;

/// Names whose addresses the system looks for at a time: each takes a thread, for as long as the slowest server takes.
pub const LOOKUPS_MAX: usize = 256;

/// The same for one owner.
pub const LOOKUPS_PER_OWNER_MAX: usize = 8;

/// Connections that wait for their next request, over all tenants.
pub const IDLE_MAX: usize = 1_024;

/// Connections that wait for their next request at one place of one tenant.
pub const IDLE_PER_PLACE_MAX: usize = 8;

/// How long a connection waits for its next request.
pub const IDLE_WAIT: Duration = Duration::from_secs(30);

/// An address that is sent to, in bytes.
pub const URL_BYTES_MAX: usize = 2_048;

/// Networks that one may be granted.
pub const NETWORKS_MAX: usize = 64;

/// DNS servers that may be named.
pub const DNS_SERVERS_MAX: usize = 4;

/// How long a DNS server may take for an answer.
pub const DNS_WAIT: Duration = Duration::from_secs(2);

/// How often each DNS server is asked.
pub const DNS_ROUNDS: usize = 2;

/// An answer of a DNS server, in bytes.
pub const DNS_ANSWER_BYTES_MAX: usize = 4_096;

/// Names that lead from one to the next until there is an address.
pub const DNS_ALIASES_MAX: usize = 16;

/// Requests of one owner that are under way at a time.
pub const OPEN_PER_OWNER_MAX: usize = 64;

/// Requests to models of one owner that are under way at a time: an answer in pieces takes as long as its model.
pub const MODELS_OPEN_PER_OWNER_MAX: usize = 1_024;

/// Failures of one owner at one place, none of them followed by an answer, behind which nothing is sent there for a while.
pub const FAILURES_MAX: u32 = 5;

/// How long nothing is sent then.
pub const REST: Duration = Duration::from_secs(10);

/// Places whose failures are counted.
pub const PLACES_WATCHED_MAX: usize = 4_096;
