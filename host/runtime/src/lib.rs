//! Running plugins: components become releases, and each attempt is a call in a fresh instance with every limit on.

mod broken;
mod cache;
mod checked;
mod cpu;
mod engine;
mod inspect;
mod invoke;
pub mod limits;
mod pure;
mod release;
mod transform;

pub use cache::{ArtifactCache, CacheError};
pub use checked::{Artifact, check_cache};
pub use engine::{Runtime, RuntimeError};
pub use inspect::ComponentError;
pub use invoke::{Ending, Invocation, Report};
pub use release::{Prepared, Release, TransformRelease};
pub use transform::{TransformReport, Transformed};
