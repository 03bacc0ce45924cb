//! The host in memory of native tests. Each thread has its own, so tests that run beside each other share nothing.
//!
//! Invariant: it is the state of `wharf::testing::Host` while a handler runs. What a function reaches outside of one is an empty host that
//! nobody looks at.
//!
//! It has no limits, and grants everything but what `denied` names.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::bindings::wasi::clocks::wall_clock::Datetime;
use crate::bindings::wasi::config::store as configuration;
use crate::bindings::wasi::keyvalue::store;
use crate::bindings::wasi::logging::logging;
use crate::bindings::wharf::plugin::publisher::{Draft, PublishError};
use crate::http::{HttpError, Request, Response};
use crate::secrets_bindings::wharf::secrets::held::SecretError;
use crate::testing::Published;

thread_local! {
    static CURRENT: RefCell<Memory> = RefCell::default();
}

/// All that a host in memory holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) kv: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) denied: BTreeSet<String>,
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) published: Vec<Published>,
    pub(crate) lines: Vec<String>,
    /// Since 1970.
    pub(crate) now: Duration,
    pub(crate) drawn: u64,
    /// Method and URL of a request, and what it is answered.
    pub(crate) answers: Vec<(String, String, Response)>,
    pub(crate) sent: Vec<Request>,
}

/// Puts a host in place of the one that there is, and gives that.
pub(crate) fn exchange(host: Memory) -> Memory {
    CURRENT.replace(host)
}

fn with<T>(work: impl FnOnce(&mut Memory) -> T) -> T {
    CURRENT.with_borrow_mut(work)
}

pub(crate) fn publish(draft: &Draft) -> Result<String, PublishError> {
    let id = with(|host| format!("published-{}", host.published.len() + 1));
    published(&id, draft).map(|()| id)
}

pub(crate) fn receive(id: &str, draft: &Draft) -> Result<(), PublishError> {
    let is_known = with(|host| host.published.iter().any(|one| one.id == id && one.source == draft.source));
    if is_known { Ok(()) } else { published(id, draft) }
}

fn published(id: &str, draft: &Draft) -> Result<(), PublishError> {
    with(|host| {
        if draft.type_.is_empty() {
            return Err(PublishError::Invalid("its type is empty".to_owned()));
        }
        if host.denied.contains(&draft.type_) {
            return Err(PublishError::Denied(draft.type_.clone()));
        }
        let extensions = draft.extensions.iter().map(|it| (it.name.clone(), it.value.clone())).collect();
        let with_data = draft.data.as_ref().map(|_| "application/json".to_owned());
        host.published.push(Published {
            id: id.to_owned(),
            kind: draft.type_.clone(),
            source: draft.source.clone(),
            subject: draft.subject.clone(),
            datacontenttype: draft.datacontenttype.clone().or(with_data),
            extensions,
            data: draft.data.clone().unwrap_or_default(),
        });
        Ok(())
    })
}

pub(crate) fn config(key: &str) -> Result<Option<String>, configuration::Error> {
    Ok(with(|host| host.config.get(key).cloned()))
}

pub(crate) fn secret(name: &str) -> Result<String, SecretError> {
    with(|host| {
        if host.denied.contains(name) {
            return Err(SecretError::Denied(format!("holding the secret `{name}` is not granted")));
        }
        let unknown = || SecretError::Unknown(format!("there is no secret `{name}`"));
        host.secrets.get(name).cloned().ok_or_else(unknown)
    })
}

pub(crate) fn log(level: logging::Level, _: &str, message: &str) {
    let level = match level {
        logging::Level::Trace => "trace",
        logging::Level::Debug => "debug",
        logging::Level::Info => "info",
        logging::Level::Warn => "warn",
        logging::Level::Error => "error",
        logging::Level::Critical => "critical",
    };
    with(|host| host.lines.push(format!("{level}: {message}")));
}

pub(crate) fn now() -> Datetime {
    let now = with(|host| host.now);
    Datetime { seconds: now.as_secs(), nanoseconds: now.subsec_nanos() }
}

/// The same numbers in every test: those of splitmix64, from 0.
pub(crate) fn get_random_u64() -> u64 {
    let seed = with(|host| {
        host.drawn = host.drawn.wrapping_add(0x9e37_79b9_7f4a_7c15);
        host.drawn
    });
    let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

pub(crate) fn get_random_bytes(length: u64) -> Vec<u8> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    std::iter::repeat_with(get_random_u64).flat_map(u64::to_le_bytes).take(length).collect()
}

/// What a request is answered: what the test said, or that it is not granted.
///
/// There always is an answer; behind it stands what a component does.
pub(crate) fn answer(request: &Request) -> Option<Result<Response, HttpError>> {
    let (method, url) = request.line();
    Some(with(|host| {
        host.sent.push(request.clone());
        let found = host.answers.iter().find(|(of, to, _)| of == method && to == url);
        found.map(|(_, _, answer)| answer.clone()).ok_or(HttpError::Denied)
    }))
}

/// A bucket that is open.
pub(crate) struct Handle(String);

impl Handle {
    pub(crate) fn open(name: &str) -> Result<Self, store::Error> {
        let is_denied = with(|host| host.denied.contains(name));
        if is_denied { Err(store::Error::AccessDenied) } else { Ok(Self(name.to_owned())) }
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T) -> Result<T, store::Error> {
        Ok(with(|host| work(host.kv.entry(self.0.clone()).or_default())))
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, store::Error> {
        self.with(|keys| keys.get(key).cloned())
    }

    pub(crate) fn set(&self, key: &str, value: &[u8]) -> Result<(), store::Error> {
        self.with(|keys| drop(keys.insert(key.to_owned(), value.to_owned())))
    }

    pub(crate) fn delete(&self, key: &str) -> Result<(), store::Error> {
        self.with(|keys| drop(keys.remove(key)))
    }

    pub(crate) fn exists(&self, key: &str) -> Result<bool, store::Error> {
        self.with(|keys| keys.contains_key(key))
    }

    pub(crate) fn list_keys(&self, _: Option<u64>) -> Result<store::KeyResponse, store::Error> {
        self.with(|keys| store::KeyResponse { keys: keys.keys().cloned().collect(), cursor: None })
    }

    pub(crate) fn increment(&self, key: &str, delta: u64) -> Result<u64, store::Error> {
        let too_large = || store::Error::Other(format!("the sum under `{key}` is too large"));
        let delta = i64::try_from(delta).map_err(|_| too_large())?;
        u64::try_from(self.sum(key, delta)?).map_err(|_| too_large())
    }

    pub(crate) fn add(&self, key: &str, delta: i64) -> Result<(), store::Error> {
        self.sum(key, delta).map(drop)
    }

    fn sum(&self, key: &str, delta: i64) -> Result<i64, store::Error> {
        let other = |what: &str| store::Error::Other(format!("the value under `{key}` {what}"));
        self.with(|keys| {
            let there = keys.get(key).map_or("0", |value| std::str::from_utf8(value).unwrap_or_default());
            let there: i64 = there.parse().map_err(|_| other("is no integer"))?;
            let sum = there.checked_add(delta).ok_or_else(|| other("would be too large"))?;
            keys.insert(key.to_owned(), sum.to_string().into_bytes());
            Ok(sum)
        })?
    }
}
