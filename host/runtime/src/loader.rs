//! From a component's bytes or its artifact to code in memory: once when a release is made ready, and again whenever an attempt needs one
//! whose code is not there.
//!
//! Invariants: whoever waits for one release's code stops nobody who needs another's, and no thread that guests run on. An artifact is
//! kept only of a component that links. Large modules that are the same in many components are taken out of each before it is compiled,
//! and compiled, kept and loaded by themselves, once. An artifact that is lost is made again, one release at a time, and attempts wait for it: it is not
//! their fault, so it costs them no try and none of their time.

use std::{
    io,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    time::Instant,
};

use tokio::sync::Semaphore;
use wasmtime::{
    Engine, Module,
    component::{Component, Linker},
};
use wharf_capability::Attempt;
use wharf_delivery::Failure;
use wharf_event::{Code as ErrorCode, Digest};
use wharf_inspect::ComponentError;
use wharf_parts::{Parts, parts};

use crate::{
    cache::{ArtifactCache, Found},
    compiling::{Compile, compile_with, load},
    image::{Image, What},
    limits::{LOADS_AT_A_TIME, UNLOADABLE_FOR},
    residency::Residency,
    shared::{Beside, Place, Shared, SharedModules, needs},
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
    /// Modules that components share.
    shared: SharedModules,
    /// What was compiled before there was a cache.
    early: Mutex<Vec<(What, Digest, Vec<u8>)>>,
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
            shared: SharedModules::default(),
            early: Mutex::default(),
            loads: Semaphore::new(LOADS_AT_A_TIME),
            compiles: Semaphore::new(1),
        }
    }

    /// Keeps artifacts in `cache`, those that were made already too.
    pub(crate) fn use_cache(&self, cache: ArtifactCache) {
        let early = std::mem::take(&mut *self.early.lock().unwrap_or_else(PoisonError::into_inner));
        for (what, digest, artifact) in &early {
            cache.keep(&self.engine, *what, digest, artifact);
            if *what == What::Component {
                cache.count(&Found::<()>::Missing);
            }
        }
        // A host has one cache; a second one would have nothing to add.
        let _ = self.cache.set(cache);
    }

    /// The code of a component, from the cache or compiled.
    pub(crate) fn made<P: Linked>(&self, digest: &Digest, wasm: &[u8]) -> Result<Code<P>, ComponentError> {
        match self.cached(digest)? {
            Cached::Code(code) => Ok(code),
            Cached::Rest(rest) => self.compiled(digest, wasm, rest),
        }
    }

    /// The code of a component, if its artifact is in the cache and those of all modules that it needs are.
    fn cached<P: Linked>(&self, digest: &Digest) -> Result<Cached<P>, ComponentError> {
        let Some(cache) = self.cache.get() else { return Ok(Cached::Rest(None)) };
        let component = match cache.find::<Component>(&self.engine, digest) {
            Found::There(component) => component,
            lacking => {
                cache.count(&lacking);
                return Ok(Cached::Rest(None));
            }
        };
        let beside = self.beside(&component)?;
        cache.count(&beside);
        match beside.there() {
            Some(beside) => self.linked(&component, beside).map(Cached::Code),
            None => Ok(Cached::Rest(Some(component))),
        }
    }

    /// The modules that a component imports, from memory or from the cache.
    fn beside(&self, component: &Component) -> Result<Found<Beside>, ComponentError> {
        let mut beside = Beside::new();
        for (_, digest) in needs(&self.engine, component) {
            match self.at_hand(&self.shared.place(&digest), &digest)? {
                Found::There(module) => drop(beside.insert(digest, module)),
                Found::Missing => return Ok(Found::Missing),
                Found::Refused => return Ok(Found::Refused),
            }
        }
        Ok(Found::There(beside))
    }

    /// A module that components share, from memory or from where its artifact is.
    fn at_hand(&self, place: &Place, digest: &Digest) -> Result<Found<Arc<Shared>>, ComponentError> {
        let mut there = place.there();
        if let Some(module) = there.upgrade() {
            // Else the cache would let it go first, which is used by all.
            if let Some(cache) = self.cache.get() {
                cache.used(&self.engine, What::Module, digest);
            }
            return Ok(Found::There(module));
        }
        Ok(match self.kept_module(digest)? {
            Found::There(module) => Found::There(self.shared(&mut there, module)),
            Found::Missing => Found::Missing,
            Found::Refused => Found::Refused,
        })
    }

    /// The same, or compiled of its bytes.
    fn module(&self, digest: &Digest, wasm: &[u8]) -> Result<Arc<Shared>, ComponentError> {
        let place = self.shared.place(digest);
        let _making = place.making();
        if let Found::There(module) = self.at_hand(&place, digest)? {
            return Ok(module);
        }
        let artifact = self.artifact(wasm)?;
        let module = load(&self.engine, &artifact)?;
        let module = self.keep(digest, artifact).unwrap_or(module);
        let mut there = place.there();
        // Who loads may have found it in that moment.
        Ok(there.upgrade().unwrap_or_else(|| self.shared(&mut there, module)))
    }

    fn shared(&self, there: &mut Weak<Shared>, module: Module) -> Arc<Shared> {
        let counted = self.residency.count_shared(module.bytes());
        let module = Shared::new(module, counted);
        *there = Arc::downgrade(&module);
        module
    }

    /// A module whose artifact is there: in the cache, or of before there was one.
    fn kept_module(&self, digest: &Digest) -> Result<Found<Module>, ComponentError> {
        if let Some(cache) = self.cache.get() {
            return Ok(cache.find(&self.engine, digest));
        }
        let early = self.early.lock().unwrap_or_else(PoisonError::into_inner);
        let artifact = early.iter().find(|(what, of, _)| *what == What::Module && of == digest);
        artifact.map_or(Ok(Found::Missing), |(_, _, artifact)| load(&self.engine, artifact).map(Found::There))
    }

    /// Compiles a component, or what of it is missing where its own artifact is there.
    fn compiled<P: Linked>(
        &self,
        digest: &Digest,
        wasm: &[u8],
        rest: Option<Component>,
    ) -> Result<Code<P>, ComponentError> {
        let Parts { rest: left, modules } = parts(wasm);
        let mut beside = Beside::new();
        for part in modules {
            let module = wasm.get(part.range).unwrap_or_default();
            beside.insert(part.digest, self.module(&part.digest, module)?);
        }
        // A version that took other modules out may have made it.
        let has_all = |rest: &Component| needs(&self.engine, rest).iter().all(|(_, need)| beside.contains_key(need));
        if let Some(rest) = rest.filter(has_all) {
            return self.linked(&rest, beside);
        }
        let artifact = self.artifact(&left)?;
        let code = self.linked(&load(&self.engine, &artifact)?, beside.clone())?;
        // Mapped from its file it takes less memory.
        let mapped = self.keep(digest, artifact);
        if let Some(cache) = self.cache.get() {
            cache.count(&mapped.as_ref().map_or(Found::Missing, Found::There));
        }
        mapped.map_or(Ok(code), |component| self.linked(&component, beside))
    }

    /// Lets the artifact of a component or a core module be made.
    fn artifact(&self, wasm: &[u8]) -> Result<Vec<u8>, ComponentError> {
        match self.compiler.get() {
            Some(compiler) => compiler.compile(wasm),
            None => compile_with(&self.engine, wasm),
        }
    }

    /// Keeps an artifact: in the cache, from where it is mapped, or until there is one.
    fn keep<T: Image>(&self, digest: &Digest, artifact: Vec<u8>) -> Option<T> {
        let Some(cache) = self.cache.get() else {
            self.early.lock().unwrap_or_else(PoisonError::into_inner).push((T::WHAT, *digest, artifact));
            return None;
        };
        cache.keep(&self.engine, T::WHAT, digest, &artifact);
        cache.find(&self.engine, digest).there()
    }

    /// Links a component with what this host offers and with the modules that it imports, which `beside` has.
    fn linked<P: Linked>(&self, component: &Component, beside: Beside) -> Result<Code<P>, ComponentError> {
        let unlinked = |error: wasmtime::Error| ComponentError::Import { problem: format!("{error:#}") };
        let instance = if beside.is_empty() {
            self.linker.instantiate_pre(component)
        } else {
            let mut linker = self.linker.clone();
            for (name, digest) in needs(&self.engine, component) {
                if let Some(shared) = beside.get(&digest) {
                    linker.root().module(&name, &shared.module).map_err(unlinked)?;
                }
            }
            linker.instantiate_pre(component)
        };
        let linked = P::of(instance.map_err(unlinked)?)
            .map_err(|error| ComponentError::World { problem: format!("{error:#}") })?;
        Ok(Code::new(linked, self.residency.count(component.bytes()), beside))
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
        let rest = match aside(&self.loads, move || this.cached(&digest)).await? {
            Cached::Code(code) => return Ok(code),
            Cached::Rest(rest) => rest,
        };
        tracing::warn!(release = %digest, "a compiled artifact is not in the cache: it is compiled again, and attempts wait");
        let this = Arc::clone(self);
        aside(&self.compiles, move || this.compiled_again(&digest, rest)).await
    }

    fn compiled_again<P: Linked>(&self, digest: &Digest, rest: Option<Component>) -> Result<Code<P>, LostError> {
        let files = self.files.get().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let wasm = files.read(digest)?;
        if Digest::of(&wasm) != *digest {
            return Err(LostError::Other);
        }
        Ok(self.compiled(digest, &wasm, rest)?)
    }
}

/// What the cache has of a component.
enum Cached<P> {
    /// All of it.
    Code(Code<P>),
    /// Its own artifact at most, but not every module that it needs.
    Rest(Option<Component>),
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
