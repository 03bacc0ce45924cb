//! Plugins and releases as people read them.

use wharf_gateway::view::{HistoryView, PluginDetail, PluginView, ReleaseState, ReleaseView};

use super::super::{
    error::{CommandError, Exit},
    object,
    output::Output,
    standing::breaker_lines,
    words::{bad, good, later, strong},
};

pub(super) fn list(all: &[PluginView], out: &mut Output) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(&all)?;
        return Ok(Exit::Success);
    }
    let row = |view: &PluginView| {
        let stable = view.stable.map_or_else(|| "-".to_owned(), |release| release.short());
        let canary = view.canary.as_ref().map_or_else(String::new, |canary| {
            format!("{} {} ({} of {} failed)", canary.release.short(), canary.share, canary.failures, canary.attempts)
        });
        [view.plugin.to_string(), object::origin(view.origin).to_owned(), stable, canary]
    };
    out.table(["PLUGIN", "FROM", "STABLE", "CANARY"], all.iter().map(row).collect())?;
    Ok(Exit::Success)
}

pub(super) fn settings(detail: &PluginDetail, out: &mut Output) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(detail)?;
        return Ok(Exit::Success);
    }
    let PluginView { plugin, stable, canary, .. } = &detail.plugin;
    let version = detail.version.map_or_else(String::new, |version| format!("  version {version}"));
    out.line(&format!("{}  from {}{version}", strong(plugin.as_str()), object::origin(detail.plugin.origin)))?;
    match stable {
        Some(stable) => out.line(&format!("stable    {stable}"))?,
        None => out.line("stable    none: `wharf promote` gives a release the traffic")?,
    }
    if let Some(canary) = canary {
        let until = canary.until.as_deref().map_or_else(String::new, |until| format!(" until {until}"));
        out.line(&format!("canary    {}  {}{until}", canary.release, canary.share))?;
        out.line(&format!(
            "          {} of {} first attempts failed; stable: {} of {}",
            canary.failures, canary.attempts, canary.stable_failures, canary.stable_attempts
        ))?;
        if !canary.abort_on.is_empty() {
            out.line(&format!("          ends at {}", canary.abort_on.join(", ")))?;
        }
    }
    for (channel, release) in &detail.channels {
        out.line(&format!("{channel:<9} {release}"))?;
    }
    for (key, value) in &detail.config {
        out.line(&format!("config    {key} = {value}"))?;
    }
    let grants = &detail.grants;
    for (what, names) in [
        ("publish", &grants.publish),
        ("kv", &grants.kv),
        ("http", &grants.http),
        ("secrets", &grants.secrets),
        ("llm", &grants.llm),
        ("infer", &grants.infer),
        ("hold", &grants.hold),
    ] {
        if !names.is_empty() {
            out.line(&format!("grants    {what} {}", names.join(", ")))?;
        }
    }
    if let Some(standing) = &detail.breaker_state {
        for (n, line) in breaker_lines(standing).into_iter().enumerate() {
            out.line(&format!("{:<10}{line}", if n == 0 { "breaker" } else { "" }))?;
        }
    }
    Ok(Exit::Success)
}

pub(super) fn history(detail: &PluginDetail, out: &mut Output) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(&detail.history)?;
        return Ok(Exit::Success);
    }
    let row = |entry: &HistoryView| {
        let share = entry.share.clone().unwrap_or_default();
        [
            entry.at.clone(),
            entry.action.clone(),
            entry.channel.as_ref().map_or_else(String::new, ToString::to_string),
            entry.release.short(),
            share,
            entry.cause.clone(),
            entry.reason.clone(),
        ]
    };
    out.table(["AT", "WHAT", "CHANNEL", "RELEASE", "SHARE", "BY", "WHY"], detail.history.iter().map(row).collect())?;
    Ok(Exit::Success)
}

pub(super) fn releases(all: &[ReleaseView], out: &mut Output) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(&all)?;
        return Ok(Exit::Success);
    }
    let row = |release: &ReleaseView| {
        let state = match release.state {
            ReleaseState::Ready => good("ready"),
            ReleaseState::Failed => bad("failed"),
            ReleaseState::NeedsGrant => later("needs-grant"),
            other => later(word(other)),
        };
        let why = release.failure.as_ref().map(|failure| format!("{}: {}", failure.code, failure.detail));
        let waits = (!release.missing.is_empty()).then(|| format!("not granted: {}", release.missing.join(", ")));
        let said = why.or(waits).or(release.message.clone()).unwrap_or_default();
        let version = release.version.clone().unwrap_or_default();
        [release.release.short(), state, release.at.clone(), version, release.bytes.to_string(), said]
    };
    out.table(["RELEASE", "STATE", "AT", "VERSION", "BYTES", "MESSAGE"], all.iter().map(row).collect())?;
    Ok(Exit::Success)
}

/// How far a release has come, in a word.
pub(super) fn word(state: ReleaseState) -> &'static str {
    match state {
        ReleaseState::Uploaded => "uploaded",
        ReleaseState::Inspecting => "inspecting",
        ReleaseState::Compiling => "compiling",
        ReleaseState::Probing => "probing",
        ReleaseState::NeedsGrant => "needs-grant",
        ReleaseState::Ready => "ready",
        ReleaseState::Failed => "failed",
    }
}
