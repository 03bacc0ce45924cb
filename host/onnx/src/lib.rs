//! ONNX models by `tract`, which computes on the processor and brings nothing native.
//!
//! Invariant: nothing here trusts a model, and nothing here can stop one: it is made for a process that has limits and can be ended
//! (`wharf_infer::serve`). No file is opened: a model is its bytes.

mod engine;
pub mod limits;
mod proto;
#[cfg(test)]
mod tests;
mod trees;
mod values;

pub use engine::Model;
