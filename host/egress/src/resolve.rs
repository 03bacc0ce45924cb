//! The addresses of a name: by the system, as every program of the machine finds them, or by DNS servers that the operator named.
//! Invariants: nothing is kept. Each connection asks anew, and what it is told is what it is checked on. A look of the system's cannot be broken off:
//! it keeps its place until it has really ended, and no owner has all places.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{
    dns,
    limits::{LOOKUPS_MAX, LOOKUPS_PER_OWNER_MAX},
};

/// Who knows the addresses of names.
#[derive(Debug)]
pub(crate) enum Resolver {
    /// The system: `/etc/hosts`, its DNS servers, whatever else it is set up with.
    System(Lookups),
    /// These DNS servers, and nobody else.
    Servers(Vec<SocketAddr>),
}

impl Resolver {
    /// The system.
    pub(crate) fn system() -> Self {
        Self::System(Lookups { all: Arc::new(Semaphore::new(LOOKUPS_MAX)), of: Mutex::default() })
    }

    pub(crate) async fn addresses(&self, owner: &Arc<str>, host: &str, port: u16) -> io::Result<Vec<IpAddr>> {
        match self {
            Self::System(lookups) => {
                let name = (host.to_owned(), port);
                let look = move || {
                    let found = (name.0.as_str(), name.1).to_socket_addrs()?;
                    Ok(found.map(|address| address.ip()).collect())
                };
                lookups.look(owner, look).await?
            }
            Self::Servers(servers) => dns::lookup(servers, host).await,
        }
    }
}

/// Places of those who look, each of which has a thread.
#[derive(Debug)]
pub(crate) struct Lookups {
    all: Arc<Semaphore>,
    of: Mutex<HashMap<Arc<str>, Weak<Semaphore>>>,
}

impl Lookups {
    /// Looks on a thread of its own when there is a place for its owner.
    async fn look<T: Send + 'static>(
        &self,
        owner: &Arc<str>,
        look: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let own = Arc::clone(&self.of(owner)).acquire_owned().await.map_err(io::Error::other)?;
        let place = Arc::clone(&self.all).acquire_owned().await.map_err(io::Error::other)?;
        let looked = spawn_blocking(move || {
            let _places = (own, place);
            look()
        });
        looked.await.map_err(io::Error::other)
    }

    /// The places of one owner, which are known while one is taken.
    fn of(&self, owner: &Arc<str>) -> Arc<Semaphore> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = of.get(owner).and_then(Weak::upgrade) {
            return places;
        }
        of.retain(|_, places| places.strong_count() > 0);
        let places = Arc::new(Semaphore::new(LOOKUPS_PER_OWNER_MAX));
        of.insert(Arc::clone(owner), Arc::downgrade(&places));
        places
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_nobody_waits_for_any_more_keeps_its_place_and_takes_no_other_owners() {
        let Resolver::System(lookups) = Resolver::system() else { panic!("it is the system") };
        let (slow, quick): (Arc<str>, Arc<str>) = ("slow".into(), "quick".into());
        let (end, ends) = mpsc::channel::<()>();
        let ends = Arc::new(Mutex::new(ends));
        for _ in 0..LOOKUPS_PER_OWNER_MAX {
            let (begun, begins) = tokio::sync::oneshot::channel();
            let ends = Arc::clone(&ends);
            let look = lookups.look(&slow, move || {
                begun.send(()).unwrap();
                ends.lock().unwrap().recv().unwrap();
            });
            // Whoever asked has gone once it looks.
            tokio::select! {
                ended = look => panic!("{ended:?}"),
                begun = begins => begun.unwrap(),
            }
        }
        assert_eq!(lookups.of(&slow).available_permits(), 0);
        assert_eq!(lookups.look(&quick, || 7).await.unwrap(), 7);
        end.send(()).unwrap();
        assert_eq!(lookups.look(&slow, || 8).await.unwrap(), 8);
        (1..LOOKUPS_PER_OWNER_MAX).for_each(|_| end.send(()).unwrap());
    }
}
