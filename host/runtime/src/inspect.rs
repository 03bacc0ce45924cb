//! What can be said of a component without compiling it, cheapest first, each finding with its own code.

use wasmparser::{Encoding, Parser, Payload, Validator};
use wasmtime::Engine;
use wharf_event::Code;

use crate::limits::COMPONENT_BYTES_MAX;

/// The interface that a handler exports, without its version.
const HANDLER: &str = "wharf:plugin/handler@";

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
    /// Broken.
    #[error("the component is not valid: {problem}")]
    Invalid {
        /// What is wrong.
        problem: String,
    },
    /// Exports no handler.
    #[error("the component is not of the world wharf:plugin/event-handler: {problem}")]
    World {
        /// What is missing.
        problem: String,
    },
    /// Imports what there is not.
    #[error("{problem}; this host offers {offered}")]
    Import {
        /// What is missing.
        problem: String,
        /// What there is.
        offered: String,
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
            ComponentError::Invalid { .. } => Code::ComponentInvalid,
            ComponentError::World { .. } => Code::ComponentWorld,
            ComponentError::Import { .. } => Code::ComponentImport,
        }
    }
}

pub(crate) fn check(wasm: &[u8]) -> Result<(), ComponentError> {
    if wasm.len() > COMPONENT_BYTES_MAX {
        return Err(ComponentError::TooLarge { bytes: wasm.len() });
    }
    if Engine::detect_precompiled(wasm).is_some() {
        return Err(ComponentError::Precompiled);
    }
    if !wasm.starts_with(b"\0asm") {
        return Err(ComponentError::NotWasm);
    }
    let invalid = |error: wasmparser::BinaryReaderError| ComponentError::Invalid { problem: error.to_string() };
    match Parser::new(0).parse_all(wasm).next() {
        Some(Ok(Payload::Version { encoding: Encoding::Module, .. })) => return Err(ComponentError::CoreModule),
        Some(Err(error)) => return Err(invalid(error)),
        _ => {}
    }
    Validator::new().validate_all(wasm).map_err(invalid)?;
    let exports = exports(wasm).map_err(invalid)?;
    if exports.iter().any(|name| name.starts_with(HANDLER)) {
        return Ok(());
    }
    let found = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
    Err(ComponentError::World { problem: format!("it exports {found}, and not {HANDLER}0.1.0") })
}

/// The names that the component itself exports.
fn exports(wasm: &[u8]) -> Result<Vec<String>, wasmparser::BinaryReaderError> {
    let (mut depth, mut names) = (0_usize, Vec::new());
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    names.push(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_wrong_bytes_has_its_own_code() {
        let cases: [(&[u8], Code); 6] = [
            (b"", Code::ComponentNotWasm),
            (b"#!/bin/sh", Code::ComponentNotWasm),
            (b"\0asm\x01\0\0\0", Code::ComponentCoreModule),
            (b"\0asm", Code::ComponentInvalid),
            (b"\0asm\x0d\0\x01\0\xff\xff", Code::ComponentInvalid),
            (b"\0asm\x0d\0\x01\0", Code::ComponentWorld),
        ];
        for (bytes, code) in cases {
            assert_eq!(check(bytes).unwrap_err().code(), code, "{bytes:?}");
        }
    }
}
