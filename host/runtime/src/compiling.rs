//! Compiling in the process that does nothing else, and the seam to it.
//!
//! Invariant: what it makes is what the engine of a host takes; a test loads one into the other. Who starts that process, under
//! which limits, is not decided here.

use wasmtime::{Engine, component::Component};
use wharf_inspect::{ComponentError, check};

use crate::settings;

/// Makes an artifact of a component that was checked: in another process, that is.
pub trait Compile: Send + Sync {
    /// The artifact of `wasm`.
    ///
    /// # Errors
    /// When the component is not valid, or compiling it met a limit.
    fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, ComponentError>;
}

/// Makes an artifact of a component in this process, which needs no room for instances.
///
/// # Errors
/// When the component is none, or not valid.
pub fn compile(wasm: &[u8]) -> Result<Vec<u8>, ComponentError> {
    check(wasm)?;
    let invalid = |error: wasmtime::Error| ComponentError::Invalid { problem: format!("{error:#}") };
    let engine = settings::compiler().and_then(|config| Engine::new(&config)).map_err(invalid)?;
    engine.precompile_component(wasm).map_err(invalid)
}

/// The component of an artifact that this program made a moment ago.
pub(crate) fn load(engine: &Engine, artifact: &[u8]) -> Result<Component, ComponentError> {
    // SAFETY: these bytes come from `precompile_component` of this program, here or in its child, over a pipe that nobody else has.
    #[allow(unsafe_code, reason = "the other place that loads compiled artifacts: those that were in no file yet")]
    let loaded = unsafe { Component::deserialize(engine, artifact) };
    loaded.map_err(|error| ComponentError::Compile { problem: format!("{error:#}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Reset, config};

    #[test]
    fn what_is_compiled_elsewhere_is_taken_by_a_hosts_engine() {
        let compiler = Engine::new(&settings::compiler().unwrap()).unwrap();
        let artifact = compiler.precompile_component(b"\0asm\x0d\0\x01\0").unwrap();
        let host = Engine::new(&config(Reset::of_this_machine()).unwrap()).unwrap();
        load(&host, &artifact).unwrap();
    }
}
