//! Compiling in the process that does nothing else, and the seam to it.
//!
//! Invariant: what it makes is what the engine of a host takes; a test loads one into the other. Who starts that process, under
//! which limits, is not decided here.

use std::sync::Arc;

use wasmtime::{Engine, component::Component};
use wharf_inspect::{ComponentError, check};

use crate::{functions::Functions, settings};

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
    settings::compiler().and_then(|config| Engine::new(&config)?.precompile_component(wasm)).map_err(invalid)
}

/// The same where some functions are `known`, from what this gave before: the artifact, and the functions that are new. One after the other
/// they are what is known the next time.
///
/// # Errors
/// When the component is none, or not valid.
pub fn compile_knowing(wasm: &[u8], known: Vec<u8>) -> Result<(Vec<u8>, Vec<u8>), ComponentError> {
    check(wasm)?;
    precompile_knowing(wasm, known).map_err(invalid)
}

fn precompile_knowing(wasm: &[u8], known: Vec<u8>) -> wasmtime::Result<(Vec<u8>, Vec<u8>)> {
    let functions = Arc::new(Functions::known(known));
    let mut config = settings::compiler()?;
    config.enable_incremental_compilation(functions.clone())?;
    let artifact = Engine::new(&config)?.precompile_component(wasm)?;
    Ok((artifact, functions.written()))
}

fn invalid(error: wasmtime::Error) -> ComponentError {
    ComponentError::Invalid { problem: format!("{error:#}") }
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

    /// A component of so many functions, each with a number of its own; the last with `last`.
    fn component(functions: i64, last: i64) -> Vec<u8> {
        let numbers = (1..functions).chain([last]);
        let functions = numbers.map(|number| {
            let steps = format!("i64.const {number} i64.mul i64.const {number} i64.add ").repeat(8);
            format!("(func (param i64) (result i64) local.get 0 {steps})")
        });
        wat::parse_str(format!("(component (core module {}))", functions.collect::<String>())).unwrap()
    }

    #[test]
    fn what_is_known_is_not_compiled_again_and_gives_the_same() {
        let (one, other) = (component(50, 50), component(50, 99));
        let (_, known) = precompile_knowing(&one, Vec::new()).unwrap();
        let (artifact, new) = precompile_knowing(&other, known.clone()).unwrap();
        assert!(!new.is_empty() && new.len() * 10 < known.len(), "{} of {}", new.len(), known.len());
        let compiler = Engine::new(&settings::compiler().unwrap()).unwrap();
        assert!(artifact == compiler.precompile_component(&other).unwrap(), "it is other code");
        let (again, nothing) = precompile_knowing(&other, [known, new].concat()).unwrap();
        assert!(again == artifact && nothing.is_empty());
        // What is no such bytes is not taken for any.
        assert_eq!(precompile_knowing(&other, vec![0xff; 999]).unwrap().0, artifact);
    }
}
