//! What can be said of a component without compiling it, cheapest first, each finding with its own code.

use wasmparser::{Encoding, Parser, Payload, Validator};
use wasmtime::Engine;
use wharf_event::Code;

use crate::{limits::COMPONENT_BYTES_MAX, pure};

/// The interface that a handler exports, without its version.
const HANDLER: &str = "wharf:plugin/handler@";

/// The interface that a transform exports, without its version.
const TRANSFORMER: &str = "wharf:plugin/transformer@";

/// Which world a component is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `event-handler`.
    Handler,
    /// `event-transform`.
    Transform,
}

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
    /// It may be valid, but it cannot be compiled here.
    #[error("the component cannot be compiled: {problem}")]
    Compile {
        /// Why not.
        problem: String,
    },
    /// Exports neither a handler nor a transform, or both.
    #[error("the component is not of the world wharf:plugin/event-handler or event-transform: {problem}")]
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
            ComponentError::Compile { .. } => Code::ComponentCompile,
            ComponentError::World { .. } => Code::ComponentWorld,
            ComponentError::Impure { .. } => Code::ComponentImpure,
            ComponentError::Import { .. } => Code::ComponentImport,
        }
    }
}

pub(crate) fn check(wasm: &[u8]) -> Result<Kind, ComponentError> {
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
    let types = Validator::new().validate_all(wasm).map_err(invalid)?;
    let Names { imports, exports } = names(wasm).map_err(invalid)?;
    let has = |interface: &str| exports.iter().any(|name| name.starts_with(interface));
    let world = |problem| Err(ComponentError::World { problem });
    match (has(HANDLER), has(TRANSFORMER)) {
        (true, false) => Ok(Kind::Handler),
        (false, true) => match pure::first_capability(&types, &imports) {
            Some(import) => Err(ComponentError::Impure { import }),
            None => Ok(Kind::Transform),
        },
        (true, true) => world("it exports a handler and a transformer; make two components of it".to_owned()),
        (false, false) => {
            let found = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
            world(format!("it exports {found}, and neither {HANDLER}0.1.0 nor {TRANSFORMER}0.1.0"))
        }
    }
}

/// What the component itself imports and exports.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
}

pub(crate) fn names(wasm: &[u8]) -> Result<Names, wasmparser::BinaryReaderError> {
    let (mut depth, mut names) = (0_usize, Names::default());
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    names.exports.push(export?.name.name.to_owned());
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

    /// A section of that number; everything in these tests is shorter than 128 bytes.
    fn section(number: u8, items: &[&[u8]]) -> Vec<u8> {
        let body = [&[1], items.concat().as_slice()].concat();
        [&[number, u8::try_from(body.len()).unwrap()], body.as_slice()].concat()
    }

    fn name(name: &str) -> Vec<u8> {
        [&[0, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat()
    }

    /// A component that imports an interface and exports an empty instance of each of these names.
    fn component(import: &str, interface: &[u8], exports: &[&str]) -> Vec<u8> {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        bytes.extend(section(7, &[interface]));
        bytes.extend(section(10, &[&name(import), &[5, 0]]));
        for (n, export) in (1..).zip(exports) {
            bytes.extend(section(5, &[&[1, 0]]));
            // An export is an instance too, so each takes two numbers.
            bytes.extend(section(11, &[&name(export), &[5, 2 * n - 1, 0]]));
        }
        bytes
    }

    /// An interface with one function, and one with one type.
    const FUNCTION: &[u8] = b"\x42\x02\x01\x40\0\x01\0\x04\0\x01f\x01\0";
    const TYPE: &[u8] = b"\x42\x02\x01\x73\x04\0\x01t\x03\0\0";

    #[test]
    fn a_transform_imports_types_and_what_is_inert_and_nothing_else() {
        let transform = ["wharf:plugin/transformer@0.1.0"];
        let cases = [
            ("wharf:plugin/types@0.1.0", TYPE, true),
            ("wasi:clocks/wall-clock@0.2.6", TYPE, true),
            ("wasi:cli/stderr@0.2.6", FUNCTION, true),
            ("wasi:io/streams@0.2.6", FUNCTION, true),
            ("wasi:filesystem/preopens@0.2.6", FUNCTION, true),
            ("wasi:clocks/wall-clock@0.2.6", FUNCTION, false),
            ("wasi:random/random@0.2.6", FUNCTION, false),
            ("wasi:climate/sensor@0.2.6", FUNCTION, false),
            ("wharf:plugin/publisher@0.1.0", FUNCTION, false),
        ];
        for (import, interface, is_pure) in cases {
            let checked = check(&component(import, interface, &transform));
            let expected =
                if is_pure { Ok(Kind::Transform) } else { Err(ComponentError::Impure { import: import.to_owned() }) };
            assert_eq!(checked, expected, "{import}");
            let handler = check(&component(import, interface, &["wharf:plugin/handler@0.1.0"]));
            assert_eq!(handler, Ok(Kind::Handler), "{import}");
        }
    }

    #[test]
    fn a_component_is_a_handler_or_a_transform_and_not_both() {
        let both = ["wharf:plugin/handler@0.1.0", "wharf:plugin/transformer@0.1.0"];
        for (exports, said) in [(&both[..], "make two components of it"), (&[][..], "it exports nothing")] {
            let error = check(&component("wharf:plugin/types@0.1.0", TYPE, exports)).unwrap_err();
            assert_eq!(error.code(), Code::ComponentWorld);
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
