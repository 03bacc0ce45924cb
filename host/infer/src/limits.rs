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

/// Rows of one run that questions share.
pub const BATCH_ROWS_MAX: u32 = 1_024;

/// How long the first question of such a run waits for others: in milliseconds.
pub const BATCH_WAIT_MS_MAX: u64 = 1_000;

/// Versions that are remembered since runs of several failed with them, or gave what could not be cut.
pub const APART_MAX: usize = 500;

/// Runs of several that may fail one behind the other before their version is asked one question at a time for a while.
pub const TOGETHER_FAILED_MAX: u32 = 3;

/// That while.
pub const APART: Duration = Duration::from_secs(60);

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
