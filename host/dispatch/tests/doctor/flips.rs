//! A flipped bit anywhere is found, or changes nothing that can be read.

use std::ops::Bound;

use wharf_delivery::{Table, Tables as _};
use wharf_dispatch::doctor::{Part, Report, Severity};
use wharf_state::State;

use crate::folder::Folder;

fn said(report: &Report) -> String {
    serde_json::to_string(report).unwrap()
}

#[test]
fn a_sound_folder_has_no_finding() {
    for clean in [false, true] {
        let report = Folder::new(clean).examine();
        assert!(report.ok && report.findings.is_empty(), "{}", said(&report));
        assert_eq!((report.log.frames, report.log.records, report.components), (15, 1 + 6 * 5, Some(1)));
        let state = report.state.unwrap();
        assert_eq!(state.checkpoint_k, if clean { 15 } else { 10 });
        // Rules, 12 + 6 deliveries less the settled ones, their timers, 6 values in a bucket, 6 letters in a queue, totals,
        // and the sizes of the values and of what waits for two plugins and on a bus.
        assert_eq!(state.rows, Some(1 + 12 + 6 + 6 + 1 + 6 + 6 + 1 + 1 + 4));
    }
}

#[test]
fn a_flipped_bit_of_the_log_is_found_and_told_as_what_it_is() {
    let folder = Folder::new(false);
    let segments = folder.segments();
    assert!(segments.len() >= 3);
    for (n, name) in segments.iter().enumerate() {
        let bytes = folder.read(name);
        // Every byte is flipped by the log's own tests; here each structure is, some hundred times.
        for at in (0..bytes.len()).step_by(37) {
            let report = folder.flipped(name, at, (at % 8) as u8, Folder::verify_log);
            let [finding] = &report.findings[..] else { panic!("byte {at} of {name}: {}", said(&report)) };
            assert_eq!((finding.part, finding.file.as_str()), (Part::Log, name.as_str()), "byte {at}");
            assert_eq!(report.ok, finding.severity == Severity::Harmless, "byte {at} of {name}");
            let (loses, harmless) = match finding.structure.as_str() {
                "segment-zeros" | "frame-padding" | "unused-space" | "torn-tail" => (false, true),
                "segment-header" => (false, false),
                "record-body" => (true, false),
                // An epoch or a mark carries nothing.
                "frame-front" => (finding.frames != Some((1, 1)), false),
                other => panic!("byte {at} of {name} is {other}"),
            };
            let wanted = if harmless {
                Severity::Harmless
            } else if loses {
                Severity::Loss
            } else {
                Severity::Damage
            };
            assert_eq!(finding.severity, wanted, "byte {at} of {name}: {}", said(&report));
            assert_eq!(finding.lost.is_empty(), !loses, "byte {at} of {name}: {}", said(&report));
            assert!(finding.structure != "torn-tail" || n + 1 == segments.len());
        }
    }
}

#[test]
fn a_flipped_bit_of_the_state_is_found_or_changes_no_row() {
    let folder = Folder::new(true);
    let bytes = folder.read("state.redb");
    let rows = rows(&folder);
    let (mut found, mut harmless) = (0, 0);
    // All of the header, then one place in each 256 bytes.
    let header = (0..320).step_by(3);
    let pages = (320..bytes.len()).step_by(256).map(|at| at + at * 31 % 256);
    for at in header.chain(pages).filter(|at| *at < bytes.len()) {
        folder.flipped("state.redb", at, (at * 5 % 8) as u8, |folder| {
            let report = folder.examine();
            assert!(report.findings.iter().all(|finding| finding.part == Part::State), "byte {at}: {}", said(&report));
            if report.ok {
                harmless += 1;
                assert_eq!(self::rows(folder), rows, "byte {at} was not found");
            } else {
                found += 1;
                assert!(report.findings.iter().all(|finding| finding.repair.is_some()), "byte {at}: {}", said(&report));
            }
        });
    }
    assert!(found > 20 && harmless > 20, "{found} found, {harmless} in free space");
}

/// Every row with its table and key.
type Rows = Vec<(Table, Vec<u8>, Vec<u8>)>;

/// The rows of the state file.
fn rows(folder: &Folder) -> Rows {
    let file = std::fs::File::open(folder.file("state.redb")).unwrap();
    let (state, _) = State::inspect(Box::new(file)).unwrap();
    let all = |table| {
        let rows = state.scan(table, &[], Bound::Unbounded, usize::MAX).unwrap();
        rows.into_iter().map(move |(key, row)| (table, key.to_vec(), row.to_vec())).collect::<Vec<_>>()
    };
    Table::ALL.into_iter().flat_map(all).collect()
}

#[test]
fn every_byte_of_a_value_in_the_state_is_watched() {
    let folder = Folder::new(true);
    let bytes = folder.read("state.redb");
    let needle = b"needle-in-the-state-5";
    let places: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(needle)).collect();
    for n in 0..needle.len() {
        let reports = places.iter().map(|at| folder.flipped("state.redb", at + n, (n % 8) as u8, Folder::examine));
        let found: Vec<_> = reports.filter(|report| !report.ok).collect();
        assert!(!found.is_empty(), "byte {n} of the value");
        for report in found {
            let row = report.findings.iter().find(|finding| finding.structure == "values");
            let problem = row.map(|row| row.problem.as_str());
            assert_eq!(problem, Some("row acme/counts/key-5 is not what the log gives"), "byte {n}: {}", said(&report));
        }
    }
}

#[test]
fn a_flipped_bit_of_a_component_is_found() {
    let folder = Folder::new(true);
    let name = format!("components/{}.wasm", wharf_event::Digest::of(crate::folder::COMPONENT).hex());
    for at in 0..crate::folder::COMPONENT.len() {
        let report = folder.flipped(&name, at, (at % 8) as u8, Folder::examine);
        let [finding] = &report.findings[..] else { panic!("byte {at}: {}", said(&report)) };
        assert_eq!((finding.part, finding.severity, &finding.file), (Part::Components, Severity::Damage, &name));
        assert!(finding.problem.contains("plugin counter of tenant acme"), "{}", finding.problem);
    }
    std::fs::remove_file(folder.file(&name)).unwrap();
    let report = folder.examine();
    assert!(!report.ok && report.findings[0].problem.contains("is not there"), "{}", said(&report));
}
