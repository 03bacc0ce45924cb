//! `wharf plugin upload`: a component becomes a release.
//!
//! Invariant: the digest is that of the bytes that are sent; a release that the host has is not sent again.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Args;
use wharf_event::{Code, Digest};
use wharf_gateway::view::{ReleaseFailure, ReleaseView};
use wharf_runtime::limits::COMPONENT_BYTES_MAX;
use wharf_signature::limits::TEXT_BYTES_MAX;

use super::{
    super::{
        error::{CommandError, Exit, talk},
        input::unreadable,
        output::Output,
        report,
        session::Session,
        signing::signature_file,
        words::{bad, good, later},
    },
    Named, at, bar,
};
use crate::{
    client::{Client, ClientError, Resource},
    compile::read_bounded,
    failure::Failure,
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
    let wasm = read_bounded(&file, COMPONENT_BYTES_MAX as u64 + 1)
        .map_err(|source| CommandError::Component { path: file.clone(), source })?;
    let signatures = match signature {
        Some(given) => signatures(&given).map_err(|source| unreadable(&given, source))?,
        None => signatures_beside(&file).map_err(|(beside, source)| unreadable(&beside, source))?,
    };
    let (release, note) = (Digest::of(&wasm), (version, message, signatures));
    let resource = at(session, &plugin).at("releases").at(release.hex());
    let view = bring(&session.client, &resource, note, wasm).await?;
    if out.is_json() {
        out.document(&view)?;
    } else {
        match &view.failure {
            None if !view.missing.is_empty() => {
                let new = if view.new.is_empty() { &view.missing } else { &view.new };
                out.line(&format!("{}  {plugin} {release}: new: {}", later("needs-grant"), new.join(", ")))?;
                let short = view.release.short();
                talk(&format!("`wharf grant approve {plugin} {short}` grants it; until then it cannot be promoted"));
            }
            None => out.line(&format!("{}  {plugin} {release}", good("ready")))?,
            Some(_) => out.line(&format!("{}  {plugin} {release}", bad("failed")))?,
        }
    }
    Ok(match view.failure {
        None => Exit::Success,
        Some(ReleaseFailure { code, detail, .. }) => {
            let failure = Failure::of_text(code, detail);
            report::tell(&failure, Exit::CheckFailed, out.is_json())
        }
    })
}

/// What goes with a component: its version and what is said about it, for people, and signatures, one a line.
pub type Note = (Option<String>, Option<String>, Vec<String>);

/// Sends a component to its place unless the host has it, and waits until it is at rest there.
pub async fn bring(
    client: &Client,
    resource: &Resource,
    note: Note,
    wasm: Vec<u8>,
) -> Result<ReleaseView, ClientError> {
    let view = match client.get::<ReleaseView>(resource).await {
        // Who vouches for it comes to what is there.
        Ok(known) if known.failure.is_none() && known.signed_by.is_none() && !note.2.is_empty() => {
            send(client, resource.clone(), note, Vec::new()).await?
        }
        // What failed before is tried again.
        Ok(known) if known.failure.is_none() => known,
        Ok(_) => send(client, resource.clone(), note, wasm).await?,
        Err(ClientError::Refused(reply))
            if [Code::ReleaseUnknown, Code::PluginUnknown].iter().any(|code| code.as_str() == reply.code) =>
        {
            send(client, resource.clone(), note, wasm).await?
        }
        Err(error) => return Err(error),
    };
    if view.state.is_at_rest() { Ok(view) } else { rested(client, resource, view).await }
}

async fn send(
    client: &Client,
    resource: Resource,
    (version, message, signatures): Note,
    wasm: Vec<u8>,
) -> Result<ReleaseView, ClientError> {
    let (bytes, sent) = (wasm.len() as u64, Arc::new(AtomicU64::new(0)));
    let resource = resource.ask_some("version", version).ask_some("message", message);
    let sending = client.upload(&resource, wasm, &signatures, &sent);
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
async fn rested(client: &Client, resource: &Resource, mut view: ReleaseView) -> Result<ReleaseView, ClientError> {
    let (progress, mut began) = (Progress::on_terminal(), Instant::now());
    let mut lines = client.events(resource).await?;
    while !view.state.is_at_rest() {
        progress.show(&bar::preparing(view.state, began.elapsed()));
        let line = match tokio::time::timeout(SHOW_EVERY, lines.next()).await {
            Err(_) => continue,
            Ok(Err(error)) => return Err(error),
            Ok(Ok(Some(line))) => line,
            // The host ends. What it knew of the release is gone with it, or in its log.
            Ok(Ok(None)) => {
                progress.clear();
                return client.get(resource).await;
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

/// The signatures beside a component, if there are any.
///
/// # Errors
/// When the file that has them cannot be read; it is named.
pub fn signatures_beside(component: &Path) -> Result<Vec<String>, (PathBuf, io::Error)> {
    let beside = signature_file(component);
    match beside.exists() {
        true => signatures(&beside).map_err(|source| (beside, source)),
        false => Ok(Vec::new()),
    }
}

/// The signatures of a file, one a line.
fn signatures(file: &Path) -> io::Result<Vec<String>> {
    let text = read_bounded(file, TEXT_BYTES_MAX as u64)?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(ToOwned::to_owned).collect())
}
