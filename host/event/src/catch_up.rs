//! What becomes of the times of a schedule at which nobody was there. Which times those are, `wharf-schedule` knows.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What becomes of due times that were missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CatchUp {
    /// They are passed over.
    None,
    /// The last one fires.
    #[default]
    Last,
    /// All of them fire, in their order, within bounds.
    All,
}

/// A word that is no such policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("of the times that were missed fire `none`, the `last` one, or `all`")]
pub struct NoCatchUp;

impl CatchUp {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Last, Self::All];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Last => "last",
            Self::All => "all",
        }
    }
}

impl FromStr for CatchUp {
    type Err = NoCatchUp;

    fn from_str(text: &str) -> Result<Self, NoCatchUp> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == text).ok_or(NoCatchUp)
    }
}

impl fmt::Display for CatchUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
