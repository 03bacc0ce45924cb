//! `wharf key add`, `ls` and `revoke`: the keys of a tenant, by which its releases are signed.
//!
//! Invariant: only public keys are sent.

use std::path::Path;

use clap::Subcommand;
use wharf_event::SigningKeyName;
use wharf_gateway::view::{SigningKeyDraft, SigningKeyView};

use super::{
    args::Global,
    error::{CommandError, Exit},
    input::unreadable,
    output::Output,
    pages,
    session::Session,
    words::{bad, good},
};
use crate::{
    client::{ClientError, Condition, Resource},
    compile::read_bounded,
};

/// Commands about the keys that a tenant registered.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Register a public key, so that releases count that are signed by it
    #[command(after_help = "Example:\n  wharf key add ci release.pub")]
    Add {
        /// What the tenant calls it
        name: SigningKeyName,
        /// The public key: a text that begins with `ed25519:`, or a file with that or with PEM
        key: String,
    },
    /// List the keys of the tenant, revoked ones too
    #[command(visible_alias = "list", after_help = "Example:\n  wharf key ls")]
    Ls,
    /// Revoke a key, for good: from then on it vouches for nothing, whenever it signed
    #[command(after_help = "Example:\n  wharf key revoke ci")]
    Revoke {
        /// The key
        name: SigningKeyName,
    },
}

/// Does what was said of keys.
///
/// # Errors
/// When the host refuses, or a file cannot be read.
pub async fn run(command: KeysCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let session = Session::open(global).await?;
    let keys = session.own().at("keys");
    match command {
        KeysCommand::Add { name, key } => {
            let body = serde_json::to_vec(&SigningKeyDraft { key: text(key)? }).map_err(ClientError::NotUnderstood)?;
            let key: SigningKeyView = session.client.put(&keys.at(&name), body, Condition::None).await?;
            tell(&good("registered"), &key, out)
        }
        KeysCommand::Ls => list(&session, &keys, out).await,
        KeysCommand::Revoke { name } => {
            let key: SigningKeyView = session.client.remove(&keys.at(&name)).await?;
            tell(&bad("revoked"), &key, out)
        }
    }
}

async fn list(session: &Session, keys: &Resource, out: &mut Output) -> Result<Exit, CommandError> {
    let name = |key: &SigningKeyView| key.name.to_string();
    let all = pages::whole(&session.client, keys.clone(), name).await?;
    if out.is_json() {
        out.document(&all)?;
        return Ok(Exit::Success);
    }
    let row = |key: &SigningKeyView| {
        let state = if key.revoked_at.is_some() { bad("revoked") } else { good("good") };
        [key.name.to_string(), key.id.clone(), state, key.at.clone(), key.key.clone()]
    };
    out.table(["KEY", "ID", "STATE", "SINCE", "PUBLIC"], all.iter().map(row).collect())?;
    Ok(Exit::Success)
}

/// A key that was written out, or one in a file. What it is, the host finds out.
fn text(given: String) -> Result<String, CommandError> {
    if given.starts_with("ed25519:") {
        return Ok(given);
    }
    let file = Path::new(&given);
    let bytes = read_bounded(file, wharf_signature::limits::TEXT_BYTES_MAX as u64 + 1);
    Ok(String::from_utf8_lossy(&bytes.map_err(|source| unreadable(file, source))?).into_owned())
}

fn tell(word: &str, key: &SigningKeyView, out: &mut Output) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(key)?;
    } else {
        out.line(&format!("{word}  {} {}", key.name, key.id))?;
    }
    Ok(Exit::Success)
}
