//! A disk in memory that loses power, tears writes and fails, at any operation that changes it.
//!
//! Model: a write is pending until its file is synced; a crash keeps, drops or tears pending writes by 512-byte sector. Names
//! change in order and are pending until the folder is synced. A failed sync behaves as Linux does: the pending writes are
//! forgotten and never reach the disk, though they can still be read. Reads never fail.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use wharf_log::{Disk, DiskFile};

const SECTOR: usize = 512;

/// What happens at the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The power goes: this operation and all later ones fail.
    Crash,
    /// This one operation fails.
    Error,
}

/// What a power cut leaves of the writes that were not synced.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    LoseAll,
    KeepAll,
    /// Each sector by the throw of a coin, with this seed.
    Torn(u64),
}

#[derive(Clone, Default)]
pub struct FaultyDisk(Arc<Mutex<State>>);

pub struct FaultyFile {
    disk: FaultyDisk,
    inode: u64,
}

#[derive(Default)]
struct State {
    files: HashMap<u64, FileState>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    pending_names: Vec<BTreeMap<String, u64>>,
    operations: u64,
    fault: Option<(u64, Fault)>,
    off: bool,
    bytes_read: HashMap<u64, u64>,
}

#[derive(Default, Clone)]
struct FileState {
    now: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Pending>,
}

#[derive(Clone)]
enum Pending {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl FaultyDisk {
    /// The operations so far that changed the disk or synced it.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Lets the `nth` operation from here on (1 = the next) go wrong.
    pub fn fail_at(&self, nth: u64, fault: Fault) {
        let mut state = self.state();
        state.fault = Some((state.operations + nth, fault));
    }

    /// What another start of the machine finds after the power went.
    pub fn after_power_cut(&self, fate: Fate) -> Self {
        let state = self.state();
        let mut coin = Coin::new(fate);
        let mut files = state.files.clone();
        for file in files.values_mut() {
            for pending in std::mem::take(&mut file.pending) {
                pending.apply(&mut file.durable, || coin.keep());
            }
            file.now = file.durable.clone();
        }
        let kept = state.pending_names.iter().take_while(|_| coin.keep()).last();
        let names = kept.unwrap_or(&state.durable_names).clone();
        let state = State { files, durable_names: names.clone(), names, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// What another process finds on the same running machine: everything that was written, synced or not.
    pub fn after_kill(&self) -> Self {
        let state = self.state();
        let state = State {
            files: state.files.clone(),
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            pending_names: state.pending_names.clone(),
            ..State::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// The bytes of a file.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        state.files[&state.names[name]].now.clone()
    }

    /// Changes a file behind the log's back.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let inode = state.names[name];
        let file = state.files.get_mut(&inode).unwrap();
        change(&mut file.now);
        file.durable = file.now.clone();
        file.pending.clear();
    }

    /// The bytes that were read from a file through this disk.
    pub fn bytes_read(&self, name: &str) -> u64 {
        let state = self.state();
        state.bytes_read.get(&state.names[name]).copied().unwrap_or(0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    /// Counts an operation; the fault that it meets, if any.
    fn operation(&mut self) -> Option<Fault> {
        if self.off {
            return Some(Fault::Crash);
        }
        self.operations += 1;
        let fault = self.fault.filter(|&(at, _)| at == self.operations).map(|(_, fault)| fault);
        self.off = fault == Some(Fault::Crash);
        fault
    }

    fn change_names(&mut self, change: impl FnOnce(&mut BTreeMap<String, u64>)) -> io::Result<()> {
        let was_off = self.off;
        let fault = self.operation();
        // At the crash itself the change may or may not have got there; after it, nothing does.
        if !was_off && fault != Some(Fault::Error) {
            change(&mut self.names);
            self.pending_names.push(self.names.clone());
        }
        fault.map_or(Ok(()), |fault| Err(failed(fault)))
    }

    fn change_file(&mut self, inode: u64, pending: Pending) -> io::Result<()> {
        let was_off = self.off;
        let fault = self.operation();
        if !was_off {
            let pending = if fault == Some(Fault::Error) { pending.half() } else { pending };
            let file = self.files.get_mut(&inode).unwrap();
            pending.clone().apply(&mut file.now, || true);
            file.pending.push(pending);
        }
        fault.map_or(Ok(()), |fault| Err(failed(fault)))
    }
}

fn failed(fault: Fault) -> io::Error {
    io::Error::other(format!("{fault:?}"))
}

impl Pending {
    fn half(self) -> Self {
        match self {
            Self::Write(at, mut bytes) => {
                bytes.truncate(bytes.len() / 2);
                Self::Write(at, bytes)
            }
            length @ Self::Length(_) => length,
        }
    }

    fn apply(self, to: &mut Vec<u8>, mut keep: impl FnMut() -> bool) {
        match self {
            Self::Length(bytes) => {
                if keep() {
                    to.resize(bytes, 0);
                }
            }
            Self::Write(at, bytes) => {
                assert_eq!(at % SECTOR, 0, "the log writes whole sectors");
                for (index, sector) in bytes.chunks(SECTOR).enumerate() {
                    let from = at + index * SECTOR;
                    if keep() {
                        to.resize(to.len().max(from + sector.len()), 0);
                        to[from..from + sector.len()].copy_from_slice(sector);
                    }
                }
            }
        }
    }
}

/// Decides about one pending thing after the other.
struct Coin {
    fate: Fate,
    seed: u64,
}

impl Coin {
    fn new(fate: Fate) -> Self {
        let seed = if let Fate::Torn(seed) = fate { seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 } else { 1 };
        Self { fate, seed }
    }

    fn keep(&mut self) -> bool {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        match self.fate {
            Fate::LoseAll => false,
            Fate::KeepAll => true,
            Fate::Torn(_) => self.seed >> 32 & 1 == 1,
        }
    }
}

impl Disk for FaultyDisk {
    type File = FaultyFile;

    fn open(&self, name: &str) -> io::Result<FaultyFile> {
        let inode = self.state().names.get(name).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(FaultyFile { disk: self.clone(), inode })
    }

    fn create(&self, name: &str) -> io::Result<FaultyFile> {
        let mut state = self.state();
        let inode = state.files.len() as u64;
        state.files.insert(inode, FileState::default());
        state.change_names(|names| _ = names.insert(name.to_owned(), inode))?;
        Ok(FaultyFile { disk: self.clone(), inode })
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.state().change_names(|names| {
            let inode = names.remove(from).unwrap();
            names.insert(to.to_owned(), inode);
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.state().change_names(|names| _ = names.remove(name).unwrap())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.state();
        if let Some(fault) = state.operation() {
            return Err(failed(fault));
        }
        state.durable_names = state.names.clone();
        state.pending_names.clear();
        Ok(())
    }
}

impl DiskFile for FaultyFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.disk.state();
        let from = state.files[&self.inode].now.get(offset as usize..).unwrap_or_default();
        // Short reads are legal: give half of a long one.
        let bytes = from.len().min(into.len().div_ceil(2));
        into[..bytes].copy_from_slice(&from[..bytes]);
        *state.bytes_read.entry(self.inode).or_default() += bytes as u64;
        Ok(bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.state().change_file(self.inode, Pending::Write(offset as usize, bytes.to_vec()))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let fault = state.operation();
        if fault == Some(Fault::Crash) {
            return Err(failed(Fault::Crash));
        }
        let file = state.files.get_mut(&self.inode).unwrap();
        for pending in std::mem::take(&mut file.pending) {
            if fault.is_none() {
                pending.apply(&mut file.durable, || true);
            }
        }
        fault.map_or(Ok(()), |fault| Err(failed(fault)))
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[&self.inode].now.len() as u64)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.disk.state().change_file(self.inode, Pending::Length(bytes as usize))
    }
}
