//! What `perf script` prints, sorted into rows by the functions that a sample is in.

use std::collections::BTreeMap;

/// A row, and parts of the names of functions that are its own, and of threads. The first row that fits has the sample, so the particular ones are first.
const ROWS: &[(&str, &[&str])] = &[
    ("syncing", &["fdatasync", "__x64_sys_fsync", "DiskFile>::sync_data"]),
    ("writing the log", &["wharf_log::writer", "wharf_log::spare", "wharf_log::frame::encode"]),
    ("checkpoints of the state", &["wharf_state::checkpoint", "redb::"]),
    ("waking, waiting, changing threads", &["do_futex", "do_epoll_wait", "eventfd_write", "__schedule", "unpark"]),
    ("sockets", &["__x64_sys_sendto", "__x64_sys_recvfrom", "__x64_sys_writev", "tcp_", "sock_"]),
    ("reading events back", &["wharf_dispatch::archive", "wharf_log::reader"]),
    ("applying records to the state", &["wharf_delivery::apply"]),
    ("deciding", &["wharf_delivery::sequencer"]),
    (
        "an instance: made, and taken back",
        &["InstancePre", "InstanceAllocator", "runtime::store::Store", "drop_in_place<wasmtime", "pagemap"],
    ),
    (
        "the guest, and what it calls",
        &["wharf_capability", "runtime::component::func", "wasmtime_internal_fiber", "wasmtime::runtime::vm::"],
    ),
    ("reading JSON", &["serde_json::de", "serde_json::read", "wharf_event::json", "serde_core::de"]),
    ("writing JSON", &["serde_json::ser", "format_escaped_str"]),
    (
        "an attempt: planned, limited, settled",
        &[
            "wharf_dispatch::attempt",
            "wharf_dispatch::batches",
            "wharf_dispatch::guests",
            "wharf_dispatch::schedule::Scheduler::run_attempt",
            "wharf_dispatch::settling",
            "wharf_dispatch::turns",
            "wharf_dispatch::values",
            "wharf_runtime",
        ],
    ),
    (
        "which message or attempt is next",
        &["wharf_dispatch::consuming", "wharf_dispatch::queueing", "wharf_dispatch::schedule"],
    ),
    ("matching rules", &["wharf_pattern", "wharf_dispatch::rules"]),
    ("the log's thread besides", &["wharf-log"]),
    ("HTTP, routing, handlers", &["hyper", "axum", "wharf_gateway", "tower", "http::"]),
    ("the runtime's own", &["tokio::runtime"]),
];

/// The last row.
pub const REST: &str = "the rest";

/// The rows, in the order of the table.
pub fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|(name, _)| *name).chain([REST])
}

/// How many samples there are, and how many of them in each row.
pub fn sorted(script: &str) -> (usize, BTreeMap<&'static str, usize>) {
    let mut counts = BTreeMap::new();
    let samples: Vec<&str> = script.split("\n\n").filter(|sample| !sample.trim().is_empty()).collect();
    for sample in &samples {
        *counts.entry(row_of(sample)).or_default() += 1;
    }
    (samples.len(), counts)
}

fn row_of(sample: &str) -> &'static str {
    let fits = |(_, parts): &&(&str, &[&str])| parts.iter().any(|part| sample.contains(part));
    ROWS.iter().find(fits).map_or(REST, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_in_the_first_row_that_one_of_its_functions_fits() {
        let script = "wharf-log \n\tffffffff81 iowrite16\n\tffffffff82 do_fdatasync\n\t55d1 wharf_dispatch::writer::Writer::commit\n\n\
                      wharf-io \n\t55d2 serde_json::de::from_slice\n\t55d3 axum::handler\n\n\
                      wharf-io \n\t55d4 <axum::routing::Router>::call\n\n\
                      wharf-epoch \n\t55d5 clone3\n\n";
        let (samples, counts) = sorted(script);
        let found: Vec<_> = counts.into_iter().collect();
        let wanted = [("HTTP, routing, handlers", 1), ("reading JSON", 1), ("syncing", 1), ("the rest", 1)];
        assert_eq!((samples, found.as_slice()), (4, wanted.as_slice()));
    }

    #[test]
    fn every_row_has_a_name_of_its_own() {
        let mut all: Vec<_> = names().collect();
        let rows = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), rows);
    }
}
