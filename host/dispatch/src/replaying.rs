//! The task that sees to it that replays and redrives at a rate go on: each is a walk (`walk.rs`) in a task of its own, which is begun when it is
//! asked for and at each start.
//!
//! Invariant: the state says which go on, and no two walks are for the same one.

use std::collections::HashSet;

use tokio::{
    sync::{Mutex, Notify, Semaphore},
    task::JoinSet,
};
use wharf_delivery::{ReplayPhase, TableError};
use wharf_event::{QueueName, ReplayName, TenantName};

use crate::{
    dispatcher::Dispatcher,
    limits::{REPLAY_READERS, REPLAYS_PAUSE},
    partition::chain,
    redrives, redriving,
    replay_counts::ReplayCounts,
    replay_run,
    replays::standing,
    walk::Ended,
    watched as watch,
};

/// What goes on: a replay, or a redrive at a rate of a queue.
type Named = (TenantName, Task);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Task {
    Replay(ReplayName),
    Redrive(QueueName),
}

/// What those who ask for replays tell the task, and what its replays share.
pub(crate) struct Replays {
    /// One begins.
    pub(crate) begun: Notify,
    /// Held while one is begun.
    pub(crate) beginning: Mutex<()>,
    /// Turns to read the archive: however many replays go on, no more of them read at a time.
    pub(crate) reading: Semaphore,
    /// What replays have still before them.
    pub(crate) counts: ReplayCounts,
}

impl Default for Replays {
    fn default() -> Self {
        let (begun, beginning) = (Notify::new(), Mutex::new(()));
        Self { begun, beginning, reading: Semaphore::new(REPLAY_READERS), counts: ReplayCounts::default() }
    }
}

/// The task.
pub(crate) struct Replaying {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Replaying {
    /// Brings what replays are for until the host stops.
    pub(crate) async fn run(mut self) {
        let (mut brought, mut names): (JoinSet<Named>, HashSet<Named>) = (JoinSet::new(), HashSet::new());
        let mut rules = self.dispatcher.attempts.rules.subscribe();
        loop {
            let all = match running(&self.dispatcher) {
                Ok(all) => all,
                Err(error) => return unreadable(&self.dispatcher, &error),
            };
            for named in all {
                if names.insert(named.clone()) {
                    brought.spawn(bring(self.dispatcher.clone(), named, self.stopping.clone()));
                }
            }
            let stopped = self.stopping.wait_for(|stopping| *stopping);
            tokio::select! {
                biased;
                _ = stopped => return,
                () = self.dispatcher.attempts.replays.begun.notified() => {}
                // A tenant may be back. Whoever changes them is there as long as this is.
                Ok(()) = rules.changed() => {}
                Some(ended) = brought.join_next() => match ended {
                    Ok(named) => drop(names.remove(&named)),
                    // The task of a replay failed, which is a mistake of the host; the others go on, and a restart tries it again.
                    Err(error) => tracing::error!("a replay stands still until the next start: {error}"),
                }
            }
            if self.dispatcher.failure().is_some() {
                return;
            }
            // One that ended is not begun again in haste.
            tokio::time::sleep(REPLAYS_PAUSE).await;
        }
    }
}

/// What goes on by the state, of tenants that there are: those of one that was taken out of the configuration wait for it.
fn running(dispatcher: &Dispatcher) -> Result<Vec<Named>, TableError> {
    let rules = dispatcher.rules();
    let shared = dispatcher.attempts.shared.read();
    let (replays, redrives) = (standing(&shared.state, None)?, redrives::standing(&shared.state, None)?);
    let replays = replays.into_iter().map(|(tenant, name, state)| (tenant, Task::Replay(name), state.phase));
    let redrives = redrives.into_iter().map(|(tenant, queue, state)| (tenant, Task::Redrive(queue), state.phase));
    let running = replays.chain(redrives).filter(|(.., phase)| *phase == ReplayPhase::Running);
    let running = running.filter(|(tenant, ..)| rules.has_tenant(tenant));
    Ok(running.map(|(tenant, task, _)| (tenant, task)).collect())
}

/// Without the state nobody can say what is to be replayed, so nothing more may be acknowledged.
fn unreadable(dispatcher: &Dispatcher, error: &TableError) {
    let error = format!("the state cannot be read: {}", chain(error));
    tracing::error!("nothing is replayed any more, and nothing more is acknowledged: {error}");
    dispatcher.attempts.shared.fail(error);
}

/// Brings what one of them is for, to its end.
async fn bring(dispatcher: Dispatcher, named: Named, stopping: watch::Receiver<bool>) -> Named {
    let tenant = named.0.clone();
    let ended = match &named.1 {
        Task::Replay(name) => replay_run::replay(dispatcher.clone(), (tenant, name.clone()), stopping).await,
        Task::Redrive(queue) => redriving::redrive(dispatcher.clone(), (tenant, queue.clone()), stopping).await,
    };
    if let Err(Ended::State(error)) = ended {
        unreadable(&dispatcher, &error);
    }
    named
}
