//! What the committer is asked: events of 1 KiB with one delivery each, and the settlements that add one to a key.
//!
//! Invariant: an event changes the state five times: its delivery comes and goes, a key gets a value, the tenant's counters
//! change with each, and what its attempt used joins the hour's sums. Everything that a client would have done is done ahead.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context, Result};
use wharf_delivery::{
    AcceptEvent, AcceptRequest, Attempt, ConfigureRequest, Details, Due, Outcome, Quotas, Request, SettleRequest,
    TargetRef, Used, WriteOp, WriteRequest,
};
use wharf_event::{Digest, Event, EventBuilder};

/// Bytes of an event's payload.
const PAYLOAD_BYTES: usize = 1_024;

/// Events, ready to be accepted, and how many keys they count under.
pub struct Load {
    events: Vec<Event>,
    keys: usize,
    /// What each attempt used and said.
    details: Arc<Details>,
}

impl Load {
    /// So many events that count under so many keys.
    pub fn new(events: usize, keys: usize) -> Result<Self> {
        let events = (0..events).map(event).collect::<Result<_>>()?;
        let used = Used { cpu_ns: 20_000, memory_kib_us: 20_480, bytes_in: 1_200, bytes_out: 30, host_calls: 1 };
        let details = Details { cpu_us: 20, memory_bytes: 1 << 20, used: Some(used), ..Details::default() };
        Ok(Self { events, keys, details: Arc::new(details) })
    }

    /// The requests that accept them, `batch` events each, under rules of that version.
    pub fn accepts(&self, batch: usize, rules_version: u64) -> impl Iterator<Item = Result<Request>> {
        self.events.chunks(batch).map(move |events| {
            let target = TargetRef::new("orders".parse()?, "counter".parse()?);
            let accept = |event: &Event| AcceptEvent { event: event.clone(), targets: vec![target.clone()] };
            Ok(Request::Accept(AcceptRequest {
                tenant: "bench".parse()?,
                bus: "default".parse()?,
                rules_version,
                since_k: 0,
                quotas: Quotas::default(),
                backlogs: BTreeMap::new(),
                events: events.iter().map(accept).collect(),
                delayed: None,
            }))
        })
    }

    /// The settlement of the `n`-th delivery of all.
    pub fn settle(&self, n: usize, due: Due, rules_version: u64) -> Result<Request> {
        // Neighbours count under keys that lie far apart.
        let key = format!("customer-{:08}", n.wrapping_mul(7_919) % self.keys);
        Ok(Request::Settle(Box::new(SettleRequest {
            delivery: due.id,
            tenant: due.row.tenant,
            target: due.row.target.to,
            attempt: Attempt {
                number: 1,
                release: Some(Digest::of(b"counter")),
                duration_us: 20,
                details: Some(Arc::clone(&self.details)),
            },
            outcome: Outcome::Ack,
            reads: Vec::new(),
            rules_version,
            published: Vec::new(),
            writes: vec![WriteRequest { bucket: "counter".parse()?, key, op: WriteOp::Add(1) }],
            quotas: Quotas::default(),
            publish_per_s: None,
        })))
    }
}

/// The request that puts some rule set into force; what is in it is the dispatcher's business.
pub fn configure() -> Request {
    Request::Configure(ConfigureRequest { document: b"{}".as_slice().into() })
}

fn event(n: usize) -> Result<Event> {
    let head = format!(r#"{{"key":"customer-{n}","order":{n},"note":""#);
    let note = "n".repeat(PAYLOAD_BYTES.saturating_sub(head.len() + 2));
    let event = EventBuilder::new(n.to_string(), "bench", "order.placed").datacontenttype("application/json");
    event.data(format!("{head}{note}\"}}")).build().context("making an event")
}
