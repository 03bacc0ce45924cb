//! Why a request got no answer. Invariant: the address that was refused, and why, is told; what a server said never is, since there was no
//! answer.

use std::{io, net::IpAddr};

use crate::address::Why;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// Its address is not for everybody, and not granted.
    #[error("{address} is {why}, and nobody granted it")]
    Refused {
        /// The address that would have been connected to.
        address: IpAddr,
        /// What it is.
        why: Why,
    },
    /// The name has no address.
    #[error("`{0}` has no address")]
    NoAddress(String),
    /// Whoever knows the addresses did not say.
    #[error("the addresses of `{host}` cannot be found out")]
    Resolve {
        /// The name.
        host: String,
        /// What went wrong.
        source: io::Error,
    },
    /// Nobody answered there.
    #[error("no connection to {address}")]
    Connect {
        /// The last address that was tried.
        address: IpAddr,
        /// What went wrong.
        source: io::Error,
    },
    /// The other side is not who it should be, or speaks no TLS.
    #[error("no TLS with `{host}`")]
    Tls {
        /// The name that it should have.
        host: String,
        /// What went wrong.
        source: io::Error,
    },
    /// The request cannot be put together.
    #[error("the request cannot be put together")]
    Request(#[from] http::Error),
    /// The other side closed the connection before the request went out.
    #[error("the connection was closed before the request went out")]
    Closed,
    /// The connection broke, or what came was no HTTP.
    #[error("the answer did not come")]
    Broken(#[source] hyper::Error),
    /// It took too long.
    #[error("no answer within {0} ms")]
    Timeout(u128),
}
