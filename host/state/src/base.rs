//! The store below: a redb file with one table per table of the machine, and one row that says up to where it has come.
//!
//! A checkpoint is one durable transaction with quick repair, so a reopen after a crash takes milliseconds whatever the
//! size of the file.

use std::{
    collections::BTreeMap,
    ops::Bound,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bytes::Bytes;
use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use wharf_delivery::{Table, TableError};

use crate::{
    file::{Backend, StateFile},
    limits::CACHE_BYTES,
    overlay::Overlay,
    pace::Pace,
};

/// The version of the tables' layout.
const FORMAT: u64 = 2;
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

/// The open file with a view of its last checkpoint.
pub(crate) struct Base {
    database: Arc<Database>,
    tables: Views,
}

impl StateError {
    /// Whether the file is broken or of an older layout, so that it has to be rebuilt from the log. A full disk or a busy file
    /// is not that, nor is a layout of a later program: whoever goes back to an older one has to say so.
    #[must_use]
    pub fn is_to_be_rebuilt(&self) -> bool {
        match self {
            StateError::Redb(redb::Error::Io(error)) => error.kind() == std::io::ErrorKind::InvalidData,
            StateError::Redb(error) => {
                matches!(
                    error,
                    redb::Error::Corrupted(_) | redb::Error::UpgradeRequired(_) | redb::Error::RepairAborted
                )
            }
            StateError::Format { found } => *found < FORMAT,
        }
    }
}

fn failed(error: impl Into<redb::Error>) -> StateError {
    StateError::Redb(error.into())
}

impl Base {
    /// Opens the file; with `check`, only after the checksum of every page in use was found right. Where that is not looked at
    /// redb may panic on a file that was changed, which then is damage like any other.
    pub(crate) fn open(file: Box<dyn StateFile>, check: bool) -> Result<(Self, Checkpointed), StateError> {
        let opened = catch_unwind(AssertUnwindSafe(|| Self::open_unguarded(file, check)));
        opened.unwrap_or_else(|_| Err(failed(redb::Error::Corrupted("redb panicked on it".to_owned()))))
    }

    fn open_unguarded(file: Box<dyn StateFile>, check: bool) -> Result<(Self, Checkpointed), StateError> {
        let mut builder = Database::builder();
        builder.set_check_integrity_on_open(check);
        let database = builder.set_cache_size(CACHE_BYTES).create_with_backend(Backend(file)).map_err(failed)?;
        let mut write = database.begin_write().map_err(failed)?;
        // Without it this commit would discard what makes the next open quick.
        write.set_quick_repair(true);
        let k = {
            let mut meta = write.open_table(META).map_err(failed)?;
            let found = meta.get("format").map_err(failed)?.map_or(FORMAT, |format| format.value());
            if found != FORMAT {
                return Err(StateError::Format { found });
            }
            meta.insert("format", FORMAT).map_err(failed)?;
            let k = meta.get("k").map_err(failed)?.map_or(0, |k| k.value());
            for table in Table::ALL {
                write.open_table(definition(table)).map_err(failed)?;
            }
            k
        };
        write.commit().map_err(failed)?;
        let database = Arc::new(database);
        let tables = view(&database)?;
        let rows = tables.values().map(|table| Ok(!table.is_empty()?)).collect::<Result<Vec<_>, redb::StorageError>>();
        let unfinished = k == 0 && rows.map_err(failed)?.contains(&true);
        Ok((Self { database, tables }, Checkpointed { k, unfinished }))
    }

    pub(crate) fn database(&self) -> Arc<Database> {
        Arc::clone(&self.database)
    }

    pub(crate) fn refresh(&mut self, tables: Views) {
        self.tables = tables;
    }

    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, TableError> {
        let Some(view) = self.tables.get(&table) else { return Ok(None) };
        let row = view.get(key).map_err(|source| unreadable(table, source))?;
        Ok(row.map(|row| Bytes::copy_from_slice(row.value())))
    }

    pub(crate) fn range<'a>(
        &'a self,
        table: Table,
        from: Bound<&'a [u8]>,
    ) -> Result<impl Iterator<Item = Result<(Bytes, Bytes), TableError>> + 'a, TableError> {
        let range = match self.tables.get(&table) {
            Some(view) => {
                Some(view.range::<&[u8]>((from, Bound::Unbounded)).map_err(|source| unreadable(table, source))?)
            }
            None => None,
        };
        Ok(range.into_iter().flatten().map(move |row| {
            let (key, row) = row.map_err(|source| unreadable(table, source))?;
            Ok((Bytes::copy_from_slice(key.value()), Bytes::copy_from_slice(row.value())))
        }))
    }
}

fn unreadable(table: Table, source: redb::StorageError) -> TableError {
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

/// Writes the net change and its position in one durable transaction, and gives the view after it.
pub(crate) fn write(database: &Database, overlay: &Overlay, k: u64, pace: &Pace) -> Result<Views, StateError> {
    let mut write = database.begin_write().map_err(failed)?;
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
    view(database)
}
