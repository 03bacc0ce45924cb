//! What a component says of itself, read without compiling it.
//!
//! Invariant: it describes what would run. Bytes that are no valid component are refused as they are for running; whether the
//! imports of a valid one link, only compiling it shows.

use wasmparser::{KnownCustom, Parser, Payload, Validator};
use wharf_event::Digest;

use crate::{
    inspect::{self, ComponentError, Kind, Names},
    pure,
};

/// A component, as it describes itself.
#[derive(Clone, Debug)]
pub struct Description {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Its bytes, counted.
    pub bytes: usize,
    /// The world that it is of, without a version; or why it is of none that this host runs.
    pub world: Result<&'static str, ComponentError>,
    /// What it imports.
    pub imports: Vec<Import>,
    /// What it exports.
    pub exports: Vec<String>,
    /// The languages that it was written in, as its compilers say.
    pub languages: Vec<Made>,
    /// The programs that made it.
    pub tools: Vec<Made>,
}

/// An interface that a component imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Its name, such as `wasi:keyvalue/store@0.2.0-draft`.
    pub interface: String,
    /// Only types of it are imported, so it lets nothing be done.
    pub only_types: bool,
}

/// A language or a program with its version, which may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// What it is called.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Describes a component.
///
/// # Errors
/// When the bytes are no valid component.
pub fn describe(wasm: &[u8]) -> Result<Description, ComponentError> {
    let world = match inspect::check(wasm) {
        Ok(Kind::Handler) => Ok("wharf:plugin/event-handler"),
        Ok(Kind::Transform) => Ok("wharf:plugin/event-transform"),
        Err(unfit @ (ComponentError::World { .. } | ComponentError::Impure { .. })) => Err(unfit),
        Err(error) => return Err(error),
    };
    let invalid = |error: wasmparser::BinaryReaderError| ComponentError::Invalid { problem: error.to_string() };
    let types = Validator::new().validate_all(wasm).map_err(invalid)?;
    let Names { imports, exports } = inspect::names(wasm).map_err(invalid)?;
    let import = |interface: String| Import { only_types: pure::imports_only_types(&types, &interface), interface };
    let imports = imports.into_iter().map(import).collect();
    let (mut languages, mut tools) = (Vec::new(), Vec::new());
    producers(wasm, &mut languages, &mut tools).map_err(invalid)?;
    Ok(Description { digest: Digest::of(wasm), bytes: wasm.len(), world, imports, exports, languages, tools })
}

/// Reads the producers of the component and of all modules in it, each once.
fn producers(
    wasm: &[u8],
    languages: &mut Vec<Made>,
    tools: &mut Vec<Made>,
) -> Result<(), wasmparser::BinaryReaderError> {
    for payload in Parser::new(0).parse_all(wasm) {
        let Payload::CustomSection(section) = payload? else { continue };
        // A section that is not as it should be says nothing; the component runs without it.
        let KnownCustom::Producers(fields) = section.as_known() else { continue };
        for field in fields.into_iter().flatten() {
            let into = match field.name {
                "language" => &mut *languages,
                "processed-by" | "sdk" => &mut *tools,
                _ => continue,
            };
            for value in field.values.into_iter().flatten() {
                let made = Made { name: value.name.to_owned(), version: value.version.to_owned() };
                if !into.contains(&made) {
                    into.push(made);
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section of that number; everything here is shorter than 128 bytes.
    fn section(number: u8, body: &[u8]) -> Vec<u8> {
        [&[number, u8::try_from(body.len()).unwrap()], body].concat()
    }

    fn text(text: &str) -> Vec<u8> {
        [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
    }

    #[test]
    fn a_component_says_who_made_it_even_if_it_cannot_run() {
        let field = |name: &str, made: &str, version: &str| [text(name), vec![1], text(made), text(version)].concat();
        let fields = [field("language", "Rust", "2024"), field("processed-by", "rustc", "1.96.0")].concat();
        let producers = section(0, &[text("producers"), vec![2], fields].concat());
        let wasm = [&b"\0asm\x0d\0\x01\0"[..], &producers, &producers].concat();
        let description = describe(&wasm).unwrap();
        let made = |name: &str, version: &str| vec![Made { name: name.to_owned(), version: version.to_owned() }];
        assert_eq!(description.languages, made("Rust", "2024"));
        assert_eq!(description.tools, made("rustc", "1.96.0"));
        assert_eq!((description.bytes, description.digest), (wasm.len(), Digest::of(&wasm)));
        assert!(matches!(description.world, Err(ComponentError::World { .. })));
        let broken = section(0, &[text("producers"), vec![9]].concat());
        assert!(describe(&[&b"\0asm\x0d\0\x01\0"[..], &broken].concat()).unwrap().tools.is_empty());
    }

    #[test]
    fn what_is_no_component_is_not_described() {
        assert_eq!(describe(b"#!/bin/sh").unwrap_err(), ComponentError::NotWasm);
    }
}
