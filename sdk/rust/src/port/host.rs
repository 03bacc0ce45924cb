//! The host as a component has it: its imports.

use crate::bindings::wasi::keyvalue::{atomics, store};
use crate::bindings::wharf::plugin::counters;

pub(crate) use crate::bindings::wasi::clocks::wall_clock::now;
pub(crate) use crate::bindings::wasi::config::store::get as config;
pub(crate) use crate::bindings::wasi::logging::logging::log;
pub(crate) use crate::bindings::wasi::random::random::{get_random_bytes, get_random_u64};
pub(crate) use crate::bindings::wharf::plugin::publisher::publish;
pub(crate) use crate::receiver_bindings::wharf::plugin::receiver::receive;
pub(crate) use crate::secrets_bindings::wharf::secrets::held::get as secret;

/// A bucket that is open.
pub(crate) struct Handle(store::Bucket);

impl Handle {
    pub(crate) fn open(name: &str) -> Result<Self, store::Error> {
        store::open(name).map(Self)
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, store::Error> {
        self.0.get(key)
    }

    pub(crate) fn set(&self, key: &str, value: &[u8]) -> Result<(), store::Error> {
        self.0.set(key, value)
    }

    pub(crate) fn delete(&self, key: &str) -> Result<(), store::Error> {
        self.0.delete(key)
    }

    pub(crate) fn exists(&self, key: &str) -> Result<bool, store::Error> {
        self.0.exists(key)
    }

    pub(crate) fn list_keys(&self, cursor: Option<u64>) -> Result<store::KeyResponse, store::Error> {
        self.0.list_keys(cursor)
    }

    pub(crate) fn increment(&self, key: &str, delta: u64) -> Result<u64, store::Error> {
        atomics::increment(&self.0, key, delta)
    }

    pub(crate) fn add(&self, key: &str, delta: i64) -> Result<(), store::Error> {
        counters::add(&self.0, key, delta)
    }
}
