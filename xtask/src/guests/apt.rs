//! What Debian's package lists offer, and fetching it.
//!
//! Invariant: what guests are built with is never installed: its packages are downloaded as files. Only a server that a benchmark
//! needs is ([`install`]), where this is root. No configuration is changed. The lists are updated only where they are stale and
//! this is root.
//!
//! It names no host: the machine's own sources are used.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{process, steps};

/// The package that decides the version of all.
pub const SOURCE: &str = "rust-web-src";

/// The packages of one Rust version.
#[derive(Debug, PartialEq, Eq)]
pub struct Packages {
    /// Debian's version of rustc, such as `1.96.0+dfsg1-1~deb12u2`.
    pub version: String,
    /// What to download: a name each, with `=version` where one is asked for.
    pub wanted: Vec<String>,
}

/// Finds the packages of a Rust that is at least `oldest` (such as `1.95`), updating the lists if need be.
pub fn find(oldest: &str) -> Result<Packages> {
    let mut version = candidate()?;
    if !is_at_least(version.as_deref(), oldest) {
        let found = version.as_deref().unwrap_or("none");
        if !rustix::process::geteuid().is_root() {
            bail!(
                "the package lists have no {SOURCE} of {oldest} or newer (found: {found}): run `apt-get update` as root"
            );
        }
        steps::say(&format!(
            "the package lists have no {SOURCE} of {oldest} or newer (found: {found}): apt-get update"
        ));
        process::run(Command::new("apt-get").args(["-qq", "update"])).context("updating the package lists")?;
        version = candidate()?;
    }
    match version {
        Some(version) if is_at_least(Some(&version), oldest) => packages(version),
        Some(version) => bail!("Debian offers {SOURCE} {version} to this machine: {oldest} or newer is needed"),
        None => bail!("Debian offers no {SOURCE} to this machine, so there is no wasm target to be had from it"),
    }
}

/// Installs a package that is to run as a program here. Its service is not started.
pub fn install(package: &str) -> Result<()> {
    let by_hand = format!("this needs the package {package}: run `apt-get install {package}` as root");
    if !rustix::process::geteuid().is_root() || process::find("apt-get").is_none() {
        bail!(by_hand);
    }
    let install = || {
        let mut command = Command::new("apt-get");
        command.args(["-qq", "--yes", "--no-install-recommends", "install", package]);
        // In single-user mode Debian's scripts install services and start none.
        command.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
        process::run(&mut command)
    };
    // Lists that are stale name files that are gone.
    let again = |_| process::run(Command::new("apt-get").args(["-qq", "update"])).and_then(|()| install());
    install().or_else(again).context(by_hand)
}

/// Downloads what is wanted and not yet in `folder`.
pub fn download(packages: &Packages, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    // Packages of another version than the one wanted now have other file names: whole files of this one are kept.
    let half = folder.join("half");
    for package in &packages.wanted {
        if look_for(folder, package)?.is_some() {
            continue;
        }
        steps::fresh_folder(&half)?;
        process::output(Command::new("apt-get").args(["-qq", "download", package]).current_dir(&half))?;
        for file in fs::read_dir(&half)? {
            let file = file?;
            fs::rename(file.path(), folder.join(file.file_name()))?;
        }
        file_of(folder, package)?;
    }
    steps::remove(&half)
}

/// Downloads `package` and unpacks it to `folder`/root, unless that was done.
pub fn unpacked(package: &str, folder: &Path) -> Result<PathBuf> {
    let root = folder.join("root");
    if root.exists() {
        return Ok(root);
    }
    let packages = Packages { version: String::new(), wanted: vec![package.to_owned()] };
    download(&packages, folder).with_context(|| {
        format!("{package} is needed by the tests: where the package lists are empty, `apt-get update`")
    })?;
    let half = folder.join("half-root");
    steps::fresh_folder(&half)?;
    process::output(Command::new("dpkg").arg("-x").args([&file_of(folder, package)?, &half]))?;
    fs::rename(&half, &root).with_context(|| format!("making {}", root.display()))?;
    Ok(root)
}

/// The file of `package` in `folder`.
pub fn file_of(folder: &Path, package: &str) -> Result<PathBuf> {
    look_for(folder, package)?.with_context(|| format!("no {package} in {}", folder.display()))
}

fn look_for(folder: &Path, package: &str) -> Result<Option<PathBuf>> {
    for file in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let file = file?;
        if file.file_name().to_str().is_some_and(|name| is_file_of(name, package)) {
            return Ok(Some(file.path()));
        }
    }
    Ok(None)
}

/// Whether `file` (`name_version_architecture.deb`, with `%3a` for a colon) is the file of `package` (`name` or `name=version`).
fn is_file_of(file: &str, package: &str) -> bool {
    let mut parts = file.split('_');
    let (Some(name), Some(version), Some(rest)) = (parts.next(), parts.next(), parts.next()) else { return false };
    let (wanted, wanted_version) =
        package.split_once('=').map_or((package, None), |(name, version)| (name, Some(version)));
    name == wanted
        && rest.ends_with(".deb")
        && wanted_version.is_none_or(|wanted| version.replace("%3a", ":") == wanted)
}

/// The packages of that version, and the LLVM that it is linked with.
fn packages(version: String) -> Result<Packages> {
    let release = major_minor(&version).with_context(|| format!("{SOURCE} has the version {version}"))?;
    let library = format!("libstd-rust-web-{}.{}", release.0, release.1);
    let shown = process::output(Command::new("apt-cache").args(["show", &format!("{library}={version}")]))?;
    let llvm = llvm_of(&shown).with_context(|| format!("{library} depends on no libllvm"))?;
    let mut wanted: Vec<String> = ["rustc-web", &library, "libstd-rust-web-dev", SOURCE]
        .iter()
        .map(|package| format!("{package}={version}"))
        .collect();
    wanted.push(llvm);
    Ok(Packages { version, wanted })
}

/// The version that apt would install.
fn candidate() -> Result<Option<String>> {
    Ok(candidate_of(&process::output(Command::new("apt-cache").args(["policy", SOURCE]).env("LC_ALL", "C"))?))
}

fn candidate_of(policy: &str) -> Option<String> {
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate:"))?.trim();
    (version != "(none)").then(|| version.to_owned())
}

fn llvm_of(shown: &str) -> Option<String> {
    let depends = shown.lines().find_map(|line| line.strip_prefix("Depends:"))?;
    let names = depends.split(',').filter_map(|dependency| dependency.split_whitespace().next());
    names.map(str::to_owned).find(|name| name.starts_with("libllvm"))
}

fn is_at_least(version: Option<&str>, oldest: &str) -> bool {
    version.and_then(major_minor).is_some_and(|version| Some(version) >= major_minor(oldest))
}

/// The first two numbers of a version.
fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(['.', '+', '~', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_candidate_is_read_from_the_policy() {
        let policy = "rust-web-src:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n  Version table:\n";
        assert_eq!(candidate_of(policy).as_deref(), Some("1.96.0+dfsg1-1~deb12u2"));
        assert_eq!(candidate_of("rust-web-src:\n  Installed: (none)\n  Candidate: (none)\n"), None);
        assert_eq!(candidate_of(""), None);
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        for (version, enough) in [
            (Some("1.96.0+dfsg1-1~deb12u2"), true),
            (Some("1.95.0"), true),
            (Some("1.100"), true),
            (Some("2.0"), true),
            (Some("1.85.0+dfsg3-1~deb12u3"), false),
            (Some("unknown"), false),
            (None, false),
        ] {
            assert_eq!(is_at_least(version, "1.95"), enough, "{version:?}");
        }
    }

    #[test]
    fn the_llvm_is_the_one_that_the_library_depends_on() {
        let shown = "Package: libstd-rust-web-1.96\nDepends: libc6 (>= 2.34), libllvm22, libstdc++6 (>= 11)\n";
        assert_eq!(llvm_of(shown).as_deref(), Some("libllvm22"));
        assert_eq!(llvm_of("Depends: libc6\n"), None);
    }

    #[test]
    fn a_download_is_known_by_its_file_name() {
        for (file, package, same) in [
            ("rustc-web_1.96.0+dfsg1-1_amd64.deb", "rustc-web=1.96.0+dfsg1-1", true),
            ("rustc-web_1.95.0+dfsg1-1_amd64.deb", "rustc-web=1.96.0+dfsg1-1", false),
            ("libllvm22_1%3a22.1.8-1_amd64.deb", "libllvm22", true),
            ("libllvm22_1%3a22.1.8-1_amd64.deb", "libllvm22=1:22.1.8-1", true),
            ("libllvm21_1%3a21.1.8-1_amd64.deb", "libllvm22", false),
            ("half", "libllvm22", false),
        ] {
            assert_eq!(is_file_of(file, package), same, "{file}, {package}");
        }
    }
}
