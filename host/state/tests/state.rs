//! Goal: the layered state answers like one ordered map, whatever was checkpointed when.
//! Method: random operations against a `BTreeMap` model, with checkpoints begun and ended at random and reopens.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use proptest::prelude::*;
use wharf_delivery::{Table, Tables};
use wharf_state::{Checkpoint, State, StateFile};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Debug)]
enum Op {
    Put(u8, u8),
    Replace(u8, u8),
    Remove(u8),
    /// As many keys as a front takes and more, one behind the other.
    RemoveRun(u8, u8),
    Freeze,
    Thaw,
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..24u8, any::<u8>()).prop_map(|(key, row)| Op::Put(key, row)),
        2 => (0..24u8, any::<u8>()).prop_map(|(key, row)| Op::Replace(key, row)),
        4 => (0..24u8).prop_map(Op::Remove),
        2 => (0..8u8, 8..16u8).prop_map(|(from, count)| Op::RemoveRun(from, count)),
        1 => Just(Op::Freeze),
        1 => Just(Op::Thaw),
        1 => Just(Op::Reopen),
    ]
}

fn open(path: &std::path::Path) -> (State, u64) {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap();
    let (state, at) = State::open(Box::new(file)).unwrap();
    (state, at.k)
}

fn check(state: &State, model: &Model) {
    let all = state.scan(Table::Values, &[], Bound::Unbounded, usize::MAX).unwrap();
    let all: Vec<_> = all.into_iter().map(|(key, row)| (key.to_vec(), row.to_vec())).collect();
    assert_eq!(all, model.clone().into_iter().collect::<Vec<_>>());
    for key in 0..24u8 {
        let got = state.get(Table::Values, &[b'k', key]).unwrap().map(|row| row.to_vec());
        assert_eq!(got.as_ref(), model.get(&vec![b'k', key]));
    }
    for (prefix, limit) in [(&b""[..], 1), (b"k", 2), (&[b'k', 20], 1)] {
        let first = state.scan(Table::Values, prefix, Bound::Unbounded, limit).unwrap();
        let expected: Vec<_> = model.iter().filter(|(key, _)| key.starts_with(prefix)).take(limit).collect();
        let first: Vec<_> = first.iter().map(|(key, row)| (key.to_vec(), row.to_vec())).collect();
        assert_eq!(first.iter().map(|(key, row)| (key, row)).collect::<Vec<_>>(), expected);
    }
    let page = state.scan(Table::Values, b"k", Bound::Excluded(&[b'k', 7]), 3).unwrap();
    let expected: Vec<_> = model.range(vec![b'k', 8]..).take(3).map(|(key, _)| key.clone()).collect();
    assert_eq!(page.iter().map(|(key, _)| key.to_vec()).collect::<Vec<_>>(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_state_is_one_ordered_map_over_checkpoints_and_reopens(ops in proptest::collection::vec(op(), 1..80)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        let (mut state, _) = open(&path);
        let mut model = BTreeMap::new();
        // What a reopen finds: the model at the last written checkpoint.
        let mut written = (0, model.clone());
        let mut under_way: Option<(Checkpoint, u64, Model)> = None;
        for (k, op) in (1u64..).zip(ops) {
            match op {
                Op::Put(key, row) => {
                    let key = vec![b'k', key];
                    if model.insert(key.clone(), vec![row]).is_none() {
                        state.insert(Table::Values, &key, vec![row]);
                    } else {
                        state.put(Table::Values, &key, vec![row]);
                    }
                }
                Op::Replace(key, row) => {
                    let before = state.replace(Table::Values, &[b'k', key], Some(vec![row])).unwrap();
                    prop_assert_eq!(before.map(|row| row.to_vec()), model.insert(vec![b'k', key], vec![row]));
                }
                Op::Remove(key) => {
                    model.remove(&vec![b'k', key]);
                    state.remove(Table::Values, &[b'k', key]);
                }
                Op::RemoveRun(from, count) => {
                    for key in from..from + count {
                        model.remove(&vec![b'k', key]);
                        state.remove(Table::Values, &[b'k', key]);
                    }
                }
                Op::Freeze => {
                    if let Some(checkpoint) = state.freeze(k) {
                        under_way = Some((checkpoint, k, model.clone()));
                    }
                }
                Op::Thaw => {
                    if let Some((checkpoint, k, frozen)) = under_way.take() {
                        let snapshot = checkpoint.write().unwrap();
                        written = (k, frozen);
                        state.thaw(snapshot);
                    }
                }
                Op::Reopen => {
                    under_way = None;
                    drop(state);
                    let (reopened, at) = open(&path);
                    state = reopened;
                    prop_assert_eq!(at, written.0);
                    model = written.1.clone();
                }
            }
            check(&state, &model);
        }
    }
}

#[test]
fn a_file_of_a_later_format_is_refused_and_one_of_an_earlier_is_to_be_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    for (format, is_to_be_rebuilt) in [(1u64, true), (99, false)] {
        let path = folder.path().join(format!("format-{format}"));
        let database = redb::Database::create(&path).unwrap();
        let write = database.begin_write().unwrap();
        let meta = redb::TableDefinition::<&str, u64>::new("meta");
        write.open_table(meta).unwrap().insert("format", format).unwrap();
        write.commit().unwrap();
        drop(database);
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let error = State::open(Box::new(file)).err().unwrap();
        assert_eq!(error.is_to_be_rebuilt(), is_to_be_rebuilt, "{error}");
        assert!(error.to_string().contains(&format!("has format {format}")), "{error}");
    }
}

/// A file whose writes fail for want of room while `full`, and of whose reads the one fails that brings `left` to nothing.
struct Failing {
    file: File,
    full: Arc<AtomicBool>,
    left: Arc<AtomicUsize>,
    /// How often it was to be written to.
    written: Arc<AtomicUsize>,
}

impl Failing {
    fn room(&self) -> io::Result<()> {
        if self.full.load(Ordering::Relaxed) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl StateFile for Failing {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left == Ok(1) { Err(io::ErrorKind::Other.into()) } else { StateFile::read_at(&self.file, offset, into) }
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.written.fetch_add(1, Ordering::Relaxed);
        // What has its place already can be written over.
        if offset + bytes.len() as u64 > self.file.size()? {
            self.room()?;
        }
        StateFile::write_at(&self.file, offset, bytes)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.written.fetch_add(1, Ordering::Relaxed);
        if bytes > self.file.size()? {
            self.room()?;
        }
        StateFile::set_len(&self.file, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        StateFile::sync_data(&self.file)
    }
}

#[test]
fn a_checkpoint_for_which_there_is_no_room_is_written_later_and_reads_go_on_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let full = Arc::new(AtomicBool::new(false));
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    let (mut state, _) =
        State::open(Box::new(Failing { file, full: Arc::clone(&full), left: Arc::default(), written: Arc::default() }))
            .unwrap();
    let key = |n: u32| n.to_be_bytes();
    (0..5_000).for_each(|n| state.insert(Table::Values, &key(n), vec![1; 100]));
    let checkpoint = state.freeze(7).unwrap();
    state.thaw(checkpoint.write().unwrap());
    full.store(true, Ordering::Relaxed);
    (0..5_000).for_each(|n| state.put(Table::Values, &key(n * 2), vec![2; 100]));
    let mut checkpoint = state.freeze(9).unwrap();
    let rows = |state: &State| {
        let rows = state.scan(Table::Values, &[], Bound::Unbounded, usize::MAX).unwrap();
        let twos = rows.iter().filter(|(_, row)| row[0] == 2).count();
        (rows.len(), twos)
    };
    for _ in 0..3 {
        let error = checkpoint.write().err().expect("there is no room");
        assert!(error.is_full_disk() && !error.is_to_be_rebuilt(), "{error:?}");
        // Nobody has told the state yet, and it reads on.
        assert_eq!(state.get(Table::Values, &key(1)).unwrap().unwrap()[0], 1);
        assert_eq!(rows(&state), (7_500, 5_000));
        assert!(state.is_frozen() && !state.is_postponed());
        state.postpone().unwrap();
        assert!(state.is_postponed() && state.freeze(10).is_none(), "one after the other");
        assert_eq!(rows(&state), (7_500, 5_000));
        checkpoint = state.again().unwrap();
        assert!(state.again().is_none(), "it is under way");
    }
    full.store(false, Ordering::Relaxed);
    state.thaw(checkpoint.write().unwrap());
    assert_eq!(rows(&state), (7_500, 5_000));
    drop(state);
    let (state, k) = open(&path);
    assert_eq!((k, rows(&state)), (9, (7_500, 5_000)));
}

#[test]
fn a_file_that_a_reader_opened_anew_is_not_opened_a_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let (mut state, _) = open(&path);
    let key = |n: u32| n.to_be_bytes();
    (0..5_000).for_each(|n| state.insert(Table::Values, &key(n), vec![1; 100]));
    let snapshot = state.freeze(7).unwrap().write_at_once().unwrap();
    drop((state.thaw(snapshot), state));
    let (full, written) = (Arc::new(AtomicBool::new(false)), Arc::<AtomicUsize>::default());
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let failing = Failing { file, full: Arc::clone(&full), left: Arc::default(), written: Arc::clone(&written) };
    let (mut state, _) = State::open(Box::new(failing)).unwrap();
    let count = |state: &State| state.scan(Table::Values, &[], Bound::Unbounded, usize::MAX).unwrap().len();
    full.store(true, Ordering::Relaxed);
    (5_000..15_000).for_each(|n| state.insert(Table::Values, &key(n), vec![2; 100]));
    let error = state.freeze(9).unwrap().write().err().expect("there is no room");
    assert!(error.is_full_disk(), "{error:?}");
    let before = written.load(Ordering::Relaxed);
    // What it reads is in no memory yet.
    assert_eq!(count(&state), 15_000);
    let opened = written.load(Ordering::Relaxed);
    assert!(opened > before, "whoever reads opens it anew");
    state.postpone().unwrap();
    assert_eq!(written.load(Ordering::Relaxed), opened, "nobody else opens it, nor closes it");
    full.store(false, Ordering::Relaxed);
    let snapshot = state.again().unwrap().write_at_once().unwrap();
    drop((state.thaw(snapshot), state));
    let (state, k) = open(&path);
    assert_eq!((k, count(&state)), (9, 15_000));
}

#[test]
fn a_read_that_fails_is_told_and_hides_no_row_from_those_that_come_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (mut state, _) = open(&path);
    (0..5_000_u32).for_each(|n| state.insert(Table::Values, &n.to_be_bytes(), vec![1; 100]));
    let snapshot = state.freeze(1).unwrap().write_at_once().unwrap();
    drop((state.thaw(snapshot), state));
    let mut failed = 0;
    for nth in 1..20 {
        let left = Arc::new(AtomicUsize::new(0));
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let (mut state, _) = State::open(Box::new(Failing {
            file,
            full: Arc::default(),
            left: Arc::clone(&left),
            written: Arc::default(),
        }))
        .unwrap();
        // The removed ones are on several pages of the file, and there is a row far behind them that needs no reading.
        (0..500_u32).for_each(|n| state.remove(Table::Values, &n.to_be_bytes()));
        state.put(Table::Values, &4_999_u32.to_be_bytes(), vec![2]);
        let first = |state: &State| {
            let rows = state.scan(Table::Values, &[], Bound::Unbounded, 1);
            rows.map(|rows| rows.first().map(|(key, _)| key.to_vec()))
        };
        left.store(nth, Ordering::Relaxed);
        let (during, expected) = (first(&state), Some(500_u32.to_be_bytes().to_vec()));
        left.store(0, Ordering::Relaxed);
        failed += usize::from(during.is_err());
        // Once a read failed redb may read no more until it is opened anew.
        for found in [during, first(&state)].into_iter().flatten() {
            assert_eq!(found, expected, "read {nth}");
        }
    }
    assert!(failed > 3, "{failed}");
}

#[test]
fn a_file_that_was_cut_short_opens_as_it_was_or_is_to_be_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (mut state, _) = open(&path);
    for n in 0..3_000_u32 {
        state.insert(Table::Values, &n.to_be_bytes(), vec![1; 100]);
    }
    let snapshot = state.freeze(1).unwrap().write_at_once().unwrap();
    drop((state.thaw(snapshot), state));
    let whole = std::fs::read(&path).unwrap();
    let mut rebuilt = 0;
    for bytes in (0..whole.len()).step_by(whole.len() / 61) {
        std::fs::write(&path, &whole[..bytes]).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        if let Err(error) = State::open(Box::new(file)) {
            assert!(error.is_to_be_rebuilt(), "cut to {bytes} of {} bytes: {error:?}", whole.len());
            rebuilt += 1;
        }
    }
    assert!(rebuilt > 20, "{rebuilt}");
}
