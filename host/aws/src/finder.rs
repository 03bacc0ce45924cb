//! Who is asked for credentials: one place for each source, and for each region where that gives by region.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use futures_util::FutureExt as _;
use wharf_egress::Egress;
use wharf_llm::Credentials;

use crate::{asking::ask, error::NotFound, kept::Kept, source::Source, way::Way};

/// Finds credentials, and keeps them.
pub struct Finder {
    way: Way,
    kept: Arc<Mutex<HashMap<(Source, String), Kept>>>,
}

impl Finder {
    /// One whose requests leave by that way; or by none, and why.
    #[must_use]
    pub fn new(egress: Result<Arc<Egress>, String>) -> Self {
        Self { way: Way(egress), kept: Arc::default() }
    }

    /// The same by another way, with what is kept.
    #[must_use]
    pub fn leaving_by(&self, egress: Result<Arc<Egress>, String>) -> Self {
        Self { way: Way(egress), kept: Arc::clone(&self.kept) }
    }

    /// Credentials of a source; the region is that of the security token service, where that is asked. Whoever does not wait for the answer
    /// ends no look.
    ///
    /// # Errors
    /// When there are none.
    pub async fn find(&self, of: Source, region: &str) -> Result<Credentials, NotFound> {
        self.of(of, region).get(|| ask(of, region.to_owned(), self.way.clone()).boxed()).await
    }

    /// Forgets credentials that were refused, so that the source is looked at again; but not while it is left alone.
    pub fn forget(&self, of: Source, region: &str, refused: &Credentials) {
        self.of(of, region).forget(refused);
    }

    fn of(&self, of: Source, region: &str) -> Kept {
        let region = if of.is_regional() { region } else { "" };
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry((of, region.to_owned())).or_insert_with(|| Kept::new(of, Arc::new(Instant::now))).clone()
    }
}
