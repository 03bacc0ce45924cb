//! The schedules of a tenant that are in force, and what is to be done about one at a given time.
//!
//! Invariant: what is to be done follows from the schedule, how it stands, and the time: so whoever comes to it again, after a kill too, does
//! the same. Nothing is read or written here.

use std::sync::Arc;

use bytes::Bytes;
use rpds::RedBlackTreeMapSync;
use wharf_delivery::{AfterLast, ObjectName, ScheduleDocument, ScheduleState};
use wharf_event::{BusName, Code, Digest, Event, EventBuilder, EventError, ScheduleName, TenantName};
use wharf_schedule::{Timing, TimingError, TimingText, delay_ms};

use crate::{
    clock::rfc3339,
    limits::{SCHEDULE_DATA_BYTES_MAX, SCHEDULES_PER_TENANT_MAX},
    mistakes::RuleError,
    rules::{Origin, RuleSet, Tenant},
};

/// The extension attribute that names the schedule of an event.
const SCHEDULE_ATTRIBUTE: &str = "wharfschedule";

/// The schedules of a tenant, by name.
pub type ScheduleMap = RedBlackTreeMapSync<ScheduleName, Arc<Schedule>>;

/// A schedule in force.
#[derive(Debug)]
pub struct Schedule {
    /// Its name.
    pub name: ScheduleName,
    /// Where it was made.
    pub origin: Origin,
    /// What it says.
    pub document: ScheduleDocument,
    timing: Timing,
    mark: [u8; 16],
}

/// A schedule that cannot be put to use.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    /// The document is none of a schedule.
    #[error("{0}")]
    Document(String),
    /// When it is due makes no sense.
    #[error(transparent)]
    Timing(#[from] TimingError),
    /// What it publishes is no event.
    #[error("its event breaks the rules: {0}")]
    Event(#[from] EventError),
    /// Its payload is too large.
    #[error("its payload has more than {SCHEDULE_DATA_BYTES_MAX} bytes")]
    TooLarge,
    /// A target that it cannot have.
    #[error(transparent)]
    Target(#[from] RuleError),
    /// It publishes to a bus that there is not.
    #[error("there is no event bus `{0}`")]
    Bus(BusName),
    /// It stands in the configuration file, which is the only place where it changes.
    #[error("it stands in the configuration file: change it there, and start the host again")]
    OfFile,
    /// The tenant has enough of them.
    #[error("the tenant has {SCHEDULES_PER_TENANT_MAX} schedules already")]
    TooMany,
}

impl ScheduleError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Document(_) | Self::Timing(_) | Self::Event(_) | Self::TooLarge | Self::Target(_) | Self::Bus(_) => {
                Code::ScheduleInvalid
            }
            Self::OfFile => Code::ScheduleOfFile,
            Self::TooMany => Code::SchedulesTooMany,
        }
    }
}

/// What is to be done about a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing, unless it changes.
    Rest,
    /// Nothing before then.
    Wait(u64),
    /// It is over, and to be removed.
    Remove,
    /// It stands otherwise from now on (absent = it does not run), and fires for this due time, if there is one.
    Go(Option<ScheduleState>, Option<u64>),
}

/// What is to be done at `now_ms` about the schedule of that name, which stands so. One that does not run is as none.
pub(crate) fn step(tenant: &TenantName, schedule: Option<&Schedule>, was: Option<ScheduleState>, now_ms: u64) -> Step {
    let Some(schedule) = schedule.filter(|schedule| schedule.document.enabled) else {
        return if was.is_some() { Step::Go(None, None) } else { Step::Rest };
    };
    let Schedule { name, origin, document, timing, mark } = schedule;
    let last_ms = was.and_then(|was| was.last_ms);
    let Some(was) = was.filter(|was| was.timing == *mark) else {
        let since_ms = if document.since_ms == 0 { now_ms } else { document.since_ms };
        // A time that fired under another timing does not fire again.
        let next_ms = timing.next_after(since_ms.max(last_ms.unwrap_or(0)));
        return Step::Go(Some(ScheduleState { timing: *mark, next_ms, last_ms }), None);
    };
    let Some(next_ms) = was.next_ms else {
        let is_over = *origin == Origin::Object && document.after == AfterLast::Delete;
        return if is_over { Step::Remove } else { Step::Rest };
    };
    let window_ms = document.flexible_window_ms;
    // What may still fire in its window is not missed.
    let due_ms = timing.go_on(document.catch_up, next_ms, now_ms.saturating_sub(window_ms));
    let fires_ms =
        due_ms.map(|due_ms| due_ms.saturating_add(delay_ms(&[tenant.as_str(), name.as_str()], due_ms, window_ms)));
    match (due_ms, fires_ms) {
        (Some(due_ms), Some(fires_ms)) if fires_ms <= now_ms => {
            let state = ScheduleState { next_ms: timing.next_after(due_ms), last_ms: Some(due_ms), ..was };
            Step::Go(Some(state), Some(due_ms))
        }
        (Some(due_ms), Some(fires_ms)) if due_ms == next_ms => Step::Wait(fires_ms),
        _ => Step::Go(Some(ScheduleState { next_ms: due_ms, ..was }), None),
    }
}

impl Schedule {
    /// A schedule of this document.
    ///
    /// # Errors
    /// When it is never due, or what it publishes is no event.
    pub fn new(name: &ScheduleName, document: &ScheduleDocument, origin: Origin) -> Result<Self, ScheduleError> {
        let ScheduleDocument { expression, timezone, start_ms, end_ms, since_ms, .. } = document;
        if document.data.as_ref().is_some_and(|data| data.len() > SCHEDULE_DATA_BYTES_MAX) {
            return Err(ScheduleError::TooLarge);
        }
        let text = TimingText { expression, timezone, start_ms: *start_ms, end_ms: *end_ms };
        let timing = Timing::parse(&text)?;
        let marked = format!("{expression}\0{timezone}\0{start_ms:?}\0{end_ms:?}\0{since_ms}");
        let mut mark = [0; 16];
        mark.iter_mut().zip(Digest::of(marked.as_bytes()).as_bytes()).for_each(|(to, from)| *to = *from);
        let schedule = Self { name: name.clone(), origin, document: document.clone(), timing, mark };
        schedule.event(0)?;
        Ok(schedule)
    }

    /// Its time zone, as IANA spells it.
    #[must_use]
    pub fn timezone(&self) -> &'static str {
        self.timing.timezone()
    }

    /// Whether it stands as this says: what that tells of due times is of its timing.
    #[must_use]
    pub fn stands(&self, state: &ScheduleState) -> bool {
        state.timing == self.mark
    }

    /// The first due time after an instant.
    #[must_use]
    pub fn next_after(&self, after_ms: u64) -> Option<u64> {
        self.timing.next_after(after_ms)
    }

    /// What it publishes for a due time: the same each time.
    pub(crate) fn event(&self, due_ms: u64) -> Result<Event, EventError> {
        let ScheduleDocument { kind, source, subject, data, .. } = &self.document;
        let (name, due) = (&self.name, rfc3339(due_ms));
        let source = source.clone().unwrap_or_else(|| format!("/wharf/schedules/{name}"));
        let mut event = EventBuilder::new(format!("{name}-{due}"), source, kind.as_str())
            .time(due)
            .extension(SCHEDULE_ATTRIBUTE, name.as_str());
        if let Some(subject) = subject {
            event = event.subject(subject.as_str());
        }
        if let Some(data) = data {
            event = event.datacontenttype("application/json").data(data.clone());
        }
        event.build()
    }
}

impl Tenant {
    /// Puts a schedule that is a control object in the place of the one that has its name, or removes it.
    pub(crate) fn change_schedule(&mut self, name: &ObjectName, document: Option<&Bytes>) -> Result<(), ScheduleError> {
        let none = |error: &dyn std::fmt::Display| ScheduleError::Document(error.to_string());
        let name: ScheduleName = name.as_str().parse().map_err(|error| none(&error))?;
        if self.schedules.get(&name).is_some_and(|before| before.origin == Origin::File) {
            return Err(ScheduleError::OfFile);
        }
        let Some(document) = document else {
            if self.schedules.contains_key(&name) {
                Arc::make_mut(&mut self.schedules).remove_mut(&name);
                self.aim_nowhere(&name)?;
            }
            return Ok(());
        };
        let document: ScheduleDocument = serde_json::from_slice(document).map_err(|error| none(&error))?;
        self.put_schedule(&name, &document, Origin::Object)
    }

    /// Puts a schedule in the place of the one that has its name.
    pub(crate) fn put_schedule(
        &mut self,
        name: &ScheduleName,
        document: &ScheduleDocument,
        origin: Origin,
    ) -> Result<(), ScheduleError> {
        let aimed = (!document.targets.is_empty()).then(|| BusName::of_schedule(name));
        if aimed.as_ref().map_or(!self.buses.contains_key(&document.bus), |aimed| *aimed != document.bus) {
            return Err(ScheduleError::Bus(document.bus.clone()));
        }
        let is_new = !self.schedules.contains_key(name);
        if is_new && self.schedules.size() >= SCHEDULES_PER_TENANT_MAX {
            return Err(ScheduleError::TooMany);
        }
        let schedule = Schedule::new(name, document, origin)?;
        self.aim(&schedule)?;
        Arc::make_mut(&mut self.schedules).insert_mut(name.clone(), Arc::new(schedule));
        Ok(())
    }
}

impl RuleSet {
    /// The schedules of a tenant; none where there is no such tenant.
    #[must_use]
    pub fn schedules(&self, tenant: &TenantName) -> Arc<ScheduleMap> {
        self.tenants.get(tenant).map(|tenant| Arc::clone(&tenant.schedules)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use wharf_delivery::{Document, ObjectKind, TenantDocument};
    use wharf_event::{AttributeValue, CatchUp};

    use super::*;
    use crate::mistakes::RulesError;

    const MINUTE_MS: u64 = 60_000;

    fn document() -> ScheduleDocument {
        ScheduleDocument {
            expression: "rate(1 minute)".to_owned(),
            timezone: "UTC".to_owned(),
            start_ms: None,
            end_ms: None,
            flexible_window_ms: 0,
            catch_up: CatchUp::Last,
            after: AfterLast::Keep,
            enabled: true,
            bus: "default".parse().unwrap(),
            targets: Vec::new(),
            kind: "tick".to_owned(),
            source: None,
            subject: None,
            data: None,
            since_ms: 0,
        }
    }

    fn schedule(document: &ScheduleDocument) -> Schedule {
        Schedule::new(&"s".parse().unwrap(), document, Origin::Object).unwrap()
    }

    /// What is done about a schedule from a time on, look by look: the due times that fire until it waits or rests.
    fn fired(document: &ScheduleDocument, was: &mut Option<ScheduleState>, now_ms: u64) -> Vec<u64> {
        let (schedule, mut fired) = (schedule(document), Vec::new());
        for _ in 0..2_000 {
            match step(&"t".parse().unwrap(), Some(&schedule), *was, now_ms) {
                Step::Go(state, due) => {
                    assert_ne!(*was, state, "it goes on");
                    *was = state;
                    fired.extend(due);
                }
                Step::Wait(ms) => {
                    assert!(ms > now_ms);
                    return fired;
                }
                Step::Rest | Step::Remove => return fired,
            }
        }
        panic!("it comes to no end");
    }

    #[test]
    fn a_schedule_begins_where_it_is_put_and_catches_up_as_it_says() {
        let minute = |n: u64| n * MINUTE_MS;
        let mut was = None;
        assert_eq!(fired(&document(), &mut was, minute(100) + 5), Vec::<u64>::new(), "what was before is none of its");
        assert_eq!(fired(&document(), &mut was, minute(101)), [minute(101)]);
        // Less than a minute late is not missed.
        assert_eq!(fired(&document(), &mut was, minute(103) - 1), [minute(102)]);
        for (catch_up, wanted) in [
            (CatchUp::None, vec![minute(110)]),
            // What is late by less than a minute was not missed.
            (CatchUp::Last, vec![minute(109), minute(110)]),
            (CatchUp::All, (103..=110).map(minute).collect()),
        ] {
            let (mut was, document) = (was, ScheduleDocument { catch_up, ..document() });
            assert_eq!(fired(&document, &mut was, minute(110) + 7), wanted, "{catch_up}");
            assert_eq!(was.unwrap().next_ms, Some(minute(111)));
        }
        let all = ScheduleDocument { catch_up: CatchUp::All, ..document() };
        let missed = fired(&all, &mut was, minute(10_000));
        assert_eq!((missed.len(), missed.last().copied()), (1_440, Some(minute(10_000))));
    }

    #[test]
    fn another_timing_begins_anew_and_fires_nothing_twice() {
        let (mut was, since_ms) = (None, 100 * MINUTE_MS);
        let before = ScheduleDocument { since_ms, ..document() };
        assert_eq!(fired(&before, &mut was, since_ms + MINUTE_MS), [since_ms + MINUTE_MS]);
        // It was put a moment before it fired.
        let now = ScheduleDocument { since_ms: since_ms + MINUTE_MS - 1, ..document() };
        assert_eq!(fired(&now, &mut was, since_ms + MINUTE_MS), Vec::<u64>::new());
        assert_eq!(was.unwrap().next_ms, Some(since_ms + 2 * MINUTE_MS));
        // With another payload it goes on.
        let told = ScheduleDocument { data: Some("1".to_owned()), ..now.clone() };
        assert!(schedule(&told).stands(&was.unwrap()));
        let rests = ScheduleDocument { enabled: false, ..now };
        assert_eq!(fired(&rests, &mut was, since_ms + 9 * MINUTE_MS), Vec::<u64>::new());
        assert_eq!(was, None);
    }

    #[test]
    fn one_that_is_over_is_removed_if_it_says_so() {
        let at = |after| ScheduleDocument { expression: "at(1970-01-02T00:00:00)".to_owned(), after, ..document() };
        let day_ms = 24 * 60 * MINUTE_MS;
        let mut was = None;
        assert_eq!(fired(&at(AfterLast::Keep), &mut was, day_ms - 1), Vec::<u64>::new());
        assert_eq!(fired(&at(AfterLast::Keep), &mut was, day_ms), [day_ms]);
        let (tenant, now) = ("t".parse().unwrap(), day_ms + 1);
        assert_eq!(step(&tenant, Some(&schedule(&at(AfterLast::Keep))), was, now), Step::Rest);
        assert_eq!(step(&tenant, Some(&schedule(&at(AfterLast::Delete))), was, now), Step::Remove);
        assert_eq!(step(&tenant, None, was, now), Step::Go(None, None));
        assert_eq!(step(&tenant, None, None, now), Step::Rest);
    }

    #[test]
    fn a_window_delays_and_nothing_in_it_is_missed() {
        let window_ms = 10 * MINUTE_MS;
        let document = ScheduleDocument { flexible_window_ms: window_ms, catch_up: CatchUp::None, ..document() };
        let (mut was, start_ms) = (None, 1_000 * MINUTE_MS);
        fired(&document, &mut was, start_ms);
        let mut all = Vec::new();
        for now_ms in (start_ms..start_ms + 60 * MINUTE_MS).step_by(1_000) {
            let fired = fired(&document, &mut was, now_ms);
            assert!(fired.iter().all(|due_ms| (*due_ms..due_ms + window_ms).contains(&now_ms)));
            all.extend(fired);
        }
        let wanted: Vec<u64> = (1..=all.len() as u64).map(|n| start_ms + n * MINUTE_MS).collect();
        assert_eq!(all, wanted);
        assert!(all.len() >= 49);
    }

    #[test]
    fn an_event_is_the_same_each_time_and_names_its_schedule() {
        let document =
            ScheduleDocument { subject: Some("x".to_owned()), data: Some("[1.50]".to_owned()), ..document() };
        let event = schedule(&document).event(1_796_083_200_000).unwrap();
        assert_eq!(
            (event.id(), event.source(), event.kind()),
            ("s-2026-12-01T00:00:00.000Z", "/wharf/schedules/s", "tick")
        );
        assert_eq!(event.data().unwrap().bytes().as_ref(), b"[1.50]");
        assert_eq!(event.extension(SCHEDULE_ATTRIBUTE), Some(&AttributeValue::String("s".into())));
    }

    #[test]
    fn schedules_that_cannot_be_are_refused_and_nothing_changes() {
        let acme: TenantName = "acme".parse().unwrap();
        let of_file = ScheduleDocument { since_ms: 0, ..document() };
        let tenant = TenantDocument {
            buses: ["default".parse().unwrap(), "audit".parse().unwrap()].into(),
            schedules: [("filed".parse().unwrap(), of_file)].into(),
            ..TenantDocument::default()
        };
        let file = Document { tenants: [(acme.clone(), tenant)].into(), ..Document::default() };
        let set = RuleSet::new(file, &HashMap::new(), &HashMap::new()).unwrap();
        let put = |set: &RuleSet, name: &str, document: Option<&ScheduleDocument>| -> Result<RuleSet, RulesError> {
            let (name, document) =
                (name.parse::<ScheduleName>().unwrap(), document.map(|it| serde_json::to_vec(it).unwrap().into()));
            set.with(&acme, [(ObjectKind::Schedule, &ObjectName::from(&name), document.as_ref())])
        };
        let code = |put: Result<RuleSet, RulesError>| put.map(drop).map_err(|error| error.code()).unwrap_err();
        assert_eq!(code(put(&set, "filed", Some(&document()))), Code::ScheduleOfFile);
        assert_eq!(code(put(&set, "filed", None)), Code::ScheduleOfFile);
        for wrong in [
            ScheduleDocument { bus: "none".parse().unwrap(), ..document() },
            ScheduleDocument { expression: "rate(1 year)".to_owned(), ..document() },
            ScheduleDocument { kind: String::new(), ..document() },
            ScheduleDocument { data: Some("1".repeat(SCHEDULE_DATA_BYTES_MAX + 1)), ..document() },
        ] {
            assert_eq!(code(put(&set, "s", Some(&wrong))), Code::ScheduleInvalid);
        }
        let used = put(&set, "s", Some(&ScheduleDocument { bus: "audit".parse().unwrap(), ..document() })).unwrap();
        assert_eq!((used.schedules(&acme).size(), set.schedules(&acme).size()), (2, 1));
        let bus: BusName = "audit".parse().unwrap();
        assert_eq!(code(used.with(&acme, [(ObjectKind::Bus, &ObjectName::from(&bus), None)])), Code::BusOfFile);
        assert_eq!(put(&used, "s", None).unwrap().schedules(&acme).size(), 1);
        let mut full = set.clone();
        let of = Arc::make_mut(full.tenants.get_mut(&acme).unwrap());
        for n in 1..SCHEDULES_PER_TENANT_MAX {
            of.put_schedule(&format!("s{n}").parse().unwrap(), &document(), Origin::Object).unwrap();
        }
        assert_eq!(code(put(&full, "more", Some(&document()))), Code::SchedulesTooMany);
        assert!(put(&full, "s1", Some(&document())).is_ok(), "one that is there is put again");
    }
}
