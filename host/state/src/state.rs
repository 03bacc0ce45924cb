//! The state itself: the active overlay over the frozen one over redb.
//!
//! A checkpoint freezes the active overlay between two frames, so it holds exactly a durable position; while it is written
//! a second overlay fills. When both are full, admission has to wait (`is_full`), settles need not.

use std::{iter, ops::Bound, sync::Arc};

use bytes::Bytes;
use wharf_delivery::{Table, TableError, Tables};

use crate::{
    base::{Base, Checkpointed, Opened, StateError},
    file::StateFile,
    fronts::Fronts,
    limits::{CHECKED_AT_OPEN_BYTES_MAX, OVERLAY_BYTES, STEPPED_OVER_MIN},
    overlay::{Known, Overlay},
    pace::Pace,
    scratch::Scratch,
};

/// The tables of one partition.
pub struct State {
    active: Overlay,
    frozen: Option<Frozen>,
    /// Of the checkpoint under way.
    pace: Pace,
    base: Base,
    fronts: Fronts,
}

/// The changes of a checkpoint that is being written, or that has to be written again.
struct Frozen {
    overlay: Arc<Overlay>,
    k: u64,
    /// The file as it is open where it is being written; absent where it has to be written again.
    writing: Option<Arc<Opened>>,
}

/// A checkpoint to be written, on a thread of its own.
pub struct Checkpoint {
    overlay: Arc<Overlay>,
    base: Arc<Opened>,
    k: u64,
    pace: Pace,
}

/// Changes that are written and of no more use, to be dropped where nobody waits for it.
pub struct Thawed(#[allow(dead_code, reason = "it is held to be dropped")] Option<Arc<Overlay>>);

/// What a written checkpoint leaves: the view of the store below after it.
pub struct Snapshot {
    after: Opened,
    k: u64,
}

impl Snapshot {
    /// The last frame that it holds.
    #[must_use]
    pub fn k(&self) -> u64 {
        self.k
    }
}

impl State {
    /// Opens the state in `file`, which may be empty. One that is not large is checked as a whole.
    ///
    /// # Errors
    /// When the file is no state file, is damaged, or cannot be read.
    pub fn open(file: Box<dyn StateFile>) -> Result<(Self, Checkpointed), StateError> {
        let check = file.size().map_err(redb::Error::Io)? <= CHECKED_AT_OPEN_BYTES_MAX;
        let (base, checkpointed) = Base::open(file.into(), check)?;
        Ok((Self::on(base), checkpointed))
    }

    /// Opens the state in `file` to look at it, after the checksum of every page in use was found right. Nothing is written
    /// to the file: what opening changes, and what is applied from then on, stays in memory.
    ///
    /// # Errors
    /// When the file is no state file, is damaged, or cannot be read.
    pub fn inspect(file: Box<dyn StateFile>) -> Result<(Self, Checkpointed), StateError> {
        Self::over(Scratch::over(file), true)
    }

    /// The same without looking at any checksum, to see what is left of a damaged state. Reading it may panic.
    ///
    /// # Errors
    /// When nothing can be read.
    pub fn inspect_unchecked(file: Box<dyn StateFile>) -> Result<(Self, Checkpointed), StateError> {
        Self::over(Scratch::over(file), false)
    }

    fn over(file: Scratch, check: bool) -> Result<(Self, Checkpointed), StateError> {
        let (base, checkpointed) = Base::open(Arc::new(file), check)?;
        Ok((Self::on(base), checkpointed))
    }

    fn on(base: Base) -> Self {
        Self { active: Overlay::default(), frozen: None, pace: Pace::default(), base, fronts: Fronts::default() }
    }

    /// Whether enough changes have gathered for a checkpoint.
    #[must_use]
    pub fn is_checkpoint_due(&self) -> bool {
        self.frozen.is_none() && self.active.bytes() >= OVERLAY_BYTES
    }

    /// Whether there is anything to write and nothing being written.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.frozen.is_none() && !self.active.is_empty()
    }

    /// Whether a checkpoint is being written.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Whether both overlays are full: nothing new may be admitted until the checkpoint under way is done.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.frozen.is_some() && self.active.bytes() >= OVERLAY_BYTES
    }

    /// Whether a checkpoint could not be written and waits for [`State::again`].
    #[must_use]
    pub fn is_postponed(&self) -> bool {
        self.frozen.as_ref().is_some_and(|frozen| frozen.writing.is_none())
    }

    /// Freezes the changes up to and including the durable frame `k`. Absent while another checkpoint is under way.
    pub fn freeze(&mut self, k: u64) -> Option<Checkpoint> {
        if self.frozen.is_some() {
            return None;
        }
        let overlay = Arc::new(std::mem::take(&mut self.active));
        self.frozen = Some(Frozen { overlay, k, writing: None });
        self.again()
    }

    /// Lets the checkpoint under way hurry once the changes behind it are many.
    pub fn keep_pace(&self) {
        if self.frozen.is_some() && self.active.bytes() >= OVERLAY_BYTES / 2 {
            self.pace.hurry();
        }
    }

    /// Lets the checkpoint under way hurry: somebody waits for it.
    pub fn hurry(&self) {
        self.pace.hurry();
    }

    /// Puts a written checkpoint to use, and gives the changes that it holds: freeing them takes a while.
    pub fn thaw(&mut self, snapshot: Snapshot) -> Thawed {
        self.base.refresh(snapshot.after);
        Thawed(self.frozen.take().map(|frozen| frozen.overlay))
    }

    /// Goes on without the checkpoint that could not be written: its changes stay in memory, and it is to be written again.
    ///
    /// # Errors
    /// When the file does not even open any more.
    pub fn postpone(&mut self) -> Result<(), StateError> {
        // Whoever reads may have opened the file anew already: two that can write to it would not know of each other.
        let refused = self.frozen.as_mut().and_then(|frozen| frozen.writing.take());
        refused.map_or(Ok(()), |refused| self.base.reopen(&refused))
    }

    /// The checkpoint that was postponed, if there is one.
    pub fn again(&mut self) -> Option<Checkpoint> {
        let frozen = self.frozen.as_mut().filter(|frozen| frozen.writing.is_none())?;
        self.pace = Pace::default();
        let (overlay, base) = (Arc::clone(&frozen.overlay), self.base.opened());
        frozen.writing = Some(Arc::clone(&base));
        Some(Checkpoint { overlay, base, k: frozen.k, pace: self.pace.clone() })
    }
}

impl Checkpoint {
    /// Writes it at once; returns when it is durable.
    ///
    /// # Errors
    /// As [`Checkpoint::write`].
    pub fn write_at_once(self) -> Result<Snapshot, StateError> {
        self.pace.hurry();
        self.write()
    }

    /// Writes it with rests between, so that others have the cores; returns when it is durable.
    ///
    /// # Errors
    /// When redb fails. The frozen changes stay readable in memory, and the log has them.
    pub fn write(self) -> Result<Snapshot, StateError> {
        let after = self.base.write(&self.overlay, self.k, &self.pace)?;
        Ok(Snapshot { after, k: self.k })
    }
}

impl State {
    /// The row under `key` beneath the active changes.
    fn below(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, TableError> {
        match self.frozen.as_ref().and_then(|frozen| frozen.overlay.get(table, key)) {
            Some(entry) => Ok(entry.row().cloned()),
            None => self.base.get(table, key),
        }
    }
}

impl Tables for State {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, TableError> {
        match self.active.get(table, key) {
            Some(entry) => Ok(entry.row().cloned()),
            None => self.below(table, key),
        }
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, TableError> {
        let begins = !matches!(after, Bound::Excluded(key) | Bound::Included(key) if key >= prefix);
        let front = if begins { self.fronts.of(table, prefix) } else { None };
        let from = if begins { Bound::Included(front.as_deref().unwrap_or(prefix)) } else { after };
        let active = layer(Some(&self.active), table, from).peekable();
        let frozen = layer(self.frozen.as_ref().map(|frozen| frozen.overlay.as_ref()), table, from).peekable();
        let base = self.base.range(table, from)?.map(|row| row.map(|(key, row)| (key, Some(row)))).peekable();
        let (mut rows, mut over) = (Vec::new(), None);
        let mut stepped = 0;
        let mut all = merge(active, merge(frozen, base).peekable());
        while rows.len() < limit
            && let Some((key, row)) = all.next().transpose()?.filter(|(key, _)| key.starts_with(prefix))
        {
            match row {
                Some(row) => rows.push((key, row)),
                None if rows.is_empty() => (stepped, over) = (stepped + 1, Some(key)),
                None => {}
            }
        }
        let front = rows.first().map_or(over, |(key, _)| Some(key.clone()));
        if let Some(front) = front.filter(|_| begins && stepped >= STEPPED_OVER_MIN) {
            self.fronts.seen(table, prefix, front);
        }
        Ok(rows)
    }

    fn insert(&mut self, table: Table, key: &[u8], row: Vec<u8>) {
        self.fronts.written(table, key);
        self.active.insert(table, key, row);
    }

    fn put(&mut self, table: Table, key: &[u8], row: Vec<u8>) {
        self.fronts.written(table, key);
        self.active.put(table, key, row);
    }

    fn replace(&mut self, table: Table, key: &[u8], row: Option<Vec<u8>>) -> Result<Option<Bytes>, TableError> {
        let known = match row {
            Some(row) => {
                self.fronts.written(table, key);
                self.active.put(table, key, row)
            }
            None => self.active.remove(table, key),
        };
        match known {
            Known::Present(row) => Ok(Some(row)),
            Known::Absent => Ok(None),
            Known::Unknown => self.below(table, key),
        }
    }

    fn remove(&mut self, table: Table, key: &[u8]) {
        self.active.remove(table, key);
    }
}

fn layer<'a>(
    overlay: Option<&'a Overlay>,
    table: Table,
    from: Bound<&'a [u8]>,
) -> impl Iterator<Item = Layered> + use<'a> {
    let rows = overlay.map(|overlay| overlay.range(table, from)).into_iter().flatten();
    rows.map(|(key, entry)| Ok((key.clone(), entry.row().cloned())))
}

type Layered = Result<(Bytes, Option<Bytes>), TableError>;

/// Merges two layers in key order; where both have a key, the upper one's row counts.
fn merge<U, L>(mut upper: iter::Peekable<U>, mut lower: iter::Peekable<L>) -> impl Iterator<Item = Layered>
where
    U: Iterator<Item = Layered>,
    L: Iterator<Item = Layered>,
{
    iter::from_fn(move || match (upper.peek(), lower.peek()) {
        // What the upper layer has behind it must not stand for what could not be read.
        (_, Some(Err(_))) => lower.next(),
        (Some(Ok((u, _))), Some(Ok((l, _)))) => match u.cmp(l) {
            std::cmp::Ordering::Less => upper.next(),
            std::cmp::Ordering::Greater => lower.next(),
            std::cmp::Ordering::Equal => {
                lower.next();
                upper.next()
            }
        },
        (Some(_), _) => upper.next(),
        (None, _) => lower.next(),
    })
}
