//! The host's core in one place: opened, asked, stopped.

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{
    sync::{mpsc, oneshot},
    task::yield_now,
};
use wharf_delivery::{
    AcceptEvent, AcceptRequest, Accepted, Answer, DeadLetterRow, DiscardRequest, EditRequest, QuotaSpent, Quotas,
    RedriveRequest, RedriveWhich, Redriven, Refused, Request, StatsRow, TableError, keys,
    limits::{ERASED_ROWS_MAX, REDRIVE_PAGE},
};
use wharf_event::{BusName, Digest, Event, PluginName, TenantName, limits::EVENTS_PER_TURN};
use wharf_runtime::limits::ATTEMPTS_AT_A_TIME;
use wharf_state::State;

use crate::{
    archive::Archive,
    attempt::Attempts,
    bells::Bells,
    breakers::{BreakerFigures, Breakers},
    calling::Calls,
    charging::Charging,
    cleaning::Cleaner,
    clock::Step,
    committer::Committer,
    consuming::Consuming,
    fanning::Fanning,
    figures::{self, Figures, StateFigures},
    firing::Firing,
    fitting::{NeverFits, must_fit},
    guests::Guests,
    health::{Health, News},
    held::Held,
    inbox::Inbox,
    judging::Judge,
    limits::{HOST_FAULTS_MAX, LAST_CHARGE_WAIT, PROCESSORS},
    meters::{Meters, Totals},
    notices::{Herald, Notice, Teller},
    partition::{AskError, Message, Partition, chain, weigh},
    patience::Patience,
    pauses::Pauses,
    places::Places,
    plugins::Shelf,
    quarantine::{FaultFigures, Quarantine},
    recover::{OpenError, Recovered},
    replaying::{Replaying, Replays},
    rules::{RuleSet, Unknown},
    schedule::Scheduler,
    seats::Seats,
    serving::Crowds,
    surroundings::{Home, Surroundings},
    tending::Tending,
    trials::Trials,
    turns::Turns,
    warden::Warden,
    watched as watch,
    writer::Writer,
};

/// How a host keeps and runs things.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long an event's (source, id) is remembered, in milliseconds.
    pub dedup_window_ms: u64,
    /// Attempts in which the host fails until their release is not run any more.
    pub host_faults_max: u32,
    /// Guests that run at a time: as many as there are processors for them.
    pub processors: usize,
    /// Rows of a tenant that is deleted that go in one record.
    pub erased_rows_max: usize,
    /// How much of what waits is in memory.
    pub held: Held,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dedup_window_ms: 300_000,
            host_faults_max: HOST_FAULTS_MAX,
            processors: PROCESSORS,
            erased_rows_max: ERASED_ROWS_MAX,
            held: Held::default(),
        }
    }
}

/// Why events were not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// No such tenant or bus.
    #[error(transparent)]
    Unknown(#[from] Unknown),
    /// The tenant takes none for now.
    #[error("tenant `{0}` is suspended")]
    Suspended(TenantName),
    /// There can never be room for it.
    #[error(transparent)]
    NeverFits(#[from] NeverFits),
    /// The machine refused or failed.
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// A running partition with its scheduler.
#[derive(Clone)]
pub struct Dispatcher {
    pub(crate) attempts: Arc<Attempts>,
    stopping: watch::Sender<bool>,
    tasks: Arc<Mutex<Tasks>>,
    recovered: Recovered,
    pub(crate) erased_rows_max: usize,
    /// The threads that guests run on.
    pub(crate) guests: tokio::runtime::Handle,
}

struct Tasks {
    writer: Option<oneshot::Receiver<bool>>,
    scheduler: Option<tokio::task::JoinHandle<()>>,
    waiting: Option<Waiting>,
}

/// Tasks that begin with the first attempt.
struct Waiting {
    scheduler: Scheduler,
    guests: tokio::runtime::Handle,
    cleaner: Cleaner,
    notices: mpsc::UnboundedReceiver<Notice>,
    news: mpsc::UnboundedReceiver<News>,
}

impl Dispatcher {
    /// Opens the partition that lives in `home` and starts its task. No attempt starts before `begin`; then they run on
    /// `guests`.
    ///
    /// # Errors
    /// When the home is damaged or cannot be used.
    pub fn open(
        home: &dyn Home,
        options: Options,
        surroundings: Surroundings,
        guests: impl Into<Guests>,
    ) -> Result<Self, OpenError> {
        let Guests { front, behind } = guests.into();
        let (committer, recovered) = Committer::open(home, options.dedup_window_ms, surroundings.clone())?;
        let (sender, messages) = mpsc::unbounded_channel::<Message>();
        let (arisen, arising) = mpsc::unbounded_channel();
        let (seats, asked) = Seats::new();
        let (noticed, notices) = mpsc::unbounded_channel();
        let (newly, news) = mpsc::unbounded_channel();
        let patience = Arc::<Patience>::default();
        let partition = Partition::new(sender.clone(), Arc::clone(&surroundings.clock), Arc::clone(&patience));
        let outgoing = Arc::clone(&surroundings.outgoing);
        let (rules, in_force) = watch::channel(Arc::new(RuleSet::default()));
        let attempts = Arc::new(Attempts {
            calls: Arc::new(Calls::new(committer.shared(), outgoing, partition.clone(), in_force)),
            partition,
            shared: committer.shared(),
            rules,
            configuring: tokio::sync::RwLock::default(),
            archive: committer.archive(),
            contention: Arc::default(),
            clock: committer.clock(),
            surroundings: surroundings.clone(),
            meters: Arc::new(Meters::default()),
            trials: Trials::default(),
            health: Health::default(),
            news: newly,
            bells: Bells::default(),
            seats,
            pauses: Pauses::default(),
            replays: Replays::default(),
            shelf: Shelf::default(),
            breakers: Breakers::new(Arc::clone(&surroundings.clock), noticed.clone()),
            quarantine: Quarantine::new(options.host_faults_max, noticed.clone()),
            places: Mutex::new(Places::new(ATTEMPTS_AT_A_TIME)),
            turns: Turns::new(options.processors, Arc::clone(&surroundings.clock), behind),
            notices: noticed,
            crowds: Crowds::default(),
            charges: Arc::default(),
        });
        let (askers, committing) = (Vec::new(), Vec::new());
        let inbox = Inbox::new(messages, patience, Arc::clone(&surroundings.clock));
        let writer = Writer { committer, inbox, reports: sender, arisen, askers, left: 0, committing, stopping: false };
        let (ended, end) = oneshot::channel();
        let task = async move {
            // A host that was dropped needs no answer.
            let _ = ended.send(writer.run().await);
        };
        surroundings.threads.partition(task.boxed()).map_err(OpenError::Thread)?;
        let (stopping, stopped) = watch::channel(false);
        let cleaner = Cleaner {
            attempts: Arc::clone(&attempts),
            dedup_window_ms: options.dedup_window_ms,
            stopping: stopped.clone(),
            cleaned_below_k: 0,
            forgotten_before: 0,
        };
        let scheduler = Scheduler::new(Arc::clone(&attempts), front.clone(), (arising, asked), stopped, options.held);
        let guests = front.clone();
        let waiting = Some(Waiting { scheduler, guests: front, cleaner, notices, news });
        let tasks = Tasks { writer: Some(end), scheduler: None, waiting };
        Ok(Self {
            attempts,
            stopping,
            tasks: Arc::new(Mutex::new(tasks)),
            recovered,
            erased_rows_max: options.erased_rows_max,
            guests,
        })
    }

    /// What opening found.
    #[must_use]
    pub fn recovered(&self) -> Recovered {
        self.recovered
    }

    /// Starts the attempts of everything that waits, and of what comes.
    pub fn begin(&self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Waiting { scheduler, guests, cleaner, notices, news }) = tasks.waiting.take() {
            // It ends by itself when the host stops.
            drop(self.task("cleaner", cleaner.run()));
            let judge = Judge { dispatcher: self.clone(), stopping: self.stopping.subscribe() };
            drop(self.task("judge", judge.run()));
            let herald = Herald { dispatcher: self.clone(), notices, stopping: self.stopping.subscribe() };
            drop(self.task("herald", herald.run()));
            let warden = Warden { dispatcher: self.clone(), news, stopping: self.stopping.subscribe() };
            drop(self.task("warden", warden.run()));
            let tending = Tending { dispatcher: self.clone(), stopping: self.stopping.subscribe() };
            drop(self.task("tending", tending.run()));
            drop(self.task("firing", Firing::new(self.clone(), self.stopping.subscribe()).run()));
            let fanning = Fanning { dispatcher: self.clone(), stopping: self.stopping.subscribe() };
            drop(self.task("fanning", fanning.run()));
            let replaying = Replaying { dispatcher: self.clone(), stopping: self.stopping.subscribe() };
            drop(self.task("replaying", replaying.run()));
            let charging = Charging { dispatcher: self.clone(), stopping: self.stopping.subscribe() };
            drop(self.task("charging", charging.run()));
            let consuming = Consuming { dispatcher: self.clone(), guests, stopping: self.stopping.subscribe() };
            drop(self.task("consuming", consuming.run()));
            tasks.scheduler = Some(self.task("scheduler", scheduler.run()));
            let this = self.clone();
            drop(tokio::spawn(async move {
                if let Err(error) = this.resume_erasing().await {
                    tracing::warn!("tenants that are being deleted wait for the next start: {}", chain(&error));
                }
            }));
        }
    }

    /// A task without which the host does not do what it says: where it panics, nothing more is acknowledged.
    fn task(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
        let shared = Arc::clone(&self.attempts.shared);
        tokio::spawn(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                let error = format!("the task `{name}` panicked; that is a defect of the host");
                tracing::error!("nothing more is acknowledged: {error}");
                shared.fail(error);
            }
        })
    }

    /// The shelf of releases that plugins made by the API are called with.
    #[must_use]
    pub fn shelf(&self) -> &Shelf {
        &self.attempts.shelf
    }

    /// The rule set in use.
    #[must_use]
    pub fn rules(&self) -> Arc<RuleSet> {
        Arc::clone(&self.attempts.rules.borrow())
    }

    /// Takes events; answers each, in order, when it is durable.
    ///
    /// # Errors
    /// When all of them are refused.
    pub async fn accept(
        &self,
        tenant: &TenantName,
        bus: &BusName,
        events: Vec<Event>,
    ) -> Result<Vec<Result<Accepted, Refused>>, AcceptError> {
        self.take(tenant, bus, events, |request| request).await
    }

    /// Takes an event by which the host tells a tenant something: that much waits already, or that it did much, is no reason not to be told.
    pub(crate) async fn tell(
        &self,
        tenant: &TenantName,
        bus: &BusName,
        event: Event,
    ) -> Result<Vec<Result<Accepted, Refused>>, AcceptError> {
        let quotas = Quotas { backlog: Some(u32::MAX), ..Quotas::default() };
        let unbounded = |request| AcceptRequest { quotas, backlogs: BTreeMap::new(), ..request };
        self.take(tenant, bus, vec![event], unbounded).await
    }

    async fn take(
        &self,
        tenant: &TenantName,
        bus: &BusName,
        events: Vec<Event>,
        bounded: impl Fn(AcceptRequest) -> AcceptRequest,
    ) -> Result<Vec<Result<Accepted, Refused>>, AcceptError> {
        let mut turn = None;
        loop {
            let rules = self.rules();
            if rules.settings(tenant).suspended {
                return Err(AcceptError::Suspended(tenant.clone()));
            }
            let (mut matched, mut bytes) = (Vec::with_capacity(events.len()), 0);
            for (n, event) in events.iter().enumerate() {
                if n % EVENTS_PER_TURN == EVENTS_PER_TURN - 1 {
                    yield_now().await;
                }
                let targets = rules.targets(tenant, bus, event)?;
                weigh(&mut bytes, event, &targets)?;
                matched.push(AcceptEvent { event: event.clone(), targets });
            }
            let request = bounded(rules.accepting(tenant, bus.clone(), matched));
            must_fit(&request)?;
            match self.attempts.partition.ask(Request::Accept(request)).await {
                Ok(Answer::Accepted(answers)) => {
                    let duplicates = answers.iter().flatten().filter(|accepted| accepted.duplicate).count();
                    self.attempts.meters.duplicates(tenant, duplicates as u64);
                    return Ok(answers);
                }
                Ok(_) => return Err(AskError::Stopping.into()),
                Err(AskError::Refused(Refused::StaleRules)) if turn.is_none() => {
                    turn = Some(self.attempts.configuring.read().await);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Moves dead letters back to their targets: at most a page of them.
    ///
    /// # Errors
    /// When there is no such queue or letter, more would wait of the tenant than may, or the log failed.
    pub async fn redrive(&self, request: RedriveRequest) -> Result<Redriven, AskError> {
        self.has_room(&request)?;
        match self.attempts.partition.ask(Request::Redrive(request)).await? {
            Answer::Redriven(redriven) => Ok(redriven),
            _ => Err(AskError::Stopping),
        }
    }

    /// Lets go of dead letters: at most a page of them. It goes on from the reserve of a full disk, since it makes room.
    ///
    /// # Errors
    /// When there is no such queue or letter, or the log failed.
    pub async fn discard(&self, request: DiscardRequest) -> Result<Redriven, AskError> {
        match self.attempts.partition.ask(Request::Discard(request)).await? {
            Answer::Discarded(discarded) => Ok(discarded),
            _ => Err(AskError::Stopping),
        }
    }

    /// Whether all that a redrive would move may wait of its tenant. What comes meanwhile may make it a page more.
    fn has_room(&self, request: &RedriveRequest) -> Result<(), AskError> {
        let RedriveRequest { tenant, queue, which } = request;
        let read = |state: &State| {
            let depth = DeadLetterRow::depth(state, tenant, queue)?.unwrap_or_default();
            let waiting = StatsRow::get(state, &keys::tenant(tenant))?.unwrap_or_default().pending;
            Ok::<_, TableError>((depth, waiting))
        };
        let read = read(&self.attempts.shared.read().state);
        let (depth, waiting) = read.map_err(|error| AskError::Failed(chain(&error)))?;
        let arising = match which {
            RedriveWhich::Ids(ids) => ids.len() as u64,
            RedriveWhich::After(_) => depth.min(REDRIVE_PAGE as u64),
        };
        let most = u64::from(self.rules().settings(tenant).quotas.backlog());
        if arising > 0 && waiting.saturating_add(arising) > most {
            return Err(AskError::Refused(Refused::Quota(QuotaSpent::Backlog { of: None, waiting, most })));
        }
        Ok(())
    }

    /// Gives a dead letter another event.
    ///
    /// # Errors
    /// When there is no such letter (any more), the disk has no room for new work, or the log failed.
    pub async fn edit(&self, request: EditRequest) -> Result<(), AskError> {
        self.attempts.partition.ask(Request::Edit(Box::new(request))).await.map(drop)
    }

    /// Reads the state; what was read is durable when this returns.
    ///
    /// # Errors
    /// When the log failed, so that it never will be.
    pub async fn read<T>(&self, read: impl FnOnce(&State) -> T) -> Result<T, AskError> {
        let value = self.attempts.shared.read_durable(read).await;
        value.ok_or_else(|| AskError::Failed(self.failure().unwrap_or_default()))
    }

    /// The archive.
    #[must_use]
    pub fn archive(&self) -> &Archive {
        &self.attempts.archive
    }

    /// Waits until a frame after `k` is durable; absent when none will come.
    pub async fn frame_after(&self, k: u64) -> Option<u64> {
        let mut progress = self.attempts.shared.progress.subscribe();
        let mut stopping = self.stopping.subscribe();
        tokio::select! {
            biased;
            reached = progress.wait_for(|progress| progress.durable_k > k || progress.failed.is_some()) => {
                reached.ok().map(|progress| progress.durable_k).filter(|durable| *durable > k)
            }
            _ = stopping.wait_for(|stopping| *stopping) => None,
        }
    }

    /// Why the log takes no more, if it does not.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.attempts.shared.progress.borrow().failed.clone()
    }

    /// Lets frame time follow the wall clock at once, however far that stepped.
    pub fn follow_clock(&self) {
        self.attempts.partition.follow_clock();
    }

    /// The step of the wall clock that frame time has not followed; absent where they agree.
    #[must_use]
    pub fn clock_step(&self) -> Option<Step> {
        self.attempts.clock.step()
    }

    /// How far frame time is ahead of a wall clock that is believed, in milliseconds.
    #[must_use]
    pub fn clock_ahead_ms(&self) -> u64 {
        self.attempts.clock.ahead_ms()
    }

    /// Bytes that have to become free on the disk before new work is taken in; absent where it is.
    #[must_use]
    pub fn short_of(&self) -> Option<u64> {
        self.attempts.shared.progress.borrow().short_of
    }

    /// Frame time now, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.attempts.clock.now_ms()
    }

    /// What tells tenants of what others find out.
    #[must_use]
    pub fn teller(&self) -> Teller {
        Teller { notices: self.attempts.notices.clone(), clock: Arc::clone(&self.attempts.clock) }
    }

    /// A tenant's figures since the start.
    #[must_use]
    pub fn totals(&self, tenant: &TenantName) -> Totals {
        self.attempts.meters.totals(tenant)
    }

    /// What was counted since the start.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let Attempts { meters, shared, .. } = self.attempts.as_ref();
        Figures { attempts: meters.attempts(), frames: shared.frames.read(), tenants: meters.tenants() }
    }

    /// The releases in which the host failed since its start.
    #[must_use]
    pub fn faults(&self) -> Vec<FaultFigures> {
        self.attempts.quarantine.figures()
    }

    /// The circuit breakers of targets that were called since the start; of one tenant, or of all.
    #[must_use]
    pub fn breakers(&self, of: Option<&TenantName>) -> Vec<BreakerFigures> {
        self.attempts.breakers.figures(of)
    }

    /// Lets so many attempts in which the host fails quarantine their release from now on.
    pub fn quarantine_after(&self, host_faults_max: u32) {
        self.attempts.quarantine.set(host_faults_max);
    }

    /// Lets the quarantined releases of a plugin run again, and says which those are.
    pub fn lift_quarantine(&self, tenant: &TenantName, plugin: &PluginName) -> Vec<Digest> {
        let of = self.rules().plugin(tenant, plugin);
        let releases = of.iter().flat_map(|plugin| plugin.releases());
        releases.filter(|release| self.attempts.quarantine.lift(tenant, *release)).collect()
    }

    /// What the state says of what came and what waits; durable when this returns.
    ///
    /// # Errors
    /// When the log failed, or the state cannot be read.
    pub async fn state_figures(&self) -> Result<StateFigures, AskError> {
        let read = self.read(figures::of_state).await?;
        read.map_err(|error| AskError::Failed(chain(&error)))
    }

    /// Starts no more attempts, waits for the running ones until `deadline`, writes a last checkpoint. True when nothing is
    /// left to replay.
    pub async fn stop(&self, deadline: Duration) -> bool {
        self.stopping.send_replace(true);
        let (scheduler, writer) = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            (tasks.scheduler.take(), tasks.writer.take())
        };
        let drained = match scheduler {
            Some(scheduler) => tokio::time::timeout(deadline, scheduler).await.is_ok(),
            None => true,
        };
        if tokio::time::timeout(LAST_CHARGE_WAIT, self.charge()).await.is_err() {
            tracing::warn!("what requests used last is charged to nobody: the log has no room for it");
        }
        self.attempts.partition.stop();
        let clean = match writer {
            Some(writer) => writer.await.unwrap_or(false),
            None => true,
        };
        drained && clean
    }
}
