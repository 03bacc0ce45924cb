//! Any bytes as a component. Invariants: those that the tests hold damaged components to.

#![no_main]

#[path = "../../tests/inspect/sound.rs"]
mod sound;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|wasm: &[u8]| {
    sound::refused(wasm);
});
