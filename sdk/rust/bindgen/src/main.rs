//! Writes `sdk/rust/src/bindings.rs` from `wit/`: `cargo run -p wharf-bindgen`, in `sdk/rust`. With `--check` it writes nothing
//! and fails when the file is not what it would write.
//!
//! Invariant: the file is a function of `wit/` and of the generator's version in `Cargo.lock`, so it is compared byte for byte.
//!
//! The generator runs here and not as a macro in the crate `wharf`, because its crates cost two minutes of every plugin's first
//! build. It does not decide what authors see: the rest of `wharf` does, by hand.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;

const WORLD: &str = "event-handler";

const HEAD: &str = "\
//! The contract `wit/`, as Rust: what is imported from the host and what a handler exports.
//!
//! Invariant: it is exactly what `cargo run -p wharf-bindgen` writes; edit `wit/` and run that.
//!
//! Authors do not use it: the other modules of this crate do, so that a new version of the contract need not be a new API.
";

fn main() -> Result<()> {
    let generated = generate(&folder("../../../wit"))?;
    let path = folder("../src/bindings.rs");
    match std::env::args().nth(1).as_deref() {
        None => std::fs::write(&path, generated).with_context(|| format!("writing {}", path.display())),
        Some("--check") => check(&path, &generated),
        Some(other) => bail!("{other}: the only option is --check"),
    }
}

/// A path that is given from this crate's own folder.
fn folder(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// Fails when the file at `path` is not `generated`.
fn check(path: &Path, generated: &str) -> Result<()> {
    let committed = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    if committed != generated {
        bail!("{} is not what wit/ gives: run `cargo run -p wharf-bindgen` in sdk/rust", path.display());
    }
    Ok(())
}

/// The whole text of the bindings of the contract in the folder `wit`.
fn generate(wit: &Path) -> Result<String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit).with_context(|| format!("reading {}", wit.display()))?;
    let world = resolve.select_world(&[package], Some(WORLD))?;
    let mut generator = wit_bindgen_rust::Opts {
        format: true,
        generate_all: true,
        pub_export_macro: true,
        export_macro_name: Some("export_handler".to_owned()),
        default_bindings_module: Some("wharf::bindings".to_owned()),
        runtime_path: Some("::wharf::wit_bindgen::rt".to_owned()),
        ..Default::default()
    }
    .build();
    let mut files = Files::default();
    wit_bindgen_core::WorldGenerator::generate(&mut generator, &mut resolve, world, &mut files)?;
    let mut all = files.iter();
    let (Some((_, text)), None) = (all.next(), all.next()) else { bail!("the generator no longer gives one file") };
    Ok(format!("{HEAD}{}", std::str::from_utf8(text)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_bindings_are_what_the_contract_gives() {
        let generated = generate(&folder("../../../wit")).unwrap();
        check(&folder("../src/bindings.rs"), &generated).unwrap();
    }

    #[test]
    fn other_bindings_are_refused_with_the_command_that_mends_them() {
        let error = check(&folder("../src/bindings.rs"), "pub mod nothing {}").unwrap_err();
        assert!(error.to_string().contains("cargo run -p wharf-bindgen"), "{error}");
    }
}
