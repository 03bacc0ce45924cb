//! The engine: its settings, the thread that ticks its epochs, and the way from bytes to a release.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use wasmtime::{
    Engine,
    component::{Component, Linker},
};
use wharf_capability::{Attempt, EventHandlerPre, EventTransformPre, link};
use wharf_event::Digest;
use wharf_inspect::{ComponentError, Kind, check};

use crate::{
    cache::{ArtifactCache, CacheCounts},
    compiling::{Compile, load},
    limits::EPOCH_MS,
    release::{Prepared, Release, TransformRelease},
    settings::{Reset, config},
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
    early: Mutex<Vec<(Digest, Vec<u8>)>>,
    compiler: OnceLock<Box<dyn Compile>>,
    /// Dropping it stops the ticker.
    _ticking: std::sync::mpsc::Sender<()>,
}

impl Runtime {
    /// An engine without a cache of compiled artifacts, as is best for this machine.
    ///
    /// # Errors
    /// When the machine does not give what the engine needs.
    pub fn new() -> Result<Self, RuntimeError> {
        let reset = Reset::of_this_machine();
        if !reset.scan {
            tracing::info!(
                "this machine has swap, or does not tell: memories are reset without looking for dirty pages"
            );
        }
        Self::with(reset)
    }

    /// The same that resets memories in this way.
    ///
    /// # Errors
    /// When the machine does not give what the engine needs.
    pub fn with(reset: Reset) -> Result<Self, RuntimeError> {
        let engine = config(reset).and_then(|config| Engine::new(&config)).map_err(RuntimeError::Engine)?;
        let mut linker = Linker::new(&engine);
        link(&mut linker).map_err(RuntimeError::Engine)?;
        let ticking = tick(&engine).map_err(RuntimeError::Ticker)?;
        Ok(Self {
            engine,
            linker,
            cache: OnceLock::new(),
            early: Mutex::default(),
            compiler: OnceLock::new(),
            _ticking: ticking,
        })
    }

    /// Keeps compiled artifacts in `cache`, those that were compiled already too.
    pub fn use_cache(&self, cache: ArtifactCache) {
        let early = std::mem::take(&mut *self.early.lock().unwrap_or_else(PoisonError::into_inner));
        early.iter().for_each(|(digest, artifact)| cache.keep(&self.engine, digest, artifact));
        cache.missed(early.len());
        // A host has one cache; a second one would have nothing to add.
        let _ = self.cache.set(cache);
    }

    /// Lets `compiler` make the artifacts; without one this process makes them.
    pub fn compile_by(&self, compiler: Box<dyn Compile>) {
        // A host has one; a second would do the same.
        let _ = self.compiler.set(compiler);
    }

    /// Checks a component, compiles it or takes the artifact from the cache, and resolves its imports. It uses all cores
    /// for up to seconds: never call it on a thread that others wait for.
    ///
    /// # Errors
    /// When the component is none, is of the wrong world, or imports what this host does not offer
    /// or a transform may not have.
    pub fn prepare(&self, wasm: &[u8]) -> Result<Prepared, ComponentError> {
        let kind = check(wasm)?;
        let digest = Digest::of(wasm);
        let component = self.compiled(&digest, wasm)?;
        let instance = self
            .linker
            .instantiate_pre(&component)
            .map_err(|error| ComponentError::Import { problem: format!("{error:#}") })?;
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

    /// What look-ups in the cache of compiled artifacts came to.
    #[must_use]
    pub fn cache_counts(&self) -> CacheCounts {
        self.cache.get().map_or_else(CacheCounts::default, ArtifactCache::counts)
    }

    fn compiled(&self, digest: &Digest, wasm: &[u8]) -> Result<Component, ComponentError> {
        if let Some(component) = self.cache.get().and_then(|cache| cache.load(&self.engine, digest)) {
            return Ok(component);
        }
        let artifact = match self.compiler.get() {
            Some(compiler) => compiler.compile(wasm)?,
            None => self
                .engine
                .precompile_component(wasm)
                .map_err(|error| ComponentError::Invalid { problem: format!("{error:#}") })?,
        };
        let component = match self.cache.get() {
            Some(cache) => {
                cache.keep(&self.engine, digest, &artifact);
                // Mapped from its file it takes less memory.
                cache.load(&self.engine, digest)
            }
            None => {
                self.early.lock().unwrap_or_else(PoisonError::into_inner).push((*digest, artifact.clone()));
                None
            }
        };
        component.map_or_else(|| load(&self.engine, &artifact), Ok)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }
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

#[cfg(test)]
mod tests {
    use wharf_inspect::OFFERS;

    use super::*;
    use crate::settings::config;

    /// Releases of a series that are asked for.
    const PATCHES: u32 = 32;

    #[test]
    fn what_is_offered_is_linked_and_what_is_known_not_to_be_is_not() {
        let engine = Engine::new(&config(Reset::of_this_machine()).unwrap()).unwrap();
        let mut linker = Linker::new(&engine);
        link(&mut linker).unwrap();
        // A linker takes nothing else under a name that it has.
        let takes = |linker: &mut Linker<Attempt>, name: &str| linker.root().func_wrap(name, |_, ()| Ok(())).is_ok();
        let mut is_linked = |path: &str, series: &str| {
            let releases = (0..PATCHES).map(|patch| format!("{path}@{series}.{patch}"));
            let names = std::iter::once(format!("{path}@{series}")).chain(releases);
            names.filter(|name| !takes(&mut linker, name)).count() == 1
        };
        for offer in OFFERS {
            for interface in offer.interfaces {
                let path = format!("{}/{interface}", offer.package);
                assert!(is_linked(&path, offer.version), "{path}@{}", offer.version);
            }
        }
        for path in ["wasi:sockets/tcp", "wasi:http/outgoing-handler", "wasi:clocks/timezone", "wasi:cli/run"] {
            assert!(!is_linked(path, "0.2"), "{path}");
        }
    }
}
