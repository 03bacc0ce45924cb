//! A mistake in the configuration: where it is, what is wrong, what to do.

use std::{fmt, ops::Range, path::PathBuf};

use serde::Serialize;
use wharf_event::Code;

use super::place::place;

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

/// A mistake as programs read it.
#[derive(Debug, Serialize)]
pub struct ProblemView<'a> {
    code: Code,
    file: String,
    line: usize,
    column: usize,
    message: &'a str,
    help: &'a str,
}

impl Problems {
    /// All of them, for programs.
    pub fn view<'a>(&'a self) -> Vec<ProblemView<'a>> {
        let file = self.path.display().to_string();
        let view = |problem: &'a Problem| {
            let (line, column) = place(&self.text, problem.span.start);
            let Problem { code, message, help, .. } = problem;
            ProblemView { code: *code, file: file.clone(), line, column, message, help }
        };
        self.list.iter().map(view).collect()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.list.iter().enumerate() {
            let (line, column) = place(&self.text, problem.span.start);
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
