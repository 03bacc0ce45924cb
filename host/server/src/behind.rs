//! Work of the host's own that no event waits for, on a thread that steps back behind those that events need.
//!
//! Invariant: the thread ends with its work, since a thread that stepped back cannot step forward again. How far says `pace.rs`.

use std::{io, thread};

use tokio::sync::oneshot;

use crate::pace::{BEHIND, step_back};

/// Does work that takes long.
///
/// # Errors
/// When there is no thread for it, or it panics.
pub async fn behind<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (done, waits) = oneshot::channel();
    let stepped_back = move || {
        step_back(BEHIND);
        // Whoever wanted it may be gone.
        let _ = done.send(work());
    };
    thread::Builder::new().name("wharf-behind".to_owned()).spawn(stepped_back)?;
    waits.await.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[tokio::test]
    async fn only_the_thread_of_the_work_steps_back_and_a_panic_is_an_error() {
        let niceness = || getpriority_process(None).unwrap();
        let before = niceness();
        assert_eq!(behind(niceness).await.unwrap(), (before + BEHIND).min(19));
        assert_eq!(niceness(), before);
        assert!(behind(|| panic!("as it is meant")).await.is_err());
    }
}
