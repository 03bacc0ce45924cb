//! Port: taking events in.

use std::sync::Arc;

use wharf_dispatch::{Step, rfc3339};
use wharf_event::{BusName, Code, Event, TenantName};
use wharf_gateway::{Intake, PlainIdentity, Refusal, view::Accepted};

use super::{HostAdapter, blocking, checking::ReadySet, not_accepted, refused, unknown};

/// Seconds after which whoever met a full disk may try again: room is made by people or by retention, not in a moment.
pub(super) const DISK_FULL_RETRY_S: u32 = 10;

impl Intake for HostAdapter {
    fn default_tenant(&self) -> Option<TenantName> {
        self.dispatcher.rules().document().default_tenant.clone()
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
        let events = events.into_iter().map(Event::unmarked).collect();
        let ready = self.checking.of(&self.dispatcher.rules(), tenant).filter(|ready| ready.is_on(bus));
        let Some(ready) = ready else { return self.take(tenant, bus, events).await };
        let checked = self.checked(ready, tenant, bus, events).await?;
        let good: Vec<_> = checked.iter().filter_map(|event| event.as_ref().ok().cloned()).collect();
        let taken = if good.is_empty() { Vec::new() } else { self.take(tenant, bus, good).await? };
        let mut taken = taken.into_iter();
        let unanswered = || Err(Refusal::new(Code::Internal, "the core gave no answer for this event"));
        let answers = checked.into_iter().map(|event| match event {
            Ok(_) => taken.next().unwrap_or_else(unanswered),
            Err(refusal) => Err(refusal),
        });
        Ok(answers.collect())
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
                    "the disk has only its reserve left: {} MiB more have to become free before new events are taken; reads and settlements go on",
                    bytes.div_ceil(1 << 20)
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
        let step = self.dispatcher.clock_step().filter(|step| !step.believed).map(|Step { ahead_ms, .. }| {
            let (by_ms, whither) = (ahead_ms.unsigned_abs(), if ahead_ms < 0 { "behind" } else { "ahead of" });
            format!(
                "the wall clock is {by_ms} ms {whither} the log's time and is not believed yet: events that come are stamped with the log's time until the clock has kept that for ten minutes, or at once by a start with --follow-clock"
            )
        });
        let ahead_ms = self.dispatcher.clock_ahead_ms();
        let ahead = (ahead_ms > 0).then(|| {
            format!(
                "the log's time is {ahead_ms} ms ahead of the wall clock, and comes back to it by a tenth of the time that passes: schedules fire so much early until then"
            )
        });
        step.into_iter().chain(ahead).collect()
    }
}

/// What the core says to an event.
pub(super) fn answer(answer: Result<wharf_delivery::Accepted, wharf_delivery::Refused>) -> Result<Accepted, Refusal> {
    let wharf_delivery::Accepted { id, position, duplicate } = answer.map_err(|error| refused(&error))?;
    Ok(Accepted { id, position, duplicate })
}

impl HostAdapter {
    /// Has the core take events.
    async fn take(
        &self,
        tenant: &TenantName,
        bus: &BusName,
        events: Vec<Event>,
    ) -> Result<Vec<Result<Accepted, Refusal>>, Refusal> {
        let answers = self.dispatcher.accept(tenant, bus, events).await.map_err(|error| not_accepted(&error))?;
        Ok(answers.into_iter().map(answer).collect())
    }

    /// Holds events against their schemas, in order; many bytes of them on a thread that may be busy.
    async fn checked(
        &self,
        ready: Arc<ReadySet>,
        tenant: &TenantName,
        bus: &BusName,
        events: Vec<Event>,
    ) -> Result<Vec<Result<Event, Refusal>>, Refusal> {
        let is_quick = ready.is_quick(bus, &events);
        let (checking, of) = (Arc::clone(&self.checking), (tenant.clone(), bus.clone()));
        let check = move || {
            let one = |event| checking.check(&ready, (&of.0, &of.1), event);
            events.into_iter().map(one).collect()
        };
        if is_quick { Ok(check()) } else { blocking(move || Ok(check())).await }
    }
}
