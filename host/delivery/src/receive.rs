//! Transition: clients receive messages of a queue, and say what became of them.
//!
//! A message is a delivery whose target is the queue: it waits for its turn, in log order, until somebody receives it. From then on it waits
//! for its time, and somebody has it (it is leased) or nobody (it is delayed). A lease ends with its time; only until then, and only with the
//! receipt that it gave, can its message be ended, given back or kept longer. Messages that were received too often, or are too old, leave the
//! queue when they would be received next, or when somebody who tends the queue names them.

use std::{
    collections::{HashMap, HashSet},
    ops::Bound,
};

use bytes::Bytes;
use wharf_event::{Code, OrderingKey, Position, QueueName, Target, TenantName};

use crate::{
    DecodeError, DeliveryId, DeliveryRow, Move, Receipt, Record, behind, keys,
    limits::{LEASED_PER_QUEUE_MAX, QUEUE_MOVES_MAX},
    rows::Row as _,
    sequencer::{Answer, Decision, Refused, Sequencer},
    tables::{Table, TableError, Tables},
};

/// The wish to receive messages of a queue, or to say what became of them.
#[derive(Clone, Debug)]
pub struct QueueRequest {
    /// Whose they are.
    pub tenant: TenantName,
    /// Which queue.
    pub queue: QueueName,
    /// What holds for it.
    pub terms: Terms,
    /// What is wished.
    pub op: QueueOp,
}

/// What holds for the messages of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How long a message waits until it can be received first, in milliseconds.
    pub delay_ms: u64,
    /// How often a message may be received; absent = as often as it takes.
    pub max_receives: Option<u32>,
    /// Where it goes then.
    pub dead_letter: QueueName,
    /// How old it may become, in milliseconds.
    pub retention_ms: u64,
}

/// What is wished of a queue. Each names at most [`QUEUE_MOVES_MAX`] messages, and has no effect on those behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueOp {
    /// Let somebody have the next messages for a while.
    Receive {
        /// How many at most.
        count: usize,
        /// For how long, in milliseconds.
        visibility_ms: u64,
    },
    /// They are done.
    Ack(Vec<Receipt>),
    /// They are to be received again.
    Release {
        /// Which.
        receipts: Vec<Receipt>,
        /// When, in milliseconds from now.
        delay_ms: u64,
    },
    /// They were not looked at: it is as if they had not been received.
    Return(Vec<Receipt>),
    /// They stay with who has them for longer.
    Extend {
        /// Which.
        receipts: Vec<Receipt>,
        /// For how long, in milliseconds from now.
        visibility_ms: u64,
    },
    /// Those of these go that are too old, or were received too often.
    Tend(Vec<DeliveryId>),
    /// These go, whoever has them.
    Purge(Vec<DeliveryId>),
    /// These go, which wait behind others of their keys.
    PurgeBehind(Vec<(DeliveryId, OrderingKey)>),
    /// There is no such queue any more: these go to the dead letters.
    Gone(Vec<DeliveryId>),
}

impl QueueOp {
    /// Messages that it moves at most.
    #[must_use]
    pub fn most(&self) -> usize {
        let named = match self {
            Self::Receive { count, .. } => *count,
            Self::Ack(receipts)
            | Self::Return(receipts)
            | Self::Release { receipts, .. }
            | Self::Extend { receipts, .. } => receipts.len(),
            Self::Tend(ids) | Self::Purge(ids) | Self::Gone(ids) => ids.len(),
            Self::PurgeBehind(ids) => ids.len(),
        };
        named.min(QUEUE_MOVES_MAX)
    }
}

/// A message that somebody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What to show for it.
    pub receipt: Receipt,
    /// The delivery as it was before.
    pub row: DeliveryRow,
    /// Until when, in milliseconds since 1970.
    pub until_ms: u64,
}

/// What came of a [`QueueRequest`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Messages that were received, in log order.
    pub leases: Vec<Lease>,
    /// Of each receipt that was shown whether it was good, in order.
    pub good: Vec<bool>,
    /// How many messages left the queue.
    pub left: u64,
}

/// What is kept of queues in memory.
#[derive(Default)]
pub(crate) struct Heads(HashMap<(TenantName, QueueName), Head>);

/// The head of a queue.
struct Head {
    /// The last message that was received for the first time since the start: there are none of those before it.
    last: Option<DeliveryId>,
    /// Messages that are leased, those whose lease has ended included.
    leased: u64,
}

impl Heads {
    fn of(
        &mut self,
        (tenant, queue): (&TenantName, &QueueName),
        target: &Target,
        tables: &impl Tables,
    ) -> Result<&mut Head, TableError> {
        let key = (tenant.clone(), queue.clone());
        if !self.0.contains_key(&key) {
            let prefix = keys::hidden_by(tenant, target, true);
            let leased = tables.scan(Table::Hidden, &prefix, Bound::Unbounded, LEASED_PER_QUEUE_MAX as usize)?.len();
            self.0.insert(key.clone(), Head { last: None, leased: leased as u64 });
        }
        Ok(self.0.entry(key).or_insert(Head { last: None, leased: 0 }))
    }

    /// So many messages that somebody had left, or came back.
    pub(crate) fn ended(
        &mut self,
        of: (&TenantName, &QueueName),
        target: &Target,
        count: u64,
        tables: &impl Tables,
    ) -> Result<(), TableError> {
        let head = self.of(of, target, tables)?;
        head.leased = head.leased.saturating_sub(count);
        Ok(())
    }

    /// Whoever has the name next begins anew.
    pub(crate) fn forget(&mut self, tenant: &TenantName) {
        self.0.retain(|(of, _), _| of != tenant);
    }
}

pub(crate) fn decide<T: Tables>(
    sequencer: &mut Sequencer,
    request: QueueRequest,
    now_ms: u64,
    base: Position,
    tables: &T,
) -> Result<Result<Decision, Refused>, TableError> {
    let QueueRequest { tenant, queue, terms, op } = request;
    let target = Target::Queue(queue.clone());
    let head = sequencer.heads.of((&tenant, &queue), &target, tables)?;
    let mut deciding = Deciding {
        lane: (&tenant, &target),
        terms: &terms,
        now_ms,
        base,
        tables,
        head,
        moves: Vec::new(),
        next: Vec::new(),
        moved: Moved::default(),
        seen: HashSet::new(),
    };
    match op {
        QueueOp::Receive { count, visibility_ms } => {
            let is_full = deciding.head.leased >= LEASED_PER_QUEUE_MAX;
            deciding.receive(count, now_ms.saturating_add(visibility_ms))?;
            if is_full && deciding.moves.is_empty() {
                return Ok(Err(Refused::TooManyLeased));
            }
        }
        QueueOp::Ack(receipts) => deciding.end(receipts, |_, _| Move::Done)?,
        QueueOp::Return(receipts) => deciding.end(receipts, |_, _| Move::Return)?,
        QueueOp::Release { receipts, delay_ms } => {
            let back = Move::Delay(now_ms.saturating_add(delay_ms));
            deciding.end(receipts, |terms, row| terms.spent(row).unwrap_or_else(|| back.clone()))?;
        }
        QueueOp::Extend { receipts, visibility_ms } => {
            let until = Move::Extend(now_ms.saturating_add(visibility_ms));
            deciding.end(receipts, |_, _| until.clone())?;
        }
        QueueOp::Tend(ids) => deciding.tend(ids, |terms, row| {
            let is_free = !row.leased || row.due_ms <= now_ms;
            terms.ends(row, now_ms).filter(|_| is_free)
        })?,
        QueueOp::Purge(ids) => deciding.tend(ids, |_, _| Some(Move::Purged))?,
        QueueOp::PurgeBehind(ids) => deciding.purge_behind(ids)?,
        QueueOp::Gone(ids) => deciding.tend(ids, |terms, _| Some(terms.gone()))?,
    }
    let Deciding { moves, moved, next, .. } = deciding;
    sequencer.pending = sequencer.pending.saturating_sub(moved.left);
    let left = moves.iter().filter(|(_, to)| to.leaves());
    let answers: Vec<_> = left.filter_map(|(id, _)| sequencer.answered.settled(&tenant, *id)).collect();
    let moved_one = (!moves.is_empty()).then_some(Record::Queue { tenant, queue, moves });
    let records = moved_one.into_iter().chain(next).chain(answers).collect();
    Ok(Ok(Decision { records, answer: Answer::Moved(moved) }))
}

impl Terms {
    /// What becomes of a message that would be received once more, if that is not to be.
    fn ends(&self, row: &DeliveryRow, now_ms: u64) -> Option<Move> {
        let is_old = row.since_ms.saturating_add(self.retention_ms) <= now_ms;
        if is_old { Some(Move::Expired) } else { self.spent(row) }
    }

    /// When a message may be received that came to be the first of its group before the queue's delay was over; none where it may be by now.
    fn young_until(&self, row: &DeliveryRow, now_ms: u64) -> Option<u64> {
        let is_new = row.attempts == 0 && row.target.key().is_some();
        let due_ms = row.since_ms.saturating_add(self.delay_ms);
        (is_new && due_ms > now_ms).then_some(due_ms)
    }

    fn spent(&self, row: &DeliveryRow) -> Option<Move> {
        let most = self.max_receives.filter(|most| row.attempts >= *most)?;
        let reason = format!("it was received {} times, and {most} are allowed", row.attempts);
        Some(Move::GivenUp { queue: self.dead_letter.clone(), code: Code::ReceivesSpent, reason })
    }

    fn gone(&self) -> Move {
        let reason = "there is no such queue any more".to_owned();
        Move::GivenUp { queue: self.dead_letter.clone(), code: Code::TargetGone, reason }
    }
}

/// A request of a queue while it is decided.
struct Deciding<'a, T> {
    lane: (&'a TenantName, &'a Target),
    terms: &'a Terms,
    now_ms: u64,
    base: Position,
    tables: &'a T,
    head: &'a mut Head,
    moves: Vec<(DeliveryId, Move)>,
    /// Deliveries that take the places of those that leave.
    next: Vec<Record>,
    moved: Moved,
    /// Messages that were moved: of two receipts for one, the second is none.
    seen: HashSet<DeliveryId>,
}

impl<T: Tables> Deciding<'_, T> {
    fn receive(&mut self, count: usize, until_ms: u64) -> Result<(), TableError> {
        let count = count.min(QUEUE_MOVES_MAX);
        let room = usize::try_from(LEASED_PER_QUEUE_MAX.saturating_sub(self.head.leased)).unwrap_or(usize::MAX);
        let mut next = self.waiting(count.min(room))?;
        next.extend(self.back(false, count.min(room))?);
        next.sort_unstable_by_key(|(id, _)| *id);
        next.truncate(room);
        // Those whose lease is over have their room already.
        next.extend(self.back(true, count)?);
        // Of those that have come back the first that did, and of all these the oldest first, however often they were received.
        next.sort_unstable_by_key(|(id, _)| *id);
        next.truncate(count);
        for (id, row) in next {
            if !row.timed {
                self.head.last = Some(id);
            }
            if let Some(end) = self.terms.ends(&row, self.now_ms) {
                self.moves(id, &row, end)?;
                continue;
            }
            if let Some(due_ms) = self.terms.young_until(&row, self.now_ms) {
                self.moves(id, &row, Move::Delay(due_ms))?;
                continue;
            }
            self.moves(id, &row, Move::Lease(until_ms))?;
            let receipt = Receipt { delivery: id, lease: self.base };
            self.moved.leases.push(Lease { receipt, row, until_ms });
        }
        Ok(())
    }

    /// Those that nobody has received yet.
    fn waiting(&self, count: usize) -> Result<Vec<(DeliveryId, DeliveryRow)>, TableError> {
        let (tenant, target) = self.lane;
        let last = self.head.last.map(|last| keys::delivery(tenant, target, false, last));
        let after = last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.tables.scan(Table::Deliveries, &keys::first_attempts(tenant, target), after, count)?;
        let read = |(key, row): &(Bytes, Bytes)| Ok((id_of(Table::Deliveries, key)?, DeliveryRow::decode(row)?));
        // They came in this order: behind one that is too young, all are.
        let young = |row: &DeliveryRow| row.since_ms.saturating_add(self.terms.delay_ms) > self.now_ms;
        let rows = rows.iter().map(read).take_while(|row| !row.as_ref().is_ok_and(|(_, row)| young(row)));
        rows.collect()
    }

    /// Those whose time has come.
    fn back(&self, leased: bool, count: usize) -> Result<Vec<(DeliveryId, DeliveryRow)>, TableError> {
        let (tenant, target) = self.lane;
        let prefix = keys::hidden_by(tenant, target, leased);
        let hidden = self.tables.scan(Table::Hidden, &prefix, Bound::Unbounded, count)?;
        let is_back = |key: &[u8]| keys::hidden_until(key).is_some_and(|until_ms| until_ms <= self.now_ms);
        let mut rows = Vec::new();
        for (key, _) in hidden.iter().take_while(|(key, _)| is_back(key)) {
            let id = id_of(Table::Hidden, key)?;
            let row = DeliveryRow::read(self.tables, &keys::delivery(tenant, target, true, id))?;
            rows.push((id, row.ok_or_else(|| damaged(Table::Hidden, "delivery"))?));
        }
        Ok(rows)
    }

    /// Ends leases by their receipts.
    fn end(&mut self, receipts: Vec<Receipt>, with: impl Fn(&Terms, &DeliveryRow) -> Move) -> Result<(), TableError> {
        for receipt in receipts.into_iter().take(QUEUE_MOVES_MAX) {
            let row = if self.seen.contains(&receipt.delivery) { None } else { self.leased(receipt)? };
            self.moved.good.push(row.is_some());
            if let Some(row) = row {
                self.seen.insert(receipt.delivery);
                let end = with(self.terms, &row);
                self.moves(receipt.delivery, &row, end)?;
            }
        }
        Ok(())
    }

    /// The message that a receipt is for, as long as its lease lasts.
    fn leased(&self, receipt: Receipt) -> Result<Option<DeliveryRow>, TableError> {
        leased_by(self.lane, receipt, self.now_ms, self.tables)
    }

    fn tend(
        &mut self,
        ids: Vec<DeliveryId>,
        end: impl Fn(&Terms, &DeliveryRow) -> Option<Move>,
    ) -> Result<(), TableError> {
        let (tenant, target) = self.lane;
        for id in ids.into_iter().take(QUEUE_MOVES_MAX) {
            if !self.seen.insert(id) {
                continue;
            }
            let Some(row) = DeliveryRow::find(self.tables, tenant, target, id)? else { continue };
            if let Some(end) = end(self.terms, &row) {
                self.moves(id, &row, end)?;
            }
        }
        Ok(())
    }

    fn purge_behind(&mut self, ids: Vec<(DeliveryId, OrderingKey)>) -> Result<(), TableError> {
        let (tenant, target) = self.lane;
        for (id, key) in ids.into_iter().take(QUEUE_MOVES_MAX) {
            let row = self.tables.get(Table::Behind, &keys::behind(tenant, target, &key, id))?;
            if row.is_some_and(|row| !row.is_empty()) && self.seen.insert(id) {
                self.moved.left += 1;
                self.moves.push((id, Move::PurgedBehind(key)));
            }
        }
        Ok(())
    }

    fn moves(&mut self, id: DeliveryId, row: &DeliveryRow, to: Move) -> Result<(), TableError> {
        let stays = matches!(to, Move::Lease(_) | Move::Extend(_));
        self.head.leased = (self.head.leased + u64::from(stays)).saturating_sub(u64::from(row.leased));
        self.moved.left += u64::from(to.leaves());
        if to.leaves() {
            self.next.extend(behind::next(self.lane.0, &row.target, id, self.tables)?);
        }
        self.moves.push((id, to));
        Ok(())
    }
}

/// The message that a receipt is for, as long as its lease lasts.
pub(crate) fn leased_by(
    (tenant, target): (&TenantName, &Target),
    Receipt { delivery, lease }: Receipt,
    now_ms: u64,
    tables: &impl Tables,
) -> Result<Option<DeliveryRow>, TableError> {
    let row = DeliveryRow::read(tables, &keys::delivery(tenant, target, true, delivery))?;
    let Some(row) = row.filter(|row| row.leased && row.due_ms > now_ms) else { return Ok(None) };
    let Some((table, key)) = row.clock(delivery) else { return Ok(None) };
    #[cfg(feature = "mutations")]
    if crate::mutation::has(crate::mutation::Bug::Receipt) {
        return Ok(Some(row));
    }
    let by = tables.get(table, &key)?;
    Ok(by.is_some_and(|by| by == lease.to_bytes().as_slice()).then_some(row))
}

fn id_of(table: Table, key: &[u8]) -> Result<DeliveryId, TableError> {
    keys::delivery_of(key).ok_or_else(|| damaged(table, "key"))
}

fn damaged(table: Table, what: &'static str) -> TableError {
    TableError::Row { table: table.name(), source: DecodeError::Invalid(what) }
}
