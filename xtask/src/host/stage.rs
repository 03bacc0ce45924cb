//! The folder that a host is run in: a configuration, the plugins beside it, the data, and the host's log.
//!
//! Invariant: the folder is removed when it is no longer used, unless it is kept on purpose.
//!
//! It does not start a host.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::guests::{self, Guest, cargo};

/// The demo's configuration, in the repository.
const CONFIG: &str = "demo/wharf.toml";

/// A folder to run hosts in.
pub struct Stage {
    folder: TempDir,
}

impl Stage {
    /// Builds the guests and lays them out with the demo's configuration, in a new folder.
    pub fn prepare(name: &str) -> Result<Self> {
        let from = cargo::repository().join(CONFIG);
        let config = fs::read_to_string(&from).with_context(|| format!("reading {}", from.display()))?;
        Self::lay_out(&std::env::temp_dir(), name, &config, &guests::build()?)
    }

    /// Lays guests out with a configuration, in a new folder inside of `within`.
    pub fn lay_out(within: &Path, name: &str, config: &str, guests: &[Guest]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix(name).tempdir_in(within).context("making a temporary folder")?;
        for guest in guests {
            let to = folder.path().join(format!("{}.wasm", guest.name));
            fs::copy(&guest.path, &to).with_context(|| format!("copying {}", guest.path.display()))?;
        }
        fs::write(folder.path().join("wharf.toml"), config).context("writing the configuration")?;
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
