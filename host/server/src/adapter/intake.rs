//! Port: taking events in.

use wharf_dispatch::rfc3339;
use wharf_event::{BusName, Code, Event, TenantName};
use wharf_gateway::{Intake, PlainIdentity, Refusal, view::Accepted};

use super::{HostAdapter, not_accepted, refused, unknown};

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
        self.dispatcher.rules().bus(tenant, bus).map_err(|error| unknown(&error))?;
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
                let detail = format!("the log failed and nothing is acknowledged until a restart: {failure}");
                Err(Refusal::new(Code::LogFailed, detail))
            }
            None if self.dispatcher.rules().version() == 0 => {
                Err(Refusal::new(Code::NotReady, "the host is starting").retry_after_s(1))
            }
            None => Ok(()),
        }
    }
}
