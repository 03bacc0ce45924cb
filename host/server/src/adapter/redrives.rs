//! Port: redrives at a rate, begun, cancelled and read.

use wharf_delivery::ReplayPhase;
use wharf_dispatch::{LetterWish, PacedRedrive, RedriveError, rfc3339};
use wharf_event::{Code, QueueName, TenantName};
use wharf_gateway::{
    Redrives, Refusal,
    view::{LetterFilter, PacedRedriveView},
};

use super::{
    HostAdapter,
    letters::{chosen, wished},
    not_asked,
    replays::phase,
};

impl Redrives for HostAdapter {
    async fn begin_redrive(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        filter: LetterFilter,
        letters_per_s: u32,
    ) -> Result<PacedRedriveView, Refusal> {
        self.queue_known(tenant, queue).await?;
        let wish = wished(filter)?;
        // What cannot be understood is told now, and not by a redrive that cannot go on.
        chosen(wish.clone())?;
        let begun = self.dispatcher.begin_redrive(tenant, queue, (wish, letters_per_s)).await;
        Ok(view(begun.map_err(|error| refused(&error))?, None))
    }

    async fn paced_redrive(&self, tenant: &TenantName, queue: &QueueName) -> Result<PacedRedriveView, Refusal> {
        self.known(tenant)?;
        let redrive = self.dispatcher.paced_redrive(tenant, queue).await.map_err(|error| refused(&error))?;
        Ok(view(redrive, self.replays_wait(tenant).await?))
    }

    async fn cancel_redrive(&self, tenant: &TenantName, queue: &QueueName) -> Result<PacedRedriveView, Refusal> {
        self.known(tenant)?;
        Ok(view(self.dispatcher.cancel_redrive(tenant, queue).await.map_err(|error| refused(&error))?, None))
    }
}

fn refused(error: &RedriveError) -> Refusal {
    let code = match error {
        RedriveError::NoTenant(_) => Code::TenantUnknown,
        RedriveError::NoQueue(_) => Code::QueueUnknown,
        RedriveError::Unknown(_) => Code::RedriveUnknown,
        RedriveError::Running(_) | RedriveError::TooMany(_) => Code::RedriveRunning,
        RedriveError::Ask(error) => return not_asked(error),
    };
    Refusal::new(code, error.to_string())
}

/// A redrive as the API shows it; `waits` is why one that goes on sends nothing now.
fn view(redrive: PacedRedrive, waits: Option<String>) -> PacedRedriveView {
    let PacedRedrive { queue, wish, per_s, begun_ms, lay_there, state } = redrive;
    PacedRedriveView {
        queue,
        phase: phase(state.phase).to_owned(),
        reason: match state.phase {
            ReplayPhase::Running => waits,
            _ => Some(state.reason).filter(|reason| !reason.is_empty()),
        },
        redriven: state.redriven,
        letters: lay_there,
        begun: rfc3339(begun_ms),
        letters_per_s: per_s,
        filter: filter(wish),
    }
}

/// The filter as it is asked for; none where all letters are meant.
fn filter(wish: LetterWish) -> Option<LetterFilter> {
    let LetterWish { rule, target, code, since_ms, until_ms, type_prefix, pattern } = wish;
    let (target, since, until) = (target.map(|it| it.to_string()), since_ms.map(rfc3339), until_ms.map(rfc3339));
    let filter = LetterFilter { rule, target, code, since, until, type_prefix, pattern };
    (!filter.is_empty()).then_some(filter)
}
