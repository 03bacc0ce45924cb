//! Goal: what a user is promised holds for the built binary, over its real sockets and files.
//! Method: each test starts its own host on a free loopback port with its own data folder, speaks HTTP to it, and ends it.
//! `cargo xtask test` builds the binary and the guests first and says where they are (`WHARF_BIN`, `WHARF_GUESTS`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod aimed;
mod artifacts;
mod attempts;
mod authoring;
mod backups;
mod bad_uploads;
mod batches;
mod bedrock_budgets;
mod benches;
mod breakers;
mod bringing;
mod budgets;
mod buses;
mod channels;
mod clocks;
mod conflicts;
mod contract;
mod credentials;
mod dead_letters;
mod demo;
mod deploy;
mod dev;
mod dev_plugins;
mod doctor;
mod drift;
mod editing;
mod egress;
mod egress_peers;
mod egress_tls;
mod endpoints;
mod fanning;
mod formats;
mod full_disk;
mod grants;
mod guardrails;
mod holding;
mod host;
mod infer;
mod infer_batches;
mod inputs;
mod killed;
mod listing;
mod loading;
mod looking;
mod metrics;
mod model_channels;
mod model_replay;
mod model_routes;
mod model_similar;
mod model_uploads;
mod models;
mod oci;
mod oci_registry;
mod ordering;
mod paid_again;
mod paid_once;
mod patterns;
mod programs;
mod progress;
mod prompts;
mod queues;
mod quotas;
mod rates;
mod reading;
mod recordings;
mod refusals;
mod registry;
mod replays;
mod restarts;
mod retention;
mod routes;
mod rules;
mod sagemaker;
mod sandbox;
mod schedules;
mod schema_versions;
mod schemas;
mod secret_memory;
mod secrets;
mod services;
mod shadows;
mod shapes;
mod signatures;
mod starting;
mod streams;
mod tenants;
mod topics;
mod trace;
mod transforms;
mod usage;
mod ways_out;
mod webhooks;
