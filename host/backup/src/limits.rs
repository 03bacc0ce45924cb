//! What a backup may take.

/// Bytes that are read and written at a time.
pub(crate) const PIECE_BYTES: usize = 1 << 20;

/// Bytes after which what was written is let go to the disk, so that no sync of the host's has to wait for much of it.
pub(crate) const SYNC_EVERY_BYTES: u64 = 4 << 20;

/// How often a log is begun with again whose files changed while they were copied.
pub(crate) const TRIES_MAX: usize = 20;

/// Bytes of a manifest.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 256 << 20;

/// Bytes of a component.
pub(crate) const COMPONENT_BYTES_MAX: u64 = 512 << 20;
