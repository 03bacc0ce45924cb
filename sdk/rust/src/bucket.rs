//! Key-value buckets: what an attempt reads and writes.
//!
//! Invariant: a bucket is opened in the host at its first use and once per attempt, however often the author asks for it.
//!
//! It does not commit: the host does, when the handler returns `Ok`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::wasi::keyvalue::store;
use crate::port::Handle;

/// A bucket of keys and values.
///
/// Reads see what was committed before the attempt plus the attempt's own writes. Writes become durable together with the
/// settlement of the event. If what an attempt read has changed by then, the attempt conflicts and the host runs the handler
/// again; blind writes ([`set`](Self::set), [`delete`](Self::delete)) and [`add`](Self::add) never conflict.
pub struct Bucket<'cx> {
    name: String,
    open: &'cx OpenBuckets,
}

/// Why a call on a bucket did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KvError {
    /// There is no bucket of that name.
    #[error("there is no bucket `{bucket}`")]
    NoSuchBucket {
        /// The bucket that was asked for.
        bucket: String,
    },
    /// No grant of this plugin names the bucket.
    #[error("{} is not granted to this plugin", named(bucket))]
    AccessDenied {
        /// The bucket that was asked for.
        bucket: String,
    },
    /// The host refused the call: a limit, or a value that is no number where one is needed.
    #[error("bucket `{bucket}`: {reason}")]
    Refused {
        /// The bucket that was asked for.
        bucket: String,
        /// Why, in the host's words.
        reason: String,
    },
    /// The value is not the JSON that it should be, or has no JSON form.
    #[error("bucket `{bucket}`, key `{key}`")]
    Json {
        /// The bucket that was asked for.
        bucket: String,
        /// The value's key.
        key: String,
        /// What is wrong with the value.
        source: serde_json::Error,
    },
}

/// A bucket as messages call it. What the default one is really called, only the host knows: it is named like the plugin.
fn named(bucket: &str) -> String {
    if bucket == "default" {
        "the plugin's own bucket (named like it)".to_owned()
    } else {
        format!("bucket `{bucket}`")
    }
}

/// The buckets that this attempt has opened, by name.
#[derive(Default)]
pub(crate) struct OpenBuckets(RefCell<BTreeMap<String, Rc<Handle>>>);

impl<'cx> Bucket<'cx> {
    pub(crate) fn new(name: String, open: &'cx OpenBuckets) -> Self {
        Self { name, open }
    }

    /// The value under `key`, if there is one.
    ///
    /// # Errors
    ///
    /// When the bucket is not there or not granted, or the host refuses the call, as for all methods of a bucket.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        self.handle()?.get(key).map_err(|error| self.error(error))
    }

    /// The value under `key`, read as JSON.
    ///
    /// # Errors
    ///
    /// Also when the value is no JSON, or not that of a `T`.
    pub fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, KvError> {
        let value = self.get(key)?;
        value.map(|value| serde_json::from_slice(&value)).transpose().map_err(|source| self.json_error(key, source))
    }

    /// Stores `value` under `key`.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub fn set(&self, key: &str, value: impl AsRef<[u8]>) -> Result<(), KvError> {
        self.handle()?.set(key, value.as_ref()).map_err(|error| self.error(error))
    }

    /// Stores `value` under `key`, as JSON.
    ///
    /// # Errors
    ///
    /// Also when `value` has no JSON form.
    pub fn set_json(&self, key: &str, value: &(impl Serialize + ?Sized)) -> Result<(), KvError> {
        let value = serde_json::to_vec(value).map_err(|source| self.json_error(key, source))?;
        self.set(key, value)
    }

    /// Removes `key`; it need not be there.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub fn delete(&self, key: &str) -> Result<(), KvError> {
        self.handle()?.delete(key).map_err(|error| self.error(error))
    }

    /// Whether there is a value under `key`.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub fn exists(&self, key: &str) -> Result<bool, KvError> {
        self.handle()?.exists(key).map_err(|error| self.error(error))
    }

    /// All keys of the bucket, in order. An attempt that lists a bucket conflicts with every one that adds or removes a key.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub fn list_keys(&self) -> Result<Vec<String>, KvError> {
        let handle = self.handle()?;
        let mut keys = Vec::new();
        let mut cursor = None;
        loop {
            let page = handle.list_keys(cursor).map_err(|error| self.error(error))?;
            keys.extend(page.keys);
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(keys);
            }
        }
    }

    /// Adds `delta` to the decimal integer under `key` (absent = 0) and gives the sum. It reads, so it can conflict: where the
    /// sum is not needed, [`add`](Self::add) is the better one.
    ///
    /// # Errors
    ///
    /// Also when the value is no decimal integer, or the sum is too large.
    pub fn increment(&self, key: &str, delta: u64) -> Result<u64, KvError> {
        self.handle()?.increment(key, delta).map_err(|error| self.error(error))
    }

    /// Adds `delta` to the decimal integer under `key` (absent = 0) when the attempt commits. It never conflicts, since nobody
    /// learns the sum.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub fn add(&self, key: &str, delta: i64) -> Result<(), KvError> {
        self.handle()?.add(key, delta).map_err(|error| self.error(error))
    }

    /// The host's bucket, opened now if this attempt has not opened it yet.
    fn handle(&self) -> Result<Rc<Handle>, KvError> {
        if let Some(known) = self.open.0.borrow().get(&self.name) {
            return Ok(Rc::clone(known));
        }
        let opened = Rc::new(Handle::open(&self.name).map_err(|error| self.error(error))?);
        self.open.0.borrow_mut().insert(self.name.clone(), Rc::clone(&opened));
        Ok(opened)
    }

    fn error(&self, error: store::Error) -> KvError {
        let bucket = self.name.clone();
        match error {
            store::Error::NoSuchStore => KvError::NoSuchBucket { bucket },
            store::Error::AccessDenied => KvError::AccessDenied { bucket },
            store::Error::Other(reason) => KvError::Refused { bucket, reason },
        }
    }

    fn json_error(&self, key: &str, source: serde_json::Error) -> KvError {
        KvError::Json { bucket: self.name.clone(), key: key.to_owned(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_host_name_the_bucket() {
        let open = OpenBuckets::default();
        let bucket = Bucket::new("orders".to_owned(), &open);
        for (error, said) in [
            (store::Error::NoSuchStore, "there is no bucket `orders`"),
            (store::Error::AccessDenied, "bucket `orders` is not granted to this plugin"),
            (store::Error::Other("the value is no number".to_owned()), "bucket `orders`: the value is no number"),
        ] {
            assert_eq!(bucket.error(error).to_string(), said);
        }
    }

    #[test]
    fn a_value_that_is_no_json_is_named_by_its_key() {
        let open = OpenBuckets::default();
        let bucket = Bucket::new("orders".to_owned(), &open);
        let source = serde_json::from_str::<u32>("x").unwrap_err();
        let failure = crate::Failure::from(bucket.json_error("7", source));
        assert_eq!(failure, crate::Failure::retry("bucket `orders`, key `7`: expected value at line 1 column 1"));
    }
}
