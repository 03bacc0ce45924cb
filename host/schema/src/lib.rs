//! Schemas of event payloads: JSON Schema 2020-12 and draft 7, checked, compared, inferred and exported.
//!
//! Invariant: nothing is fetched, and a schema that exists has a bound on what one event can cost it; an event that would cost
//! more is a violation and is not validated. It does no I/O, knows no tenants and keeps no versions: see the server.

#![forbid(unsafe_code)]

mod asyncapi;
mod compatibility;
mod cost;
mod diff;
mod document;
mod error;
mod graph;
mod infer;
pub mod limits;
mod pattern;
mod pointer;
mod schema;
mod unique;
mod violation;

pub use asyncapi::{Bound, asyncapi};
pub use compatibility::{Breaks, Incompatibility, Mode, compatibility};
pub use diff::{Change, ChangeKind, diff};
pub use document::Draft;
pub use error::{SchemaError, SchemaErrors, SchemaReason};
pub use infer::{Inference, infer};
pub use schema::Schema;
pub use violation::{Violation, Violations};
