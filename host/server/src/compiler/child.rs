//! A process that compiles, as its host has it: started, given what it is to compile, and ended with its answer.
//!
//! Invariant: it ends with the thread that started it, since the kernel ties it to that; whoever starts one is there until it has answered.

use std::{
    ffi::OsStr,
    io::{Read as _, Write as _},
    os::unix::process::ExitStatusExt as _,
    process::{self, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::{
        Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{
    inside::{CPU_S_MAX, MEMORY_BYTES_MAX},
    parts,
};

/// Time that compiling one component may take.
const WALL_S_MAX: Duration = Duration::from_secs(180);

/// Bytes of a part of an answer.
const ANSWER_BYTES_MAX: usize = 2 << 30;

/// Bytes of what the child says when it fails, as far as it is told.
const SAID_BYTES_MAX: u64 = 4 << 10;

/// What tells the child how many threads compile.
const THREADS: &str = "RAYON_NUM_THREADS";

/// What tells the child whose work it does, where somebody waits for it.
const HASTE: &str = "WHARF_COMPILE";

/// The end of a child that met its CPU limit.
const SIGXCPU: i32 = 24;

/// Who waits for what is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Haste {
    /// Nobody in person: the child steps back behind all else that the machine does.
    None,
    /// Somebody at a machine of theirs, once.
    Once,
    /// The same who comes again with almost the same: the child is given the functions that are known before it is given the component, and
    /// gives those that are new behind the artifact.
    Again,
}

impl Haste {
    /// What the child is told of it.
    fn said(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Once => Some("once"),
            Self::Again => Some("again"),
        }
    }

    /// What this process was told.
    pub(super) fn of_this_process() -> Self {
        let said = std::env::var_os(HASTE);
        let is_said = |haste: &Self| haste.said().map(OsStr::new) == said.as_deref();
        [Self::Once, Self::Again].into_iter().find(is_said).unwrap_or(Self::None)
    }

    /// Threads that compile: half of what the machine has, so that a compiler that steps back has somewhere to step to; all where it does not.
    fn threads(self) -> usize {
        let all = thread::available_parallelism().map_or(1, usize::from);
        if self == Self::None { (all / 2).max(1) } else { all }
    }
}

/// One that was started.
pub(super) struct Child {
    haste: Haste,
    process: Watched,
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: ChildStderr,
}

impl Child {
    /// Starts one.
    ///
    /// # Errors
    /// When the machine gives none.
    pub(super) fn start(haste: Haste) -> Result<Self> {
        // This very program, whatever has its name by now.
        let mut command = Command::new("/proc/self/exe");
        command.arg("compile").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).env_clear();
        command.env(THREADS, haste.threads().to_string());
        command.envs(haste.said().map(|said| (HASTE, said)));
        let mut process = command.spawn().context("the compiling process cannot be started")?;
        let pipes = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let process = Watched(Mutex::new(process));
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else { bail!("the compiling process has no pipes") };
        Ok(Self { haste, process, stdin, stdout, stderr })
    }

    /// Starts one that is to be asked later, and gives it what is known.
    ///
    /// # Errors
    /// When the machine gives none, or it ended.
    pub(super) fn start_knowing(known: &[u8]) -> Result<Self> {
        let mut child = Self::start(Haste::Again)?;
        parts::write(&mut child.stdin, known).context("the compiling process does not read")?;
        Ok(child)
    }

    /// Whether it is still there to be asked.
    pub(super) fn waits(&self) -> bool {
        self.process.waits()
    }

    /// Lets it compile, or say whether it is cut off from the network and no more; each part of its answer is taken as it comes. Waits for its end.
    ///
    /// # Errors
    /// When it ended before it had answered whole, with the reason.
    pub(super) fn answer(self, wasm: Option<&[u8]>, mut take: impl FnMut(Vec<u8>)) -> Result<()> {
        let Self { haste, process, mut stdin, mut stdout, stderr } = self;
        let (over, ends) = mpsc::channel::<()>();
        thread::scope(|scope| {
            scope.spawn(move || {
                // Whoever is killed reads no more.
                let _ = wasm.map(|wasm| match haste {
                    Haste::Again => parts::write(&mut stdin, wasm),
                    Haste::None | Haste::Once => stdin.write_all(wasm),
                });
                drop(stdin);
            });
            let watched = &process;
            let late = scope.spawn(move || {
                let late = ends.recv_timeout(WALL_S_MAX) == Err(RecvTimeoutError::Timeout);
                if late {
                    watched.kill();
                }
                late
            });
            let said = scope.spawn(|| {
                let mut said = Vec::new();
                // What was said until it broke off is what there is to tell.
                let _ = stderr.take(SAID_BYTES_MAX).read_to_end(&mut said);
                String::from_utf8_lossy(&said).into_owned()
            });
            let mut read = || parts::read(&mut stdout, ANSWER_BYTES_MAX);
            let broken = loop {
                match read() {
                    Ok(Some(part)) => take(part),
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                }
            };
            if broken.is_some() {
                process.kill();
            }
            let status = process.end();
            drop(over);
            ensure!(!late.join().unwrap_or_default(), "compiling took more than {} s", WALL_S_MAX.as_secs());
            broken.map_or(Ok(()), Err).context("the compiling process cannot be read")?;
            let (status, said) = (status?, said.join().unwrap_or_default());
            ensure!(status.success(), "{}", ended(status, &said));
            Ok(())
        })
    }
}

/// Why a child ended without an artifact.
fn ended(status: ExitStatus, said: &str) -> String {
    match status.signal() {
        Some(SIGXCPU) => format!("compiling took more than {CPU_S_MAX} s of CPU time"),
        Some(signal) => {
            format!(
                "compiling ended by signal {signal}: mostly for want of memory, of which it may have {} GiB",
                MEMORY_BYTES_MAX >> 30
            )
        }
        None => said.trim().to_owned(),
    }
}

/// A process that another thread may kill; it ends with whoever has it.
struct Watched(Mutex<process::Child>);

impl Watched {
    fn kill(&self) {
        // It may have ended in that moment.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).kill();
    }

    fn waits(&self) -> bool {
        matches!(self.0.lock().unwrap_or_else(PoisonError::into_inner).try_wait(), Ok(None))
    }

    /// Its status; called when it has closed its output, so that the wait is short.
    fn end(&self) -> Result<ExitStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wait().context("the compiling process is lost")
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.waits() {
            self.kill();
            // It was killed.
            let _ = self.end();
        }
    }
}
