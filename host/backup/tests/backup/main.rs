//! Backups of a real log in a real folder, taken while it is written and trimmed, and what is restored of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may end in a panic")]

mod site;

use std::fs;

use proptest::prelude::*;
use wharf_backup::BackupError;
use wharf_event::{Code, Digest};

use crate::site::{Site, restored};

#[test]
fn a_backup_goes_on_with_what_is_new_and_gives_back_every_frame() {
    let mut site = Site::new();
    site.log(200);
    let first = site.back_up(None).unwrap();
    assert!(first.segments.0 > 2 && first.segments.1 == first.segments.0, "{first:?}");
    let again = site.back_up(None).unwrap();
    assert_eq!((again.segments.1, again.last_k), (1, first.last_k), "only the one that is written is copied again");
    site.log(100);
    site.component(b"one");
    site.component(b"two");
    let more = site.back_up(None).unwrap();
    assert!(more.segments.0 > first.segments.0 && more.segments.1 < more.segments.0, "{more:?}");
    assert_eq!((more.components, more.last_k), ((2, 2), site.last_k()));
    let folder = site.restore(None).unwrap();
    assert_eq!(restored(&folder), site.frames());
    assert_eq!(fs::read_dir(folder.path().join("components")).unwrap().count(), 2);
}

#[test]
fn each_moment_is_a_log_that_opens_and_holds_what_was_there_by_then() {
    let mut site = Site::new();
    site.log(40);
    site.back_up(None).unwrap();
    let all = site.frames();
    for (at, until_ms) in all.iter().map(|(_, time_ms, _)| *time_ms).enumerate().step_by(3) {
        let folder = site.restore(Some(until_ms)).unwrap();
        let by_then = all.iter().filter(|(_, time_ms, _)| *time_ms <= until_ms).count();
        assert_eq!(restored(&folder), all[..by_then], "{at}");
    }
    assert!(matches!(site.restore(Some(1)).unwrap_err(), BackupError::Range));
}

#[test]
fn a_log_that_is_trimmed_and_recycled_under_the_copy_is_copied_whole() {
    let mut site = Site::new();
    site.log(400);
    // Whenever something was read the oldest segments go, and their files are used again.
    let taken = site.back_up_while(|site, n| {
        if n < 40 {
            site.log(20);
            site.trim_to(site.last_k() - 100);
        }
    });
    let taken = taken.unwrap();
    assert!(taken.first_k > 1, "{taken:?}");
    let folder = site.restore(None).unwrap();
    let frames = restored(&folder);
    assert_eq!((frames.first().unwrap().0, frames.last().unwrap().0), (taken.first_k, taken.last_k));
    assert!(frames.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0));
}

#[test]
fn what_the_log_lets_go_of_stays_until_it_is_too_old_and_its_components_with_it() {
    let mut site = Site::new();
    site.log(200);
    site.component(b"one");
    site.back_up(None).unwrap();
    let all = site.frames();
    site.trim_to(site.last_k() - 20);
    site.forget_components();
    site.component(b"two");
    let kept = site.back_up(None).unwrap();
    assert_eq!((kept.first_k, kept.components.0), (1, 2));
    assert_eq!(restored(&site.restore(None).unwrap())[..all.len()], all);
    // Nothing is older than that yet, and then all of it is that the log itself does not have.
    assert_eq!(site.back_up(Some(1_000_000)).unwrap().first_k, 1);
    site.later(10_000_000);
    let kept = site.back_up(Some(1_000_000)).unwrap();
    // When the first of them went nobody knows: it may have been there at a moment that is covered.
    assert_eq!((kept.first_k, kept.components.0), (site.frames()[0].0, 2));
    assert_eq!(restored(&site.restore(None).unwrap()), site.frames());
    site.log(200);
    assert_eq!(site.back_up(Some(1_000_000)).unwrap().components.0, 2);
    site.trim_to(site.last_k() - 20);
    site.later(10_000_000);
    assert_eq!(site.back_up(Some(1_000_000)).unwrap().components.0, 1);
    assert_eq!(restored(&site.restore(None).unwrap()), site.frames());
}

#[test]
fn what_a_host_took_away_is_there_for_every_moment_at_which_it_had_it() {
    let mut site = Site::new();
    site.log(50);
    let format = |site: &Site| {
        let text = fs::read_to_string(site.backup().join("backup.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["format"].as_u64().unwrap()
    };
    site.component(b"one");
    site.model(b"two");
    site.back_up(None).unwrap();
    let moment = site.frames()[40].1;
    site.log(50);
    site.forget_components();
    // Between two backups.
    let taken = site.back_up(None).unwrap();
    assert_eq!((taken.components.0, taken.models.0, format(&site)), (1, 1, 3));
    let has = |folder: &tempfile::TempDir, bytes: &[u8], ending| {
        folder.path().join(format!("components/{}.{ending}", Digest::of(bytes).hex())).exists()
    };
    let folder = site.restore(Some(moment)).unwrap();
    assert!(has(&folder, b"one", "wasm") && has(&folder, b"two", "onnx"));
    // It is back.
    site.component(b"one");
    site.model(b"two");
    site.back_up(None).unwrap();
    assert_eq!(format(&site), 2);
    // While a log is copied whose records name it.
    let mut site = Site::new();
    site.log(50);
    site.component(b"one");
    // The first that is told of is the component, then comes the log.
    site.back_up_while(|site, n| {
        if n == 1 {
            site.forget_components();
        }
    })
    .unwrap();
    assert!(has(&site.restore(None).unwrap(), b"one", "wasm"));
    assert_eq!((site.back_up(None).unwrap().components.0, format(&site)), (1, 3), "it went meanwhile");
}

#[test]
fn models_are_kept_beside_components_and_a_backup_without_them_is_of_the_format_of_before() {
    let mut site = Site::new();
    site.log(50);
    site.component(b"both");
    let format = |site: &Site| {
        let text = fs::read_to_string(site.backup().join("backup.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
        (manifest["format"].as_u64().unwrap(), manifest["models"].as_array().map_or(0, Vec::len))
    };
    site.back_up(None).unwrap();
    assert_eq!(format(&site), (1, 0));
    site.model(b"both");
    site.model(b"model");
    let taken = site.back_up(None).unwrap();
    assert_eq!((taken.components, taken.models, format(&site)), ((1, 0), (2, 2), (2, 2)));
    let folder = site.restore(None).unwrap();
    let restored = |bytes: &[u8], ending| {
        let name = format!("components/{}.{ending}", Digest::of(bytes).hex());
        fs::read(folder.path().join(name)).ok()
    };
    assert_eq!((restored(b"both", "wasm"), restored(b"both", "onnx")), (Some(b"both".into()), Some(b"both".into())));
    assert_eq!((restored(b"model", "onnx"), restored(b"model", "wasm")), (Some(b"model".into()), None));
    let copy = site.backup().join("components").join(format!("{}.onnx", Digest::of(b"model").hex()));
    fs::write(&copy, b"other").unwrap();
    assert_eq!(site.restore(None).unwrap_err().code(), Code::BackupDamaged);
}

#[test]
fn a_backup_goes_on_with_its_own_log_only() {
    let mut site = Site::new();
    site.log(100);
    site.back_up(None).unwrap();
    let before = site.restore(Some(site.frames()[50].1)).unwrap();
    let mut other = Site::new();
    other.log(100);
    assert_eq!(site.back_up_of(&other).unwrap_err().code(), Code::BackupForeign);
    // The same log, restored to an earlier time, that went on otherwise.
    let mut branch = Site::of(before);
    branch.log(100);
    assert_eq!(site.back_up_of(&branch).unwrap_err().code(), Code::BackupForeign);
    assert_eq!(restored(&site.restore(None).unwrap()), site.frames(), "the backup is what it was");
    // And one of which a part is missing in between.
    site.log(200);
    site.trim_to(site.last_k() - 20);
    assert!(matches!(site.back_up(None).unwrap_err(), BackupError::Gap { .. }));
}

#[test]
fn one_command_at_a_time_uses_a_backup() {
    let mut site = Site::new();
    site.log(10);
    let mut second = None;
    site.back_up_while(|site, _| second = Some(site.restore(None).map(drop))).unwrap();
    assert_eq!(second.unwrap().unwrap_err().code(), Code::BackupUnknown, "there is none yet");
    let mut second = None;
    site.back_up_while(|site, _| second = Some(site.restore(None).map(drop))).unwrap();
    assert_eq!(second.unwrap().unwrap_err().code(), Code::BackupLocked);
}

#[test]
fn what_is_left_of_one_that_was_killed_is_no_part_of_it() {
    let mut site = Site::new();
    site.log(100);
    site.back_up(None).unwrap();
    let frames = site.frames();
    // A copy that was begun, one that was ended before the manifest said so, and a manifest that was not.
    let log = site.backup().join("log");
    fs::write(log.join("00000000000000000001.seg.new"), b"half").unwrap();
    fs::write(log.join("00000000000000000001-00000000000000009999.seg"), b"longer").unwrap();
    fs::write(site.backup().join("backup.json.new"), b"{").unwrap();
    assert_eq!(restored(&site.restore(None).unwrap()), frames);
    site.log(10);
    let taken = site.back_up(None).unwrap();
    assert_eq!(fs::read_dir(log).unwrap().count(), taken.segments.0);
    assert_eq!(restored(&site.restore(None).unwrap()), site.frames());
}

#[test]
fn damage_of_the_log_itself_is_no_backup() {
    let mut site = Site::new();
    site.log(100);
    let segment = site.segment(1);
    let mut bytes = fs::read(&segment).unwrap();
    // A body of the second frame.
    bytes[1_200] ^= 1;
    fs::write(&segment, bytes).unwrap();
    assert_eq!(site.back_up(None).unwrap_err().code(), Code::FolderDamaged);
    assert_eq!(site.restore(None).unwrap_err().code(), Code::BackupUnknown);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_flipped_bit_of_a_copy_is_found_or_means_nothing(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut site = Site::new();
        site.log(30);
        site.component(b"a component");
        site.back_up(None).unwrap();
        let file = site.copies().remove(at.index(site.copies().len()));
        let mut bytes = fs::read(&file).unwrap();
        let byte = at.index(bytes.len());
        bytes[byte] ^= 1 << bit;
        fs::write(&file, bytes).unwrap();
        match site.restore(None) {
            // Padding carries nothing.
            Ok(folder) => prop_assert_eq!(restored(&folder), site.frames()),
            Err(error) => prop_assert_eq!(error.code(), Code::BackupDamaged),
        }
    }
}
