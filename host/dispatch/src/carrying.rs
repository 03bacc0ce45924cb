//! From what an old frame held to requests of bounded size: what the state plainly has no more is left out, the rest is gathered
//! by tenant.
//!
//! What is left out here was settled or replaced, and stays so; what is kept is checked again where it is decided.

use wharf_delivery::{
    CarriedEvent, CarryRequest, DeliveryRow, Remains, Table, TableError, Tables, ValueRow, keys,
    limits::CARRIED_EVENTS_MAX,
};
use wharf_event::{BucketName, Event, Position, TenantName};

use crate::limits::{CARRIED_DELIVERIES_MAX, CARRIED_PAGE_BYTES, CARRIED_VALUES_MAX};

/// What one request asks about.
pub(crate) enum Page {
    /// Events.
    Events(TenantName, Vec<CarriedEvent>),
    /// Values, and the bytes that they take.
    Values(TenantName, Vec<(BucketName, String, Position)>, usize),
}

impl Page {
    pub(crate) fn into_request(self) -> CarryRequest {
        match self {
            Page::Events(tenant, events) => CarryRequest::Events { tenant, events },
            Page::Values(tenant, values, bytes) => CarryRequest::Values { tenant, values, bytes },
        }
    }
}

/// The pages that ask about `remains`.
pub(crate) fn pages(remains: Vec<Remains>, tables: &impl Tables) -> Result<Vec<Page>, TableError> {
    let mut pages = Vec::new();
    for Remains { tenant, events, values } in remains {
        for mut event in events {
            let mut needed = Vec::with_capacity(event.deliveries.len());
            for (id, plugin) in event.deliveries {
                let waits = DeliveryRow::find(tables, &tenant, &plugin, id)?.is_some();
                if waits || tables.get(Table::Letters, &id.to_key())?.is_some() {
                    needed.push((id, plugin));
                }
            }
            event.deliveries = needed;
            if !event.deliveries.is_empty() {
                add_event(&mut pages, &tenant, event);
            }
        }
        for (bucket, name, version) in values {
            let row = ValueRow::get(tables, &keys::value(&tenant, &bucket, &name))?;
            if let Some(row) = row.filter(|row| row.version == version) {
                let bytes = row.value.len() + name.len();
                add_value(&mut pages, &tenant, (bucket, name, version), bytes);
            }
        }
    }
    Ok(pages)
}

fn add_event(pages: &mut Vec<Page>, tenant: &TenantName, event: CarriedEvent) {
    let bytes = |events: &[CarriedEvent]| events.iter().map(|one| one.event.size()).sum::<usize>();
    let deliveries = |events: &[CarriedEvent]| events.iter().map(|one| one.deliveries.len()).sum::<usize>();
    let fits = |of: &TenantName, events: &[CarriedEvent]| {
        of == tenant
            && events.len() < CARRIED_EVENTS_MAX
            && bytes(events) + Event::size(&event.event) <= CARRIED_PAGE_BYTES
            && deliveries(events) + event.deliveries.len() <= CARRIED_DELIVERIES_MAX
    };
    match pages.last_mut() {
        Some(Page::Events(of, events)) if fits(of, events) => events.push(event),
        _ => pages.push(Page::Events(tenant.clone(), vec![event])),
    }
}

fn add_value(pages: &mut Vec<Page>, tenant: &TenantName, value: (BucketName, String, Position), bytes: usize) {
    match pages.last_mut() {
        Some(Page::Values(of, values, before))
            if of == tenant && values.len() < CARRIED_VALUES_MAX && *before + bytes <= CARRIED_PAGE_BYTES =>
        {
            values.push(value);
            *before += bytes;
        }
        _ => pages.push(Page::Values(tenant.clone(), vec![value], bytes)),
    }
}
