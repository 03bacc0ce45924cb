//! The child that is there before the component is: it has read what is known, so that who waits does not wait for that.
//!
//! Invariant: one thread has the children one after the other, from their start to their end, since the kernel ties them to it.

use std::{
    io,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use anyhow::{Result, anyhow};

use super::{KNOWN_BYTES_MAX, NOTHING, Told, child::Child};

/// How long what was compiled last is let be put to use before the next child has its share of the machine.
const REST: Duration = Duration::from_millis(500);

/// What is compiled next, and who waits for it.
struct Job {
    wasm: Vec<u8>,
    told: Told,
    reply: mpsc::Sender<Result<Vec<u8>>>,
}

/// The thread with the child.
pub(super) struct Ahead(mpsc::Sender<Job>);

impl Ahead {
    /// Starts it.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub(super) fn start() -> io::Result<Self> {
        let (jobs, given) = mpsc::channel();
        thread::Builder::new().name("wharf-compile".to_owned()).spawn(move || work(&given))?;
        Ok(Self(jobs))
    }

    /// The artifact of a component.
    ///
    /// # Errors
    /// When it cannot be made, with the reason.
    pub(super) fn compile(&self, wasm: &[u8], told: &Told) -> Result<Vec<u8>> {
        let (reply, made) = mpsc::channel();
        let gone = || anyhow!("the thread that compiles is gone");
        self.0.send(Job { wasm: wasm.to_vec(), told: told.clone(), reply }).map_err(|_| gone())?;
        made.recv().map_err(|_| gone())?
    }
}

fn work(jobs: &mpsc::Receiver<Job>) {
    let mut known = Vec::new();
    while let Some((child, job)) = next(jobs, &known) {
        let Job { wasm, told, reply } = job;
        let (mut parts, mut new) = (0, Vec::new());
        let ended = child.and_then(|child| {
            child.answer(Some(&wasm), |part| {
                match parts {
                    0 => told.tell(&part),
                    // Whoever waits has it before the child has ended.
                    1 => drop(reply.send(Ok(part))),
                    _ => new = part,
                }
                parts += 1;
            })
        });
        if parts < 2 {
            // One that ended well and gave nothing has a defect.
            drop(reply.send(ended.and_then(|()| Err(anyhow!(NOTHING)))));
        }
        known.append(&mut new);
        if known.len() > KNOWN_BYTES_MAX {
            known = Vec::new();
        }
    }
}

/// The next job, and a child for it, which has been there for a while where the job was long in coming; absent when there will be none.
fn next(jobs: &mpsc::Receiver<Job>, known: &[u8]) -> Option<(Result<Child>, Job)> {
    match jobs.recv_timeout(REST) {
        Ok(job) => return Some((Child::start_knowing(known), job)),
        Err(RecvTimeoutError::Disconnected) => return None,
        Err(RecvTimeoutError::Timeout) => {}
    }
    let ahead = Child::start_knowing(known);
    let job = jobs.recv().ok()?;
    // It may have been killed while it waited.
    Some((ahead.ok().filter(Child::waits).map_or_else(|| Child::start_knowing(known), Ok), job))
}
