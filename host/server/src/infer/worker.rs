//! The process that a model runs in: `wharf infer`, a child of the host with limits of its own and no network.
//!
//! Invariants: it holds one model of one tenant; whatever that does ends this child and nothing else. It hears and says messages by its standard
//! streams, and opens no file once it has its limits. It ends with its host: it is started by a thread that is there as long as the host is, since the
//! kernel ties a child to the thread that made it.

use std::{
    io::{self, Read as _},
    os::unix::process::ExitStatusExt as _,
    process::{Child, ChildStderr, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use wharf_infer::{Ends, Start, Started};

use crate::compiler::cut_off;

/// Bytes of address space of the child.
const MEMORY_BYTES_MAX: u64 = 2 << 30;

/// Open files of the child.
const FILES_MAX: u64 = 16;

/// Bytes of what the child says when it fails, as far as it is told.
const SAID_BYTES_MAX: u64 = 4 << 10;

/// Whoever waits for a child.
type Reply = mpsc::Sender<io::Result<Child>>;

/// Starts the children.
pub struct Workers(Mutex<Option<mpsc::Sender<Reply>>>);

impl Workers {
    /// None yet.
    pub fn new() -> Self {
        Self(Mutex::new(None))
    }

    fn child(&self) -> io::Result<Child> {
        let (reply, came) = mpsc::channel();
        let mut starter = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let to = match starter.take() {
            Some(to) => to,
            None => starter_thread()?,
        };
        let gone = |_| io::Error::other("the thread that starts workers is gone");
        to.send(reply).map_err(|_| gone(()))?;
        *starter = Some(to);
        drop(starter);
        came.recv().map_err(|_| gone(()))?
    }
}

fn starter_thread() -> io::Result<mpsc::Sender<Reply>> {
    let (to, asked) = mpsc::channel::<Reply>();
    let start = move || {
        for reply in asked {
            // Nobody may wait any more; then the child goes as it came.
            if let Err(mpsc::SendError(Ok(mut child))) = reply.send(spawn()) {
                let _ = child.kill().and_then(|()| child.wait());
            }
        }
    };
    thread::Builder::new().name("wharf-workers".to_owned()).spawn(start)?;
    Ok(to)
}

fn spawn() -> io::Result<Child> {
    // This very program, whatever has its name by now.
    let mut command = Command::new("/proc/self/exe");
    command.arg("infer").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).env_clear();
    command.spawn()
}

impl Start for Workers {
    fn start(&self) -> io::Result<Started> {
        let mut child = self.child()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the worker has no pipes"));
        };
        let said = Mutex::new(child.stderr.take());
        let ends = Arc::new(Process { child: Mutex::new(child), said });
        Ok(Started { input: Box::new(input), output: Box::new(output), ends })
    }
}

/// A child that another thread may end.
struct Process {
    child: Mutex<Child>,
    said: Mutex<Option<ChildStderr>>,
}

impl Process {
    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ends for Process {
    fn end(&self) {
        // It may have ended in that moment.
        let _ = self.child().kill();
    }

    fn lives(&self) -> bool {
        matches!(self.child().try_wait(), Ok(None))
    }

    fn how(&self) -> String {
        let status = match self.child().wait() {
            Ok(status) => status,
            Err(error) => return format!("its worker is lost: {error}"),
        };
        let mut said = Vec::new();
        if let Some(stderr) = self.said.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // What was said until it broke off is what there is to tell.
            let _ = stderr.take(SAID_BYTES_MAX).read_to_end(&mut said);
        }
        let said = String::from_utf8_lossy(&said);
        match (status.signal(), said.trim()) {
            (Some(signal), _) if signal == Signal::KILL.as_raw() => {
                "its worker was killed: by somebody, or since the machine had no memory left".to_owned()
            }
            (Some(signal), said) => format!(
                "its worker ended by signal {signal}, mostly for want of memory, of which it may have {} GiB: {said}",
                MEMORY_BYTES_MAX >> 30
            ),
            (None, said) => format!("its worker ended: {said}"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut child = self.child();
        // Without a wait it would stay as a zombie.
        let _ = child.kill().and_then(|()| child.wait());
    }
}

/// What `wharf infer` does: takes its limits on, and serves its host with one model.
///
/// # Errors
/// When it cannot be limited, or a pipe is closed.
pub fn run() -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("it cannot be tied to its host")?;
    // Where the kernel does not let it be cut off, the host said so when it started (`compiler.rs`).
    cut_off();
    // A machine without memory lets go of models before it lets go of their host.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let limits = [(Resource::As, MEMORY_BYTES_MAX), (Resource::Nofile, FILES_MAX), (Resource::Core, 0)];
    for (resource, most) in limits {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).context("the limits cannot be set")?;
    }
    // A panic of the engine is told by the answer.
    std::panic::set_hook(Box::new(|_| {}));
    let (mut stdin, mut stdout) = (io::stdin().lock(), io::stdout().lock());
    wharf_infer::serve(&mut stdin, &mut stdout, wharf_onnx::Model::read)?;
    Ok(())
}
