//! Port: taking events in.

use wharf_dispatch::rfc3339;
use wharf_event::{BusName, Code, Event, TenantName};
use wharf_gateway::{Intake, PlainIdentity, Refusal, view::Accepted};

use super::{HostAdapter, not_accepted, refused, unknown};

/// Seconds after which whoever met a full disk may try again: room is made by people or by retention, not in a moment.
pub(super) const DISK_FULL_RETRY_S: u32 = 10;

impl Intake for HostAdapter {
    fn default_tenant(&self) -> Option<TenantName> {
        self.dispatcher.rules().document().default_tenant.clone()
    }

    fn tenants(&self) -> Vec<TenantName> {
        self.dispatcher.rules().document().tenants.keys().cloned().collect()
    }

    async fn accept(
        &self,
        tenant: &TenantName,
        bus: &BusName,
        events: Vec<Event>,
    ) -> Result<Vec<Result<Accepted, Refusal>>, Refusal> {
        self.ready()?;
        self.dispatcher.rules().check_bus(tenant, bus).map_err(|error| unknown(&error))?;
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let answers = self.dispatcher.accept(tenant, bus, events).await.map_err(|error| not_accepted(&error))?;
        let view = |accepted: wharf_delivery::Accepted| Accepted {
            id: accepted.id,
            position: accepted.position,
            duplicate: accepted.duplicate,
        };
        Ok(answers.into_iter().map(|answer| answer.map(view).map_err(|error| refused(&error))).collect())
    }

    fn plain_identity(&self) -> PlainIdentity {
        let now_ms = self.dispatcher.now_ms();
        // Time first, so that ids sort as they came; 80 random bits, so that none comes twice.
        let id = format!("{now_ms:012x}-{:020x}", rand::random::<u128>() >> 48);
        PlainIdentity { id, time: rfc3339(now_ms) }
    }

    fn ready(&self) -> Result<(), Refusal> {
        match self.dispatcher.failure() {
            Some(failure) => {
                let detail = format!(
                    "the log failed and nothing is acknowledged until a restart: {failure}. Mend or replace the disk, and start the host again: it recovers what was acknowledged"
                );
                Err(Refusal::new(Code::LogFailed, detail))
            }
            None if let Some(bytes) = self.dispatcher.short_of() => {
                let detail = format!(
                    "the disk has only its reserve left: {bytes} bytes more have to become free before new events are taken; reads and settlements go on"
                );
                Err(Refusal::new(Code::DiskFull, detail).retry_after_s(DISK_FULL_RETRY_S))
            }
            None if self.dispatcher.rules().version() == 0 => {
                Err(Refusal::new(Code::NotReady, "the host is starting").retry_after_s(1))
            }
            None => Ok(()),
        }
    }

    fn warnings(&self) -> Vec<String> {
        let step = self.dispatcher.clock_step().map(|step| {
            format!(
                "the wall clock is {} ms ahead of the log's time and is not believed yet: it is followed when it has kept that for ten minutes, or at once by a start with --follow-clock",
                step.ahead_ms
            )
        });
        step.into_iter().collect()
    }
}
