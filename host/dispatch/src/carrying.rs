//! From what an old frame held to requests of bounded size: what the state plainly has no more is left out, the rest is gathered
//! by tenant.
//!
//! What is left out here was settled or replaced, and stays so; what is kept is checked again where it is decided.

use std::collections::HashMap;

use wharf_delivery::{
    CarriedEvent, CarryRequest, DeliveryRow, Held, Remains, Table, TableError, Tables, ValueRow,
    limits::{CARRIED_EVENTS_MAX, TARGETS_AT_ONCE},
};
use wharf_event::TenantName;

use crate::limits::{CARRIED_DELIVERIES_MAX, CARRIED_PAGE_BYTES, CARRIED_VALUES_MAX};

/// What one request asks about.
pub(crate) enum Page {
    /// Events.
    Events(TenantName, Vec<CarriedEvent>),
    /// Values and control objects, and the bytes that they take.
    Held(TenantName, Vec<Held>, usize),
}

impl Page {
    pub(crate) fn into_request(self) -> CarryRequest {
        match self {
            Page::Events(tenant, events) => CarryRequest::Events { tenant, events },
            Page::Held(tenant, held, bytes) => CarryRequest::Held { tenant, held, bytes },
        }
    }
}

/// Pages that are being filled: one open for events and one for what is held, of each tenant.
#[derive(Default)]
pub(crate) struct Pages {
    all: Vec<Page>,
    open: HashMap<(TenantName, Kind), usize>,
    /// Bytes of events and values in all of them.
    pub(crate) bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Events,
    Held,
}

impl Pages {
    /// Adds what the state still needs of one record.
    pub(crate) fn add(&mut self, remains: Remains, tables: &impl Tables) -> Result<(), TableError> {
        let Remains { tenant, events, held } = remains;
        for event in events {
            let mut needed = Vec::with_capacity(event.deliveries.len());
            for (id, target) in &event.deliveries {
                let waits = DeliveryRow::waits(tables, &tenant, target, *id)?;
                if waits || tables.get(Table::Letters, &id.to_key())?.is_some() {
                    needed.push((*id, target.clone()));
                }
            }
            // Of one that is owed to very many the event is written as often as its deliveries need.
            for deliveries in needed.chunks(TARGETS_AT_ONCE) {
                self.add_event(&tenant, CarriedEvent { deliveries: deliveries.to_vec(), ..event.clone() });
            }
        }
        for one in held {
            let row = ValueRow::held(tables, one.table, &one.key)?;
            if let Some(row) = row.filter(|row| row.held_at() == one.from) {
                let bytes = row.value.len() + one.key.len();
                self.add_held(&tenant, one, bytes);
            }
        }
        Ok(())
    }

    pub(crate) fn into_pages(self) -> Vec<Page> {
        self.all
    }

    fn open(&mut self, tenant: &TenantName, kind: Kind) -> Option<&mut Page> {
        let at = self.open.get(&(tenant.clone(), kind))?;
        self.all.get_mut(*at)
    }

    fn begin(&mut self, tenant: &TenantName, kind: Kind, page: Page) {
        self.open.insert((tenant.clone(), kind), self.all.len());
        self.all.push(page);
    }

    fn add_event(&mut self, tenant: &TenantName, event: CarriedEvent) {
        self.bytes += event.event.size();
        let bytes = |events: &[CarriedEvent]| events.iter().map(|one| one.event.size()).sum::<usize>();
        let deliveries = |events: &[CarriedEvent]| events.iter().map(|one| one.deliveries.len()).sum::<usize>();
        let fits = |events: &[CarriedEvent]| {
            events.len() < CARRIED_EVENTS_MAX
                && bytes(events) + event.event.size() <= CARRIED_PAGE_BYTES
                && deliveries(events) + event.deliveries.len() <= CARRIED_DELIVERIES_MAX
        };
        match self.open(tenant, Kind::Events) {
            Some(Page::Events(_, events)) if fits(events) => events.push(event),
            _ => self.begin(tenant, Kind::Events, Page::Events(tenant.clone(), vec![event])),
        }
    }

    fn add_held(&mut self, tenant: &TenantName, one: Held, bytes: usize) {
        self.bytes += bytes;
        match self.open(tenant, Kind::Held) {
            Some(Page::Held(_, held, before))
                if held.len() < CARRIED_VALUES_MAX && *before + bytes <= CARRIED_PAGE_BYTES =>
            {
                held.push(one);
                *before += bytes;
            }
            _ => self.begin(tenant, Kind::Held, Page::Held(tenant.clone(), vec![one], bytes)),
        }
    }
}
