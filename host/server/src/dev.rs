//! `wharf dev`: a host that follows its files. A changed plugin or configuration is swapped in while events flow; one with
//! mistakes is told about, and what was in force stays. Plugins that say how they are built are built when their sources change.

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::sync::mpsc;

use crate::{
    cli::HostArgs,
    folder, logging,
    lookout::Lookout,
    serve::{announce, stopped},
    sources,
    threads::Threads,
    unmatched,
    wire::{Reloader, Settings},
};

/// Quiet time after a change before files are read: builders write in several steps.
const SETTLE: Duration = Duration::from_millis(150);

/// The same behind a build that this process waited for: it writes no more, but what it wrote may still be told of.
const SETTLE_BUILT: Duration = Duration::from_millis(10);

/// Why files are read again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    /// One of them is another.
    Seen,
    /// Builders of some of them have ended.
    Built,
}

/// How long running attempts may take at the end.
const DRAIN: Duration = Duration::from_secs(5);

/// Runs a host that follows its files.
///
/// # Errors
/// When it cannot be built.
pub fn run(args: HostArgs, json: bool) -> Result<ExitCode> {
    let _logging = logging::start(args.log_format, &args.log);
    folder::keep_to_owner();
    let (config, data) = (args.file.config.clone(), args.data.clone());
    let before = sources::build_at_start(&config, &data);
    let settings = Settings { is_watched: true, ..Settings::new(args, DRAIN, true) };
    let drained = Threads::start()?.run(settings, async |host| {
        let stopped = stopped();
        let telling = tokio::spawn(unmatched::tell(host.dispatcher().clone()));
        announce(&host, json)?;
        let (changed, changes) = mpsc::unbounded_channel();
        let built = changed.clone();
        let watching = tokio::spawn(watch(host.reloader(), host.files.clone(), (changed, changes)));
        sources::build_on_change(config, data, before, move || {
            // Nobody listens any more only when the host is stopping.
            let _ = built.send(Change::Built);
        });
        let drained = host.serve(stopped).await;
        watching.abort();
        telling.abort();
        drained
    })?;
    Ok(if drained { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Puts each change into force until the host ends.
///
/// Files are compared whenever a watcher is new, and the old one watches until then: whatever changes is seen by one of them.
async fn watch(
    reloader: Reloader,
    mut files: Vec<PathBuf>,
    (changed, mut changes): (mpsc::UnboundedSender<Change>, mpsc::UnboundedReceiver<Change>),
) {
    let (mut lookout, mut watcher) = (Lookout::default(), None);
    let (mut told, mut refused) = (false, None);
    loop {
        let now = Lookout::of(&files);
        if now != lookout {
            let changed = changed.clone();
            let seen = move || {
                // Nobody listens any more only when the host is stopping.
                let _ = changed.send(Change::Seen);
            };
            match now.watch(seen) {
                Ok(next) => (lookout, watcher) = (now, Some(next)),
                Err(error) => return tracing::error!("files cannot be watched: {error}; restart after a change"),
            }
        }
        let refused_before = refused.take();
        match swap(&reloader, &mut files, told).await {
            Ok(()) => {}
            // It was said with the watcher before, for the same change.
            Err(error) if !told && refused_before.as_ref() == Some(&error) => refused = Some(error),
            Err(error) => {
                tracing::error!("not reloaded, what was in force stays\n{error}");
                refused = Some(error);
            }
        }
        told = false;
        if Lookout::of(&files) != lookout {
            continue;
        }
        let Some(change) = quiet(&mut changes).await else { break };
        // A build that makes what was there is no news.
        told = change == Change::Seen;
    }
    drop(watcher);
}

/// Waits for a change and for the quiet behind it, which is short where the last that is told of is a build that ended. Gives that last
/// one; absent when none will come.
async fn quiet(changes: &mut mpsc::UnboundedReceiver<Change>) -> Option<Change> {
    let mut last = changes.recv().await?;
    loop {
        let settle = if last == Change::Built { SETTLE_BUILT } else { SETTLE };
        match tokio::time::timeout(settle, changes.recv()).await {
            Ok(Some(next)) => last = next,
            Ok(None) | Err(_) => return Some(last),
        }
    }
}

/// Puts what the files say now into force; `files` become those that it was looked for in, and stay beside them when it is refused. That
/// nothing changed is said only when a change was `told`.
///
/// # Errors
/// Why what was in force stays.
async fn swap(reloader: &Reloader, files: &mut Vec<PathBuf>, told: bool) -> Result<(), String> {
    let began = Instant::now();
    let (looked_for, loaded) = reloader.read().await.map_err(|error| error.to_string())?;
    let missing: Vec<_> = looked_for.iter().filter(|file| !files.contains(file)).cloned().collect();
    files.extend(missing);
    let loaded = loaded.map_err(|error| error.to_string())?;
    let before = reloader.dispatcher().rules();
    let changes = changed_plugins(before.document(), loaded.rules.document());
    let same_rules = before.document() == loaded.rules.document();
    reloader.put(loaded).await.map_err(|error| error.to_string())?;
    *files = looked_for;
    let ms = began.elapsed().as_millis();
    match (same_rules, changes.is_empty()) {
        (true, _) if told => tracing::info!("reloaded in {ms} ms; rules and plugins are as they were"),
        (true, _) => {}
        (false, true) => tracing::info!("reloaded rules in {ms} ms"),
        (false, false) => tracing::info!("reloaded {} in {ms} ms", changes.join(", ")),
    }
    Ok(())
}

/// `triage a1b2c3 → d4e5f6` for each plugin whose release changed, came or went.
fn changed_plugins(before: &wharf_delivery::Document, now: &wharf_delivery::Document) -> Vec<String> {
    let mut changes = Vec::new();
    for (tenant, plugins) in now.tenants.iter().map(|(name, tenant)| (name, &tenant.plugins)) {
        for (name, plugin) in plugins {
            let old = before.tenants.get(tenant).and_then(|tenant| tenant.plugins.get(name));
            let new = plugin.release.short();
            match old {
                Some(old) if old.release == plugin.release => {}
                Some(old) => changes.push(format!("{name} {} → {new}", old.release.short())),
                None => changes.push(format!("{name} {new} (new)")),
            }
        }
    }
    for (name, tenant) in &before.tenants {
        let left = now.tenants.get(name).map(|tenant| &tenant.plugins);
        let gone = tenant.plugins.keys().filter(|plugin| left.is_none_or(|left| !left.contains_key(*plugin)));
        changes.extend(gone.map(|plugin| format!("{plugin} (gone)")));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last of these changes, which came at once, and the milliseconds until there was quiet.
    async fn until_quiet(came: &[Change]) -> (Option<Change>, u128) {
        let (changed, mut changes) = mpsc::unbounded_channel();
        came.iter().for_each(|change| changed.send(*change).unwrap());
        let began = tokio::time::Instant::now();
        (quiet(&mut changes).await, began.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn a_build_that_ended_is_not_waited_behind_as_a_change_is_that_somebody_else_may_go_on_with() {
        let (seen, built) = (Change::Seen, Change::Built);
        for (came, last, ms) in
            [(&[seen][..], seen, 150), (&[seen, seen, built], built, 10), (&[built, seen], seen, 150)]
        {
            let (found, took) = until_quiet(came).await;
            assert!(found == Some(last) && (ms..ms + 5).contains(&took), "{took}");
        }
        let (changed, mut changes) = mpsc::unbounded_channel();
        drop(changed);
        assert!(quiet(&mut changes).await.is_none());
    }
}
