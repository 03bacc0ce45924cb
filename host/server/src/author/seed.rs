//! The key-value state that a plugin meets: what a file says, in place of what a host has stored.
//!
//! Invariant: it never changes, and nobody else has its keys, so no call on it meets a conflict. What was read of it is remembered in
//! order.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::{Mutex, PoisonError},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use wharf_delivery::ReadKey;
use wharf_event::{BucketName, NameError, PluginName, Position, TenantName};
use wharf_runtime::{CommittedValues, KeyPage, ReadFailed};

/// The member of an object that stands for bytes which are no text.
const BASE64: &str = "base64";

/// A plugin's own bucket, as plugins call it.
const OWN: &str = "default";

/// What is no state.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// It is not an object of objects.
    #[error("the state is `{{\"BUCKET\": {{\"KEY\": VALUE}}}}`; {0} is no object")]
    Form(String),
    /// A bucket has no name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It is not JSON.
    #[error("the state is no JSON")]
    Json(#[from] serde_json::Error),
    /// Bytes are damaged.
    #[error("the value of `{0}` is no base64")]
    Base64(String),
}

/// What was read, of which a plugin learnt whether it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The bucket.
    pub bucket: BucketName,
    /// The key; absent where keys were listed.
    pub key: Option<String>,
    /// Values, or keys, that there were.
    pub found: usize,
}

/// The values of buckets.
#[derive(Debug, Default)]
pub struct Seed {
    buckets: BTreeMap<BucketName, BTreeMap<String, Bytes>>,
    seen: Mutex<Vec<Seen>>,
}

impl Seed {
    /// Reads `{"BUCKET": {"KEY": VALUE}}`: a text is its bytes, `{"base64": "…"}` is bytes, and anything else its JSON. The bucket
    /// `default` is the plugin's own.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_json(bytes: &[u8], plugin: &PluginName) -> Result<Self, SeedError> {
        Self::of(serde_json::from_slice(bytes)?, plugin)
    }

    /// The same of JSON that was read.
    ///
    /// # Errors
    /// As above.
    pub fn of(value: Value, plugin: &PluginName) -> Result<Self, SeedError> {
        let mut buckets = BTreeMap::new();
        for (name, keys) in object("it", value)? {
            let bucket = if name == OWN { plugin.as_str().parse()? } else { name.parse()? };
            let values: &mut BTreeMap<_, _> = buckets.entry(bucket).or_default();
            for (key, value) in object(&format!("`{name}`"), keys)? {
                let value = bytes(value).map_err(|()| SeedError::Base64(key.clone()))?;
                values.insert(key, value);
            }
        }
        Ok(Self { buckets, seen: Mutex::default() })
    }

    /// What was read, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, bucket: &BucketName, key: Option<&str>, found: usize) {
        let seen = Seen { bucket: bucket.clone(), key: key.map(str::to_owned), found };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    }
}

fn object(what: &str, value: Value) -> Result<serde_json::Map<String, Value>, SeedError> {
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(SeedError::Form(what.to_owned())),
    }
}

fn bytes(value: Value) -> Result<Bytes, ()> {
    match &value {
        Value::String(text) => Ok(text.clone().into()),
        Value::Object(members) if members.len() == 1 && members.contains_key(BASE64) => {
            let text = members.get(BASE64).and_then(Value::as_str).ok_or(())?;
            BASE64_STANDARD.decode(text).map(Into::into).map_err(|_| ())
        }
        other => Ok(other.to_string().into()),
    }
}

impl CommittedValues for Seed {
    fn value(&self, _: &TenantName, bucket: &BucketName, key: &str) -> Result<Option<(Position, Bytes)>, ReadFailed> {
        let found = self.buckets.get(bucket).and_then(|values| values.get(key)).cloned();
        self.note(bucket, Some(key), usize::from(found.is_some()));
        Ok(found.map(|value| (Position { k: 1, i: 0 }, value)))
    }

    fn keys(
        &self,
        _: &TenantName,
        bucket: &BucketName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<KeyPage, ReadFailed> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let values = self.buckets.get(bucket);
        let keys = values.map(|values| values.range::<str, _>((from, Bound::Unbounded)).map(|(key, _)| key.clone()));
        let keys: Vec<_> = keys.into_iter().flatten().take(limit).collect::<BTreeSet<_>>().into_iter().collect();
        self.note(bucket, None, keys.len());
        Ok(KeyPage { membership: Position { k: 1, i: 0 }, keys })
    }

    fn is_taken(&self, _: &TenantName, _: &ReadKey) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(json: &str) -> Result<Seed, String> {
        Seed::from_json(json.as_bytes(), &"orders".parse().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_text_is_its_bytes_and_anything_else_its_json() {
        let json = r#"{"default": {"a": "7", "b": {"base64": "/w=="}, "c": {"n": [1]}, "d": 7}, "x": {}}"#;
        let (seed, tenant) = (seed(json).unwrap(), "t".parse().unwrap());
        let bucket: BucketName = "orders".parse().unwrap();
        let value = |key| seed.value(&tenant, &bucket, key).unwrap().map(|(_, value)| value.to_vec());
        let found = ["a", "b", "c", "d", "e"].map(value);
        assert_eq!(
            found,
            [Some(b"7".to_vec()), Some(vec![255]), Some(br#"{"n":[1]}"#.to_vec()), Some(b"7".to_vec()), None]
        );
        assert_eq!(seed.keys(&tenant, &bucket, Some("a"), 2).unwrap().keys, ["b", "c"]);
        assert!(seed.keys(&tenant, &"y".parse().unwrap(), None, 2).unwrap().keys.is_empty());
        let last = Seen { bucket, key: Some("e".to_owned()), found: 0 };
        assert_eq!((seed.seen().len(), &seed.seen()[4]), (7, &last));
    }

    #[test]
    fn what_is_no_state_is_told() {
        for (json, said) in [
            ("[]", "it is no object"),
            (r#"{"a": 1}"#, "`a` is no object"),
            (r#"{"A": {}}"#, "is not a bucket name"),
            (r#"{"a": {"k": {"base64": "-"}}}"#, "the value of `k` is no base64"),
            ("{", "no JSON"),
        ] {
            let error = seed(json).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
