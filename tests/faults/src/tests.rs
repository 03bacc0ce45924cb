//! Goal: the disk keeps, drops and tears as its model says, and the same seed gives the same bytes. Method: a few writes, then
//! every fate.

use wharf_log::{Disk, DiskFile};

use crate::{Fate, Fault, FaultyDisk, Kind};

/// A file of two sectors of ones, synced; then a pending write of twos over both, and one of threes inside the first.
fn pending() -> FaultyDisk {
    let disk = FaultyDisk::default();
    let file = disk.create("f").unwrap();
    file.write_at(0, &[1; 1_024]).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir().unwrap();
    file.write_at(0, &[2; 1_024]).unwrap();
    file.write_at(100, &[3; 10]).unwrap();
    disk
}

#[test]
fn a_power_cut_leaves_of_each_sector_what_it_had_at_some_time() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        for fate in [Fate::Torn(seed), Fate::Whole(seed), Fate::InOrder(seed)] {
            let after = pending().after_power_cut(fate).bytes("f");
            assert_eq!(after, pending().after_power_cut(fate).bytes("f"), "the same seed, the same bytes");
            let sectors = (after[0], after[100], after[512]);
            assert!(after[512..].iter().all(|byte| *byte == after[512]), "a sector is whole");
            assert!([1, 2].contains(&sectors.0) && sectors.1 >= sectors.0, "{sectors:?}");
            assert!(
                sectors.1 != 3 || sectors.0 == 2,
                "a later write of a sector came without an earlier one: {sectors:?}"
            );
            assert!(!matches!(fate, Fate::Whole(_)) || sectors.0 == sectors.2, "a whole write: {sectors:?}");
            seen.insert(sectors);
        }
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
    assert_eq!(pending().after_power_cut(Fate::LoseAll).bytes("f"), [1; 1_024]);
    assert_eq!(pending().after_power_cut(Fate::KeepAll).bytes("f"), pending().bytes("f"));
    assert_eq!(pending().after_kill().after_power_cut(Fate::LoseAll).bytes("f"), [1; 1_024], "a kill syncs nothing");
}

#[test]
fn a_name_is_durable_when_its_folder_was_synced_and_a_folder_is_none_of_another() {
    let disk = FaultyDisk::default();
    let (log, root) = (disk.folder("log/"), disk.folder(""));
    log.create("a").unwrap();
    root.create("b").unwrap();
    log.sync_dir().unwrap();
    log.rename("a", "c").unwrap();
    assert_eq!(disk.names(), ["b", "log/c"]);
    assert_eq!(disk.after_power_cut(Fate::LoseAll).names(), ["log/a"]);
    assert_eq!(disk.after_power_cut(Fate::KeepAll).names(), ["b", "log/c"]);
    assert_eq!(log.list().unwrap(), ["c"]);
    let state = disk.file("state").unwrap();
    assert_eq!(disk.after_power_cut(Fate::LoseAll).names(), ["log/a"]);
    DiskFile::sync_data(&state).unwrap();
    assert_eq!(disk.after_power_cut(Fate::LoseAll).names(), ["b", "state", "log/a"]);
}

#[test]
fn a_failed_sync_forgets_what_was_pending_and_a_pretended_one_keeps_it_so() {
    let disk = pending();
    let file = disk.open("f").unwrap();
    disk.fail_at(1, Fault::Error);
    assert!(file.sync_data().is_err());
    assert!(file.sync_data().is_ok());
    assert_eq!(disk.bytes("f")[0], 2, "it can still be read");
    assert_eq!(disk.after_power_cut(Fate::KeepAll).bytes("f"), [1; 1_024]);
    let disk = pending();
    disk.pretend_to_sync(|operation| &*operation.name == "f");
    disk.open("f").unwrap().sync_data().unwrap();
    assert_eq!(disk.after_power_cut(Fate::LoseAll).bytes("f"), [1; 1_024]);
    assert_eq!(disk.after_power_cut(Fate::KeepAll).bytes("f")[0], 2);
}

#[test]
fn operations_are_told_by_kind_and_name_and_after_a_crash_nothing_is_done() {
    let disk = pending();
    let kinds: Vec<_> = disk.history().iter().map(|operation| (operation.number, operation.kind)).collect();
    let write = |offset, bytes| Kind::Write { offset, bytes };
    let syncs = [(3, Kind::Sync), (4, Kind::SyncFolder)];
    assert_eq!(kinds[..2], [(1, Kind::Create), (2, write(0, 1_024))]);
    assert_eq!((&kinds[2..4], &kinds[4..]), (&syncs[..], &[(5, write(0, 1_024)), (6, write(100, 10))][..]));
    disk.fail_at(2, Fault::Crash);
    let file = disk.open("f").unwrap();
    file.write_at(512, &[4]).unwrap();
    assert!(file.write_at(513, &[4]).is_err(), "it is pending, and says it failed");
    assert!(file.write_at(514, &[4]).is_err() && file.sync_data().is_err() && disk.create("g").is_err());
    assert_eq!((disk.operations(), disk.is_off()), (8, true));
    assert_eq!(disk.after_kill().bytes("f")[512..515], [4, 4, 2]);
    let after = disk.after_kill();
    after.create("g").unwrap();
    assert_eq!(after.history()[0].number, 9, "numbers go on");
}

#[test]
fn a_full_disk_takes_what_needs_no_room_and_nothing_else() {
    let disk = pending();
    disk.set_room(Some(disk.allocated()));
    let file = disk.open("f").unwrap();
    file.write_at(2_000, &[5; 100]).unwrap();
    let full = file.write_at(4_000, &[5; 100]).unwrap_err();
    assert_eq!((full.kind(), DiskFile::size(&file).unwrap()), (std::io::ErrorKind::StorageFull, 2_100));
    disk.set_room(None);
    file.write_at(4_000, &[5; 100]).unwrap();
    let mut read = [9; 8];
    assert_eq!(file.read_at(4_092, &mut read).unwrap(), 4, "short reads are legal");
    disk.fail_read_at(1);
    assert!(file.read_at(0, &mut read).is_err() && file.read_at(0, &mut read).is_ok());
    file.set_len(10).unwrap();
    file.set_len(20).unwrap();
    assert_eq!(disk.bytes("f")[..20], [[2_u8; 10], [0; 10]].concat());
}
