//! Redrives at a rate as they are asked for: begun, cancelled and read.
//!
//! Invariant: such a redrive is a row that says how it stands, one for each dead-letter queue; the task that sends its letters (`redriving.rs`) goes
//! by the row, so whatever is asked here holds as soon as it is durable.

use serde::{Deserialize, Serialize};
use wharf_delivery::{
    DeadLetterRow, RedriveState, RedrivingRequest, Refused, ReplayPhase, Request, Table, TableError, Tables,
};
use wharf_event::{QueueName, TenantName};

use crate::{
    dispatcher::Dispatcher,
    letters::LetterWish,
    limits::REDRIVES_RUNNING_MAX,
    partition::{AskError, chain},
    replays::rows,
};

/// Why nothing became of what was asked of a redrive at a rate.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    /// No such tenant.
    #[error("there is no tenant `{0}`")]
    NoTenant(TenantName),
    /// No letter ever came into the queue.
    #[error("no letter ever came into a queue `{0}`")]
    NoQueue(QueueName),
    /// There was none.
    #[error("no redrive of queue `{0}` was begun at a rate")]
    Unknown(QueueName),
    /// One goes on.
    #[error("a redrive of queue `{0}` goes on: wait for it, or cancel it")]
    Running(QueueName),
    /// As many go on as may.
    #[error("{0} redrives of the tenant go on, as many as may at a time: wait for one, or cancel one")]
    TooMany(usize),
    /// The machine refused or failed.
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// A redrive at a rate, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacedRedrive {
    /// The queue that its letters are in.
    pub queue: QueueName,
    /// Which letters of it.
    pub wish: LetterWish,
    /// Letters a second at most.
    pub per_s: u32,
    /// When it was begun, in milliseconds since 1970. What was given up later is none of its.
    pub begun_ms: u64,
    /// Letters that lay in the queue then.
    pub lay_there: u64,
    /// How it stands.
    pub state: RedriveState,
}

/// What the machine keeps of a wish.
#[derive(Serialize, Deserialize)]
struct Kept {
    wish: LetterWish,
    per_s: u32,
    begun_ms: u64,
    lay_there: u64,
}

impl PacedRedrive {
    pub(crate) fn of(queue: QueueName, state: RedriveState) -> Result<Self, AskError> {
        let damaged =
            |error| AskError::Failed(format!("the redrive of `{queue}` in the state cannot be read: {error}"));
        let Kept { wish, per_s, begun_ms, lay_there } = serde_json::from_slice(&state.document).map_err(damaged)?;
        Ok(Self { queue, wish, per_s, begun_ms, lay_there, state })
    }
}

/// The redrives of a tenant, or of all, in the order of their queues, as the state has them.
pub(crate) fn standing(
    tables: &impl Tables,
    tenant: Option<&TenantName>,
) -> Result<Vec<(TenantName, QueueName, RedriveState)>, TableError> {
    rows(tables, Table::Redrives, tenant, RedriveState::from_bytes)
}

impl Dispatcher {
    /// Begins to send letters of a queue again that lie there now, so many a second.
    ///
    /// # Errors
    /// When there is no such queue, one goes on, or the log failed.
    pub async fn begin_redrive(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        (wish, per_s): (LetterWish, u32),
    ) -> Result<PacedRedrive, RedriveError> {
        // One at a time, so that the bound holds.
        let _beginning = self.attempts.replays.beginning.lock().await;
        let read = |state: &_| -> Result<_, TableError> {
            Ok((standing(state, Some(tenant))?, DeadLetterRow::depth(state, tenant, queue)?))
        };
        let read = self.read(read).await?.map_err(|error| AskError::Failed(chain(&error)))?;
        let (all, Some(lay_there)) = read else { return Err(RedriveError::NoQueue(queue.clone())) };
        let was = all.iter().find(|(_, of, _)| of == queue).map(|(.., state)| state.clone());
        let goes_on = |state: &RedriveState| state.phase == ReplayPhase::Running;
        if was.as_ref().is_some_and(goes_on) {
            return Err(RedriveError::Running(queue.clone()));
        }
        if all.iter().filter(|(.., state)| goes_on(state)).count() >= REDRIVES_RUNNING_MAX {
            return Err(RedriveError::TooMany(REDRIVES_RUNNING_MAX));
        }
        let kept = Kept { wish, per_s, begun_ms: self.now_ms(), lay_there };
        let document = serde_json::to_vec(&kept).map_err(|error| AskError::Failed(error.to_string()))?;
        let phase = ReplayPhase::Running;
        let state = RedriveState { document: document.into(), after: None, redriven: 0, phase, reason: String::new() };
        self.redrive_begun((tenant, queue), (was, &state)).await?;
        self.attempts.replays.begun.notify_one();
        Ok(PacedRedrive::of(queue.clone(), state)?)
    }

    /// Ends the redrive of a queue where it is. One that is over stays as it is.
    ///
    /// # Errors
    /// When there was none, or the log failed.
    pub async fn cancel_redrive(&self, tenant: &TenantName, queue: &QueueName) -> Result<PacedRedrive, RedriveError> {
        loop {
            let redrive = self.paced_redrive(tenant, queue).await?;
            if redrive.state.phase != ReplayPhase::Running {
                return Ok(redrive);
            }
            let was = Some(redrive.state.clone());
            let state = RedriveState { phase: ReplayPhase::Cancelled, ..redrive.state };
            let (tenant, queue) = (tenant.clone(), queue.clone());
            let (told, letters) = (state.clone(), Vec::new());
            let request = RedrivingRequest { tenant, queue, rules_version: None, was, state, letters };
            match self.attempts.partition.ask(Request::Redriving(Box::new(request))).await {
                Ok(_) => return Ok(PacedRedrive { state: told, ..redrive }),
                // It went on meanwhile.
                Err(AskError::Refused(Refused::Gone)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// How the redrive of a queue stands, or how the last one ended.
    ///
    /// # Errors
    /// When there was none, the state cannot be read, or the log failed.
    pub async fn paced_redrive(&self, tenant: &TenantName, queue: &QueueName) -> Result<PacedRedrive, RedriveError> {
        let state = self.read(|state| RedriveState::get(state, tenant, queue)).await?;
        let state = state.map_err(|error| AskError::Failed(chain(&error)))?;
        let state = state.ok_or_else(|| RedriveError::Unknown(queue.clone()))?;
        Ok(PacedRedrive::of(queue.clone(), state)?)
    }

    /// A tenant that is being deleted begins nothing: its rules are others by then.
    async fn redrive_begun(
        &self,
        (tenant, queue): (&TenantName, &QueueName),
        (was, state): (Option<RedriveState>, &RedriveState),
    ) -> Result<(), RedriveError> {
        let mut turn = None;
        loop {
            let rules = self.rules();
            if !rules.has_tenant(tenant) {
                return Err(RedriveError::NoTenant(tenant.clone()));
            }
            let request = RedrivingRequest {
                tenant: tenant.clone(),
                queue: queue.clone(),
                rules_version: Some(rules.version_of(tenant)),
                was: was.clone(),
                state: state.clone(),
                letters: Vec::new(),
            };
            match self.attempts.partition.ask(Request::Redriving(Box::new(request))).await {
                Ok(_) => return Ok(()),
                Err(AskError::Refused(Refused::StaleRules)) if turn.is_none() => {
                    turn = Some(self.attempts.configuring.read().await);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
