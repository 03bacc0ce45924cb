//! The engine: its settings, the thread that ticks its epochs, and the way from bytes to a release.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
    component::{Component, Linker},
};
use wharf_capability::{
    Attempt, EventHandlerPre, EventTransformPre, OFFERED, limits::TABLE_ELEMENTS_SETTABLE_MAX, link,
};
use wharf_event::Digest;

use crate::{
    cache::ArtifactCache,
    inspect::{self, ComponentError, Kind},
    limits::{
        ATTEMPTS_AT_A_TIME, BACKTRACE_FRAMES, CORE_INSTANCES_PER_COMPONENT, EPOCH_MS, KEEP_RESIDENT_BYTES,
        KEEP_RESIDENT_SCANNED_BYTES, MEMORIES_PER_COMPONENT, MEMORY_BYTES_MAX, STACK_BYTES, TABLE_KEEP_RESIDENT_BYTES,
        TABLES_PER_COMPONENT,
    },
    release::{Prepared, Release, TransformRelease},
};

/// The engine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// wasmtime refused the settings: mostly too little address space for the pool.
    #[error("the WebAssembly engine could not be made: {0:#}")]
    Engine(wasmtime::Error),
    /// The ticker thread could not be started.
    #[error("the epoch thread could not be started")]
    Ticker(#[source] std::io::Error),
}

/// Makes releases out of components and calls them.
pub struct Runtime {
    engine: Engine,
    linker: Linker<Attempt>,
    cache: OnceLock<ArtifactCache>,
    /// What was compiled before there was a cache.
    early: Mutex<Vec<(Digest, Component)>>,
    /// Dropping it stops the ticker.
    _ticking: std::sync::mpsc::Sender<()>,
}

impl Runtime {
    /// An engine without a cache of compiled artifacts.
    ///
    /// # Errors
    /// When the machine does not give what the engine needs.
    pub fn new() -> Result<Self, RuntimeError> {
        let engine = Engine::new(&config(dirty_pages_are_visible())).map_err(RuntimeError::Engine)?;
        let mut linker = Linker::new(&engine);
        link(&mut linker).map_err(RuntimeError::Engine)?;
        let ticking = tick(&engine).map_err(RuntimeError::Ticker)?;
        Ok(Self { engine, linker, cache: OnceLock::new(), early: Mutex::default(), _ticking: ticking })
    }

    /// Keeps compiled artifacts in `cache`, those that were compiled already too.
    pub fn use_cache(&self, cache: ArtifactCache) {
        let early = std::mem::take(&mut *self.early.lock().unwrap_or_else(PoisonError::into_inner));
        early.iter().for_each(|(digest, component)| cache.keep(&self.engine, digest, component));
        // A host has one cache; a second one would have nothing to add.
        let _ = self.cache.set(cache);
    }

    /// Checks a component, compiles it or takes the artifact from the cache, and resolves its imports. It uses all cores
    /// for up to seconds: never call it on a thread that others wait for.
    ///
    /// # Errors
    /// When the component is none, is of the wrong world, or imports what this host does not offer
    /// or a transform may not have.
    pub fn prepare(&self, wasm: &[u8]) -> Result<Prepared, ComponentError> {
        let kind = inspect::check(wasm)?;
        let digest = Digest::of(wasm);
        let component = self.compiled(&digest, wasm)?;
        let instance = self
            .linker
            .instantiate_pre(&component)
            .map_err(|error| ComponentError::Import { problem: format!("{error:#}"), offered: OFFERED.join(", ") })?;
        let wrong = |error: wasmtime::Error| ComponentError::World { problem: format!("{error:#}") };
        Ok(match kind {
            Kind::Handler => {
                Prepared::Handler(Release::new(digest, Arc::new(EventHandlerPre::new(instance).map_err(wrong)?)))
            }
            Kind::Transform => {
                let transform = EventTransformPre::new(instance).map_err(wrong)?;
                Prepared::Transform(TransformRelease::new(digest, Arc::new(transform)))
            }
        })
    }

    fn compiled(&self, digest: &Digest, wasm: &[u8]) -> Result<Component, ComponentError> {
        if let Some(component) = self.cache.get().and_then(|cache| cache.load(&self.engine, digest)) {
            return Ok(component);
        }
        let component = Component::new(&self.engine, wasm)
            .map_err(|error| ComponentError::Invalid { problem: format!("{error:#}") })?;
        match self.cache.get() {
            Some(cache) => cache.keep(&self.engine, digest, &component),
            None => self.early.lock().unwrap_or_else(PoisonError::into_inner).push((*digest, component.clone())),
        }
        Ok(component)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }
}

/// Whether dirty pages can be found by scanning the page map. With swap they cannot: a dirty page that was swapped out is
/// overlooked by wasmtime 48, and the next instance would see it.
fn dirty_pages_are_visible() -> bool {
    std::fs::read_to_string("/proc/swaps").is_ok_and(|swaps| swaps.lines().count() <= 1)
}

fn config(scan: bool) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    let slots = ATTEMPTS_AT_A_TIME;
    pool.total_component_instances(slots)
        .total_stacks(slots)
        // As many as all attempts together may use: one plugin's appetite never takes another's slot.
        .total_memories(MEMORIES_PER_COMPONENT * slots)
        .total_core_instances(CORE_INSTANCES_PER_COMPONENT * slots)
        .total_tables(TABLES_PER_COMPONENT * slots)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_memories_per_module(1)
        .max_tables_per_module(2)
        .table_elements(usize::try_from(TABLE_ELEMENTS_SETTABLE_MAX).unwrap_or(usize::MAX))
        .max_component_instance_size(2 << 20)
        .max_core_instance_size(2 << 20)
        .max_memory_size(MEMORY_BYTES_MAX)
        .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES)
        .linear_memory_keep_resident(if scan { KEEP_RESIDENT_SCANNED_BYTES } else { KEEP_RESIDENT_BYTES });
    if scan {
        pool.pagemap_scan(Enabled::Auto);
    }
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .epoch_interruption(true)
        .concurrency_support(false)
        .wasm_memory64(false)
        // A heap of collected objects stays in memory after its instance (docs/decisions/014).
        .gc_support(false)
        .wasm_exceptions(false)
        .max_wasm_stack(STACK_BYTES)
        .async_stack_size(2 * STACK_BYTES)
        .wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES));
    config
}

/// Ticks the engine's epochs until the sender it gives is dropped, or the engine is.
fn tick(engine: &Engine) -> std::io::Result<std::sync::mpsc::Sender<()>> {
    let (ticking, stopped) = std::sync::mpsc::channel::<()>();
    let engine = engine.weak();
    std::thread::Builder::new().name("wharf-epoch".into()).spawn(move || {
        use std::sync::mpsc::RecvTimeoutError::Timeout;
        while stopped.recv_timeout(Duration::from_millis(EPOCH_MS)) == Err(Timeout) {
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => break,
            }
        }
    })?;
    Ok(ticking)
}
