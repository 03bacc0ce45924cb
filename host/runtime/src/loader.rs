//! From a component's bytes or its artifact to code in memory: once when a release is made ready, and again whenever an attempt needs one
//! whose code is not there.
//!
//! Invariants: whoever waits for one release's code stops nobody who needs another's, and no thread that guests run on. An artifact is
//! kept only of a component that links. One that is lost is compiled again, one release at a time, and attempts wait for it: it is not
//! their fault, so it costs them no try and none of their time.

use std::{
    io,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Instant,
};

use tokio::sync::Semaphore;
use wasmtime::{
    Engine,
    component::{Component, Linker},
};
use wharf_capability::Attempt;
use wharf_delivery::Failure;
use wharf_event::{Code as ErrorCode, Digest};
use wharf_inspect::ComponentError;

use crate::{
    cache::ArtifactCache,
    compiling::{Compile, load},
    limits::{LOADS_AT_A_TIME, UNLOADABLE_FOR},
    residency::Residency,
    slot::{Code, InUse, Linked, Slot},
};

/// Where the bytes of components are, should an artifact be lost.
pub trait ComponentFiles: Send + Sync {
    /// The bytes of one.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    fn read(&self, digest: &Digest) -> io::Result<Vec<u8>>;
}

/// What code is made with.
pub(crate) struct Loader {
    pub(crate) engine: Engine,
    linker: Linker<Attempt>,
    pub(crate) cache: OnceLock<ArtifactCache>,
    pub(crate) compiler: OnceLock<Box<dyn Compile>>,
    pub(crate) files: OnceLock<Box<dyn ComponentFiles>>,
    pub(crate) residency: Arc<Residency>,
    /// What was compiled before there was a cache.
    early: Mutex<Vec<(Digest, Vec<u8>)>>,
    /// Turns to load artifacts.
    loads: Semaphore,
    /// The turn to compile what was lost.
    compiles: Semaphore,
}

impl Loader {
    pub(crate) fn new(engine: Engine, linker: Linker<Attempt>) -> Self {
        Self {
            engine,
            linker,
            cache: OnceLock::new(),
            compiler: OnceLock::new(),
            files: OnceLock::new(),
            residency: Arc::default(),
            early: Mutex::default(),
            loads: Semaphore::new(LOADS_AT_A_TIME),
            compiles: Semaphore::new(1),
        }
    }

    /// Keeps artifacts in `cache`, those that were made already too.
    pub(crate) fn use_cache(&self, cache: ArtifactCache) {
        let early = std::mem::take(&mut *self.early.lock().unwrap_or_else(PoisonError::into_inner));
        early.iter().for_each(|(digest, artifact)| cache.keep(&self.engine, digest, artifact));
        cache.missed(early.len());
        // A host has one cache; a second one would have nothing to add.
        let _ = self.cache.set(cache);
    }

    /// The code of a component, from the cache or compiled.
    pub(crate) fn made<P: Linked>(&self, digest: &Digest, wasm: &[u8]) -> Result<Code<P>, ComponentError> {
        match self.cached(digest)? {
            Some(code) => Ok(code),
            None => self.compiled(digest, wasm),
        }
    }

    /// The code of a component, if its artifact is in the cache.
    fn cached<P: Linked>(&self, digest: &Digest) -> Result<Option<Code<P>>, ComponentError> {
        let component = self.cache.get().and_then(|cache| cache.load(&self.engine, digest));
        component.map(|component| self.linked(&component)).transpose()
    }

    fn compiled<P: Linked>(&self, digest: &Digest, wasm: &[u8]) -> Result<Code<P>, ComponentError> {
        let artifact = match self.compiler.get() {
            Some(compiler) => compiler.compile(wasm)?,
            None => self
                .engine
                .precompile_component(wasm)
                .map_err(|error| ComponentError::Invalid { problem: format!("{error:#}") })?,
        };
        let code = self.linked(&load(&self.engine, &artifact)?)?;
        let Some(cache) = self.cache.get() else {
            self.early.lock().unwrap_or_else(PoisonError::into_inner).push((*digest, artifact));
            return Ok(code);
        };
        cache.keep(&self.engine, digest, &artifact);
        // Mapped from its file it takes less memory.
        let mapped = cache.load(&self.engine, digest);
        mapped.map_or(Ok(code), |component| self.linked(&component))
    }

    fn linked<P: Linked>(&self, component: &Component) -> Result<Code<P>, ComponentError> {
        let instance = self
            .linker
            .instantiate_pre(component)
            .map_err(|error| ComponentError::Import { problem: format!("{error:#}") })?;
        let linked = P::of(instance).map_err(|error| ComponentError::World { problem: format!("{error:#}") })?;
        let image = component.image_range();
        let bytes = (image.end as usize).saturating_sub(image.start as usize);
        Ok(Code::new(linked, self.residency.count(bytes as u64)))
    }

    /// The code of a release for an attempt, which waits as long as that takes.
    pub(crate) async fn fetch<P: Linked>(self: &Arc<Self>, slot: &Arc<Slot<P>>) -> Result<InUse<P>, Failure> {
        let began = Instant::now();
        let mut turn = slot.turn.lock().await;
        // Others may have waited for the same.
        if let Some(code) = slot.get() {
            return Ok(code);
        }
        if let Some((at, failure)) = turn.as_ref()
            && at.elapsed() < UNLOADABLE_FOR
        {
            return Err(failure.clone());
        }
        match self.loaded(*slot.digest()).await {
            Ok(code) => {
                *turn = None;
                self.residency.took(began.elapsed());
                Ok(slot.put(code))
            }
            Err(problem) => {
                let release = slot.digest();
                tracing::error!(%release, "a release cannot be loaded: {problem}");
                let reason = format!("the release {release} cannot be loaded: {problem}");
                let failure = Failure::new(ErrorCode::ReleaseUnready, reason);
                *turn = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }

    async fn loaded<P: Linked>(self: &Arc<Self>, digest: Digest) -> Result<Code<P>, String> {
        let this = Arc::clone(self);
        if let Some(code) = aside(&self.loads, move || this.cached(&digest)).await? {
            return Ok(code);
        }
        tracing::warn!(release = %digest, "a compiled artifact is not in the cache: it is compiled again, and attempts wait");
        let this = Arc::clone(self);
        aside(&self.compiles, move || this.compiled_again(&digest)).await
    }

    fn compiled_again<P: Linked>(&self, digest: &Digest) -> Result<Code<P>, LostError> {
        let files = self.files.get().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let wasm = files.read(digest)?;
        if Digest::of(&wasm) != *digest {
            return Err(LostError::Other);
        }
        Ok(self.compiled(digest, &wasm)?)
    }
}

/// Why what was lost cannot be made again.
#[derive(Debug, thiserror::Error)]
enum LostError {
    #[error("its component cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("the file of its component has other bytes")]
    Other,
    #[error(transparent)]
    Unfit(#[from] ComponentError),
}

/// Does work on a thread of its own when it is its turn.
async fn aside<T: Send + 'static, E: std::fmt::Display + Send + 'static>(
    turns: &Semaphore,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, String> {
    // Nobody closes it.
    let _turn = turns.acquire().await;
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("the host failed while it loaded it; that is a defect of the host".to_owned()),
    }
}
