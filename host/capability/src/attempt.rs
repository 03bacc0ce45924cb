//! The store data of one attempt: who runs, what it may, what it did so far.

use std::{collections::BTreeMap, sync::Arc};

use wasmtime::{ResourceLimiter, component::ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wharf_delivery::{Details, HostLimits, LimitsDocument};
use wharf_event::{Code, Event, Grants, PluginName, TenantName};
use wharf_recording::Tape;

use crate::{
    effects::Effects,
    hold::{HeldSecrets, Holding},
    http::{HttpOut, Way},
    inert,
    infer::{self, InferOut},
    keyvalue::CommittedValues,
    limits::{HEADS_HELD_BYTES_MAX, HELD_VALUES_MAX, INSTANCES_MAX, MEMORIES_MAX, MEMORY_ROOM_PAGES, TABLES_MAX},
    llm::{LlmOut, Tally},
    logging::AttemptLog,
    occasion::Occasion,
    program::Streams,
    random::RandomBudget,
};

/// Everything about an attempt that is known before it starts.
#[derive(Clone)]
pub struct AttemptContext {
    /// Whose plugin runs.
    pub tenant: TenantName,
    /// Which plugin.
    pub plugin: PluginName,
    /// What it is made for.
    pub occasion: Occasion,
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
    /// The way out of the host.
    pub http: Arc<dyn HttpOut>,
    /// The way to models.
    pub llm: Arc<dyn LlmOut>,
    /// The way to models of the tenant.
    pub infer: Arc<dyn InferOut>,
    /// What opens secrets that the plugin may hold.
    pub secrets: Arc<dyn HeldSecrets>,
    /// The `time` of the events that it publishes, RFC 3339.
    pub time: String,
    /// Where the wall clock stands still that the plugin reads, in milliseconds since 1970: for tests. Absent, it is the machine's.
    pub clock_ms: Option<u64>,
    /// What it is recorded on.
    pub tape: Tape,
}

/// Room that a memory may begin with, in bytes.
const MEMORY_ROOM_BYTES: usize = (MEMORY_ROOM_PAGES as usize) << 16;

/// The memory, table and instance budget of an attempt, summed over everything that it creates.
#[derive(Debug)]
pub struct Budget {
    /// Bytes of linear memory so far. Memories never shrink.
    memory_bytes: usize,
    memory_bytes_left: usize,
    /// What memories may begin with beyond that, in all.
    room_bytes_left: usize,
    table_elements_left: usize,
    /// The attempt asked for more memory than it may have.
    pub memory_refused: bool,
    /// The attempt asked for larger tables than it may have.
    pub tables_refused: bool,
}

impl Budget {
    /// The whole budget of an attempt under these limits.
    #[must_use]
    pub fn new(limits: LimitsDocument) -> Self {
        let memory_bytes_left = usize::try_from(limits.memory_mib).unwrap_or(usize::MAX).saturating_mul(1 << 20);
        let table_elements_left = usize::try_from(limits.host.table_elements).unwrap_or(usize::MAX);
        Self {
            memory_bytes: 0,
            memory_bytes_left,
            room_bytes_left: MEMORY_ROOM_BYTES,
            table_elements_left,
            memory_refused: false,
            tables_refused: false,
        }
    }
}

/// Takes so much of what is left; false when there is less.
fn take(left: &mut usize, wanted: usize) -> bool {
    let rest = left.checked_sub(wanted);
    *left = rest.unwrap_or(*left);
    rest.is_some()
}

impl ResourceLimiter for Budget {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let grown = desired.saturating_sub(current);
        // What one begins with may be room in part, which its module did not ask for.
        let beyond = if current == 0 { grown.saturating_sub(self.memory_bytes_left) } else { 0 };
        let of_limit = if take(&mut self.room_bytes_left, beyond) { grown - beyond } else { grown };
        let taken = take(&mut self.memory_bytes_left, of_limit);
        self.memory_bytes += if taken { grown } else { 0 };
        self.memory_refused |= !taken;
        Ok(taken)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let taken = take(&mut self.table_elements_left, desired.saturating_sub(current));
        self.tables_refused |= !taken;
        Ok(taken)
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
    pub(crate) random: RandomBudget,
    /// Made when the guest first asks for something of WASI, which most never do.
    wasi: Option<WasiCtx>,
    /// The standard streams, where it is a program.
    pub(crate) program: Option<Streams>,
    /// Made when the guest first asks for something of HTTP.
    pub(crate) http: Option<Box<Way>>,
    /// Bytes of the fields of all answers that its instance got in the calls before: it may hold them still.
    heads_bytes: u64,
    pub(crate) llm: Tally,
    pub(crate) infer: infer::Tally,
    pub(crate) holding: Holding,
    pub(crate) limits: LimitsDocument,
    budget: Budget,
}

impl Attempt {
    /// An attempt that has not begun.
    #[must_use]
    pub fn new(context: AttemptContext, limits: LimitsDocument) -> Self {
        let HostLimits { resources, random_kib, .. } = limits.host;
        let log = AttemptLog::new(&context, limits.host);
        let mut table = ResourceTable::new();
        table.set_max_capacity(usize::try_from(resources).unwrap_or(usize::MAX));
        let (effects, random) = (Effects::new(limits.host), RandomBudget::new(random_kib));
        Self {
            context,
            effects,
            log,
            table,
            random,
            wasi: None,
            program: None,
            http: None,
            heads_bytes: 0,
            llm: Tally::default(),
            infer: infer::Tally::default(),
            holding: Holding::default(),
            limits,
            budget: Budget::new(limits),
        }
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

    /// What it did and read, and what it used and said (but for its time, which is not known here).
    #[must_use]
    pub fn finish(mut self) -> (Effects, Details) {
        // A stream says the rest of its last line when it goes.
        self.table = ResourceTable::new();
        self.wasi = None;
        self.end()
    }

    /// The same where its instance lives on for another call: what that holds stays.
    #[must_use]
    pub fn end(&mut self) -> (Effects, Details) {
        self.end_tape();
        let effects = std::mem::take(&mut self.effects);
        let log = self.log.take_tail();
        let mut used = effects.used();
        used.host_calls += u64::from(log.dropped()) + log.lines().len() as u64;
        let memory_bytes = self.budget.memory_bytes as u64;
        let mut details = Details { memory_bytes, log, used: Some(used), ..Details::default() };
        if self.budget.memory_refused || self.budget.tables_refused {
            details.met(Code::LimitMemory);
        }
        if self.log.is_cut() {
            details.met(Code::LimitLog);
        }
        if let Some(way) = self.http.take() {
            way.tell(&mut details);
            self.heads_bytes += way.heads_bytes();
        }
        std::mem::take(&mut self.llm).tell(&mut details);
        std::mem::take(&mut self.infer).tell(&mut details);
        std::mem::take(&mut self.holding).tell(&mut details);
        (effects, details)
    }

    /// What it did and read so far.
    #[must_use]
    pub fn done(&self) -> Effects {
        self.effects.clone()
    }

    /// Whether its instance may go on to another call: it was refused nothing, has left half of the memory that it may have, was given few values of secrets (they
    /// change, and it may have all of them still), and holds nothing that this call pays for: no request, answer or stream of a model.
    #[must_use]
    pub fn may_go_on(&self) -> bool {
        let Budget { memory_bytes, memory_bytes_left, memory_refused, tables_refused, .. } = self.budget;
        let is_roomy = !memory_refused && !tables_refused && memory_bytes <= memory_bytes_left;
        let is_done = self.http.as_ref().is_none_or(|way| way.is_done()) && self.llm.is_done();
        let heads_bytes = self.heads_bytes + self.http.as_ref().map_or(0, |way| way.heads_bytes());
        is_roomy && is_done && self.log.hidden() <= HELD_VALUES_MAX && heads_bytes <= HEADS_HELD_BYTES_MAX
    }

    /// Whether it was made for the same plugin with the same grants as another one: what it opened stays open.
    #[must_use]
    pub fn is_of(&self, next: &AttemptContext) -> bool {
        let AttemptContext { tenant, plugin, grants, .. } = &self.context;
        (tenant, plugin) == (&next.tenant, &next.plugin) && *grants == next.grants
    }

    /// Another call of the same plugin in the same instance: all bounds begin anew but those of what it goes on holding. Its streams write
    /// to the log of this call from now on.
    pub fn renew(&mut self, context: AttemptContext) {
        self.log.renew(&context, self.limits.host);
        self.effects = Effects::new(self.limits.host);
        self.random = RandomBudget::new(self.limits.host.random_kib);
        self.http = None;
        self.context = context;
    }
}

impl WasiView for Attempt {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Self { wasi, log, context, program, .. } = self;
        let ctx = wasi.get_or_insert_with(|| inert::wasi(log, context.clock_ms, program.as_ref()));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_memory_begins_with_may_be_beyond_the_limit_by_its_room_and_no_growth_may() {
        const MIB: usize = 1 << 20;
        let budget = || Budget::new(LimitsDocument { memory_mib: 1, ..LimitsDocument::default() });
        let begins = |budget: &mut Budget, bytes| budget.memory_growing(0, bytes, None).unwrap();
        let mut one = budget();
        assert!(begins(&mut one, MIB + MEMORY_ROOM_BYTES) && !one.memory_refused);
        assert!(!one.memory_growing(MIB + MEMORY_ROOM_BYTES, MIB + MEMORY_ROOM_BYTES + 1, None).unwrap());
        assert!(!begins(&mut one, 1) && one.memory_refused, "it is given once");
        assert!(!begins(&mut budget(), MIB + MEMORY_ROOM_BYTES + 1));
        let mut grows = budget();
        assert!(begins(&mut grows, MIB - 1) && !grows.memory_growing(MIB - 1, MIB + 1, None).unwrap());
        assert!(grows.memory_growing(MIB - 1, MIB, None).unwrap());
    }
}
