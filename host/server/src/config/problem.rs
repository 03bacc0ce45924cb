//! A mistake in the configuration: where it is, what is wrong, what to do.

use std::{fmt, ops::Range, path::PathBuf};

use wharf_event::Code;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, as bytes of the file.
    pub span: Range<usize>,
    /// The stable code.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// All mistakes of one file, in its order.
#[derive(Clone, Debug)]
pub struct Problems {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// What is wrong in it.
    pub list: Vec<Problem>,
}

impl Problems {
    /// The line and column (both from 1, in characters) of a byte of the file.
    fn place(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at.min(self.text.len())).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).map_or(0, |line| line.chars().count()) + 1;
        (before.matches('\n').count() + 1, column)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.list.iter().enumerate() {
            let (line, column) = self.place(problem.span.start);
            let source = self.text.lines().nth(line - 1).unwrap_or_default();
            let gutter = line.to_string();
            let width = gutter.len();
            if n > 0 {
                writeln!(f)?;
            }
            writeln!(f, "error[{}]: {}", problem.code, problem.message)?;
            writeln!(f, "{:width$}--> {}:{line}:{column}", "", self.path.display())?;
            writeln!(f, "{gutter} | {source}")?;
            let marked = self.text.get(problem.span.clone()).and_then(|text| text.lines().next()).unwrap_or_default();
            let marks = "^".repeat(marked.chars().count().max(1));
            writeln!(f, "{:width$} | {:indent$}{marks}", "", "", indent = column - 1)?;
            writeln!(f, "help: {}", problem.help)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
