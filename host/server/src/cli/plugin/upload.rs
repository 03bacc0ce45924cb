//! `wharf plugin upload`: a component becomes a release.
//!
//! Invariant: the digest is that of the bytes that are sent; a release that the host has is not sent again.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Args;
use wharf_event::{Code, Digest};
use wharf_gateway::view::ReleaseView;
use wharf_runtime::limits::COMPONENT_BYTES_MAX;
use wharf_signature::limits::TEXT_BYTES_MAX;

use super::{
    super::{
        error::{CommandError, Exit, talk},
        input::unreadable,
        output::Output,
        session::Session,
        signing::signature_file,
        words::{bad, good, later},
    },
    Named, at, bar,
};
use crate::{
    client::{ClientError, Resource},
    compile::read_bounded,
    progress::Progress,
};

/// How often the terminal shows how far it has come.
const SHOW_EVERY: Duration = Duration::from_millis(100);

/// `wharf plugin upload`.
#[derive(Debug, Args)]
pub struct UploadArgs {
    #[command(flatten)]
    named: Named,
    /// The component
    file: PathBuf,
    /// Its version, for people
    #[arg(long)]
    version: Option<String>,
    /// What is to be said about it, for people
    #[arg(short, long)]
    message: Option<String>,
    /// A file with signatures [default: the component's name and `.sig`, if it is there]
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
}

pub(super) async fn run(args: UploadArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let UploadArgs { named: Named { plugin }, file, version, message, signature } = args;
    let wasm = read_bounded(&file, COMPONENT_BYTES_MAX as u64 + 1).map_err(|source| unreadable(&file, source))?;
    let (release, signatures) = (Digest::of(&wasm), signatures(&file, signature)?);
    let note = (version, message, signatures);
    let resource = at(session, &plugin).at("releases").at(release.hex());
    let mut view = match session.client.get::<ReleaseView>(&resource).await {
        // Who vouches for it comes to what is there.
        Ok(known) if known.failure.is_none() && known.signed_by.is_none() && !note.2.is_empty() => {
            send(session, resource.clone(), note, Vec::new()).await?
        }
        // What failed before is tried again.
        Ok(known) if known.failure.is_none() => known,
        Ok(_) => send(session, resource.clone(), note, wasm).await?,
        Err(ClientError::Refused(reply))
            if [Code::ReleaseUnknown, Code::PluginUnknown].iter().any(|code| code.as_str() == reply.code) =>
        {
            send(session, resource.clone(), note, wasm).await?
        }
        Err(error) => return Err(error.into()),
    };
    if !view.state.is_at_rest() {
        view = rested(session, &resource, view).await?;
    }
    if out.is_json() {
        out.document(&view)?;
    } else {
        match &view.failure {
            None if !view.missing.is_empty() => {
                let new = if view.new.is_empty() { &view.missing } else { &view.new };
                out.line(&format!("{}  {plugin} {release}: new: {}", later("needs-grant"), new.join(", ")))?;
                talk(&format!("`wharf grant approve {plugin}` grants it; until then it cannot be promoted"));
            }
            None => out.line(&format!("{}  {plugin} {release}", good("ready")))?,
            Some(failure) => {
                out.line(&format!("{}  {plugin} {release}: {}", bad("failed"), failure.detail))?;
                talk(&format!("`wharf explain {}` says what to do", failure.code));
            }
        }
    }
    Ok(if view.failure.is_none() { Exit::Success } else { Exit::CheckFailed })
}

async fn send(
    session: &Session,
    resource: Resource,
    (version, message, signatures): (Option<String>, Option<String>, Vec<String>),
    wasm: Vec<u8>,
) -> Result<ReleaseView, ClientError> {
    let (bytes, sent) = (wasm.len() as u64, Arc::new(AtomicU64::new(0)));
    let resource = resource.ask_some("version", version).ask_some("message", message);
    let sending = session.client.upload(&resource, wasm, &signatures, &sent);
    let progress = Progress::on_terminal();
    tokio::pin!(sending);
    let view = loop {
        match tokio::time::timeout(SHOW_EVERY, &mut sending).await {
            Ok(done) => break done,
            Err(_) => progress.show(&bar::sending(sent.load(Ordering::Relaxed), bytes)),
        }
    };
    progress.clear();
    view
}

/// Waits until a release is at rest, and shows how far it is meanwhile.
async fn rested(session: &Session, resource: &Resource, mut view: ReleaseView) -> Result<ReleaseView, ClientError> {
    let (progress, mut began) = (Progress::on_terminal(), Instant::now());
    let mut lines = session.client.events(resource).await?;
    while !view.state.is_at_rest() {
        progress.show(&bar::preparing(view.state, began.elapsed()));
        let line = match tokio::time::timeout(SHOW_EVERY, lines.next()).await {
            Err(_) => continue,
            Ok(Err(error)) => return Err(error),
            Ok(Ok(Some(line))) => line,
            // The host ends. What it knew of the release is gone with it, or in its log.
            Ok(Ok(None)) => {
                progress.clear();
                return session.client.get(resource).await;
            }
        };
        if let Some(data) = line.strip_prefix(b"data: ") {
            let next: ReleaseView = serde_json::from_slice(data).map_err(ClientError::NotUnderstood)?;
            began = if next.state == view.state { began } else { Instant::now() };
            view = next;
        }
    }
    progress.clear();
    Ok(view)
}

/// The signatures beside a component, one a line.
fn signatures(file: &Path, given: Option<PathBuf>) -> Result<Vec<String>, CommandError> {
    let beside = match given {
        Some(file) => file,
        None => {
            let beside = signature_file(file);
            if !beside.exists() {
                return Ok(Vec::new());
            }
            beside
        }
    };
    let text = read_bounded(&beside, TEXT_BYTES_MAX as u64).map_err(|source| unreadable(&beside, source))?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(ToOwned::to_owned).collect())
}
