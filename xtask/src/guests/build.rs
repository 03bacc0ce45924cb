//! Building the plugins' workspace, and the guests that are written in WebAssembly's own text, and laying its components where the other commands find them.
//!
//! Invariant: `<target>/guests/<plugin>.wasm` is a component, is replaced in one step, and is not touched when it is the same.
//!
//! It does not choose the toolchain: [`toolchain`](super::toolchain) does.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::toolchain::{TARGET, Toolchain};
use super::{cargo, process, toolchain};

/// The first bytes of a component: WebAssembly's magic, the component model's version, and its layer.
const COMPONENT_HEAD: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// What would give guests other flags or another place than `plugins/.cargo/config.toml` and this file do.
const FOREIGN_SETTINGS: [&str; 6] = [
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
];

/// A plugin that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// The plugin's name, which is that of its package.
    pub name: String,
    /// The component.
    pub path: PathBuf,
}

/// Builds all plugins of `plugins/` and gives them in the order of their names.
pub fn build() -> Result<Vec<Guest>> {
    let toolchain = toolchain::ensure()?;
    let repository = cargo::repository();
    let target = cargo::workspace(&repository)?.target;
    let plugins = repository.join("plugins");
    let built = target.join("guests-build");
    compile(&toolchain, &plugins, &built)?;
    let from = built.join(TARGET).join("release");
    let to = target.join("guests");
    std::fs::create_dir_all(&to).with_context(|| format!("making {}", to.display()))?;
    let mut guests = Vec::new();
    for (name, library) in cargo::workspace(&plugins)?.plugins {
        let path = to.join(format!("{name}.wasm"));
        lay(&from.join(format!("{}.wasm", library.replace('-', "_"))), &path)?;
        guests.push(Guest { name, path });
    }
    guests.extend(written(&repository.join("tests/guests"), &to)?);
    guests.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(guests)
}

/// Lays what the texts in a folder say: components, and one module that a test makes a component of.
fn written(folder: &Path, to: &Path) -> Result<Vec<Guest>> {
    let mut guests = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let text = entry?.path();
        if text.extension().is_none_or(|extension| extension != "wat") {
            continue;
        }
        let name = text.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let path = to.join(format!("{name}.wasm"));
        put(&wat::parse_file(&text)?, &path)?;
        guests.push(Guest { name, path });
    }
    Ok(guests)
}

/// Runs cargo on the plugins' workspace.
pub(super) fn compile(toolchain: &Toolchain, plugins: &Path, target: &Path) -> Result<()> {
    let mut command = cargo::cargo();
    command.args(["build", "--release", "--target", TARGET, "--target-dir"]).arg(target);
    // Cargo reads `.cargo/config.toml` from where it runs.
    command.current_dir(plugins);
    for setting in FOREIGN_SETTINGS {
        command.env_remove(setting);
    }
    if let Some(rustc) = &toolchain.rustc {
        command.env("RUSTC", rustc);
    }
    process::run(&mut command).context("building the plugins")
}

/// Makes `to` the component that is at `from`.
pub(super) fn lay(from: &Path, to: &Path) -> Result<()> {
    let component = std::fs::read(from).with_context(|| format!("reading {}", from.display()))?;
    if !component.starts_with(&COMPONENT_HEAD) {
        bail!("{} is not a component: is the linker in plugins/.cargo/config.toml wasm-component-ld?", from.display());
    }
    put(&component, to)
}

/// Makes the file at `to` these bytes, unless it is.
fn put(component: &[u8], to: &Path) -> Result<()> {
    if std::fs::read(to).is_ok_and(|laid| laid == component) {
        return Ok(());
    }
    let half = to.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&half, component).with_context(|| format!("writing {}", half.display()))?;
    std::fs::rename(&half, to).with_context(|| format!("making {}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_laid_and_left_alone_when_it_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a_b.wasm"), folder.path().join("a-b.wasm"));
        std::fs::write(&from, [&COMPONENT_HEAD[..], b"one"].concat()).unwrap();
        lay(&from, &to).unwrap();
        let first = std::fs::metadata(&to).unwrap().modified().unwrap();
        lay(&from, &to).unwrap();
        assert_eq!(std::fs::metadata(&to).unwrap().modified().unwrap(), first);
        std::fs::write(&from, [&COMPONENT_HEAD[..], b"two"].concat()).unwrap();
        lay(&from, &to).unwrap();
        assert!(std::fs::read(&to).unwrap().ends_with(b"two"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_core_module_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("core.wasm");
        std::fs::write(&from, b"\0asm\x01\0\0\0").unwrap();
        let error = lay(&from, &folder.path().join("to.wasm")).unwrap_err().to_string();
        assert!(error.contains("is not a component"), "{error}");
    }
}
