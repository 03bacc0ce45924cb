//! The port to whoever keeps recordings.

use wharf_delivery::RecordingAt;
use wharf_event::{PluginName, TenantName};

use crate::{Recording, Tape};

/// Keeps recordings of attempts. Nobody waits for it: what it cannot keep at once it leaves out.
pub trait Recordings: Send + Sync + 'static {
    /// What an attempt is to be recorded on before it is known how it ends.
    fn tape(&self) -> Tape;

    /// Whether an attempt that ended so is to be kept. Who asks keeps it: those that succeed are counted.
    fn wants(&self, tenant: &TenantName, plugin: &PluginName, failed: bool) -> bool;

    /// The disk is short of room: what it has gives way.
    fn spare(&self);

    /// Keeps it, and gives where it will stand.
    fn keep(&self, recording: &Recording) -> Option<RecordingAt>;
}

/// Where nothing is recorded.
#[derive(Clone, Copy, Debug)]
pub struct NoRecordings;

impl Recordings for NoRecordings {
    fn tape(&self) -> Tape {
        Tape::default()
    }

    fn wants(&self, _: &TenantName, _: &PluginName, _: bool) -> bool {
        false
    }

    fn spare(&self) {}

    fn keep(&self, _: &Recording) -> Option<RecordingAt> {
        None
    }
}
