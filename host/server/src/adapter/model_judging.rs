//! Judges versions of models on trial, again and again, as releases of plugins are: one that breaks a bound answers nobody any more, one that kept
//! them answers all.
//!
//! Invariant: what is judged is what the channels are when they change; somebody who changes them meanwhile wins, and it is looked at again.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use wharf_catalog::{Canary, Cause, Channels, Judgement, judge};
use wharf_gateway::{ModelRef, Refusal};

use super::{HostAdapter, models::no_channels, models_view::document};

/// How often it is looked.
const JUDGE_EVERY: Duration = Duration::from_millis(500);

impl HostAdapter {
    /// Looks again and again until whoever runs it ends it.
    pub async fn judge_models(self) {
        loop {
            tokio::time::sleep(JUDGE_EVERY).await;
            for (tenant, model) in self.outside.own_models().trials().running() {
                let of = ModelRef { tenant, model };
                if let Err(refusal) = self.judge_model(&of).await {
                    let (tenant, model) = (of.tenant, of.model);
                    tracing::warn!(%tenant, %model, "a version on trial is not judged: {}", refusal.detail);
                }
            }
        }
    }

    async fn judge_model(&self, of: &ModelRef) -> Result<(), Refusal> {
        let trials = self.outside.own_models().trials();
        let object = self.model_object(of).await?;
        let channels = object.as_ref().map(document).transpose()?.and_then(|model| model.channels);
        let Some((canary, stable)) = channels.and_then(|of| Some((of.canary()?.clone(), of.stable()))) else {
            trials.end(&of.tenant, &of.model);
            return Ok(());
        };
        let releases = [canary.release, stable];
        let [on_canary, on_stable] = trials.tallies(&of.tenant, &of.model, canary.since_ms, releases);
        let (advances, reason) = match judge(&canary, &on_canary, &on_stable, self.dispatcher.now_ms()) {
            Judgement::GoesOn | Judgement::Waits { .. } => return Ok(()),
            Judgement::Aborts { reason } => (false, reason),
            Judgement::Advances { reason } => (true, reason),
        };
        if !self.trial_ends(of, &canary, advances, &reason).await? {
            return Ok(());
        }
        let (tenant, model, version) = (of.tenant.clone(), of.model.clone(), canary.release.short());
        if advances {
            tracing::info!(%tenant, %model, version, "a version on trial answers all questions: {reason}");
            return Ok(());
        }
        tracing::warn!(%tenant, %model, version, "a version on trial answers nobody any more: {reason}");
        if let Some(teller) = self.outside.own_models().teller() {
            teller.model_rolled_back((tenant, model), (canary.release, stable), reason);
        }
        Ok(())
    }

    /// Ends a trial, where it is still the one that was judged.
    async fn trial_ends(&self, of: &ModelRef, canary: &Canary, advances: bool, reason: &str) -> Result<bool, Refusal> {
        let (now_ms, is_ended) = (self.dispatcher.now_ms(), AtomicBool::new(false));
        let (model, _) = self
            .edit_model(of, |model| {
                let on_trial = model.channels.as_mut().filter(|channels| channels.canary() == Some(canary));
                is_ended.store(on_trial.is_some(), Ordering::Relaxed);
                let Some(channels) = on_trial else { return Ok(false) };
                let ended = match advances {
                    true => channels.promote(canary.release, now_ms, Cause::Judgement, reason),
                    false => channels.roll_back(None, now_ms, Cause::Judgement, reason),
                };
                ended.map(|()| true).map_err(no_channels)
            })
            .await?;
        let asked: Vec<_> = model.channels.iter().flat_map(Channels::releases).collect();
        self.outside.own_models().keep(&of.tenant, &of.model, &asked);
        Ok(is_ended.into_inner())
    }
}
