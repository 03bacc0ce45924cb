//! The bounds of what a model is made of, each with its unit.

/// Nodes of a model, those of its branches and loops included.
pub const NODES_MAX: usize = 20_000;

/// How deep branches and loops may be in each other.
pub const DEPTH_MAX: usize = 8;

/// Elements of all tensors that a model keeps.
pub const KEPT_ELEMENTS_MAX: u64 = 64 << 20;

/// Bytes that a model may need for what lies between its inputs and its outputs, as far as that is known before it is asked.
pub const BETWEEN_BYTES_MAX: u64 = 512 << 20;

/// Shapes of inputs for which a model is kept prepared.
pub const SHAPES_MAX: usize = 16;
