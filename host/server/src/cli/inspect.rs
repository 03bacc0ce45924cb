//! `wharf inspect`: what a component is and what it can do, from its file alone. No host is asked, nothing is compiled.
//!
//! Invariant: an import that is not recognised is told as such, never left out. That all of them have the types that this host gives
//! them shows `wharf check`.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use wharf_event::{Code, Declared, Digest};
use wharf_inspect::{Capability, Description, Import, Made, Offered, describe, limits::COMPONENT_BYTES_MAX};

use super::{
    error::{CommandError, Exit},
    events::fact,
    output::Output,
    report,
    words::printable,
};
use crate::{compile::read_bounded, failure::Failure};

/// Links for every plugin and does nothing.
const INERT: &str = "nothing (inert here)";

/// An interface of which nothing but types is imported.
const TYPES: &str = "nothing (types only)";

/// An interface that is not in the list.
const UNKNOWN: &str = "unknown to this host";

/// Programs that make components of one language, for those whose compilers do not say it.
const TOOLS: [(&str, &str); 9] = [
    ("rustc", "Rust"),
    ("wit-bindgen-rust", "Rust"),
    ("componentize-py", "Python"),
    ("ComponentizeJS", "JavaScript"),
    ("componentize-qjs", "JavaScript"),
    ("wit-bindgen-go", "Go"),
    ("TinyGo", "Go"),
    ("wit-bindgen-c", "C"),
    ("clang", "C"),
];

#[derive(Serialize)]
struct Inspected {
    file: String,
    bytes: usize,
    digest: Digest,
    world: Option<&'static str>,
    wasi: Option<String>,
    unfit: Option<Unfit>,
    language: Option<String>,
    tools: Vec<Tool>,
    needs: Vec<&'static str>,
    asks: Vec<String>,
    handler: Declared,
    imports: Vec<Allowance>,
    exports: Vec<String>,
}

/// Why this host does not run it.
#[derive(Serialize)]
struct Unfit {
    code: Code,
    message: String,
}

#[derive(Serialize)]
struct Tool {
    name: String,
    version: String,
}

#[derive(Serialize)]
struct Allowance {
    interface: String,
    allows: &'static str,
    grant: Option<&'static str>,
}

impl Allowance {
    fn of(import: Import) -> Self {
        let (allows, grant) = match import.gives() {
            _ if import.only_types => (TYPES, None),
            Some(Offered::Capability(it)) => (it.allows(), it.is_granted().then_some(it.as_str())),
            Some(Offered::Inert) => (INERT, None),
            None => (UNKNOWN, None),
        };
        Self { interface: import.interface, allows, grant }
    }
}

/// Describes a component.
///
/// # Errors
/// When the file cannot be read or is no component.
pub fn run(file: &Path, out: &mut Output) -> Result<Exit> {
    let wasm = read_bounded(file, COMPONENT_BYTES_MAX as u64 + 1)
        .map_err(|source| CommandError::Component { path: file.to_owned(), source })?;
    let described = describe(&wasm).map_err(|error| Failure::of(error.code(), &error))?;
    let unfit = described.world.as_ref().err().map(|error| Unfit { code: error.code(), message: error.to_string() });
    let inspected = inspected(file, described, unfit);
    if out.is_json() {
        out.document(&inspected)?;
    } else {
        lines(&inspected).iter().try_for_each(|line| out.line(line))?;
        let row = |it: &Allowance| {
            let grant = it.grant.map_or_else(String::new, |grant| format!("grants.{grant}"));
            [printable(&it.interface).into_owned(), it.allows.to_owned(), grant]
        };
        if !inspected.imports.is_empty() {
            out.line("")?;
            out.table(["IMPORTS", "WHICH ALLOWS", "WITH"], inspected.imports.iter().map(row).collect())?;
        }
    }
    Ok(match &inspected.unfit {
        None => Exit::Success,
        Some(Unfit { code, message }) => {
            let failure = Failure::of_text(*code, message.as_str());
            report::tell(&failure, Exit::CheckFailed, out.is_json())
        }
    })
}

fn inspected(file: &Path, described: Description, unfit: Option<Unfit>) -> Inspected {
    let needs = described.needs().into_iter().map(Capability::as_str).collect();
    let asks = described.asks().all().told();
    let Description { digest, bytes, world, wasi, declared, imports, exports, languages, tools, .. } = described;
    let tool = |Made { name, version }| Tool { name, version };
    Inspected {
        file: file.display().to_string(),
        bytes,
        digest,
        world: world.ok(),
        wasi: wasi.map(|level| level.to_string()),
        unfit,
        language: language(&languages, &tools),
        tools: tools.into_iter().map(tool).collect(),
        needs,
        asks,
        handler: declared,
        imports: imports.into_iter().map(Allowance::of).collect(),
        exports,
    }
}

/// What the compilers say, else what the tools are for; none where neither is known.
fn language(languages: &[Made], tools: &[Made]) -> Option<String> {
    if !languages.is_empty() {
        return Some(languages.iter().map(|made| made.name.as_str()).collect::<Vec<_>>().join(", "));
    }
    let known = TOOLS.iter().find(|(tool, _)| tools.iter().any(|made| made.name.eq_ignore_ascii_case(tool)));
    known.map(|(_, language)| (*language).to_owned())
}

fn lines(inspected: &Inspected) -> Vec<String> {
    let tool = |Tool { name, version }: &Tool| format!("{name} {version}").trim_end().to_owned();
    let tools: Vec<_> = inspected.tools.iter().map(tool).collect();
    let unknown = || "not said".to_owned();
    let facts = [
        ("file", inspected.file.clone()),
        ("bytes", inspected.bytes.to_string()),
        ("digest", inspected.digest.to_string()),
        ("world", inspected.world.unwrap_or("none that this host runs").to_owned()),
        ("wasi", inspected.wasi.clone().unwrap_or_else(|| "none".to_owned())),
        ("needs", if inspected.needs.is_empty() { "nothing".to_owned() } else { inspected.needs.join(", ") }),
        ("asks for", if inspected.asks.is_empty() { "nothing".to_owned() } else { inspected.asks.join(", ") }),
        ("handles", handles(&inspected.handler)),
        ("language", inspected.language.clone().unwrap_or_else(unknown)),
        ("made by", if tools.is_empty() { unknown() } else { tools.join(", ") }),
        ("exports", if inspected.exports.is_empty() { "nothing".to_owned() } else { inspected.exports.join(", ") }),
    ];
    facts.iter().map(|(name, value)| fact(name, value)).collect()
}

/// What it says of its handler, in one line.
fn handles(declared: &Declared) -> String {
    if declared.is_nothing() {
        return "what a rule says".to_owned();
    }
    let mut said: Vec<String> = declared.on.iter().map(ToString::to_string).collect();
    said.extend(declared.order_by.as_ref().map(|path| format!("ordered by {path}")));
    let retry = declared.retry.clone().unwrap_or_default();
    said.extend(retry.attempts.map(|attempts| format!("{attempts} attempts")));
    for (name, time) in [("first pause", retry.first), ("longest pause", retry.max), ("age", retry.age)] {
        said.extend(time.map(|time| format!("{name} {time}")));
    }
    printable(&said.join(", ")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_is_told_as_what_it_allows() {
        let cases = [
            ("wasi:keyvalue/store@0.2.0-draft", false, "key-value buckets", Some("kv")),
            ("wharf:plugin/publisher@0.1.0", false, "publish events", Some("publish")),
            ("wharf:plugin/types@0.1.0", true, TYPES, None),
            ("wasi:clocks/wall-clock@0.2.6", true, TYPES, None),
            ("wasi:cli/stderr@0.2.6", false, INERT, None),
            ("wasi:sockets/tcp@0.2.6", false, INERT, None),
            ("wasi:blobstore/container@0.2.0-draft", false, UNKNOWN, None),
        ];
        for (interface, only_types, allows, grant) in cases {
            let found = Allowance::of(Import { interface: interface.to_owned(), only_types });
            assert_eq!((found.allows, found.grant), (allows, grant), "{interface}");
        }
    }

    #[test]
    fn the_language_is_what_the_compilers_say_else_what_the_tools_are_for() {
        let made = |name: &str| Made { name: name.to_owned(), version: String::new() };
        assert_eq!(language(&[made("Go"), made("C11")], &[made("rustc")]).as_deref(), Some("Go, C11"));
        assert_eq!(language(&[], &[made("wit-component")]), None);
        assert_eq!(language(&[], &[made("wit-component"), made("wit-bindgen-rust")]).as_deref(), Some("Rust"));
    }
}
