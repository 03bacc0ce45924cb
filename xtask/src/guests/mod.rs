//! `cargo xtask guests`: the plugins of `plugins/` as components, on every machine alike.
//!
//! Invariant: a guest is built for wasm32-unknown-unknown by the linker `wasm-component-ld`; only where that target's standard
//! library comes from differs between machines ([`toolchain`]).
//!
//! It does not test the plugins and does not run them.

pub mod apt;
mod build;
pub mod c;
mod cached;
pub mod cargo;
mod command;
mod componentize;
mod debian;
pub mod go;
pub mod js;
pub mod languages;
mod linkers;
pub mod process;
pub mod python;
mod rust_bare;
mod rustup;
mod spared;
pub mod steps;
pub mod toolchain;

pub use build::{Guest, build};
pub use command::{Args, run};
pub use languages::Lang;
