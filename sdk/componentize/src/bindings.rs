//! The contract `wit/` as C and as Go: the bindings that the SDKs have committed, and those of the examples without an SDK.
//!
//! Invariant: committed bindings are exactly what `bindings` writes, compared byte for byte.
//!
//! Authors do not use them: the SDKs do, so that a new version of the contract need not be a new API.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use wit_bindgen_core::wit_parser::{Resolve, WorldId};
use wit_bindgen_core::{Files, WorldGenerator};

/// The worlds of the contract, by what the SDKs call them.
const WORLDS: [(&str, &str); 3] =
    [("handler", "event-handler"), ("batch", "event-batch-handler"), ("transform", "event-transform")];

/// The contract, in the order in which its packages need each other.
const CONTRACT: [(&str, &str); 7] = [
    ("clocks.wit", include_str!("../../../wit/deps/clocks/clocks.wit")),
    ("config.wit", include_str!("../../../wit/deps/config/store.wit")),
    ("keyvalue.wit", include_str!("../../../wit/deps/keyvalue/store.wit")),
    ("logging.wit", include_str!("../../../wit/deps/logging/logging.wit")),
    ("random.wit", include_str!("../../../wit/deps/random/random.wit")),
    ("secrets.wit", include_str!("../../../wit/deps/secrets/secrets.wit")),
    ("plugin.wit", include_str!("../../../wit/plugin.wit")),
];

/// What the SDKs have beside the worlds of handlers, and these worlds as they begin.
const BESIDE: &str = "    import wharf:secrets/held@0.1.0;\n";
const HANDLERS: [&str; 2] = ["world event-handler {\n", "world event-batch-handler {\n"];

/// Files by their path in a folder.
pub type Written = BTreeMap<PathBuf, Vec<u8>>;

/// Reads the contract, with these imports beside those of handlers, and finds one world of it.
fn load(world: &str, beside: &str) -> Result<(Resolve, WorldId)> {
    let mut resolve = Resolve::default();
    let mut packages = Vec::new();
    for (path, text) in CONTRACT {
        let widened = |text: String, begin: &&str| text.replace(begin, &format!("{begin}{beside}"));
        packages.push(resolve.push_str(path, &HANDLERS.iter().fold(text.to_owned(), widened))?);
    }
    let plugin = packages.last().context("the contract has no package")?;
    let world = resolve.select_world(&[*plugin], Some(world))?;
    Ok((resolve, world))
}

/// The bindings of one world as the generator gives them.
pub fn bare(language: &str, world: &str) -> Result<Written> {
    let generator: Box<dyn WorldGenerator> = match language {
        "c" => wit_bindgen_c::Opts::default().build(),
        "go" => wit_bindgen_go::Opts::default().build(),
        other => bail!("{other}: bindings are written for c and go"),
    };
    generate(generator, load(world, "")?)
}

fn generate(mut generator: Box<dyn WorldGenerator>, contract: (Resolve, WorldId)) -> Result<Written> {
    let (mut resolve, world) = contract;
    let mut files = Files::default();
    generator.generate(&mut resolve, world, &mut files)?;
    Ok(files.iter().map(|(name, bytes)| (PathBuf::from(name), bytes.to_vec())).collect())
}

/// What is committed below `sdk`.
fn committed() -> Result<Written> {
    let mut all = Written::new();
    for (name, world) in WORLDS {
        // One name for all worlds: the SDK's sources are the same for each, compiled with another folder of bindings.
        let options = wit_bindgen_c::Opts { rename_world: Some("contract".to_owned()), ..Default::default() };
        for (file, bytes) in generate(options.build(), load(world, BESIDE)?)? {
            all.insert(Path::new("c/contract").join(name).join(file), bytes);
        }
    }
    Ok(all)
}

/// Writes files into a folder.
pub fn write(files: &Written, folder: &Path) -> Result<()> {
    for (name, bytes) in files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
        }
        fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// The command `bindings`.
pub fn write_all() -> Result<()> {
    write(&committed()?, &sdk())
}

/// The command `bindings --check`.
pub fn check_all() -> Result<()> {
    for (name, bytes) in committed()? {
        let path = sdk().join(name);
        let there = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        ensure!(
            there == bytes,
            "{} is not what wit/ gives: run `cargo run -- bindings` in sdk/componentize",
            path.display()
        );
    }
    Ok(())
}

fn sdk() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_bindings_are_what_the_contract_gives() {
        check_all().unwrap();
    }

    #[test]
    fn bindings_are_for_languages_that_the_generator_knows() {
        let error = bare("cobol", "event-handler").unwrap_err().to_string();
        assert_eq!(error, "cobol: bindings are written for c and go");
    }
}
