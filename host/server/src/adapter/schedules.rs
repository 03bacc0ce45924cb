//! Port: schedules, read and changed.
//!
//! Invariant: a schedule of the configuration file is read here and never changed. One that is put with another timing, or enabled again, runs
//! since then: what was due before is none of its.

use bytes::Bytes;
use serde_json::value::RawValue;
use wharf_delivery::{Object, ObjectFate, ObjectKind, ObjectName, ObjectWish, ScheduleDocument, ScheduleState};
use wharf_dispatch::{ChangeError, Origin, RuleSet, RulesError, Schedule, rfc3339};
use wharf_event::{BusName, Code, Position, RuleName, ScheduleName, TenantName};
use wharf_gateway::{
    Expected, Put, Refusal, RuleRef, ScheduleRef, Schedules,
    view::{RuleOrigin, ScheduleView},
};

use super::{HostAdapter, not_asked, page::Room, rule_view, rules, unknown, was_read};
use crate::config::{duration_text, read_schedule};

/// Schedules that are read of the state at a time.
const SCHEDULES_PER_STEP: usize = 64;

impl Schedules for HostAdapter {
    async fn schedules(
        &self,
        tenant: &TenantName,
        mut after: Option<ScheduleName>,
        limit: u32,
    ) -> Result<Vec<ScheduleView>, Refusal> {
        self.known(tenant)?;
        let set = self.dispatcher.rules();
        let (mut room, mut page) = (Room::new(limit as usize), Vec::new());
        loop {
            let from = after.as_ref().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
            let all = set.schedules(tenant);
            let step = all.range::<ScheduleName, _>((from, std::ops::Bound::Unbounded));
            let step: Vec<ScheduleName> =
                step.take(SCHEDULES_PER_STEP.min(room.rows())).map(|(name, _)| name.clone()).collect();
            let Some(last) = step.last() else { return Ok(page) };
            after = Some(last.clone());
            for view in self.schedule_views(&set, tenant, step).await? {
                if !room.take(bytes(&view)) {
                    return Ok(page);
                }
                page.push(view);
            }
            if room.is_full() {
                return Ok(page);
            }
        }
    }

    async fn schedule(&self, of: ScheduleRef) -> Result<ScheduleView, Refusal> {
        self.known(&of.tenant)?;
        let views = self.schedule_views(&self.dispatcher.rules(), &of.tenant, vec![of.schedule.clone()]).await?;
        views.into_iter().next().ok_or_else(|| none(&of))
    }

    async fn put_schedule(
        &self,
        of: ScheduleRef,
        document: Bytes,
        expected: Expected,
    ) -> Result<Put<ScheduleView>, Refusal> {
        self.known(&of.tenant)?;
        let set = self.dispatcher.rules();
        let (rule, bus) = (RuleName::of_schedule(&of.schedule), BusName::of_schedule(&of.schedule));
        let aimed = RuleRef { tenant: of.tenant.clone(), bus, rule };
        let document = rules::read_beside(&set, &aimed, |beside| read_schedule(&document, &of.schedule, beside))?;
        let name = ObjectName::from(&of.schedule);
        let of_state = |state: &_| Object::get(state, &of.tenant, ObjectKind::Schedule, &name);
        let held = was_read(self.dispatcher.read(of_state).await)?;
        let before = held.map(|object| stored(&object.document)).transpose()?;
        let going_on = before.filter(|before| goes_on(before, &document));
        // Of a schedule 0 says that nobody knows.
        let since_ms = going_on.as_ref().map_or_else(|| self.dispatcher.now_ms().max(1), |before| before.since_ms);
        let document = ScheduleDocument { since_ms, ..document };
        if going_on.is_none()
            && set.schedules(&of.tenant).get(&of.schedule).is_none_or(|it| it.origin == Origin::Object)
        {
            to_come(&of, &document)?;
        }
        let stored = serde_json::to_vec(&document).map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        let fate = self.change_schedule(&of, Some(stored.into()), expected).await?;
        let created = matches!(fate, ObjectFate::Created(_));
        let version = fate.version().ok_or_else(|| none(&of))?;
        let schedule = Schedule::new(&of.schedule, &document, Origin::Object);
        let schedule = schedule.map_err(|error| Refusal::new(error.code(), error.to_string()))?;
        let state = was_read(self.dispatcher.read(|state| ScheduleState::get(state, &of.tenant, &of.schedule)).await)?;
        Ok(Put { now: view(&schedule, Some(version), state.as_ref())?, created })
    }

    async fn remove_schedule(&self, of: ScheduleRef, expected: Expected) -> Result<(), Refusal> {
        self.known(&of.tenant)?;
        match self.change_schedule(&of, None, expected).await? {
            ObjectFate::Absent => Err(none(&of)),
            _ => Ok(()),
        }
    }
}

impl HostAdapter {
    /// Schedules as the API shows them; those that are gone are left out.
    async fn schedule_views(
        &self,
        set: &RuleSet,
        tenant: &TenantName,
        names: Vec<ScheduleName>,
    ) -> Result<Vec<ScheduleView>, Refusal> {
        let read = self.dispatcher.read(|state| {
            let get = |name: &ScheduleName| {
                let object = Object::get(state, tenant, ObjectKind::Schedule, &ObjectName::from(name))?;
                Ok((object, ScheduleState::get(state, tenant, name)?))
            };
            names.iter().map(get).collect::<Result<Vec<_>, _>>()
        });
        let read = was_read(read.await)?;
        let all = set.schedules(tenant);
        let mut views = Vec::with_capacity(names.len());
        for (name, (object, state)) in names.iter().zip(read) {
            let of_file = all.get(name).filter(|schedule| schedule.origin == Origin::File);
            match (of_file, object) {
                (Some(schedule), _) => views.push(view(schedule, None, state.as_ref())?),
                (None, Some(object)) => {
                    let schedule = Schedule::new(name, &stored(&object.document)?, Origin::Object);
                    let schedule = schedule.map_err(|error| damaged(&error))?;
                    views.push(view(&schedule, Some(object.version), state.as_ref())?);
                }
                (None, None) => {}
            }
        }
        Ok(views)
    }

    /// Makes, changes or removes one schedule.
    async fn change_schedule(
        &self,
        of: &ScheduleRef,
        stored: Option<Bytes>,
        expected: Expected,
    ) -> Result<ObjectFate, Refusal> {
        let (name, expected) = (ObjectName::from(&of.schedule), rules::taken(expected));
        let wish = ObjectWish { kind: ObjectKind::Schedule, name, document: stored, expected };
        let changed = self.dispatcher.change(&of.tenant, vec![wish]).await.map_err(|error| match error {
            ChangeError::Ask(error) => not_asked(&error),
            ChangeError::Rules(RulesError::Tenant(error)) => unknown(&error),
            ChangeError::Rules(RulesError::Schedule { source, .. }) => Refusal::new(source.code(), source.to_string()),
            ChangeError::Rules(error) => Refusal::new(error.code(), error.to_string()),
        })?;
        let fate = changed.objects.into_iter().next();
        fate.ok_or_else(|| Refusal::new(Code::Internal, "nothing became of the schedule"))
    }
}

/// Whether a schedule that is put in the place of `before` runs on since when that one did, rather than since now.
fn goes_on(before: &ScheduleDocument, now: &ScheduleDocument) -> bool {
    let timing = |of: &ScheduleDocument| (of.expression.clone(), of.timezone.clone(), of.start_ms, of.end_ms);
    timing(before) == timing(now) && (before.enabled || !now.enabled)
}

/// Refuses a schedule that is to begin now, and never fires. What is wrong with it otherwise is for whoever puts it to use.
fn to_come(of: &ScheduleRef, document: &ScheduleDocument) -> Result<(), Refusal> {
    let schedule = Schedule::new(&of.schedule, document, Origin::Object).ok();
    let is_past = |schedule: &Schedule| document.enabled && schedule.next_after(document.since_ms).is_none();
    if schedule.as_ref().is_some_and(is_past) {
        let (expression, now) = (&document.expression, rfc3339(document.since_ms));
        return Err(Refusal::new(Code::SchedulePast, format!("nothing of `{expression}` is due after {now}")));
    }
    Ok(())
}

/// A schedule as the API shows it: what `wharf.toml` would have, with every default written out.
fn view(
    schedule: &Schedule,
    version: Option<Position>,
    state: Option<&ScheduleState>,
) -> Result<ScheduleView, Refusal> {
    let ScheduleDocument { expression, timezone, start_ms, end_ms, flexible_window_ms, catch_up, .. } =
        &schedule.document;
    let ScheduleDocument { after, enabled, bus, targets, kind, source, subject, data, since_ms, .. } =
        &schedule.document;
    let stands = state.filter(|state| schedule.stands(state));
    // One that was not looked at yet is due as it will be when it was.
    let next_ms = match stands {
        Some(state) => state.next_ms,
        None => schedule.next_after((*since_ms).max(state.and_then(|state| state.last_ms).unwrap_or(0))),
    };
    let data = data.clone().map(RawValue::from_string).transpose();
    let of_api = schedule.origin == Origin::Object;
    Ok(ScheduleView {
        schedule: schedule.name.clone(),
        origin: if of_api { RuleOrigin::Api } else { RuleOrigin::File },
        version,
        next: next_ms.filter(|_| *enabled && (stands.is_some() || of_api)).map(rfc3339),
        last: state.and_then(|state| state.last_ms).map(rfc3339),
        expression: expression.clone(),
        timezone: timezone.clone(),
        start: start_ms.map(rfc3339),
        end: end_ms.map(rfc3339),
        flexible_window: duration_text(*flexible_window_ms),
        catch_up: *catch_up,
        after: of_api.then(|| after.to_string()),
        enabled: *enabled,
        bus: bus.is_plain().then(|| bus.clone()),
        targets: targets.iter().map(rule_view::target).collect(),
        kind: kind.clone(),
        source: source.clone(),
        subject: subject.clone(),
        data: data.map_err(|error| damaged(&error))?,
    })
}

/// About so many bytes has the view.
fn bytes(view: &ScheduleView) -> usize {
    let texts = [view.source.as_ref(), view.subject.as_ref()].into_iter().flatten().map(String::len);
    let data = view.data.as_ref().map_or(0, |data| data.get().len());
    let names =
        view.schedule.as_str().len() + view.bus.as_ref().map_or(0, |bus| bus.as_str().len()) + view.timezone.len();
    let targets = view.targets.iter().map(rule_view::target_bytes).sum::<usize>();
    texts.sum::<usize>() + data + names + targets + view.expression.len() + view.kind.len()
}

fn none(of: &ScheduleRef) -> Refusal {
    Refusal::new(Code::ScheduleUnknown, format!("tenant `{}` has no schedule `{}`", of.tenant, of.schedule))
}

fn stored(document: &[u8]) -> Result<ScheduleDocument, Refusal> {
    serde_json::from_slice(document).map_err(|error| damaged(&error))
}

fn damaged(error: &dyn std::error::Error) -> Refusal {
    tracing::error!("a schedule in the state cannot be read: {error}");
    Refusal::new(Code::Internal, "a schedule in the state cannot be read")
}
