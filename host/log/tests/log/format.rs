//! Goal: docs/design/log-format.md describes the bytes that are written.
//! Method: the page's hex dump is compared with a log made here with fixed time and nonce. When the format changes on
//! purpose, the failure prints the dump to put there.

use std::fmt::Write;

use wharf_log::{Log, LogOptions, RecordIn, SegmentSizes};

use crate::setup::FIRST_SEGMENT;
use wharf_faults::FaultyDisk;

const PAGE: &str = include_str!("../../../../docs/design/log-format.md");

#[test]
fn the_dump_on_the_format_page_is_what_the_log_writes() {
    let disk = FaultyDisk::default();
    let nonce = std::array::from_fn(|at| 0xA0 + at as u8);
    let sizes = SegmentSizes { first_bytes: 2_048, max_bytes: 2_048 };
    let options = LogOptions { partition: 0, nonce, time_ms: 1_767_225_600_000, checkpoint_k: 0, sizes };
    let (mut log, _) = Log::open(disk.clone(), options).unwrap();
    log.append(1_767_225_600_250, &[RecordIn { tenant: 42, kind: 1, key_id: 0, body: b"hello, log" }]).unwrap();
    let dump = hex_dump(&disk.bytes(FIRST_SEGMENT));
    let page = PAGE.split("```hexdump\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
    assert!(page == dump, "the page should have:\n{dump}");
}

/// Sixteen bytes a line; a run of lines of zeros is one `*`.
fn hex_dump(bytes: &[u8]) -> String {
    let mut dump = String::new();
    let mut skipping = false;
    for (line, chunk) in bytes.chunks(16).enumerate() {
        let zeros = chunk.iter().all(|&byte| byte == 0);
        if !zeros {
            let hex: Vec<_> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
            let text: String =
                chunk.iter().map(|&byte| if byte.is_ascii_graphic() { byte as char } else { '.' }).collect();
            writeln!(dump, "{:04x}  {}  {text}", line * 16, hex.join(" ")).unwrap();
        } else if !skipping {
            dump.push_str("*\n");
        }
        skipping = zeros;
    }
    writeln!(dump, "{:04x}", bytes.len()).unwrap();
    dump
}
