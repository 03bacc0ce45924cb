//! What takes long for many bytes, so that nobody else waits for it on the threads for what leaves.

/// Bytes that are gone through in less time than others would notice.
const MANY_BYTES: usize = 256 << 10;

/// Does what is to be done with so many bytes. Where they are many, the other tasks of the thread go on elsewhere meanwhile.
///
/// # Panics
/// With many bytes on a runtime that runs on the thread of whoever called it (`current_thread`).
pub fn beside<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    if bytes < MANY_BYTES { work() } else { tokio::task::block_in_place(work) }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    #[test]
    fn other_tasks_of_the_thread_go_on_while_many_bytes_are_gone_through() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let (tell, told) = mpsc::channel();
        let task = runtime.spawn(async move {
            tokio::spawn(async move { tell.send(()) });
            beside(MANY_BYTES, || told.recv_timeout(Duration::from_secs(60)))
        });
        assert_eq!(runtime.block_on(task).unwrap(), Ok(()));
    }
}
