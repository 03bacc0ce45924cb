//! Builds a host by hand, in order: engine, folder, socket, configuration, log and state, rules.
//!
//! The socket is served as soon as it is bound; before the rule set is in force whoever asks is told that the host starts.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use tokio::runtime;
use wharf_dispatch::{ConfigureError, Dispatcher, FolderHome, Guests, Options, Recovered, RuleSet, Surroundings};
use wharf_event::Code;
use wharf_gateway::Bodies;
use wharf_recording::{Policy, Recorder};
use wharf_runtime::{ArtifactCache, Runtime};

use crate::{
    adapter::{self, HostAdapter},
    cli::HostArgs,
    compiler::Compiler,
    entrance::Entrance,
    failure::Failure,
    files,
    folder::DataFolder,
    heap, image,
    load::{self, Loaded},
    outside::Outside,
    prices::PriceList,
    progress::Progress,
    registry::{Components, Registry},
    secret_key::SecretKey,
    threads::{Paced, THREADS_STOP, processors},
};

/// How a host is built.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `wharf.toml`.
    pub config: PathBuf,
    /// The data folder.
    pub data: PathBuf,
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// How long an event's (source, id) is remembered.
    pub dedup_window: Duration,
    /// How long running attempts may take at the end.
    pub drain: Duration,
    /// Whether the machine's clock is believed at once.
    pub follow_clock: bool,
    /// Whether an author sits before it, and waits for what it compiles.
    pub is_watched: bool,
}

impl Settings {
    /// What the command line says, how long the end may take, and whether the machine's clock is believed at once.
    #[must_use]
    pub fn new(args: HostArgs, drain: Duration, follow_clock: bool) -> Self {
        let HostArgs { file, data, listen, dedup_window, log_format: _, log: _ } = args;
        Self { config: file.config, data, listen, dedup_window, drain, follow_clock, is_watched: false }
    }

    /// What is recorded: all of it where an author looks on.
    fn recorded(&self, policy: Policy) -> Policy {
        if self.is_watched { policy.with_all() } else { policy }
    }
}

/// A host that is built, and answers.
pub struct Host {
    /// The engine.
    pub runtime: Arc<Runtime>,
    /// The core.
    pub dispatcher: Dispatcher,
    registry: Arc<Registry>,
    prices: PriceList,
    /// The data folder, locked.
    pub folder: Arc<DataFolder>,
    /// What opening it found.
    pub recovered: Recovered,
    /// The files of the configuration.
    pub files: Vec<PathBuf>,
    outside: Arc<Outside>,
    recorder: Arc<Recorder>,
    entrance: Entrance,
    adapter: HostAdapter,
    settings: Settings,
}

impl Host {
    /// Builds it; attempts will run on `guests`, and requests leave by `outward`.
    ///
    /// # Errors
    /// When anything that it needs is not to be had; nothing serves then.
    pub async fn build(settings: Settings, guests: Guests, outward: runtime::Handle) -> Result<Self> {
        must_be_loopback(settings.listen)?;
        files::as_many_as_may_be();
        let runtime = Arc::new(Runtime::new()?);
        let compiler = if settings.is_watched { Compiler::again_and_again() } else { Compiler::behind_all() };
        runtime.compile_by(Box::new(compiler.clone()));
        // Where there is no data folder yet, none is made for a configuration that cannot be put into force.
        let there = if settings.data.exists() { Some(open_folder(&settings, &runtime)?) } else { None };
        let mut entrance = Entrance::bind(settings.listen).await?;
        entrance.waits_for("components are read and compiled");
        let (files, loaded) = load_on_thread(&settings, &runtime, Progress::on_terminal()).await?;
        let Loaded { rules, host, egress, models, own_models, components, .. } = loaded?;
        let folder = there.map_or_else(|| open_folder(&settings, &runtime), Ok)?;
        entrance.bodies.resize(host.body_bytes);
        entrance.waits_for("the log is read");
        let prices = PriceList::default();
        prices.set(host.prices);
        let options = options(&settings, host.quarantine_after);
        let home = FolderHome::new(folder.dir.try_clone().context("the data folder cannot be used")?);
        let key = SecretKey::find(folder.dir.try_clone().context("the data folder cannot be used")?)?;
        let outside = Outside::new(outward, egress, models, key);
        outside.own_models().set(Arc::new(own_models));
        let behind = guests.behind.clone();
        let (surroundings, recorder) = surrounded(&folder, settings.recorded(host.recordings), &outside, behind)?;
        let dispatcher = Dispatcher::open(&home, options, surroundings, guests.clone())
            .map_err(|error| Failure::of(error.code(), &error))?;
        if settings.follow_clock {
            dispatcher.follow_clock();
        }
        entrance.waits_for("releases are made ready");
        folder.keep(&components).context("the components cannot be kept in the data folder")?;
        let components_folder = || folder.components().context("the folder of components cannot be opened");
        runtime.recompile_from(Box::new(Components::new(components_folder()?)));
        runtime.bound_loaded(host.loaded_code_bytes, files::releases_max());
        let kept = (Components::new(components_folder()?), Components::of_models(components_folder()?));
        let registry = Registry::new(dispatcher.clone(), Arc::clone(&runtime), kept, guests.front);
        outside.own_models().begin(Arc::clone(&registry.models), dispatcher.teller());
        registry.sweep(components.keys().copied().collect()).await?;
        drop(components);
        registry.restock(&rules).await?;
        entrance.waits_for("rules are put into force");
        configure(&dispatcher, rules).await?;
        // Webhooks that have no secret get one.
        adapter::furnish(&dispatcher, &outside).await?;
        heap::give_back();
        image::let_go();
        let adapter =
            HostAdapter::new(dispatcher.clone(), Arc::clone(&runtime), Arc::clone(&registry), Arc::clone(&outside))
                .priced_by(prices.clone())
                .recorded_by(Arc::clone(&recorder));
        dispatcher.begin();
        compiler.look();
        adapter.tell_closed_secrets().await;
        entrance.open(adapter.clone());
        Ok(Self {
            recovered: dispatcher.recovered(),
            runtime,
            dispatcher,
            registry,
            prices,
            folder,
            files,
            outside,
            recorder,
            entrance,
            adapter,
            settings,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.entrance.address
    }

    /// Serves until `shutdown`, then drains: requests first, then attempts, then a last checkpoint. True when nothing is
    /// left to replay.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<bool> {
        let (searches, judges) = (self.adapter.clone(), self.adapter);
        let shutdown = async move {
            shutdown.await;
            searches.stop();
        };
        let (archive, bodies) = (self.dispatcher.archive().clone(), self.entrance.bodies.clone());
        let resting = tokio::spawn(heap::give_back_at_rest(move || archive.last_k().wrapping_add(bodies.taken())));
        let judging = tokio::spawn(judges.judge_models());
        self.entrance.serve(shutdown).await?;
        resting.abort();
        judging.abort();
        let drained = self.dispatcher.stop(self.settings.drain).await;
        let recorder = self.recorder;
        // What waits still is written, or is lost as in a crash.
        let _ = tokio::task::spawn_blocking(move || recorder.settle(THREADS_STOP)).await;
        Ok(drained)
    }

    /// The core.
    #[must_use]
    pub fn dispatcher(&self) -> &Dispatcher {
        &self.dispatcher
    }

    /// The way to put another configuration into force.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        Reloader {
            runtime: Arc::clone(&self.runtime),
            dispatcher: self.dispatcher.clone(),
            registry: Arc::clone(&self.registry),
            prices: self.prices.clone(),
            outside: Arc::clone(&self.outside),
            recorder: Arc::clone(&self.recorder),
            folder: Arc::clone(&self.folder),
            bodies: self.entrance.bodies.clone(),
            settings: self.settings.clone(),
        }
    }
}

/// Puts the configuration into force again after it changed.
pub struct Reloader {
    runtime: Arc<Runtime>,
    dispatcher: Dispatcher,
    registry: Arc<Registry>,
    prices: PriceList,
    outside: Arc<Outside>,
    recorder: Arc<Recorder>,
    folder: Arc<DataFolder>,
    bodies: Bodies,
    settings: Settings,
}

impl Reloader {
    /// Reads the configuration as it is now, or finds all its mistakes, and gives the files that were looked for. Nothing is put into
    /// force. (How far it has come is not said: the host logs meanwhile.)
    ///
    /// # Errors
    /// When no thread can read it.
    pub async fn read(&self) -> Result<(Vec<PathBuf>, Result<Loaded>)> {
        load_on_thread(&self.settings, &self.runtime, Progress::none()).await
    }

    /// Puts what was read into force. Attempts that run finish on the releases that they began with.
    ///
    /// # Errors
    /// When it cannot be made durable, or does not go with what came by the API; then what was in force stays.
    pub async fn put(&self, loaded: Loaded) -> Result<()> {
        self.folder.keep(&loaded.components).context("the components cannot be kept in the data folder")?;
        let _shelving = self.registry.shelving.lock().await;
        self.registry.restock(&loaded.rules).await?;
        // Before the rules that ask for it.
        let before = self.outside.set(loaded.egress, loaded.models, loaded.own_models);
        if let Err(error) = configure(&self.dispatcher, loaded.rules).await {
            self.outside.set_back(before);
            return Err(error);
        }
        adapter::furnish(&self.dispatcher, &self.outside).await?;
        self.dispatcher.quarantine_after(loaded.host.quarantine_after);
        self.runtime.bound_loaded(loaded.host.loaded_code_bytes, files::releases_max());
        self.prices.set(loaded.host.prices);
        self.bodies.resize(loaded.host.body_bytes);
        self.recorder.set(self.settings.recorded(loaded.host.recordings));
        Ok(())
    }

    /// The core.
    #[must_use]
    pub fn dispatcher(&self) -> &Dispatcher {
        &self.dispatcher
    }
}

/// How the core is to run.
fn options(settings: &Settings, host_faults_max: u32) -> Options {
    let dedup_window_ms = u64::try_from(settings.dedup_window.as_millis()).unwrap_or(u64::MAX);
    Options { dedup_window_ms, host_faults_max, processors: processors(), ..Options::default() }
}

/// What the core has around it, with whoever keeps its recordings.
fn surrounded(
    folder: &DataFolder,
    policy: Policy,
    outside: &Arc<Outside>,
    behind: runtime::Handle,
) -> Result<(Surroundings, Arc<Recorder>)> {
    let mut surroundings = Surroundings::of_this_machine(runtime::Handle::current());
    surroundings.threads = Arc::new(Paced { machine: surroundings.threads, behind });
    surroundings.outgoing = Arc::<Outside>::clone(outside);
    let clock = Arc::clone(&surroundings.clock);
    let recordings = folder.recordings().context("the folder of recordings cannot be opened")?;
    let recorder = Recorder::open(recordings, policy, move || clock.wall_ms());
    let recorder = Arc::new(recorder.context("the folder of recordings cannot be used")?);
    surroundings.recordings = Arc::<Recorder>::clone(&recorder);
    Ok((surroundings, recorder))
}

/// Opens the data folder, and the cache of artifacts in it.
fn open_folder(settings: &Settings, runtime: &Runtime) -> Result<Arc<DataFolder>> {
    let folder = DataFolder::open(&settings.data).map_err(|error| Failure::of(error.code(), &error))?;
    runtime.use_cache(ArtifactCache::open(folder.cache().context("the cache folder cannot be opened")?)?);
    Ok(Arc::new(folder))
}

fn must_be_loopback(listen: SocketAddr) -> Result<()> {
    if !listen.ip().is_loopback() {
        let message = format!("{listen} is not a loopback address, and this host knows no identities yet");
        let help = "listen on 127.0.0.1, and put a proxy that authenticates in front of it";
        bail!(Failure::new(Code::BindNotLoopback, message, help));
    }
    Ok(())
}

/// Puts rules into force.
async fn configure(dispatcher: &Dispatcher, rules: RuleSet) -> Result<()> {
    dispatcher.configure(rules).await.map(drop).map_err(|error| match &error {
        ConfigureError::Rules(source) => {
            let help = match source.code() {
                Code::QueueOfFile => {
                    "give the one in the file another name, or remove the other one first: `wharf queue rm`"
                }
                _ => "keep what that rule needs in the file, or remove the rule first: `wharf rules rm`",
            };
            Failure::new(source.code(), error.to_string(), help).into()
        }
        ConfigureError::Ask(_) => error.into(),
    })
}

/// Compiling takes all cores and up to seconds, so it has a thread of its own. What plugins will be denied is told of.
async fn load_on_thread(
    settings: &Settings,
    runtime: &Arc<Runtime>,
    progress: Progress,
) -> Result<(Vec<PathBuf>, Result<Loaded>)> {
    let (config, runtime) = (settings.config.clone(), Arc::clone(runtime));
    let (files, loaded) = tokio::task::spawn_blocking(move || {
        let loaded = load::load(&config, &runtime, &progress);
        heap::give_back();
        loaded
    })
    .await?;
    if let Ok(loaded) = &loaded {
        loaded.ungranted.iter().for_each(|plugin| tracing::warn!("{plugin}"));
    }
    Ok((files, loaded.map_err(|error| Failure::load(&error).into())))
}
