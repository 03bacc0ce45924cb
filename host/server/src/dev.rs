//! `wharf dev`: a host that follows its files. A changed plugin or configuration is swapped in while events flow; one with
//! mistakes is told about, and what was in force stays.

use std::{collections::HashSet, path::PathBuf, process::ExitCode, time::Duration, time::Instant};

use anyhow::Result;
use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::{
    cli::DevArgs,
    logging,
    serve::{announce, stopped},
    wire::{Reloader, Settings, Threads},
};

/// Quiet time after a change before files are read: builders write in several steps.
const SETTLE: Duration = Duration::from_millis(150);

/// How long running attempts may take at the end.
const DRAIN: Duration = Duration::from_secs(5);

/// Runs a host that follows its files.
///
/// # Errors
/// When it cannot be built.
pub fn run(args: DevArgs, json: bool) -> Result<ExitCode> {
    logging::start(args.log_format);
    let settings = Settings {
        config: args.config,
        data: args.data,
        listen: args.listen,
        dedup_window: args.dedup_window,
        drain: DRAIN,
    };
    let drained = Threads::start()?.run(settings, async |host| {
        announce(&host, json)?;
        let watching = tokio::spawn(watch(host.reloader(), host.files.clone()));
        let drained = host.serve(stopped()).await;
        watching.abort();
        drained
    })?;
    Ok(if drained { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn watch(reloader: Reloader, mut files: Vec<PathBuf>) {
    let (changed, mut changes) = mpsc::unbounded_channel::<()>();
    loop {
        // Folders are watched, not files: editors and builders replace files rather than write into them.
        let names: HashSet<_> = files.iter().filter_map(|file| file.file_name().map(ToOwned::to_owned)).collect();
        let tell = changed.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let ours = |event: &notify::Event| {
                !event.kind.is_access() && event.paths.iter().any(|path| path.file_name().is_some_and(|name| names.contains(name)))
            };
            if event.as_ref().is_ok_and(ours) {
                // Nobody listens any more only when the host is stopping.
                let _ = tell.send(());
            }
        });
        let mut watcher = match watcher {
            Ok(watcher) => watcher,
            Err(error) => {
                tracing::error!("files cannot be watched: {error}; restart after a change");
                return;
            }
        };
        let folders: HashSet<_> = files.iter().filter_map(|file| file.parent()).collect();
        for folder in folders {
            let folder = if folder.as_os_str().is_empty() { std::path::Path::new(".") } else { folder };
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                tracing::error!("{} cannot be watched: {error}", folder.display());
            }
        }
        if changes.recv().await.is_none() {
            return;
        }
        while tokio::time::timeout(SETTLE, changes.recv()).await.is_ok() {}
        files = swap(&reloader, files).await;
    }
}

/// Puts what the files say now into force, and gives the files to be watched from now on.
async fn swap(reloader: &Reloader, files: Vec<PathBuf>) -> Vec<PathBuf> {
    let began = Instant::now();
    let loaded = match reloader.read().await {
        Ok(loaded) => loaded,
        Err(error) => {
            tracing::error!("not reloaded, what was in force stays\n{error}");
            return files;
        }
    };
    let before = reloader.dispatcher().rules();
    let changes = changed_plugins(before.document(), loaded.rules.document());
    let unchanged = before.document() == loaded.rules.document();
    match reloader.put(loaded).await {
        Ok(_) if unchanged => tracing::info!("unchanged"),
        Ok(files) => {
            let ms = began.elapsed().as_millis();
            tracing::info!("reloaded in {ms} ms: {}", if changes.is_empty() { "rules".into() } else { changes.join(", ") });
            return files;
        }
        Err(error) => tracing::error!("not reloaded: {error}"),
    }
    files
}

/// `triage a1b2c3 -> d4e5f6` for each plugin whose release changed.
fn changed_plugins(before: &wharf_delivery::Document, now: &wharf_delivery::Document) -> Vec<String> {
    let mut changes = Vec::new();
    for (tenant, plugins) in now.tenants.iter().map(|(name, tenant)| (name, &tenant.plugins)) {
        for (name, plugin) in plugins {
            let old = before.tenants.get(tenant).and_then(|tenant| tenant.plugins.get(name));
            let new = plugin.release.short();
            match old {
                Some(old) if old.release == plugin.release => {}
                Some(old) => changes.push(format!("{name} {} -> {new}", old.release.short())),
                None => changes.push(format!("{name} {new} (new)")),
            }
        }
    }
    changes
}
