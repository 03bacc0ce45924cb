//! The engine: its settings, the thread that ticks its epochs, and the way from bytes to a release.

use std::{sync::Arc, time::Duration};

use wasmtime::{Engine, component::Linker};
use wharf_capability::link;
use wharf_delivery::Failure;
use wharf_event::Digest;
use wharf_inspect::{ComponentError, Kind, check};

use crate::{
    cache::{ArtifactCache, CacheCounts},
    compiling::Compile,
    limits::EPOCH_MS,
    loader::{ComponentFiles, Loader},
    release::Prepared,
    residency::LoadedFigures,
    settings::{Reset, config},
    slot::{InUse, Linked, Slot},
    waiting::Waiting,
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
    loader: Arc<Loader>,
    /// Places for instances that wait for their next request.
    pub(crate) waiting: Arc<Waiting>,
    /// Dropping it stops the ticker.
    _ticking: std::sync::mpsc::Sender<()>,
}

impl Runtime {
    /// An engine without a cache of compiled artifacts.
    ///
    /// # Errors
    /// When the machine does not give what the engine needs.
    pub fn new() -> Result<Self, RuntimeError> {
        Self::with(Reset::chosen())
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
        let loader = Arc::new(Loader::new(engine, linker));
        Ok(Self { loader, waiting: Arc::default(), _ticking: ticking })
    }

    /// Keeps compiled artifacts in `cache`, those that were compiled already too.
    pub fn use_cache(&self, cache: ArtifactCache) {
        self.loader.use_cache(cache);
    }

    /// Lets `compiler` make the artifacts; without one this process makes them.
    pub fn compile_by(&self, compiler: Box<dyn Compile>) {
        // A host has one; a second would do the same.
        let _ = self.loader.compiler.set(compiler);
    }

    /// Lets releases whose artifact was lost be compiled again from these.
    pub fn recompile_from(&self, files: Box<dyn ComponentFiles>) {
        // A host has one folder of them.
        let _ = self.loader.files.set(files);
    }

    /// From now on so many bytes of compiled code may be in memory, of so many releases with the modules that they share: beyond that the code of those goes that were idle
    /// longest, until it is needed again. Without a call there is no bound.
    pub fn bound_loaded(&self, bytes_max: u64, releases_max: u64) {
        self.loader.residency.bound(bytes_max, releases_max);
    }

    /// Checks a component, compiles it or takes the artifact from the cache, and resolves its imports. Its code is in memory then. It
    /// takes up to seconds: never call it on a thread that others wait for.
    ///
    /// # Errors
    /// When the component is none, is of the wrong world, or imports what this host does not offer
    /// or a transform may not have.
    pub fn prepare(&self, wasm: &[u8]) -> Result<Prepared, ComponentError> {
        let kind = check(wasm)?;
        self.made(kind, Digest::of(wasm), wasm)
    }

    /// The same of a component whose code is not needed yet: where its artifact is in the cache, which has only those of components that
    /// were found fit, it stays there until it is.
    ///
    /// # Errors
    /// As above.
    pub fn prepare_idle(&self, wasm: &[u8]) -> Result<Prepared, ComponentError> {
        let kind = check(wasm)?;
        let digest = Digest::of(wasm);
        self.at_hand(kind, digest).map_or_else(|| self.made(kind, digest, wasm), Ok)
    }

    /// A release of a component that this host made ready before, if its artifact is in the cache. Its code is not in memory.
    #[must_use]
    pub fn at_hand(&self, kind: Kind, digest: Digest) -> Option<Prepared> {
        let cache = self.loader.cache.get()?;
        cache.has(&self.loader.engine, &digest).then(|| Prepared::unloaded(kind, digest))
    }

    /// Removes the artifact of a component that nothing names any more, so that it takes none of the room of others'.
    pub fn forget(&self, digest: &Digest) {
        if let Some(cache) = self.loader.cache.get() {
            cache.forget(&self.loader.engine, digest);
        }
    }

    fn made(&self, kind: Kind, digest: Digest, wasm: &[u8]) -> Result<Prepared, ComponentError> {
        let release = Prepared::unloaded(kind, digest);
        match &release {
            Prepared::Handler(release) => drop(release.slot.put(self.loader.made(&digest, wasm)?)),
            Prepared::Batch(release) => drop(release.slot.put(self.loader.made(&digest, wasm)?)),
            Prepared::Transform(release) => drop(release.slot.put(self.loader.made(&digest, wasm)?)),
            Prepared::Http(release) => drop(release.slot.put(self.loader.made(&digest, wasm)?)),
        }
        Ok(release)
    }

    /// The code of a release, for an attempt.
    ///
    /// # Errors
    /// When it is lost and cannot be made again.
    pub(crate) async fn code<P: Linked>(&self, slot: &Arc<Slot<P>>) -> Result<InUse<P>, Failure> {
        match slot.get() {
            Some(code) => Ok(code),
            None => self.loader.fetch(slot).await,
        }
    }

    /// What look-ups in the cache of compiled artifacts came to.
    #[must_use]
    pub fn cache_counts(&self) -> CacheCounts {
        self.loader.cache.get().map_or_else(CacheCounts::default, ArtifactCache::counts)
    }

    /// What is in memory of the releases' code.
    #[must_use]
    pub fn loaded(&self) -> LoadedFigures {
        self.loader.residency.figures()
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.loader.engine
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
    use wharf_capability::Attempt;
    use wharf_inspect::OFFERS;

    use super::*;
    use crate::settings::config;

    /// Releases of a series that are asked for.
    const PATCHES: u32 = 32;

    #[test]
    fn what_is_offered_is_linked_and_what_is_known_not_to_be_is_not() {
        let engine = Engine::new(&config(Reset::chosen()).unwrap()).unwrap();
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
        for path in ["wasi:http/outgoing-handler", "wasi:clocks/timezone", "wasi:cli/run"] {
            assert!(!is_linked(path, "0.2"), "{path}");
        }
    }
}
