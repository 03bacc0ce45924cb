//! The process that compiles: `wharf compile`, a child of the host that has limits of its own and no network, and steps back behind all
//! else that the machine does, but where somebody sits and waits for it.
//!
//! Invariants: one at a time, which ends with its host; whatever a component does to the compiler ends that child and nothing else, and
//! becomes a problem of that component. The child takes the component on stdin and gives the artifact on stdout; it opens no file. Where somebody
//! sits and waits it takes the functions behind it that it compiled before, and gives those that are new. A host says once
//! where the kernel does not let its children be cut off from the network: at the first of them, or [`Compiler::look`] starts one
//! that compiles nothing.

use std::{
    io::{Read as _, Write as _},
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::{
    process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit},
    thread::{UnshareFlags, unshare_unsafe},
};
use wharf_runtime::{Compile, ComponentError, is_module, limits::COMPONENT_BYTES_MAX};

use crate::pace::{LAST, step_back};

/// Seconds of CPU time that compiling one component may take, over all cores.
const CPU_S_MAX: u64 = 120;

/// Bytes of address space of the child.
const MEMORY_BYTES_MAX: u64 = 8 << 30;

/// Time that compiling one component may take.
const WALL_S_MAX: Duration = Duration::from_secs(180);

/// Open files of the child.
const FILES_MAX: u64 = 16;

/// Bytes of what the child says when it fails, as far as it is told.
const SAID_BYTES_MAX: u64 = 4 << 10;

/// What tells the child how many threads compile.
const THREADS: &str = "RAYON_NUM_THREADS";

/// Bytes of functions that are known: beyond that all are forgotten.
const KNOWN_BYTES_MAX: usize = 256 << 20;

/// What tells the child that somebody waits, so that it does not step back, and that functions are known.
const AT_ONCE: &str = "WHARF_COMPILE_AT_ONCE";

/// What the child's answer begins with: whether the kernel cut it off from the network.
const CUT_OFF: u8 = b'-';
const CONNECTED: u8 = b'+';

/// The end of the child that met its CPU limit.
const SIGXCPU: i32 = 24;

/// Starts a child for each component.
#[derive(Clone, Default)]
pub struct Compiler(Arc<State>);

#[derive(Default)]
struct State {
    /// The turn to compile, and the functions that those before it compiled.
    turn: Mutex<Vec<u8>>,
    /// Somebody waits, on a machine of theirs.
    at_once: bool,
    /// Set when it was told.
    told: OnceLock<()>,
}

impl Compiler {
    /// One for whose work somebody waits: an author at a terminal. It has the whole machine.
    pub fn at_once() -> Self {
        Self(Arc::new(State { at_once: true, ..State::default() }))
    }

    /// Says where children are not cut off from the network, unless one was started already. It has a thread of its own, since a
    /// child costs some milliseconds and nobody waits for what it says.
    pub fn look(&self) {
        if self.0.told.get().is_some() {
            return;
        }
        let compiler = self.clone();
        let look = move || match ask(vec![], false) {
            Ok((status, answer, _)) if status.success() => compiler.tell(answer.first().copied()),
            Ok((status, _, said)) => tracing::warn!("components cannot be compiled: {}", ended(status, &said)),
            Err(error) => tracing::warn!("components cannot be compiled: {error:#}"),
        };
        // Without a thread there is none for compiling either, and that is told where it is needed.
        let _ = thread::Builder::new().name("wharf-look".to_owned()).spawn(look);
    }

    fn tell(&self, network: Option<u8>) {
        self.0.told.get_or_init(|| {
            if network != Some(CUT_OFF) {
                tracing::warn!(
                    "this kernel does not let the compiling process be cut off from the network; it compiles all the same"
                );
            }
        });
    }
}

impl Compile for Compiler {
    fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, ComponentError> {
        let mut turn = self.0.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // What is taken out of components is the same in all of them, and its artifact is kept: it is not compiled function by function.
        let mut whole = Vec::new();
        let known = if is_module(wasm) { &mut whole } else { &mut *turn };
        let failed = |error: anyhow::Error| ComponentError::Compile { problem: format!("{error:#}") };
        let length = length(wasm);
        let asked = if self.0.at_once { vec![&length[..], wasm, known] } else { vec![wasm] };
        let (status, answer, said) = ask(asked, self.0.at_once).map_err(failed)?;
        if !status.success() {
            return Err(ComponentError::Compile { problem: ended(status, &said) });
        }
        let nothing = || ComponentError::Compile { problem: "the compiling process gave nothing".to_owned() };
        let (network, answer) = answer.split_first().ok_or_else(nothing)?;
        self.tell(Some(*network));
        if !self.0.at_once {
            return Ok(answer.to_vec());
        }
        let (artifact, new) = split(answer).ok_or_else(nothing)?;
        if known.len() + new.len() > KNOWN_BYTES_MAX {
            known.clear();
        }
        known.extend_from_slice(new);
        Ok(artifact.to_vec())
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

/// What stands before bytes that others follow: how many they are.
fn length(bytes: &[u8]) -> [u8; size_of::<u64>()] {
    (bytes.len() as u64).to_le_bytes()
}

/// The bytes whose length stands before them, and those that follow.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, bytes) = bytes.split_first_chunk()?;
    bytes.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

/// Lets a child compile: how it ended, what it gave, what it said.
fn ask(asked: Vec<&[u8]>, at_once: bool) -> Result<(ExitStatus, Vec<u8>, String)> {
    // This very program, whatever has its name by now.
    let mut command = Command::new("/proc/self/exe");
    command.arg("compile").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).env_clear();
    command.env(THREADS, threads(at_once).to_string());
    if at_once {
        command.env(AT_ONCE, "1");
    }
    let mut child = command.spawn().context("the compiling process cannot be started")?;
    let (Some(mut stdin), Some(mut stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        anyhow::bail!("the compiling process has no pipes");
    };
    let watched = Watched(Mutex::new(child));
    let (over, ends) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(|| {
            // Whoever is killed reads no more.
            let _ = asked.iter().try_for_each(|bytes| stdin.write_all(bytes));
            drop(stdin);
        });
        let watched = &watched;
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
        let mut answer = Vec::new();
        let read = stdout.read_to_end(&mut answer);
        let status = watched.wait();
        drop(over);
        if late.join().unwrap_or_default() {
            anyhow::bail!("compiling took more than {} s", WALL_S_MAX.as_secs());
        }
        read.context("the compiling process cannot be read")?;
        Ok((status?, answer, said.join().unwrap_or_default()))
    })
}

/// Threads that compile: half of what the machine has, so that a compiler that steps back has somewhere to step to; all where it does not.
fn threads(at_once: bool) -> usize {
    let all = thread::available_parallelism().map_or(1, usize::from);
    if at_once { all } else { (all / 2).max(1) }
}

/// A child that another thread may kill.
struct Watched(Mutex<Child>);

impl Watched {
    fn kill(&self) {
        // It may have ended in that moment.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).kill();
    }

    /// Its status; called when it has closed its output, so that the wait is short.
    fn wait(&self) -> Result<ExitStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wait().context("the compiling process is lost")
    }
}

/// What `wharf compile` does: takes its limits on, reads, compiles, answers. Given nothing it only says whether it is cut off from
/// the network.
///
/// # Errors
/// When the component is unfit, or a pipe is closed.
pub fn run() -> Result<()> {
    // The thread that waits for it is there as long as the host is.
    set_parent_process_death_signal(Some(Signal::KILL)).context("it cannot be tied to its host")?;
    let network = if cut_off() { CUT_OFF } else { CONNECTED };
    let at_once = std::env::var_os(AT_ONCE).is_some();
    if !at_once {
        step_back(LAST);
    }
    let limits = [
        (Resource::Cpu, CPU_S_MAX),
        (Resource::As, MEMORY_BYTES_MAX),
        (Resource::Nofile, FILES_MAX),
        (Resource::Core, 0),
    ];
    for (resource, most) in limits {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).context("the limits cannot be set")?;
    }
    let most = COMPONENT_BYTES_MAX + 1 + if at_once { KNOWN_BYTES_MAX } else { 0 };
    let mut asked = Vec::new();
    std::io::stdin().lock().take(most as u64).read_to_end(&mut asked)?;
    let given = if at_once { knowing(&asked)? } else { compiled(&asked)? };
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&[network])?;
    given.iter().try_for_each(|bytes| stdout.write_all(bytes))?;
    Ok(stdout.flush()?)
}

/// The artifact of a component; nothing of nothing.
fn compiled(wasm: &[u8]) -> Result<Vec<Vec<u8>>> {
    Ok(if wasm.is_empty() { vec![] } else { vec![wharf_runtime::compile(wasm)?] })
}

/// The same where functions are known: the artifact behind its length, and the functions that are new.
fn knowing(asked: &[u8]) -> Result<Vec<Vec<u8>>> {
    let (wasm, known) = split(asked).context("the component broke off")?;
    let (artifact, new) = wharf_runtime::compile_knowing(wasm, known.to_vec())?;
    Ok(vec![length(&artifact).to_vec(), artifact, new])
}

/// Takes this process out of the machine's network; false when the kernel does not let it.
pub fn cut_off() -> bool {
    // SAFETY: no file descriptors are unshared, and this process has one thread, so nothing else sees the change.
    #[allow(unsafe_code, reason = "namespaces have no other door")]
    let cut = |flags| unsafe { unshare_unsafe(flags) };
    // Alone it needs privileges; within a user namespace of its own it mostly does not.
    cut(UnshareFlags::NEWNET).is_ok() || cut(UnshareFlags::NEWUSER | UnshareFlags::NEWNET).is_ok()
}
