//! The addresses of a name: by the system, as every program of the machine finds them, or by DNS servers that the operator named.
//! Invariant: nothing is kept. Each connection asks anew, and what it is told is what it is checked on.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use crate::dns;

/// Who knows the addresses of names.
#[derive(Clone, Debug)]
pub(crate) enum Resolver {
    /// The system: `/etc/hosts`, its DNS servers, whatever else it is set up with.
    System,
    /// These DNS servers, and nobody else.
    Servers(Vec<SocketAddr>),
}

impl Resolver {
    pub(crate) async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<IpAddr>> {
        match self {
            Self::System => {
                let found = tokio::net::lookup_host((host, port)).await?;
                Ok(found.map(|address| address.ip()).collect())
            }
            Self::Servers(servers) => dns::lookup(servers, host).await,
        }
    }
}
