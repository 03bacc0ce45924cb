//! Running plugins: components become releases, and each attempt is a call in a fresh instance with every limit on.

#[cfg(test)]
mod apart;
mod batch;
mod broken;
mod cache;
mod called;
mod checked;
mod compiling;
mod cpu;
mod engine;
mod functions;
pub mod histogram;
mod idle;
mod image;
mod invoke;
mod leaving;
pub mod limits;
mod loader;
mod measure;
mod probe;
mod release;
mod residency;
mod serve;
mod settings;
mod shared;
mod slot;
mod transform;
mod waiting;

pub use batch::{BatchEnding, BatchInvocation, BatchItem, BatchReport};
pub use cache::{ArtifactCache, CacheCounts, CacheError};
pub use checked::{Artifact, check_cache};
pub use compiling::{Compile, Knowing, compile, is_module};
pub use engine::{Runtime, RuntimeError};
pub use idle::{IdleSet, Reuse};
pub use invoke::{Ending, Invocation, Report};
pub use loader::ComponentFiles;
pub use measure::Parts;
pub use probe::Probe;
pub use release::{BatchRelease, HttpRelease, Prepared, Release, TransformRelease};
pub use residency::LoadedFigures;
pub use serve::{Answer, Keep, RequestInvocation, RequestReport};
pub use settings::Reset;
pub use transform::{TransformReport, Transformed};
/// What ends a call, as the engine has it.
pub use wasmtime::Error as CallError;
/// What a call is made with, for those who call without a host.
pub use wharf_capability::{
    Asking, AttemptContext, Calling as HttpCalling, CommittedValues, Effects, HeldSecrets, HttpAnswer, HttpFailed,
    HttpOut, HttpRequest, KeyPage, LlmAnswer, LlmCall, LlmFailed, LlmOut, LlmSpent, NoHttp, NoLlm, NoModels, NotHeld,
    Occasion, Opening, ReadFailed, Tape,
};
pub use wharf_inspect::{ComponentError, Kind, describe};
