//! Why some bytes are no plugin, each reason with its stable code.
//!
//! One enum for all that can be wrong with a component, whoever finds it: what is found here and what the engine finds behind it
//! are told in the same places. Invariant: a message is bounded, whatever the component's names are.

use wharf_event::Code;

use crate::{
    limits::{COMPONENT_BYTES_MAX, PROBLEM_CHARS_MAX},
    offers::offered,
};

/// Why some bytes are no plugin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComponentError {
    /// Too many bytes.
    #[error("the component has {bytes} bytes, and {COMPONENT_BYTES_MAX} are allowed")]
    TooLarge {
        /// How many.
        bytes: usize,
    },
    /// Not WebAssembly.
    #[error("this is no WebAssembly: it does not begin with `\\0asm`")]
    NotWasm,
    /// A core module.
    #[error(
        "this is a core module, not a component: build it for wasm32-wasip2, or for wasm32-unknown-unknown with the linker \
         wasm-component-ld"
    )]
    CoreModule,
    /// Machine code that somebody compiled.
    #[error("this is a precompiled artifact: upload the component it was made from, the host compiles it itself")]
    Precompiled,
    /// More of something than an instance may have, or than is read.
    #[error("the component has {found} {what}, and {most} are allowed")]
    Bounds {
        /// Of what, in the plural.
        what: &'static str,
        /// How many there are, as far as it was read.
        found: u64,
        /// How many may be.
        most: u32,
    },
    /// Broken.
    #[error("the component is not valid: {problem}")]
    Invalid {
        /// What is wrong.
        problem: String,
    },
    /// It may be valid, but it cannot be compiled here: the engine says so.
    #[error("the component cannot be compiled: {problem}")]
    Compile {
        /// Why not.
        problem: String,
    },
    /// Made for WASI 0.3.
    #[error(
        "the component is made for WASI 0.3 ({interface}), and this host runs WASI 0.2: build it for wasm32-wasip2"
    )]
    Wasi {
        /// An interface that says so.
        interface: String,
    },
    /// Exports no handler of any kind and no transform, or two of them.
    #[error(
        "the component is not of the world wharf:plugin/event-handler, event-batch-handler or event-transform, and not of wasi:http/proxy \
         or wasi:cli/command: {problem}"
    )]
    World {
        /// What is missing.
        problem: String,
    },
    /// A transform that imports a capability.
    #[error("the component is a transform and imports {import}: transforms are pure, the event is all that they see")]
    Impure {
        /// The capability.
        import: String,
    },
    /// It says what it needs, in a way that is not understood.
    #[error("the component's section `wharf:needs` is not understood: {problem}")]
    Needs {
        /// What is wrong with it.
        problem: String,
    },
    /// It says what its handler is for, in a way that is not understood.
    #[error("the component's section `wharf:handler` is not understood: {problem}")]
    Handler {
        /// What is wrong with it.
        problem: String,
    },
    /// Imports what there is not.
    #[error("{problem}; this host offers {}", offered())]
    Import {
        /// What is missing.
        problem: String,
    },
}

impl ComponentError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            ComponentError::TooLarge { .. } => Code::ComponentTooLarge,
            ComponentError::NotWasm => Code::ComponentNotWasm,
            ComponentError::CoreModule => Code::ComponentCoreModule,
            ComponentError::Precompiled => Code::ComponentPrecompiled,
            ComponentError::Bounds { .. } => Code::ComponentBounds,
            ComponentError::Invalid { .. } => Code::ComponentInvalid,
            ComponentError::Compile { .. } => Code::ComponentCompile,
            ComponentError::Wasi { .. } => Code::ComponentWasi,
            ComponentError::World { .. } => Code::ComponentWorld,
            ComponentError::Impure { .. } => Code::ComponentImpure,
            ComponentError::Needs { .. } => Code::ComponentNeeds,
            ComponentError::Handler { .. } => Code::ComponentHandler,
            ComponentError::Import { .. } => Code::ComponentImport,
        }
    }
}

impl From<wasmparser::BinaryReaderError> for ComponentError {
    /// The problem may quote a name that is as long as the component, so it is cut; the offset is told in any case.
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        let said: String = error.message().chars().take(PROBLEM_CHARS_MAX).collect();
        Self::Invalid { problem: format!("{said} (at offset {:#x})", error.offset()) }
    }
}
