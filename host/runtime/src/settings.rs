//! The engine's settings: what guests may be made of, and how the pool gives memories and tables back.
//!
//! Invariant: two engines of this file with the same version of wasmtime take each other's compiled artifacts, however they reset memory.

use std::num::NonZeroUsize;

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, ModuleVersionStrategy, PoolingAllocationConfig};
use wharf_capability::limits::TABLE_ELEMENTS_SETTABLE_MAX;

use crate::limits::{
    ATTEMPTS_AT_A_TIME, BACKTRACE_FRAMES, CORE_INSTANCES_PER_COMPONENT, IDLE_INSTANCES_MAX, KEEP_RESIDENT_BYTES,
    MEMORIES_PER_COMPONENT, MEMORY_BYTES_MAX, STACK_BYTES, TABLE_KEEP_RESIDENT_BYTES, TABLES_PER_COMPONENT,
};

/// The full version of wasmtime. It names only its major one in artifacts, and code of one patch release may have a defect that the
/// next one mends.
pub(crate) const WASMTIME_VERSION: &str = "48.0.8";

/// How an instance's memories and tables are made as they were, for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// Only the pages that were written to, as the kernel tells; else all of the first bytes. No host does so (docs/decisions/035): it is here to be measured.
    pub scan: bool,
    /// Bytes of a memory's start that are reset by copying; what lies above is given back to the kernel.
    pub memory_bytes: usize,
    /// The same of a table.
    pub table_bytes: usize,
}

impl Reset {
    /// As hosts do, by the table in docs/benchmarks.md.
    #[must_use]
    pub const fn chosen() -> Self {
        Self { scan: false, memory_bytes: KEEP_RESIDENT_BYTES, table_bytes: TABLE_KEEP_RESIDENT_BYTES }
    }
}

pub(crate) fn config(reset: Reset) -> wasmtime::Result<Config> {
    let mut pool = PoolingAllocationConfig::new();
    let slots = ATTEMPTS_AT_A_TIME + IDLE_INSTANCES_MAX;
    pool.total_component_instances(slots)
        .total_stacks(slots)
        // As many as all attempts together may use: one plugin's appetite never takes another's slot.
        .total_memories(MEMORIES_PER_COMPONENT * slots)
        .total_core_instances(CORE_INSTANCES_PER_COMPONENT * slots)
        .total_tables(TABLES_PER_COMPONENT * slots)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_memories_per_module(1)
        .max_tables_per_module(2)
        .table_elements(usize::try_from(TABLE_ELEMENTS_SETTABLE_MAX).unwrap_or(usize::MAX))
        .max_component_instance_size(2 << 20)
        .max_core_instance_size(2 << 20)
        .max_memory_size(MEMORY_BYTES_MAX)
        .table_keep_resident(reset.table_bytes)
        .linear_memory_keep_resident(reset.memory_bytes);
    if reset.scan {
        pool.pagemap_scan(Enabled::Auto);
    }
    let mut config = compiler()?;
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Ok(config)
}

/// All that compiling depends on.
pub(crate) fn compiler() -> wasmtime::Result<Config> {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(false)
        .wasm_memory64(false)
        // A heap of collected objects stays in memory after its instance (docs/decisions/015).
        .gc_support(false)
        .wasm_exceptions(false)
        .max_wasm_stack(STACK_BYTES)
        .async_stack_size(2 * STACK_BYTES)
        .wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES));
    config.module_version(ModuleVersionStrategy::Custom(WASMTIME_VERSION.to_owned()))?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_wasmtime_in_use() {
        let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
        assert!(lock.contains(&format!("name = \"wasmtime\"\nversion = \"{WASMTIME_VERSION}\"\n")), "see Cargo.lock");
    }
}
