//! The command line of `cargo xtask oci`, and what is checked, one line each.
//!
//! Invariant: what a client says of a digest is held against the bytes that were there before; a check that fails ends the run with status 1.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::registry::{LOGIN, Registry};
use crate::guests::{self, cargo, process};
use crate::host::binary::{self, Profile};
use crate::host::releases::sha256;
use crate::host::{Host, Stage};
use crate::strangers::Tools;

/// The host's own configuration: everything else is deployed to it.
const CONFIG: &str = "default_tenant = \"acme\"\n[tenants.acme]\n";

/// What is deployed to it by a reference.
const PROJECT: &str = r#"
[tenants.acme.plugins.probe]
component = "REFERENCE"
grants = { publish = ["probe.*"], kv = ["probe"] }
[tenants.acme.rules.probe]
pattern = { type = [{ prefix = "probe." }] }
targets = [{ plugin = "probe" }]
"#;

/// Bytes that nothing reads behind a component, so that it comes in many pieces.
const PADDING_BYTES: usize = 40_000_000;

/// Options of `cargo xtask oci`.
#[derive(clap::Args)]
pub struct Args {
    /// Run this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

/// Fetches both peers, starts the registry and a host, and lets components go around.
pub fn run(args: &Args) -> Result<()> {
    let tools = Tools::new(&cargo::workspace(&cargo::repository())?.target);
    let (docker_registry, wkg) = (tools.debian("docker-registry", "docker-registry")?, tools.wkg()?);
    let stage = Stage::lay_out(&std::env::temp_dir(), "wharf-oci-", CONFIG, &guests::build()?)?;
    let wharf = binary::given_or_built(args.binary.as_deref(), Profile::Dev)?;
    let registry = Registry::start(&docker_registry, &stage.path().join("registry"), false)?;
    let host = Host::start(&wharf, &stage, ([127, 0, 0, 1], 0).into())?;
    let tour = Tour { wharf, wkg, folder: stage.path(), url: &host.ready().url, address: registry.address() };
    let checks: [(&str, Check); 5] = [
        ("pulled", wkg_pushes_and_wharf_deploys),
        ("pushed", wharf_pushes_and_wkg_pulls),
        ("large", many_pieces_go_both_ways),
        ("unknown", what_is_not_there_is_told),
        ("again", the_same_is_not_another),
    ];
    for (name, check) in checks {
        println!("{name:8} ok  {}", check(&tour).with_context(|| name.to_owned())?);
    }
    let closed = Registry::start(&docker_registry, &stage.path().join("closed"), true)?;
    let tour = Tour { address: closed.address(), ..tour };
    println!("{:8} ok  {}", "door", the_door_opens_to_whom_docker_knows(&tour).context("door")?);
    host.stop()
}

/// Something that goes around, and a line about it.
type Check = fn(&Tour<'_>) -> Result<String>;

/// What goes around where.
struct Tour<'a> {
    wharf: PathBuf,
    wkg: PathBuf,
    folder: &'a Path,
    url: &'a str,
    address: String,
}

impl Tour<'_> {
    /// A reference as `wkg` writes it.
    fn named(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// The same as `wharf` writes it.
    fn oci(&self, name: &str) -> String {
        format!("oci://{}", self.named(name))
    }

    /// A client in the stage's folder. Nobody's own docker is asked.
    fn client(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder).stdin(Stdio::null()).env("DOCKER_CONFIG", self.folder);
        command
    }

    fn wkg(&self, words: &[&str]) -> Result<String> {
        process::output(self.client(&self.wkg).args(["oci"]).args(words).args(["--insecure", &self.address]))
    }

    fn asked(&self, words: &[&str]) -> Result<Output> {
        let mut command = self.client(&self.wharf);
        command.args(["-o", "json"]).args(words).env("WHARF_URL", self.url);
        command.output().with_context(|| format!("starting {command:?}"))
    }

    /// What `wharf` prints where it is to go well.
    fn wharf(&self, words: &[&str]) -> Result<Value> {
        let Output { status, stdout, stderr } = self.asked(words)?;
        let said = String::from_utf8_lossy(&stderr);
        ensure!(status.success(), "wharf {words:?}: {status}: {}{said}", String::from_utf8_lossy(&stdout));
        serde_json::from_slice(&stdout).with_context(|| format!("wharf {words:?} printed no JSON"))
    }

    /// Whether `wharf` ends as it is to, with that code.
    fn refused(&self, words: &[&str], code: &str) -> Result<()> {
        let Output { status, stdout, stderr } = self.asked(words)?;
        let said = String::from_utf8_lossy(&stderr);
        let told = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let is_told = told.into_iter().any(|line| line.pointer("/error/code").is_some_and(|told| told == code));
        ensure!(!status.success() && is_told, "wharf {words:?}: {status}: {}{said}", String::from_utf8_lossy(&stdout));
        Ok(())
    }

    fn digest(&self, file: &str) -> Result<String> {
        let bytes = fs::read(self.folder.join(file)).with_context(|| format!("reading {file}"))?;
        Ok(format!("sha256:{}", sha256(&bytes)))
    }

    /// Deploys a reference as the whole of a project, and checks which release has the traffic.
    fn deploy(&self, reference: &str, release: &str) -> Result<()> {
        fs::write(self.folder.join("project.toml"), PROJECT.replace("REFERENCE", reference))?;
        let done = self.wharf(&["deploy", "-c", "project.toml", "--yes"])?;
        ensure!(at(&done, "ok") == &Value::Bool(true), "{done}");
        let shown = self.wharf(&["plugin", "show", "probe"])?;
        let stable = at(&shown, "stable");
        ensure!(stable == release, "{reference} gave {stable}, and {release} was pushed");
        Ok(())
    }
}

/// A member of a document; `null` if there is none.
fn at<'a>(document: &'a Value, key: &str) -> &'a Value {
    document.get(key).unwrap_or(&Value::Null)
}

fn wkg_pushes_and_wharf_deploys(tour: &Tour<'_>) -> Result<String> {
    tour.wkg(&["push", &tour.named("wkg/probe:1.0.0"), "probe.wasm"])?;
    let release = tour.digest("probe.wasm")?;
    tour.deploy(&tour.oci("wkg/probe:1.0.0"), &release)?;
    // It waits, and its exit status is how the delivery ended.
    tour.wharf(&["send", "probe.increment", "-d", "{}"])?;
    Ok(format!("wkg pushed it, wharf deployed {release}, and it handled an event"))
}

fn wharf_pushes_and_wkg_pulls(tour: &Tour<'_>) -> Result<String> {
    let pushed = tour.wharf(&["plugin", "push", "counter.wasm", &tour.oci("wharf/counter:1.0.0")])?;
    let manifest = at(&pushed, "manifest").as_str().context("no manifest")?.to_owned();
    let release = tour.digest("counter.wasm")?;
    for (n, named) in ["wharf/counter:1.0.0".to_owned(), format!("wharf/counter@{manifest}")].iter().enumerate() {
        let to = format!("pulled-{n}.wasm");
        tour.wkg(&["pull", &tour.named(named), "-o", &to])?;
        let pulled = tour.digest(&to)?;
        ensure!(
            pulled == release && at(&pushed, "release") == &release,
            "{named} gave {pulled}, and {pushed} was pushed"
        );
    }
    Ok(format!("wharf pushed it, and wkg pulled {release} by tag and by digest"))
}

/// A component as large as those of interpreted languages are.
fn many_pieces_go_both_ways(tour: &Tour<'_>) -> Result<String> {
    let mut wasm = fs::read(tour.folder.join("probe.wasm"))?;
    // A custom section of the name `x`.
    wasm.push(0);
    let length = u32::try_from(PADDING_BYTES)? + 2;
    wasm.extend((0..5).map(|n| (length >> (7 * n) & 0x7f) as u8 | if n < 4 { 0x80 } else { 0 }));
    wasm.extend(b"\x01x");
    wasm.extend(std::iter::repeat_n(7, PADDING_BYTES));
    fs::write(tour.folder.join("large.wasm"), wasm)?;
    let release = tour.digest("large.wasm")?;
    tour.wharf(&["plugin", "push", "large.wasm", &tour.oci("wharf/large:1.0.0")])?;
    tour.wkg(&["pull", &tour.named("wharf/large:1.0.0"), "-o", "large-pulled.wasm"])?;
    ensure!(tour.digest("large-pulled.wasm")? == release, "wkg pulled something else");
    tour.wkg(&["push", &tour.named("wkg/large:1.0.0"), "large.wasm"])?;
    tour.deploy(&tour.oci("wkg/large:1.0.0"), &release)?;
    Ok(format!("{} MB went both ways", PADDING_BYTES / 1_000_000))
}

fn what_is_not_there_is_told(tour: &Tour<'_>) -> Result<String> {
    let nothing = format!("wkg/probe@sha256:{}", "0".repeat(64));
    for name in ["wkg/probe:9.9.9", "nobody/nothing:1.0.0", &nothing] {
        tour.refused(&["deploy", &tour.oci(name), "--plugin", "probe", "--yes"], "oci-unknown")?;
    }
    Ok("an unknown tag, an unknown name and an unknown digest are oci-unknown".to_owned())
}

fn the_same_is_not_another(tour: &Tour<'_>) -> Result<String> {
    let push = || tour.wharf(&["plugin", "push", "probe.wasm", &tour.oci("wharf/probe:1.0.0")]);
    let (first, second) = (push()?, push()?);
    ensure!(first == second, "the same component was pushed as {first} and as {second}");
    let words = ["deploy", &tour.oci("wharf/probe:1.0.0"), "--plugin", "probe", "--yes"];
    tour.wharf(&words)?;
    let done = tour.wharf(&words)?;
    ensure!(at(&done, "changes") == &Value::Array(Vec::new()), "the same was deployed twice: {done}");
    Ok("the same component is the same artifact, and deployed once".to_owned())
}

fn the_door_opens_to_whom_docker_knows(tour: &Tour<'_>) -> Result<String> {
    // A component that the host has not yet, so that it has to come through the door too.
    let reference = tour.oci("wharf/counter:1.0.0");
    let push = ["plugin", "push", "counter.wasm", &reference];
    tour.refused(&push, "oci-denied")?;
    let config = serde_json::json!({"auths": {&tour.address: {"auth": LOGIN}}});
    fs::write(tour.folder.join("config.json"), config.to_string())?;
    tour.wharf(&push)?;
    tour.deploy(&reference, &tour.digest("counter.wasm")?)?;
    tour.wkg(&["pull", &tour.named("wharf/counter:1.0.0"), "-o", "door.wasm"])?;
    ensure!(tour.digest("door.wasm")? == tour.digest("counter.wasm")?, "wkg pulled something else");
    Ok("a registry with a password lets in whom docker's configuration has, and nobody else".to_owned())
}
