//! What goes over the pipes between a host and a process that compiles, but for a component that is all that it is given: parts, each behind its length,
//! so that whoever reads has the room for it before it comes.

use std::io::{self, ErrorKind, Read, Write};

/// Writes a part.
pub(super) fn write(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&(bytes.len() as u64).to_le_bytes())?;
    to.write_all(bytes)
}

/// Reads a part of at most so many bytes; none where no other follows.
///
/// # Errors
/// When it is longer or broke off, or the pipe cannot be read.
pub(super) fn read(from: &mut impl Read, most: usize) -> io::Result<Option<Vec<u8>>> {
    let mut length = Vec::new();
    from.take(size_of::<u64>() as u64).read_to_end(&mut length)?;
    if length.is_empty() {
        return Ok(None);
    }
    let length = u64::from_le_bytes(length.try_into().map_err(|_| ErrorKind::UnexpectedEof)?);
    let length = usize::try_from(length).ok().filter(|length| *length <= most);
    let mut bytes = vec![0; length.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "a part is too long"))?];
    from.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_read_as_it_was_written_and_what_broke_off_is_none() {
        let mut pipe = Vec::new();
        write(&mut pipe, b"first").unwrap();
        write(&mut pipe, b"").unwrap();
        let mut from = &pipe[..];
        assert_eq!(read(&mut from, 5).unwrap().as_deref(), Some(&b"first"[..]));
        assert_eq!(read(&mut from, 5).unwrap().as_deref(), Some(&b""[..]));
        assert_eq!(read(&mut from, 5).unwrap(), None);
        assert_eq!(read(&mut &pipe[..], 4).unwrap_err().kind(), ErrorKind::InvalidData);
        for end in 1..13 {
            assert_eq!(read(&mut &pipe[..end], 5).unwrap_err().kind(), ErrorKind::UnexpectedEof, "{end}");
        }
    }
}
