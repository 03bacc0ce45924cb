//! One frame on its way: what is gathered for it, the sync that it needs, and what it gives.
//!
//! Invariant: what a frame gives comes out of its draft only, and the committer lets go of that when the frame is durable.

use wharf_delivery::{Answer, Due};
use wharf_event::{Digest, TenantName};
use wharf_log::{AnyFile, Synced, Unsynced};

use crate::{
    limits::{FRAME_GATHER_BYTES, FRAME_GATHER_REQUESTS},
    partition::AskError,
};

/// An answer to a request, or why there is none.
pub type Answered = Result<Answer, AskError>;

/// What one frame gave.
#[derive(Default)]
pub struct Committed {
    /// An answer for each request, in order.
    pub answers: Vec<Answered>,
    /// Deliveries that arose, with the number of the request that they come from.
    pub arisen: Vec<(usize, Vec<Due>)>,
}

/// The sync that a written frame still needs; none where nothing had to be written.
pub struct ToSync(pub(crate) Option<Unsynced<AnyFile>>);

/// How that ended.
pub struct FrameSynced(pub(crate) Option<Synced>);

impl ToSync {
    /// Makes the frame durable. It blocks.
    pub fn sync(self) -> FrameSynced {
        FrameSynced(self.0.map(Unsynced::sync))
    }
}

/// What a frame is made of.
pub(crate) struct FrameDraft {
    pub(crate) k: u64,
    pub(crate) now_ms: u64,
    /// What its requests come to at most.
    pub(crate) bytes: usize,
    pub(crate) records: Vec<(u64, u16, Vec<u8>)>,
    pub(crate) committed: Committed,
}

impl FrameDraft {
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= FRAME_GATHER_BYTES || self.committed.answers.len() >= FRAME_GATHER_REQUESTS
    }
}

/// A record's index in its frame, as positions have it: the low byte numbers what the record published.
pub(crate) fn record_index(index: usize) -> u32 {
    u32::try_from(index << 8).unwrap_or(u32::MAX)
}

/// The number under which a frame's directory names a tenant: the head of its name's SHA-256. 0 is the host itself.
pub(crate) fn tenant_number(tenant: Option<&TenantName>) -> u64 {
    tenant.map_or(0, |tenant| {
        let digest = Digest::of(tenant.as_str().as_bytes());
        digest.as_bytes().first_chunk().map_or(0, |head| u64::from_le_bytes(*head))
    })
}

/// The last tenant's number: neighbours in a frame are mostly of one.
#[derive(Default)]
pub(crate) struct TenantNumbers(Option<(TenantName, u64)>);

impl TenantNumbers {
    pub(crate) fn of(&mut self, tenant: Option<&TenantName>) -> u64 {
        match (&self.0, tenant) {
            (Some((last, number)), Some(tenant)) if last == tenant => *number,
            _ => {
                let number = tenant_number(tenant);
                self.0 = tenant.map(|tenant| (tenant.clone(), number));
                number
            }
        }
    }
}
