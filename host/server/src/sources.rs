//! What a plugin is built of: the files beside its configuration, and whether one of them changed. `wharf dev` builds by that.
//!
//! Invariant: what builders write is no source, so a build is no reason for another: folders of outputs and of what was fetched, hidden
//! ones, components, logs, the host's own data and what it logs to are left out, and so are lock files that a build wrote. A build that all the same
//! writes what it is built of, the same each time, is tried once more and then waits for somebody to change something.
//!
//! A plugin whose component lies in a folder of its own (`triage/target/…/triage.wasm`) is built when something in that folder changes; what
//! lies in no plugin's own folder is taken for everybody's.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use wharf_event::Digest;

use crate::building::{Buildable, buildable};

/// Folders that hold no sources, beside hidden ones.
const NO_SOURCES: [&str; 9] =
    ["target", "node_modules", "dist", "build", "out", "bin", "__pycache__", "wharf-data", "fixtures"];

/// Files that package managers write while they build. Whoever changes one has the next build take it, and none begun for it meanwhile.
const LOCKS: [&str; 4] = ["Cargo.lock", "package-lock.json", "go.sum", "uv.lock"];

/// Files that are looked at; whoever has more is built by hand.
const FILES_MAX: usize = 20_000;

/// Quiet time after a change: editors write in several steps.
const SETTLE: Duration = Duration::from_millis(50);

/// How long changes may come without such a time between.
const SETTLE_MAX: Duration = Duration::from_secs(1);

/// Endings of files that are no sources.
const NO_SOURCE_FILES: [&str; 2] = ["wasm", "log"];

/// Builds one behind the other of which each has other sources than the one before: more are taken for a builder's that writes a time into them.
const BUILDS_ON_END_MAX: u32 = 10;

/// Every source with its time and size, the folders that they are in, and by which commands components are made.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sources {
    files: BTreeMap<PathBuf, (Option<SystemTime>, u64)>,
    folders: Vec<PathBuf>,
    commands: BTreeMap<PathBuf, String>,
}

impl Sources {
    /// Those of a configuration. Where nothing is built it has none, and only the configuration's folder is looked at.
    fn now(config: &Path, data: &Path) -> Self {
        let folder = folder(config);
        match buildable(config) {
            Ok(plugins) if plugins.is_empty() => Self { folders: vec![folder], ..Self::default() },
            Ok(plugins) => {
                let commands = plugins.into_iter().map(|of| (of.component, of.command)).collect();
                Self { commands, ..Self::of(&folder, &outputs(config, data)) }
            }
            Err(_) => Self::of(&folder, &outputs(config, data)),
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
                } else if path.extension().is_none_or(|it| NO_SOURCE_FILES.iter().all(|ending| it != *ending))
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

    /// When the last of those changed that a plugin is made of.
    fn newest(&self, of: &Buildable, roots: &[PathBuf]) -> Option<SystemTime> {
        let ours = self.files.iter().filter(|(path, _)| concerns(path, of, roots));
        ours.filter_map(|(_, (modified, _))| *modified).max()
    }

    /// The files that are others than before, or there no more.
    fn changed<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a PathBuf> {
        let names: BTreeSet<_> = self.files.keys().chain(before.files.keys()).collect();
        names.into_iter().filter(|path| self.files.get(*path) != before.files.get(*path))
    }

    /// What is in those: a builder writes the same each time, and whoever edits does not.
    fn contents_beside(&self, before: &Self) -> BTreeMap<PathBuf, Option<Digest>> {
        let content = |path: &PathBuf| fs::read(path).ok().map(|bytes| Digest::of(&bytes));
        self.changed(before).map(|path| (path.clone(), content(path))).collect()
    }

    /// The plugins that have to be built, given what there was before.
    fn due<'a>(&self, before: &Self, plugins: &'a [Buildable]) -> Vec<&'a Buildable> {
        let changed: Vec<_> = self.changed(before).collect();
        let roots: Vec<_> = plugins.iter().map(root).collect();
        let is_due = |of: &&Buildable| {
            before.commands.get(&of.component) != Some(&of.command)
                || changed.iter().any(|path| concerns(path, of, &roots))
        };
        plugins.iter().filter(is_due).collect()
    }

    /// Takes lock files as a build left them.
    fn forgive(&mut self, after: Self) {
        let is_lock = |path: &PathBuf| path.file_name().is_some_and(|name| LOCKS.iter().any(|lock| name == *lock));
        self.files.retain(|path, _| !is_lock(path));
        self.files.extend(after.files.into_iter().filter(|(path, _)| is_lock(path)));
    }
}

/// Whether a plugin is made of a file: it lies in the plugin's folder, or in none of any plugin.
fn concerns(path: &Path, of: &Buildable, roots: &[PathBuf]) -> bool {
    path.starts_with(root(of)) || !roots.iter().any(|root| path.starts_with(root))
}

/// The folder of a plugin: that of its component, as far as it is no folder of outputs.
fn root(of: &Buildable) -> PathBuf {
    let mut root = canonical(&of.folder);
    let component = canonical(&of.component);
    let within = component.strip_prefix(&root).ok().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
    for part in within.iter().map(|part| part.to_string_lossy().into_owned()) {
        if part.starts_with('.') || NO_SOURCES.contains(&part.as_str()) {
            break;
        }
        root.push(part);
    }
    root
}

/// Builds what was never built, or is older than its sources; what fails is told. Gives the sources as they were before.
pub fn build_at_start(config: &Path, data: &Path) -> Sources {
    let mut sources = Sources::now(config, data);
    // With a mistake in the configuration nobody knows what to build; the host tells of it.
    let plugins = buildable(config).unwrap_or_default();
    let roots: Vec<_> = plugins.iter().map(root).collect();
    for of in &plugins {
        let built = fs::metadata(&of.component).and_then(|about| about.modified()).ok();
        if built.is_none_or(|built| sources.newest(of, &roots).is_some_and(|newest| newest > built)) {
            build(of);
        }
    }
    sources.forgive(Sources::now(config, data));
    sources
}

/// Builds whenever a source changes from what it was `before`, on a thread of its own, until this process ends. The host swaps what
/// comes of it: `built` tells it when there is something new.
pub fn build_on_change(config: PathBuf, data: PathBuf, before: Sources, built: impl Fn() + Send + 'static) {
    let follow = move || follow(&config, &data, before, built);
    if let Err(error) = thread::Builder::new().name("wharf-build".to_owned()).spawn(follow) {
        tracing::error!("plugins are not built: no thread can be started: {error}");
    }
}

fn follow(config: &Path, data: &Path, mut before: Sources, built: impl Fn()) {
    let (changed, changes) = mpsc::channel::<()>();
    loop {
        // A new watcher each time, since there may be new folders, and it is there before the sources are looked at: whatever changes is
        // seen by one of both.
        let watching = watcher(&before.folders, &changed);
        let (mut builds, mut written) = (0, BTreeMap::new());
        loop {
            let mut now = Sources::now(config, data);
            let Ok(plugins) = buildable(config) else {
                // Nobody knows what to build: what changed is looked at once the configuration is right again.
                before.folders = now.folders;
                break;
            };
            if now == before {
                break;
            }
            let due = now.due(&before, &plugins);
            if !due.is_empty() {
                let changed = now.contents_beside(&before);
                if builds >= BUILDS_ON_END_MAX || builds > 1 && changed == written {
                    let files: Vec<_> = changed.keys().map(|path| path.display().to_string()).collect();
                    let files = files.join(", ");
                    tracing::warn!(
                        "a build writes what it is built of ({files}); it is not repeated until something else changes"
                    );
                    before = now;
                    break;
                }
                (builds, written) = (builds + 1, changed);
            }
            let mut is_new = false;
            for of in due {
                is_new |= build(of);
            }
            if is_new {
                built();
            }
            now.forgive(Sources::now(config, data));
            before = now;
        }
        if changes.recv().is_err() {
            return;
        }
        let since = Instant::now();
        while since.elapsed() < SETTLE_MAX && changes.recv_timeout(SETTLE).is_ok() {}
        drop(watching);
    }
}

/// Builds a plugin; true when that went well.
fn build(of: &Buildable) -> bool {
    tracing::info!("building {}: {}", of.plugin, of.command);
    let took = of.build();
    match &took {
        Ok(took) => tracing::info!("built {} in {} ms", of.plugin, took.as_millis()),
        Err(failure) => tracing::error!("not built, what was in force stays\n{failure}"),
    }
    took.is_ok()
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
        [
            "src/lib.rs",
            "Cargo.toml",
            "target/x/lib.rs",
            ".git/HEAD",
            "made.wasm",
            "dev.log",
            "wharf-data/lock",
            "out.bin",
        ]
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
        assert!(after.folders.contains(&at("src/new")));
    }

    fn plugin(folder: &Path, component: &str, command: &str) -> Buildable {
        let plugin = "p".parse().unwrap();
        Buildable { plugin, folder: folder.to_owned(), component: folder.join(component), command: command.to_owned() }
    }

    fn sources(files: &[(&PathBuf, u64)], plugins: &[Buildable]) -> Sources {
        let files = files.iter().map(|(path, size)| ((*path).clone(), (None, *size))).collect();
        let commands = plugins.iter().map(|of| (of.component.clone(), of.command.clone())).collect();
        Sources { files, folders: Vec::new(), commands }
    }

    #[test]
    fn a_plugin_is_due_by_its_own_folder_by_what_is_nobodys_and_by_its_command() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().canonicalize().unwrap().join(path);
        let both = |second: &str| {
            let root = at("");
            vec![plugin(&root, "one/target/x/one.wasm", "make one"), plugin(&root, "two/two.wasm", second)]
        };
        let names = |due: Vec<&Buildable>| due.iter().map(|of| of.command.clone()).collect::<Vec<_>>();
        let (one, two, shared) = (at("one/src/lib.rs"), at("two/plugin.py"), at("shared/order.json"));
        let before = sources(&[(&one, 1), (&two, 1), (&shared, 1)], &both("make two"));
        for (changed, command, due) in [
            (&one, "make two", &["make one"][..]),
            (&two, "make two", &["make two"]),
            (&shared, "make two", &["make one", "make two"]),
            (&at("none"), "make 2", &["make 2"]),
        ] {
            let size = |path: &PathBuf| if path == changed { 2 } else { 1 };
            let plugins = both(command);
            let now = sources(&[(&one, size(&one)), (&two, size(&two)), (&shared, size(&shared))], &plugins);
            assert_eq!(names(now.due(&before, &plugins)), due, "{}", changed.display());
        }
        // A plugin whose component lies beside its sources and the configuration is made of everything there.
        let alone = vec![plugin(&at(""), "orders.wasm", "make")];
        assert_eq!(names(sources(&[(&one, 2)], &alone).due(&sources(&[(&one, 1)], &alone), &alone)), ["make"]);
        let added = both("make two");
        assert_eq!(
            names(before.due(&sources(&[(&one, 1), (&two, 1), (&shared, 1)], &added[..1]), &added)),
            ["make two"]
        );
    }

    #[test]
    fn a_lock_file_that_a_build_wrote_is_no_reason_for_another() {
        let (lock, source) = (PathBuf::from("/p/Cargo.lock"), PathBuf::from("/p/src/lib.rs"));
        let mut before = sources(&[(&source, 1)], &[]);
        before.forgive(sources(&[(&source, 2), (&lock, 9)], &[]));
        assert_eq!(before, sources(&[(&source, 1), (&lock, 9)], &[]));
    }
}
