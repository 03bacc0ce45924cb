//! Where changes of files are looked out for: in their folders, since editors and builders replace files rather than write into them.
//!
//! Invariant: a file is noticed when it comes, also where its folder, or one above that, is not there yet or is made anew.

use std::{
    collections::{BTreeMap, HashSet},
    ffi::OsString,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

/// The folders that are there, and what matters in them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lookout {
    /// Each with its device and number: one that is made anew is another.
    folders: BTreeMap<PathBuf, (u64, u64)>,
    names: HashSet<OsString>,
}

impl Lookout {
    /// For these files, as the folders are now.
    pub fn of(files: &[PathBuf]) -> Self {
        let mut lookout = Self::default();
        for file in files {
            lookout.find(file);
        }
        lookout
    }

    /// Looks out for what comes in the next folder above that is there, and for that folder.
    fn find(&mut self, file: &Path) {
        let mut named = file;
        loop {
            self.names.extend(named.file_name().map(ToOwned::to_owned));
            let Some(folder) = named.parent() else { return };
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            if let Ok(about) = fs::metadata(folder) {
                self.names.extend(folder.file_name().map(ToOwned::to_owned));
                self.folders.insert(folder.to_owned(), (about.dev(), about.ino()));
                return;
            }
            named = folder;
        }
    }

    /// Calls `seen` whenever one of the names changes in one of the folders, as long as what is given is kept.
    ///
    /// # Errors
    /// When this machine tells nobody of changes. What is wrong with one folder is logged.
    pub fn watch(&self, seen: impl Fn() + Send + 'static) -> notify::Result<RecommendedWatcher> {
        let names = self.names.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let named = |path: &PathBuf| path.file_name().is_some_and(|name| names.contains(name));
            if event.is_ok_and(|event| !event.kind.is_access() && event.paths.iter().any(named)) {
                seen();
            }
        })?;
        for folder in self.folders.keys() {
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                tracing::error!("{} cannot be watched: {error}", folder.display());
            }
        }
        Ok(watcher)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    /// Whether that is seen within a time in which it would be.
    fn sees(lookout: &Lookout, change: impl FnOnce()) -> bool {
        let (seen, changes) = mpsc::channel();
        let watcher = lookout.watch(move || seen.send(()).unwrap_or_default()).unwrap();
        change();
        let came = changes.recv_timeout(Duration::from_secs(20)).is_ok();
        drop(watcher);
        came
    }

    #[test]
    fn a_file_is_seen_to_come_whose_folders_are_not_there_yet_and_are_made_anew() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let files = [at("wharf.toml"), at("out/release/plugin.wasm")];
        let none = Lookout::of(&files);
        assert_eq!(none.folders.keys().collect::<Vec<_>>(), [root.path()]);
        assert!(sees(&none, || fs::create_dir(at("out")).unwrap()));
        let half = Lookout::of(&files);
        assert_ne!(half, none);
        assert!(sees(&half, || fs::create_dir(at("out/release")).unwrap()));
        let whole = Lookout::of(&files);
        assert!(sees(&whole, || fs::write(at("out/release/plugin.wasm"), "").unwrap()));
        assert_eq!(Lookout::of(&files), whole);
        assert!(sees(&whole, || fs::remove_dir_all(at("out/release")).unwrap()));
        // Something else takes its number, so that the next one has another.
        fs::create_dir(at("out/other")).unwrap();
        fs::create_dir(at("out/release")).unwrap();
        assert_ne!(Lookout::of(&files), whole, "it is another folder");
    }
}
