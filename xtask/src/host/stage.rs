//! The folder that a host is run in: the demo's configuration, the plugins beside it, the data, and the host's log.
//!
//! Invariant: the folder is removed when it is no longer used, unless it is kept on purpose.
//!
//! It does not start a host.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::guests::{self, cargo};

/// The configuration that is run, in the repository.
const CONFIG: &str = "demo/wharf.toml";

/// A folder to run hosts in.
pub struct Stage {
    folder: TempDir,
}

impl Stage {
    /// Builds the guests and lays them out with the configuration, in a new folder.
    pub fn prepare(name: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix(name).tempdir().context("making a temporary folder")?;
        for guest in guests::build()? {
            let to = folder.path().join(format!("{}.wasm", guest.name));
            fs::copy(&guest.path, &to).with_context(|| format!("copying {}", guest.path.display()))?;
        }
        let from = cargo::repository().join(CONFIG);
        fs::copy(&from, folder.path().join("wharf.toml")).with_context(|| format!("copying {}", from.display()))?;
        Ok(Self { folder })
    }

    /// Where all of it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration.
    pub fn config(&self) -> PathBuf {
        self.path().join("wharf.toml")
    }

    /// The host's data.
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// What the host has to say.
    pub fn log(&self) -> PathBuf {
        self.path().join("host.log")
    }

    /// Keeps the folder, and says where it is.
    pub fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}
