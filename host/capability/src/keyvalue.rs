//! Capability: `wasi:keyvalue` and our `counters`, transactional with the settlement.
//!
//! Reads see the committed state plus the attempt's own writes, and are remembered with the version that they saw; the
//! sequencer refuses the settle if one of them changed meanwhile. `add` reads nothing, so it never conflicts.

use std::collections::BTreeSet;

use bytes::Bytes;
use wasmtime::component::Resource;
use wharf_delivery::{ReadKey, WriteOp};
use wharf_event::{BucketAccess, BucketName, Grants, Position, TenantName};
use wharf_recording::{Begun, Call};

use crate::{
    Attempt,
    bindings::{
        wasi::{
            keyvalue::{
                atomics,
                store::{self, Error, KeyResponse},
            },
            logging::logging::Level,
        },
        wharf::plugin::counters,
    },
    limits::{KEY_BYTES_MAX, LIST_PAGE, VALUE_BYTES_MAX},
};

/// The committed state, as attempts see it.
pub trait CommittedValues: Send + Sync {
    /// The value under a key with its version.
    fn value(
        &self,
        tenant: &TenantName,
        bucket: &BucketName,
        key: &str,
    ) -> Result<Option<(Position, Bytes)>, ReadFailed>;

    /// At most `limit` keys above `after`, in order.
    fn keys(
        &self,
        tenant: &TenantName,
        bucket: &BucketName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<KeyPage, ReadFailed>;

    /// Whether another attempt has been given a key for itself, after a conflict.
    fn is_taken(&self, tenant: &TenantName, key: &ReadKey) -> bool;
}

/// Another attempt has the key for itself: this one ends here, queues for the key, and runs again, uncounted.
#[derive(Clone, Debug, thiserror::Error)]
#[error("another attempt has this key for itself")]
pub struct Contended(pub ReadKey);

/// One page of a bucket's committed keys.
#[derive(Clone, Debug, Default)]
pub struct KeyPage {
    /// The bucket's membership version.
    pub membership: Position,
    /// The keys.
    pub keys: Vec<String>,
}

/// The state could not be read. The attempt ends as a host failure.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the key-value state cannot be read: {0}")]
pub struct ReadFailed(pub String);

/// An open bucket, with the last key of each page that was listed: a cursor is an index into them.
pub struct Bucket {
    name: BucketName,
    pages: Vec<String>,
}

/// One page of a bucket's keys as an attempt sees them; `end` is where the next page begins, if there is one.
struct Listed {
    keys: Vec<String>,
    end: Option<String>,
}

/// The outer error ends the attempt, the inner one is the guest's to handle.
type Answer<T> = wasmtime::Result<Result<T, Error>>;

fn check_key(key: &str) -> Result<(), Error> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(Error::Other(format!("a key has 1 to {KEY_BYTES_MAX} bytes, this one has {}", key.len())));
    }
    Ok(())
}

/// The word for an error in the contract, with what it says beside.
fn wrong(call: Call, error: &Error) -> Call {
    match error {
        Error::NoSuchStore => call.told("error", "no-such-store"),
        Error::AccessDenied => call.told("error", "access-denied"),
        Error::Other(why) => call.told("error", "other").told("why", why.as_str()),
    }
}

fn integer<T: std::str::FromStr>(value: &[u8]) -> Result<T, Error> {
    let parsed = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| Error::Other("the value under this key is no decimal integer in range".into()))
}

impl Attempt {
    fn bucket(&self, bucket: &Resource<Bucket>) -> wasmtime::Result<BucketName> {
        Ok(self.table.get(bucket)?.name.clone())
    }

    /// Records what a call about a bucket was told.
    fn note<T>(
        &self,
        begun: Begun,
        call: impl FnOnce() -> Call,
        answer: &Result<T, Error>,
        told: impl FnOnce(Call, &T) -> Call,
    ) {
        self.context.tape.note(begun, || match answer {
            Ok(answer) => told(call(), answer),
            Err(error) => wrong(call(), error),
        });
    }

    fn queue_if_taken(&self, key: &ReadKey) -> Result<(), Contended> {
        let taken = self.context.values.is_taken(&self.context.tenant, key);
        if taken { Err(Contended(key.clone())) } else { Ok(()) }
    }

    /// The committed value, without a trace of having been read.
    fn committed(&self, bucket: &BucketName, key: &str) -> wasmtime::Result<Option<(Position, Bytes)>> {
        Ok(self.context.values.value(&self.context.tenant, bucket, key)?)
    }

    /// The value as this attempt sees it.
    fn read(&mut self, bucket: &BucketName, key: &str) -> wasmtime::Result<Result<Option<Bytes>, Error>> {
        if let Err(error) = check_key(key) {
            return Ok(Err(error));
        }
        let delta = match self.effects.pending(bucket, key) {
            Some(WriteOp::Set(value)) => return Ok(Ok(Some(value.clone()))),
            Some(WriteOp::Delete) => return Ok(Ok(None)),
            Some(WriteOp::Add(delta)) => Some(*delta),
            None => None,
        };
        let read_key = ReadKey::Value(bucket.clone(), key.to_owned());
        self.queue_if_taken(&read_key)?;
        let found = self.committed(bucket, key)?;
        let version = found.as_ref().map_or(Position::ZERO, |(version, _)| *version);
        self.effects.saw(read_key, version)?;
        let value = found.map(|(_, value)| value);
        self.effects.gave(value.as_ref().map_or(0, Bytes::len));
        let Some(delta) = delta else { return Ok(Ok(value)) };
        let sum = value.as_deref().map_or(Ok(0), integer::<i64>).map(|before| before.saturating_add(delta));
        Ok(sum.map(|sum| Some(Bytes::from(sum.to_string()))))
    }

    /// Says in the log how a bucket is granted, since the guest's error has no room for it.
    fn denied<T>(&mut self, bucket: BucketName, why: &str) -> Answer<T> {
        let line = format!("bucket `{bucket}` {why}; ");
        let more = Grants { kv: vec![BucketAccess::whole(bucket)], ..Grants::default() };
        let line = line + &self.context.grants_line(&more);
        self.log.line(Level::Warn, "wharf", &line)?;
        Ok(Err(Error::AccessDenied))
    }

    fn write(&mut self, bucket: &BucketName, key: &str, op: WriteOp) -> Answer<()> {
        if !self.context.grants.may_write(bucket) {
            return self.denied(bucket.clone(), "is granted for reading only");
        }
        if let Err(error) = check_key(key) {
            return Ok(Err(error));
        }
        // A writer queues as well, or whoever has the key for itself would be overtaken for ever.
        self.queue_if_taken(&ReadKey::Value(bucket.clone(), key.to_owned()))?;
        self.queue_if_taken(&ReadKey::Listing(bucket.clone()))?;
        if let WriteOp::Set(value) = &op
            && value.len() > VALUE_BYTES_MAX
        {
            return Ok(Err(Error::Other(format!("a value has at most {VALUE_BYTES_MAX} bytes"))));
        }
        self.effects.write(bucket, key, op)?;
        Ok(Ok(()))
    }

    fn list(&mut self, bucket: &BucketName, after: Option<String>) -> wasmtime::Result<Result<Listed, Error>> {
        let listing = ReadKey::Listing(bucket.clone());
        self.queue_if_taken(&listing)?;
        let page = self.context.values.keys(&self.context.tenant, bucket, after.as_deref(), LIST_PAGE)?;
        self.effects.saw(listing, page.membership)?;
        self.effects.made_reads(page.keys.len())?;
        self.effects.gave(page.keys.iter().map(String::len).sum());
        // The last committed key of a full page stays the page's end even if this attempt deleted it.
        let end = page.keys.last().filter(|_| page.keys.len() == LIST_PAGE).cloned();
        let mut keys: BTreeSet<String> = page.keys.into_iter().collect();
        for ((_, key), op) in self.effects.writes.iter().filter(|((name, _), _)| name == bucket) {
            let in_page = after.as_ref().is_none_or(|after| key > after) && end.as_ref().is_none_or(|end| key <= end);
            if matches!(op, WriteOp::Delete) {
                keys.remove(key);
            } else if in_page {
                keys.insert(key.clone());
            }
        }
        Ok(Ok(Listed { keys: keys.into_iter().collect(), end }))
    }

    fn opened_bucket(&mut self, identifier: &str) -> Answer<Resource<Bucket>> {
        let own = self.context.plugin.as_str();
        let name = if identifier.is_empty() || identifier == "default" { own } else { identifier };
        let Ok(name) = name.parse::<BucketName>() else { return Ok(Err(Error::NoSuchStore)) };
        if !self.context.grants.may_read(&name) {
            return self.denied(name, "is not granted");
        }
        Ok(Ok(self.table.push(Bucket { name, pages: Vec::new() })?))
    }

    fn incremented(&mut self, bucket: &BucketName, key: &str, delta: u64) -> Answer<u64> {
        let before = match self.read(bucket, key)? {
            Ok(value) => value.as_deref().map_or(Ok(0), integer::<u64>),
            Err(error) => Err(error),
        };
        let sum = before.and_then(|before| {
            before.checked_add(delta).ok_or_else(|| Error::Other("the sum does not fit into 64 bits".into()))
        });
        match sum {
            Ok(sum) => Ok(self.write(bucket, key, WriteOp::Set(sum.to_string().into()))?.map(|()| sum)),
            Err(error) => Ok(Err(error)),
        }
    }
}

/// A call about a key.
fn about(function: &'static str, bucket: &BucketName, key: &str) -> Call {
    Call::of(function).asked("bucket", bucket.as_str()).asked("key", key)
}

impl store::Host for Attempt {
    fn open(&mut self, identifier: String) -> Answer<Resource<Bucket>> {
        let begun = self.context.tape.begin();
        let opened = self.opened_bucket(&identifier)?;
        let call = || Call::of("wasi:keyvalue/store.open").asked("identifier", identifier);
        self.note(begun, call, &opened, |call, _| call);
        Ok(opened)
    }
}

impl store::HostBucket for Attempt {
    fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Option<Vec<u8>>> {
        let bucket = self.bucket(&bucket)?;
        let begun = self.context.tape.begin();
        let value = self.read(&bucket, &key)?;
        let call = || about("wasi:keyvalue/store.get", &bucket, &key);
        self.note(begun, call, &value, |call, value| {
            value.iter().fold(call, |call, it| call.told("value", it.clone()))
        });
        Ok(value.map(|value| value.map(|value| value.to_vec())))
    }

    fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Answer<()> {
        let bucket = self.bucket(&bucket)?;
        self.write(&bucket, &key, WriteOp::Set(value.into()))
    }

    fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<()> {
        let bucket = self.bucket(&bucket)?;
        self.write(&bucket, &key, WriteOp::Delete)
    }

    fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<bool> {
        let bucket = self.bucket(&bucket)?;
        let begun = self.context.tape.begin();
        let exists = self.read(&bucket, &key)?.map(|value| value.is_some());
        let call = || about("wasi:keyvalue/store.exists", &bucket, &key);
        self.note(begun, call, &exists, |call, exists| call.told("exists", if *exists { "true" } else { "false" }));
        Ok(exists)
    }

    fn list_keys(&mut self, bucket: Resource<Bucket>, cursor: Option<u64>) -> Answer<KeyResponse> {
        let name = self.bucket(&bucket)?;
        let after = match cursor {
            None => None,
            Some(cursor) => {
                let page =
                    usize::try_from(cursor).ok().and_then(|n| self.table.get(&bucket).ok()?.pages.get(n).cloned());
                let Some(page) = page else {
                    return Ok(Err(Error::Other("this cursor is from another bucket".into())));
                };
                Some(page)
            }
        };
        let begun = self.context.tape.begin();
        let listed = self.list(&name, after.clone())?;
        let call = || {
            let call = Call::of("wasi:keyvalue/store.list-keys").asked("bucket", name.as_str());
            after.iter().fold(call, |call, after| call.asked("after", after.as_str()))
        };
        self.note(begun, call, &listed, |call, Listed { keys, end }| {
            let call = keys.iter().fold(call, |call, key| call.told("key", key.as_str()));
            end.iter().fold(call, |call, end| call.told("end", end.as_str()))
        });
        let Listed { keys, end } = match listed {
            Ok(listed) => listed,
            Err(error) => return Ok(Err(error)),
        };
        let Some(end) = end else { return Ok(Ok(KeyResponse { keys, cursor: None })) };
        let pages = &mut self.table.get_mut(&bucket)?.pages;
        pages.push(end);
        Ok(Ok(KeyResponse { keys, cursor: Some(pages.len() as u64 - 1) }))
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for Attempt {
    fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: u64) -> Answer<u64> {
        let bucket = self.bucket(&bucket)?;
        let begun = self.context.tape.begin();
        let sum = self.incremented(&bucket, &key, delta)?;
        let call = || about("wasi:keyvalue/atomics.increment", &bucket, &key).asked("delta", delta.to_string());
        self.note(begun, call, &sum, |call, sum| call.told("value", sum.to_string()));
        Ok(sum)
    }
}

impl counters::Host for Attempt {
    fn add(&mut self, bucket: Resource<Bucket>, key: String, delta: i64) -> Answer<()> {
        let bucket = self.bucket(&bucket)?;
        if let Err(error) = check_key(&key) {
            return Ok(Err(error));
        }
        let pending = self.effects.pending(&bucket, &key).cloned();
        let overflow = || Error::Other("the sum does not fit into 64 bits".into());
        let op = match pending {
            Some(WriteOp::Set(value)) => integer::<i64>(&value)
                .and_then(|before| before.checked_add(delta).ok_or_else(overflow))
                .map(|sum| WriteOp::Set(sum.to_string().into())),
            Some(WriteOp::Delete) => Ok(WriteOp::Set(delta.to_string().into())),
            before => {
                let before = if let Some(WriteOp::Add(before)) = before { before } else { 0 };
                let committed = self.committed(&bucket, &key)?;
                let fits = committed.map_or(Ok(0), |(_, value)| integer::<i64>(&value)).and_then(|committed| {
                    let delta = before.checked_add(delta).ok_or_else(overflow)?;
                    committed.checked_add(delta).ok_or_else(overflow)?;
                    Ok(delta)
                });
                fits.map(WriteOp::Add)
            }
        };
        match op {
            Ok(op) => self.write(&bucket, &key, op),
            Err(error) => Ok(Err(error)),
        }
    }
}
