//! The circuit breakers of all targets that have one.
//!
//! Invariant: a delivery that a breaker holds back waits in its lane, untried and uncounted, and its lane gets its turn again when the
//! breaker may let one through, without having to ask. What a breaker knows is of one target as it is: whatever changes of that,
//! a release or a setting, makes another one, which is closed. Each opening and closing is told once.
//!
//! They are kept in memory only: a host that starts finds out anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use tokio::sync::mpsc;
use wharf_delivery::{BreakerDocument, Failure, WebhookDocument};
use wharf_event::{Code, Target, TenantName};

use crate::{
    breaker::{Breaker, BreakerState, Leave, Sign, Turn},
    clock::Clock,
    lane::LaneKey,
    notices::Notice,
    plugins::Plugin,
    rules::RuleSet,
    watched as watch,
};

/// A target that has a breaker, as it is now.
#[derive(Clone)]
pub(crate) struct Guarded {
    pub(crate) by: BreakerDocument,
    /// Nothing of it changed as long as this is as it was.
    pub(crate) of: Of,
}

/// A target as it is.
#[derive(Clone)]
pub(crate) enum Of {
    Plugin(Arc<Plugin>),
    Webhook(Arc<WebhookDocument>),
}

impl Of {
    fn is_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plugin(one), Self::Plugin(other)) => Arc::ptr_eq(one, other) || one.is_as(other),
            (Self::Webhook(one), Self::Webhook(other)) => Arc::ptr_eq(one, other) || one == other,
            _ => false,
        }
    }
}

/// What a host says of a breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerFigures {
    /// Whose target.
    pub tenant: TenantName,
    /// Which target.
    pub target: Target,
    /// Where it stands.
    pub state: BreakerState,
    /// Failures in a row.
    pub failures: u32,
    /// How often it opened since the host started, probes that failed aside.
    pub openings: u64,
    /// For how long it has not been closed.
    pub open_for: Option<Duration>,
    /// How long it will be until a delivery is tried, if it is open.
    pub probe_in: Option<Duration>,
    /// What the last failure was that counted.
    pub last: Option<(Code, String)>,
}

struct One {
    breaker: Breaker,
    /// Which breaker of its lane it is: a call that began by one before says nothing of it.
    number: u64,
    of: Of,
    last: Option<(Code, String)>,
}

#[derive(Default)]
struct All {
    of: BTreeMap<LaneKey, One>,
    /// Breakers that were made so far.
    made: u64,
    /// How often each opened, whatever it was then.
    openings: BTreeMap<LaneKey, u64>,
    /// Those that are open, by the time at which a delivery is tried.
    due: BTreeSet<(Duration, LaneKey)>,
    /// Those that may have their turn again.
    again: Vec<LaneKey>,
}

/// All breakers.
pub(crate) struct Breakers {
    clock: Arc<dyn Clock>,
    all: Mutex<All>,
    /// Raised with everything that comes to `again`.
    turns: watch::Sender<u64>,
    notices: mpsc::UnboundedSender<Notice>,
}

impl Breakers {
    pub(crate) fn new(clock: Arc<dyn Clock>, notices: mpsc::UnboundedSender<Notice>) -> Arc<Self> {
        Arc::new(Self { clock, all: Mutex::default(), turns: watch::channel(0).0, notices })
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells when a lane may have its turn again.
    pub(crate) fn turns(&self) -> watch::Receiver<u64> {
        self.turns.subscribe()
    }

    /// The lanes that may have their turn again by now.
    pub(crate) fn take_turns(&self) -> Vec<LaneKey> {
        let (now, mut all) = (self.clock.monotonic(), self.all());
        let mut turns = std::mem::take(&mut all.again);
        while all.due.first().is_some_and(|(until, _)| *until <= now)
            && let Some((_, key)) = all.due.pop_first()
        {
            turns.push(key);
        }
        turns
    }

    /// How long it is until the next one may.
    pub(crate) fn next(&self) -> Option<Duration> {
        let (now, all) = (self.clock.monotonic(), self.all());
        if !all.again.is_empty() {
            return Some(Duration::ZERO);
        }
        all.due.first().map(|(until, _)| until.saturating_sub(now))
    }

    /// Whether no delivery of a lane may be tried.
    pub(crate) fn holds(&self, key: &LaneKey, guarded: Option<&Guarded>) -> bool {
        let mut all = self.all();
        if guarded.is_none() && all.of.is_empty() {
            return false;
        }
        let now = self.clock.monotonic();
        let same = |one: &One| guarded.is_some_and(|it| it.of.is_as(&one.of));
        if let Some(one) = all.of.get(key).filter(|one| !same(one)) {
            let (open_for, until) = (one.breaker.open_for(now), one.breaker.until());
            all.of.remove(key);
            if let Some(until) = until {
                all.due.remove(&(until, key.clone()));
            }
            if let Some(open_for) = open_for {
                self.tell_closed(key, "changed", open_for);
            }
        }
        let Some(guarded) = guarded else { return false };
        let All { of, made, .. } = &mut *all;
        let new = || {
            *made += 1;
            One { breaker: Breaker::new(guarded.by), number: *made, of: guarded.of.clone(), last: None }
        };
        of.entry(key.clone()).or_insert_with(new).breaker.holds(now)
    }

    /// A delivery of a lane is tried. Absent where its target has no breaker.
    pub(crate) fn begin(self: &Arc<Self>, key: &LaneKey) -> Option<Call> {
        let mut all = self.all();
        let one = all.of.get_mut(key)?;
        let leave = (one.number, one.breaker.begin(self.clock.monotonic())?);
        Some(Call { breakers: Arc::clone(self), key: key.clone(), leave, told: OnceLock::new() })
    }

    /// The rules are others: a target that changed is tried again, and nothing is known any more of those of a tenant that is gone.
    pub(crate) fn ruled(&self, rules: &RuleSet) {
        let now = self.clock.monotonic();
        let open: Vec<_> = {
            let mut all = self.all();
            let goes = |(tenant, _): &LaneKey| rules.is_departed(tenant);
            all.of.retain(|key, _| !goes(key));
            all.openings.retain(|key, _| !goes(key));
            all.due.retain(|(_, key)| !goes(key));
            let open = all.of.iter().filter(|(_, one)| one.breaker.open_for(now).is_some());
            open.map(|(key, _)| key.clone()).collect()
        };
        for key in open {
            self.holds(&key, rules.guarded(&key).as_ref());
        }
    }

    /// Every breaker of a target that was called since the start, or those of a tenant, in the order of tenants and targets.
    pub(crate) fn figures(&self, of: Option<&TenantName>) -> Vec<BreakerFigures> {
        let (now, all) = (self.clock.monotonic(), self.all());
        let wanted = all.of.iter().filter(|((tenant, _), _)| of.is_none_or(|of| of == tenant));
        let figures = wanted.map(|(key, One { breaker, last, .. })| BreakerFigures {
            tenant: key.0.clone(),
            target: key.1.clone(),
            state: breaker.state(now),
            failures: breaker.row(),
            openings: all.openings.get(key).copied().unwrap_or(0),
            open_for: breaker.open_for(now),
            probe_in: breaker.until().map(|until| until.saturating_sub(now)).filter(|left| !left.is_zero()),
            last: last.clone(),
        });
        figures.collect()
    }

    fn ended(&self, key: &LaneKey, (number, leave): (u64, Leave), (sign, failure): (Sign, Option<&Failure>)) {
        let now = self.clock.monotonic();
        let mut all = self.all();
        let Some(one) = all.of.get_mut(key).filter(|one| one.number == number) else { return };
        if let Some(failure) = failure.filter(|_| sign == Sign::Bad) {
            one.last = Some((failure.code, failure.reason.clone()));
        }
        let Some(turn) = one.breaker.end(leave, sign, now) else { return };
        let (until, last, open_ms) = (one.breaker.until(), one.last.clone(), one.breaker.by().open_ms);
        if let Some(until) = until {
            all.due.insert((until, key.clone()));
        } else {
            all.again.push(key.clone());
        }
        if matches!(turn, Turn::Opened { .. }) {
            *all.openings.entry(key.clone()).or_default() += 1;
        }
        drop(all);
        match turn {
            Turn::Opened { row, calls, failed } => {
                let (tenant, target) = key.clone();
                tracing::warn!(%tenant, %target, "{row} attempts failed in a row, {failed} of {calls} lately: deliveries wait");
                // A host that stops tells nobody any more.
                let _ = self.notices.send(Notice::Opened { tenant, target, row, calls, failed, last, open_ms });
            }
            Turn::Closed(open_for) => self.tell_closed(key, "probe", open_for),
            Turn::Reopened | Turn::Freed => {}
        }
        self.turns.send_modify(|count| *count += 1);
    }

    fn tell_closed(&self, (tenant, target): &LaneKey, cause: &'static str, open_for: Duration) {
        tracing::info!(%tenant, %target, cause, "deliveries are tried again");
        let (tenant, target) = (tenant.clone(), target.clone());
        let _ = self.notices.send(Notice::Closed { tenant, target, cause, open_for });
    }
}

/// A delivery that is tried of a target that has a breaker. The breaker hears of its end when this is dropped, whatever comes in between.
pub(crate) struct Call {
    breakers: Arc<Breakers>,
    key: LaneKey,
    leave: (u64, Leave),
    told: OnceLock<(Sign, Option<Failure>)>,
}

impl Call {
    /// What it says of its target; the first word counts.
    pub(crate) fn tell(&self, sign: Sign, failure: Option<&Failure>) {
        let _ = self.told.set((sign, failure.cloned()));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let (sign, failure) = self.told.take().unwrap_or((Sign::None, None));
        self.breakers.ended(&self.key, self.leave, (sign, failure.as_ref()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::machine::SystemClock;

    fn key(tenant: &str) -> LaneKey {
        (tenant.parse().unwrap(), Target::Webhook("w".parse().unwrap()))
    }

    /// A webhook at that address, whose breaker opens with the first failure.
    fn guarded(url: &str) -> Guarded {
        let by = BreakerDocument { enabled: true, failures: 1, ..BreakerDocument::default() };
        let webhook = json!({"url": url, "mode": "binary", "timeout_ms": 1, "concurrency": 1, "disable_after_ms": 1});
        Guarded { by, of: Of::Webhook(Arc::new(serde_json::from_value(webhook).unwrap())) }
    }

    #[test]
    fn a_call_that_began_before_its_target_changed_says_nothing_of_the_new_one() {
        let breakers = Breakers::new(Arc::new(SystemClock::default()), mpsc::unbounded_channel().0);
        let key = key("acme");
        assert!(!breakers.holds(&key, Some(&guarded("https://old.test/"))));
        let before = breakers.begin(&key).unwrap();
        assert!(!breakers.holds(&key, Some(&guarded("https://new.test/"))));
        before.tell(Sign::Bad, Some(&Failure::new(Code::HandlerTrap, "x")));
        drop(before);
        assert!(breakers.figures(None).iter().all(|of| (of.state, &of.last) == (BreakerState::Closed, &None)));
        let since = breakers.begin(&key).unwrap();
        since.tell(Sign::Bad, Some(&Failure::new(Code::HandlerTrap, "x")));
        drop(since);
        assert_eq!(breakers.figures(None)[0].state, BreakerState::Open);
    }

    #[test]
    fn nothing_is_known_any_more_of_a_tenant_that_is_gone() {
        let (sender, mut notices) = mpsc::unbounded_channel();
        let breakers = Breakers::new(Arc::new(SystemClock::default()), sender);
        let guarded = guarded("https://a.test/");
        for tenant in ["gone", "here"] {
            assert!(!breakers.holds(&key(tenant), Some(&guarded)));
            let call = breakers.begin(&key(tenant)).unwrap();
            call.tell(Sign::Bad, Some(&Failure::new(Code::HandlerTrap, "x")));
        }
        assert!(breakers.figures(None).iter().all(|of| (of.openings, of.state) == (1, BreakerState::Open)));
        let mut rules = RuleSet::default();
        rules.change_tenant(&key("gone").0, Some(&json!({"since_k": 1, "life": "gone"}).to_string().into())).unwrap();
        breakers.ruled(&rules);
        let all = breakers.all();
        assert!(all.of.is_empty() && all.due.is_empty());
        assert_eq!(all.openings.keys().collect::<Vec<_>>(), [&key("here")]);
        drop(all);
        // Of the other no rule knows, so it changed, which is told.
        let mut closed = Vec::new();
        while let Ok(notice) = notices.try_recv() {
            if let Notice::Closed { tenant, .. } = notice {
                closed.push(tenant);
            }
        }
        assert_eq!(closed, [key("here").0]);
    }
}
