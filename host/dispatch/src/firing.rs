//! The task that lets schedules fire.
//!
//! Invariant: it decides nothing that the partition does not decide again: a request names how the schedule stood, and the rules that it was
//! read with, and comes to nothing where one of them is different meanwhile. So a due time fires once, whatever ends the host in between, and it
//! costs nothing but a look to look at a schedule once too often.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use wharf_delivery::{
    AcceptEvent, Expected, FireRequest, Object, ObjectKind, ObjectName, ObjectWish, Refused, Request, ScheduleDocument,
    ScheduleState, Table, TableError, Tables as _, keys,
};
use wharf_event::{Event, ScheduleName, TenantName};

use crate::{
    configuring::ChangeError,
    dispatcher::Dispatcher,
    limits::{FIRING_PAUSE_MS, LOOK_AGAIN_MS, LOOK_EVERY, LOOKS_AT_A_TIME, OBJECTS_PAGE, PAUSE_MAX},
    partition::{AskError, chain},
    rules::{Origin, RuleSet},
    schedules::{Schedule, ScheduleMap, Step, step},
    watched as watch,
};

type Named = (TenantName, ScheduleName);

/// The task.
pub(crate) struct Firing {
    dispatcher: Dispatcher,
    stopping: watch::Receiver<bool>,
    looks: Looks,
    /// The schedules of each tenant as they were seen last, and whether it was suspended.
    seen: HashMap<TenantName, (Arc<ScheduleMap>, bool)>,
}

/// When each schedule is looked at next, in frame time. One that rests is not here.
#[derive(Default)]
struct Looks {
    by_time: BTreeSet<(u64, Named)>,
    times: HashMap<Named, u64>,
}

impl Looks {
    fn at(&mut self, named: Named, ms: u64) {
        if let Some(before) = self.times.insert(named.clone(), ms) {
            self.by_time.remove(&(before, named.clone()));
        }
        self.by_time.insert((ms, named));
    }

    /// Takes some of those whose time has come.
    fn take(&mut self, now_ms: u64) -> Vec<Named> {
        let mut due = Vec::new();
        while due.len() < LOOKS_AT_A_TIME
            && self.by_time.first().is_some_and(|(ms, _)| *ms <= now_ms)
            && let Some((_, named)) = self.by_time.pop_first()
        {
            self.times.remove(&named);
            due.push(named);
        }
        due
    }

    /// Time until the next look. Frame time may jump, so it is never long.
    fn pause(&self, now_ms: u64) -> Duration {
        let next = self.by_time.first().map(|(ms, _)| Duration::from_millis(ms.saturating_sub(now_ms)));
        next.map_or(PAUSE_MAX, |next| next.min(LOOK_EVERY))
    }
}

impl Firing {
    pub(crate) fn new(dispatcher: Dispatcher, stopping: watch::Receiver<bool>) -> Self {
        Self { dispatcher, stopping, looks: Looks::default(), seen: HashMap::new() }
    }

    /// Lets schedules fire until the host stops.
    pub(crate) async fn run(mut self) {
        let mut changes = self.dispatcher.attempts.rules.subscribe();
        let mut rules = Arc::new(RuleSet::default());
        while !*self.stopping.borrow() {
            let now = self.dispatcher.rules();
            if !Arc::ptr_eq(&now, &rules) {
                rules = now;
                if let Err(error) = self.ruled(&rules) {
                    return self.unreadable(&error);
                }
            }
            let due = self.looks.take(self.dispatcher.now_ms());
            if !due.is_empty() {
                let looked = join_all(due.into_iter().map(|named| look(&self.dispatcher, &rules, named))).await;
                for looked in looked {
                    match looked {
                        Ok((named, Some(ms))) => self.looks.at(named, ms),
                        Ok((_, None)) => {}
                        Err(LookError::State(error)) => return self.unreadable(&error),
                        // The log is gone: a restart goes on.
                        Err(LookError::Ask) => return,
                    }
                }
                continue;
            }
            let pause = self.looks.pause(self.dispatcher.now_ms());
            let stopped = self.stopping.wait_for(|stopping| *stopping);
            tokio::select! {
                biased;
                _ = stopped => return,
                changed = changes.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// The rules are others: whatever changed of schedules is looked at.
    fn ruled(&mut self, rules: &RuleSet) -> Result<(), TableError> {
        self.seen.retain(|tenant, _| rules.has_tenant(tenant));
        for tenant in rules.tenants() {
            let (now, rests) = (rules.schedules(&tenant), rules.settings(&tenant).suspended);
            let mut names = BTreeSet::new();
            match self.seen.get(&tenant) {
                Some((before, rested)) if Arc::ptr_eq(before, &now) && (rests || !rested) => {}
                Some((before, rested)) => {
                    let resumed = *rested && !rests;
                    let same = |name: &ScheduleName, one: &Arc<Schedule>| {
                        before.get(name).is_some_and(|before| Arc::ptr_eq(before, one))
                    };
                    names.extend(now.iter().filter(|(name, one)| resumed || !same(name, one)).map(|(name, _)| name));
                    names.extend(before.keys().filter(|name| !now.contains_key::<ScheduleName>(name)));
                }
                None => names.extend(now.keys()),
            }
            let mut names: Vec<ScheduleName> = names.into_iter().cloned().collect();
            if !self.seen.contains_key(&tenant) {
                // Those that went while nobody was there.
                names.extend(self.standing(&tenant)?.into_iter().filter(|name| !now.contains_key(name)));
            }
            names.into_iter().for_each(|name| self.looks.at((tenant.clone(), name), 0));
            self.seen.insert(tenant, (now, rests));
        }
        Ok(())
    }

    /// The schedules of a tenant that run by the state.
    fn standing(&self, tenant: &TenantName) -> Result<Vec<ScheduleName>, TableError> {
        let (prefix, mut names, mut last) = (keys::tenant(tenant), Vec::new(), None);
        loop {
            let from = last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let page =
                self.dispatcher.attempts.shared.read().state.scan(Table::Schedules, &prefix, from, OBJECTS_PAGE)?;
            let Some((key, _)) = page.last() else { return Ok(names) };
            names.extend(page.iter().filter_map(|(key, _)| keys::second(key)));
            last = Some(key.to_vec());
        }
    }

    /// Without the state nobody can say what is due, so nothing more may be acknowledged.
    fn unreadable(&self, error: &TableError) {
        let error = format!("the state cannot be read: {}", chain(error));
        tracing::error!("no schedule fires any more, and nothing more is acknowledged: {error}");
        self.dispatcher.attempts.shared.fail(error);
    }
}

/// Why nothing can be looked at any more.
enum LookError {
    State(TableError),
    Ask,
}

/// Looks at a schedule, does what is to be done about it, and says when to look again. The rules are those that were seen last, so that a
/// change of them is seen after the look, however soon it comes.
async fn look(dispatcher: &Dispatcher, rules: &RuleSet, named: Named) -> Result<(Named, Option<u64>), LookError> {
    let (tenant, name) = &named;
    if !rules.has_tenant(tenant) || rules.settings(tenant).suspended {
        return Ok((named, None));
    }
    let schedules = rules.schedules(tenant);
    let schedule = schedules.get(name).map(Arc::as_ref);
    let was = ScheduleState::get(&dispatcher.attempts.shared.read().state, tenant, name).map_err(LookError::State)?;
    let now_ms = dispatcher.now_ms();
    let again = match step(tenant, schedule, was, now_ms) {
        Step::Rest => None,
        Step::Wait(ms) => Some(ms),
        Step::Remove => remove(dispatcher, &named).await?.then_some(now_ms + FIRING_PAUSE_MS),
        Step::Go(state, due_ms) => {
            let missed = was.zip(state).filter(|(was, state)| was.timing == state.timing && was.next_ms != due_ms);
            if let Some((was, state)) = missed {
                let (from_ms, to_ms) = (was.next_ms, due_ms.or(state.next_ms));
                tracing::info!(%tenant, schedule = %name, from_ms, to_ms, "due times were missed and are passed over");
            }
            // Of the configuration file: the API takes no such thing.
            let begins = state.filter(|state| was.is_none_or(|was| was.timing != state.timing));
            if begins.is_some_and(|state| (state.next_ms, state.last_ms) == (None, None)) {
                tracing::warn!(%tenant, schedule = %name, "nothing of a schedule is due any more: it never fires");
            }
            let event = match schedule.zip(due_ms).map(|(schedule, due_ms)| schedule.event(due_ms)).transpose() {
                Ok(event) => event,
                // It was built when the schedule was made.
                Err(error) => {
                    tracing::error!(%tenant, schedule = %name, "a schedule makes no event: {}", chain(&error));
                    None
                }
            };
            Some(go(dispatcher, rules, &named, (was, state), event).await? + now_ms)
        }
    };
    Ok((named, again))
}

/// Asks for it, and gives the time to wait before the next look.
async fn go(
    dispatcher: &Dispatcher,
    rules: &RuleSet,
    (tenant, name): &Named,
    (was, state): (Option<ScheduleState>, Option<ScheduleState>),
    event: Option<Event>,
) -> Result<u64, LookError> {
    let rules_version = rules.version_of(tenant);
    let fire = |event| FireRequest { tenant: tenant.clone(), schedule: name.clone(), rules_version, was, state, event };
    let accept = event.and_then(|event| {
        let schedules = rules.schedules(tenant);
        let schedule = schedules.get(name)?;
        // A bus that schedules publish to is not removed.
        let targets = rules.fired(tenant, schedule, &event).ok()?;
        let events = vec![AcceptEvent { event, targets }];
        Some(rules.accepting(tenant, schedule.document.bus.clone(), events))
    });
    let mut asked = dispatcher.attempts.partition.ask(Request::Fire(Box::new(fire(accept)))).await;
    if let Err(AskError::Refused(refused @ Refused::TooManyTargets { .. })) = &asked {
        tracing::error!(%tenant, schedule = %name, "a due time is passed over: {refused}");
        asked = dispatcher.attempts.partition.ask(Request::Fire(Box::new(fire(None)))).await;
    }
    match asked {
        Ok(_) => Ok(0),
        Err(AskError::Refused(Refused::StaleRules | Refused::Gone)) => Ok(LOOK_AGAIN_MS),
        Err(AskError::Refused(_)) => Ok(FIRING_PAUSE_MS),
        Err(_) => Err(LookError::Ask),
    }
}

/// Removes a schedule that is over, and says whether it has to be tried again.
async fn remove(dispatcher: &Dispatcher, (tenant, name): &Named) -> Result<bool, LookError> {
    let object_name = ObjectName::from(name);
    let read = |state: &_| -> Result<_, TableError> {
        let object = Object::get(state, tenant, ObjectKind::Schedule, &object_name)?;
        Ok(object.zip(ScheduleState::get(state, tenant, name)?))
    };
    let read = dispatcher.read(read).await.map_err(|_| LookError::Ask)?.map_err(LookError::State)?;
    let Some((object, state)) = read else { return Ok(false) };
    // Somebody may have put another one meanwhile, which is not over.
    let document = serde_json::from_slice::<ScheduleDocument>(&object.document).ok();
    let schedule = document.and_then(|document| Schedule::new(name, &document, Origin::Object).ok());
    if !schedule.is_some_and(|schedule| schedule.stands(&state) && state.next_ms.is_none()) {
        return Ok(false);
    }
    let expected = Expected::Version(object.version);
    let wish = ObjectWish { kind: ObjectKind::Schedule, name: object_name, document: None, expected };
    match dispatcher.change(tenant, vec![wish]).await {
        Ok(_) => Ok(false),
        Err(ChangeError::Ask(AskError::Refused(_)) | ChangeError::Rules(_)) => Ok(true),
        Err(ChangeError::Ask(_)) => Err(LookError::Ask),
    }
}
