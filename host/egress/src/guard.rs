//! Who may send to a place at this moment: so many requests of an owner at a time, and none for a while to a place where they only fail.
//!
//! Invariant: a place that fails for one owner is no other owner's matter. When its rest is over one request finds out how it is, and all
//! others wait for what that says.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::limits::{FAILURES_MAX, PLACES_WATCHED_MAX, REST};

/// Why nothing may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Held {
    /// As many requests of the owner are under way as may be.
    #[error("{0} requests are under way, and no more may be at a time")]
    Busy(usize),
    /// Requests to the place failed.
    #[error("the last {FAILURES_MAX} requests there failed, so none is sent for {0:?}")]
    Resting(Duration),
}

type Key = (Arc<str>, String);

#[derive(Debug, Default)]
struct Watched {
    /// Failures since anything succeeded.
    failures: u32,
    /// Until when nothing is sent.
    rests_until: Option<Instant>,
}

#[derive(Debug, Default)]
struct Seen {
    open: HashMap<Arc<str>, usize>,
    places: HashMap<Key, Watched>,
}

/// Counts requests and their failures.
#[derive(Clone, Debug, Default)]
pub struct Guard(Arc<Mutex<Seen>>);

/// Leave to send one request. Without a word of how it went nothing follows of it but that it is over.
#[derive(Debug)]
pub struct Leave {
    guard: Guard,
    key: Key,
}

impl Guard {
    /// Leave to send a request of an owner, who has so many at a time, to a place, such as `api.example.com:443`.
    ///
    /// # Errors
    /// When it may not be sent now.
    pub fn enter(&self, (owner, most): (Arc<str>, usize), place: &str) -> Result<Leave, Held> {
        self.enter_at((&owner, most), place, Instant::now())
    }

    fn enter_at(&self, (owner, most): (&Arc<str>, usize), place: &str, now: Instant) -> Result<Leave, Held> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Arc::clone(owner), place.to_owned());
        if seen.open.get(owner).is_some_and(|open| *open >= most) {
            return Err(Held::Busy(most));
        }
        if let Some(watched) = seen.places.get_mut(&key)
            && let Some(until) = watched.rests_until
        {
            if now < until {
                return Err(Held::Resting(Duration::from_secs((until - now).as_secs() + 1)));
            }
            // This one finds out. If nothing is heard of it another one may, a rest later.
            watched.rests_until = Some(now + REST);
        }
        *seen.open.entry(Arc::clone(owner)).or_default() += 1;
        Ok(Leave { guard: self.clone(), key })
    }
}

impl Leave {
    /// The place answered, or did not.
    pub fn ended(self, answered: bool) {
        self.ended_at(answered, Instant::now());
    }

    fn ended_at(self, answered: bool, now: Instant) {
        let mut seen = self.guard.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            seen.places.remove(&self.key);
            return;
        }
        if seen.places.len() >= PLACES_WATCHED_MAX {
            // Those that rest are known to fail; of the others nothing is lost but a count.
            seen.places.retain(|_, watched| watched.rests_until.is_some_and(|until| until > now));
        }
        if seen.places.len() >= PLACES_WATCHED_MAX {
            return;
        }
        let watched = seen.places.entry(self.key.clone()).or_default();
        watched.failures = watched.failures.saturating_add(1);
        if watched.failures >= FAILURES_MAX {
            watched.rests_until = Some(now + REST);
        }
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut seen = self.guard.0.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = &self.key.0;
        if let Some(open) = seen.open.get_mut(owner) {
            *open -= 1;
            if *open == 0 {
                seen.open.remove(owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 64;

    #[test]
    fn egress_rests_where_it_only_fails_and_one_request_finds_out() {
        let (guard, owner, other): (_, Arc<str>, Arc<str>) = (Guard::default(), "acme".into(), "other".into());
        let began = Instant::now();
        for _ in 0..FAILURES_MAX {
            guard.enter_at((&owner, MOST), "a:443", began).unwrap().ended_at(false, began);
        }
        let resting = Held::Resting(REST + Duration::from_secs(1));
        assert_eq!(guard.enter_at((&owner, MOST), "a:443", began).unwrap_err(), resting);
        guard.enter_at((&owner, MOST), "b:443", began).unwrap().ended_at(false, began);
        guard.enter_at((&other, MOST), "a:443", began).unwrap().ended_at(true, began);
        let later = began + REST;
        let probe = guard.enter_at((&owner, MOST), "a:443", later).unwrap();
        assert!(matches!(guard.enter_at((&owner, MOST), "a:443", later), Err(Held::Resting(_))));
        probe.ended_at(true, later);
        guard.enter_at((&owner, MOST), "a:443", later).unwrap();
    }

    #[test]
    fn egress_of_an_owner_has_so_many_requests_at_a_time() {
        let (guard, owner): (_, Arc<str>) = (Guard::default(), "acme".into());
        let mut open: Vec<_> = (0..MOST).map(|_| guard.enter((Arc::clone(&owner), MOST), "a:443").unwrap()).collect();
        assert_eq!(guard.enter((Arc::clone(&owner), MOST), "b:443").unwrap_err(), Held::Busy(MOST));
        drop(guard.enter(("other".into(), MOST), "a:443").unwrap());
        open.pop();
        drop(guard.enter((Arc::clone(&owner), MOST), "b:443").unwrap());
    }
}
