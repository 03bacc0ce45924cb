//! The contract in Rust, made from `wit/`: the world of handlers here, that of transforms below it with the same types.
#![allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "event-handler",
    imports: { default: trappable },
    exports: { default: async },
    with: {
        "wasi:keyvalue/store.bucket": crate::keyvalue::Bucket,
        "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        "wasi:random": wasmtime_wasi::p2::bindings::random,
    },
});

/// The world of transforms.
pub mod transform {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "event-transform",
        exports: { default: async },
        with: { "wharf:plugin/types": super::wharf::plugin::types },
    });
}
