//! Why a command ended: a stable code, a sentence, and what to do next.

use std::{error::Error, fmt};

use wharf_dispatch::chain;
use wharf_event::Code;

use crate::load::LoadError;

/// A failure that people read.
#[derive(Debug)]
pub struct Failure {
    code: Code,
    message: String,
    help: Option<String>,
}

impl Failure {
    /// A failure with advice.
    pub fn new(code: Code, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: Some(help.into()) }
    }

    /// A failure that has an error for its reason.
    pub fn of(code: Code, error: &dyn Error) -> Self {
        Self { code, message: chain(error), help: None }
    }

    /// A failure whose page says what to do.
    pub fn of_text(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    /// A configuration that cannot be put into force. Its mistakes bring their codes and advice along.
    pub fn load(error: &LoadError) -> Self {
        Self::of(Code::ConfigInvalid, error)
    }

    /// What is wrong; of a configuration all its mistakes, as people read them.
    #[must_use]
    pub fn message(&self) -> &str {
        self.message.trim_end()
    }

    /// What to do.
    #[must_use]
    pub fn help(&self) -> String {
        self.help.clone().unwrap_or_else(|| format!("`wharf explain {}` says what to do", self.code))
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.starts_with("error[") {
            // Mistakes of a configuration, each with its own code.
            return f.write_str(self.message.trim_end());
        }
        write!(f, "error[{}]: {}\nhelp: {}", self.code, self.message, self.help())
    }
}

impl Error for Failure {}
