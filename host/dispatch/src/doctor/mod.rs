//! Examining a data folder that no host uses: every structure of log, state, components and cache, and what is lost where
//! something is.
//!
//! Invariant: examining changes nothing. Repairing touches projections only (state, cache) and sets aside rather than removes
//! what could not be made again; the log is never written to.

mod cache;
mod comparing;
mod components;
mod examine;
mod finding;
mod log;
mod losses;
mod repair;
mod state;
mod unchecked;

pub use examine::{DoctorError, LogReport, Report, examine, verify_log};
pub use finding::{Finding, Lost, LostEvent, Part, Repair, Severity};
pub use repair::repair;
pub use state::StateReport;
pub use unchecked::UNCHECKED_THREAD;
