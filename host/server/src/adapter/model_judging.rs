//! Judges versions of models on trial, again and again, as releases of plugins are: one that breaks a bound answers nobody any more, one that kept
//! them answers all.
//!
//! Invariant: what is judged is what the channels are when they change; somebody who changes them meanwhile wins, and it is looked at again.

use std::sync::Arc;

use wharf_catalog::{Cause, ChannelError, Channels, Judgement, judge};
use wharf_dispatch::limits::JUDGE_EVERY;
use wharf_event::Code;
use wharf_gateway::{ModelRef, Refusal};

use super::{HostAdapter, models::no_channels};

impl HostAdapter {
    /// Looks again and again until whoever runs it ends it.
    pub async fn judge_models(self) {
        let trials = self.outside.own_models().trials();
        loop {
            tokio::time::sleep(JUDGE_EVERY).await;
            for (tenant, model) in trials.running() {
                let of = ModelRef { tenant, model };
                let refused = self.judge_model(&of).await.err();
                // How much is missing of the disk is no other reason.
                let code = refused.as_ref().map(|refusal| refusal.code.as_str());
                let is_new = trials.is_stuck_anew(&of.tenant, &of.model, code);
                if let (Some(refusal), true) = (refused, is_new) {
                    let (tenant, model) = (of.tenant, of.model);
                    tracing::warn!(%tenant, %model, "a version on trial is not judged: {}", refusal.detail);
                }
            }
        }
    }

    async fn judge_model(&self, of: &ModelRef) -> Result<(), Refusal> {
        let trials = self.outside.own_models().trials();
        let channels = self.model_channels(of).await?;
        let Some((canary, stable)) = channels.and_then(|of| Some((of.canary()?.clone(), of.stable()))) else {
            trials.end(&of.tenant, &of.model);
            return Ok(());
        };
        if canary.for_ms.is_none() && canary.abort_on.is_empty() {
            // It goes on until somebody says so.
            return Ok(());
        }
        let releases = [canary.release, stable];
        let [on_canary, on_stable] = trials.tallies(&of.tenant, &of.model, canary.since_ms, releases);
        let now_ms = self.dispatcher.now_ms();
        let (advances, reason) = match judge(&canary, &on_canary, &on_stable, now_ms, "questions") {
            Judgement::GoesOn | Judgement::Waits { .. } => return Ok(()),
            Judgement::Aborts { reason } => (false, reason),
            Judgement::Advances { reason } => (true, reason),
        };
        let ended = self.edit_model(of, |model| {
            let channels = model.channels.as_mut().ok_or_else(|| no_channels(ChannelError::NoCanary))?;
            let ended = channels.judged(&canary, advances, now_ms, Cause::Judgement, &reason);
            ended.map(|()| true).map_err(no_channels)
        });
        let model = match ended.await {
            // Somebody changed them since they were judged: what is there now is judged next time.
            Err(refusal) if refusal.code == Code::ChannelInvalid => return Ok(()),
            ended => ended?.0,
        };
        let asked: Vec<_> = model.channels.iter().flat_map(Channels::releases).collect();
        self.outside.own_models().keep(&of.tenant, &of.model, &asked);
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

    /// Which version of a model answers whom; none where its record does not say it: the configuration file has its name, too.
    async fn model_channels(&self, of: &ModelRef) -> Result<Option<Arc<Channels>>, Refusal> {
        let asks = self.outside.own_models();
        if asks.of_file(&of.tenant).contains_key(&of.model) {
            return Ok(None);
        }
        let Some(object) = self.model_object(of).await? else { return Ok(None) };
        let channels = asks.channels((&of.tenant, &of.model), &object);
        channels.map_err(|error| Refusal::new(Code::Internal, error.to_string()))
    }
}
