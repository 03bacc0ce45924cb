//! `wharf match`: whether events match patterns, a line each, from stdin to stdout. No host is asked.
//!
//! Invariant: every line has one answer, in its order; whoever waits for the answers to what was written so far gets them. What
//! a line asks and how it is answered is `wharf_pattern::line`'s.

use std::{
    io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _},
    path::{Path, PathBuf},
};

use wharf_pattern::line;

use super::{
    error::{CommandError, Exit},
    input::unreadable,
    limits::INPUT_BYTES_MAX,
};

/// Answers lines until there are no more.
pub fn run() -> Result<Exit, CommandError> {
    let mut lines = BufReader::with_capacity(1 << 16, io::stdin().lock());
    let mut answers = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut asked = Vec::new();
    loop {
        asked.clear();
        let mut bounded = lines.by_ref().take(INPUT_BYTES_MAX + 1);
        let length = bounded.read_until(b'\n', &mut asked).map_err(|source| unreadable(Path::new("-"), source))?;
        if u64::try_from(length).is_ok_and(|length| length > INPUT_BYTES_MAX) {
            answers.flush().map_err(CommandError::Output)?;
            return Err(CommandError::InputTooLarge { path: PathBuf::from("a line"), bytes_max: INPUT_BYTES_MAX });
        }
        let answer = if length == 0 { Ok(()) } else { writeln!(answers, "{}", line::answer(&asked)) };
        let answer = if lines.buffer().is_empty() { answer.and_then(|()| answers.flush()) } else { answer };
        answer.map_err(CommandError::Output)?;
        if length == 0 {
            return Ok(Exit::Success);
        }
    }
}
