//! The file of a schema. Invariant: it is read up to the most that a schema may have, and every mistake in it is told.

use std::path::Path;

use wharf_schema::{Schema, limits::SCHEMA_BYTES_MAX};

use crate::compile::read_bounded;

/// Reads a schema, or says what is wrong with it.
///
/// # Errors
/// Every mistake, or that the file cannot be read.
pub fn read(path: &Path) -> Result<Schema, Vec<String>> {
    let bytes = read_bounded(path, SCHEMA_BYTES_MAX as u64 + 1);
    let bytes = bytes.map_err(|error| vec![format!("the file cannot be read: {error}")])?;
    let text = std::str::from_utf8(&bytes).map_err(|error| vec![format!("the file is not UTF-8: {error}")])?;
    Schema::parse(text).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}
