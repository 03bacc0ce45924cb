//! The gateway's ports over the dispatcher: each says what the other means, and neither knows the other.

mod archive;
mod budgets;
mod channel_wish;
mod checking;
mod dead_letters;
mod detail;
mod drift;
mod endpoints;
mod feed;
mod following;
mod grants;
mod infer_measures;
mod intake;
mod kept;
mod key_value;
mod keys;
mod letters;
mod measures;
mod model_judging;
mod model_measures;
mod models;
mod models_batch;
mod models_view;
mod page;
mod process;
mod prompts;
mod queues;
mod quotas;
mod recordings;
mod redrives;
mod registry;
mod registry_view;
mod replays;
mod rule_view;
mod rules;
mod schedules;
mod schema_object;
mod schemas;
mod search;
mod secrets;
mod tenant_routes;
mod tenants;
#[cfg(test)]
mod tests;
mod topics;
mod trace;
mod trace_page;
mod usage;
mod view;
mod webhooks;

pub use webhooks::furnish;

/// What a configuration says, as the API shows it: so it can be compared with what a host answers, and put.
pub mod shown {
    pub use super::{
        registry_view::{breaker, grants, limits},
        rule_view::{of_file as rule, target},
        tenants::{retention, settings},
        topics::subscription,
    };
}

use std::sync::Arc;

use wharf_delivery::{Refused, TableError};
use wharf_dispatch::{AcceptError, ArchiveError, AskError, Dispatcher, Unknown};
use wharf_event::{Code, TenantName};
use wharf_gateway::Refusal;
use wharf_recording::Recorder;
use wharf_runtime::Runtime;

use crate::{outside::Outside, prices::PriceList, registry::Registry};

/// The host as the gateway sees it.
#[derive(Clone)]
pub struct HostAdapter {
    dispatcher: Dispatcher,
    runtime: Arc<Runtime>,
    registry: Arc<Registry>,
    searches: search::Searches,
    checking: Arc<checking::Checking>,
    prices: PriceList,
    outside: Arc<Outside>,
    /// Whoever keeps recordings, if anybody does.
    recorder: Option<Arc<Recorder>>,
}

impl HostAdapter {
    /// The ports of this dispatcher, whose plugins run in `runtime` and are kept in `registry`.
    #[must_use]
    pub fn new(dispatcher: Dispatcher, runtime: Arc<Runtime>, registry: Arc<Registry>, outside: Arc<Outside>) -> Self {
        Self {
            dispatcher,
            runtime,
            registry,
            searches: search::Searches::new(),
            checking: Arc::default(),
            prices: PriceList::default(),
            outside,
            recorder: None,
        }
    }

    /// The same, which finds recordings of attempts here.
    #[must_use]
    pub fn recorded_by(self, recorder: Arc<Recorder>) -> Self {
        Self { recorder: Some(recorder), ..self }
    }

    /// The same, which says what things cost by this list.
    #[must_use]
    pub fn priced_by(self, prices: PriceList) -> Self {
        Self { prices, ..self }
    }

    /// Ends the searches that run, so that a stop need not wait for them.
    pub fn stop(&self) {
        self.searches.stop();
    }

    fn known(&self, tenant: &TenantName) -> Result<(), Refusal> {
        if self.dispatcher.rules().has_tenant(tenant) { Ok(()) } else { Err(unknown(&Unknown::Tenant(tenant.clone()))) }
    }
}

fn unknown(error: &Unknown) -> Refusal {
    let code = match error {
        Unknown::Tenant(_) => Code::TenantUnknown,
        Unknown::Bus(_, bus) if let Some(topic) = bus.topic() => {
            return Refusal::new(Code::TopicUnknown, format!("there is no topic `{topic}`"));
        }
        Unknown::Bus(..) => Code::BusUnknown,
    };
    Refusal::new(code, error.to_string())
}

/// What is to be done where what was kept does not come back.
const EXAMINE: &str =
    "the host's log says where; stop the host, and `wharf doctor --data FOLDER` names all that is damaged";

/// Seconds after which whoever met a full backlog may try again.
const BACKLOG_RETRY_S: u32 = 1;

fn refused(error: &Refused) -> Refusal {
    let refusal = Refusal::new(error.code(), error.to_string());
    match error {
        Refused::Quota(spent) => match spent.after_ms() {
            Some(after_ms) => refusal.retry_after_s(u32::try_from(after_ms.div_ceil(1_000)).unwrap_or(u32::MAX)),
            None => refusal.retry_after_s(BACKLOG_RETRY_S),
        },
        Refused::TooManyLeased => refusal.retry_after_s(BACKLOG_RETRY_S),
        Refused::DiskFull => refusal.retry_after_s(intake::DISK_FULL_RETRY_S),
        _ if error.code().status() == 503 => refusal.retry_after_s(1),
        _ => refusal,
    }
}

fn not_asked(error: &AskError) -> Refusal {
    match error {
        AskError::Refused(error) => refused(error),
        AskError::Failed(_) => Refusal::new(Code::LogFailed, error.to_string()),
        AskError::TooLarge { .. } => Refusal::new(Code::BatchTooLarge, error.to_string()),
        AskError::Stopping => Refusal::new(Code::ShuttingDown, error.to_string()).retry_after_s(5),
    }
}

fn not_accepted(error: &AcceptError) -> Refusal {
    match error {
        AcceptError::Unknown(error) => unknown(error),
        AcceptError::Suspended(_) => Refusal::new(Code::TenantSuspended, error.to_string()),
        AcceptError::NeverFits(fit) => {
            let code = if fit.events == 1 { Code::TargetsTooMany } else { Code::BatchTooLarge };
            Refusal::new(code, error.to_string())
        }
        AcceptError::Ask(error) => not_asked(error),
    }
}

/// What was read of the state, or why it was not.
fn was_read<T>(read: Result<Result<T, TableError>, AskError>) -> Result<T, Refusal> {
    read.map_err(|error| not_asked(&error))?.map_err(|error| unreadable(&error))
}

fn unreadable(error: &TableError) -> Refusal {
    tracing::error!("the state cannot be read: {error}");
    Refusal::new(Code::Internal, format!("the state cannot be read: {EXAMINE}"))
}

fn not_in_archive(error: &ArchiveError) -> Refusal {
    match error {
        ArchiveError::NoEvent(_) => Refusal::new(Code::EventUnknown, error.to_string()),
        ArchiveError::Log(_) | ArchiveError::Record { .. } => {
            tracing::error!("the archive cannot be read: {error}");
            Refusal::new(Code::Internal, format!("the archive cannot be read: {EXAMINE}"))
        }
    }
}

/// Runs work that reads files on a thread where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Refusal> + Send + 'static) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Refusal::new(Code::Internal, "a task of the host failed")))
}
