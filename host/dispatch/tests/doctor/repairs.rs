//! What is made from something else is repaired, and what may hold data is never taken away.

use wharf_delivery::{Table, Tables as _, ValueRow};
use wharf_dispatch::doctor::{Part, Repair, Severity, repair};
use wharf_event::Code;
use wharf_state::State;

use crate::folder::{COMPONENT, Folder};

/// Opens the state as a host does, and changes it behind the log's back.
fn forged(folder: &Folder, change: impl FnOnce(&mut State)) {
    let file = std::fs::File::options().read(true).write(true).open(folder.file("state.redb")).unwrap();
    let (mut state, at) = State::open(Box::new(file)).unwrap();
    change(&mut state);
    drop(state.freeze(at.k).unwrap().write().unwrap());
}

#[test]
fn rows_that_the_log_does_not_give_are_named_by_table_and_key() {
    let folder = Folder::new(true);
    forged(&folder, |state| {
        let key = wharf_delivery::keys::value(&crate::folder::tenant(), &"counts".parse().unwrap(), "key-2");
        let row = ValueRow::get(state, &key).unwrap().unwrap();
        assert!(row.value.starts_with(b"needle"));
        let mut bytes = state.get(Table::Values, &key).unwrap().unwrap().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        state.put(Table::Values, &key, bytes);
        state.put(Table::Stats, b"nobody\0", vec![0; 64]);
        let queue = wharf_delivery::keys::queue(&crate::folder::tenant(), &"failed".parse().unwrap());
        state.remove(Table::Queues, &queue);
    });
    let mut report = folder.examine();
    let said: Vec<_> = report.findings.iter().map(|it| (it.structure.as_str(), it.problem.as_str())).collect();
    let wanted = [
        ("values", "row acme/counts/key-2 is not what the log gives"),
        ("queues", "row acme/failed/ is missing"),
        ("stats", "row nobody/ should not be there"),
    ];
    assert_eq!(said, wanted);
    assert!(report.findings.iter().all(|it| it.severity == Severity::Damage && it.repair == Some(Repair::Rebuild)));
    repair(&folder.dir(), &mut report).unwrap();
    assert!(report.ok && report.findings.iter().all(|finding| finding.repaired));
    assert!(!folder.file("state.redb").exists());
    let report = folder.examine();
    assert!(report.ok && report.state.is_none(), "{report:?}");
}

#[test]
fn a_state_file_that_does_not_open_is_set_aside_and_kept() {
    let folder = Folder::new(true);
    std::fs::write(folder.file("state.redb"), vec![7; 50_000]).unwrap();
    let mut report = folder.examine();
    assert_eq!((report.ok, report.findings.len(), report.findings[0].part), (false, 1, Part::State));
    repair(&folder.dir(), &mut report).unwrap();
    let aside = std::fs::read_dir(folder.path.path()).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.starts_with("state.redb.aside-").then_some(name)
    });
    let aside: Vec<_> = aside.collect();
    assert_eq!(aside.len(), 1);
    assert_eq!(folder.read(&aside[0]), vec![7; 50_000]);
    assert!(report.findings[0].help.as_ref().unwrap().contains(&aside[0]));
}

#[test]
fn a_state_is_not_set_aside_while_the_log_has_lost_what_it_may_hold() {
    let folder = Folder::new(true);
    std::fs::write(folder.file("state.redb"), vec![7; 50_000]).unwrap();
    let (name, at) = folder.frame(5);
    let mut report = folder.flipped(&name, at + 300, 0, Folder::examine);
    assert_eq!(report.findings.len(), 2);
    assert!(report.findings.iter().all(|finding| finding.repair.is_none()));
    repair(&folder.dir(), &mut report).unwrap();
    assert!(!report.ok && folder.file("state.redb").exists());
}

#[test]
fn a_damaged_component_is_set_aside() {
    let folder = Folder::new(true);
    let name = format!("components/{}.wasm", wharf_event::Digest::of(COMPONENT).hex());
    std::fs::write(folder.file(&name), b"\0asm something else").unwrap();
    let mut report = folder.examine();
    repair(&folder.dir(), &mut report).unwrap();
    assert!(report.ok && !folder.file(&name).exists());
}

#[test]
fn a_folder_without_a_log_and_a_log_of_a_later_format_are_refused() {
    let folder = Folder::new(true);
    let name = &folder.segments()[1];
    let mut bytes = folder.read(name);
    bytes[8] = 2;
    let crc = crc32c::crc32c(&bytes[..56]);
    bytes[56..60].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(folder.file(name), bytes).unwrap();
    let error = wharf_dispatch::doctor::examine(&folder.dir(), &mut |_, _| ()).unwrap_err();
    assert_eq!(error.code(), Code::FolderVersion, "{error}");
    std::fs::remove_dir_all(folder.file("log")).unwrap();
    let error = wharf_dispatch::doctor::examine(&folder.dir(), &mut |_, _| ()).unwrap_err();
    assert_eq!(error.code(), Code::FolderUnknown, "{error}");
}
