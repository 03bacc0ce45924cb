//! The port through which the machine sees its state: ordered tables of bytes.
//!
//! `wharf-state` implements it over an in-memory overlay and redb. The machine alone knows what the rows mean.

use std::ops::Bound;

use bytes::Bytes;

/// The tables of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// The rule set in force: one row, key empty.
    Rules,
    /// Unsettled deliveries by tenant, target, whether they wait for a time, delivery id.
    Deliveries,
    /// When those that wait for a time are due, by that time and the delivery's key. The rows are empty.
    Timers,
    /// Key-value rows by tenant, bucket, key.
    Values,
    /// Buckets by tenant, bucket.
    Buckets,
    /// Dead letters by tenant, queue, delivery id.
    DeadLetters,
    /// The queue of each dead letter by delivery id.
    Letters,
    /// Depth of each dead-letter queue by tenant, queue.
    Queues,
    /// Counters by tenant.
    Stats,
    /// What full segments of the log hold, by their first frame.
    Segments,
    /// Control objects by tenant, kind, name. Their rows are those of values.
    Objects,
    /// What attempts used by tenant, hour, plugin.
    Usage,
    /// Bytes of the values of a tenant and of what models answered, and deliveries that wait of a tenant's plugin.
    Sizes,
    /// When schedules are due next, by tenant, schedule. Their rows are those of values.
    Schedules,
    /// How replays stand, by tenant, replay. Their rows are those of values.
    Replays,
    /// How far events came that are owed to very many, by tenant, position.
    FanOuts,
    /// Deliveries with an ordering key by tenant, target, key, delivery id: the first of each key with an empty row, the others with theirs.
    Behind,
    /// Until when messages of queues are hidden, by tenant, queue, whether somebody has them, that time, delivery id. The rows of those
    /// that somebody has name the record that leased them.
    Hidden,
    /// What models answered by tenant, delivery, call, whose answers a message shares, and what models cost. Those rows are those of values, with the digest of what was asked before each answer.
    Models,
    /// How redrives at a rate stand, by tenant, queue. Their rows are those of values.
    Redrives,
}

impl Table {
    /// All of them.
    pub const ALL: [Table; 20] = [
        Table::Rules,
        Table::Deliveries,
        Table::Timers,
        Table::Values,
        Table::Buckets,
        Table::DeadLetters,
        Table::Letters,
        Table::Queues,
        Table::Stats,
        Table::Segments,
        Table::Objects,
        Table::Usage,
        Table::Sizes,
        Table::Schedules,
        Table::Replays,
        Table::FanOuts,
        Table::Behind,
        Table::Hidden,
        Table::Models,
        Table::Redrives,
    ];

    /// The number that it has in records.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Table::Rules => 1,
            Table::Deliveries => 2,
            Table::Timers => 3,
            Table::Values => 4,
            Table::Buckets => 5,
            Table::DeadLetters => 6,
            Table::Letters => 7,
            Table::Queues => 8,
            Table::Stats => 9,
            Table::Segments => 10,
            Table::Objects => 11,
            Table::Usage => 12,
            Table::Sizes => 13,
            Table::Schedules => 15,
            Table::Replays => 16,
            Table::FanOuts => 17,
            Table::Behind => 14,
            Table::Hidden => 18,
            Table::Models => 19,
            Table::Redrives => 20,
        }
    }

    /// The table of that number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.number() == number)
    }

    /// The name that it has on disk.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Table::Rules => "rules",
            Table::Deliveries => "deliveries",
            Table::Timers => "timers",
            Table::Values => "values",
            Table::Buckets => "buckets",
            Table::DeadLetters => "dead-letters",
            Table::Letters => "letters",
            Table::Queues => "queues",
            Table::Stats => "stats",
            Table::Segments => "segments",
            Table::Objects => "objects",
            Table::Usage => "usage",
            Table::Sizes => "sizes",
            Table::Schedules => "schedules",
            Table::Replays => "replays",
            Table::FanOuts => "fan-outs",
            Table::Behind => "behind",
            Table::Hidden => "hidden",
            Table::Models => "models",
            Table::Redrives => "redrives",
        }
    }
}

/// The state could not be read, or holds what it cannot hold.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The store below failed.
    #[error("table {table} cannot be read")]
    Storage {
        /// Which table.
        table: &'static str,
        /// What the store said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row does not decode.
    #[error("a row of table {table} is damaged")]
    Row {
        /// Which table.
        table: &'static str,
        /// What is wrong with it.
        source: crate::DecodeError,
    },
}

/// Ordered tables of bytes.
pub trait Tables {
    /// The row under `key`.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, TableError>;

    /// At most `limit` rows whose keys begin with `prefix` and lie above `after`, in key order.
    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, TableError>;

    /// Writes a row whose key is known to be absent. A row that is inserted and removed between two checkpoints leaves no
    /// trace in the store below.
    fn insert(&mut self, table: Table, key: &[u8], row: Vec<u8>);

    /// Writes a row.
    fn put(&mut self, table: Table, key: &[u8], row: Vec<u8>);

    /// Writes a row, or removes it, and tells what was there.
    fn replace(&mut self, table: Table, key: &[u8], row: Option<Vec<u8>>) -> Result<Option<Bytes>, TableError> {
        let was = self.get(table, key)?;
        match row {
            Some(row) => self.put(table, key, row),
            None => self.remove(table, key),
        }
        Ok(was)
    }

    /// Removes a row; it need not be there.
    fn remove(&mut self, table: Table, key: &[u8]);
}
