//! Connections that wait for their next request.
//!
//! Invariant: a connection serves the tenant that it was made for and no other, at the place that it was made to. What was granted may have
//! changed since it was made, so its address is checked again when it is taken.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::time::Instant;

use crate::{
    address::refused,
    connect::{Connection, Sender},
    granted::Granted,
    limits::{IDLE_MAX, IDLE_PER_PLACE_MAX, IDLE_WAIT},
    place::Place,
};

/// Whose connection it is, and where it leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    owner: Arc<str>,
    host: String,
    port: u16,
    is_tls: bool,
}

impl Key {
    pub(crate) fn new(owner: &Arc<str>, place: &Place) -> Self {
        let (host, port, is_tls) = (place.host().to_owned(), place.port(), place.is_tls());
        Self { owner: Arc::clone(owner), host, port, is_tls }
    }
}

#[derive(Debug, Default)]
struct Idle {
    by_key: HashMap<Key, VecDeque<(Connection, Instant)>>,
    count: usize,
    /// When those were closed last that waited for too long.
    swept: Option<Instant>,
}

/// Connections that wait for their next request.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Idle>);

impl Pool {
    /// One that was used last, so that the others come to their end. One of HTTP/2 stays there for others too.
    pub(crate) fn take(&self, key: &Key, granted: &Granted) -> Option<Connection> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Idle { by_key, count, .. } = &mut *idle;
        let waiting = by_key.get_mut(key)?;
        let mut found = None;
        while let Some((connection, since)) = waiting.pop_back() {
            *count -= 1;
            if !connection.is_open() || since.elapsed() > IDLE_WAIT || refused(connection.address, granted).is_some() {
                continue;
            }
            if let Some(other) = connection.shared() {
                waiting.push_back((other, Instant::now()));
                *count += 1;
            }
            found = Some(connection);
            break;
        }
        if waiting.is_empty() {
            by_key.remove(key);
        }
        found
    }

    /// Lets a connection wait for its next request, if there is room for it.
    pub(crate) fn put(&self, key: Key, connection: Connection) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.count >= IDLE_MAX || idle.swept.is_none_or(|at| at.elapsed() > IDLE_WAIT) {
            idle.sweep();
        }
        if !connection.is_open() || idle.count >= IDLE_MAX {
            return;
        }
        let waiting = idle.by_key.entry(key).or_default();
        // Of HTTP/2 one is enough.
        let is_two = |it: &Connection| matches!(it.sender, Sender::Two(_));
        if waiting.len() >= IDLE_PER_PLACE_MAX || is_two(&connection) && waiting.iter().any(|(it, _)| is_two(it)) {
            return;
        }
        waiting.push_back((connection, Instant::now()));
        idle.count += 1;
    }

    /// Lets nobody else send by what is there of HTTP/2: it did not answer.
    pub(crate) fn forget_shared(&self, key: &Key) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Idle { by_key, count, .. } = &mut *idle;
        let Some(waiting) = by_key.get_mut(key) else { return };
        let before = waiting.len();
        waiting.retain(|(connection, _)| matches!(connection.sender, Sender::One(_)));
        *count -= before - waiting.len();
        if waiting.is_empty() {
            by_key.remove(key);
        }
    }
}

/// A request by HTTP/2 that has no answer yet. One that is given up has others send by another connection.
pub(crate) struct Unanswered<'a>(Option<(&'a Pool, &'a Key)>);

impl<'a> Unanswered<'a> {
    pub(crate) fn new(pool: &'a Pool, key: &'a Key, connection: &Connection) -> Self {
        Self(matches!(connection.sender, Sender::Two(_)).then_some((pool, key)))
    }

    /// It has one.
    pub(crate) fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if let Some((pool, key)) = self.0 {
            pool.forget_shared(key);
        }
    }
}

impl Idle {
    /// Closes those that waited for too long.
    fn sweep(&mut self) {
        self.swept = Some(Instant::now());
        self.by_key.retain(|_, waiting| {
            waiting.retain(|(connection, since)| connection.is_open() && since.elapsed() <= IDLE_WAIT);
            !waiting.is_empty()
        });
        self.count = self.by_key.values().map(VecDeque::len).sum();
    }
}
