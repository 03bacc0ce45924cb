//! The process that compiles: `wharf compile`, a child of the host that has limits of its own and no network, and steps back behind all
//! else that the machine does, but where somebody sits and waits for it.
//!
//! Invariants: one at a time, which ends with its host; whatever a component does to the compiler ends that child and nothing else, and
//! becomes a problem of that component. The child takes the component on stdin and gives the artifact on stdout; it opens no file. Where somebody
//! comes again and again the next child is there before the component is: it has read the functions that those before it compiled, and gives those that
//! are new. A host says once where the kernel does not let its children be cut off from the network: at the first of them, or [`Compiler::look`]
//! starts one that compiles nothing.

mod ahead;
mod child;
mod inside;
mod parts;

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread,
};

use anyhow::{Context as _, Result};
use wharf_runtime::{Compile, ComponentError, is_module};

pub use self::inside::{cut_off, run};
use self::{
    ahead::Ahead,
    child::{Child, Haste},
    inside::CUT_OFF,
};

/// Bytes of functions that are known: beyond that all are forgotten.
const KNOWN_BYTES_MAX: usize = 256 << 20;

/// What is told of a child that ended well without an artifact.
const NOTHING: &str = "the compiling process gave nothing";

/// Starts a child for each component.
#[derive(Clone)]
pub struct Compiler(Arc<State>);

struct State {
    /// The turn to compile.
    turn: Mutex<()>,
    haste: Haste,
    /// The child that waits for the next component.
    ahead: Option<Ahead>,
    told: Told,
}

impl Compiler {
    /// One for whose work nobody waits in person.
    pub fn behind_all() -> Self {
        Self::with(Haste::None, None)
    }

    /// One for whose work somebody waits: an author at a terminal. It has the whole machine.
    pub fn at_once() -> Self {
        Self::with(Haste::Once, None)
    }

    /// The same where that author comes again and again, with almost the same.
    pub fn again_and_again() -> Self {
        let ahead = Ahead::start()
            .inspect_err(|error| tracing::warn!("components are compiled without a child ahead: {error}"));
        Self::with(Haste::Once, ahead.ok())
    }

    fn with(haste: Haste, ahead: Option<Ahead>) -> Self {
        Self(Arc::new(State { turn: Mutex::default(), haste, ahead, told: Told::default() }))
    }

    /// Says where children are not cut off from the network, unless one was started already. It has a thread of its own, since a
    /// child costs some milliseconds and nobody waits for what it says.
    pub fn look(&self) {
        if self.0.told.is_told() {
            return;
        }
        let compiler = self.clone();
        let look = move || {
            let looked =
                Child::start(Haste::None).and_then(|child| child.answer(None, |part| compiler.0.told.tell(&part)));
            if let Err(error) = looked {
                tracing::warn!("components cannot be compiled: {error:#}");
            }
        };
        // Without a thread there is none for compiling either, and that is told where it is needed.
        let _ = thread::Builder::new().name("wharf-look".to_owned()).spawn(look);
    }
}

impl Compile for Compiler {
    fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, ComponentError> {
        let State { turn, haste, ahead, told } = &*self.0;
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        // What is taken out of components is the same in all of them, and its artifact is kept: it is not compiled function by function.
        let made = match ahead.as_ref().filter(|_| !is_module(wasm)) {
            Some(ahead) => ahead.compile(wasm, told),
            None => alone(wasm, *haste, told),
        };
        made.map_err(|error| ComponentError::Compile { problem: format!("{error:#}") })
    }
}

/// Compiles by a child that was not there before.
fn alone(wasm: &[u8], haste: Haste, told: &Told) -> Result<Vec<u8>> {
    let mut parts = Vec::new();
    Child::start(haste)?.answer(Some(wasm), |part| parts.push(part))?;
    let mut parts = parts.into_iter();
    parts.next().inspect(|network| told.tell(network));
    parts.next().context(NOTHING)
}

/// Whether it was said that children are not cut off from the network.
#[derive(Clone, Default)]
struct Told(Arc<OnceLock<()>>);

impl Told {
    fn is_told(&self) -> bool {
        self.0.get().is_some()
    }

    /// Takes what a child said of it.
    fn tell(&self, network: &[u8]) {
        self.0.get_or_init(|| {
            if network != CUT_OFF {
                tracing::warn!(
                    "this kernel does not let the compiling process be cut off from the network; it compiles all the same"
                );
            }
        });
    }
}
