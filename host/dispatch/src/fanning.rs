//! The task by which an event that is owed to very many comes to be owed to all of them.
//!
//! Invariant: who it is owed to stands in its record, and how far it came in the state; both are durable before this goes on, and each step is
//! decided where nothing can change meanwhile. So a host that is stopped in the middle goes on where it was, and nobody gets an event twice. Events
//! take turns, some steps each, so that one that is owed to ten thousand holds up no other.

use std::collections::HashMap;

use wharf_delivery::{FanOut, FanRequest, Refused, Request, TargetRef, limits::TARGETS_AT_ONCE};
use wharf_event::{Position, QueueName, TenantName};

use crate::{
    archive::ArchiveError,
    dispatcher::Dispatcher,
    limits::{CARRY_PAUSE, FAN_AGAIN, FANNED_PAGE, FANNED_STEPS},
    partition::{AskError, chain},
    surroundings::blocking,
    watched as watch,
};

/// The task.
pub(crate) struct Fanning {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Why an event did not come further.
#[derive(Debug, thiserror::Error)]
enum Stuck {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("a thread that read the log ended")]
    Thread,
}

impl Fanning {
    /// Goes on with all that there is, then whenever there is more, until the host stops.
    pub(crate) async fn run(mut self) {
        let wide = self.dispatcher.attempts.partition.wide();
        loop {
            match self.all().await {
                Ok(()) => {}
                Err(Stuck::Ask(AskError::Stopping)) => return,
                Err(error) => tracing::warn!("events that are owed to many come further later: {}", chain(&error)),
            }
            let stopped = self.stopping.wait_for(|stopping| *stopping);
            tokio::select! {
                biased;
                _ = stopped => return,
                () = wide.notified() => {}
                // What failed may go better, and who brought an event may have gone before it was told.
                () = tokio::time::sleep(FAN_AGAIN) => {}
            }
        }
    }

    /// Brings every event to its end, but for those that come no further now.
    async fn all(&self) -> Result<(), Stuck> {
        let (mut after, mut moved) = (None, false);
        loop {
            let page = self.dispatcher.read(|state| FanOut::page(state, after.as_deref(), FANNED_PAGE)).await?;
            let page = page.map_err(|error| AskError::Failed(chain(&error)))?;
            let Some((last, ..)) = page.last() else {
                // Behind the last one the first comes again, as long as that is of use.
                if after.take().is_none() || !std::mem::take(&mut moved) {
                    return Ok(());
                }
                continue;
            };
            after = Some(last.clone());
            for (_, tenant, event, stands) in page {
                // What is left of a tenant that is deleted goes with it.
                if self.dispatcher.rules().is_departed(&tenant) {
                    continue;
                }
                match self.some(&tenant, event, &stands).await {
                    Ok(has_moved) => moved |= has_moved,
                    Err(Stuck::Archive(error)) => {
                        tracing::warn!(%tenant, %event, "who else the event is owed to cannot be read: {}", chain(&error));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Some steps of one event: whether it came further.
    async fn some(&self, tenant: &TenantName, event: Position, stands: &FanOut) -> Result<bool, Stuck> {
        let archive = self.dispatcher.attempts.archive.clone();
        let threads = self.dispatcher.attempts.surroundings.threads.as_ref();
        let targets: Vec<TargetRef> =
            blocking(threads, move || archive.targets(event)).await.ok_or(Stuck::Thread)??;
        let mut next = stands.next;
        let left = targets.get(usize::from(next)..).unwrap_or_default();
        for step in left.chunks(TARGETS_AT_ONCE).take(FANNED_STEPS) {
            while self.dispatcher.attempts.shared.read().state.is_full() {
                tokio::time::sleep(CARRY_PAUSE).await;
            }
            let delays = self.delays(tenant, step);
            let request = FanRequest { tenant: tenant.clone(), event, next, targets: step.to_vec(), delays };
            match self.dispatcher.attempts.partition.ask(Request::Fan(request)).await {
                Ok(_) => {}
                // Its tenant was deleted meanwhile.
                Err(AskError::Refused(Refused::Gone)) => return Ok(next > stands.next),
                Err(error) => return Err(error.into()),
            }
            next = next.saturating_add(u16::try_from(step.len()).unwrap_or(u16::MAX));
        }
        Ok(next > stands.next)
    }

    /// The queues among some targets whose messages wait first, and for how long.
    fn delays(&self, tenant: &TenantName, targets: &[TargetRef]) -> HashMap<QueueName, u64> {
        let rules = self.dispatcher.rules();
        let delay = |queue: &QueueName| {
            let delay_ms = rules.queue(tenant, queue)?.settings.delay_ms;
            (delay_ms > 0).then(|| (queue.clone(), delay_ms))
        };
        targets.iter().filter_map(|target| delay(target.to.queue()?)).collect()
    }
}
