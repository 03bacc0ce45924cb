//! Who vouches for a release: keys, signatures over its digest, and whether a tenant takes them.
//!
//! Invariant: a signature counts only if a key that the tenant registered and did not revoke made it, over this digest, for this purpose.
//! Everything here is a pure value: random bytes, files and clocks are others'. `docs/design/signatures.md` describes the texts to the
//! byte.

mod check;
mod error;
mod key;
mod keys;
pub mod limits;
mod message;
mod secret;
mod signature;

pub use check::{Verified, check};
pub use error::{KeyError, SignatureError};
pub use key::{KeyId, PublicKey};
pub use keys::{Keys, RegisteredKey};
pub use message::message;
pub use secret::SecretKey;
pub use signature::Signature;
pub use wharf_event::SignaturePolicy as Policy;
