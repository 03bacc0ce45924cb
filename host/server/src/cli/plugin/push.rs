//! `wharf plugin push`: a component is put into an OCI registry. No host is asked.
//!
//! Invariant: only what a host could run is pushed.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;
use serde::Serialize;
use wharf_event::Digest;
use wharf_inspect::limits::COMPONENT_BYTES_MAX;
use wharf_oci::{Interfaces, Reference, Registry};

use super::super::{
    error::{CommandError, Exit},
    output::Output,
    words::good,
};
use crate::{compile::read_bounded, failure::Failure};

/// `wharf plugin push`.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// The component
    file: PathBuf,
    /// Where it is to be: oci://registry/name:tag
    #[arg(value_name = "REFERENCE")]
    to: Reference,
}

/// What was pushed.
#[derive(Debug, Serialize)]
pub struct PushedView {
    /// Where it is, by its tag.
    reference: String,
    /// The digest of its manifest, by which it can be named too.
    manifest: Digest,
    /// The digest of the component, as a release has it.
    release: Digest,
}

/// Pushes it and tells so.
pub async fn run(PushArgs { file, to }: &PushArgs, out: &mut Output) -> Result<Exit, CommandError> {
    let pushed = push(file, to).await?;
    match out.is_json() {
        true => out.document(&pushed)?,
        false => tell(&pushed, out)?,
    }
    Ok(Exit::Success)
}

/// Pushes the component of a file.
pub async fn push(file: &Path, to: &Reference) -> Result<PushedView, CommandError> {
    let wasm = read_bounded(file, COMPONENT_BYTES_MAX as u64 + 1)
        .map_err(|source| CommandError::Component { path: file.to_owned(), source })?;
    let described = wharf_inspect::describe(&wasm).and_then(|it| it.world.clone().map(|_| it));
    let described = described.map_err(|error| CommandError::Load(Failure::of(error.code(), &error)))?;
    let imports = described.imports.into_iter().map(|import| import.interface).collect();
    let interfaces = Interfaces { imports, exports: described.exports };
    let pushed = Registry::of(to)?.push(Bytes::from(wasm), &interfaces).await?;
    Ok(PushedView { reference: to.to_string(), manifest: pushed.manifest, release: pushed.component })
}

/// Tells people of it.
pub fn tell(pushed: &PushedView, out: &mut Output) -> Result<(), CommandError> {
    let PushedView { reference, manifest, release } = pushed;
    out.line(&format!("{}  {reference} (manifest {manifest}, release {})", good("pushed"), release.short()))
}
