//! One life of the process: opened on what the disk has, run with its clients in virtual time, ended as planned.
//!
//! Invariant: each life has a runtime of its own, and nothing of it touches the disk after its end: the next one gets another
//! disk, which is what a restart finds.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle},
    sync::Notify,
    time::{Instant, sleep_until},
};
use wharf_delivery::{StatsRow, Table, Tables as _, keys};
use wharf_dispatch::{Callable, Dispatcher, Handler, Home, Options, Surroundings, Transform, chain};
use wharf_event::TenantName;
use wharf_faults::{Fault, FaultyDisk, SimHome};

use crate::{
    batch::Gather,
    client::{Client, World},
    observed::{LifeSeen, Observed},
    outside::Outside,
    plan::{Ending, LifePlan, Moment, Plan},
    queue,
    recordings::SimRecordings,
    redrives, replays,
    rng::Rng,
    rules::{self, TENANTS},
    script::Scripted,
    sieve::Sieve,
    squeeze::Squeezing,
    surroundings::{LifeClock, surroundings},
    tides::{self, TIDES},
    web::Web,
};

/// How often the archive is read while a life runs.
const COLLECT_EVERY: Duration = Duration::from_millis(700);

/// How long a stop waits for attempts.
const STOP_WAIT: Duration = Duration::from_secs(30);

/// How long the last life may take until everything is settled: virtual time costs nothing.
const SETTLE_WAIT: Duration = Duration::from_secs(6 * 3_600);

/// All rows of a table.
pub type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// The state, table by table.
pub type Dump = HashMap<Table, Rows>;

/// A life to be run.
pub struct Life<'a> {
    /// What all know.
    pub world: Arc<World>,
    /// 1 for the first.
    pub number: usize,
    /// Time of the history when it begins, in milliseconds.
    pub before_ms: u64,
    /// The disk that it finds.
    pub disk: FaultyDisk,
    /// The window that the product is told of, in milliseconds.
    pub window_ms: u64,
    /// How it goes; absent for the last one, in which everything settles.
    pub plan: Option<&'a LifePlan>,
}

/// What came of a life.
pub struct Ended {
    /// How long it was, in milliseconds.
    pub ms: u64,
    /// Whether anything went wrong with the disk.
    pub faulted: bool,
    /// It could not be opened: why.
    pub unopened: Option<String>,
    /// The state at the end, where everything settled.
    pub dump: Option<Dump>,
}

impl Life<'_> {
    /// Runs it to its end.
    #[must_use]
    pub fn run(self) -> Ended {
        self.world.observed.thaw();
        let built = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = match built {
            Ok(runtime) => runtime,
            Err(error) => {
                return Ended { ms: 0, faulted: false, unopened: Some(error.to_string()), dump: None };
            }
        };
        let disk = self.disk.clone();
        let ended = runtime.block_on(self.live());
        // What is dropped with the runtime writes nothing more.
        disk.turn_off();
        ended
    }

    async fn live(self) -> Ended {
        let observed = self.world.observed.clone();
        let clock = Arc::new(LifeClock::new(self.before_ms, self.world.plan.steps.clone()));
        let crashed = Arc::new(Notify::new());
        let faulted = self.arm(&observed, &crashed);
        let ended = |unopened, dump| Ended {
            ms: clock.history_ms() - self.before_ms,
            faulted: faulted.load(Ordering::Relaxed),
            unopened,
            dump,
        };
        let home = SimHome { disk: self.disk.clone(), segment_sizes: self.world.plan.segment_sizes };
        let seed = Rng::of(&[self.world.seed, self.number as u64, 0x11FE]).bits();
        let outside = Outside::new(self.world.seed, observed.clone());
        let outgoing = Arc::new(outside.clone());
        let from = surroundings(Arc::clone(&clock), seed, self.world.plan.delay_ms_max);
        let recordings = Arc::new(SimRecordings::new(seed, observed.clone()));
        let from = Surroundings { outgoing, recordings, ..from };
        let Plan { host_faults_max, erased_rows_max, held, .. } = self.world.plan;
        let options =
            Options { dedup_window_ms: self.window_ms, host_faults_max, erased_rows_max, held, ..Options::default() };
        let mut squeezing =
            self.plan.and_then(|plan| plan.squeeze).map(|squeeze| Squeezing::new(home.clone(), squeeze));
        let home = squeezing.as_ref().map_or(&home as &dyn Home, Squeezing::home);
        let dispatcher = match Dispatcher::open(home, options, from, Handle::current()) {
            Ok(dispatcher) => dispatcher,
            Err(error) => {
                let why = chain(&error);
                observed.note(|| format!("life {} cannot be opened: {why}", self.number), |_| {});
                return ended(Some(why), None);
            }
        };
        outside.serve(Some(dispatcher.clone()));
        let recovered = dispatcher.recovered();
        let began_ms = dispatcher.now_ms();
        observed.note(
            || format!("life {} at {began_ms}: {recovered:?}", self.number),
            |seen| {
                let frames_replayed = recovered.frames_replayed;
                let (number, last_k) = (self.number, recovered.last_k);
                seen.lives.push(LifeSeen { number, last_k, began_ms, frames_replayed, clean: false });
                seen.rests.begin();
            },
        );
        collect(&dispatcher, &observed);
        let dump = tokio::select! {
            biased;
            () = crashed.notified() => None,
            dump = self.go_on(&dispatcher, &observed, squeezing.as_mut(), &faulted) => dump,
        };
        squeezing.iter().for_each(Squeezing::end);
        observed.freeze();
        outside.serve(None);
        ended(None, dump)
    }

    /// Lets the disk fail as planned. The flag says whether it did.
    fn arm(&self, observed: &Observed, crashed: &Arc<Notify>) -> Arc<AtomicBool> {
        let faulted = Arc::new(AtomicBool::new(false));
        let planned = match self.plan.map(|plan| plan.ending) {
            Some(Ending::Kill(Moment::Operation(at)) | Ending::PowerCut(Moment::Operation(at), _)) => {
                Some((at, Fault::Crash))
            }
            Some(Ending::Error { operation, full, .. }) => {
                Some((operation, if full { Fault::Full } else { Fault::Error }))
            }
            _ => None,
        };
        let Some((mut left, fault)) = planned else { return faulted };
        let (observed, crashed, flag) = (observed.clone(), Arc::clone(crashed), Arc::clone(&faulted));
        self.disk.watch(move |operation| {
            left = left.wrapping_sub(1);
            if left != 0 {
                return None;
            }
            observed.note(|| format!("{fault:?} at {operation:?}"), |_| {});
            flag.store(true, Ordering::Relaxed);
            if fault == Fault::Crash {
                observed.freeze();
                crashed.notify_one();
            }
            Some(fault)
        });
        faulted
    }

    /// Clients come, and the planned end.
    async fn go_on(
        &self,
        dispatcher: &Dispatcher,
        observed: &Observed,
        mut squeezing: Option<&mut Squeezing>,
        faulted: &AtomicBool,
    ) -> Option<Dump> {
        for (release, handler) in &self.world.releases {
            dispatcher.shelf().put(*release, Callable::Handler(Arc::clone(handler)));
        }
        let mut rng = Rng::of(&[self.world.seed, self.number as u64, 0xF1]);
        let first = rng.below(rules::VARIANTS);
        let variant = if self.number == 1 || self.plan.is_none() { 0 } else { first };
        if !self.world.configure(dispatcher, variant).await {
            // The first variant has everything.
            self.world.configure(dispatcher, 0).await;
        }
        dispatcher.begin();
        let Some(plan) = self.plan else {
            tides::resume_all(&self.world, dispatcher).await;
            return settled(&self.world, dispatcher, observed).await;
        };
        if self.world.plan.tides {
            tides::flood(&self.world, dispatcher, &mut rng).await;
        }
        let mut clients = tokio::task::JoinSet::new();
        for number in 0..plan.clients {
            clients.spawn(Client::new(Arc::clone(&self.world), dispatcher.clone(), self.number, number).run());
        }
        let end = Instant::now() + Duration::from_millis(plan.ms);
        let mut failed_at = None;
        while Instant::now() < end && failed_at.is_none_or(|at| Instant::now() < at + Duration::from_secs(3)) {
            sleep_until(end.min(Instant::now() + COLLECT_EVERY)).await;
            collect(dispatcher, observed);
            lift(dispatcher, observed);
            squeezing.iter_mut().for_each(|squeezing| squeezing.turn(observed));
            if failed_at.is_none() && dispatcher.failure().is_some() {
                observed.note(|| format!("failed: {:?}", dispatcher.failure()), |_| {});
                failed_at = Some(Instant::now());
            }
        }
        if !faulted.load(Ordering::Relaxed) {
            squeezing.iter().for_each(|squeezing| squeezing.judge(dispatcher, observed));
        }
        if let Ending::Stop = plan.ending {
            let clean = dispatcher.stop(STOP_WAIT).await;
            collect(dispatcher, observed);
            observed.note(
                || format!("stopped, clean: {clean}"),
                |seen| seen.lives.last_mut().into_iter().for_each(|life| life.clean = clean),
            );
        }
        None
    }
}

/// Waits until nothing is owed any more, and gives the state then.
async fn settled(world: &World, dispatcher: &Dispatcher, observed: &Observed) -> Option<Dump> {
    let end = Instant::now() + SETTLE_WAIT;
    let mut quiet = 0;
    // Cleaning goes on for a while when all is settled.
    while quiet < 6 {
        if Instant::now() > end {
            let wrong = unsettled(dispatcher).await;
            observed.note(|| "not settled".to_owned(), |seen| seen.wrong.push(wrong));
            return None;
        }
        tokio::time::sleep(COLLECT_EVERY).await;
        queue::drain(world, dispatcher).await;
        collect(dispatcher, observed);
        lift(dispatcher, observed);
        if let Some(failure) = dispatcher.failure() {
            observed
                .note(|| format!("failed: {failure}"), |seen| seen.wrong.push(format!("without a fault: {failure}")));
            return None;
        }
        let still = pending(dispatcher).await == 0 && dispatcher.rules().deleting().is_empty();
        let still = still && !replays::go_on(dispatcher).await && !redrives::go_on(dispatcher).await;
        quiet = if still { quiet + 1 } else { 0 };
    }
    let clean = dispatcher.stop(STOP_WAIT).await;
    if !clean {
        observed.note(|| "not stopped".to_owned(), |seen| seen.wrong.push("the last stop was not clean".to_owned()));
    }
    collect(dispatcher, observed);
    // Only now: cleaning may have moved something until the end. In this life no fault of the disk is planned that would excuse it.
    let read = dispatcher.read(dump).await;
    read.inspect_err(|error| {
        let wrong = format!("the state that is settled cannot be read: {error}");
        observed.note(|| "not read".to_owned(), |seen| seen.wrong.push(wrong));
    })
    .ok()
}

/// Lets every quarantined release run again: what waits for one would wait for ever.
fn lift(dispatcher: &Dispatcher, observed: &Observed) {
    let quarantined: Vec<_> = dispatcher.faults().into_iter().filter(|of| of.quarantined).collect();
    for of in quarantined {
        for plugin in rules::PLUGINS.iter().filter(|plugin| rules::release(plugin) == of.release) {
            let lifted = plugin.parse().map(|plugin| dispatcher.lift_quarantine(&of.tenant, &plugin));
            observed.note(
                || format!("lifted for {}/{plugin}: {}", of.tenant, lifted.is_ok_and(|of| !of.is_empty())),
                |_| {},
            );
        }
    }
}

async fn pending(dispatcher: &Dispatcher) -> u64 {
    let mut pending = 0;
    for tenant in TENANTS.iter().chain(&TIDES).filter_map(|tenant| tenant.parse::<TenantName>().ok()) {
        let stats = dispatcher.read(|state| StatsRow::get(state, &keys::tenant(&tenant))).await;
        pending += stats.ok().and_then(Result::ok).flatten().map_or(0, |stats| stats.pending);
    }
    pending
}

async fn unsettled(dispatcher: &Dispatcher) -> String {
    let rows = dispatcher.read(|state| state.scan(Table::Deliveries, &[], std::ops::Bound::Unbounded, 10)).await;
    let keys = rows.ok().and_then(Result::ok).unwrap_or_default();
    let keys: Vec<_> = keys.iter().map(|(key, _)| key.escape_ascii().to_string()).collect();
    format!(
        "after {} h not everything is settled, at frame {}: {} pending, of them {keys:?}",
        SETTLE_WAIT.as_secs() / 3_600,
        dispatcher.archive().last_k(),
        pending(dispatcher).await,
    )
}

/// All rows of the state.
fn dump(state: &impl wharf_delivery::Tables) -> Dump {
    let rows = |table| {
        let rows = state.scan(table, &[], std::ops::Bound::Unbounded, usize::MAX).unwrap_or_default();
        rows.into_iter().map(|(key, row)| (key.to_vec(), row.to_vec())).collect()
    };
    Table::ALL.into_iter().map(|table| (table, rows(table))).collect()
}

/// The state of the partition on a disk, as opening it gives it.
///
/// # Errors
/// When it cannot be opened: why.
pub fn opened_dump(world: &World, disk: &FaultyDisk, before_ms: u64) -> Result<Dump, String> {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let clock = Arc::new(LifeClock::new(before_ms, world.plan.steps.clone()));
        let home = SimHome { disk: disk.clone(), segment_sizes: world.plan.segment_sizes };
        let from = surroundings(clock, world.seed, 0);
        let options = Options { dedup_window_ms: world.plan.window_ms, ..Options::default() };
        let dispatcher = Dispatcher::open(&home, options, from, Handle::current()).map_err(|error| chain(&error))?;
        dispatcher.read(dump).await.map_err(|error| error.to_string())
    })
}

/// Reads what the log has beyond what was read before.
pub(crate) fn collect(dispatcher: &Dispatcher, observed: &Observed) {
    if observed.is_frozen() {
        return;
    }
    let archive = dispatcher.archive();
    let from = observed.seen().collected_k + 1;
    if archive.first_k() > from {
        observed.seen().wrong.push(format!("frames from {from} on went before anybody could read them"));
    }
    for k in from.max(archive.first_k())..=archive.last_k() {
        let mut seen = observed.seen();
        seen.collected_k = k;
        match archive.frame(k) {
            Ok(items) if items.is_empty() => {}
            Ok(items) => {
                seen.frames.insert(k, items);
            }
            Err(error) => seen.wrong.push(format!("frame {k} cannot be read: {error}")),
        }
    }
}

/// The handlers of a history.
#[must_use]
pub fn releases(seed: u64, observed: &Observed) -> wharf_dispatch::Releases {
    let handlers = rules::PLUGINS.into_iter().map(|plugin| {
        let handler: Arc<dyn Handler> = Arc::new(Scripted::new(seed, plugin, observed.clone()));
        (handler.digest(), handler)
    });
    let gather: Arc<dyn Handler> = Arc::new(Gather::new(seed, observed.clone()));
    let web: Arc<dyn Handler> = Arc::new(Web::new(seed, observed.clone()));
    handlers.chain([(gather.digest(), gather), (web.digest(), web)]).collect()
}

/// The transforms of a history.
#[must_use]
pub fn transforms(seed: u64) -> wharf_dispatch::Transforms {
    let sieve: Arc<dyn Transform> = Arc::new(Sieve::new(seed));
    wharf_dispatch::Transforms::from([(rules::release(rules::SIEVE), sieve)])
}
