//! Where the Rust toolchain for guests comes from: the first of these that there is.
//!
//! 1. The toolchain in use, if it has the target.
//! 2. The one that an earlier run made of Debian's packages.
//! 3. The toolchain in use, if rustup adds the target within 20 seconds.
//! 4. One made of Debian's packages now.
//!
//! Invariant: one run at a time looks and makes; others wait for it and find what it made.
//!
//! It changes nothing outside its cache folder but what `rustup target add` and `apt-get update` change.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{debian, rustup, steps};

/// What guests are built for: nothing is ambient there, so a component imports what its plugin uses and nothing else.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// A toolchain that can build guests.
#[derive(Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// Its rustc; `None` is the one in use.
    pub rustc: Option<PathBuf>,
}

/// Finds a toolchain for guests, or makes one.
pub fn ensure() -> Result<Toolchain> {
    const IN_USE: Toolchain = Toolchain { rustc: None };
    if rustup::has_target()? {
        return Ok(IN_USE);
    }
    let cache = cache_folder()?;
    let _held = lock(&cache)?;
    let recipe = debian::Recipe::in_cache(&cache);
    if let Some(rustc) = recipe.made()? {
        return Ok(Toolchain { rustc: Some(rustc) });
    }
    // Another run may have added it while this one waited for the lock.
    if rustup::has_target()? {
        return Ok(IN_USE);
    }
    steps::say(&format!("the Rust toolchain in use has no {TARGET}: asking rustup"));
    match rustup::add_target().and_then(|()| rustup::has_target()) {
        Ok(true) => return Ok(IN_USE),
        Ok(false) => steps::say("rustup added it, but not to the toolchain in use: taking Debian's packages"),
        Err(error) => steps::say(&format!("no: {error:#}; taking Debian's packages")),
    }
    Ok(Toolchain { rustc: Some(recipe.make()?) })
}

/// `$XDG_CACHE_HOME/wharf`, by default `~/.cache/wharf`.
fn cache_folder() -> Result<PathBuf> {
    let base = cache_base(std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from), std::env::home_dir())?;
    let folder = base.join("wharf");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    Ok(folder)
}

/// The XDG base directory specification: a relative path is to be ignored.
fn cache_base(configured: Option<PathBuf>, home: Option<PathBuf>) -> Result<PathBuf> {
    match configured {
        Some(folder) if folder.is_absolute() => Ok(folder),
        _ => Ok(home.context("neither XDG_CACHE_HOME nor a home folder is known")?.join(".cache")),
    }
}

/// Holds the right to make toolchains until the file is closed.
fn lock(cache: &Path) -> Result<File> {
    let path = cache.join("guest-toolchain.lock");
    let file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    if file.try_lock().is_err() {
        steps::say("another run is making the toolchain: waiting for it");
        file.lock().with_context(|| format!("locking {}", path.display()))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_xdg_says() {
        let home = || Some(PathBuf::from("/home/ann"));
        assert_eq!(cache_base(Some("/cache".into()), home()).unwrap(), Path::new("/cache"));
        assert_eq!(cache_base(Some("cache".into()), home()).unwrap(), Path::new("/home/ann/.cache"));
        assert_eq!(cache_base(None, home()).unwrap(), Path::new("/home/ann/.cache"));
        assert!(cache_base(None, None).is_err());
    }

    #[test]
    fn only_one_run_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        let other = File::open(folder.path().join("guest-toolchain.lock")).unwrap();
        assert!(other.try_lock().is_err());
        drop(held);
        other.try_lock().unwrap();
    }
}
