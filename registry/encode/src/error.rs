//! Why a module is made no component.

/// Characters of what the encoder says.
const PROBLEM_CHARS_MAX: usize = 1_000;

/// Why a module is made no component.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The contract has no such world.
    #[error(
        "there is no world `{world}`; there are event-handler, event-batch-handler, event-transform, proxy and command"
    )]
    World {
        /// What was asked for.
        world: String,
    },
    /// It is no core module, it is broken, or it does not export what its world wants.
    #[error("the module makes no plugin: {problem}")]
    Module {
        /// What the encoder says.
        problem: String,
    },
}

impl EncodeError {
    pub(crate) fn module(said: impl std::fmt::Display) -> Self {
        // The problem may quote names that are as long as the module.
        Self::Module { problem: format!("{said:#}").chars().take(PROBLEM_CHARS_MAX).collect() }
    }
}
