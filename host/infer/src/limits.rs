//! The bounds of models and of asking them, each with its unit.

use std::time::Duration;

/// Bytes of a model.
pub const MODEL_BYTES_MAX: usize = 64 << 20;

/// Inputs of a model, and outputs.
pub const PORTS_MAX: usize = 64;

/// Dimensions of a tensor.
pub const DIMS_MAX: usize = 8;

/// Bytes of a name.
pub const NAME_BYTES_MAX: usize = 256;

/// Elements of all tensors that go in, and of all that come out.
pub const ELEMENTS_MAX: u64 = 4 << 20;

/// Bytes of all tensors that go in, and of all that come out.
pub const TENSORS_BYTES_MAX: usize = 32 << 20;

/// Bytes of a request or an answer in which tensors are text.
pub const BODY_BYTES_MAX: usize = 32 << 20;

/// Characters of a reason.
pub const REASON_CHARS_MAX: usize = 512;

/// Workers of a host that there are at most, whatever the machine has.
pub const WORKERS_MAX: usize = 8;

/// How long a worker stays that nobody needs.
pub const IDLE: Duration = Duration::from_secs(300);

/// Bytes of a message between a host and its worker.
pub const FRAME_BYTES_MAX: usize = MODEL_BYTES_MAX + (1 << 20);
