//! Compiling in the process that does nothing else, and the seam to it.
//!
//! Invariant: what it makes is what the engine of a host takes; a test loads one into the other. Who starts that process, under
//! which limits, is not decided here.

use std::sync::Arc;

use wasmtime::Engine;
use wharf_capability::limits::MEMORY_ROOM_PAGES;
use wharf_inspect::ComponentError;
use wharf_parts::with_room;

use crate::{functions::Functions, image::Image, limits::MEMORY_BYTES_MAX, settings};

/// Pages of 64 KiB that the pool has for a memory.
const MEMORY_PAGES_MAX: u32 = (MEMORY_BYTES_MAX >> 16) as u32;

/// What a core module begins with.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Whether these bytes are those of a core module that was taken out of a component.
#[must_use]
pub fn is_module(wasm: &[u8]) -> bool {
    wasm.starts_with(MODULE)
}

/// Makes artifacts: in another process, that is.
pub trait Compile: Send + Sync {
    /// The artifact of `wasm`: of what is left of a component that was checked, or of a core module that was taken out of one.
    ///
    /// # Errors
    /// When it is not valid, or compiling it met a limit.
    fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, ComponentError>;
}

/// Makes an artifact of a component or of a core module in this process, which needs no room for instances. The engine validates it; whether a
/// component is one for this host was found before it was taken apart, since what is left of it imports what no component may.
///
/// # Errors
/// When it is neither, or not valid.
pub fn compile(wasm: &[u8]) -> Result<Vec<u8>, ComponentError> {
    let engine = settings::compiler().and_then(|config| Engine::new(&config)).map_err(invalid)?;
    compile_with(&engine, wasm)
}

/// What compiles where some functions are known.
pub struct Knowing {
    engine: Engine,
    functions: Arc<Functions>,
}

impl Knowing {
    /// One that knows what [`Self::learnt`] gave before: one after the other.
    ///
    /// # Errors
    /// When the engine is not to be had.
    pub fn new(known: Vec<u8>) -> Result<Self, ComponentError> {
        let functions = Arc::new(Functions::known(known));
        let mut config = settings::compiler().map_err(invalid)?;
        config.enable_incremental_compilation(functions.clone()).map_err(invalid)?;
        Ok(Self { engine: Engine::new(&config).map_err(invalid)?, functions })
    }

    /// Makes an artifact as [`compile`] does.
    ///
    /// # Errors
    /// As there.
    pub fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, ComponentError> {
        compile_with(&self.engine, wasm)
    }

    /// The functions that were new to it.
    #[must_use]
    pub fn learnt(&self) -> Vec<u8> {
        self.functions.written()
    }
}

/// The same with an engine that there is.
pub(crate) fn compile_with(engine: &Engine, wasm: &[u8]) -> Result<Vec<u8>, ComponentError> {
    let made = match is_module(wasm) {
        true => engine.precompile_module(wasm),
        false => engine.precompile_component(&with_room(wasm, MEMORY_ROOM_PAGES, MEMORY_PAGES_MAX)),
    };
    made.map_err(invalid)
}

fn invalid(error: wasmtime::Error) -> ComponentError {
    ComponentError::Invalid { problem: format!("{error:#}") }
}

/// The code of an artifact that this program made a moment ago.
pub(crate) fn load<T: Image>(engine: &Engine, artifact: &[u8]) -> Result<T, ComponentError> {
    // SAFETY: these bytes come from `compile_with` of this program, here or in its child, over a pipe that nobody else has.
    #[allow(unsafe_code, reason = "the other place that loads compiled artifacts: those that were in no file yet")]
    let loaded = unsafe { T::of_bytes(engine, artifact) };
    loaded.map_err(|error| ComponentError::Compile { problem: format!("{error:#}") })
}

#[cfg(test)]
mod tests {
    use wasmtime::{
        Module, Store,
        component::{Component, Linker},
    };

    use super::*;
    use crate::settings::{Reset, compiler, config};

    #[test]
    fn what_is_compiled_elsewhere_is_taken_by_a_hosts_engine_for_what_it_is() {
        let host = Engine::new(&config(Reset::chosen()).unwrap()).unwrap();
        let (component, module) = (compile(b"\0asm\x0d\0\x01\0").unwrap(), compile(MODULE).unwrap());
        load::<Component>(&host, &component).unwrap();
        load::<Module>(&host, &module).unwrap();
        assert!(load::<Module>(&host, &component).is_err() && load::<Component>(&host, &module).is_err());
        assert!(compile(b"\0asm\x01\0\0\0\xff").is_err());
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

    /// What a module is told that asks for pages one after the other, and how many it has behind each; it writes to the first and the last of those that it is given.
    fn told(engine: &Engine, wasm: &[u8], wanted: &[u32]) -> Vec<u32> {
        let component = load::<Component>(engine, &compile_with(engine, wasm).unwrap()).unwrap();
        let mut store = Store::new(engine, ());
        store.set_epoch_deadline(u64::MAX / 2);
        let instance = Linker::new(engine).instantiate(&mut store, &component).unwrap();
        let grow = instance.get_typed_func::<(u32,), (u32,)>(&mut store, "grow").unwrap();
        let size = instance.get_typed_func::<(), (u32,)>(&mut store, "size").unwrap();
        let mut told = Vec::new();
        for pages in wanted {
            told.push(grow.call(&mut store, (*pages,)).unwrap().0);
            told.push(size.call(&mut store, ()).unwrap().0);
        }
        told
    }

    #[test]
    fn a_module_is_told_of_its_memory_what_it_would_be_without_room() {
        let engine = Engine::new(&compiler().unwrap()).unwrap();
        // Beside the second a module could grow the memory of the first if it were given it, so none has room.
        for pages in ["1", "0", "2 9", "3 3"] {
            let of = |other: &str| {
                let text = format!(
                    r#"(component {other} (core module $m (memory {pages}) (global i32 (i32.const 1))
                       (func (export "grow") (param i32) (result i32) (local $at i32)
                         (local.tee $at (memory.grow (local.get 0)))
                         (if (i32.and (i32.ne (local.get $at) (i32.const -1)) (i32.ne (local.get 0) (i32.const 0)))
                           (then (i32.store8 (i32.mul (local.get $at) (i32.const 65536)) (i32.const 1))
                             (i32.store8 (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1)) (i32.const 1)))))
                       (func (export "size") (result i32) memory.size))
                     (core instance $i (instantiate $m))
                     (func (export "grow") (param "pages" u32) (result u32) (canon lift (core func $i "grow")))
                     (func (export "size") (result u32) (canon lift (core func $i "size"))))"#
                );
                wat::parse_str(text).unwrap()
            };
            let (roomy, plain) =
                (of(""), of(r#"(core module (import "a" "b" (memory 0)) (func (drop (memory.size))))"#));
            let has_room = with_room(&roomy, MEMORY_ROOM_PAGES, MEMORY_PAGES_MAX) != roomy;
            assert_eq!(has_room, pages != "3 3");
            assert_eq!(with_room(&plain, MEMORY_ROOM_PAGES, MEMORY_PAGES_MAX), plain);
            for wanted in [[0, 1, 1, 1, 1, 1, 0], [3, 0, 2, 1, 70_000, u32::MAX, 5], [65_536, 65_535, 9, 8, 7, 6, 1]] {
                assert_eq!(told(&engine, &roomy, &wanted), told(&engine, &plain, &wanted), "{pages}: {wanted:?}");
            }
        }
    }

    #[test]
    fn what_is_known_is_not_compiled_again_and_gives_the_same() {
        let (one, other) = (component(50, 50), component(50, 99));
        let knowing = |known: &[u8], wasm: &[u8]| {
            let knowing = Knowing::new(known.to_vec()).unwrap();
            (knowing.compile(wasm).unwrap(), knowing.learnt())
        };
        let (_, known) = knowing(&[], &one);
        let (artifact, new) = knowing(&known, &other);
        assert!(!new.is_empty() && new.len() * 10 < known.len(), "{} of {}", new.len(), known.len());
        assert!(artifact == compile(&other).unwrap(), "it is other code");
        let (again, nothing) = knowing(&[known, new].concat(), &other);
        assert!(again == artifact && nothing.is_empty());
        // What is no such bytes is not taken for any.
        assert_eq!(knowing(&[0xff; 999], &other).0, artifact);
    }
}
