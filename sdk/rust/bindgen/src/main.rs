//! Writes `bindings.rs`, `batch_bindings.rs`, `transform_bindings.rs`, `llm_bindings.rs`, `infer_bindings.rs`, `secrets_bindings.rs` and
//! `receiver_bindings.rs` of `sdk/rust/src` from `wit/`: `cargo run -p wharf-bindgen`,
//! in `sdk/rust`. With `--check` it writes nothing and fails when a file is not what it would write.
//!
//! Invariant: a file is a function of `wit/` and of the generator's version in `Cargo.lock`, so it is compared byte for byte.
//!
//! The generator runs here and not as a macro in the crate `wharf`, because its crates cost two minutes of every plugin's first
//! build. It does not decide what authors see: the rest of `wharf` does, by hand.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;

/// Interfaces that worlds share: the later files take them from the first.
const SHARED: [(&str, &str); 10] = [
    ("wharf:plugin/types@0.1.0", "::wharf::bindings::wharf::plugin::types"),
    ("wharf:plugin/publisher@0.1.0", "::wharf::bindings::wharf::plugin::publisher"),
    ("wharf:plugin/counters@0.1.0", "::wharf::bindings::wharf::plugin::counters"),
    ("wasi:keyvalue/store@0.2.0-draft", "::wharf::bindings::wasi::keyvalue::store"),
    ("wasi:keyvalue/atomics@0.2.0-draft", "::wharf::bindings::wasi::keyvalue::atomics"),
    ("wasi:config/store@0.2.0-rc.1", "::wharf::bindings::wasi::config::store"),
    ("wasi:logging/logging@0.1.0-draft", "::wharf::bindings::wasi::logging::logging"),
    ("wasi:clocks/wall-clock@0.2.0", "::wharf::bindings::wasi::clocks::wall_clock"),
    ("wasi:clocks/monotonic-clock@0.2.0", "::wharf::bindings::wasi::clocks::monotonic_clock"),
    ("wasi:random/random@0.2.0", "::wharf::bindings::wasi::random::random"),
];

/// The file of one world of the contract.
struct Bindings {
    world: &'static str,
    path: &'static str,
    module: &'static str,
    export_macro: &'static str,
    /// Its first lines end with this sentence.
    says: &'static str,
    /// So many of the shared interfaces are those of the first file.
    shares: usize,
}

const ALL: [Bindings; 7] = [
    Bindings {
        world: "event-handler",
        path: "../src/bindings.rs",
        module: "wharf::bindings",
        export_macro: "export_handler",
        says: "what is imported from the host and what a handler exports",
        shares: 0,
    },
    Bindings {
        world: "event-batch-handler",
        path: "../src/batch_bindings.rs",
        module: "wharf::batch_bindings",
        export_macro: "export_batch_handler",
        says: "what a batch handler exports",
        shares: SHARED.len(),
    },
    Bindings {
        world: "event-transform",
        path: "../src/transform_bindings.rs",
        module: "wharf::transform_bindings",
        export_macro: "export_transform",
        says: "what a transform exports",
        shares: 1,
    },
    Bindings {
        world: "llm",
        path: "../src/llm_bindings.rs",
        module: "wharf::llm_bindings",
        export_macro: "export_llm",
        says: "models, which a plugin imports beside its world",
        shares: 0,
    },
    Bindings {
        world: "infer",
        path: "../src/infer_bindings.rs",
        module: "wharf::infer_bindings",
        export_macro: "export_infer",
        says: "models of the tenant, which a plugin imports beside its world",
        shares: 0,
    },
    Bindings {
        world: "secrets",
        path: "../src/secrets_bindings.rs",
        module: "wharf::secrets_bindings",
        export_macro: "export_secrets",
        says: "secrets to hold, which a plugin imports beside its world",
        shares: 0,
    },
    Bindings {
        world: "receiver",
        path: "../src/receiver_bindings.rs",
        module: "wharf::receiver_bindings",
        export_macro: "export_receiver",
        says: "events that requests bring, which a plugin imports beside its world",
        shares: 2,
    },
];

/// Interfaces that no world of the contract imports, since a handler without them starts faster: a world for each.
const BESIDE: &str = "package wharf:beside; world llm { import wharf:llm/models@0.1.0; } world infer { import wharf:infer/models@0.1.0; } \
                      world secrets { import wharf:secrets/held@0.1.0; } world receiver { import wharf:plugin/receiver@0.1.0; }";

fn head(says: &str) -> String {
    format!(
        "\
//! The contract `wit/`, as Rust: {says}.
//!
//! Invariant: it is exactly what `cargo run -p wharf-bindgen` writes; edit `wit/` and run that.
//!
//! Authors do not use it: the other modules of this crate do, so that a new version of the contract need not be a new API.
"
    )
}

fn main() -> Result<()> {
    let option = std::env::args().nth(1);
    for bindings in &ALL {
        let (generated, path) = (generate(bindings)?, folder(bindings.path));
        match option.as_deref() {
            None => std::fs::write(&path, generated).with_context(|| format!("writing {}", path.display()))?,
            Some("--check") => check(&path, &generated)?,
            Some(other) => bail!("{other}: the only option is --check"),
        }
    }
    Ok(())
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

/// The whole text of the bindings of one world of the contract.
fn generate(bindings: &Bindings) -> Result<String> {
    let wit = folder("../../../wit");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(&wit).with_context(|| format!("reading {}", wit.display()))?;
    let world = match resolve.select_world(&[package], Some(bindings.world)) {
        Ok(world) => world,
        Err(_) => {
            let beside = resolve.push_str("beside.wit", BESIDE)?;
            resolve.select_world(&[beside], Some(bindings.world))?
        }
    };
    let shared = SHARED.iter().take(bindings.shares);
    let with = |(name, ours): &(&str, &str)| (name.to_string(), wit_bindgen_rust::WithOption::Path(ours.to_string()));
    let mut generator = wit_bindgen_rust::Opts {
        format: true,
        generate_all: true,
        pub_export_macro: true,
        export_macro_name: Some(bindings.export_macro.to_owned()),
        default_bindings_module: Some(bindings.module.to_owned()),
        runtime_path: Some("::wharf::wit_bindgen::rt".to_owned()),
        with: shared.map(with).collect(),
        ..Default::default()
    }
    .build();
    let mut files = Files::default();
    wit_bindgen_core::WorldGenerator::generate(&mut generator, &mut resolve, world, &mut files)?;
    let mut all = files.iter();
    let (Some((_, text)), None) = (all.next(), all.next()) else { bail!("the generator no longer gives one file") };
    Ok(format!("{}{}", head(bindings.says), std::str::from_utf8(text)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_bindings_are_what_the_contract_gives() {
        for bindings in &ALL {
            check(&folder(bindings.path), &generate(bindings).unwrap()).unwrap();
        }
    }

    #[test]
    fn other_bindings_are_refused_with_the_command_that_mends_them() {
        let error = check(&folder("../src/bindings.rs"), "pub mod nothing {}").unwrap_err();
        assert!(error.to_string().contains("cargo run -p wharf-bindgen"), "{error}");
    }
}
