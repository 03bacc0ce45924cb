//! A Rust toolchain for guests out of Debian's packages, for machines that reach those and not rustup's servers.
//!
//! Debian has no prebuilt standard library that fits, but it has a rustc together with its sources. So: download rustc, its
//! libraries and its sources; unpack them in a folder of our own, without root; lend it the linkers of the toolchain in use;
//! build the standard library for the target once and put it where rustup would have.
//!
//! Invariant: the folder counts as a toolchain only with its last stamp, and each step can be cut off anywhere.
//!
//! It does not link native programs for the host beyond what plugins need at build time (procedural macros).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::steps::{self, Steps};
use super::toolchain::TARGET;
use super::{apt, cargo, linkers, process};

/// Counts up when the recipe changes, so that a folder made by another one is not taken for ours.
const RECIPE: &str = "1";

/// The last step: after it the toolchain is whole.
const MADE: &str = "made";

/// What the recipe calls.
const TOOLS: [&str; 5] = ["apt-get", "apt-cache", "dpkg", "dpkg-deb", "tar"];

/// The oldest Rust that is taken: older ones are found where the package lists are stale, and the cargo in use is not made to
/// drive a compiler older than itself.
const OLDEST: &str = env!("CARGO_PKG_RUST_VERSION");

/// The compiler as cargo is to call it: from its own folder, with its own libraries.
const WRAPPER: &str = "#!/bin/sh
# Written by `cargo xtask guests`.
root=${0%/bin/rustc}/root/usr
LD_LIBRARY_PATH=$root/lib/MULTIARCH${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} \\
    exec \"$root/bin/rustc\" --sysroot \"$root\" \"$@\"
";

/// The recipe, and the folder that it is followed in.
pub struct Recipe {
    folder: PathBuf,
}

impl Recipe {
    /// The recipe's folder in the cache.
    pub fn in_cache(cache: &Path) -> Self {
        Self { folder: cache.join(format!("guest-toolchain-{RECIPE}")) }
    }

    /// The rustc of the toolchain, if it was made before.
    pub fn made(&self) -> Result<Option<PathBuf>> {
        if steps::version_of(&self.folder, MADE).is_none() {
            return Ok(None);
        }
        linkers::lend(&self.sysroot())?;
        Ok(Some(self.rustc()))
    }

    /// Makes the toolchain, from where an earlier run ended, and gives its rustc.
    pub fn make(&self) -> Result<PathBuf> {
        let missing: Vec<&str> = TOOLS.into_iter().filter(|tool| process::find(tool).is_none()).collect();
        if !missing.is_empty() {
            bail!(
                "no toolchain for guests: run `rustup target add {TARGET}` (or have Debian's tools here, for its packages; missing: {})",
                missing.join(", ")
            );
        }
        let packages = apt::find(OLDEST)?;
        fs::create_dir_all(&self.folder).with_context(|| format!("making {}", self.folder.display()))?;
        let steps = Steps::new(&self.folder, &packages.version);
        let debs = self.folder.join("debs");
        let what = format!("[1/3] downloading Debian's rustc {} (about 140 MB)", packages.version);
        steps.step("downloaded", &what, || apt::download(&packages, &debs))?;
        steps.step("unpacked", "[2/3] unpacking it", || self.unpack(&debs, &packages))?;
        linkers::lend(&self.sysroot())?;
        self.write_rustc()?;
        steps.step("std", &format!("[3/3] building the standard library for {TARGET}"), || self.build_std())?;
        steps.step(MADE, "removing what is no longer needed", || {
            steps::remove(&debs)?;
            steps::remove(&self.sysroot().join("src"))
        })?;
        Ok(self.rustc())
    }

    fn sysroot(&self) -> PathBuf {
        self.folder.join("root/usr")
    }

    fn rustc(&self) -> PathBuf {
        self.folder.join("bin/rustc")
    }

    /// Unpacks the packages into `root`; of the sources only those of the standard library.
    fn unpack(&self, debs: &Path, packages: &apt::Packages) -> Result<()> {
        let half = self.folder.join("root.half");
        steps::fresh_folder(&half)?;
        for package in &packages.wanted {
            let deb = apt::file_of(debs, package)?;
            if package.starts_with(apt::SOURCE) {
                unpack_library_source(&deb, &half)?;
            } else {
                process::output(Command::new("dpkg").arg("-x").args([&deb, &half]))?;
            }
        }
        let root = self.folder.join("root");
        steps::remove(&root)?;
        fs::rename(&half, &root).with_context(|| format!("making {}", root.display()))
    }

    /// Writes the wrapper of rustc and sees that it starts.
    fn write_rustc(&self) -> Result<()> {
        let rustc = self.rustc();
        let version = process::output(cargo::rustc().arg("-vV"))?;
        let wrapper = WRAPPER.replace("MULTIARCH", &multiarch(&linkers::host(&version)?));
        fs::create_dir_all(self.folder.join("bin"))?;
        fs::write(&rustc, wrapper).with_context(|| format!("writing {}", rustc.display()))?;
        fs::set_permissions(&rustc, fs::Permissions::from_mode(0o755))?;
        let started = process::output(Command::new(&rustc).arg("--version"));
        started
            .context("Debian's rustc does not start; if it names a library, install the package that has it")
            .map(drop)
    }

    /// Builds the standard library, in the way that cargo builds it for a target that has none.
    fn build_std(&self) -> Result<()> {
        // What an earlier run left of the build is cargo's to take up.
        let folder = self.folder.join("std");
        steps::fresh_folder(&folder.join("src"))?;
        fs::write(folder.join("src/lib.rs"), "#![no_std]\n")?;
        fs::write(folder.join("Cargo.toml"), EMPTY_PACKAGE)?;
        let mut command = cargo::cargo();
        command.args(["build", "--release", "-Zbuild-std=std,panic_abort", "--target", TARGET]).current_dir(&folder);
        for setting in ["CARGO_BUILD_TARGET", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER"] {
            command.env_remove(setting);
        }
        command.env("CARGO_TARGET_DIR", folder.join("target")).env("RUSTC", self.rustc());
        // The flag is unstable, and the libraries of a toolchain carry bitcode so that guests can be optimised as a whole.
        command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Cembed-bitcode=yes");
        process::run(&mut command)?;
        let to = self.sysroot().join("lib/rustlib").join(TARGET);
        steps::fresh_folder(&to)?;
        let half = to.join("half");
        fs::create_dir_all(&half)?;
        copy_libraries(&folder.join("target").join(TARGET).join("release/deps"), &half)?;
        fs::rename(&half, to.join("lib"))?;
        steps::remove(&folder)
    }
}

/// A package with nothing in it, to build the standard library for.
const EMPTY_PACKAGE: &str = "\
[package]
name = \"nothing\"
version = \"0.0.0\"
edition = \"2024\"

[workspace]

[profile.release]
debug = false
";

/// Copies the standard library's own libraries.
fn copy_libraries(from: &Path, to: &Path) -> Result<()> {
    let mut copied = 0;
    for file in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let file = file?;
        let name = file.file_name();
        if name.to_str().is_some_and(|name| name.ends_with(".rlib") && !name.starts_with("libnothing-")) {
            fs::copy(file.path(), to.join(&name))?;
            copied += 1;
        }
    }
    if copied == 0 {
        bail!("cargo left no library in {}", from.display());
    }
    Ok(())
}

/// Unpacks the standard library's part of the compiler's sources: the rest is thirty times as much.
fn unpack_library_source(deb: &Path, to: &Path) -> Result<()> {
    let mut packed = Command::new("dpkg-deb").arg("--fsys-tarfile").arg(deb).stdout(Stdio::piped()).spawn()?;
    let stream = packed.stdout.take().context("dpkg-deb has no output")?;
    let mut tar = Command::new("tar");
    tar.args(["-x", "--wildcards", "-C"]).arg(to);
    tar.args(["./usr/src/rustc-*/library", "./usr/src/rustc-*/Cargo.*", "./usr/lib/rustlib/src*"]);
    let status = tar.stdin(stream).status().context("starting tar")?;
    if !packed.wait()?.success() || !status.success() {
        bail!("{} could not be unpacked", deb.display());
    }
    Ok(())
}

/// Debian's name of a machine whose Rust name is `host`.
fn multiarch(host: &str) -> String {
    format!("{}-linux-gnu", host.split('-').next().unwrap_or(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debians_name_of_a_machine_follows_from_rusts() {
        assert_eq!(multiarch("x86_64-unknown-linux-gnu"), "x86_64-linux-gnu");
        assert_eq!(multiarch("aarch64-unknown-linux-gnu"), "aarch64-linux-gnu");
    }

    #[test]
    fn a_folder_without_its_last_stamp_is_no_toolchain() {
        let cache = tempfile::tempdir().unwrap();
        let recipe = Recipe::in_cache(cache.path());
        fs::create_dir_all(&recipe.folder).unwrap();
        fs::write(recipe.folder.join("std.done"), "1.96").unwrap();
        assert_eq!(recipe.made().unwrap(), None);
    }

    #[test]
    fn only_the_standard_librarys_own_libraries_are_copied() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(&from).unwrap();
        fs::create_dir_all(&to).unwrap();
        assert!(copy_libraries(&from, &to).is_err());
        for name in ["libcore-1.rlib", "libcore-1.rmeta", "libnothing-1.rlib"] {
            fs::write(from.join(name), "").unwrap();
        }
        copy_libraries(&from, &to).unwrap();
        let names: Vec<_> = fs::read_dir(&to).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(names, ["libcore-1.rlib"]);
    }
}
