//! Whoever reads a page: takes its steps in order, in a folder that was empty.
//!
//! Invariant: a reader has the binary under test as `wharf`, an address of its own for hosts, and else this machine as it is. What one wrote is
//! gone afterwards.

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use super::page::{self, End, Step};
use super::terminal::Terminal;
use crate::interrupt::Interrupt;

/// How long one block may take, in seconds: tools are installed in some.
const BLOCK_S_MAX: &str = "400";

/// What this program was told by variables, which no reader has.
const NOT_A_READERS: [&str; 6] =
    ["CARGO_TARGET_DIR", "RUSTFLAGS", "WHARF_CONFIG", "WHARF_DATA", "WHARF_TENANT", "WHARF_SECRET_KEY"];

/// What a reader has at hand.
#[derive(Default)]
pub struct Tools {
    /// Variables of all that is typed.
    pub all: Vec<(String, OsString)>,
    /// Variables of `wharf` only.
    pub wharf: Vec<(String, OsString)>,
    /// Where plugins in Rust are built, all of them, since a page is read often.
    pub target: Option<PathBuf>,
}

/// A reader.
pub struct Reader<'a> {
    folder: TempDir,
    here: PathBuf,
    tools: &'a Tools,
    address: String,
    interrupt: &'a Interrupt,
    terminals: Vec<Terminal>,
    /// What the last command said; none where it stands in the terminal that was opened last.
    said: Option<String>,
}

impl<'a> Reader<'a> {
    /// One who has read nothing.
    pub fn new(wharf: &Path, tools: &'a Tools, interrupt: &'a Interrupt) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("guide-").tempdir().context("making a folder")?;
        let (here, bin) = (folder.path().join("home"), folder.path().join("bin"));
        fs::create_dir(&here)?;
        fs::create_dir(&bin)?;
        let program = bin.join("wharf");
        fs::write(&program, script(wharf, &tools.wharf))?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
        let address = free.local_addr()?.to_string();
        Ok(Self { folder, here, tools, address, interrupt, terminals: Vec::new(), said: None })
    }

    /// Takes the steps of a page, and gives how many there are.
    pub fn read(&mut self, text: &str) -> Result<usize> {
        let steps = page::steps(text)?;
        for (n, (line, step)) in steps.iter().enumerate() {
            self.interrupt.check()?;
            self.take(n, step).with_context(|| format!("line {line}"))?;
        }
        Ok(steps.len())
    }

    /// The folder that it is in.
    pub fn here(&self) -> &Path {
        &self.here
    }

    /// Where its hosts serve.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the terminal that was opened last says.
    pub fn terminal(&self) -> Result<String> {
        self.terminals.last().context("no terminal is open")?.text()
    }

    fn take(&mut self, n: usize, step: &Step) -> Result<()> {
        match step {
            Step::File { path, text } => {
                if let Some(terminal) = self.terminals.last_mut() {
                    terminal.look_away()?;
                }
                self.said = None;
                let to = self.here.join(path);
                if let Some(folder) = to.parent() {
                    fs::create_dir_all(folder)?;
                }
                fs::write(&to, text).with_context(|| format!("writing {path}"))
            }
            Step::Typed { script, end: End::Open } => {
                let output = self.folder.path().join(format!("terminal-{n}"));
                let mut command = self.shell(&format!("exec {}", script.trim()));
                self.terminals.push(Terminal::open(&mut command, &output)?);
                self.said = None;
                Ok(())
            }
            Step::Typed { script, end } => self.typed(script, *end),
            Step::Seen(lines) => match (&self.said, self.terminals.last_mut()) {
                (Some(said), _) => match page::unseen(lines, said) {
                    None => Ok(()),
                    Some(line) => bail!("`{line}` is not seen; what stands there is\n{said}"),
                },
                (None, Some(terminal)) => terminal.says(lines, self.interrupt),
                (None, None) => bail!("nothing runs that could say this"),
            },
        }
    }

    fn typed(&mut self, script: &str, end: End) -> Result<()> {
        let (said, place) = (self.folder.path().join("said"), self.folder.path().join("place"));
        let file = fs::File::create(&said)?;
        let mut command = self.shell(&format!("trap 'pwd > \"{}\"' EXIT\n{script}", place.display()));
        let status = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).status().context("bash")?;
        let said = String::from_utf8_lossy(&fs::read(&said)?).into_owned();
        let is_as_told = status.success() == (end == End::Well);
        ensure!(is_as_told, "`{}`: {status}; what stands there is\n{said}", script.trim());
        self.here = PathBuf::from(fs::read_to_string(&place).context("reading where it ended")?.trim_end());
        self.said = Some(said);
        self.share()
    }

    fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--foreground", "--kill-after=10", BLOCK_S_MAX, "bash", "-euo", "pipefail", "-c", script]);
        for name in NOT_A_READERS {
            command.env_remove(name);
        }
        command.envs(self.tools.all.iter().map(|(name, value)| (name, value)));
        let path = self.tools.all.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
        let path = path.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
        let mut with_wharf = self.folder.path().join("bin").into_os_string();
        with_wharf.push(":");
        with_wharf.push(path);
        command.env("PATH", with_wharf).env("WHARF_LOG_FORMAT", "text").env("NO_COLOR", "1");
        command.env("WHARF_LISTEN", &self.address).env("WHARF_URL", self.url());
        command.current_dir(&self.here);
        command
    }

    /// Lets a plugin in Rust that was just made be built where the others are.
    fn share(&self) -> Result<()> {
        let Some(target) = &self.tools.target else { return Ok(()) };
        let to = self.here.join("target");
        if self.here.join("Cargo.toml").is_file() && fs::symlink_metadata(&to).is_err() {
            fs::create_dir_all(target)?;
            symlink(target, &to).context("sharing what is built")?;
        }
        Ok(())
    }
}

/// A program that is another one with some variables.
fn script(program: &Path, variables: &[(String, OsString)]) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let set = |(name, value): &(String, OsString)| format!("export {name}={}\n", quoted(&value.to_string_lossy()));
    let set: String = variables.iter().map(set).collect();
    format!("#!/bin/sh\n{set}exec {} \"$@\"\n", quoted(&program.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(page: &str) -> Result<usize> {
        let (tools, interrupt) = (Tools::default(), Interrupt::never());
        Reader::new(Path::new("/bin/echo"), &tools, &interrupt)?.read(page)
    }

    #[test]
    fn steps_are_taken_in_order_in_one_place() {
        let page = "```sh\nmkdir a\ncd a\nwharf said\n```\n```text\nsaid\n```\n```text b/c.txt\nx\n```\n```sh\ntest \"$(cat b/c.txt)\" = x\npwd\n```\n```text\n…/a\n```\n\
                    ```sh background\nbash -c 'wharf on; sleep 60'\n```\n```text\non\n```\n```sh fails\nfalse\ncd b\n```\n```sh\ntest -d b\n```\n";
        assert_eq!(read(page).unwrap(), 9);
    }

    #[test]
    fn a_page_that_is_not_true_is_told_with_its_line() {
        let wrong = |page: &str| format!("{:#}", read(page).unwrap_err());
        assert!(wrong("\n```sh\nfalse\n```\n").starts_with("line 2: `false`: exit status: 1"));
        assert!(wrong("```sh fails\ntrue\n```\n").starts_with("line 1: `true`: exit status: 0"));
        assert!(
            wrong("```sh\necho a\n```\n```text\nb\n```\n")
                .starts_with("line 4: `b` is not seen; what stands there is\na")
        );
        assert!(wrong("```text a.txt\n```\n```text\nb\n```\n").starts_with("line 3: nothing runs"));
    }

    #[test]
    fn variables_of_the_program_alone_reach_it_whole() {
        let told = script(Path::new("/a b/wharf"), &[("RUSTC".to_owned(), "/it's".into())]);
        assert_eq!(told, "#!/bin/sh\nexport RUSTC='/it'\\''s'\nexec '/a b/wharf' \"$@\"\n");
    }
}
