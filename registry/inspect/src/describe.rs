//! What a component says of itself, read without compiling it.
//!
//! Invariant: it describes what would run. Bytes that are no valid component are refused as they are for running; whether the
//! imports of a valid one have the types that they should, only the engine shows.

use std::collections::BTreeSet;

use wharf_event::{Asks, Declared, Digest, GrantBounds};

use crate::{
    check::{Kind, read},
    error::ComponentError,
    names::WasiLevel,
    offers::{Capability, Offered, find},
    producers::{Made, Producers},
    said::{declared, needs},
};

/// A component, as it describes itself.
#[derive(Clone, Debug)]
pub struct Description {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Its bytes, counted.
    pub bytes: usize,
    /// The world that it is of, without a version; or why this host does not run it.
    pub world: Result<&'static str, ComponentError>,
    /// The release of WASI that it was made for, if it names any.
    pub wasi: Option<WasiLevel>,
    /// What it says that it needs.
    pub said: GrantBounds,
    /// What it says of its handler.
    pub declared: Declared,
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

impl Import {
    /// What lies behind it; none if only types of it are imported, or if this host does not offer it.
    #[must_use]
    pub fn gives(&self) -> Option<Offered> {
        if self.only_types { None } else { find(&self.interface).map(|offer| offer.gives) }
    }
}

impl Description {
    /// The capabilities that it asks for, each once.
    #[must_use]
    pub fn needs(&self) -> Vec<Capability> {
        let needed = |import: &Import| match import.gives()? {
            Offered::Capability(capability) => Some(capability),
            Offered::Inert => None,
        };
        self.imports.iter().filter_map(needed).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl Description {
    /// What it asks for beyond what every plugin has.
    #[must_use]
    pub fn asks(&self) -> Asks {
        let needs = self.needs();
        let has = |capability| needs.contains(&capability);
        let [publish, kv, http] = [Capability::Publish, Capability::Kv, Capability::Http].map(has);
        let [llm, infer, hold] = [Capability::Llm, Capability::Infer, Capability::Hold].map(has);
        Asks { publish, kv, http, llm, infer, hold, said: self.said.clone() }
    }
}

/// Describes a component.
///
/// # Errors
/// When the bytes are no valid component, or one out of bounds.
pub fn describe(wasm: &[u8]) -> Result<Description, ComponentError> {
    let read = read(wasm)?;
    let world = read.fit().map(Kind::world);
    let Producers { languages, tools } = Producers::of(wasm)?;
    let wasi = WasiLevel::of(read.outline.names());
    let import = |(interface, used): (String, bool)| Import { interface, only_types: !used };
    let imports = read.outline.imports.into_iter().zip(read.used).map(import).collect();
    let (exports, said, declared) = (read.outline.exports, needs(wasm)?, declared(wasm)?);
    let (digest, bytes) = (Digest::of(wasm), wasm.len());
    Ok(Description { digest, bytes, world, wasi, said, declared, imports, exports, languages, tools })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MADE_MAX;

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
    fn a_producer_says_so_much_and_no_more() {
        let long = "x".repeat(100);
        let value = [text(&long), text("1")].concat();
        assert_eq!(Producers::of(b"\0asm\x0d\0\x01\0").unwrap().tools, []);
        let many: Vec<u8> = (0..MADE_MAX + 9).flat_map(|n| [text(&n.to_string()), text("")].concat()).collect();
        let field = [text("sdk"), vec![u8::try_from(MADE_MAX + 9).unwrap()], many].concat();
        let two = [text("processed-by"), vec![1], value].concat();
        let section = |fields: &[&[u8]]| {
            let body = [text("producers"), vec![u8::try_from(fields.len()).unwrap()], fields.concat()].concat();
            let length = [u8::try_from(body.len() % 128 + 128).unwrap(), u8::try_from(body.len() / 128).unwrap()];
            [&[0], &length[..], &body].concat()
        };
        let described = describe(&[&b"\0asm\x0d\0\x01\0"[..], &section(&[&two, &field])].concat()).unwrap();
        assert_eq!((described.tools.len(), described.tools[0].name.as_str()), (MADE_MAX, long.as_str()));
    }

    #[test]
    fn what_is_no_component_is_not_described() {
        assert_eq!(describe(b"#!/bin/sh").unwrap_err(), ComponentError::NotWasm);
    }
}
