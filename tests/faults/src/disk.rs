//! The disk as the product sees it, and as whoever lets it fail does.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wharf_log::{Disk, DiskFile};
use wharf_state::StateFile;

use crate::{
    fate::Fate,
    files::Files,
    image::Image,
    operation::{Fault, Kind, Operation},
    pending::Pending,
};

/// A disk with one level of folders, each named by the prefix of its files (`log/`; the root is empty). As a [`Disk`] it is
/// its root folder. Clones are the same disk.
#[derive(Clone, Default)]
pub struct FaultyDisk(Arc<Mutex<Files>>);

/// One folder of it, for a log.
#[derive(Clone)]
pub struct FaultyFolder {
    disk: FaultyDisk,
    prefix: Arc<str>,
}

/// An open file. It stays usable when its name goes.
pub struct FaultyFile {
    disk: FaultyDisk,
    inode: u64,
    /// The folder whose names become durable by the first sync of a new file, as ext4 does it; absent where nobody may rely
    /// on that.
    names: Option<Arc<str>>,
}

impl FaultyDisk {
    /// The operations since the last restart that changed the disk or synced it.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.files().done.len() as u64
    }

    /// Those operations themselves.
    #[must_use]
    pub fn history(&self) -> Vec<Operation> {
        self.files().done.clone()
    }

    /// Asks `watch` before each operation from here on what goes wrong with it. It replaces the one before and ends with a
    /// restart.
    pub fn watch(&self, watch: impl FnMut(&Operation) -> Option<Fault> + Send + 'static) {
        self.files().watch = Some(Box::new(watch));
    }

    /// Lets the `nth` operation from here on (1 = the next) go wrong.
    pub fn fail_at(&self, nth: u64, fault: Fault) {
        let mut left = nth;
        self.watch(move |_| {
            left = left.wrapping_sub(1);
            (left == 0).then_some(fault)
        });
    }

    /// Lets the `nth` read from here on (1 = the next) fail.
    pub fn fail_read_at(&self, nth: u64) {
        let mut files = self.files();
        files.failing_read = Some(files.reads + nth);
    }

    /// The reads since the last restart.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.files().reads
    }

    /// Lets those syncs of which `pretence` says so do nothing and report success: a bug to be found. It outlives restarts.
    pub fn pretend_to_sync(&self, pretence: impl Fn(&Operation) -> bool + Send + Sync + 'static) {
        self.files().pretence = Some(Arc::new(pretence));
    }

    /// Bounds the bytes that files may take; absent = no bound. A write beyond it finds no room.
    pub fn set_room(&self, bytes: Option<u64>) {
        self.files().room = bytes;
    }

    /// The bytes that files take.
    #[must_use]
    pub fn allocated(&self) -> u64 {
        self.files().allocated()
    }

    /// From now on every operation fails: the machine or the process has ended.
    pub fn turn_off(&self) {
        self.files().off = true;
    }

    /// Whether every operation fails.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.files().off
    }

    /// What another start of the machine finds after the power went. This disk stays as it is.
    #[must_use]
    pub fn after_power_cut(&self, fate: Fate) -> Self {
        let after = self.files().after_power_cut(fate);
        Self(Arc::new(Mutex::new(after)))
    }

    /// What another process finds on the same running machine: everything that was written, synced or not.
    #[must_use]
    pub fn after_kill(&self) -> Self {
        let after = self.files().restarted();
        Self(Arc::new(Mutex::new(after)))
    }

    /// The names of all files, with their folders.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let files = self.files();
        let names = |(folder, of): (&String, &crate::files::Folder)| -> Vec<String> {
            of.names.keys().map(|name| format!("{folder}{name}")).collect()
        };
        files.folders.iter().flat_map(names).collect()
    }

    /// The bytes of a file; none when there is no such file.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let files = self.files();
        let inode = Self::inode(&files, name);
        inode.and_then(|inode| files.files.get(&inode)).map(|file| file.now.to_vec()).unwrap_or_default()
    }

    /// Changes a file behind everyone's back, durably. Nothing happens when there is no such file.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut files = self.files();
        let inode = Self::inode(&files, name);
        if let Some(file) = inode.and_then(|inode| files.files.get_mut(&inode)) {
            let mut bytes = file.now.to_vec();
            change(&mut bytes);
            file.now = Image::of(&bytes);
            file.durable = file.now.clone();
            file.pending.clear();
        }
    }

    /// Removes a file behind everyone's back, durably. Nothing happens when there is no such file.
    pub fn lose(&self, name: &str) {
        let (folder, name) = split(name);
        if let Some(of) = self.files().folders.get_mut(folder) {
            of.names.remove(name);
            of.sync();
        }
    }

    /// The bytes that were read from a file since the last restart.
    #[must_use]
    pub fn bytes_read(&self, name: &str) -> u64 {
        let files = self.files();
        Self::inode(&files, name).and_then(|inode| files.files.get(&inode)).map_or(0, |file| file.bytes_read)
    }

    /// The folder whose files' names begin with `prefix`, which is empty or ends with a slash.
    #[must_use]
    pub fn folder(&self, prefix: &str) -> FaultyFolder {
        FaultyFolder { disk: self.clone(), prefix: prefix.into() }
    }

    /// A file of the root, made where it is not there. The first sync of a new one makes its name durable too.
    ///
    /// # Errors
    /// When it is to be made and that goes wrong.
    pub fn file(&self, name: &str) -> io::Result<FaultyFile> {
        let root = self.folder("");
        let known = Self::inode(&self.files(), name);
        let inode = match known {
            Some(inode) => inode,
            None => self.files().create(&root.prefix, name)?,
        };
        Ok(FaultyFile { disk: self.clone(), inode, names: Some(root.prefix) })
    }

    /// Gives a file of the root another name.
    ///
    /// # Errors
    /// When there is no such file, or that goes wrong.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Disk::rename(&self.folder(""), from, to)
    }

    fn inode(files: &Files, name: &str) -> Option<u64> {
        let (folder, name) = split(name);
        files.folders.get(folder)?.names.get(name).copied()
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name's folder, with its slash, and the rest.
fn split(name: &str) -> (&str, &str) {
    name.split_at(name.rfind('/').map_or(0, |slash| slash + 1))
}

impl Disk for FaultyFolder {
    type File = FaultyFile;

    fn open(&self, name: &str) -> io::Result<FaultyFile> {
        let files = self.disk.files();
        let inode = files.folders.get(&*self.prefix).and_then(|folder| folder.names.get(name).copied());
        let inode = inode.ok_or(io::ErrorKind::NotFound)?;
        Ok(FaultyFile { disk: self.disk.clone(), inode, names: None })
    }

    fn create(&self, name: &str) -> io::Result<FaultyFile> {
        let inode = self.disk.files().create(&self.prefix, name)?;
        Ok(FaultyFile { disk: self.disk.clone(), inode, names: None })
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let files = self.disk.files();
        Ok(files.folders.get(&*self.prefix).map(|folder| folder.names.keys().cloned().collect()).unwrap_or_default())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.disk.files();
        let mut renamed = None;
        let done = files.change_names(&self.prefix, Kind::Rename, from, |names| {
            let inode = names.remove(from).ok_or(io::ErrorKind::NotFound)?;
            names.insert(to.to_owned(), inode);
            renamed = Some(inode);
            Ok(())
        });
        if let Some(file) = renamed.and_then(|inode| files.files.get_mut(&inode)) {
            file.name = format!("{}{to}", self.prefix).into();
        }
        done
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.files().change_names(&self.prefix, Kind::Remove, name, |names| {
            names.remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk.files().sync_folder(&self.prefix)
    }
}

impl Disk for FaultyDisk {
    type File = FaultyFile;

    fn open(&self, name: &str) -> io::Result<FaultyFile> {
        self.folder("").open(name)
    }

    fn create(&self, name: &str) -> io::Result<FaultyFile> {
        self.folder("").create(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.folder("").list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.folder("").rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.folder("").remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.folder("").sync_dir()
    }
}

impl FaultyFile {
    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut files = self.disk.files();
        files.read()?;
        let file = files.file_mut(self.inode)?;
        let bytes = file.now.read(offset, into);
        file.bytes_read += bytes as u64;
        Ok(bytes)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.files().change_file(self.inode, Pending::Write(offset, bytes.to_vec()))
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.files().sync(self.inode, self.names.as_deref())
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.disk.files().file(self.inode)?.now.len())
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        self.disk.files().change_file(self.inode, Pending::Length(bytes))
    }
}

impl DiskFile for FaultyFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        // Short reads are legal: give half of a long one.
        let half = into.len().div_ceil(2);
        self.read(offset, into.get_mut(..half).unwrap_or_default())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write(offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn size(&self) -> io::Result<u64> {
        self.bytes()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.resize(bytes)
    }
}

impl StateFile for FaultyFile {
    fn size(&self) -> io::Result<u64> {
        self.bytes()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        if self.read(offset, into)? == into.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write(offset, bytes)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.resize(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }
}
