//! The suite is worth what it finds: with any one fsync left out it must fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{
    cut::{every_crash, every_error},
    site::Site,
};

/// What the suite says when the syncs of one site are left out.
#[derive(Clone, Debug)]
pub struct Mutated {
    /// The site.
    pub site: Site,
    /// The first thing that did not hold; absent when everything did, so that the suite is too weak.
    pub found: Option<String>,
}

/// Leaves each site out in turn.
#[must_use]
pub fn mutations(fates: u64) -> Vec<Mutated> {
    let tried = |site| {
        // A panic of the product is a finding as well.
        let crashes = catch_unwind(AssertUnwindSafe(|| every_crash(fates, Some(site))));
        let crashes = crashes.unwrap_or_else(|_| Err("the product panicked".into()));
        crashes.and_then(|_| every_error(fates, Some(site))).err()
    };
    Site::ALL.into_iter().map(|site| Mutated { site, found: tried(site) }).collect()
}
