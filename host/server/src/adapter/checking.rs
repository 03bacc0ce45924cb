//! Received events held against their schemas, on their way in.
//!
//! Invariant: an event is looked at if and only if a schema is bound to its bus and type; a tenant without schemas pays one look
//! into its rule set. A schema is compiled once, however often others change. What a handler publishes is not looked at: it is in one
//! record with its settlement, which nothing refuses.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use wharf_delivery::{SchemaDocument, SchemaMode};
use wharf_dispatch::{RuleSet, SchemaSet};
use wharf_event::{BusName, Code, Data, Event, SCHEMA_ATTRIBUTE, SCHEMA_VIOLATED, SchemaName, TenantName};
use wharf_gateway::{Mistake, Refusal};
use wharf_schema::{Schema, Violation, Violations};

/// Bytes of payloads, and work of their schemas, beyond which they are looked at on a thread that may block.
const INLINE_BYTES_MAX: u64 = 32 * 1024;
const INLINE_WORK_MAX: u64 = 500_000;

/// Violations of a tenant's events on a bus, in a mode.
pub(super) type Counted = BTreeMap<(TenantName, BusName, SchemaMode), u64>;

/// A schema, ready to be used.
pub(super) struct Ready {
    pub(super) name: SchemaName,
    pub(super) mode: SchemaMode,
    pub(super) schema: Schema,
    /// What it was made of.
    document: Arc<SchemaDocument>,
}

/// A tenant's schemas, ready to be used.
pub(super) struct ReadySet {
    /// What it was made of.
    from: Arc<SchemaSet>,
    pub(super) by_name: BTreeMap<SchemaName, Arc<Ready>>,
    on: HashMap<BusName, HashMap<String, Arc<Ready>>>,
}

/// The schemas that are in use, and what broke them.
#[derive(Default)]
pub(super) struct Checking {
    ready: RwLock<HashMap<TenantName, Arc<ReadySet>>>,
    counted: Mutex<Counted>,
}

impl Checking {
    /// The schemas of a tenant, if it has any.
    pub(super) fn of(&self, rules: &RuleSet, tenant: &TenantName) -> Option<Arc<ReadySet>> {
        let from = rules.schemas(tenant)?;
        let held = self.ready.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = held.get(tenant).filter(|ready| Arc::ptr_eq(&ready.from, from)) {
            return Some(Arc::clone(ready));
        }
        let before = held.get(tenant).map(Arc::clone);
        drop(held);
        let ready = Arc::new(ReadySet::new(from, before.as_deref()));
        let mut held = self.ready.write().unwrap_or_else(PoisonError::into_inner);
        held.insert(tenant.clone(), Arc::clone(&ready));
        Some(ready)
    }

    /// What was counted since the start.
    pub(super) fn counted(&self) -> Counted {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, tenant: &TenantName, bus: &BusName, mode: SchemaMode) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        *counted.entry((tenant.clone(), bus.clone(), mode)).or_default() += 1;
    }

    /// An event as it may be accepted, or why it is refused.
    pub(super) fn check(
        &self,
        ready: &ReadySet,
        (tenant, bus): (&TenantName, &BusName),
        event: Event,
    ) -> Result<Event, Refusal> {
        let Some(schema) = ready.for_event(bus, &event) else { return Ok(event) };
        let Err(violations) = validate(&schema.schema, &event) else { return Ok(event) };
        self.count(tenant, bus, schema.mode);
        match schema.mode {
            SchemaMode::Enforce => Err(refused(&schema.name, violations)),
            // An event that has room for no more attributes goes without its mark; it is counted all the same.
            SchemaMode::Warn => Ok(event.clone().with_extension(SCHEMA_ATTRIBUTE, SCHEMA_VIOLATED).unwrap_or(event)),
            SchemaMode::Off => Ok(event),
        }
    }
}

impl ReadySet {
    /// Those of a set. What is the same in the one before is taken from there.
    fn new(from: &Arc<SchemaSet>, before: Option<&Self>) -> Self {
        let mut ready = Self { from: Arc::clone(from), by_name: BTreeMap::new(), on: HashMap::new() };
        for (name, in_force) in from.iter() {
            let document = &in_force.document;
            let same = before.and_then(|before| before.by_name.get(name));
            if let Some(one) = same.filter(|one| Arc::ptr_eq(&one.document, document)) {
                ready.add(document, Arc::clone(one));
                continue;
            }
            let schema = match Schema::parse(&document.schema.to_string()) {
                Ok(schema) => schema,
                Err(errors) => {
                    // It was checked before it came into force; only a host that knows less can come here.
                    tracing::error!(schema = %name, "a schema in force cannot be used, so nothing is held against it: {errors}");
                    continue;
                }
            };
            let of = Arc::clone(document);
            ready.add(document, Arc::new(Ready { name: name.clone(), mode: document.mode, schema, document: of }));
        }
        ready
    }

    fn add(&mut self, document: &SchemaDocument, one: Arc<Ready>) {
        if document.mode != SchemaMode::Off {
            let of_bus = self.on.entry(document.bus.clone()).or_default();
            of_bus.insert(document.kind.clone(), Arc::clone(&one));
        }
        self.by_name.insert(one.name.clone(), one);
    }

    /// Whether anything on this bus is looked at.
    pub(super) fn is_on(&self, bus: &BusName) -> bool {
        self.on.contains_key(bus)
    }

    /// The schema that an event is held against.
    fn for_event(&self, bus: &BusName, event: &Event) -> Option<&Ready> {
        self.on.get(bus)?.get(event.kind()).map(Arc::as_ref)
    }

    /// Whether events are looked at so quickly that nobody notices who waits for the thread.
    pub(super) fn is_quick(&self, bus: &BusName, events: &[Event]) -> bool {
        let (mut bytes, mut work) = (0, 0_u64);
        for event in events {
            if let (Some(ready), Some(data)) = (self.for_event(bus, event), event.data()) {
                let of_event = data.bytes().len() as u64;
                bytes += of_event;
                work = work.saturating_add(ready.schema.work_at_most(of_event));
            }
        }
        bytes <= INLINE_BYTES_MAX && work <= INLINE_WORK_MAX
    }
}

fn validate(schema: &Schema, event: &Event) -> Result<(), Violations> {
    match event.data() {
        Some(Data::Json(bytes)) => schema.validate(bytes),
        Some(Data::Text(_) | Data::Binary(_)) => Err(Violations::of_no_json("the payload is no JSON")),
        None => Err(Violations::of_no_json("there is no payload")),
    }
}

fn refused(schema: &SchemaName, violations: Violations) -> Refusal {
    let detail = format!("schema `{schema}`: {violations}");
    let mistake = |Violation { pointer, message, .. }: Violation| Mistake { pointer, detail: message };
    Refusal::new(Code::SchemaViolation, detail).errors(violations.into_list().into_iter().map(mistake).collect())
}
