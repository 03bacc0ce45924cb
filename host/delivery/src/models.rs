//! What a record says of the models that plugins ask: what they answered (answers.rs), who shares that (sharing.rs), and what it may cost and did
//! (budgets.rs).

use bytes::Bytes;
use wharf_event::{Digest, PluginName, Position, RouteName, TenantName};

use crate::{
    BudgetOf, Cost, DeliveryId, answers, budgets,
    codec::{DecodeError, Reader, Writer},
    keys, sharing,
    tables::{Table, TableError, Tables},
};

/// What a record says of the models that plugins ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelStep {
    /// A call was answered. Another answer to that call is kept no more.
    Answered {
        /// For which delivery.
        delivery: DeliveryId,
        /// Which call of an attempt, from 1; of a batch, which of the answers that are kept of the delivery.
        call: u32,
        /// What was asked.
        request: Digest,
        /// The answer, as whoever asked reads it.
        answer: Bytes,
    },
    /// The delivery is settled: its answers are kept no more.
    Settled {
        /// Which one.
        delivery: DeliveryId,
    },
    /// A model is about to be asked.
    Reserved {
        /// Which plugin asks.
        plugin: PluginName,
        /// By which route.
        route: RouteName,
        /// In which hour it counts, since 1970.
        hour: u32,
        /// What it costs at most.
        cost: Cost,
    },
    /// A model was asked.
    Spent {
        /// Which plugin asked.
        plugin: PluginName,
        /// By which route.
        route: RouteName,
        /// In which hour it counts, since 1970.
        hour: u32,
        /// What was reserved for it.
        reserved: Cost,
        /// What it cost.
        cost: Cost,
    },
    /// What models cost long ago is kept no more, up to and with these sums.
    Forgotten {
        /// Of which hour, since 1970.
        hour: u32,
        /// Whose.
        of: BudgetOf,
    },
    /// What is kept of a delivery was asked for a batch: it is there for all of its messages, the delivery's own too.
    Shared {
        /// Of which delivery.
        delivery: DeliveryId,
        /// Who shares it from now on, beside those who do already.
        messages: Vec<DeliveryId>,
    },
    /// A message is settled that shares answers: it shares none any more.
    Left {
        /// Which one.
        delivery: DeliveryId,
        /// Of which deliveries answers are kept no more, since nobody else shares them.
        ended: Vec<DeliveryId>,
    },
}

pub(crate) fn apply(
    tenant: &TenantName,
    step: &ModelStep,
    position: Position,
    tables: &mut impl Tables,
) -> Result<(), TableError> {
    match step {
        ModelStep::Answered { delivery, call, request, answer } => {
            answers::keep((tenant, *delivery, *call), (request, answer), position, tables)
        }
        ModelStep::Settled { delivery } => answers::settle(tenant, *delivery, tables),
        ModelStep::Reserved { plugin, route, hour, cost } => {
            budgets::apply(tenant, (plugin, route), *hour, |row| budgets::reserved(row, *cost), tables)
        }
        ModelStep::Spent { plugin, route, hour, reserved, cost } => {
            budgets::apply(tenant, (plugin, route), *hour, |row| budgets::spent(row, *reserved, *cost), tables)
        }
        ModelStep::Forgotten { hour, of } => budgets::forgotten(tenant, *hour, of, tables),
        ModelStep::Shared { delivery, messages } => {
            sharing::join((tenant, *delivery), messages, position, tables);
            Ok(())
        }
        ModelStep::Left { delivery, ended } => sharing::leave((tenant, *delivery), ended, tables),
    }
}

/// Puts a row that was carried.
pub(crate) fn put(key: &[u8], row: &Bytes, tables: &mut impl Tables) -> Result<(), TableError> {
    match keys::answer_parts(key) {
        Some(_) => answers::put(key, row, tables),
        None => {
            tables.put(Table::Models, key, row.to_vec());
            Ok(())
        }
    }
}

/// Removes a row, which need not be there.
pub(crate) fn remove(key: &[u8], tables: &mut impl Tables) -> Result<(), TableError> {
    match keys::answer_parts(key) {
        Some(_) => answers::remove(key, tables),
        None => {
            tables.remove(Table::Models, key);
            Ok(())
        }
    }
}

impl ModelStep {
    pub(crate) fn put(&self, w: &mut Writer) {
        match self {
            Self::Settled { delivery } => {
                w.u8(0).delivery(*delivery);
            }
            Self::Answered { delivery, call, request, answer } => {
                w.u8(1).delivery(*delivery).u32(*call).digest(request).bytes(answer);
            }
            Self::Reserved { plugin, route, hour, cost } => {
                w.u8(2).str(plugin.as_str()).str(route.as_str()).u32(*hour);
                cost.put(w);
            }
            Self::Spent { plugin, route, hour, reserved, cost } => {
                w.u8(3).str(plugin.as_str()).str(route.as_str()).u32(*hour);
                reserved.put(w);
                cost.put(w);
            }
            Self::Forgotten { hour, of } => {
                w.u8(4).u32(*hour).str(&of.to_string());
            }
            Self::Shared { delivery, messages } => put_list(w.u8(5).delivery(*delivery), messages),
            Self::Left { delivery, ended } => put_list(w.u8(6).delivery(*delivery), ended),
        }
    }

    pub(crate) fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(match r.u8("step")? {
            0 => Self::Settled { delivery: r.delivery("delivery")? },
            1 => Self::Answered {
                delivery: r.delivery("delivery")?,
                call: r.u32("call")?,
                request: r.digest("request")?,
                answer: r.bytes("answer")?,
            },
            2 => Self::Reserved {
                plugin: r.parse("plugin")?,
                route: r.parse("route")?,
                hour: r.u32("hour")?,
                cost: Cost::take(r)?,
            },
            3 => Self::Spent {
                plugin: r.parse("plugin")?,
                route: r.parse("route")?,
                hour: r.u32("hour")?,
                reserved: Cost::take(r)?,
                cost: Cost::take(r)?,
            },
            4 => {
                let (hour, of) = (r.u32("hour")?, BudgetOf::of_text(&r.str("of")?));
                Self::Forgotten { hour, of: of.ok_or(DecodeError::Invalid("of"))? }
            }
            5 => Self::Shared { delivery: r.delivery("delivery")?, messages: take_list(r)? },
            6 => Self::Left { delivery: r.delivery("delivery")?, ended: take_list(r)? },
            _ => return Err(DecodeError::Invalid("step")),
        })
    }
}

fn put_list(w: &mut Writer, deliveries: &[DeliveryId]) {
    w.count(deliveries.len());
    for delivery in deliveries {
        w.delivery(*delivery);
    }
}

fn take_list(r: &mut Reader) -> Result<Vec<DeliveryId>, DecodeError> {
    r.list("deliveries", |r| r.delivery("delivery"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Record, RecordKind};

    fn encoded(step: &ModelStep) -> Vec<u8> {
        Record::Model { tenant: "t".parse().unwrap(), step: step.clone() }.encode()
    }

    #[test]
    fn the_bytes_are_those_that_logs_on_disk_hold_and_each_step_reads_back() {
        let delivery = DeliveryId { event: Position { k: 1, i: 256 }, n: 2 };
        let cost = |n: u64| Cost { input_tokens: n, output_tokens: n + 1, money: n + 2 };
        let (plugin, route) = (|| "p".parse::<PluginName>().unwrap(), || "r".parse::<RouteName>().unwrap());
        let number = |n: u8| [n, 0, 0, 0, 0, 0, 0, 0];
        let (tenant, id) = (&b"\x01\0\0\0t"[..], [&number(1)[..], b"\0\x01\0\0\x02\0"].concat());
        let other = DeliveryId { event: Position { k: 3, i: 0 }, n: 0 };
        let other_id = [&number(3)[..], &[0; 6]].concat();
        let names = b"\x01\0\0\0p\x01\0\0\0r\x09\0\0\0";
        let three = |n: u8| [number(n), number(n + 1), number(n + 2)].concat();
        let answered =
            ModelStep::Answered { delivery, call: 3, request: Digest([7; 32]), answer: Bytes::from_static(b"hi") };
        let cases = [
            (ModelStep::Settled { delivery }, [&b"\0"[..], &id].concat()),
            (answered, [&b"\x01"[..], &id, b"\x03\0\0\0", &[7; 32], b"\x02\0\0\0hi"].concat()),
            (
                ModelStep::Reserved { plugin: plugin(), route: route(), hour: 9, cost: cost(4) },
                [&b"\x02"[..], names, &three(4)].concat(),
            ),
            (
                ModelStep::Spent { plugin: plugin(), route: route(), hour: 9, reserved: cost(4), cost: cost(1) },
                [&b"\x03"[..], names, &three(4), &three(1)].concat(),
            ),
            (
                ModelStep::Forgotten { hour: 9, of: BudgetOf::Route(route()) },
                b"\x04\x09\0\0\0\x07\0\0\0route/r".to_vec(),
            ),
            (
                ModelStep::Shared { delivery, messages: vec![delivery, other] },
                [&b"\x05"[..], &id, b"\x02\0\0\0", &id, &other_id].concat(),
            ),
            (
                ModelStep::Left { delivery: other, ended: vec![delivery] },
                [&b"\x06"[..], &other_id, b"\x01\0\0\0", &id].concat(),
            ),
        ];
        for (step, bytes) in cases {
            let record = encoded(&step);
            assert_eq!(record, [tenant, &bytes].concat(), "{step:?}");
            let Record::Model { step: read, .. } = Record::decode(RecordKind::Model, &record.into()).unwrap() else {
                panic!("another record")
            };
            assert_eq!(read, step);
        }
        assert!(Record::decode(RecordKind::Model, &Bytes::from_static(b"\x01\0\0\0t\x09")).is_err());
    }
}
