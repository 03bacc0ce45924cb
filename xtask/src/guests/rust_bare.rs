//! Guests in Rust: the row `rust` is built with all plugins, and this adds the one that has nothing but the contract.
//!
//! Invariant: it is a workspace of its own, so that wit-bindgen's macros cost no build of a plugin anything.

use anyhow::Result;

use super::build::{Guest, build as build_plugins, compile, lay};
use super::cargo;
use super::languages::{Built, Place};
use super::toolchain::{self, TARGET};

/// Builds both rows.
pub fn build(place: &Place) -> Result<Built> {
    let mut guests = build_plugins()?;
    guests.retain(|guest| guest.name.starts_with("languages-"));
    let workspace = place.repository.join("tests/languages/rust-bare");
    let built = place.target.join("guests-bare-build");
    compile(&toolchain::ensure()?, &workspace, &built)?;
    for (name, library) in cargo::workspace(&workspace)?.plugins {
        let path = place.target.join("guests").join(format!("{name}.wasm"));
        lay(&built.join(TARGET).join("release").join(format!("{}.wasm", library.replace('-', "_"))), &path)?;
        guests.push(Guest { name, path });
    }
    Ok(Built::Guests(guests))
}
