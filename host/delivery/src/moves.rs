//! What becomes of messages of a queue: applied, and as bytes. What may become of which one is decided in `receive.rs`.

use wharf_event::{Code, OrderingKey, Position, QueueName, Target, TenantName};

use crate::{
    DecodeError, DeliveryId, DeliveryRow, Due,
    apply::{History, change_stats, dead_letter, insert_clocked, insert_timed, remove_delivery},
    behind,
    codec::{Reader, Writer},
    keys,
    rows::Row as _,
    sizes,
    tables::{Table, TableError, Tables},
};

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Somebody has it until then, in milliseconds since 1970.
    Lease(u64),
    /// Nobody has it any more, and nobody gets it before then.
    Delay(u64),
    /// Who has it keeps it until then.
    Extend(u64),
    /// Nobody has it any more, as if nobody had had it.
    Return,
    /// It is done.
    Done,
    /// It was too old.
    Expired,
    /// Somebody emptied the queue.
    Purged,
    /// Somebody emptied the queue; it waited behind others of this key.
    PurgedBehind(OrderingKey),
    /// It was given up.
    GivenUp {
        /// Where it is kept.
        queue: QueueName,
        /// Why.
        code: Code,
        /// Why, in words.
        reason: String,
    },
}

impl Move {
    /// Whether the message is in its queue no more.
    #[must_use]
    pub fn leaves(&self) -> bool {
        matches!(self, Self::Done | Self::Expired | Self::Purged | Self::PurgedBehind(_) | Self::GivenUp { .. })
    }
}

pub(crate) fn apply(
    (tenant, queue): (&TenantName, &QueueName),
    moves: &[(DeliveryId, Move)],
    (position, time_ms, history): (Position, u64, History),
    tables: &mut impl Tables,
) -> Result<Vec<Due>, TableError> {
    let target = Target::Queue(queue.clone());
    let mut due = Vec::new();
    let (mut leased, mut unleased, mut delayed, mut left, mut dead) = (0, 0, 0, 0, 0);
    for (id, to) in moves {
        if let Move::PurgedBehind(key) = to {
            // Where the log begins behind it, it is not there.
            let was = tables.replace(Table::Behind, &keys::behind(tenant, &target, key, *id), None)?;
            if let Some(was) = was {
                let bus = DeliveryRow::decode_of(Table::Behind, &was)?.bus;
                sizes::waits_no_more((tenant, &bus, &target), tables)?;
            }
            left += 1;
            continue;
        }
        let row = match (DeliveryRow::find(tables, tenant, &target, *id)?, history) {
            (Some(row), _) => row,
            (None, History::Cut) => continue,
            (None, History::Whole) => return Err(damaged(Table::Deliveries, "the delivery of a queue record")),
        };
        match to {
            Move::Lease(_) => leased += 1,
            Move::Return => unleased += 1,
            // What is delayed when it is sent was not tried.
            Move::Delay(_) => delayed += u64::from(row.leased),
            Move::GivenUp { .. } => dead += 1,
            Move::Extend(_) | Move::Done | Move::Expired | Move::Purged | Move::PurgedBehind(_) => {}
        }
        left += u64::from(to.leaves());
        if to.leaves() {
            sizes::waits_no_more((tenant, &row.bus, &target), tables)?;
        }
        let target = row.target.clone();
        due.extend(moved(*id, row, to, (position, time_ms), tables)?);
        if to.leaves() {
            behind::leaves(tenant, &target, *id, tables);
        }
    }
    change_stats(tenant, tables, |stats| {
        stats.attempts = (stats.attempts + leased).saturating_sub(unleased);
        stats.retries += delayed;
        stats.dead_letters += dead;
        stats.pending = stats.pending.saturating_sub(left);
    })?;
    Ok(due)
}

/// Moves one message, and gives it where somebody may receive it from now on.
fn moved(
    id: DeliveryId,
    mut row: DeliveryRow,
    to: &Move,
    (position, time_ms): (Position, u64),
    tables: &mut impl Tables,
) -> Result<Option<Due>, TableError> {
    let says = match (to, row.clock(id)) {
        (Move::Lease(_), _) => position.to_bytes().to_vec(),
        (Move::Extend(_), Some((table, key))) => tables.get(table, &key)?.unwrap_or_default().to_vec(),
        _ => Vec::new(),
    };
    remove_delivery(id, &row, tables);
    (row.timed, row.leased) = (true, matches!(to, Move::Lease(_) | Move::Extend(_)));
    match to {
        Move::Lease(until_ms) | Move::Extend(until_ms) => {
            row.attempts = row.attempts.saturating_add(u32::from(matches!(to, Move::Lease(_))));
            row.due_ms = *until_ms;
            insert_clocked(id, &row, says, tables);
            return Ok(None);
        }
        Move::Delay(until_ms) => row.due_ms = *until_ms,
        Move::Return => (row.attempts, row.due_ms) = (row.attempts.saturating_sub(1), time_ms),
        Move::Done | Move::Expired | Move::Purged | Move::PurgedBehind(_) => return Ok(None),
        Move::GivenUp { queue, code, reason } => {
            dead_letter(id, row, (queue, *code, reason), time_ms, tables)?;
            return Ok(None);
        }
    }
    insert_timed(id, &row, tables);
    Ok(Some(Due { id, row, event: None }))
}

pub(crate) fn put(moves: &[(DeliveryId, Move)], w: &mut Writer) {
    w.count(moves.len());
    for (id, to) in moves {
        w.delivery(*id);
        match to {
            Move::Lease(until_ms) => w.u8(0).u64(*until_ms),
            Move::Delay(until_ms) => w.u8(1).u64(*until_ms),
            Move::Extend(until_ms) => w.u8(2).u64(*until_ms),
            Move::Return => w.u8(3),
            Move::Done => w.u8(4),
            Move::Expired => w.u8(5),
            Move::Purged => w.u8(6),
            Move::PurgedBehind(key) => w.u8(8).str(key.as_str()),
            Move::GivenUp { queue, code, reason } => w.u8(7).str(queue.as_str()).str(code.as_str()).str(reason),
        };
    }
}

pub(crate) fn take(r: &mut Reader) -> Result<(DeliveryId, Move), DecodeError> {
    let id = r.delivery("delivery")?;
    let to = match r.u8("move")? {
        0 => Move::Lease(r.u64("until")?),
        1 => Move::Delay(r.u64("until")?),
        2 => Move::Extend(r.u64("until")?),
        3 => Move::Return,
        4 => Move::Done,
        5 => Move::Expired,
        6 => Move::Purged,
        7 => Move::GivenUp { queue: r.parse("queue")?, code: r.parse("code")?, reason: r.str("reason")? },
        8 => Move::PurgedBehind(OrderingKey::of(&r.str("key")?)),
        _ => return Err(DecodeError::Invalid("move")),
    };
    Ok((id, to))
}

fn damaged(table: Table, what: &'static str) -> TableError {
    TableError::Row { table: table.name(), source: DecodeError::Invalid(what) }
}
