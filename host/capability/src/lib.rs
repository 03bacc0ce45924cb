//! What a plugin may use: one module per capability, each linked once, checked against its grants, prepared per attempt.
//!
//! Effects are buffered, never done: they become durable with the settlement, or not at all. All that a guest can see of
//! the outside passes through this crate.

mod attempt;
mod bindings;
mod clocks;
mod config;
mod denied;
mod effects;
mod hold;
mod http;
mod inert;
mod infer;
mod keyvalue;
pub mod limits;
mod link;
mod llm;
mod logging;
mod occasion;
mod program;
mod publish;
mod random;
mod spent;

pub use attempt::{Attempt, AttemptContext, Budget};
pub use bindings::{
    EventHandler, EventHandlerPre,
    batch::{Batch, BatchPre, exports::wharf::plugin::batch_handler as batch_exports},
    exports,
    transform::{EventTransform, EventTransformPre},
    wharf,
};
pub use effects::Effects;
pub use hold::{HeldSecrets, NoSecrets, NotHeld, Opening, Secret};
pub use http::{
    Answered, BodyBounds, BodyError, Calling, Cut, Given, Handed, HttpAnswer, HttpBody, HttpFailed, HttpOut,
    HttpRequest, LEADS_NOWHERE, Late, NoHttp, Passing,
};
pub use infer::{InferCall, InferFailed, InferOut, InferSpent, Inferred, Inferring, NoModels};
pub use keyvalue::{CommittedValues, Contended, KeyPage, ReadFailed};
pub use link::link;
pub use llm::{
    Asking, FilledPrompt, Filling, Fit as LlmFit, Keeping as LlmKeeping, LlmAnswer, LlmCall, LlmFailed, LlmOut, NoLlm,
    Pieces, PromptCall, Similar as LlmSimilar, Spent as LlmSpent, no_prompt,
};
pub use occasion::Occasion;
pub use program::run_program;
pub use publish::inherited;
pub use spent::Spent;
/// The world of programs.
pub use wasmtime_wasi::p2::bindings::CommandPre;
/// The world of components that answer requests.
pub use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
/// What an attempt is recorded on.
pub use wharf_recording::Tape;
