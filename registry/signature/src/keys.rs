//! The keys that a tenant registered.
//!
//! Invariant: no two of them have one name or one id, and one that was revoked stays, so that it is told from one that was never there and
//! cannot be registered again.

use serde::{Deserialize, Deserializer, Serialize, de};
use wharf_event::SigningKeyName;

use crate::{
    error::KeyError,
    key::{KeyId, PublicKey},
    limits::KEYS_MAX,
};

/// A key that a tenant registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisteredKey {
    /// What the tenant calls it.
    pub name: SigningKeyName,
    /// The key.
    pub key: PublicKey,
    /// When it was registered, in milliseconds since 1970.
    pub since_ms: u64,
    /// When it was revoked, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at_ms: Option<u64>,
}

/// The keys of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Keys(Vec<RegisteredKey>);

impl Keys {
    /// Registers a key.
    ///
    /// # Errors
    /// When its name is taken, it is registered or was revoked, or there are too many.
    pub fn register(&mut self, name: SigningKeyName, key: PublicKey, at_ms: u64) -> Result<(), KeyError> {
        self.put(RegisteredKey { name, key, since_ms: at_ms, revoked_at_ms: None })
    }

    fn put(&mut self, key: RegisteredKey) -> Result<(), KeyError> {
        let id = key.key.id();
        if let Some(other) = self.find(id) {
            return Err(KeyError::Registered { id, name: other.name.clone() });
        }
        if self.0.iter().any(|other| other.name == key.name) {
            return Err(KeyError::NameTaken(key.name));
        }
        if self.0.len() >= KEYS_MAX {
            return Err(KeyError::TooMany);
        }
        self.0.push(key);
        Ok(())
    }

    /// Revokes a key, for good: from then on it vouches for nothing, whenever it signed. Says whether there is such a key; the time of
    /// one that was revoked before stays.
    pub fn revoke(&mut self, name: &SigningKeyName, at_ms: u64) -> bool {
        let found = self.0.iter_mut().find(|key| key.name == *name);
        found.map(|key| key.revoked_at_ms.get_or_insert(at_ms)).is_some()
    }

    /// The key of an id, revoked or not.
    #[must_use]
    pub fn find(&self, id: KeyId) -> Option<&RegisteredKey> {
        self.0.iter().find(|key| key.key.id() == id)
    }

    /// All of them, in the order in which they were registered.
    pub fn iter(&self) -> impl Iterator<Item = &RegisteredKey> {
        self.0.iter()
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut keys = Self::default();
        let list = Vec::<RegisteredKey>::deserialize(deserializer)?;
        list.into_iter().try_for_each(|key| keys.put(key)).map_err(de::Error::custom)?;
        Ok(keys)
    }
}
