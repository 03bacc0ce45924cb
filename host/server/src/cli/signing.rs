//! `wharf key generate`, `wharf sign` and `wharf verify`: keys and signatures of releases, in files. No host is asked.
//!
//! Invariant: a private key is written once, for its owner alone, and never over something that is there; it is never printed. What
//! the texts are is in docs/design/signatures.md.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::Subcommand;
use rand::{TryRng as _, rngs::SysRng};
use serde::Serialize;
use wharf_event::{Code, Digest};
use wharf_inspect::limits::COMPONENT_BYTES_MAX;
use wharf_signature::{
    KeyError, Keys, Policy, PublicKey, SecretKey, Signature, SignatureError, check, limits::TEXT_BYTES_MAX,
};

use super::{
    error::{CommandError, Exit, talk},
    keys::KeysCommand,
    output::Output,
    report,
};
use crate::{compile::read_bounded, failure::Failure};

/// What a signature's file is called: the component's name and this.
const SUFFIX: &str = ".sig";

/// Who may read a private key: its owner.
const OWNER_ONLY: u32 = 0o600;

/// `wharf key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key that signs releases: the private part goes to a file, the public one to stdout
    #[command(after_help = "Example:\n  wharf key generate --out release.pem > release.pub")]
    Generate {
        /// The file of the private key, which must not be there yet
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Those that a tenant registered.
    #[command(flatten)]
    Registered(KeysCommand),
}

/// `wharf sign`.
#[derive(Debug, clap::Args)]
pub struct SignArgs {
    /// The component
    file: PathBuf,
    /// The private key: PEM, as `wharf key generate` and openssl write it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

/// `wharf verify`.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The component
    file: PathBuf,
    /// The public key: a text that begins with `ed25519:`, or a file with that or with PEM
    #[arg(long, value_name = "KEY|FILE")]
    key: String,
    /// The signatures [default: the component's name and `.sig`]
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
}

#[derive(Serialize)]
struct Generated<'a> {
    file: &'a Path,
    id: String,
    public: PublicKey,
}

#[derive(Serialize)]
struct Signed<'a> {
    file: &'a Path,
    digest: Digest,
    key: String,
    signature: String,
    written: PathBuf,
}

#[derive(Serialize)]
struct VerifiedFile<'a> {
    file: &'a Path,
    digest: Digest,
    key: String,
    verified: bool,
    code: Option<Code>,
}

/// Makes a key in `file`.
///
/// # Errors
/// When the file is there, or cannot be written.
pub fn generate(file: &Path, out: &mut Output) -> Result<Exit> {
    let mut random = [0; 32];
    SysRng.try_fill_bytes(&mut random).context("the system gives no random bytes")?;
    let key = SecretKey::from_random(&random).map_err(unusable)?;
    let pem = key.to_pem().map_err(unusable)?;
    let made = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(file);
    let made = made.and_then(|mut made| made.write_all(pem.as_bytes()).and_then(|()| made.sync_all()));
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(CommandError::KeyThere(file.to_owned()).into());
        }
        made => made.with_context(|| format!("{} cannot be written", file.display()))?,
    }
    let public = key.public();
    if out.is_json() {
        out.document(&Generated { file, id: public.id().to_string(), public })?;
    } else {
        out.line(&public.to_string())?;
    }
    talk(&format!("{} holds the private key: who has it signs for you", file.display()));
    Ok(Exit::Success)
}

/// Signs a component and writes the signature beside it.
///
/// # Errors
/// When a file cannot be read or written, or the key is none.
pub fn sign(args: &SignArgs, out: &mut Output) -> Result<Exit> {
    let digest = digest(&args.file)?;
    let key = SecretKey::from_pem(&text(&args.key)?).map_err(unusable)?;
    let signature = key.sign(&digest);
    let written = signature_file(&args.file);
    fs::write(&written, format!("{signature}\n"))
        .with_context(|| format!("{} cannot be written", written.display()))?;
    let line = format!("{} is signed by {}", digest, signature.key);
    if out.is_json() {
        let (key, signature) = (signature.key.to_string(), signature.to_string());
        out.document(&Signed { file: &args.file, digest, key, signature, written })?;
    } else {
        out.line(&line)?;
    }
    Ok(Exit::Success)
}

/// Checks the signatures of a component against one key, as a host would that knows only this one.
///
/// # Errors
/// When a file cannot be read, or holds no key or no signatures.
pub fn verify(args: &VerifyArgs, out: &mut Output) -> Result<Exit> {
    let digest = digest(&args.file)?;
    let key = public(&args.key)?;
    let signatures = match &args.signature {
        Some(file) => text(file)?,
        None => {
            let file = signature_file(&args.file);
            // A component without the file is one that is not signed.
            if file.exists() { text(&file)? } else { String::new() }
        }
    };
    let signatures = Signature::list(&signatures).map_err(refused)?;
    let mut keys = Keys::default();
    keys.register("given".parse()?, key, 0).map_err(unusable)?;
    let error = check(Policy::Require, &keys, &digest, &signatures).err();
    let id = key.id().to_string();
    if out.is_json() {
        let (verified, code) = (error.is_none(), error.as_ref().map(SignatureError::code));
        out.document(&VerifiedFile { file: &args.file, digest, key: id, verified, code })?;
    } else if error.is_none() {
        out.line(&format!("ok  {digest} is signed by {id}"))?;
    }
    Ok(match error {
        None => Exit::Success,
        Some(error) => report::tell(&refused(error), Exit::CheckFailed, out.is_json()),
    })
}

fn unusable(error: KeyError) -> Failure {
    Failure::of(error.code(), &error)
}

fn refused(error: SignatureError) -> Failure {
    Failure::of(error.code(), &error)
}

/// The digest that a release of this file has.
fn digest(file: &Path) -> Result<Digest> {
    let bytes = read_bounded(file, COMPONENT_BYTES_MAX as u64 + 1)
        .map_err(|source| CommandError::Component { path: file.to_owned(), source })?;
    if bytes.len() > COMPONENT_BYTES_MAX {
        let message = format!("{} is larger than {} MiB", file.display(), COMPONENT_BYTES_MAX >> 20);
        return Err(Failure::of_text(Code::ComponentTooLarge, message).into());
    }
    Ok(Digest::of(&bytes))
}

/// A small file of text.
fn text(file: &Path) -> Result<String> {
    let unread = || format!("{} cannot be read", file.display());
    let bytes = read_bounded(file, TEXT_BYTES_MAX as u64 + 1).with_context(unread)?;
    String::from_utf8(bytes).with_context(unread)
}

/// A key that was written out, or one in a file.
fn public(given: &str) -> Result<PublicKey> {
    let said = if given.starts_with("ed25519:") { given.to_owned() } else { text(Path::new(given))? };
    Ok(said.parse().map_err(unusable)?)
}

/// Where the signatures of a component are: beside it.
pub fn signature_file(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(SUFFIX);
    name.into()
}
