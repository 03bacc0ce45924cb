//! Goal: verifying a log finds a flipped bit in every one of its bytes and names the structure, goes on behind damage and says
//! which frames are lost, and says nothing of a log that is whole.
//! Method: a log of several tiny segments and two owners; one bit of every byte is flipped, and what must be found there is
//! worked out from the frames' lengths alone.

use std::io;

use wharf_log::{Disk, DiskFile, Fault, Finding, FrameKind, Seen, SeenFrame, Standing, Verified, verify};

use crate::setup::{FIRST_SEGMENT, PARTITION, append, body, frames_in, open};
use wharf_faults::FaultyDisk;

/// What verifying told.
#[derive(Default)]
struct Told {
    findings: Vec<Finding>,
    frames: Vec<SeenFrame>,
    segments: Vec<String>,
}

impl Told {
    fn faults(&self) -> Vec<&str> {
        self.findings.iter().map(|finding| finding.fault.structure()).collect()
    }

    fn damaged(&self) -> impl Iterator<Item = &SeenFrame> {
        self.frames.iter().filter(|frame| frame.standing != Standing::Counts)
    }
}

fn check(disk: &impl Disk) -> (Told, Verified) {
    let mut told = Told::default();
    let verified = verify(disk, PARTITION, &mut |seen| match seen {
        Seen::Segment { name, .. } => told.segments.push(name),
        Seen::Frame(frame) => told.frames.push(frame),
        Seen::Finding(finding) => told.findings.push(finding),
    });
    (told, verified.unwrap())
}

/// Three segments, two owners, frames of none to three records, and a mark at the end.
fn several_segments() -> FaultyDisk {
    let disk = FaultyDisk::default();
    let (mut log, _) = open(&disk, 1).unwrap();
    for seed in 0..4 {
        append(&mut log, seed, &[body(seed, 300), body(seed + 50, 30), body(seed + 90, 5)]).unwrap();
    }
    drop(log);
    let (mut log, _) = open(&disk, 2).unwrap();
    for seed in 4..13 {
        append(&mut log, seed, &[body(seed, 900), body(seed + 50, 90)]).unwrap();
    }
    log.append_mark(20).unwrap();
    assert_eq!(log.segments().len(), 3);
    disk
}

/// What must be found when a bit of this byte is flipped, worked out from the lengths of frames and bodies.
fn structure_at(segment: &[u8], at: usize, last: bool) -> &'static str {
    let frames = frames_in(segment);
    if at < 512 {
        return if at < 60 { "segment-header" } else { "segment-zeros" };
    }
    let holds_it = |(from, bytes): &&(usize, usize)| (*from..from + bytes.next_multiple_of(512)).contains(&at);
    let Some(&(from, bytes)) = frames.iter().find(holds_it) else { return "unused-space" };
    let records = u32::from_le_bytes(segment[from + 64..from + 68].try_into().unwrap()) as usize;
    match at - from {
        within if within >= bytes => "frame-padding",
        _ if last && from == frames.last().unwrap().0 => "torn-tail",
        within if within < 72 + 24 * records => "frame-front",
        _ => "record-body",
    }
}

fn names(disk: &FaultyDisk) -> Vec<String> {
    let mut names = disk.list().unwrap();
    names.retain(|name| name.contains(".seg"));
    names.sort_unstable();
    names
}

#[test]
fn a_whole_log_has_no_finding_and_is_not_touched() {
    let disk = several_segments();
    let (told, verified) = check(&disk);
    assert_eq!(told.findings, []);
    assert_eq!(told.segments, names(&disk));
    assert_eq!((verified.frames, verified.first_k, verified.last_k), (16, 1, 16));
    assert_eq!((verified.segments, verified.records, verified.torn_bytes), (3, 4 * 3 + 9 * 2, 0));
    assert_eq!(told.frames.iter().map(|frame| frame.k).collect::<Vec<_>>(), (1..=16).collect::<Vec<_>>());
    assert_eq!(told.frames.last().unwrap().kind, Some(FrameKind::Mark));
    let before = disk.operations();
    let _ = verify(&disk, PARTITION, &mut |_| ());
    assert_eq!(disk.operations(), before);
}

#[test]
fn a_flipped_bit_in_every_byte_is_found_once_and_named() {
    let disk = several_segments();
    let names = names(&disk);
    let whole = check(&disk).0;
    for (n, name) in names.iter().enumerate() {
        let bytes = disk.bytes(name);
        for at in 0..bytes.len() {
            let bit = 1 << (at * 7 % 8);
            disk.change(name, |bytes| bytes[at] ^= bit);
            let (told, _) = check(&disk);
            let wanted = structure_at(&bytes, at, n + 1 == names.len());
            let found = told.findings.iter().map(|it| (it.fault.structure(), it.segment.as_str())).collect::<Vec<_>>();
            assert_eq!(found, [(wanted, name.as_str())], "byte {at} of {name}");
            let finding = &told.findings[0];
            let covers = finding.offset <= at as u64 && (at as u64) < finding.offset + finding.bytes;
            assert!(covers, "byte {at} of {name}: {finding:?}");
            match wanted {
                "frame-front" => pieced_together(&whole, &told, at),
                "record-body" => {
                    let Fault::RecordBody { bit: flipped, .. } = finding.fault else { panic!("{finding:?}") };
                    assert_eq!(flipped, Some((at as u64, (at * 7 % 8) as u8)));
                }
                _ => {}
            }
            disk.change(name, |bytes| bytes[at] ^= bit);
        }
    }
}

/// Whatever bit of a front is flipped, the frame and its bodies are found again, all but at most one of them proven.
fn pieced_together(whole: &Told, told: &Told, at: usize) {
    let (k, _) = told.findings[0].frames.unwrap();
    let was = whole.frames.iter().find(|frame| frame.k == k).unwrap();
    let [frame] = told.damaged().collect::<Vec<_>>()[..] else { panic!("byte {at}") };
    assert_eq!((frame.k, frame.offset, frame.standing), (k, was.offset, Standing::Damaged), "byte {at}");
    if was.records.is_empty() {
        return;
    }
    assert_eq!(frame.records.len(), was.records.len(), "byte {at}");
    assert!(frame.records.iter().filter(|record| !record.holds).count() <= 1, "byte {at}");
    for (record, was) in frame.records.iter().zip(&was.records) {
        assert_eq!(record.body, was.body, "byte {at}");
    }
}

#[test]
fn frames_behind_damage_are_read_on_and_the_range_between_is_named() {
    let disk = several_segments();
    let name = &names(&disk)[1];
    let frames = frames_in(&disk.bytes(name));
    let first_k: u64 = name[..20].parse().unwrap();
    disk.change(name, |bytes| bytes[frames[1].0..frames[3].0].fill(0));
    let (told, verified) = check(&disk);
    assert_eq!(told.faults(), ["frames-missing"]);
    assert_eq!(told.findings[0].frames, Some((first_k + 1, first_k + 2)));
    assert_eq!((verified.frames, verified.last_k), (14, 16));
}

#[test]
fn two_lost_frames_are_told_apart_by_their_headers() {
    let disk = several_segments();
    let name = &names(&disk)[1];
    let frames = frames_in(&disk.bytes(name));
    let first_k: u64 = name[..20].parse().unwrap();
    disk.change(name, |bytes| frames[1..3].iter().for_each(|(at, _)| bytes[at + 20] ^= 1));
    let (told, _) = check(&disk);
    assert_eq!(told.faults(), ["frame-front"]);
    assert_eq!(told.findings[0].frames, Some((first_k + 1, first_k + 2)));
    let lost: Vec<_> = told.damaged().map(|frame| (frame.k, frame.records.len())).collect();
    assert_eq!(lost, [(first_k + 1, 2), (first_k + 2, 2)]);
    assert!(told.damaged().all(|frame| frame.records.iter().all(|record| record.holds)));
}

#[test]
fn a_missing_segment_is_named_by_the_frames_that_were_in_it() {
    let disk = several_segments();
    let names = names(&disk);
    let first_of = |name: &String| name[..20].parse::<u64>().unwrap();
    let (from, to) = (first_of(&names[1]), first_of(&names[2]) - 1);
    disk.remove(&names[1]).unwrap();
    let (told, verified) = check(&disk);
    assert_eq!(told.faults(), ["frames-missing"]);
    assert_eq!((told.findings[0].segment.as_str(), told.findings[0].frames), (FIRST_SEGMENT, Some((from, to))));
    assert_eq!(verified.frames, 16 - (to - from + 1));
}

#[test]
fn a_tear_is_a_torn_tail_and_a_lone_bit_behind_it_is_not() {
    let disk = several_segments();
    let name = &names(&disk)[2];
    let &(last, _) = frames_in(&disk.bytes(name)).last().unwrap();
    disk.change(name, |bytes| bytes[last..last + 512].fill(0));
    let (told, verified) = check(&disk);
    assert_eq!((told.faults().len(), verified.last_k, verified.torn_bytes), (0, 15, 0));
    disk.change(name, |bytes| bytes[last..last + 600].copy_from_slice(&body(1, 600)));
    let (told, verified) = check(&disk);
    assert_eq!((told.faults(), verified.torn_bytes), (vec!["torn-tail"], 1_024));
    disk.change(name, |bytes| {
        bytes[last..last + 600].fill(0);
        bytes[last + 599] = 4;
    });
    assert_eq!(check(&disk).0.faults(), ["unused-space"]);
}

#[test]
fn files_of_others_lengths_and_foreign_frames_are_named() {
    let disk = several_segments();
    let names = names(&disk);
    disk.create("notes.txt").unwrap();
    disk.create("spare").unwrap();
    disk.change(&names[0], |bytes| bytes.resize(9_000, 0));
    assert_eq!(check(&disk).0.faults(), ["file", "segment-length"]);
    let disk = several_segments();
    let whole = disk.bytes(&names[2]);
    disk.change(&names[2], |bytes| bytes.truncate(600));
    let (told, verified) = check(&disk);
    let first_k: u64 = names[2][..20].parse().unwrap();
    assert_eq!((told.faults(), verified.last_k), (vec!["segment-length", "torn-tail"], first_k - 1));
    // A copy of an earlier frame where the last one was.
    let (first, second) = (frames_in(&whole)[0].0, frames_in(&whole)[1].0);
    disk.change(&names[2], |bytes| {
        *bytes = whole.clone();
        let copy = bytes[first..second].to_vec();
        bytes[second..second + copy.len()].copy_from_slice(&copy);
    });
    assert!(!check(&disk).0.faults().is_empty());
}

#[test]
fn a_later_format_is_refused() {
    let disk = several_segments();
    disk.change(FIRST_SEGMENT, |bytes| {
        bytes[8] = 2;
        let crc = crc32c::crc32c(&bytes[..56]);
        bytes[56..60].copy_from_slice(&crc.to_le_bytes());
    });
    let error = verify(&disk, PARTITION, &mut |_| ()).unwrap_err();
    assert!(matches!(error, wharf_log::LogError::Version { found: 2, supported: 1, .. }), "{error}");
}

/// A disk that does not give one sector of each file.
struct BadSector(FaultyDisk, u64);

struct BadFile<F>(F, u64);

impl Disk for BadSector {
    type File = BadFile<<FaultyDisk as Disk>::File>;
    fn open(&self, name: &str) -> io::Result<Self::File> {
        let bad = if name == FIRST_SEGMENT { self.1 } else { u64::MAX - 512 };
        Ok(BadFile(self.0.open(name)?, bad))
    }
    fn create(&self, _: &str) -> io::Result<Self::File> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }
    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn remove(&self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn sync_dir(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

impl<F: DiskFile> DiskFile for BadFile<F> {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let touches = offset < self.1 + 512 && self.1 < offset + into.len() as u64;
        if touches { Err(io::Error::other("bad sector")) } else { self.0.read_at(offset, into) }
    }
    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn sync_data(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }
    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

#[test]
fn a_sector_that_the_disk_does_not_give_is_named_with_the_frame_that_it_costs() {
    let disk = several_segments();
    let &(at, _) = &frames_in(&disk.bytes(FIRST_SEGMENT))[2];
    let (told, verified) = check(&BadSector(disk, at as u64));
    assert_eq!(told.findings[0].fault, Fault::Unreadable { problem: "bad sector".to_owned() });
    assert_eq!((told.findings[0].offset, told.findings[0].bytes), (at as u64, 512));
    assert_eq!(told.findings[1].frames, Some((3, 3)));
    assert_eq!((told.findings.len(), verified.frames), (2, 15));
}
