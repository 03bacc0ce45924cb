//! Stdout, in one of its two forms.
//!
//! Invariant: a command gives either text or JSON, never both, and every line is out before the next thing is waited for. A
//! closed pipe comes back as an error that ends the command quietly.

use std::io::{self, IsTerminal as _, Write as _};

use anstream::AutoStream;
use comfy_table::{Table, presets};
use serde::Serialize;

use super::{args::Format, error::CommandError};

/// Stdout.
pub struct Output {
    format: Format,
    stream: AutoStream<io::Stdout>,
}

impl Output {
    /// Stdout in this form, with colours only on a terminal.
    pub fn new(format: Format) -> Self {
        Self { format, stream: anstream::stdout() }
    }

    /// Whether it is for programs.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// A line of text.
    pub fn line(&mut self, line: &str) -> Result<(), CommandError> {
        writeln!(self.stream, "{line}").and_then(|()| self.stream.flush()).map_err(CommandError::Output)
    }

    /// A JSON document.
    pub fn document(&mut self, value: &impl Serialize) -> Result<(), CommandError> {
        let mut bytes = serde_json::to_vec(value).map_err(|error| CommandError::Output(error.into()))?;
        bytes.push(b'\n');
        self.bytes(&bytes)
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), CommandError> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(CommandError::Output)
    }

    /// Bytes as they are; on a terminal the prompt begins on a line of its own.
    pub fn value(&mut self, bytes: &[u8]) -> Result<(), CommandError> {
        self.bytes(bytes)?;
        if io::stdout().is_terminal() && !bytes.ends_with(b"\n") {
            self.bytes(b"\n")?;
        }
        Ok(())
    }

    /// Rows under a head. Cells hold printable text without colours.
    pub fn table<const N: usize>(&mut self, head: [&str; N], rows: Vec<[String; N]>) -> Result<(), CommandError> {
        self.line(&table(head, rows))
    }
}

fn table<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head);
    // Colours would count as columns.
    table.add_rows(rows.into_iter().map(|row| row.map(|cell| anstream::adapter::strip_str(&cell).to_string())));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_columns_and_nothing_else() {
        let rows = vec![["k".to_owned(), "1".to_owned()], ["longer".to_owned(), "22".to_owned()]];
        assert_eq!(table(["KEY", "VALUE"], rows), "KEY     VALUE\nk       1\nlonger  22");
        let rows = vec![["\u{1b}[32mon\u{1b}[0m".to_owned(), "1".to_owned()]];
        assert_eq!(table(["STATE", "N"], rows), "STATE  N\non     1");
        assert_eq!(table(["KEY", "VALUE"], vec![]), "KEY  VALUE");
    }
}
