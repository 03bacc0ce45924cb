//! Work in steps that a later run takes up where an earlier one ended.
//!
//! Invariant: a step's stamp is written after all of the step, and names the version that the step was done for; a step without
//! that stamp is done again from its start.
//!
//! It does not clean up after a step that was cut off: the step itself, when it is done again, copes with what it finds.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};

/// Tells the person who waits.
pub fn say(what: &str) {
    eprintln!("guests: {what}");
}

/// The steps of one piece of work, in a folder of its own.
pub struct Steps {
    folder: PathBuf,
    version: String,
}

impl Steps {
    /// Steps towards `version`, in `folder`.
    pub fn new(folder: &Path, version: &str) -> Self {
        Self { folder: folder.to_owned(), version: version.to_owned() }
    }

    /// Does the step `name`, unless it is done. `what` is for the person who waits.
    pub fn step(&self, name: &str, what: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        if self.is_done(name) {
            return Ok(());
        }
        say(&format!("{what} ..."));
        let start = Instant::now();
        work().with_context(|| what.to_owned())?;
        let stamp = stamp(&self.folder, name);
        let half = stamp.with_extension("tmp");
        fs::write(&half, &self.version).with_context(|| format!("writing {}", half.display()))?;
        fs::rename(&half, &stamp).with_context(|| format!("making {}", stamp.display()))?;
        say(&format!("{what}: {} s", start.elapsed().as_secs()));
        Ok(())
    }

    fn is_done(&self, name: &str) -> bool {
        version_of(&self.folder, name).is_some_and(|version| version == self.version)
    }
}

/// The version that the step `name` was done for, if it was.
pub fn version_of(folder: &Path, name: &str) -> Option<String> {
    fs::read_to_string(stamp(folder, name)).ok()
}

fn stamp(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.done"))
}

/// An empty folder at `path`, whatever was there.
pub fn fresh_folder(path: &Path) -> Result<()> {
    remove(path)?;
    fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))
}

/// No folder at `path`, whatever was there.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use anyhow::bail;

    use super::*;

    #[test]
    fn a_step_is_done_once_for_a_version_and_again_for_another() {
        let folder = tempfile::tempdir().unwrap();
        let times = Cell::new(0);
        let mut done = Vec::new();
        for version in ["1", "1", "2", "2", "1"] {
            let work = || {
                times.set(times.get() + 1);
                Ok(())
            };
            Steps::new(folder.path(), version).step("unpacked", "unpacking", work).unwrap();
            done.push(times.get());
        }
        assert_eq!(done, [1, 1, 2, 2, 3]);
        assert_eq!(version_of(folder.path(), "unpacked").as_deref(), Some("1"));
    }

    #[test]
    fn a_step_that_failed_is_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let steps = Steps::new(folder.path(), "1");
        let error = steps.step("unpacked", "unpacking", || bail!("disk full")).unwrap_err();
        assert_eq!(format!("{error:#}"), "unpacking: disk full");
        assert_eq!(version_of(folder.path(), "unpacked"), None);
        steps.step("unpacked", "unpacking", || Ok(())).unwrap();
    }

    #[test]
    fn a_fresh_folder_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        fresh_folder(&path).unwrap();
        fs::write(path.join("left over"), "").unwrap();
        fresh_folder(&path).unwrap();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        remove(&path).unwrap();
        remove(&path).unwrap();
    }
}
