//! Calls of models as values: what a plugin asks, what that is in a provider's protocol, and what the provider's answer means.
//!
//! Invariant: nothing is sent here, and nothing waits: a provider writes a request and reads an answer. So each of them is held against its
//! protocol without a network, and whoever sends decides where to, with which key, and for how long.

mod ask;
mod aws;
mod bedrock;
mod check;
mod echo;
mod failed;
mod guard;
mod kept;
pub mod limits;
mod marks;
mod openai;
mod prompt;
mod provider;
mod repair;
mod replay;
mod reply;
mod sagemaker;
mod sigv4;
mod similar;
mod stream;

pub use ask::{Ask, Conversation, Document, Embedding, Image, Message, OutputSchema, Part, Role, Tool, ToolChoice};
pub use ask::{Reasoning, ToolResult, ToolUse};
pub use bedrock::Bedrock;
pub use check::Invalid;
pub use echo::Echo;
pub use failed::{Failed, Next};
pub use guard::{Guard, Kind, NotGuard, Rules};
pub use kept::Kept;
pub use marks::marks;
pub use openai::OpenAi;
pub use prompt::{Prompt, PromptError, PromptText};
pub use provider::{Answered, Provider, Request, Step, Unanswered};
pub use repair::Repair;
pub use replay::{NotScript, Replay, Script};
pub use reply::{Reply, StopReason, Told, Usage, Vectors};
pub use sagemaker::SageMaker;
pub use sigv4::{Credentials, Signed, Unsigned};
pub use similar::{Direction, Likeness, NotLikeness};
pub use stream::{Piece, Reads};
