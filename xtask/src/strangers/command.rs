//! The command line of `cargo xtask strangers`, and what each stranger is asked.
//!
//! Invariant: the exit status says whether all of them agreed; each has one line on stdout, with its own words above it where it did
//! not.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use super::attack;
use super::seed;
use super::tools::Tools;
use crate::guests::{self, cargo, process};
use crate::host::binary::{self, Profile};
use crate::host::{Host, Stage};
use crate::interrupt::Interrupt;

/// The configuration of the host: a plugin that does what events ask it to.
const CONFIG: &str = r#"
default_tenant = "acme"
[tenants.acme.plugins.probe]
component = "probe.wasm"
grants = { publish = ["probe.*"], kv = ["probe"] }
[tenants.acme.rules.probe]
pattern = { type = [{ prefix = "probe." }] }
targets = [{ plugin = "probe", retry = { attempts = 1 }, dead_letter = "dead" }]
[tenants.acme.buses.audit]
[tenants.acme.schemas.new]
file = "new.json"
type = "stranger.new"
[tenants.acme.schemas.seven]
file = "seven.json"
type = "stranger.seven"
bus = "audit"
"#;

/// Schemas that use what is hard to move into another document: references to the root, to anchors, to names with odd letters.
const SCHEMAS: [(&str, &str); 2] = [
    (
        "new.json",
        r##"{"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://example.com/new", "title": "New",
        "type": "object", "properties": {"child": {"$ref": "#/$defs/a%20b~1c"}, "parent": {"$ref": "#"}, "list": {"prefixItems": [true],
        "items": {"$ref": "#it"}}}, "dependentRequired": {"child": ["parent"]}, "unevaluatedProperties": false,
        "$defs": {"a b/c": {"$anchor": "it", "type": "object", "properties": {"n": {"type": "integer", "exclusiveMinimum": 0}}}}}"##,
    ),
    (
        "seven.json",
        r##"{"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"child": {"$ref": "#/definitions/it"},
        "list": {"items": [{"$ref": "#/definitions/it"}], "additionalItems": false}, "any": true},
        "definitions": {"it": {"properties": {"n": {"type": "integer"}}, "if": {"required": ["n"]}, "then": true}}}"##,
    ),
];

/// How long one answer may take.
const ANSWER_S_MAX: Duration = Duration::from_secs(20);

/// Options of `cargo xtask strangers`.
#[derive(clap::Args)]
pub struct Args {
    /// Ask only these.
    #[arg(value_enum)]
    only: Vec<Stranger>,
    /// Run this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stranger {
    /// The CloudEvents SDK of PyPI sends in every mode that it has, and reads back.
    Pypi,
    /// The one of npm does the same.
    Npm,
    /// The parser of AsyncAPI reads what a tenant's buses receive.
    #[value(name = "asyncapi")]
    AsyncApi,
    /// Looks for answers that /openapi.json does not describe.
    Schemathesis,
    /// Attacks by slow heads, slow bodies and slow reading, for about a minute.
    Slowhttptest,
    /// Checks the page of metrics.
    Promtool,
    /// The SDKs of OpenAI and AWS talk to the stand-in for providers of models that the tests use.
    Models,
    /// scikit-learn makes the model of the plugin `fraud-score` anew, and it tells what it told before.
    Fraud,
}

/// Any client of the host.
pub struct Client {
    agent: ureq::Agent,
    base: String,
}

impl Client {
    fn new(base: &str) -> Self {
        let config = ureq::Agent::config_builder().proxy(None).timeout_global(Some(ANSWER_S_MAX));
        // Each request has a connection of its own, so that it is seen whether new ones are taken.
        Self { agent: config.max_idle_connections(0).build().into(), base: base.to_owned() }
    }

    /// The whole address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// What is at a path.
    pub fn get(&self, path: &str) -> Result<String> {
        let answer = self.agent.get(self.url(path)).call().with_context(|| format!("GET {path}"))?;
        Ok(answer.into_body().read_to_string()?)
    }

    /// Posts to a path.
    pub fn post(&self, path: &str, content_type: &str, body: &str) -> Result<()> {
        let request = self.agent.post(self.url(path)).content_type(content_type);
        request.send(body).map(drop).with_context(|| format!("POST {path}"))
    }

    /// Posts to a path, and gives the answer.
    pub fn ask(&self, path: &str, content_type: &str, body: &str) -> Result<serde_json::Value> {
        let request = self.agent.post(self.url(path)).content_type(content_type);
        let answer = request.send(body).with_context(|| format!("POST {path}"))?.into_body().read_to_string()?;
        serde_json::from_str(&answer).with_context(|| format!("the answer of {path}"))
    }

    /// Puts something at a path.
    pub fn put(&self, path: &str, content_type: &str, body: &str) -> Result<()> {
        let request = self.agent.put(self.url(path)).content_type(content_type);
        request.send(body).map(drop).with_context(|| format!("PUT {path}"))
    }
}

/// Asks the strangers, one after the other.
pub fn run(args: &Args) -> Result<()> {
    let tools = Tools::new(&cargo::workspace(&cargo::repository())?.target);
    let stage =
        Stage::lay_out(&std::env::temp_dir(), "wharf-strangers-", &[CONFIG, seed::CONFIG].concat(), &guests::build()?)?;
    for (name, schema) in SCHEMAS {
        std::fs::write(stage.path().join(name), schema).with_context(|| format!("writing {name}"))?;
    }
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Dev)?;
    let host = Host::start(&binary, &stage, ([127, 0, 0, 1], 0).into())?;
    let client = Client::new(&host.ready().url);
    // Something of everything that can be read: keys, dead letters, events of several kinds.
    for kind in ["probe.increment", "probe.reject", "probe.chain", "nobody.listens"] {
        client.post(&format!("/events?type={kind}&source=strangers"), "application/json", "{}")?;
    }
    let mut refused = 0;
    for stranger in Stranger::value_variants() {
        if args.only.is_empty() || args.only.contains(stranger) {
            match ask(*stranger, &tools, &client) {
                Ok(said) => println!("{:14} ok      {said}", format!("{stranger:?}").to_lowercase()),
                Err(error) => {
                    refused += 1;
                    println!("{:14} REFUSED {error:#}", format!("{stranger:?}").to_lowercase());
                }
            }
        }
    }
    host.stop()?;
    if refused > 0 {
        bail!("{refused} of the strangers found something");
    }
    Ok(())
}

fn ask(stranger: Stranger, tools: &Tools, client: &Client) -> Result<String> {
    let scripts = cargo::repository().join("tests/strangers");
    match stranger {
        Stranger::Pypi => {
            said(Command::new(tools.python()?.join("python")).arg(scripts.join("pypi.py")).arg(client.url("")))
        }
        Stranger::Npm => {
            let sdk = tools.npm("cloudevents")?;
            said(Command::new("node").arg(scripts.join("npm.mjs")).arg(sdk).arg(client.url("")))
        }
        Stranger::AsyncApi => {
            let parser = tools.npm("@asyncapi/parser")?;
            said(Command::new("node").arg(scripts.join("asyncapi.mjs")).arg(parser).arg(client.url("")))
        }
        Stranger::Schemathesis => schemathesis(&tools.python()?, &scripts, client),
        Stranger::Slowhttptest => attack::run(&tools.debian("slowhttptest", "slowhttptest")?, client),
        Stranger::Fraud => fraud(&tools.fraud_python()?.join("python")),
        Stranger::Models => models(&tools.models_python()?.join("python"), &scripts.join("models.py")),
        Stranger::Promtool => promtool(&tools.debian("prometheus", "promtool")?, client),
    }
}

/// The last line that a program prints; all of them where it fails.
fn said(command: &mut Command) -> Result<String> {
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("starting {command:?}"))?;
    let words = String::from_utf8_lossy(&done.stdout);
    if !done.status.success() {
        print!("{words}{}", String::from_utf8_lossy(&done.stderr));
        bail!("it ended with {}", done.status);
    }
    Ok(words.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim_matches(['=', ' ']).to_owned())
}

/// Whether the model is made again as it is.
fn fraud(python: &Path) -> Result<String> {
    let (from, made) = (cargo::repository().join("plugins/fraud-score/model"), tempfile::tempdir()?);
    let script = made.path().join("train.py");
    std::fs::copy(from.join("train.py"), &script).context("copying train.py")?;
    process::run(Command::new(python).arg(&script))?;
    for name in ["fraud.onnx", "predictions.json"] {
        let read = |folder: &Path| std::fs::read(folder.join(name)).with_context(|| format!("reading {name}"));
        ensure!(read(&from)? == read(made.path())?, "{name} is another than that of plugins/fraud-score/model");
    }
    Ok("the model and what it predicts are the same again".to_owned())
}

/// What the SDKs say of the stand-in, which ends with its stdin.
fn models(python: &Path, script: &Path) -> Result<String> {
    let mut stand_in = Command::new(binary::build_of("wharf-models", Profile::Dev)?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let stdout = stand_in.stdout.take().context("the stand-in says nothing")?;
    BufReader::new(stdout).read_line(&mut line)?;
    let asked = said(Command::new(python).arg(script).arg(line.trim()).env("NO_PROXY", "127.0.0.1"));
    drop(stand_in.stdin.take());
    stand_in.wait()?;
    asked
}

fn schemathesis(programs: &Path, scripts: &Path, client: &Client) -> Result<String> {
    let config = seed::config(scripts, client, &Interrupt::never())?;
    let mut command = Command::new(programs.join("schemathesis"));
    command.arg("--config-file").arg(config.path()).arg("run").arg(client.url("/openapi.json"));
    command.args(["--checks", "all", "--continue-on-failure", "--max-examples", "100", "--request-timeout", "20"]);
    // It keeps a database of what failed where it runs.
    said(command.args(["--no-color", "--warnings", "off"]).current_dir(std::env::temp_dir()))
}

fn promtool(promtool: &Path, client: &Client) -> Result<String> {
    let page = client.get("/metrics")?;
    let mut file = tempfile::tempfile()?;
    std::io::Write::write_all(&mut file, page.as_bytes())?;
    std::io::Seek::rewind(&mut file)?;
    let done = Command::new(promtool).args(["check", "metrics"]).stdin(file).output().context("starting promtool")?;
    let words = [done.stdout, done.stderr].concat();
    if !done.status.success() || !words.is_empty() {
        bail!("{}: {}", done.status, String::from_utf8_lossy(&words));
    }
    let families = page.lines().filter(|line| line.starts_with("# TYPE ")).count();
    Ok(format!("nothing to say against {families} families"))
}
