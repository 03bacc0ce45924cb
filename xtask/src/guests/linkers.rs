//! The linkers of the Rust toolchain in use, lent to the one that is made of Debian's packages.
//!
//! Invariant: they are links, made anew on each run, so that an update of the toolchain in use is followed.
//!
//! It does not bring linkers: rustup's toolchains have had them since 1.82.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{cargo, process};

/// The linker that makes components, the one that it calls, and the folder of names by which rustc calls that one.
const LINKERS: [&str; 3] = ["wasm-component-ld", "rust-lld", "gcc-ld"];

/// Links the linkers of the toolchain in use into the toolchain whose root is `sysroot`.
pub fn lend(sysroot: &Path) -> Result<()> {
    let theirs = process::output(cargo::rustc().args(["--print", "sysroot"]))?;
    let host = host(&process::output(cargo::rustc().arg("-vV"))?)?;
    let from = folder(Path::new(theirs.trim()), &host);
    let to = folder(sysroot, &host);
    fs::create_dir_all(&to).with_context(|| format!("making {}", to.display()))?;
    for linker in LINKERS {
        let tool = from.join(linker);
        if !tool.exists() {
            bail!("the Rust toolchain in use has no {linker} ({}): use one from rustup", tool.display());
        }
        let link = to.join(linker);
        match fs::remove_file(&link) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).context("replacing a linker"),
            _ => std::os::unix::fs::symlink(&tool, &link).with_context(|| format!("making {}", link.display()))?,
        }
    }
    Ok(())
}

/// Where rustc looks for linkers.
fn folder(sysroot: &Path, host: &str) -> PathBuf {
    sysroot.join("lib/rustlib").join(host).join("bin")
}

/// The machine that rustc runs on, from `rustc -vV`.
pub fn host(version: &str) -> Result<String> {
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_read_from_the_version() {
        let version = "rustc 1.95.0\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\n";
        assert_eq!(host(version).unwrap(), "x86_64-unknown-linux-gnu");
        assert!(host("rustc 1.95.0").is_err());
    }
}
