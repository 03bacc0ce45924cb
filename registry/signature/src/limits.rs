//! The bounds of keys and signatures, each with its unit.

/// Keys of one tenant, revoked ones too.
pub const KEYS_MAX: usize = 64;

/// Signatures of one release.
pub const SIGNATURES_MAX: usize = 16;

/// Bytes of a text with a key or with signatures.
pub const TEXT_BYTES_MAX: usize = 8 << 10;

/// Bytes of the SHA-256 of a public key that name it.
pub const KEY_ID_BYTES: usize = 8;
