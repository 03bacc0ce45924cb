//! The store below: a redb file with one table per table of the machine, and one row that says up to where it has come.
//!
//! A checkpoint is one durable transaction with quick repair, so a reopen after a crash takes milliseconds whatever the
//! size of the file. redb refuses everything, reads included, once a write has failed: for a full disk that would be the end of
//! the host. So whoever meets that refusal opens the file again, which is as the last checkpoint left it, and reads on.

use std::{
    collections::BTreeMap,
    io, iter,
    ops::Bound,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError, RwLock},
};

use bytes::Bytes;
use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTableMetadata, TableDefinition};
use wharf_delivery::{Table, TableError};

use crate::{
    file::{Backend, StateFile},
    limits::CACHE_BYTES,
    overlay::Overlay,
    pace::Pace,
};

/// The version of the tables' layout.
const FORMAT: u64 = 4;
const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");

fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

/// Up to where the checkpoints have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checkpointed {
    /// The last frame whose changes are in. 0 = none.
    pub k: u64,
    /// There are rows although no frame is in: a rebuild that did not come to its end.
    pub unfinished: bool,
}

/// The state could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// redb failed.
    #[error("the state file failed")]
    Redb(#[from] redb::Error),
    /// The file was written by another version of the program.
    #[error(
        "the state file has format {found}, and this program reads format {FORMAT}: use the program that wrote it, or remove state.redb, which is rebuilt from the log"
    )]
    Format {
        /// The format that it has.
        found: u64,
    },
}

/// The file, opened, and opened again where it has to be.
pub(crate) struct Base {
    file: Arc<dyn StateFile>,
    opened: RwLock<Arc<Opened>>,
}

/// The open file with a view of its last checkpoint.
pub(crate) struct Opened {
    tables: Views,
    database: Arc<Database>,
}

impl StateError {
    /// Whether the file is broken or of an older layout, so that it has to be rebuilt from the log. A full disk or a busy file
    /// is not that, nor is a layout of a later program: whoever goes back to an older one has to say so.
    #[must_use]
    pub fn is_to_be_rebuilt(&self) -> bool {
        match self {
            StateError::Redb(redb::Error::Io(error)) => {
                // A file that was cut short ends before what its own head tells of.
                matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
            }
            StateError::Redb(error) => {
                matches!(
                    error,
                    redb::Error::Corrupted(_) | redb::Error::UpgradeRequired(_) | redb::Error::RepairAborted
                )
            }
            StateError::Format { found } => *found < FORMAT,
        }
    }

    /// Whether there was no room on the disk: nothing is broken, and it works when there is room.
    #[must_use]
    pub fn is_full_disk(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, StateError::Redb(redb::Error::Io(error)) if matches!(error.kind(), StorageFull | QuotaExceeded))
    }
}

fn failed(error: impl Into<redb::Error>) -> StateError {
    StateError::Redb(error.into())
}

impl Base {
    /// Opens the file; with `check`, only after the checksum of every page in use was found right. Where that is not looked at
    /// redb may panic on a file that was changed, which then is damage like any other.
    pub(crate) fn open(file: Arc<dyn StateFile>, check: bool) -> Result<(Self, Checkpointed), StateError> {
        let (opened, checkpointed) = Opened::open(&file, check)?;
        Ok((Self { file, opened: RwLock::new(Arc::new(opened)) }, checkpointed))
    }

    /// The file as it is open now. A checkpoint writes to it; readers need not wait for that.
    pub(crate) fn opened(&self) -> Arc<Opened> {
        Arc::clone(&self.opened.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The view after a checkpoint takes the place of the one before.
    pub(crate) fn refresh(&mut self, after: Opened) {
        *self.opened.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(after);
    }

    /// Opens the file anew after a write to it, as it was open then, failed.
    pub(crate) fn reopen(&self, refused: &Arc<Opened>) -> Result<(), StateError> {
        self.reopened(refused).map(drop)
    }

    /// The file opened anew, unless somebody did that meanwhile. What refused is of no use to anyone any more: it writes nothing,
    /// not even when it is dropped.
    fn reopened(&self, refused: &Arc<Opened>) -> Result<Arc<Opened>, StateError> {
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&opened, refused) {
            *opened = Arc::new(Opened::open(&self.file, false)?.0);
        }
        Ok(Arc::clone(&opened))
    }

    /// Reads by `read`, and once more where the file had to be opened anew.
    fn read<T>(
        &self,
        table: Table,
        read: impl Fn(&Arc<Opened>) -> Result<T, redb::StorageError>,
    ) -> Result<T, TableError> {
        let opened = self.opened();
        match read(&opened) {
            Err(error) if is_refused(&error) => {
                read(&self.reopened(&opened).map_err(|error| unreadable(table, error))?)
            }
            read => read,
        }
        .map_err(|error| unreadable(table, error))
    }

    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, TableError> {
        self.read(table, |opened| {
            let Some(view) = opened.tables.get(&table) else { return Ok(None) };
            Ok(view.get(key)?.map(|row| Bytes::copy_from_slice(row.value())))
        })
    }

    pub(crate) fn range<'a>(
        &'a self,
        table: Table,
        from: Bound<&[u8]>,
    ) -> Result<impl Iterator<Item = Row> + use<'a>, TableError> {
        let start = move |from: Bound<&[u8]>| {
            self.read(table, |opened| {
                let view = opened.tables.get(&table);
                let rows = view.map(|view| view.range::<&[u8]>((from, Bound::Unbounded))).transpose()?;
                Ok(rows.map(|rows| (rows, Arc::clone(opened))))
            })
        };
        let (mut rows, mut last) = (start(from)?, from.map(Bytes::copy_from_slice));
        Ok(iter::from_fn(move || {
            let (from, refused) = rows.as_mut()?;
            let mut next = from.next()?;
            if next.as_ref().is_err_and(is_refused) {
                // Where it starts may be in memory, so that only what follows is refused.
                let again = self.reopened(refused).map_err(|error| unreadable(table, error));
                rows = match again.and_then(|_| start(last.as_ref().map(AsRef::as_ref))) {
                    Ok(again) => again,
                    Err(error) => return Some(Err(error)),
                };
                next = rows.as_mut()?.0.next()?;
            }
            Some(match next {
                Ok((key, row)) => {
                    let key = Bytes::copy_from_slice(key.value());
                    last = Bound::Excluded(key.clone());
                    Ok((key, Bytes::copy_from_slice(row.value())))
                }
                Err(error) => Err(unreadable(table, error)),
            })
        }))
    }
}

/// Whether a file refuses to be read since something failed before, and reads on once it is opened anew: it has the one word while it is open, the other when it
/// was opened anew by somebody else.
fn is_refused(error: &redb::StorageError) -> bool {
    matches!(error, redb::StorageError::PreviousIo | redb::StorageError::DatabaseClosed)
}

type Row = Result<(Bytes, Bytes), TableError>;

impl Opened {
    /// Opens the file. Nothing is written to one that has all tables, so that it opens on a full disk as well.
    fn open(file: &Arc<dyn StateFile>, check: bool) -> Result<(Self, Checkpointed), StateError> {
        let opened = catch_unwind(AssertUnwindSafe(|| Self::open_unguarded(file, check)));
        opened.unwrap_or_else(|_| Err(failed(redb::Error::Corrupted("redb panicked on it".to_owned()))))
    }

    fn open_unguarded(file: &Arc<dyn StateFile>, check: bool) -> Result<(Self, Checkpointed), StateError> {
        let mut builder = Database::builder();
        builder.set_check_integrity_on_open(check);
        let backend = Backend(Arc::clone(file));
        let database = builder.set_cache_size(CACHE_BYTES).create_with_backend(backend).map_err(failed)?;
        let (format, k) = position(&database)?;
        if let Some(found) = format.filter(|found| *found != FORMAT) {
            return Err(StateError::Format { found });
        }
        if format.is_none() || !has_tables(&database)? {
            make(&database)?;
        }
        let database = Arc::new(database);
        let tables = view(&database)?;
        let rows = tables.values().map(|table| Ok(!table.is_empty()?)).collect::<Result<Vec<_>, redb::StorageError>>();
        let unfinished = k == 0 && rows.map_err(failed)?.contains(&true);
        Ok((Self { tables, database }, Checkpointed { k, unfinished }))
    }

    /// Writes the net change and its position in one durable transaction, and gives the view after it.
    pub(crate) fn write(&self, overlay: &Overlay, k: u64, pace: &Pace) -> Result<Self, StateError> {
        let mut write = self.database.begin_write().map_err(failed)?;
        write.set_quick_repair(true);
        for table in Table::ALL {
            let mut open = write.open_table(definition(table)).map_err(failed)?;
            let mut pacer = pace.begin();
            for (key, entry) in overlay.rows(table) {
                match entry.row() {
                    Some(row) => open.insert(key.as_ref(), row.as_ref()).map_err(failed)?,
                    None => open.remove(key.as_ref()).map_err(failed)?,
                };
                pacer.step();
            }
        }
        write.open_table(META).map_err(failed)?.insert("k", k).map_err(failed)?;
        write.commit().map_err(failed)?;
        Ok(Self { tables: view(&self.database)?, database: Arc::clone(&self.database) })
    }
}

/// The format of the file, absent where it is new, and up to where the checkpoints have come.
fn position(database: &Database) -> Result<(Option<u64>, u64), StateError> {
    let read = database.begin_read().map_err(failed)?;
    let meta = match read.open_table(META) {
        Ok(meta) => meta,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok((None, 0)),
        Err(error) => return Err(failed(error)),
    };
    let format = meta.get("format").map_err(failed)?.map(|format| format.value());
    Ok((format, meta.get("k").map_err(failed)?.map_or(0, |k| k.value())))
}

fn has_tables(database: &Database) -> Result<bool, StateError> {
    let read = database.begin_read().map_err(failed)?;
    let there: Vec<String> =
        read.list_tables().map_err(failed)?.map(|table| redb::TableHandle::name(&table).to_owned()).collect();
    Ok(Table::ALL.iter().all(|table| there.iter().any(|name| name == table.name())))
}

/// Makes the tables that are not there.
fn make(database: &Database) -> Result<(), StateError> {
    let mut write = database.begin_write().map_err(failed)?;
    // Without it this commit would discard what makes the next open quick.
    write.set_quick_repair(true);
    for table in Table::ALL {
        write.open_table(definition(table)).map_err(failed)?;
    }
    write.open_table(META).map_err(failed)?.insert("format", FORMAT).map_err(failed)?;
    write.commit().map_err(failed)
}

fn unreadable(table: Table, source: impl std::error::Error + Send + Sync + 'static) -> TableError {
    TableError::Storage { table: table.name(), source: Box::new(source) }
}

pub(crate) type Views = BTreeMap<Table, ReadOnlyTable<&'static [u8], &'static [u8]>>;

fn view(database: &Database) -> Result<Views, StateError> {
    let read = database.begin_read().map_err(failed)?;
    let mut tables = BTreeMap::new();
    for table in Table::ALL {
        tables.insert(table, read.open_table(definition(table)).map_err(failed)?);
    }
    Ok(tables)
}
