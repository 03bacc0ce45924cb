//! What a plugin is built of: the files beside its configuration, and whether one of them changed. `wharf dev` builds by that.
//!
//! Invariant: what builders write is no source, so a build is no reason for another: folders of outputs and of what was fetched, hidden
//! ones, components, the host's own data and what it logs to are left out. A build that all the same changes what it is built of is tried once more
//! and then waits for somebody to change something.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, SystemTime},
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::building::{Buildable, buildable};

/// Folders that hold no sources, beside hidden ones.
const NO_SOURCES: [&str; 9] =
    ["target", "node_modules", "dist", "build", "out", "bin", "__pycache__", "wharf-data", "fixtures"];

/// Files that are looked at; whoever has more is built by hand.
const FILES_MAX: usize = 20_000;

/// Quiet time after a change: editors write in several steps.
const SETTLE: Duration = Duration::from_millis(50);

/// Every source with its time and size, and the folders that they are in.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sources {
    files: BTreeMap<PathBuf, (Option<SystemTime>, u64)>,
    folders: Vec<PathBuf>,
}

impl Sources {
    /// Those of a configuration. Where nothing is built it has none, and only the configuration's folder is looked at.
    fn now(config: &Path, data: &Path) -> Self {
        let folder = folder(config);
        match buildable(config) {
            Ok(plugins) if plugins.is_empty() => Self { files: BTreeMap::new(), folders: vec![folder] },
            _ => Self::of(&folder, &outputs(config, data)),
        }
    }

    fn of(folder: &Path, left_out: &[PathBuf]) -> Self {
        let (mut sources, talk) = (Self::default(), talk());
        let mut left = vec![folder.to_owned()];
        while let Some(folder) = left.pop() {
            // A folder that went meanwhile has no files.
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for path in entries.flatten().map(|entry| entry.path()) {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if name.starts_with('.') || left_out.contains(&path) {
                    continue;
                }
                let Ok(about) = fs::symlink_metadata(&path) else { continue };
                if about.is_dir() {
                    if !NO_SOURCES.contains(&name.as_str()) {
                        left.push(path);
                    }
                } else if path.extension().is_none_or(|it| it != "wasm")
                    && !talk.contains(&(about.dev(), about.ino()))
                    && sources.files.len() < FILES_MAX
                {
                    sources.files.insert(path, (about.modified().ok(), about.len()));
                }
            }
            sources.folders.push(folder);
        }
        sources
    }

    /// When the last of them changed.
    fn newest(&self) -> Option<SystemTime> {
        self.files.values().filter_map(|(modified, _)| *modified).max()
    }
}

/// Builds what was never built, or is older than its sources; what fails is told. Gives the sources as they were before.
pub fn build_at_start(config: &Path, data: &Path) -> Sources {
    let sources = Sources::now(config, data);
    // With a mistake in the configuration nobody knows what to build; the host tells of it.
    for of in buildable(config).unwrap_or_default() {
        let built = fs::metadata(&of.component).and_then(|about| about.modified()).ok();
        if built.is_none_or(|built| sources.newest().is_some_and(|newest| newest > built)) {
            build(&of);
        }
    }
    sources
}

/// Builds whenever a source changes from what it was `before`, on a thread of its own, until this process ends. The host swaps what
/// comes of it.
pub fn build_on_change(config: PathBuf, data: PathBuf, before: Sources) {
    let follow = move || follow(&config, &data, before);
    if let Err(error) = thread::Builder::new().name("wharf-build".to_owned()).spawn(follow) {
        tracing::error!("plugins are not built: no thread can be started: {error}");
    }
}

fn follow(config: &Path, data: &Path, mut before: Sources) {
    let (changed, changes) = mpsc::channel::<()>();
    loop {
        // A new watcher each time, since there may be new folders, and it is there before the sources are looked at: whatever changes is
        // seen by one of both.
        let watching = watcher(&before.folders, &changed);
        let mut tries = 2;
        loop {
            let now = Sources::now(config, data);
            if now == before {
                break;
            }
            before = now;
            if tries == 0 {
                tracing::warn!("a build changes what it is built of; it is not repeated until something else changes");
                break;
            }
            tries -= 1;
            buildable(config).unwrap_or_default().iter().for_each(build);
        }
        if changes.recv().is_err() {
            return;
        }
        while changes.recv_timeout(SETTLE).is_ok() {}
        drop(watching);
    }
}

fn build(of: &Buildable) {
    tracing::info!("building {}: {}", of.plugin, of.command);
    match of.build() {
        Ok(took) => tracing::info!("built {} in {} ms", of.plugin, took.as_millis()),
        Err(failure) => tracing::error!("not built, what was in force stays\n{failure}"),
    }
}

/// The files that this process writes its talk to, by device and number: builds have theirs written there too.
fn talk() -> Vec<(u64, u64)> {
    let about = |stream: &str| fs::metadata(stream).ok().map(|about| (about.dev(), about.ino()));
    ["/proc/self/fd/1", "/proc/self/fd/2"].into_iter().filter_map(about).collect()
}

/// The folder of a configuration.
fn folder(config: &Path) -> PathBuf {
    canonical(config.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// One spelling of a path, whether there is anything or not.
fn canonical(path: &Path) -> PathBuf {
    fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

/// What is no source: what builds write, the configuration itself, which the host follows, and what the host keeps.
fn outputs(config: &Path, data: &Path) -> Vec<PathBuf> {
    let components = buildable(config).unwrap_or_default().into_iter().map(|of| of.component);
    components.chain([config.to_owned(), data.to_owned()]).map(|path| canonical(&path)).collect()
}

fn watcher(folders: &[PathBuf], changed: &mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let tell = changed.clone();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            // Nobody listens any more only when the host is stopping.
            let _ = tell.send(());
        }
    });
    let mut watcher = watcher.inspect_err(|error| tracing::error!("sources cannot be watched: {error}")).ok()?;
    for folder in folders {
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            tracing::error!("{} cannot be watched: {error}", folder.display());
        }
    }
    Some(watcher)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_builders_write_is_no_source() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        let write = |path: &str| {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            fs::write(at(path), path).unwrap();
        };
        ["src/lib.rs", "Cargo.toml", "target/x/lib.rs", ".git/HEAD", "made.wasm", "wharf-data/lock", "out.bin"]
            .into_iter()
            .for_each(write);
        let sources = || Sources::of(folder.path(), &[at("out.bin")]);
        let before = sources();
        let files: Vec<_> = before.files.keys().cloned().collect();
        assert_eq!(files, [at("Cargo.toml"), at("src/lib.rs")]);
        ["target/x/other.rs", "made.wasm", "wharf-data/log/1"].into_iter().for_each(write);
        assert_eq!(sources(), before);
        write("src/new/mod.rs");
        let after = sources();
        assert_ne!(after, before);
        assert!(after.newest() >= before.newest() && after.folders.contains(&at("src/new")));
    }
}
