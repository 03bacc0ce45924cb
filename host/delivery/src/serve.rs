//! Transition: a request of a route is answered. The events that it brings and its key-value changes are in one frame, which is durable before the
//! answer leaves.
//!
//! Invariant: all of it is taken or none. An event that is known already, by its source and id, is left out: it is there.

use wharf_event::{PluginName, Target};

use crate::{
    AcceptRequest, Read, Record, WriteRequest, accept, fan,
    rates::Rate,
    sequencer::{Answer, Decision, Refused, Sequencer},
    settle::{resolved, stale_reads},
    tables::{TableError, Tables},
    values,
};
use wharf_event::Position;

/// What a plugin did for a request that it answered, checked against what it read.
#[derive(Clone, Debug)]
pub struct ServeRequest {
    /// Whose it is, and the events that it brings.
    pub accept: AcceptRequest,
    /// Which plugin.
    pub plugin: PluginName,
    /// The request's id.
    pub request: String,
    /// What it read of the key-value state.
    pub reads: Vec<Read>,
    /// Key-value changes, at most one a key.
    pub writes: Vec<WriteRequest>,
    /// Events that the plugin may publish a second, if that is said.
    pub publish_per_s: Option<u32>,
}

impl ServeRequest {
    /// Whether it brings something.
    #[must_use]
    pub fn changes(&self) -> bool {
        !self.accept.events.is_empty() || !self.writes.is_empty()
    }
}

pub(crate) fn decide<T: Tables>(
    sequencer: &mut Sequencer,
    of: ServeRequest,
    now_ms: u64,
    base: Position,
    tables: &T,
) -> Result<Result<Decision, Refused>, TableError> {
    let changes = of.changes();
    let ServeRequest { accept, plugin, request, reads, writes, publish_per_s } = of;
    #[cfg(feature = "mutations")]
    let accept = crate::mutation::forget_known(accept);
    let (tenant, events) = (accept.tenant.clone(), accept.events.len());
    let stale = stale_reads(&tenant, &reads, tables)?;
    if !stale.is_empty() {
        return Ok(Err(Refused::Conflict { keys: stale }));
    }
    if !changes {
        return Ok(Ok(Decision { records: Vec::new(), answer: Answer::Accepted(Vec::new()) }));
    }
    // Also for what is stored only: a tenant that is deleted meanwhile has nothing any more.
    if accept.rules_version != sequencer.rules_version(&tenant) {
        return Ok(Err(Refused::StaleRules));
    }
    if let Some(refused) = accept::overfull(sequencer, &accept, now_ms, tables)? {
        return Ok(Err(refused));
    }
    if let Some(event) = accept.events.iter().find(|event| fan::is_too_wide(&event.targets)) {
        return Ok(Err(Refused::TooManyTargets { targets: event.targets.len() }));
    }
    if !sequencer.dedup.has_room(&tenant, events) {
        return Ok(Err(Refused::DedupFull));
    }
    let writes = match resolved(&tenant, writes, tables)? {
        Ok(writes) => writes,
        Err(refused) => return Ok(Err(refused)),
    };
    if let Some(spent) = values::beyond(&tenant, &writes, &accept.quotas, tables)? {
        return Ok(Err(Refused::Quota(spent)));
    }
    let target = Target::Plugin(plugin.clone());
    let rates = [Rate::Publish(None, accept.quotas.publish_per_s), Rate::Publish(Some(&target), publish_per_s)];
    if let Err(spent) = sequencer.rates.take(&tenant, &rates, events, now_ms) {
        return Ok(Err(Refused::Quota(spent)));
    }
    let (mut records, answers) = accept::taken(sequencer, accept, now_ms, base, tables)?;
    if !writes.is_empty() {
        records.push(Record::Served { tenant, plugin, request, writes });
    }
    Ok(Ok(Decision { records, answer: Answer::Accepted(answers) }))
}
