//! The command line: what can be said, and one module for each command.
//!
//! Invariant: stdout is data and stderr is talk; with `-o json` stdout is one JSON document, or one a line for streams, and a failure is one
//! line of JSON on stderr.
//! Commands other than `serve` and `dev` are clients of the HTTP API and know nothing of a host's inside.

mod args;
mod attributes;
mod backup;
mod batch;
mod bench;
mod build;
mod calls;
mod check;
mod completions;
mod componentize;
mod config;
mod conformance;
mod deploy;
mod dlq;
mod doctor;
mod draft;
mod error;
mod event_args;
mod events;
#[cfg(test)]
mod examples;
mod explain;
mod feed_line;
mod follow;
mod groups;
mod host_args;
mod input;
mod inspect;
mod invoke;
mod json_text;
mod keys;
mod kv;
mod limits;
mod match_lines;
mod meant;
mod model;
mod model_drift;
mod new;
mod object;
mod output;
mod pace;
mod pages;
mod plugin;
mod prompt;
mod queue;
mod replay;
mod report;
mod resend;
mod restore;
mod resume;
mod route;
mod rules;
mod run;
mod said;
mod schedule;
mod schema;
mod secret;
mod send;
mod session;
mod signing;
mod standing;
mod stats;
mod tail;
mod tenant;
mod test;
mod top;
mod topic;
mod trace;
mod tree;
mod tree_lines;
mod usage;
mod waterfall;
mod webhook;
pub mod words;

pub use args::{HostArgs, ServeArgs};
pub use attributes::Attributes;
pub use run::run;
