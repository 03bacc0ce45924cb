//! What a command reads of files and of stdin.
//!
//! Invariant: nothing is read beyond its bound. `-` is stdin. What is read is not looked into.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _},
    path::Path,
};

use super::{error::CommandError, limits::INPUT_BYTES_MAX};

/// Whether this path means stdin.
pub fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// A file or stdin, to be read.
pub fn open(path: &Path) -> Result<Box<dyn BufRead>, CommandError> {
    if is_stdin(path) {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).map_err(|source| unreadable(path, source))?;
    Ok(Box::new(BufReader::new(file)))
}

/// The whole of a file or of stdin.
pub fn whole(path: &Path) -> Result<Vec<u8>, CommandError> {
    let mut bytes = Vec::new();
    let mut bounded = open(path)?.take(INPUT_BYTES_MAX + 1);
    let length = bounded.read_to_end(&mut bytes).map_err(|source| unreadable(path, source))?;
    if u64::try_from(length).is_ok_and(|length| length <= INPUT_BYTES_MAX) {
        return Ok(bytes);
    }
    Err(CommandError::InputTooLarge { path: path.to_owned(), bytes_max: INPUT_BYTES_MAX })
}

/// What an argument says: itself, the file behind an `@`, or for `-` stdin.
pub fn said(argument: &str) -> Result<Vec<u8>, CommandError> {
    match argument.strip_prefix('@') {
        Some(path) => whole(Path::new(path)),
        None if argument == "-" => whole(Path::new("-")),
        None => Ok(argument.as_bytes().to_vec()),
    }
}

/// Why a file or stdin could not be read.
pub fn unreadable(path: &Path, source: io::Error) -> CommandError {
    let path = if is_stdin(path) { Path::new("stdin") } else { path };
    CommandError::Unreadable { path: path.to_owned(), source }
}
