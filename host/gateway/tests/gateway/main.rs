//! The gateway over real loopback sockets, in front of a host that is made up.
//!
//! Goal: every refusal has its stable code and leaves the host as it was, and every route gives what its port said. Method:
//! requests are written byte by byte, so that what no HTTP client would send can be sent too; each test has a server of
//! its own on a port of the system's choice. It does not test the host's own rules, such as what a duplicate is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect, helpers included"
)]

mod client;
mod connections;
mod host;
mod keys;
mod models;
mod models_host;
mod prompts;
mod queues;
mod reading;
mod receiving;
mod redrives;
mod refusals;
mod registry;
mod registry_host;
mod replays;
mod rules;
mod rules_host;
mod schedules;
mod schemas;
mod secrets;
mod server;
mod tenant_routes;
mod tenants;
mod topics;
mod webhooks;
