//! The store data of one attempt: who runs, what it may, what it did so far.

use std::{collections::BTreeMap, sync::Arc};

use wasmtime::{ResourceLimiter, component::ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wharf_delivery::{DeliveryId, GrantsDocument};
use wharf_event::{BucketName, Event, PluginName, TenantName};

use crate::{
    effects::Effects,
    inert,
    keyvalue::CommittedValues,
    limits::{INSTANCES_MAX, MEMORIES_MAX, RESOURCES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX},
    logging::AttemptLog,
};

/// What a plugin was granted, ready for look-ups.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    publish: Vec<String>,
    kv: Vec<BucketName>,
}

impl Grants {
    /// The grants of a plugin's document.
    #[must_use]
    pub fn new(document: &GrantsDocument) -> Self {
        Self { publish: document.publish.clone(), kv: document.kv.clone() }
    }

    pub(crate) fn may_publish(&self, kind: &str) -> bool {
        self.publish.iter().any(|granted| match granted.strip_suffix('*') {
            Some(prefix) => kind.starts_with(prefix),
            None => kind == granted,
        })
    }

    pub(crate) fn may_open(&self, bucket: &BucketName) -> bool {
        self.kv.contains(bucket)
    }
}

/// Everything about an attempt that is known before it starts.
#[derive(Clone)]
pub struct AttemptContext {
    /// Whose plugin runs.
    pub tenant: TenantName,
    /// Which plugin.
    pub plugin: PluginName,
    /// The delivery that is tried.
    pub delivery: DeliveryId,
    /// What the plugin gets: the event as it was received, or what the rule's transforms made of it so far.
    pub event: Event,
    /// The event as it was received: what the attempt publishes descends from it.
    pub received: Event,
    /// The plugin's config table.
    pub config: Arc<BTreeMap<String, String>>,
    /// What it may use.
    pub grants: Arc<Grants>,
    /// The committed key-value state.
    pub values: Arc<dyn CommittedValues>,
    /// The `time` of the events that it publishes, RFC 3339.
    pub time: String,
}

/// The memory, table and instance budget of an attempt, summed over everything that it creates.
#[derive(Debug)]
pub struct Budget {
    memory_bytes_left: usize,
    /// The attempt asked for more memory than it may have.
    pub memory_refused: bool,
}

impl Budget {
    /// A budget of so many bytes of linear memory.
    #[must_use]
    pub fn new(memory_bytes: usize) -> Self {
        Self { memory_bytes_left: memory_bytes, memory_refused: false }
    }
}

impl ResourceLimiter for Budget {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let grown = desired.saturating_sub(current);
        match self.memory_bytes_left.checked_sub(grown) {
            Some(left) => {
                self.memory_bytes_left = left;
                Ok(true)
            }
            None => {
                self.memory_refused = true;
                Ok(false)
            }
        }
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}

/// The store data of one attempt.
pub struct Attempt {
    pub(crate) context: AttemptContext,
    pub(crate) effects: Effects,
    pub(crate) log: AttemptLog,
    pub(crate) table: ResourceTable,
    wasi: WasiCtx,
    budget: Budget,
}

impl Attempt {
    /// An attempt that has not begun.
    #[must_use]
    pub fn new(context: AttemptContext, memory_bytes: usize) -> Self {
        let log = AttemptLog::new(&context);
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        let wasi = inert::wasi(&log);
        Self { context, effects: Effects::default(), log, table, wasi, budget: Budget::new(memory_bytes) }
    }

    /// The limiter for the store.
    pub fn budget(&mut self) -> &mut Budget {
        &mut self.budget
    }

    /// The last line that it logged as an error, which is what a panic hook leaves.
    #[must_use]
    pub fn last_words(&self) -> Option<String> {
        self.log.last_error()
    }

    /// What it did and read.
    #[must_use]
    pub fn into_effects(self) -> Effects {
        self.effects
    }
}

impl WasiView for Attempt {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
