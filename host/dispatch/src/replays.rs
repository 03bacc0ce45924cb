//! Replays as they are asked for: begun, cancelled, let go of, and read.
//!
//! Invariant: a replay is a row that says how it stands; the task that brings its events (`replay_run.rs`) goes by the row, so whatever is asked
//! here holds as soon as it is durable.

use std::{ops::Bound, str::FromStr};

use bytes::Bytes;
use wharf_delivery::{Refused, ReplayPhase, ReplayRequest, ReplayState, Request, Table, TableError, Tables, keys};
use wharf_event::{BusName, Position, ReplayName, TenantName};

use crate::{
    archive::ArchiveError,
    dispatcher::Dispatcher,
    limits::{OBJECTS_PAGE, REPLAYS_MAX, REPLAYS_RUNNING_MAX},
    partition::{AskError, chain},
    replay_pages::{ReplayWish, first_since},
    surroundings::blocking,
};

/// Why nothing became of what was asked of a replay.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// No such tenant.
    #[error("there is no tenant `{0}`")]
    NoTenant(TenantName),
    /// No such replay.
    #[error("tenant `{0}` has no replay `{1}`")]
    Unknown(TenantName, ReplayName),
    /// There is one of that name that brings something else.
    #[error("there is a replay `{0}` that brings other events: give this one another name, or remove that one")]
    Exists(ReplayName),
    /// It goes on.
    #[error("replay `{0}` goes on: cancel it first")]
    Running(ReplayName),
    /// As many go on as may.
    #[error("{0} replays of the tenant go on, as many as may at a time: wait for one, or cancel one")]
    TooManyRunning(usize),
    /// As many are kept as may be.
    #[error("the tenant has {0} replays, as many as are kept: remove some that are over")]
    TooMany(usize),
    /// The archive cannot be read.
    #[error("the archive cannot be read")]
    Archive(#[from] ArchiveError),
    /// The machine refused or failed.
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// A replay, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Its name.
    pub name: ReplayName,
    /// What it is to bring.
    pub wish: ReplayWish,
    /// When it was begun, in milliseconds since 1970.
    pub begun_ms: u64,
    /// Where it began.
    pub begun_at: Position,
    /// How it stands.
    pub state: ReplayState,
}

/// What the machine keeps of a wish.
#[derive(serde::Serialize, serde::Deserialize)]
struct Kept {
    wish: ReplayWish,
    begun_ms: u64,
    begun_at: Position,
}

impl Replay {
    pub(crate) fn of(name: ReplayName, state: ReplayState) -> Result<Self, AskError> {
        let damaged = |error| AskError::Failed(format!("replay `{name}` in the state cannot be read: {error}"));
        let Kept { wish, begun_ms, begun_at } = serde_json::from_slice(&state.document).map_err(damaged)?;
        Ok(Self { name, wish, begun_ms, begun_at, state })
    }
}

/// The replays of a tenant, or of all, in the order of their names, as the state has them.
pub(crate) fn standing(
    tables: &impl Tables,
    tenant: Option<&TenantName>,
) -> Result<Vec<(TenantName, ReplayName, ReplayState)>, TableError> {
    rows(tables, Table::Replays, tenant, ReplayState::from_bytes)
}

/// The rows of a table that are named by tenant and something of it: of one tenant, or of all, in order.
pub(crate) fn rows<N: FromStr, S>(
    tables: &impl Tables,
    table: Table,
    tenant: Option<&TenantName>,
    read: impl Fn(&Bytes) -> Result<S, TableError>,
) -> Result<Vec<(TenantName, N, S)>, TableError> {
    let prefix = tenant.map(keys::tenant).unwrap_or_default();
    let (mut all, mut last): (Vec<_>, Option<Vec<u8>>) = (Vec::new(), None);
    loop {
        let from = last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let page = tables.scan(table, &prefix, from, OBJECTS_PAGE)?;
        let Some((key, _)) = page.last() else { return Ok(all) };
        last = Some(key.to_vec());
        for (key, value) in &page {
            if let (Some(tenant), Some(name)) = (keys::first(key), keys::second(key)) {
                all.push((tenant, name, read(value)?));
            }
        }
    }
}

impl Dispatcher {
    /// Begins a replay of what the archive has now. The same wish under the same name is that replay, and false is said.
    ///
    /// # Errors
    /// When there is another of that name, there are too many, the archive cannot be read, or the log failed.
    pub async fn begin_replay(
        &self,
        tenant: &TenantName,
        name: &ReplayName,
        wish: ReplayWish,
    ) -> Result<(Replay, bool), ReplayError> {
        // One at a time, so that the bounds hold.
        let _beginning = self.attempts.replays.beginning.lock().await;
        let all = self.replays(tenant).await?;
        if let Some(there) = all.iter().find(|replay| replay.name == *name) {
            let same = there.wish == wish;
            return if same { Ok((there.clone(), false)) } else { Err(ReplayError::Exists(name.clone())) };
        }
        if all.iter().filter(|replay| replay.state.phase == ReplayPhase::Running).count() >= REPLAYS_RUNNING_MAX {
            return Err(ReplayError::TooManyRunning(REPLAYS_RUNNING_MAX));
        }
        if all.len() >= REPLAYS_MAX {
            return Err(ReplayError::TooMany(REPLAYS_MAX));
        }
        let since_k = self.rules().since_k(tenant);
        let (archive, own_k) = (self.archive().clone(), since_k + 1);
        let until = Position { k: archive.last_k() + 1, i: 0 };
        let first_k = match wish.start_ms {
            Some(start_ms) => {
                let search = move || first_since(&archive, own_k, start_ms);
                let found = blocking(self.attempts.surroundings.threads.as_ref(), search).await;
                found.ok_or(AskError::Stopping)??
            }
            None => own_k.max(archive.first_k()),
        };
        let begun_at = Position { k: first_k.min(until.k), i: 0 };
        let bus = wish.onto().clone();
        let kept = Kept { wish, begun_ms: self.now_ms(), begun_at };
        let document = serde_json::to_vec(&kept).map_err(|error| AskError::Failed(error.to_string()))?;
        let state = ReplayState {
            document: document.into(),
            cursor: begun_at,
            until,
            replayed: 0,
            phase: ReplayPhase::Running,
            reason: String::new(),
        };
        self.begun((tenant, since_k, &bus), name, &state).await?;
        self.attempts.replays.begun.notify_one();
        Ok((Replay::of(name.clone(), state)?, true))
    }

    /// Ends a replay where it is. One that is over stays as it is.
    ///
    /// # Errors
    /// When there is none of that name, or the log failed.
    pub async fn cancel_replay(&self, tenant: &TenantName, name: &ReplayName) -> Result<Replay, ReplayError> {
        loop {
            let replay = self.replay(tenant, name).await?;
            if replay.state.phase != ReplayPhase::Running {
                return Ok(replay);
            }
            let state = ReplayState { phase: ReplayPhase::Cancelled, ..replay.state.clone() };
            match self.restated(tenant, name, (Some(replay.state), Some(state.clone()))).await {
                Ok(()) => return Ok(Replay::of(name.clone(), state)?),
                // It went on meanwhile.
                Err(AskError::Refused(Refused::Gone)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Lets go of a replay that is over. What it brought stays.
    ///
    /// # Errors
    /// When there is none of that name, it goes on, or the log failed.
    pub async fn remove_replay(&self, tenant: &TenantName, name: &ReplayName) -> Result<(), ReplayError> {
        loop {
            let replay = self.replay(tenant, name).await?;
            if replay.state.phase == ReplayPhase::Running {
                return Err(ReplayError::Running(name.clone()));
            }
            match self.restated(tenant, name, (Some(replay.state), None)).await {
                Err(AskError::Refused(Refused::Gone)) => {}
                restated => return Ok(restated?),
            }
        }
    }

    /// The replays of a tenant by name: at most [`REPLAYS_MAX`].
    ///
    /// # Errors
    /// When the state cannot be read, or the log failed.
    pub async fn replays(&self, tenant: &TenantName) -> Result<Vec<Replay>, AskError> {
        let all = self.read(|state| standing(state, Some(tenant))).await?;
        let all = all.map_err(|error| AskError::Failed(chain(&error)))?;
        all.into_iter().map(|(_, name, state)| Replay::of(name, state)).collect()
    }

    /// A page of them: those behind `after`, at most `limit`.
    ///
    /// # Errors
    /// When the state cannot be read, or the log failed.
    pub async fn replays_behind(
        &self,
        tenant: &TenantName,
        after: Option<&ReplayName>,
        limit: usize,
    ) -> Result<Vec<Replay>, AskError> {
        let (prefix, after) = (keys::tenant(tenant), after.map(|after| keys::replay(tenant, after)));
        let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let page = self.read(|state| state.scan(Table::Replays, &prefix, from, limit)).await?;
        let unread = |error: TableError| AskError::Failed(chain(&error));
        let replay = |(key, row): (Bytes, Bytes)| {
            let name = keys::second(&key)?;
            Some(ReplayState::from_bytes(&row).map_err(unread).and_then(|state| Replay::of(name, state)))
        };
        page.map_err(unread)?.into_iter().filter_map(replay).collect()
    }

    /// One replay.
    ///
    /// # Errors
    /// When there is none of that name, the state cannot be read, or the log failed.
    pub async fn replay(&self, tenant: &TenantName, name: &ReplayName) -> Result<Replay, ReplayError> {
        let state = self.read(|state| ReplayState::get(state, tenant, name)).await?;
        let state = state.map_err(|error| AskError::Failed(chain(&error)))?;
        let state = state.ok_or_else(|| ReplayError::Unknown(tenant.clone(), name.clone()))?;
        Ok(Replay::of(name.clone(), state)?)
    }

    /// A tenant that is being deleted begins nothing: its rules are others by then. Nor does another one that has its name meanwhile: what the
    /// archive has of the first is none of its.
    async fn begun(
        &self,
        (tenant, since_k, bus): (&TenantName, u64, &BusName),
        name: &ReplayName,
        state: &ReplayState,
    ) -> Result<(), ReplayError> {
        let mut turn = None;
        loop {
            let rules = self.rules();
            if !rules.has_tenant(tenant) || rules.since_k(tenant) != since_k {
                return Err(ReplayError::NoTenant(tenant.clone()));
            }
            let nothing = rules.accepting(tenant, bus.clone(), Vec::new());
            let (of, replay, state) = (tenant.clone(), name.clone(), Some(state.clone()));
            let request = ReplayRequest { tenant: of, replay, was: None, state, events: Some(nothing) };
            match self.attempts.partition.ask(Request::Replay(Box::new(request))).await {
                Ok(_) => return Ok(()),
                Err(AskError::Refused(Refused::StaleRules)) if turn.is_none() => {
                    turn = Some(self.attempts.configuring.read().await);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn restated(
        &self,
        tenant: &TenantName,
        name: &ReplayName,
        (was, state): (Option<ReplayState>, Option<ReplayState>),
    ) -> Result<(), AskError> {
        let request = ReplayRequest { tenant: tenant.clone(), replay: name.clone(), was, state, events: None };
        self.attempts.partition.ask(Request::Replay(Box::new(request))).await.map(drop)
    }
}
