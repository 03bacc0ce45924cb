//! What an attempt did, kept back until its settlement, and what it read.
//!
//! A failed attempt's effects are dropped as a whole. At most one change is kept per key: a later one replaces or continues
//! the earlier.

use std::collections::BTreeMap;

use wharf_delivery::{Read, ReadKey, WriteOp, WriteRequest, limits::PUBLISHES_PER_ATTEMPT_MAX};
use wharf_event::{BucketName, Code, Event, Position};

use crate::limits::{PUBLISHED_BYTES_MAX, READ_BYTES_MAX, READS_MAX, WRITES_MAX, WRITTEN_BYTES_MAX};

/// A version that nothing ever has.
const NEVER: Position = Position { k: u64::MAX, i: u32::MAX };

/// Buffered effects, and the versions that the attempt saw.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    published: Vec<Event>,
    published_bytes: usize,
    pub(crate) writes: BTreeMap<(BucketName, String), WriteOp>,
    written_bytes: usize,
    reads: BTreeMap<ReadKey, Position>,
    reads_made: usize,
    read_bytes: usize,
}

/// A bound of the attempt is spent: it ends here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Spent {
    /// Too many events.
    #[error("an attempt may publish {PUBLISHES_PER_ATTEMPT_MAX} events")]
    Publishes,
    /// Too many bytes of events.
    #[error("an attempt may publish {PUBLISHED_BYTES_MAX} bytes of events")]
    PublishedBytes,
    /// Too many keys changed.
    #[error("an attempt may change {WRITES_MAX} keys")]
    Writes,
    /// Too many bytes written.
    #[error("an attempt may write {WRITTEN_BYTES_MAX} bytes")]
    WrittenBytes,
    /// Too many keys read.
    #[error("an attempt may read {READS_MAX} keys, of {READ_BYTES_MAX} bytes together")]
    Reads,
}

impl Spent {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Spent::Publishes | Spent::PublishedBytes => Code::LimitPublish,
            Spent::Writes | Spent::WrittenBytes | Spent::Reads => Code::LimitKv,
        }
    }
}

impl Effects {
    /// Takes the effects apart: events, changes, reads.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Event>, Vec<WriteRequest>, Vec<Read>) {
        let writes = self.writes.into_iter().map(|((bucket, key), op)| WriteRequest { bucket, key, op }).collect();
        let reads = self.reads.into_iter().map(|(key, version)| Read { key, version }).collect();
        (self.published, writes, reads)
    }

    /// How many events there are so far.
    pub(crate) fn published(&self) -> usize {
        self.published.len()
    }

    /// Publishes an event.
    ///
    /// # Errors
    /// When a bound is spent.
    pub fn publish(&mut self, event: Event) -> Result<(), Spent> {
        let bytes = self.published_bytes + event.size();
        if self.published.len() >= PUBLISHES_PER_ATTEMPT_MAX {
            return Err(Spent::Publishes);
        }
        if bytes > PUBLISHED_BYTES_MAX {
            return Err(Spent::PublishedBytes);
        }
        self.published_bytes = bytes;
        self.published.push(event);
        Ok(())
    }

    /// Remembers that `key` was seen at `version`. Seen at two versions, it was seen at none: absence can come back, so the
    /// first sight alone could pass for the whole truth.
    ///
    /// # Errors
    /// When a bound is spent.
    pub fn saw(&mut self, key: ReadKey, version: Position) -> Result<(), Spent> {
        self.read_bytes += match &key {
            ReadKey::Value(_, name) => name.len(),
            ReadKey::Listing(_) => 0,
        };
        let seen = self.reads.entry(key).or_insert(version);
        if *seen != version {
            *seen = NEVER;
        }
        if self.read_bytes > READ_BYTES_MAX {
            return Err(Spent::Reads);
        }
        self.made_reads(1)
    }

    pub(crate) fn made_reads(&mut self, count: usize) -> Result<(), Spent> {
        self.reads_made += count;
        if self.reads_made > READS_MAX { Err(Spent::Reads) } else { Ok(()) }
    }

    /// Changes a key; a later change of it replaces this one.
    ///
    /// # Errors
    /// When a bound is spent.
    pub fn write(&mut self, bucket: &BucketName, key: &str, op: WriteOp) -> Result<(), Spent> {
        let bytes = key.len() + if let WriteOp::Set(value) = &op { value.len() } else { 8 };
        if self.written_bytes + bytes > WRITTEN_BYTES_MAX {
            return Err(Spent::WrittenBytes);
        }
        let place = (bucket.clone(), key.to_owned());
        if self.writes.len() >= WRITES_MAX && !self.writes.contains_key(&place) {
            return Err(Spent::Writes);
        }
        self.written_bytes += bytes;
        self.writes.insert(place, op);
        Ok(())
    }

    pub(crate) fn pending(&self, bucket: &BucketName, key: &str) -> Option<&WriteOp> {
        self.writes.get(&(bucket.clone(), key.to_owned()))
    }
}
