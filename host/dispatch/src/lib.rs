//! The tasks of a host: the partition's thread, the scheduler, the attempts.
//!
//! Requests flow one way: intake or attempt -> partition (decide, append, answer) -> scheduler -> attempt -> partition.
//! Nothing derived from a frame leaves before that frame is durable.

mod archive;
mod attempt;
mod carrying;
mod cleaning;
mod clock;
mod committer;
mod compile;
mod configuring;
mod contention;
mod dispatcher;
pub mod doctor;
mod draft;
mod erasing;
mod figures;
mod handler;
mod inputs;
mod judging;
mod lane;
pub mod limits;
mod machine;
mod meters;
mod partition;
mod plugins;
mod quarantine;
mod recover;
mod registering;
mod reserve;
mod retention;
mod room;
mod rules;
mod schedule;
mod schemas;
mod settling;
mod shared;
mod surroundings;
mod tenants;
mod timers;
mod transform;
mod trials;
mod values;
mod watched;
mod writer;

use wharf_runtime::histogram;

pub use archive::{Archive, ArchiveError, Item};
pub use clock::{Clock, FrameClock, Step, rfc3339};
pub use committer::{CommitFailed, Committer, Unwritten};
pub use compile::{ObjectNow, Releases, RuleError, RulesError};
pub use configuring::{ChangeError, ConfigureError};
pub use dispatcher::{AcceptError, Dispatcher, Options};
pub use draft::{Answered, Committed, FrameSynced, ToSync};
pub use figures::{Figures, LaneFigures, QueueFigures, StateFigures, TenantFigures};
pub use handler::{Handler, Sandboxed};
pub use histogram::Distribution;
pub use inputs::compile_input;
pub use judging::EditError;
pub use machine::{FolderHome, SystemClock};
pub use meters::{AttemptFigures, AttemptsOf, FrameFigures, Totals};
pub use partition::{AskError, chain};
pub use plugins::{Callable, Plugin, Shelf};
pub use quarantine::FaultFigures;
pub use recover::{OpenError, Recovered};
pub use registering::PluginError;
pub use rules::{Origin, Rule, RuleSet, Unknown};
pub use schemas::{SchemaError, SchemaInForce, SchemaSet};
pub use surroundings::{Home, Job, Random, Room, Surroundings, Threads};
pub use tenants::{BusError, TenantError};
pub use transform::{SandboxedTransform, Transform, Transforms};
