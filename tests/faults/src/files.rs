//! What is on the disk and in the page cache: files, and their names by folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

use crate::{
    fate::{Coin, Fate},
    image::Image,
    operation::{Fault, Kind, Operation},
    pending::Pending,
};

pub(crate) type Names = BTreeMap<String, u64>;
pub(crate) type Watch = Box<dyn FnMut(&Operation) -> Option<Fault> + Send>;
pub(crate) type Pretence = Arc<dyn Fn(&Operation) -> bool + Send + Sync>;

#[derive(Default)]
pub(crate) struct Files {
    pub(crate) files: BTreeMap<u64, File>,
    pub(crate) folders: BTreeMap<String, Folder>,
    next_inode: u64,
    /// Operations before the last restart: numbers go on.
    before: u64,
    pub(crate) done: Vec<Operation>,
    pub(crate) watch: Option<Watch>,
    pub(crate) pretence: Option<Pretence>,
    pub(crate) room: Option<u64>,
    pub(crate) off: bool,
    pub(crate) reads: u64,
    pub(crate) failing_read: Option<u64>,
}

#[derive(Clone, Default)]
pub(crate) struct File {
    pub(crate) now: Image,
    pub(crate) durable: Image,
    pub(crate) pending: Vec<(u64, Pending)>,
    /// Its last name, with its folder.
    pub(crate) name: Arc<str>,
    pub(crate) was_synced: bool,
    pub(crate) bytes_read: u64,
}

#[derive(Clone, Default)]
pub(crate) struct Folder {
    pub(crate) names: Names,
    durable: Names,
    pending: Vec<(u64, Names)>,
}

impl Folder {
    pub(crate) fn sync(&mut self) {
        self.durable = self.names.clone();
        self.pending.clear();
    }
}

impl Files {
    /// Counts an operation, and says what goes wrong with it.
    fn operation(&mut self, kind: Kind, name: &Arc<str>) -> Option<Fault> {
        if self.off {
            return Some(Fault::Crash);
        }
        let operation = Operation { number: self.number() + 1, kind, name: Arc::clone(name) };
        let fault = self.watch.as_mut().and_then(|watch| watch(&operation));
        self.done.push(operation);
        self.off = fault == Some(Fault::Crash);
        fault
    }

    fn number(&self) -> u64 {
        self.before + self.done.len() as u64
    }

    pub(crate) fn change_names(
        &mut self,
        folder: &str,
        kind: Kind,
        name: &str,
        change: impl FnOnce(&mut Names) -> io::Result<()>,
    ) -> io::Result<()> {
        let was_off = self.off;
        let fault = self.operation(kind, &format!("{folder}{name}").into());
        // At the crash itself the change may or may not have got there; after it, nothing does.
        if !was_off && !matches!(fault, Some(Fault::Error | Fault::Full)) {
            let number = self.number();
            let of = self.folders.entry(folder.to_owned()).or_default();
            change(&mut of.names)?;
            of.pending.push((number, of.names.clone()));
        }
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }

    pub(crate) fn create(&mut self, folder: &str, name: &str) -> io::Result<u64> {
        let inode = self.next_inode;
        self.next_inode += 1;
        let file = File { name: format!("{folder}{name}").into(), ..File::default() };
        self.files.insert(inode, file);
        self.change_names(folder, Kind::Create, name, |names| {
            names.insert(name.to_owned(), inode);
            Ok(())
        })?;
        Ok(inode)
    }

    pub(crate) fn change_file(&mut self, inode: u64, pending: Pending) -> io::Result<()> {
        let was_off = self.off;
        let kind = match &pending {
            Pending::Write(offset, bytes) => Kind::Write { offset: *offset, bytes: bytes.len() as u64 },
            Pending::Length(bytes) => Kind::SetLen(*bytes),
        };
        let name = Arc::clone(&self.file(inode)?.name);
        let full = !self.fits(inode, &pending);
        let fault = self.operation(kind, &name).or(full.then_some(Fault::Full));
        if !was_off && fault != Some(Fault::Full) {
            let pending = if fault == Some(Fault::Error) { pending.half() } else { pending };
            let number = self.number();
            let file = self.file_mut(inode)?;
            pending.apply(&mut file.now);
            file.pending.push((number, pending));
        }
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }

    /// Whether there is room for a write.
    fn fits(&self, inode: u64, pending: &Pending) -> bool {
        let (Some(room), Pending::Write(at, bytes)) = (self.room, pending) else { return true };
        let more = self.files.get(&inode).map_or(0, |file| file.now.to_allocate(*at, bytes.len() as u64));
        more == 0 || self.allocated() + more <= room
    }

    /// Bytes of the disk that are in use.
    pub(crate) fn allocated(&self) -> u64 {
        let named = self.folders.values().flat_map(|folder| folder.names.values());
        named.filter_map(|inode| self.files.get(inode)).map(|file| file.now.allocated()).sum()
    }

    /// Syncs a file. With `names`, the first sync of a new file makes its name durable too.
    pub(crate) fn sync(&mut self, inode: u64, names: Option<&str>) -> io::Result<()> {
        let name = Arc::clone(&self.file(inode)?.name);
        let fault = self.operation(Kind::Sync, &name);
        if fault == Some(Fault::Crash) {
            return Err(Fault::Crash.error());
        }
        if fault.is_none() && self.is_pretended() {
            return Ok(());
        }
        let file = self.file_mut(inode)?;
        let pending = std::mem::take(&mut file.pending);
        if let Some(fault) = fault {
            // They count as written from now on, and are not.
            return Err(fault.error());
        }
        pending.iter().for_each(|(_, pending)| pending.apply(&mut file.durable));
        let first = !std::mem::replace(&mut file.was_synced, true);
        if first && let Some(folder) = names.and_then(|folder| self.folders.get_mut(folder)) {
            folder.sync();
        }
        Ok(())
    }

    pub(crate) fn sync_folder(&mut self, folder: &str) -> io::Result<()> {
        if let Some(fault) = self.operation(Kind::SyncFolder, &folder.into()) {
            return Err(fault.error());
        }
        if !self.is_pretended()
            && let Some(folder) = self.folders.get_mut(folder)
        {
            folder.sync();
        }
        Ok(())
    }

    fn is_pretended(&self) -> bool {
        self.pretence.as_ref().zip(self.done.last()).is_some_and(|(pretence, last)| pretence(last))
    }

    pub(crate) fn file(&self, inode: u64) -> io::Result<&File> {
        self.files.get(&inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(crate) fn file_mut(&mut self, inode: u64) -> io::Result<&mut File> {
        self.files.get_mut(&inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Counts a read, and says whether it fails.
    pub(crate) fn read(&mut self) -> io::Result<()> {
        self.reads += 1;
        if self.failing_read == Some(self.reads) { Err(Fault::Error.error()) } else { Ok(()) }
    }

    /// What another start of the machine finds after the power went.
    pub(crate) fn after_power_cut(&self, fate: Fate) -> Self {
        let of_files = self.files.values().flat_map(|file| file.pending.iter().map(|(number, _)| *number));
        let of_names = self.folders.values().flat_map(|folder| folder.pending.iter().map(|(number, _)| *number));
        let numbers: BTreeSet<u64> = of_files.chain(of_names).collect();
        let mut coin = Coin::new(fate, &numbers.into_iter().collect::<Vec<_>>());
        let mut after = self.restarted();
        for folder in after.folders.values_mut() {
            let kept = folder.pending.iter().take_while(|(number, _)| {
                coin.begin(*number);
                coin.keeps()
            });
            folder.names = kept.last().map_or_else(|| folder.durable.clone(), |(_, names)| names.clone());
            folder.sync();
        }
        let named: BTreeSet<u64> = after.folders.values().flat_map(|folder| folder.names.values().copied()).collect();
        after.files.retain(|inode, _| named.contains(inode));
        for file in after.files.values_mut() {
            let mut lost = BTreeSet::new();
            for (number, pending) in std::mem::take(&mut file.pending) {
                coin.begin(number);
                pending.apply_some(&mut file.durable, &mut lost, || coin.keeps());
            }
            file.now = file.durable.clone();
        }
        let names: Vec<(String, u64)> = after.folders.iter().flat_map(|(folder, of)| of.paths(folder)).collect();
        for (name, inode) in names {
            if let Some(file) = after.files.get_mut(&inode) {
                file.name = name.into();
            }
        }
        after
    }

    /// What another process finds on the same machine: everything that was written, synced or not.
    pub(crate) fn restarted(&self) -> Self {
        let mut files = self.files.clone();
        for file in files.values_mut() {
            file.bytes_read = 0;
        }
        Self {
            files,
            folders: self.folders.clone(),
            before: self.number(),
            next_inode: self.next_inode,
            pretence: self.pretence.clone(),
            room: self.room,
            ..Self::default()
        }
    }
}

impl Folder {
    fn paths<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (String, u64)> + 'a {
        self.names.iter().map(move |(name, inode)| (format!("{folder}{name}"), *inode))
    }
}
