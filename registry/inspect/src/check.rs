//! What can be said of a component without compiling it, cheapest first, each finding with its own code.
//!
//! The order: its size, its first bytes, its parts counted, its types validated, its WASI, its world, its imports. Invariant: a later look
//! takes for granted what an earlier one found, and no look repeats another.

use wasmparser::{Encoding, Parser, Payload, Validator};

use crate::{
    error::ComponentError,
    limits::{COMPONENT_BYTES_MAX, NAMES_TOLD},
    names::{InterfaceName, of_wasi_3},
    offers::find,
    outline::Outline,
    pure,
};

/// The package of the worlds.
const PACKAGE: &str = "wharf:plugin";

/// The series of its releases that this host runs.
const SERIES: &str = "0.1";

/// The package of what answers requests, that of programs, and the series of their releases that this host runs.
const HTTP: &str = "wasi:http";
const CLI: &str = "wasi:cli";
const WASI_SERIES: &str = "0.2";

/// What files of machine code begin with; in the engine's artifacts the byte at `ELF_OS_AT` says whose they are.
const ELF: &[u8] = b"\x7fELF";

/// Where an ELF file names its system.
const ELF_OS_AT: usize = 7;

/// The number that the engine took there.
const ELF_OS_OF_ENGINE: u8 = 200;

/// Which world a component is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `event-handler`.
    Handler,
    /// `event-batch-handler`.
    Batch,
    /// `event-transform`.
    Transform,
    /// `wasi:http/proxy`.
    Http,
    /// `wasi:cli/command`: a program, which gets an event on stdin.
    Command,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Handler, Self::Batch, Self::Transform, Self::Http, Self::Command];

    /// The world's name, without a version.
    #[must_use]
    pub const fn world(self) -> &'static str {
        match self {
            Self::Handler => "wharf:plugin/event-handler",
            Self::Batch => "wharf:plugin/event-batch-handler",
            Self::Transform => "wharf:plugin/event-transform",
            Self::Http => "wasi:http/proxy",
            Self::Command => "wasi:cli/command",
        }
    }

    /// The kind whose world has that name, which may have a version behind it.
    #[must_use]
    pub fn of_world(world: &str) -> Option<Self> {
        let name = world.split_once('@').map_or(world, |(name, _)| name);
        Self::ALL.into_iter().find(|kind| kind.world() == name)
    }
}

/// A component that was read and is valid; whether it fits here is not said yet.
pub(crate) struct Read {
    pub outline: Outline,
    /// For each of its imports, whether it imports more of it than types.
    pub used: Vec<bool>,
}

/// Which world a component is of, if this host can run it.
///
/// # Errors
/// When it cannot.
pub fn check(wasm: &[u8]) -> Result<Kind, ComponentError> {
    read(wasm)?.fit()
}

pub(crate) fn read(wasm: &[u8]) -> Result<Read, ComponentError> {
    if wasm.len() > COMPONENT_BYTES_MAX {
        return Err(ComponentError::TooLarge { bytes: wasm.len() });
    }
    if wasm.starts_with(ELF) && wasm.get(ELF_OS_AT) == Some(&ELF_OS_OF_ENGINE) {
        return Err(ComponentError::Precompiled);
    }
    if !wasm.starts_with(b"\0asm") {
        return Err(ComponentError::NotWasm);
    }
    match Parser::new(0).parse_all(wasm).next() {
        Some(Ok(Payload::Version { encoding: Encoding::Module, .. })) => return Err(ComponentError::CoreModule),
        Some(Err(error)) => return Err(error.into()),
        _ => {}
    }
    let outline = Outline::of(wasm)?;
    // It may use what this validator does not know; then that is not what is wrong with it.
    let types =
        Validator::new().validate_all(wasm).map_err(|error| wasi_3(&outline).unwrap_or_else(|| error.into()))?;
    let used = outline.imports.iter().map(|import| !pure::imports_only_types(&types, import)).collect();
    Ok(Read { outline, used })
}

fn wasi_3(outline: &Outline) -> Option<ComponentError> {
    of_wasi_3(outline.names()).map(|name| ComponentError::Wasi { interface: name.clone() })
}

impl Read {
    /// The world that it is of, or why this host does not run it.
    pub(crate) fn fit(&self) -> Result<Kind, ComponentError> {
        if let Some(error) = wasi_3(&self.outline) {
            return Err(error);
        }
        let kind = self.world()?;
        let used = || self.outline.imports.iter().zip(&self.used).filter(|(_, used)| **used).map(|(import, _)| import);
        if kind == Kind::Transform
            && let Some(import) = used().find(|import| !pure::is_inert(import))
        {
            return Err(ComponentError::Impure { import: import.clone() });
        }
        let unknown: Vec<_> = used().filter(|import| find(import).is_none()).map(String::as_str).collect();
        if unknown.is_empty() {
            return Ok(kind);
        }
        Err(ComponentError::Import { problem: format!("there is no {}", listed(&unknown)) })
    }

    fn world(&self) -> Result<Kind, ComponentError> {
        let exports = &self.outline.exports;
        let exports_one = |package: &str, interface: &str, series: &str| {
            let is_it = |it: InterfaceName<'_>| it.package == package && it.interface == interface && it.is_of(series);
            exports.iter().filter_map(|name| InterfaceName::parse(name)).any(is_it)
        };
        let has = |interface: &str| exports_one(PACKAGE, interface, SERIES);
        let world = |problem| Err(ComponentError::World { problem });
        let of_events = (has("handler"), has("batch-handler"), has("transformer"));
        if exports_one(HTTP, "incoming-handler", WASI_SERIES) {
            return match of_events {
                (false, false, false) => Ok(Kind::Http),
                _ => world("it answers requests and handles events; make two components of it".to_owned()),
            };
        }
        match of_events {
            (true, false, false) => Ok(Kind::Handler),
            (false, true, false) => Ok(Kind::Batch),
            (false, false, true) => Ok(Kind::Transform),
            (true, false, true) => {
                world("it exports a handler and a transformer; make two components of it".to_owned())
            }
            (_, true, _) => {
                world("it exports a batch-handler and something else; make two components of it".to_owned())
            }
            // Tools give a program to what they make of a library too, so it counts where there is nothing else.
            (false, false, false) if exports_one(CLI, "run", WASI_SERIES) => Ok(Kind::Command),
            (false, false, false) => {
                let names: Vec<_> = exports.iter().map(String::as_str).collect();
                let found = if names.is_empty() { "nothing".to_owned() } else { listed(&names) };
                world(format!(
                    "it exports {found}, and none of {PACKAGE}/handler@{SERIES}.0, {PACKAGE}/batch-handler@{SERIES}.0, \
                     {PACKAGE}/transformer@{SERIES}.0, {HTTP}/incoming-handler@{WASI_SERIES}.0 and {CLI}/run@{WASI_SERIES}.0"
                ))
            }
        }
    }
}

/// The first of these names, and how many there are beside.
fn listed(names: &[&str]) -> String {
    let told = names.iter().take(NAMES_TOLD).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_TOLD) {
        0 => told,
        left => format!("{told} and {left} more"),
    }
}

#[cfg(test)]
mod tests {
    use wharf_event::Code;

    use super::*;

    #[test]
    fn each_kind_of_wrong_bytes_has_its_own_code() {
        let cases: [(&[u8], Code); 8] = [
            (b"", Code::ComponentNotWasm),
            (b"#!/bin/sh", Code::ComponentNotWasm),
            (b"\x7fELF\x02\x01\x01\x03", Code::ComponentNotWasm),
            (b"\x7fELF\x02\x01\x01\xc8", Code::ComponentPrecompiled),
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
            let unknown = interface == FUNCTION && import.starts_with("wasi:climate/");
            match handler {
                Ok(kind) => assert!(kind == Kind::Handler && !unknown, "{import}"),
                Err(error) => assert!(unknown && error.code() == Code::ComponentImport, "{error}"),
            }
        }
    }

    #[test]
    fn a_component_is_a_handler_or_a_transform_and_not_both() {
        let all = ["wharf:plugin/batch-handler@0.1.0", "wharf:plugin/handler@0.1.0", "wharf:plugin/transformer@0.1.0"];
        let two = "make two components of it";
        assert_eq!(check(&component("wharf:plugin/types@0.1.0", TYPE, &all[..1])), Ok(Kind::Batch));
        for (exports, said) in [(&all[1..], two), (&all[..2], two), (&all[..], two), (&[][..], "it exports nothing")] {
            let error = check(&component("wharf:plugin/types@0.1.0", TYPE, exports)).unwrap_err();
            assert_eq!(error.code(), Code::ComponentWorld);
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    #[test]
    fn an_import_that_there_is_not_is_named_with_what_there_is() {
        for import in
            ["wasi:blobstore/container@0.2.0-draft", "wasi:keyvalue/store@0.2.0-draft2", "wharf:plugin/publisher@0.2.0"]
        {
            let error = check(&component(import, FUNCTION, &["wharf:plugin/handler@0.1.0"])).unwrap_err();
            assert_eq!(error.code(), Code::ComponentImport);
            let said = error.to_string();
            assert!(
                said.contains(&format!("there is no {import}; this host offers wharf:plugin/publisher@0.1")),
                "{said}"
            );
        }
    }

    #[test]
    fn a_component_for_wasi_0_3_or_for_another_series_of_the_worlds_is_told_so() {
        let handler = ["wharf:plugin/handler@0.1.0"];
        for (import, interface) in [("wasi:clocks/types@0.3.0", TYPE), ("wasi:cli/run@0.3.0-rc-2025-09-16", FUNCTION)] {
            let error = check(&component(import, interface, &handler)).unwrap_err();
            assert_eq!(error, ComponentError::Wasi { interface: import.to_owned() });
            assert_eq!(error.code(), Code::ComponentWasi);
        }
        assert_eq!(
            check(&component("wharf:plugin/types@0.1.0", TYPE, &["wharf:plugin/handler@0.1.9"])),
            Ok(Kind::Handler)
        );
        let error = check(&component("wharf:plugin/types@0.1.0", TYPE, &["wharf:plugin/handler@0.2.0"])).unwrap_err();
        assert!(error.code() == Code::ComponentWorld && error.to_string().contains("handler@0.2.0"), "{error}");
    }

    #[test]
    fn what_answers_requests_is_of_its_own_kind_and_may_publish_and_store() {
        let http = "wasi:http/incoming-handler@0.2.0";
        assert_eq!(check(&component("wasi:http/types@0.2.0", FUNCTION, &[http])), Ok(Kind::Http));
        assert_eq!(check(&component("wasi:http/outgoing-handler@0.2.9", FUNCTION, &[http])), Ok(Kind::Http));
        for import in ["wharf:plugin/publisher@0.1.0", "wasi:keyvalue/store@0.2.0-draft"] {
            assert_eq!(check(&component(import, FUNCTION, &[http])), Ok(Kind::Http), "{import}");
        }
        let both = check(&component("wasi:http/types@0.2.0", FUNCTION, &[http, "wharf:plugin/handler@0.1.0"]));
        assert!(both.unwrap_err().to_string().contains("make two components of it"));
        let newer = check(&component("wasi:http/types@0.2.0", TYPE, &["wasi:http/incoming-handler@0.1.0"]));
        assert_eq!(newer.unwrap_err().code(), Code::ComponentWorld);
    }

    #[test]
    fn a_program_is_one_where_it_is_nothing_else() {
        let (run, handler) = ("wasi:cli/run@0.2.3", "wharf:plugin/handler@0.1.0");
        let of = |exports: &[&str]| check(&component("wasi:cli/stdin@0.2.0", FUNCTION, exports));
        assert_eq!(of(&[run]), Ok(Kind::Command));
        assert_eq!(of(&[run, handler]), Ok(Kind::Handler));
        assert_eq!(of(&[run, "wasi:http/incoming-handler@0.2.0"]), Ok(Kind::Http));
        assert_eq!(of(&["wasi:cli/run@0.1.0"]).unwrap_err().code(), Code::ComponentWorld);
        assert_eq!(Kind::of_world("wasi:cli/command@0.2.3"), Some(Kind::Command));
    }

    #[test]
    fn a_refusal_lists_a_few_names() {
        let names: Vec<_> = (0..12).map(|n| n.to_string()).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        assert_eq!(listed(&names), "0, 1, 2, 3, 4, 5, 6, 7 and 4 more");
        assert_eq!(listed(&names[..2]), "0, 1");
    }
}
