//! How far long work has come: a line on a terminal that is written over and goes when the work ends.
//!
//! Invariant: whoever is no terminal gets none of it, and that nobody watches is no failure.

use std::io::{self, IsTerminal as _, Write as _};

/// A terminal's last line.
pub struct Progress {
    shown: bool,
}

impl Progress {
    /// On stderr, if that is a terminal.
    pub fn on_terminal() -> Self {
        Self { shown: io::stderr().is_terminal() }
    }

    /// Nowhere.
    pub fn none() -> Self {
        Self { shown: false }
    }

    /// Says how far it is, in place of what was said before.
    pub fn show(&self, text: &str) {
        if self.shown {
            let mut stderr = io::stderr();
            let _ = write!(stderr, "\r{text}\u{1b}[K").and_then(|()| stderr.flush());
        }
    }

    /// Takes the line away. It may come back.
    pub fn clear(&self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}
