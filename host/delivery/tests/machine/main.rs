//! Goal: the delivery machine decides and applies as docs/design/records.md says, whatever the order of requests.
//! Method: a partition in memory (`bench::Partition`) that decides, encodes, decodes and applies each record as a host does;
//! scenarios read its tables, properties compare it with its own replay and with counts made apart.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod answers;
mod bench;
mod budgets;
mod consume;
mod fan;
mod fire;
mod forward;
mod property;
mod receive;
mod redriving;
mod replay;
mod scenario;
mod serving;
mod sharing;
