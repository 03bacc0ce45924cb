//! Ctrl-C and SIGTERM, while a host runs that must not be left behind.
//!
//! Invariant: the first signal ends this program by the normal way, so that the host is stopped and its folder removed; a
//! second one ends it at once.
//!
//! It is not in force while only cargo runs: there the default (both end) is right.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The status of a program that a second signal ended.
const STATUS_INTERRUPTED: i32 = 130;

/// Whether a signal came.
#[derive(Clone)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Catches the signals from now on.
    pub fn catch() -> Result<Self> {
        let came = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order the first signal finds the flag down and only raises it.
            flag::register_conditional_shutdown(signal, STATUS_INTERRUPTED, Arc::clone(&came))?;
            flag::register(signal, Arc::clone(&came))?;
        }
        Ok(Self(came))
    }

    /// One that never comes, for what must be waited for even then.
    pub fn never() -> Self {
        Self(Arc::default())
    }

    /// Whether it came.
    pub fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// An error if it came.
    pub fn check(&self) -> Result<()> {
        if self.came() {
            bail!("interrupted");
        }
        Ok(())
    }
}
