//! Compiled code as the engine has it: of a component, or of a core module that components share.
//!
//! Invariant: what an artifact is of is in its name, which its MAC is over, and the engine says it once more when it loads it: the code of one is never
//! taken for the other's.

use std::ops::Range;

use wasmtime::{Engine, Module, component::Component};

/// What an artifact is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A component, without the modules that it imports.
    Component,
    /// A core module.
    Module,
}

/// Compiled code in memory.
pub(crate) trait Image: Sized {
    /// What it is of.
    const WHAT: What;

    /// Maps the artifact in a file.
    ///
    /// # Safety
    /// It has to be one of this program, whole, and the file must not change.
    #[allow(unsafe_code, reason = "who calls it says why it is one of this program")]
    unsafe fn of_file(engine: &Engine, path: &str) -> wasmtime::Result<Self>;

    /// Copies an artifact.
    ///
    /// # Safety
    /// It has to be one of this program, whole.
    #[allow(unsafe_code, reason = "who calls it says why it is one of this program")]
    unsafe fn of_bytes(engine: &Engine, artifact: &[u8]) -> wasmtime::Result<Self>;

    /// Where it is.
    fn range(&self) -> Range<*const u8>;

    /// How many bytes it has.
    fn bytes(&self) -> u64 {
        let Range { start, end } = self.range();
        (end as usize).saturating_sub(start as usize) as u64
    }
}

#[allow(unsafe_code, reason = "it hands on what it is told")]
impl Image for Component {
    const WHAT: What = What::Component;

    unsafe fn of_file(engine: &Engine, path: &str) -> wasmtime::Result<Self> {
        // SAFETY: the caller's.
        unsafe { Self::deserialize_file(engine, path) }
    }

    unsafe fn of_bytes(engine: &Engine, artifact: &[u8]) -> wasmtime::Result<Self> {
        // SAFETY: the caller's.
        unsafe { Self::deserialize(engine, artifact) }
    }

    fn range(&self) -> Range<*const u8> {
        self.image_range()
    }
}

#[allow(unsafe_code, reason = "it hands on what it is told")]
impl Image for Module {
    const WHAT: What = What::Module;

    unsafe fn of_file(engine: &Engine, path: &str) -> wasmtime::Result<Self> {
        // SAFETY: the caller's.
        unsafe { Self::deserialize_file(engine, path) }
    }

    unsafe fn of_bytes(engine: &Engine, artifact: &[u8]) -> wasmtime::Result<Self> {
        // SAFETY: the caller's.
        unsafe { Self::deserialize(engine, artifact) }
    }

    fn range(&self) -> Range<*const u8> {
        self.image_range()
    }
}
