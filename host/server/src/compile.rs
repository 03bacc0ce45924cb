//! Components read, checked and compiled, as many at a time as there are cores: most of what one costs is done by one core.
//!
//! Every file is read once, whoever names it. Nothing is decided here: a file that is unfit is told of where it is named.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
};

use wharf_event::Code;
use wharf_inspect::needs;
use wharf_runtime::{ComponentError, Prepared, Runtime, limits::COMPONENT_BYTES_MAX};

use crate::progress::Progress;

/// Components that are compiled at a time.
const THREADS_MAX: usize = 8;

/// A component that can run.
pub struct Compiled {
    /// Its file.
    pub wasm: Vec<u8>,
    /// What the engine made of it.
    pub prepared: Prepared,
}

/// Why a file is no component that can run: a code, a sentence, and what to do.
pub type Unfit = (Code, String, String);

/// What became of each file.
pub type Components = HashMap<PathBuf, Result<Compiled, Unfit>>;

/// Compiles all of `files`, and says how far that has come.
pub fn all(files: BTreeSet<PathBuf>, runtime: &Runtime, progress: &Progress) -> Components {
    let total = files.len();
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX).min(files.len());
    let (left, done) = (Mutex::new(files), Mutex::new(HashMap::new()));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(file) = left.lock().unwrap_or_else(PoisonError::into_inner).pop_first() {
                    let compiled = compile(&file, runtime);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.insert(file, compiled);
                    progress.show(&format!("{} of {total} components compiled", done.len()));
                }
            });
        }
    });
    progress.clear();
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn compile(file: &Path, runtime: &Runtime) -> Result<Compiled, Unfit> {
    let wasm = read_bounded(file, COMPONENT_BYTES_MAX as u64 + 1).map_err(|error| {
        let help = "build it, or correct the path; it is relative to the configuration's folder";
        (Code::ComponentMissing, error.to_string(), help.to_owned())
    })?;
    let unfit = |error: ComponentError| {
        let code = error.code();
        (code, error.to_string(), format!("`wharf explain {code}` says what to do"))
    };
    let prepared = runtime.prepare_idle(&wasm).map_err(unfit)?;
    needs(&wasm).map_err(unfit)?;
    Ok(Compiled { wasm, prepared })
}

/// The first `bytes_max` bytes of a file. Callers ask for one more than they allow, to see that it is too large.
pub fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}
