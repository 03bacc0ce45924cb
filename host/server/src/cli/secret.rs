//! `wharf secret set`, `ls` and `rm`: what the host puts into requests of plugins, and shows nobody.
//!
//! Invariant: a value is read from a file or from stdin, never from the command line, where others could see it; and it is printed nowhere.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use wharf_event::SecretName;
use wharf_gateway::view::{KeptSecretView, SecretDraft};
use wharf_vault::SECRET_BYTES_MAX;

use super::{
    args::Global,
    error::{CommandError, Exit},
    input::unreadable,
    object,
    output::Output,
    pages,
    session::Session,
    words::good,
};
use crate::client::{ClientError, Condition};

/// Commands about the secrets of a tenant.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Keep a value, read from stdin; it takes the place of what was kept under the name
    #[command(
        after_help = "Example:\n  wharf secret set stripe < key.txt\n  pass show stripe | wharf secret set stripe"
    )]
    Set {
        /// What the tenant calls it
        name: SecretName,
        /// Read it from a file
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// List the secrets of the tenant, without their values
    #[command(visible_alias = "list", after_help = "Example:\n  wharf secret ls")]
    Ls,
    /// Remove a secret: requests that need it are not sent any more
    #[command(after_help = "Example:\n  wharf secret rm stripe")]
    Rm {
        /// The secret
        name: SecretName,
    },
}

/// Does what was said of secrets.
///
/// # Errors
/// When the host refuses, or the value cannot be read.
pub async fn run(command: SecretCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let session = Session::open(global).await?;
    let secrets = session.own().at("secrets");
    match command {
        SecretCommand::Set { name, file } => {
            let draft = SecretDraft { value: value(file.as_deref())? };
            let body = serde_json::to_vec(&draft).map_err(ClientError::NotUnderstood)?;
            let kept: KeptSecretView = session.client.put(&secrets.at(&name), body, Condition::None).await?;
            if out.is_json() {
                out.document(&kept)?;
            } else {
                out.line(&format!("{}  {} (version {})", good("kept"), kept.secret, kept.version))?;
            }
        }
        SecretCommand::Ls => {
            let name = |kept: &KeptSecretView| kept.secret.to_string();
            let all = pages::whole(&session.client, secrets, name).await?;
            if out.is_json() {
                out.document(&all)?;
            } else {
                let row = |kept: &KeptSecretView| [kept.secret.to_string(), kept.version.to_string(), kept.at.clone()];
                out.table(["SECRET", "VERSION", "SINCE"], all.iter().map(row).collect())?;
            }
        }
        SecretCommand::Rm { name } => return object::remove(&session, &secrets.at(&name), &name, out).await,
    }
    Ok(Exit::Success)
}

/// The value, without the line break that editors and shells put behind it.
fn value(file: Option<&Path>) -> Result<String, CommandError> {
    let mut text = String::new();
    let most = (SECRET_BYTES_MAX + 2) as u64;
    let read = match file {
        Some(file) => std::fs::File::open(file).and_then(|file| file.take(most).read_to_string(&mut text)),
        None => std::io::stdin().lock().take(most).read_to_string(&mut text),
    };
    read.map_err(|source| unreadable(file.unwrap_or(Path::new("-")), source))?;
    let end = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text).len());
    text.truncate(end.unwrap_or(text.len()));
    Ok(text)
}
