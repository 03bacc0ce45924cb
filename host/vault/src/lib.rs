//! Secrets at rest: sealed by AES-256-GCM under a key that the host is given, and bound to whose they are.
//!
//! Invariant: a value is in no message and in no debug print, and its memory is cleared when it goes. What is sealed for one place opens at no
//! other, and a changed byte opens nowhere. Where the key comes from is whoever starts the host's to say; what else could seal (a KMS) stands
//! behind [`Sealer`].

#![forbid(unsafe_code)]

mod key;
mod redact;
mod seal;

pub use key::{Key, KeyError};
pub use redact::{Hidden, Shown};
pub use seal::{SECRET_BYTES_MAX, SealError, Sealer, Value, sealed_under};
