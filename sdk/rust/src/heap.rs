//! The heap of a plugin: dlmalloc, which first uses the memory that the linker set aside.
//!
//! Invariant: a handler that needs less than that never grows its memory. The host gives every event a memory as it was at the
//! start, and taking back what an instance grew by costs it a change of the process's page tables, twice for each event:
//! measured, a fifth of what an event costs. The allocator that std brings always grows.
//!
//! How much is set aside is the linker's `--initial-heap`; without that option it is the rest of the last page.

#[global_allocator]
static HEAP: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;
