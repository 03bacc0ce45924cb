//! The contract in Rust, made from `wit/`: the world of handlers here, the others below it with the same types.
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

/// Models, which a component imports beside the world that it is of.
pub mod llm {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "package wharf:host; world llm { import wharf:llm/models@0.1.0; }",
        imports: { default: async | trappable },
        with: { "wharf:llm/models.reply-stream": crate::llm::ReplyStream },
    });
}

/// Models of the tenant, which a component imports beside the world that it is of.
pub mod infer {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "package wharf:host; world infer { import wharf:infer/models@0.1.0; }",
        imports: { default: async | trappable },
    });
}

/// Events that requests bring, which a component imports beside the world that it is of.
pub mod receiver {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "package wharf:host; world receiver { import wharf:plugin/receiver@0.1.0; }",
        imports: { default: trappable },
        with: {
            "wharf:plugin/types": super::wharf::plugin::types,
            "wharf:plugin/publisher": super::wharf::plugin::publisher,
        },
    });
}

/// Secrets to hold, which a component imports beside the world that it is of.
pub mod secrets {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "package wharf:host; world secrets { import wharf:secrets/held@0.1.0; }",
        imports: { default: async | trappable },
    });
}

/// The world of batch handlers: what it imports is that of handlers, so only its export is made here.
pub mod batch {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "package wharf:host; world batch { export wharf:plugin/batch-handler@0.1.0; }",
        exports: { default: async },
        with: { "wharf:plugin/types": super::wharf::plugin::types },
    });
}
