//! Port: replays, begun, cancelled, let go of, and read.
//!
//! Invariant: a wish is checked against what is there when it is begun; what goes meanwhile ends the replay, and its reason says so.

use serde_json::value::RawValue;
use wharf_delivery::{ReplayPhase, StatsRow, keys};
use wharf_dispatch::{Replay, ReplayError, ReplayWish, Rule, RuleSet, replays_wait, rfc3339};
use wharf_event::{BusName, Code, ReplayName, RuleName, Target, TenantName};
use wharf_gateway::{
    Put, Refusal, ReplayRef, Replays,
    view::{ReplayView, ReplayWishView},
};
use wharf_pattern::Pattern;

use super::{HostAdapter, not_asked, not_in_archive, rules, unknown, was_read};

/// Events a second, where nothing is said.
const PER_S: u32 = 1_000;

/// Events a second at most.
const PER_S_MAX: u32 = 100_000;

/// The bus whose events are replayed, where none is named.
const BUS: &str = "default";

/// Characters that the beginning of a type may have.
const TYPE_PREFIX_MAX: usize = 256;

impl Replays for HostAdapter {
    async fn replays(
        &self,
        tenant: &TenantName,
        after: Option<ReplayName>,
        limit: u32,
    ) -> Result<Vec<ReplayView>, Refusal> {
        self.known(tenant)?;
        let page = self.dispatcher.replays_behind(tenant, after.as_ref(), limit as usize).await;
        let all = page.map_err(|error| not_asked(&error))?;
        let waits = self.replays_wait(tenant).await?;
        let left = |replay: &Replay| self.dispatcher.replay_left(tenant, &replay.name);
        all.into_iter().map(|replay| (left(&replay), replay)).map(|(left, replay)| view(replay, &waits, left)).collect()
    }

    async fn replay(&self, of: ReplayRef) -> Result<ReplayView, Refusal> {
        self.known(&of.tenant)?;
        let replay = self.dispatcher.replay(&of.tenant, &of.replay).await.map_err(|error| refused(&error))?;
        let left = self.dispatcher.replay_left(&of.tenant, &of.replay);
        view(replay, &self.replays_wait(&of.tenant).await?, left)
    }

    async fn begin_replay(&self, of: ReplayRef, wish: ReplayWishView) -> Result<Put<ReplayView>, Refusal> {
        self.known(&of.tenant)?;
        let wish = checked(&self.dispatcher.rules(), &of.tenant, wish)?;
        let begun = self.dispatcher.begin_replay(&of.tenant, &of.replay, wish).await;
        let (replay, created) = begun.map_err(|error| refused(&error))?;
        Ok(Put { now: view(replay, &None, None)?, created })
    }

    async fn cancel_replay(&self, of: ReplayRef) -> Result<ReplayView, Refusal> {
        self.known(&of.tenant)?;
        let replay = self.dispatcher.cancel_replay(&of.tenant, &of.replay).await.map_err(|error| refused(&error))?;
        view(replay, &None, None)
    }

    async fn remove_replay(&self, of: ReplayRef) -> Result<(), Refusal> {
        self.known(&of.tenant)?;
        self.dispatcher.remove_replay(&of.tenant, &of.replay).await.map_err(|error| refused(&error))
    }
}

impl HostAdapter {
    /// Why the replays and redrives of a tenant wait that go on, if they do.
    pub(super) async fn replays_wait(&self, tenant: &TenantName) -> Result<Option<String>, Refusal> {
        let settings = self.dispatcher.rules().settings(tenant);
        if settings.suspended {
            return Ok(Some("it waits: the tenant is suspended".to_owned()));
        }
        let stats = self.dispatcher.read(|state| StatsRow::get(state, &keys::tenant(tenant))).await;
        let (pending, most) = (was_read(stats)?.unwrap_or_default().pending, settings.quotas.backlog());
        let why = || format!("it waits until less than half of the {most} deliveries wait that may: {pending} do");
        Ok(replays_wait(pending, most).then(why))
    }
}

/// The wish with every default in it, if there is what it names.
fn checked(set: &RuleSet, tenant: &TenantName, wish: ReplayWishView) -> Result<ReplayWish, Refusal> {
    let ReplayWishView { bus, to_bus, rule, target, start, end, type_prefix, pattern, events_per_s } = wish;
    let bus: BusName = match bus {
        Some(bus) => bus,
        None => BUS.parse().map_err(|error| invalid("bus", error))?,
    };
    is_there(set, tenant, &bus)?;
    let target = target.map(|text| text.parse::<Target>()).transpose().map_err(|error| invalid("target", error))?;
    must_be_owed(set, tenant, to_bus.as_ref().unwrap_or(&bus), rule.as_ref(), target.as_ref())?;
    let (start_ms, end_ms) = (time("start", start)?, time("end", end)?);
    if let (Some(start_ms), Some(end_ms)) = (start_ms, end_ms)
        && start_ms >= end_ms
    {
        return Err(invalid("end", "it is not behind `start`"));
    }
    if type_prefix.as_ref().is_some_and(|prefix| prefix.len() > TYPE_PREFIX_MAX) {
        return Err(invalid("type_prefix", format!("at most {TYPE_PREFIX_MAX} characters")));
    }
    let pattern = pattern.map(|text| text.get().to_owned());
    if let Some(text) = &pattern {
        Pattern::from_json(text.as_bytes()).map_err(|errors| rules::wrong_pattern(&errors))?;
    }
    let per_s = events_per_s.unwrap_or(PER_S);
    if !(1..=PER_S_MAX).contains(&per_s) {
        return Err(invalid("events_per_s", format!("from 1 to {PER_S_MAX}")));
    }
    let to_bus = to_bus.filter(|onto| *onto != bus);
    Ok(ReplayWish { bus, to_bus, rule, target, start_ms, end_ms, type_prefix, pattern, per_s })
}

fn is_there(set: &RuleSet, tenant: &TenantName, bus: &BusName) -> Result<(), Refusal> {
    set.rules(tenant, bus, None).map(drop).map_err(|error| unknown(&error))
}

/// The bus has the rule, and a rule with the target, where they are said.
fn must_be_owed(
    set: &RuleSet,
    tenant: &TenantName,
    bus: &BusName,
    rule: Option<&RuleName>,
    target: Option<&Target>,
) -> Result<(), Refusal> {
    is_there(set, tenant, bus)?;
    if let Some(name) = rule
        && set.rule(tenant, name).is_none_or(|rule| rule.bus != *bus)
    {
        return Err(Refusal::new(Code::RuleUnknown, format!("bus `{bus}` has no rule `{name}`")));
    }
    let Some(target) = target else { return Ok(()) };
    let mut rules = set.rules(tenant, bus, None).map_err(|error| unknown(&error))?;
    let leads = |it: &Rule| rule.is_none_or(|rule| *rule == it.name) && it.targets.iter().any(|one| one.to == *target);
    if rules.any(leads) {
        return Ok(());
    }
    Err(invalid("target", format!("no such rule of bus `{bus}` has the target `{target}`: add one first")))
}

fn time(name: &str, text: Option<String>) -> Result<Option<u64>, Refusal> {
    let time = text.map(|text| text.parse::<jiff::Timestamp>()).transpose();
    let time = time.map_err(|error| invalid(name, error))?;
    Ok(time.map(|time| u64::try_from(time.as_millisecond()).unwrap_or(0)))
}

fn invalid(member: &str, detail: impl std::fmt::Display) -> Refusal {
    let mistake = wharf_gateway::Mistake { pointer: format!("/{member}"), detail: detail.to_string() };
    Refusal::new(Code::ReplayInvalid, format!("`{member}`: {detail}")).errors(vec![mistake])
}

fn refused(error: &ReplayError) -> Refusal {
    let code = match error {
        ReplayError::NoTenant(_) => Code::TenantUnknown,
        ReplayError::Unknown(..) => Code::ReplayUnknown,
        ReplayError::Exists(_) => Code::ReplayExists,
        ReplayError::Running(_) => Code::ReplayRunning,
        ReplayError::TooManyRunning(_) | ReplayError::TooMany(_) => Code::ReplaysTooMany,
        ReplayError::Archive(error) => return not_in_archive(error),
        ReplayError::Ask(error) => return not_asked(error),
    };
    Refusal::new(code, error.to_string())
}

/// A phase as the API has it.
pub(super) fn phase(of: ReplayPhase) -> &'static str {
    match of {
        ReplayPhase::Running => "running",
        ReplayPhase::Done => "done",
        ReplayPhase::Cancelled => "cancelled",
        ReplayPhase::Failed => "failed",
    }
}

/// A replay as the API shows it; `waits` is why one that goes on brings nothing now, and `left` what it has still before it,
/// where that is counted.
fn view(replay: Replay, waits: &Option<String>, left: Option<u64>) -> Result<ReplayView, Refusal> {
    let Replay { name, wish, begun_ms, begun_at, state } = replay;
    let ReplayWish { bus, to_bus, rule, target, start_ms, end_ms, type_prefix, pattern, per_s } = wish;
    let pattern = pattern.map(RawValue::from_string).transpose();
    let pattern = pattern.map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
    let (looked, all) = (state.cursor.k.saturating_sub(begun_at.k), state.until.k.saturating_sub(begun_at.k));
    let left = left.filter(|_| state.phase == ReplayPhase::Running);
    let (done, of) = left.map_or((looked, all), |left| (state.replayed, state.replayed.saturating_add(left)));
    let progress = if of == 0 { 1.0 } else { done as f64 / of as f64 };
    Ok(ReplayView {
        replay: name,
        phase: phase(state.phase).to_owned(),
        reason: match state.phase {
            ReplayPhase::Running => waits.clone(),
            _ => Some(state.reason).filter(|reason| !reason.is_empty()),
        },
        replayed: state.replayed,
        left,
        progress,
        position: state.cursor,
        until: state.until,
        begun: rfc3339(begun_ms),
        wish: ReplayWishView {
            bus: Some(bus),
            to_bus,
            rule,
            target: target.map(|target| target.to_string()),
            start: start_ms.map(rfc3339),
            end: end_ms.map(rfc3339),
            type_prefix,
            pattern,
            events_per_s: Some(per_s),
        },
    })
}
