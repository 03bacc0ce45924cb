//! What an attempt did, kept back until its settlement, and what it read.
//!
//! A failed attempt's effects are dropped as a whole. At most one change is kept per key: a later one replaces or continues
//! the earlier.

use std::collections::BTreeMap;

use wharf_delivery::{HostLimits, Read, ReadKey, Used, WriteOp, WriteRequest};
use wharf_event::{BucketName, Event, Position};

use crate::{limits::READ_BYTES_MAX, spent::Spent};

/// A version that nothing ever has.
const NEVER: Position = Position { k: u64::MAX, i: u32::MAX };

/// Buffered effects, and the versions that the attempt saw.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    limits: HostLimits,
    published: Vec<Event>,
    published_bytes: usize,
    pub(crate) writes: BTreeMap<(BucketName, String), WriteOp>,
    written_bytes: usize,
    reads: BTreeMap<ReadKey, Position>,
    reads_made: usize,
    read_bytes: usize,
    /// What all of it comes to, for whoever charges it.
    used: Used,
}

fn count(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// So many KiB, in bytes.
pub(crate) fn bytes(kib: u32) -> usize {
    usize::try_from(kib).unwrap_or(usize::MAX).saturating_mul(1 << 10)
}

impl Effects {
    /// None so far.
    #[must_use]
    pub fn new(limits: HostLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes the effects apart: events, changes, reads.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Event>, Vec<WriteRequest>, Vec<Read>) {
        let writes = self.writes.into_iter().map(|((bucket, key), op)| WriteRequest { bucket, key, op }).collect();
        let reads = self.reads.into_iter().map(|(key, version)| Read { key, version }).collect();
        (self.published, writes, reads)
    }

    /// What the host did and passed for it, whether it is kept or not.
    #[must_use]
    pub fn used(&self) -> Used {
        self.used
    }

    /// Notes that bytes of values or keys were passed to the guest.
    pub(crate) fn gave(&mut self, bytes: usize) {
        self.used.bytes_in += bytes as u64;
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
        let HostLimits { publishes, publish_kib, .. } = self.limits;
        let size = self.published_bytes + event.size();
        self.put_out(event.size());
        if self.published.len() >= count(publishes) {
            return Err(Spent::Publishes(publishes));
        }
        if size > bytes(publish_kib) {
            return Err(Spent::PublishedBytes(publish_kib));
        }
        self.published_bytes = size;
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
            return Err(Spent::ReadBytes);
        }
        self.made_reads(1)
    }

    pub(crate) fn made_reads(&mut self, reads: usize) -> Result<(), Spent> {
        self.reads_made += reads;
        self.used.host_calls += reads as u64;
        let most = self.limits.kv_reads;
        if self.reads_made > count(most) { Err(Spent::Reads(most)) } else { Ok(()) }
    }

    /// Changes a key; a later change of it replaces this one.
    ///
    /// # Errors
    /// When a bound is spent.
    pub fn write(&mut self, bucket: &BucketName, key: &str, op: WriteOp) -> Result<(), Spent> {
        let HostLimits { kv_writes, kv_write_kib, .. } = self.limits;
        let size = key.len() + if let WriteOp::Set(value) = &op { value.len() } else { 8 };
        self.put_out(size);
        if self.written_bytes + size > bytes(kv_write_kib) {
            return Err(Spent::WrittenBytes(kv_write_kib));
        }
        let place = (bucket.clone(), key.to_owned());
        if self.writes.len() >= count(kv_writes) && !self.writes.contains_key(&place) {
            return Err(Spent::Writes(kv_writes));
        }
        self.written_bytes += size;
        self.writes.insert(place, op);
        Ok(())
    }

    fn put_out(&mut self, bytes: usize) {
        self.used.host_calls += 1;
        self.used.bytes_out += bytes as u64;
    }

    pub(crate) fn pending(&self, bucket: &BucketName, key: &str) -> Option<&WriteOp> {
        self.writes.get(&(bucket.clone(), key.to_owned()))
    }
}
