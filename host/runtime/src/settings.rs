//! The engine's settings: what guests may be made of, and how the pool gives memories and tables back.
//!
//! Invariant: two engines of this file with the same version of wasmtime take each other's compiled artifacts; what differs
//! between machines is only how memory is reset.

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
    /// Only the pages that were written to, which the kernel tells; else all of the first bytes.
    pub scan: bool,
    /// Bytes of a memory's start that are reset by copying; what lies above is given back to the kernel.
    pub memory_bytes: usize,
    /// The same of a table.
    pub table_bytes: usize,
}

impl Reset {
    /// The best for this machine, by the table in docs/benchmarks.md.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let scan = dirty_pages_are_visible();
        Self { scan, memory_bytes: KEEP_RESIDENT_BYTES, table_bytes: TABLE_KEEP_RESIDENT_BYTES }
    }
}

/// Whether dirty pages can be found by scanning the page map. With swap they cannot: a dirty page that was swapped out is
/// overlooked by wasmtime 48, and the next instance would see it.
fn dirty_pages_are_visible() -> bool {
    std::fs::read_to_string("/proc/swaps").is_ok_and(|swaps| !has_swap(&swaps))
}

/// Whether there is any, by what the kernel says of it: a head, and a line for each.
fn has_swap(swaps: &str) -> bool {
    swaps.lines().count() > 1
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
    fn a_machine_with_swap_is_known_by_what_its_kernel_says() {
        let head = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        assert!(!has_swap("") && !has_swap(head));
        assert!(has_swap(&format!("{head}/swapfile                               file\t\t2097148\t\t0\t\t-2\n")));
    }

    #[test]
    fn the_version_is_that_of_the_wasmtime_in_use() {
        let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
        assert!(lock.contains(&format!("name = \"wasmtime\"\nversion = \"{WASMTIME_VERSION}\"\n")), "see Cargo.lock");
    }
}
