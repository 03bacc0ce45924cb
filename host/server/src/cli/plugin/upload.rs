//! `wharf plugin upload`: a component becomes a release.
//!
//! Invariant: the digest is that of the bytes that are sent; a release that the host has is not sent again.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use wharf_event::{Code, Digest};
use wharf_gateway::view::{ReleaseState, ReleaseView};
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
    Named, at, show,
};
use crate::{
    client::{ClientError, Resource},
    compile::read_bounded,
    progress::Progress,
};

/// How often the host is asked how far it has come.
const ASK_EVERY: Duration = Duration::from_millis(100);

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
    let progress = Progress::on_terminal();
    while !matches!(view.state, ReleaseState::Ready | ReleaseState::NeedsGrant | ReleaseState::Failed) {
        progress.show(show::word(view.state));
        tokio::time::sleep(ASK_EVERY).await;
        view = session.client.get(&resource).await?;
    }
    progress.clear();
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
    session.client.upload(&resource.ask_some("version", version).ask_some("message", message), wasm, &signatures).await
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
