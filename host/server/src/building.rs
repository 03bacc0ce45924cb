//! Plugins that say in `wharf.toml` how they are built, and building them.
//!
//! Invariant: a command runs in the folder of the file that names it, and what it prints is talk: it goes to stderr as it comes. A
//! build that fails leaves the component that there was.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use wharf_event::{Code, PluginName};

use crate::{
    config::{self, Problems},
    failure::Failure,
    load,
};

/// What a shell says where it does not find a program.
const NOT_FOUND: i32 = 127;

/// By which variable a command finds the program that runs it, on `PATH` or not.
const PROGRAM: &str = "WHARF";

/// A plugin that can be built.
#[derive(Clone, Debug)]
pub struct Buildable {
    /// The plugin.
    pub plugin: PluginName,
    /// Where its command runs.
    pub folder: PathBuf,
    /// What the command writes.
    pub component: PathBuf,
    /// The command.
    pub command: String,
}

/// The plugins of a configuration that say how they are built.
///
/// # Errors
/// When the configuration has mistakes.
pub fn buildable(path: &Path) -> Result<Vec<Buildable>, Failure> {
    let text = load::read(path).map_err(|error| Failure::load(&error))?;
    let (config, list) = config::read(&text);
    if !list.is_empty() {
        return Err(Failure::load(&Problems { path: path.to_owned(), text, list }.into()));
    }
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let plugins = config.tenants.into_values().flat_map(|tenant| tenant.plugins);
    let of = |(plugin, of): (PluginName, config::PluginConfig)| {
        let component = folder.join(&of.component);
        Some(Buildable { plugin, folder: folder.to_owned(), component, command: of.build? })
    };
    Ok(plugins.filter_map(of).collect())
}

impl Buildable {
    /// Builds it, and gives how long that took.
    ///
    /// # Errors
    /// When the command fails.
    pub fn build(&self) -> Result<Duration, Failure> {
        let began = Instant::now();
        let status = self.run().map_err(|error| {
            let message = format!("{}: no shell can be started: {error}", self.plugin);
            Failure::new(Code::BuildFailed, message, "commands are run by `sh -c`")
        })?;
        if status.success() { Ok(began.elapsed()) } else { Err(self.failed(status)) }
    }

    fn run(&self) -> io::Result<ExitStatus> {
        let mut shell = Command::new("sh");
        shell.args(["-c", &self.command]).current_dir(&self.folder).stdin(Stdio::null()).stdout(io::stderr());
        if let Ok(this) = std::env::current_exe() {
            shell.env(PROGRAM, this);
        }
        shell.status()
    }

    fn failed(&self, status: ExitStatus) -> Failure {
        let Self { plugin, command, .. } = self;
        if status.code() == Some(NOT_FOUND) {
            let help = "install what has it, or name another command beside `component`";
            let program = command.split_whitespace().next().unwrap_or_default();
            let message = if is_there(program) {
                format!("{plugin}: a program of `{command}` is not installed here; the shell named it above")
            } else {
                format!("{plugin}: `{program}` is not installed here")
            };
            return Failure::new(Code::BuildFailed, message, help);
        }
        let help = "what it said stands above; it ran in the folder of wharf.toml";
        Failure::new(Code::BuildFailed, format!("{plugin}: `{command}` failed with {status}"), help)
    }
}

/// Whether a shell finds a program of this name.
fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // The first two are the shell's own.
    ["test", "cd"].contains(&program) || std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
