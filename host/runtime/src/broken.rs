//! What the end of a call that did not return means to the people who read about it: a code, and a sentence that names the limit.
//!
//! Invariant: a limit that was met is told before the trap that followed from it.

use wasmtime::{PoolConcurrencyLimitError, Trap, component::ResourceTableError};
use wharf_capability::{Attempt, ReadFailed, Spent};
use wharf_delivery::{Failure, LimitsDocument};
use wharf_event::Code;

use crate::limits::BACKTRACE_FRAMES;

/// What wasmtime says when a call passes too many bytes; it has no type for it.
const CALL_SPENT: &str = "fuel allocated for hostcalls has been exhausted";

/// What it says when there are too many handles.
const HANDLES_SPENT: &str = "store handle limit exceeded";

/// Functions that call each other in turn in a recursion, as far as it is told from nested calls that are all different.
const RECURSIVE_FUNCTIONS_MAX: usize = BACKTRACE_FRAMES / 4;

/// The guest used its CPU budget up.
#[derive(Debug, thiserror::Error)]
#[error("the attempt used its CPU budget of {0} ms up")]
pub(crate) struct CpuSpent(pub u32);

/// The wall time ended the call.
pub(crate) fn too_long(limits: LimitsDocument) -> Failure {
    let reason = format!("the attempt took longer than {} ms", limits.wall_ms);
    Failure::new(Code::LimitWall, reason)
}

/// What ended the call.
pub(crate) fn broken(error: &wasmtime::Error, attempt: &mut Attempt, limits: LimitsDocument) -> Failure {
    let (code, reason) = of_host(error, limits)
        .or_else(|| of_guest(error, attempt, limits))
        .unwrap_or_else(|| (Code::HandlerTrap, trap(error, attempt.last_words().as_deref())));
    Failure::new(code, reason)
}

/// What the host ended it for.
fn of_host(error: &wasmtime::Error, limits: LimitsDocument) -> Option<(Code, String)> {
    if let Some(spent) = error.downcast_ref::<CpuSpent>() {
        return Some((Code::LimitCpu, spent.to_string()));
    }
    if let Some(spent) = error.downcast_ref::<Spent>() {
        return Some((spent.code(), spent.to_string()));
    }
    if error.downcast_ref::<ReadFailed>().is_some() {
        return Some((Code::Internal, format!("{error:#}")));
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return Some((Code::Overloaded, format!("the host has no room for another instance: {error:#}")));
    }
    if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) {
        let held = format!("the attempt may hold {} resources of the host", limits.host.resources);
        return Some((Code::LimitHost, held));
    }
    let said = error.root_cause().to_string();
    if said.contains(CALL_SPENT) {
        let passed = format!("the attempt may pass {} KiB in one call, and as its answer", limits.host.call_kib);
        return Some((Code::LimitHost, passed));
    }
    said.contains(HANDLES_SPENT)
        .then(|| (Code::LimitHost, format!("the attempt may hold {} handles", limits.host.handles)))
}

/// What of its own memory it had used up.
fn of_guest(error: &wasmtime::Error, attempt: &mut Attempt, limits: LimitsDocument) -> Option<(Code, String)> {
    if is_too_deep(error) {
        let deep = trap(error, attempt.last_words().as_deref());
        return Some((Code::LimitStack, format!("the attempt's calls are nested too deep for its stack; {deep}")));
    }
    let budget = attempt.budget();
    if budget.memory_refused {
        let asked = format!("the attempt asked for more than its {} MiB of memory; then: {error:#}", limits.memory_mib);
        return Some((Code::LimitMemory, asked));
    }
    budget.tables_refused.then(|| {
        let elements = limits.host.table_elements;
        let asked = format!("the attempt asked for tables of more than {elements} elements; then: {error:#}");
        (Code::LimitMemory, asked)
    })
}

/// Whether the calls were nested too deep: for the stack that the host gives, or for the one that a compiler put at the start of
/// the guest's memory. Below that there is nothing, so it ends as a wrong address, under more calls than a reason names, and few
/// functions.
fn is_too_deep(error: &wasmtime::Error) -> bool {
    let frames = || {
        let place = error.downcast_ref::<wasmtime::WasmBacktrace>();
        place.into_iter().flat_map(|place| place.frames()).map(wasmtime::FrameInfo::func_index).collect::<Vec<_>>()
    };
    match error.downcast_ref() {
        Some(Trap::StackOverflow) => true,
        Some(Trap::MemoryOutOfBounds) => {
            let mut functions = frames();
            let deep = functions.len() >= BACKTRACE_FRAMES;
            functions.sort_unstable();
            functions.dedup();
            deep && functions.len() <= RECURSIVE_FUNCTIONS_MAX
        }
        _ => false,
    }
}

/// The kind of the trap first, since lists cut the rest off: then what the handler said last, then where it was.
fn trap(error: &wasmtime::Error, last_words: Option<&str>) -> String {
    let said = last_words.map(|words| format!("; it said: {words}")).unwrap_or_default();
    let place = error.downcast_ref::<wasmtime::WasmBacktrace>().map(|place| format!("\n{place}")).unwrap_or_default();
    format!("{}{said}{place}", error.root_cause())
}
