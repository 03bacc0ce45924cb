//! How many files this process may have open, and what of that plugins may take: each whose code is in memory keeps one.
//!
//! Invariant: connections, the log and the state never go without because of plugins.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Lets this process have as many as its limits can be raised to by itself. What it starts sets its own.
pub fn as_many_as_may_be() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!("the number of open files stays as it is: {error}");
    }
}

/// Releases whose code may be in memory at a time: half of the files.
pub fn releases_max() -> u64 {
    getrlimit(Resource::Nofile).current.map_or(u64::MAX, |files| files / 2)
}
